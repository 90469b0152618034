"""Runs the pipeline over a source to its end and tells what happened, line by line.

Records are plain JSON objects of ``type`` ``crossing``, ``late``, ``trip``, ``event`` and, last,
``summary``. Times named ``…offset_s`` are seconds since the first frame; ``ts`` is capture time,
UTC seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from streams.files import ClipSource
from vision.counting import Counted
from vision.movements import UNKNOWN, Balance, Matrix
from vision.pipeline import Pipeline, Step
from vision.rules.registry import kinds
from vision.types import Crossing, Event, Frame, JsonValue, Late, Trip

Record: TypeAlias = dict[str, JsonValue]
Counts: TypeAlias = dict[str, dict[str, dict[str, int]]]

DECIMALS = 3
"""Times are written to the millisecond."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a whole clip came to: frames decoded and analysed, counts by line, direction and
    class, the events in the order in which they were raised, by line and direction how many may
    have passed before they were seen, and by movement its trips and what they must agree with."""

    frames: int
    analysed: int
    counts: Counts
    events: tuple[Event, ...]
    late: dict[str, dict[str, int]] = field(default_factory=dict)
    movements: dict[str, Matrix] = field(default_factory=dict)
    balances: dict[str, Balance] = field(default_factory=dict)


def analyse(
    clip: ClipSource,
    pipeline: Pipeline,
    *,
    start_ts: float,
    write: Callable[[Record], None],
    seen: Callable[[Frame, Step, Sequence[Event]], None] | None = None,
) -> Summary:
    """Analyse ``clip`` from its first frame to its last.

    ``write`` gets each record as soon as it is final: an event when it ended, or at the clip's
    end; the summary comes last. ``seen`` gets each analysed frame with the events open then.
    Raises ClipError where the clip breaks off.
    """
    events: dict[str, Event] = {}
    open_ids: dict[str, None] = {}
    analysed = 0
    with clip:
        for frame in clip.frames():
            step = pipeline.step(frame)
            analysed += 1
            for record in counted_records(step.counted, step.trips, start_ts):
                write(record)
            for event in step.events:
                events[event.id] = event
                if event.end_ts is None:
                    open_ids[event.id] = None
                else:
                    open_ids.pop(event.id, None)
                    write(event_record(event, start_ts))
            if seen is not None:
                seen(frame, step, [events[event_id] for event_id in open_ids])
    last = pipeline.finish()
    for record in counted_records(last.counted, last.trips, start_ts):
        write(record)
    for event in last.events:
        events[event.id] = event
    for event_id in open_ids:
        write(event_record(events[event_id], start_ts))
    summary = Summary(
        clip.decoded,
        analysed,
        pipeline.counts,
        tuple(events.values()),
        pipeline.late,
        {each.movement.name: each.matrix for each in pipeline.movements},
        {each.movement.name: each.balance() for each in pipeline.movements},
    )
    write(summary_record(summary))
    return summary


def counted_records(counted: Counted, trips: Sequence[Trip], start_ts: float) -> list[Record]:
    """The crossings of a step, who came late, and the trips that were over."""
    return [
        *(crossing_record(crossing, start_ts) for crossing in counted.crossings),
        *(late_record(late, start_ts) for late in counted.late),
        *(trip_record(trip, start_ts) for trip in trips),
    ]


def crossing_record(crossing: Crossing, start_ts: float) -> Record:
    """One passage of one line, with its speed where that is known; of a broken track, with what it
    was joined from and why."""
    record: Record = {
        "type": "crossing",
        "camera": crossing.camera_id,
        "line": crossing.line,
        "direction": crossing.direction,
        "class": crossing.class_name,
        "track_id": crossing.track_id,
        "ts": round(crossing.ts, DECIMALS),
        "offset_s": round(crossing.ts - start_ts, DECIMALS),
        "x": round(crossing.x, 1),
        "y": round(crossing.y, 1),
    }
    if crossing.kmh is not None:
        record["kmh"] = round(crossing.kmh, 1)
    if crossing.joined is not None:
        record |= {"joined": crossing.joined, "why": crossing.why}
    return record


def late_record(late: Late, start_ts: float) -> Record:
    """One track that may have passed a line before it was seen."""
    return {
        "type": "late",
        "camera": late.camera_id,
        "line": late.line,
        "direction": late.direction,
        "class": late.class_name,
        "track_id": late.track_id,
        "ts": round(late.ts, DECIMALS),
        "offset_s": round(late.ts - start_ts, DECIMALS),
        "x": round(late.x, 1),
        "y": round(late.y, 1),
    }


def trip_record(trip: Trip, start_ts: float) -> Record:
    """One way through a movement's zones."""
    return {
        "type": "trip",
        "camera": trip.camera_id,
        "movement": trip.movement,
        "origin": trip.origin or UNKNOWN,
        "destination": trip.destination or UNKNOWN,
        "class": trip.class_name,
        "track_id": trip.track_id,
        "entered_ts": round(trip.entered_ts, DECIMALS),
        "ts": round(trip.ts, DECIMALS),
        "entered_offset_s": round(trip.entered_ts - start_ts, DECIMALS),
        "offset_s": round(trip.ts - start_ts, DECIMALS),
    }


def event_record(event: Event, start_ts: float) -> Record:
    """One event, with the reason why it fired."""

    def offset(ts: float) -> float:
        return round(ts - start_ts, DECIMALS)

    place: Record = {kinds()[event.kind].place: event.place} if event.place else {}
    return {
        "type": "event",
        "id": event.id,
        "camera": event.camera_id,
        "kind": event.kind,
        "rule": event.rule,
        **place,
        "severity": event.severity,
        "ts": round(event.raised_ts, DECIMALS),
        "start_offset_s": offset(event.start_ts),
        "raised_offset_s": offset(event.raised_ts),
        "end_offset_s": None if event.end_ts is None else offset(event.end_ts),
        "track_ids": list(event.track_ids),
        "score": event.score,
        "details": dict(event.details),
    }


def summary_record(summary: Summary) -> Record:
    """The last line: how much was seen, and what was counted."""
    counts: JsonValue = {
        line: {direction: dict(sorted(classes.items())) for direction, classes in by.items()}
        for line, by in summary.counts.items()
    }
    return {
        "type": "summary",
        "frames": summary.frames,
        "analysed": summary.analysed,
        "counts": counts,
        "late": {line: dict(by) for line, by in summary.late.items()},
        **_movements(summary),
        "events": len(summary.events),
    }


def _movements(summary: Summary) -> dict[str, JsonValue]:
    """The matrices of a scene that has movements, and whether they agree."""
    if not summary.movements:
        return {}
    matrices: JsonValue = {
        name: {
            origin: {to: dict(sorted(classes.items())) for to, classes in by.items()}
            for origin, by in matrix.items()
        }
        for name, matrix in summary.movements.items()
    }
    balances: JsonValue = {
        name: {
            "balanced": not balance.problems,
            "trips": balance.trips,
            "entered": dict(balance.entered),
            "left": dict(balance.left),
            "inside": dict(balance.inside),
            **({"problems": list(balance.problems)} if balance.problems else {}),
        }
        for name, balance in summary.balances.items()
    }
    return {"movements": matrices, "balance": balances}


def json_line(record: Record) -> str:
    """A record as one line of JSON."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
