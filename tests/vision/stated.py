"""Events as rules state them, for tests of what is made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from vision.policy import Incidents
from vision.rules.registry import kinds
from vision.scene import RuleConfig
from vision.types import Event, Severity, Track

COOLDOWN_S = 10.0
DWELL_S = 30.0
"""The patience of a rule about loitering."""


def config(kind: str = "loitering", cooldown_s: float | None = COOLDOWN_S, **more: Any) -> Any:
    settings = {"loitering": {"dwell_s": DWELL_S}}.get(kind, {})
    made = kinds()[kind]
    place = {"zone": "yard", "line": "gate", "camera": ""}[made.place]
    return RuleConfig(
        f"{kind} rule", kind, place, ("person",), made.Settings(**settings),
        cooldown_s=cooldown_s, **more,
    )  # fmt: skip


def box(x: float = 100.0, *, y: float = 200.0, w: float = 20.0, h: float = 40.0) -> list[float]:
    return [x - w / 2, y - h, x + w / 2, y]


def event(
    name: str,
    start_ts: float,
    *,
    x: float | None = 100.0,
    tracks: tuple[int, ...] = (),
    kind: str = "loitering",
    severity: Severity = "medium",
    **more: Any,
) -> Event:
    details: dict[str, Any] = {"why": name, "class": "person"}
    if x is not None:
        details["box_px"] = more.pop("box_px", None) or box(x)
    fields: dict[str, Any] = {"raised_ts": start_ts, "end_ts": None, "score": 0.5}
    return Event(
        id=name,
        kind=kind,
        rule=f"{kind} rule",
        camera_id="cam",
        place=config(kind).place,
        start_ts=start_ts,
        track_ids=tracks,
        severity=severity,
        details=details | more.pop("details", {}),
        **(fields | more),
    )


def over(found: Event, end_ts: float, *, lost: bool = False) -> Event:
    return replace(found, end_ts=end_ts, lost=lost)


def track(number: int, x: float, *, last_ts: float, first_ts: float = 0.0) -> Track:
    where = np.array(box(x), np.float32)
    path = np.array([[x, 200.0, 0.0]], np.float32)
    return Track(
        id=number, class_name="person", class_share=1.0, score=0.5, first_ts=first_ts,
        last_ts=last_ts, box=where, path=path, sizes=np.array([[20.0, 40.0]], np.float32),
    )  # fmt: skip


def watched(incidents: Incidents, start: float, end: float, step_s: float = 0.5) -> list[Event]:
    """What is said while rules state nothing, from after ``start`` to ``end``."""
    times = start + step_s * np.arange(1, round((end - start) / step_s) + 1)
    return [said for ts in times for said in incidents.update([], float(ts))]
