"""``matakota explain``: why the rules fire or do not at one moment of a clip."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import cv2
import numpy as np
import structlog
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.cli.analyse import (
    CPU,
    DEFAULT_MODEL,
    drawn_on,
    opened,
    pipeline_for,
    progress_bar,
    refuse_overwriting,
    start_time,
)
from api.cli.options import (
    EPOCH,
    ClipArgument,
    FpsOption,
    ModelOption,
    ProviderOption,
    SceneOption,
    SourceFpsOption,
    StartOption,
)
from streams.explaining import (
    LOOK_ON_S,
    Moment,
    check_length,
    check_rules,
    decisive,
    distance,
    faults_in_words,
    looked_at,
    notes,
    record,
)
from streams.explaining import explain as explain_clip
from streams.output import AtomicText, Place
from vision.draw import draw
from vision.errors import MatakotaError, OutputError
from vision.rules.base import Explanation
from vision.rules.registry import kinds
from vision.scene import RuleConfig
from vision.types import Event

PICTURES = (".png", ".jpg", ".jpeg")
JPEG_QUALITY = 85
ROOMY_PX = 900
"""Pictures of less height are enlarged, so that the words beside people have room."""
NARROWEST, WIDTH, WIDEST = 60, 100, 140
"""Columns of a table: the fewest, those where no terminal says how many, and the most."""
_AT = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,6}):)?(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)

log = structlog.get_logger()


def explain(
    clip: ClipArgument,
    scene: SceneOption,
    at: Annotated[str, typer.Option(help="When, from the clip's start: 12.5, 00:12 or 1:02:03.5.")],
    rule: Annotated[
        list[str] | None,
        typer.Option(help="Only this rule, by name or kind; may be repeated."),
    ] = None,
    track: Annotated[int | None, typer.Option(help="Only this track, by number.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Where to write the annotated picture (.png, .jpg).")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write all of it as JSON.")
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    provider: ProviderOption = None,
    fps: FpsOption = None,
    source_fps: SourceFpsOption = None,
    start: StartOption = EPOCH,
) -> None:
    """Tell for each rule and each track which conditions fail at a moment of a clip."""
    refuse_overwriting({"--picture": picture, "--json": json_file}, [clip, scene, Path(model)])
    if picture is not None and picture.suffix.lower() not in PICTURES:
        known = ", ".join(PICTURES)
        raise OutputError(f"cannot write {picture}: a picture's name ends in {known}; rename it")
    at_s, start_ts = clip_time(at), start_time(start)
    source = opened(clip, fps=fps, source_fps=source_fps, start=start)
    check_length(source, at_s)
    drawn = drawn_on(source, scene)
    check_rules(rule or [], drawn)
    pipeline = pipeline_for(source, drawn, scene, model=model, providers=provider or [CPU])

    with ExitStack() as stack:
        out, place = None, None
        if json_file is not None:
            out = stack.enter_context(AtomicText(json_file, option="--json"))
        if picture is not None:
            place = Place(picture, option="--picture")
            stack.callback(place.discard)
        progress = stack.enter_context(progress_bar())
        task = progress.add_task(clip.name, total=round(at_s * source.info.rate) + 1)
        whole = explain_clip(
            source,
            pipeline,
            at_s=at_s,
            start_ts=start_ts,
            seen=lambda frame: progress.update(task, completed=frame.index + 1),
        )
        progress.stop()
        moment = whole.about(rule or [], track)
        if place is not None:
            with place.errors():
                place.part.write_bytes(annotated(moment, place.path.suffix.lower()))
            place.commit()
        if out is not None:
            out.write(json.dumps(record(moment), ensure_ascii=False, allow_nan=False) + "\n")
            out.commit()
    tell(moment, every=bool(rule) or track is not None)


def clip_time(text: str) -> float:
    """Seconds from a clip's start, written as 12.5, 00:12 or 1:02:03.5; raises MatakotaError."""
    found = _AT.fullmatch(text)
    if found is not None:
        hours, minutes, seconds = found[1], found[2], float(found[3])
        # what follows a larger unit stays below one of it
        if (minutes is None or seconds < 60) and (hours is None or int(minutes) < 60):
            return int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds
    raise MatakotaError(
        f"--at {text} is no time of a clip: write seconds, minutes and seconds or hours, minutes "
        "and seconds, such as 12.5, 1:30 or 1:02:03.5"
    )


