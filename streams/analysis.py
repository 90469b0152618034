"""Runs the pipeline over a source to its end and tells what happened, line by line.

Records are plain JSON objects of ``type`` ``crossing``, ``event`` and, last, ``summary``. Times
named ``…offset_s`` are seconds since the first frame; ``ts`` is capture time, UTC seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from streams.files import ClipSource
from vision.pipeline import Pipeline, Step
from vision.rules.registry import kinds
from vision.types import Crossing, Event, Frame, JsonValue

Record: TypeAlias = dict[str, JsonValue]
Counts: TypeAlias = dict[str, dict[str, dict[str, int]]]

DECIMALS = 3
"""Times are written to the millisecond."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a whole clip came to: frames decoded and analysed, counts by line, direction and
    class, and the events in the order in which they were raised."""

    frames: int
    analysed: int
    counts: Counts
    events: tuple[Event, ...]


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
            for crossing in step.counted.crossings:
                write(crossing_record(crossing, start_ts))
            for event in step.events:
                events[event.id] = event
                if event.end_ts is None:
                    open_ids[event.id] = None
                else:
                    open_ids.pop(event.id, None)
                    write(event_record(event, start_ts))
            if seen is not None:
                seen(frame, step, [events[event_id] for event_id in open_ids])
    counted, _ = pipeline.finish()
    for crossing in counted.crossings:
        write(crossing_record(crossing, start_ts))
    for event_id in open_ids:
        write(event_record(events[event_id], start_ts))
    summary = Summary(clip.decoded, analysed, pipeline.counts, tuple(events.values()))
    write(summary_record(summary))
    return summary


def crossing_record(crossing: Crossing, start_ts: float) -> Record:
    """One passage of one line."""
    return {
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


def event_record(event: Event, start_ts: float) -> Record:
    """One event, with the reason why it fired."""

    def offset(ts: float) -> float:
        return round(ts - start_ts, DECIMALS)

    return {
        "type": "event",
        "id": event.id,
        "camera": event.camera_id,
        "kind": event.kind,
        "rule": event.rule,
        kinds()[event.kind].place: event.place,
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
        "events": len(summary.events),
    }


def json_line(record: Record) -> str:
    """A record as one line of JSON."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
