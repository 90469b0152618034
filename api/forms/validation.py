"""How right is counted: people watch masked pieces of video and count what passes a line, and see
what the machine counted once theirs is kept: theirs, and nobody else's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from api.access import Permission
from api.evidence.ranges import wanted_piece
from api.evidence.routes import allowed
from api.evidence.transfer import Sent as SentOut
from api.evidence.transfer import sent
from api.forms.groups import cameras_there
from api.forms.page import POLICY, go, show, texts_of
from api.forms.refusals import REFUSALS, missing, said
from api.forms.sent import Fields, Sent, WrongError, number
from api.i18n import N_, Texts
from api.pieces import path_of, read
from api.services import Asking, Served, Services
from api.sessions import actor_of
from api.store.validations import (
    MAX_COUNT,
    OTHER,
    Listed,
    NewPiece,
    Passed,
    PieceCount,
    Validation,
    compared,
)
from vision.validation import EVERY, Accuracy

COUNTING: Final = "; ".join([POLICY, "script-src 'self'", "media-src 'self'"])
"""The page on which somebody counts runs one script, and plays the piece."""
PRIVATE: Final = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
SPEEDS: Final = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
LABEL_CHARS: Final = 24
ARROW: Final = 0.1
"""An arrow that shows a direction is so long, in widths of the picture."""
LETTERS: Final = 40
"""A name is written as large as this part of the picture is wide."""
SLANTED: Final = 0.4
"""An arrow that goes less to a side has its name above or below it."""
HALF: Final = 0.5
"""Errors are drawn from minus this to plus this."""
ODD_COUNT: Final = N_("“%(count)s” is no count: write a whole number from 0 to %(most)d.")
NOT_WATCHED: Final = N_(
    "Nothing was kept: count the piece from its begin to its end, tick the box that says so, and "
    "send it again."
)
CLASSES: Final[Mapping[str, str]] = {
    "person": N_("pedestrian"),
    "bicycle": N_("bicycle"),
    "motorcycle": N_("motorcycle"),
    "car": N_("car"),
    "bus": N_("bus"),
    "truck": N_("truck"),
    "moving": N_("whatever moves"),
    OTHER: N_("something else"),
    EVERY: N_("all together"),
}

router = APIRouter(include_in_schema=False)


class Row(NamedTuple):
    """A piece as people find it in the list. ``open`` says that who asks may count it blind."""

    id: int
    camera: str
    made: NewPiece
    minutes: int
    newest: PieceCount | None
    times: int
    gone: bool
    open: bool


class Bar(NamedTuple):
    """An error and its interval as they are drawn, 0 to 100 with no error at 50."""

    point: float
    low: float
    high: float


class Found(NamedTuple):
    """How right a class is counted, in words; what cannot be told is empty."""

    name: str
    counted: Accuracy
    error: str
    range: str
    bar: Bar | None
    factor: str


class Line(NamedTuple):
    """How right a line is counted."""

    camera: str
    found: Validation
    rows: list[Found]


class Cell(NamedTuple):
    """A field for a count: its name, what it holds, and which direction it is of."""

    field: str
    value: str
    way: int


class Drawn(NamedTuple):
    """A direction on the picture: its arrow as an SVG path in px, where its name stands, and which
    end of it stands there."""

    name: str
    arrow: str
    x: float
    y: float
    anchor: str


@router.get("/validation")
def validation(request: Request, served: Served, caller: Asking) -> Response:
    _ = texts_of(request)
    names, who = _names(served), actor_of(request).name
    listed = served.store.validations.listed(only=caller.cameras)
    rows = [_row(each, names, who) for each in listed]
    found = served.store.validations.all(only=caller.cameras)
    values = {
        "waiting": [row for row in rows if row.newest is None and not row.gone],
        "counted": [row for row in rows if row.newest is not None],
        "lines": [
            Line(names.get(each.camera, each.camera), each, _found(_, each)) for each in found
        ],
        "saved": "saved" in request.query_params,
    }
    return show(request, "validation.html", values)


@router.get("/validation/{piece}")
def shown_piece(request: Request, served: Served, caller: Asking, piece: str) -> Response:
    listed = _listed(served, caller.cameras, piece)
    if listed is None:
        return missing(request)
    # whom the machine's number is shown counts blind no more; once the video went, nobody counts
    blind = actor_of(request).name not in listed.by and _file(served, listed) is not None
    if listed.newest is not None and not blind and "again" not in request.query_params:
        return _result(request, served, listed, listed.newest)
    return _counting(request, served, listed, Fields())


@router.get("/validation/{piece}/video")
async def video(
    request: Request,
    served: Served,
    caller: Asking,
    piece: str,
    range_: Annotated[str | None, Header(alias="Range")] = None,
    if_range: Annotated[str | None, Header()] = None,
) -> Response:
    listed = await run_in_threadpool(_listed, served, caller.cameras, piece)
    path = None if listed is None else _file(served, listed)
    if listed is None or path is None:
        return missing(request)
    made = listed.piece.made
    etag = f'"{made.sha256}"'
    wanted = wanted_piece(range_, if_range, etag, made.size)
    if wanted is None:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{made.size}"})
    headers = {
        **PRIVATE, "ETag": etag, "Accept-Ranges": "bytes", "Content-Length": str(wanted.length),
    } | ({"Content-Range": wanted.said} if wanted.partial else {})  # fmt: skip
    may_still = allowed(served, caller, made.camera, Permission.COUNTS_VALIDATE)
    return SentOut(
        sent(read(path, wanted.start, wanted.length), may_still, served.reading),
        status_code=206 if wanted.partial else 200,
        media_type="video/mp4",
        headers=headers,
    )


@router.post("/validation/{piece}/count")
def count(request: Request, served: Served, caller: Asking, piece: str, sent: Sent) -> Response:
    listed = _listed(served, caller.cameras, piece)
    if listed is None:
        return missing(request)
    made, by = listed.piece.made, actor_of(request)
    try:
        counts = _counts(made, sent)
        if not sent.has("confirm"):
            raise WrongError(NOT_WATCHED)
        served.store.validations.save(listed.piece.id, counts, by, only=caller.cameras)
    except REFUSALS as error:
        return _counting(request, served, listed, sent, said(texts_of(request), error))
    return go(f"/validation/{listed.piece.id}?saved=1")


def _listed(served: Services, only: frozenset[str] | None, piece: str) -> Listed | None:
    wanted = number(piece)
    return None if wanted is None else served.store.validations.get(wanted, only=only)


def _file(served: Services, listed: Listed) -> Path | None:
    """Where the piece's video is, None where it is not there any more."""
    if served.pieces is None or listed.piece.removed_at is not None:
        return None
    path = path_of(served.pieces, listed.piece.made.sha256)
    return path if path.is_file() else None


