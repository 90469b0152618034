"""How often rules were right, as a page: what people closed their alerts as, the worst first."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from api.forms.audit import NO_SPAN
from api.forms.groups import cameras_there
from api.forms.page import show, texts_of
from api.forms.sent import WrongError, time_of
from api.i18n import N_, Texts
from api.kinds import INCIDENTS, KINDS, kind_name
from api.learning import DAYS, MAX_DAYS, Judged, LongSpanError, NoSpanError, Span, span
from api.services import Asking, Served
from api.store import MAX_NAME_CHARS
from api.store.precision import Judgements
from api.times import iso

ROWS: Final = 200
"""So many rules of cameras are shown; the others are in the CSV."""
EVEN: Final = 0.5
"""Whose precision lies below this for certain is wrong more often than right."""
FILTERS: Final = ("camera", "kind", "from", "to")
LONG_SPAN: Final = N_("At most %(days)d days are looked at: choose a shorter time.")
DOTS: Final = {"id": ".", "en": ","}
"""What stands between thousands."""

router = APIRouter(include_in_schema=False)


class Bar(NamedTuple):
    """A precision and its interval, as they are drawn and written; in percent."""

    share: float
    low: float
    high: float
    said: str
    range: str


class Row(NamedTuple):
    """A rule of a camera as people read it; ``look`` is good, bad or nothing; ``ask`` is where a
    threshold is asked for, empty where there is no false alarm to leave out."""

    camera: str
    kind: str
    judged: Judged
    bar: Bar | None
    look: str
    word: str
    ask: str = ""


@router.get("/precision")
def precision(request: Request, served: Served, caller: Asking) -> Response:
    _ = texts_of(request)
    asked = {name: request.query_params.get(name, "").strip() for name in FILTERS}
    # no name holds it, and not every database can be asked for it
    asked = {name: value.replace("\0", "")[:MAX_NAME_CHARS] for name, value in asked.items()}
    names = {each.id: each.name for each in cameras_there(served) if caller.sees(each.id)}
    problem, csv, found = "", "", Judgements([], 0)
    try:
        looked = _span(asked, time.time())
    except WrongError as error:
        problem = error.said(_)
    else:
        camera, kind = asked["camera"] or None, asked["kind"] or None
        found = served.store.precision.find(looked, only=caller.cameras, camera=camera, kind=kind)
        csv = "/api/v1/precision.csv" + _query(asked, looked)
    values = {
        "asked": asked,
        "rows": [_row(_, row, names) for row in found.rows[:ROWS]],
        "more": max(0, len(found.rows) - ROWS) + found.left_out,
        "csv": csv,
        "cameras": _chosen(names, asked["camera"]),
        "kinds": _kinds(_, asked["kind"]),
        "days": DAYS,
        "n": lambda number: _number(_, number),
    }
    status = 422 if problem else 200
    return show(request, "precision.html", values, status=status, problem=problem)


def _span(asked: Mapping[str, str], now: float) -> Span:
    """Raises WrongError."""
    try:
        return span(time_of(asked["from"]), time_of(asked["to"]), now)
    except NoSpanError:
        raise WrongError(NO_SPAN) from None
    except LongSpanError:
        raise WrongError(LONG_SPAN, days=MAX_DAYS) from None


def _query(asked: Mapping[str, str], looked: Span) -> str:
    """The same for the API, to the very time that the page looked at."""
    kept = {name: asked[name] for name in ("camera", "kind") if asked[name]}
    return "?" + urlencode(kept | {"from": iso(looked.from_ts), "to": iso(looked.to_ts)})


def _chosen(names: Mapping[str, str], chosen: str) -> dict[str, str]:
    """What can be chosen, also what is chosen and is not there."""
    return dict(names) if not chosen or chosen in names else {**names, chosen: chosen}


def _kinds(_: Texts, chosen: str) -> dict[str, str]:
    named = sorted(((kind, _(KINDS[kind])) for kind in INCIDENTS), key=lambda each: each[1])
    known = dict(named)
    return known if not chosen or chosen in known else {**known, chosen: kind_name(chosen, _)}


def _row(_: Texts, row: Judged, names: Mapping[str, str]) -> Row:
    share, interval = row.precision, row.interval
    camera = names.get(row.camera, row.camera)
    if share is None or interval is None:
        return Row(camera, kind_name(row.kind, _), row, None, "", _("not judged yet"))
    low, high = interval
    said = f"{low:.0%}–{high:.0%}"
    bar = Bar(100 * share, 100 * low, 100 * high, f"{share:.0%}", said)
    look, word = _look(_, low, high)
    named = urlencode({"camera": row.camera, "rule": row.rule})
    ask = f"/precision/suggestion?{named}" if row.false_alarms else ""
    return Row(camera, kind_name(row.kind, _), row, bar, look, word, ask)


def _look(_: Texts, low: float, high: float) -> tuple[str, str]:
    if high < EVEN:
        return "bad", _("mostly false")
    if low > EVEN:
        return "good", _("mostly true")
    return "", _("not certain")


def _number(_: Texts, number: int) -> str:
    return f"{number:,}".replace(",", DOTS[_.language])