def annotated(moment: Moment, suffix: str) -> bytes:
    """The moment's picture as the content of a file of that kind (``.png`` or ``.jpg``)."""
    image = moment.frame.image
    if image.shape[0] < ROOMY_PX:
        size = (image.shape[1] * 2, image.shape[0] * 2)
        image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    shown = draw(
        image,
        moment.step.tracked,
        moment.scene,
        counts=moment.counts,
        events=moment.open,
        clock=f"at {moment.offset_s:.1f} s",
        notes=notes(moment),
    )
    ways = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    done, encoded = cv2.imencode(suffix, shown, ways)
    if not done:
        raise OutputError(f"the picture of {image.shape[1]}x{image.shape[0]} px is too large")
    return encoded.tobytes()


def tell(moment: Moment, *, every: bool) -> None:
    """All of it on standard output; ``every``: also what is of no interest on the whole."""
    for line in _beginning(moment):
        typer.echo(line)
    for title, events in (("open", moment.open), ("over, the latest first", moment.over)):
        if events:
            typer.echo(f"\nincidents {title}")
        for event in events:
            typer.echo(f"  {_incident(event, moment)}")
    blocks, strangers = _blocks(moment, every=every)
    _print_blocks(blocks)
    if strangers:
        typer.echo(f"\nno rule looks at: {_who(strangers, moment)}")


def _beginning(moment: Moment) -> Iterator[str]:
    quality, tracks = moment.quality, moment.tracks
    view = f" in view '{quality.view}'" if quality.view else ""
    yield (
        f"{moment.frame.camera_id} at {moment.offset_s:.1f} s{view} (frame {moment.frame.index}): "
        f"{_number(len(tracks), 'track')}, {_number(len(moment.open), 'open incident')}"
    )
    if not quality.trusted:
        rules = ", ".join(rule.name for rule in moment.suspended) or "none"
        yield f"the picture is not trusted: {faults_in_words(moment)}"
        yield f"rules suspended until it is: {rules}"
    elif quality.doubt_ts is not None:
        since = quality.doubt_ts - moment.start_ts
        yield f"the picture is in doubt since {since:.1f} s: rules and counts wait until it is not"
    if not tracks:
        times = [
            f"{ts - moment.start_ts:.1f} s"
            for ts in (moment.before_ts, moment.after_ts)
            if ts is not None
        ]
        nearest = f"the nearest times with tracks are {' and '.join(times)}"
        if len(times) == 1:
            nearest = f"the nearest time with tracks is {times[0]}"
        if not times:
            nearest = f"there are none before, and none within {LOOK_ON_S:g} s after"
        yield f"nothing is followed at this moment; {nearest}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _incident(event: Event, moment: Moment) -> str:
    start, end = event.start_ts - moment.start_ts, event.end_ts
    until = "" if end is None else f" to {end - moment.start_ts:.1f} s"
    return f"{event.rule}, {start:.1f} s{until or ' until now'}: {event.details.get('why', '')}"


_Row: TypeAlias = tuple[str, str, str, str, str]
_HEAD: _Row = ("event", "fails", "found", "needed", "met")


@dataclass(frozen=True, slots=True)
class _Block:
    """A rule's title, rows (who, and the rest), and a line below them."""

    title: str
    rows: tuple[tuple[str, _Row], ...] = ()
    more: str = ""


