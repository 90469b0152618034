"""Messages for tests: one alert, one minute of counts."""

from __future__ import annotations

from typing import Any

from streams.messages import AlertMessage, CountsMessage


def alert(number: int | str = 1, *, version: int = 1, state: str = "open", **more: Any) -> Any:
    """An alert; ``closed`` ones have an end."""
    fields: dict[str, Any] = {
        "id": f"a{number}",
        "version": version,
        "camera": "cam1",
        "kind": "intrusion",
        "rule": "no entry",
        "place": "yard",
        "severity": "high",
        "state": state,
        "start_ts": 1_700_000_000.0,
        "raised_ts": 1_700_000_000.5,
        "end_ts": 1_700_000_009.0 if state == "closed" else None,
        "score": 0.5,
        "details": {"why": "somebody → inside"},
        "revision": 1,
    }
    return AlertMessage(**(fields | more))


def counts(start_ts: float = 1_700_000_040.0, *, version: int = 1, **more: Any) -> CountsMessage:
    """A minute in which two persons went in."""
    fields: dict[str, Any] = {
        "camera": "cam1",
        "start_ts": start_ts,
        "seconds": 60,
        "revision": 1,
        "version": version,
        "observed_s": 59.8,
        "frames": 300,
        "lines": {"gate": ("in", "out")},
        "classes": ("person", "bicycle"),
        "counts": ({"line": "gate", "direction": "in", "class": "person", "count": 2},),
    }
    return CountsMessage(**(fields | more))
