"""Kept tracks of people who stand in a yard, and the alerts that they make."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streams.bus import Control
from streams.commands import Closing, Replay, Suggest, Tracks, decode_command
from streams.config import CameraConfig
from streams.keeper import Keeper
from streams.messages import AlertMessage, encode
from streams.replaying import give, replay
from streams.suggesting import suggest
from tests.vision.rules.scenarios import SIZE, T0, Walker, film
from tests.waiting import PATIENCE_S
from vision.types import JsonValue

YARD: dict[str, JsonValue] = {
    "frame_size": list(SIZE),
    "classes": ["person"],
    "zones": [{"name": "yard", "polygon": [[250, 150], [350, 150], [350, 250], [250, 250]]}],
    "lines": [{"name": "gate", "points": [[300, 350], [300, 50]]}],
    "rules": [
        {"kind": "intrusion", "zone": "yard", "name": "in", "min_dwell_s": 0.5},
        {"kind": "crowd", "zone": "yard", "name": "many", "enter_count": 2, "enter_s": 1},
        {"kind": "line_crossing", "line": "gate", "name": "over"},
        {"kind": "person_down", "zone": "yard", "name": "down"},
        {"kind": "loitering", "zone": "yard", "name": "off", "dwell_s": 3, "enabled": False},
    ],
}
APART_S = 30.0
"""Each stay begins so long after the one before."""


def stays(seconds: list[float]) -> list[Walker]:
    """One stands in the yard after the other, for so long each."""
    return [
        Walker(((k * APART_S, 300.0, 200.0), (k * APART_S + s, 300.0, 200.0)))
        for k, s in enumerate(seconds)
    ]


@contextmanager
def kept(folder: Path) -> Iterator[Keeper]:
    """A keeper that runs."""
    made = Keeper(folder / "tracks", clock=lambda: T0)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def keep(keeper: Keeper, walkers: list[Walker], *, until: float = 0.0, name: str = "cam") -> None:
    for step in film(walkers, fps=5, until=until, camera_id=name):
        keeper.keep(step, frame_size=SIZE, looked_for=("person",))
    keeper.cut(name)


def told(keeper: Keeper, rule: str, true: set[int], name: str = "cam") -> list[Closing]:
    """The alerts of a rule as they were told; ``true`` alarms are those of these places in
    time."""
    wanted = Replay(camera=name, from_ts=T0, to_ts=T0 + 3600, scene=YARD)
    events = replay(wanted, None, keeper, threading.Event()).events
    found = [event for event in events if event.rule == rule]
    return [
        Closing(
            alert=event.id,
            true_alarm=place in true,
            start_ts=event.start_ts,
            raised_ts=event.raised_ts,
            end_ts=event.end_ts,
            track_ids=event.track_ids,
        )
        for place, event in enumerate(found)
    ]


@contextmanager
def obeying(control: Control, keeper: Keeper, *cameras: CameraConfig) -> Iterator[None]:
    """A worker ``w`` with these cameras, which does what is asked about kept tracks."""
    stop = threading.Event()
    own = {each.id: each for each in cameras}

    def work() -> None:
        while not stop.is_set():
            for command in control.take("w", wait_s=0.05):
                wanted = decode_command(command.body)
                if isinstance(wanted, Suggest):
                    found = suggest(wanted, own.get(wanted.camera), keeper, stop)
                    control.answer(command.id, encode(found))
                elif isinstance(wanted, Replay):
                    played = replay(wanted, own.get(wanted.camera), keeper, stop)
                    control.answer(command.id, encode(played))
                elif isinstance(wanted, Tracks):
                    control.answer(command.id, encode(give(wanted, keeper)))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)


def alert_of(closing: Closing, **more: Any) -> AlertMessage:
    """The alert as a worker stated it."""
    values = {
        "id": closing.alert, "version": 1, "camera": "cam", "kind": "intrusion", "rule": "in",
        "place": "yard", "severity": "high", "state": "closed", "start_ts": closing.start_ts,
        "raised_ts": closing.raised_ts, "end_ts": closing.end_ts, "score": 0.5,
        "track_ids": closing.track_ids, "revision": 1,
    }  # fmt: skip
    return AlertMessage(**(values | more))