def _counts(made: NewPiece, sent: Fields) -> Passed:
    """Raises WrongError."""
    found: dict[tuple[str, str], int] = {}
    for i, way in enumerate(made.directions):
        for k, name in enumerate((*made.classes, OTHER)):
            text = sent.text(_field(i, k)) or "0"
            counted = number(text)
            if counted is None or counted > MAX_COUNT:
                raise WrongError(ODD_COUNT, count=text[:LABEL_CHARS], most=MAX_COUNT)
            found[way, name] = counted
    return found


def _field(way: int, name: int) -> str:
    return f"n-{way}-{name}"


def _counting(
    request: Request, served: Services, listed: Listed, sent: Fields, problem: str = ""
) -> Response:
    """The page on which somebody counts; it says nothing of what was counted before."""
    _, made = texts_of(request), listed.piece.made
    names, there = _names(served), _file(served, listed) is not None
    rows = [
        (
            class_name(name, _),
            [Cell(_field(i, k), sent.text(_field(i, k)) or "0", i) for i in range(2)],
        )
        for k, name in enumerate((*made.classes, OTHER))
    ]
    values = {
        "piece": listed.piece,
        "made": made,
        "camera": names.get(made.camera, made.camera),
        "there": there,
        "rows": rows,
        "drawn": _arrows(made),
        "letter": made.width / LETTERS,
        "speeds": SPEEDS,
        "most": MAX_COUNT,
        "confirmed": sent.has("confirm"),
    }
    headers = {"Content-Security-Policy": COUNTING} if there else {}
    return show(
        request, "validation_piece.html", values,
        status=422 if problem else 200, problem=problem, headers=headers,
    )  # fmt: skip