def _blocks(moment: Moment, *, every: bool) -> tuple[list[_Block], list[Explanation]]:
    """What to tell of each rule, and one explanation of each track that no rule looks at."""
    known = [each for each in moment.explanations if every or looked_at(each)]
    concerned = {each.track_id for each in known}
    strangers = {
        each.track_id: each for each in moment.explanations if each.track_id not in concerned
    }
    blocks, calm = [], []
    for rule in moment.rules:
        if rule in moment.suspended:
            continue
        own = sorted((each for each in known if each.rule == rule.name), key=distance)
        if kinds()[rule.kind].place == "camera" and not (every or any(map(_matters, own))):
            calm.append(rule.name)
            continue
        alike: dict[_Row, list[Explanation]] = {}
        for each in own:
            alike.setdefault(_row(each), []).append(each)
        others = [
            each
            for each in moment.explanations
            if each.rule == rule.name and each.track_id in concerned and each not in own
        ]
        more = f"of another class: {_who(others, moment)}" if others else ""
        rows = tuple((_who(group, moment), row) for row, group in alike.items())
        blocks.append(_Block(_title(rule), rows, more if rows or more else "nobody to look at"))
    if calm:
        blocks.append(_Block(f"nothing is wrong with the camera: {', '.join(calm)}"))
    return blocks, list(strangers.values())


def _matters(explanation: Explanation) -> bool:
    """Whether a rule about the camera has anything to tell."""
    return explanation.event_id is not None or explanation.conditions[0].met


def _title(rule: RuleConfig) -> str:
    if rule.name == rule.kind:
        return rule.name
    where = f" at {kinds()[rule.kind].place} '{rule.place}'" if rule.place else ""
    return f"{rule.name} ({rule.kind}{where})"


def _who(explanations: Sequence[Explanation], moment: Moment) -> str:
    """The tracks by class, those out of sight in brackets, and what is no track by its place."""
    by_class: dict[str, list[str]] = {}
    places = []
    for each in explanations:
        if each.track_id is not None:
            track = moment.tracks[each.track_id]
            in_sight = track.last_ts >= moment.frame.ts
            number = f"{track.id}" if in_sight else f"({track.id})"
            by_class.setdefault(track.class_name, []).append(number)
        elif each.box is not None:
            left, top, right, bottom = each.box
            places.append(f"at {(left + right) / 2:.0f},{(top + bottom) / 2:.0f}")
        else:
            places.append(f"the {kinds()[each.kind].place}")
    tracks = [f"{', '.join(ids)} {name}" for name, ids in by_class.items()]
    return "; ".join([*tracks, *places])


def _row(explanation: Explanation) -> _Row:
    told = decisive(explanation)
    others = [
        each.what if each.met else f"not {each.what}"
        for each in explanation.conditions
        if each is not told
    ]
    return (
        "OPEN" if explanation.event_id else "FIRES" if told.met else "-",
        "nothing" if told.met else told.what,
        f"{told.what} {told.found}" if told.met else told.found,
        told.needed,
        "all" if told.met else ", ".join(others),
    )


def _print_blocks(blocks: Sequence[_Block]) -> None:
    """One table a rule, all with the same columns."""
    columns = Console().width
    width = max(NARROWEST, min(WIDEST, columns))
    if not Console().is_terminal:
        width = max(width, WIDTH)
    console = Console(width=width, highlight=False)
    every = [("who", _HEAD), *(row for block in blocks for row in block.rows)]
    flat = [(who, *row) for who, row in every]
    wanted = [max(map(len, column)) for column in zip(*flat, strict=True)]
    for block in blocks:
        console.print(f"\n[bold]{escape(block.title)}[/]")
        table = Table(box=None, pad_edge=False)
        for name, columns in zip(("who", *_HEAD), _fitted(wanted, width), strict=True):
            table.add_column(name, width=columns, overflow="fold")
        for who, row in block.rows:
            style = None if row[0] == "-" else "bold red"
            table.add_row(*map(escape, (who, *row)), style=style)
        if block.rows:
            console.print(table)
        if block.more:
            console.print(escape(block.more))


def _fitted(wanted: Sequence[int], width: int) -> list[int]:
    """Columns of each cell, out of ``width`` in all and two between them. The texts of what is
    found and needed share what the others leave."""
    who, event, fails, found, needed, met = wanted
    who, fails, met = (min(width // 6, columns) for columns in (who, fails, met))
    left = width - 10 - who - event - fails - met
    if found + needed > left:
        # neither is squeezed for the other's length alone
        found = min(found, max(left // 3, left - needed, left * found // (found + needed)))
        needed = min(needed, left - found)
    return [who, event, fails, found, needed, met]
