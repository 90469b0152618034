"""A traffic report, built from intervals and from how traffic is classed and summed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from api.i18n import Texts
from api.store import TooManyRowsError
from api.traffic.calendar import Days
from api.traffic.lines import Line
from api.traffic.method import method
from api.traffic.values import Flow, Recorded, Report, Summary, TurnCount, Wanted
from streams.trafficfile import Traffic
from vision.junctions import Junction

MAX_ROWS: Final = 200_000
"""Of classes in bins that one report tells."""


def build(
    recorded: Sequence[Recorded], traffic: Traffic, wanted: Wanted, made_ts: float, _: Texts
) -> Report:
    """The report of these cameras. Raises TooManyRowsError before it is built."""
    days = Days(traffic, wanted.from_ts, wanted.to_ts)
    lines = [
        Line(camera, name, traffic, wanted, days)
        for camera in recorded
        for name in _names(camera, wanted)
        if wanted.line in {None, name}
    ]
    rows = sum(line.rows for line in lines)
    if rows > MAX_ROWS:
        raise TooManyRowsError(
            f"these would be {rows} counts, and at most {MAX_ROWS} are given at once: ask for a "
            "shorter time, a longer 'interval', fewer cameras or one 'line'"
        )
    flows: list[Flow] = []
    summaries: list[Summary] = []
    for line in lines:
        own = list(line.flows())
        flows += own
        summaries += line.summaries(own)
    turns = []
    if wanted.line is None:
        turns = [turn for junction in traffic.junctions for turn in _turns(junction, lines)]
    return Report(
        wanted=wanted,
        made_ts=made_ts,
        language=_.language,
        names={camera.camera: camera.name for camera in recorded},
        flows=flows,
        summaries=summaries,
        turns=turns,
        week=[hour for line in lines for hour in line.week()],
        method=list(method(recorded, lines, summaries, traffic, wanted, days.holidays, made_ts, _)),
    )


def _names(camera: Recorded, wanted: Wanted) -> list[str]:
    """The lines and movements that it counted in this time, or else those it is known to count."""
    mine = (it for it in camera.intervals if wanted.from_ts <= it.start_ts < wanted.to_ts)
    found = {line for each in mine for line in each.lines}
    return sorted(found or {line for line, _, _ in camera.drawn})


def _turns(junction: Junction, lines: Sequence[Line]) -> Iterator[TurnCount]:
    """Those of its turns that these lines count. Its share is of bins in which each turn of an
    approach was watched: what one of them missed, the others did not pass alone."""
    found = {(line.camera, line.name): line for line in lines}
    for approach in junction.approaches:
        counted, passed = [], []
        for turn in approach.turns:
            line = found.get((turn.camera, turn.line))
            if line is not None:
                counted.append(line.turn(junction.name, approach, turn))
                passed.append(line.turned(turn.direction))
        together = set[int]().union(*passed).intersection(*passed)
        parts = [sum(by[start] for start in together) for by in passed]
        whole = len(counted) == len(approach.turns) and all(
            each.vehicles is not None for each in counted
        )
        total = sum(parts)
        for each, part in zip(counted, parts, strict=True):
            yield each._replace(share=part / total if whole and total else None)