def _result(request: Request, served: Services, listed: Listed, count: PieceCount) -> Response:
    """What the machine counted, beside what somebody did."""
    _, made = texts_of(request), listed.piece.made
    both = compared(listed.piece, count)
    rows = [
        (
            class_name(name, _),
            [(made.machine.get((way, name), 0), count.counts.get((way, name), 0))
             for way in made.directions],
        )
        for name in (*made.classes, OTHER)
    ]  # fmt: skip
    values = {
        "piece": listed.piece,
        "made": made,
        "camera": _names(served).get(made.camera, made.camera),
        "rows": rows,
        "sums": (sum(both.machine.values()), sum(both.true.values())),
        "holding": count,
        "counts": [
            (each, sum(each.counts.values()))
            for each in served.store.validations.counts(listed.piece.id)
        ],
        "there": _file(served, listed) is not None,
        "saved": "saved" in request.query_params,
    }
    return show(request, "validation_result.html", values)


def _names(served: Services) -> dict[str, str]:
    return {each.id: each.name for each in cameras_there(served)}


def _row(listed: Listed, names: Mapping[str, str], who: str) -> Row:
    made, gone = listed.piece.made, listed.piece.removed_at is not None
    return Row(
        listed.piece.id, names.get(made.camera, made.camera), made, made.seconds // 60,
        listed.newest, listed.times, gone, not gone and who not in listed.by,
    )  # fmt: skip


def class_name(name: str, _: Texts) -> str:
    """What a class is called; one that is not known here by the name that its model has."""
    return _(CLASSES[name]) if name in CLASSES else name


def _found(_: Texts, of: Validation) -> list[Found]:
    return [
        Found(
            class_name(each.class_name, _),
            each,
            "" if each.error is None else _percent(_, each.error),
            "" if each.errors is None else " … ".join(_percent(_, end) for end in each.errors),
            _bar(each),
            "" if each.factor is None else _decimal(_, f"{each.factor:.3f}"),
        )
        for each in of.accuracies
        if each.machine or each.true
    ]


def _bar(of: Accuracy) -> Bar | None:
    if of.error is None or of.errors is None:
        return None
    return Bar(*(100 * min(max((x + HALF) / (2 * HALF), 0), 1) for x in (of.error, *of.errors)))


def _percent(_: Texts, share: float) -> str:
    """A share with its sign, which is a true minus."""
    rounded = round(100 * share, 1) + 0.0
    sign = "+" if rounded > 0 else "−" if rounded < 0 else ""
    return f"{sign}{_decimal(_, f'{abs(rounded):.1f}')} %"


def _decimal(_: Texts, written: str) -> str:
    return written.replace(".", ",") if _.language == "id" else written


def _arrows(made: NewPiece) -> Sequence[Drawn]:
    """Both directions of the line in px of the picture: forward is to the right-hand side of who
    walks along it."""
    (x1, y1), (x2, y2) = ((x * made.width, y * made.height) for x, y in made.points)
    along = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5 or 1.0
    right = -(y2 - y1) / along, (x2 - x1) / along
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    length, letter = ARROW * made.width, made.width / LETTERS
    found = []
    for side, name in zip((1, -1), made.directions, strict=True):
        to = side * right[0], side * right[1]
        tip_x, tip_y = x + to[0] * length, y + to[1] * length
        barbs = [
            f"{tip_x - (to[0] + turn * to[1]) * letter * 0.5:.1f} "
            f"{tip_y - (to[1] - turn * to[0]) * letter * 0.5:.1f}"
            for turn in (1, -1)
        ]
        tip = f"{tip_x:.1f} {tip_y:.1f}"
        anchor = "start" if to[0] > SLANTED else "end" if to[0] < -SLANTED else "middle"
        shown = name if len(name) <= LABEL_CHARS else f"{name[: LABEL_CHARS - 1]}…"
        found.append(
            Drawn(
                shown,
                f"M{x:.1f} {y:.1f}L{tip}M{barbs[0]}L{tip}L{barbs[1]}",
                tip_x + to[0] * letter * 0.6,
                # within the picture, where a line runs along its edge
                min(max(tip_y + to[1] * letter, letter), made.height - letter),
                anchor,
            )
        )
    return found
