"""Queues of which everything is known: their length, and congestion on and off once a cycle."""

from __future__ import annotations

import numpy as np
import pytest

from tests.vision.queues import PX_PER_M, STOP_M, VIEWS, Traffic, View, steps, traffic, truths
from vision.oracle import START_TS
from vision.rows import VEHICLES
from vision.rules import congestion, queue
from vision.scene import RuleConfig
from vision.types import Event

QUEUE_M, FULL_M = (20.0, STOP_M + 3), (70.0, STOP_M + 3)
"""Where the zones are: all of the lane, and the part before the stop line."""
ABOVE = queue.Settings(still_heights=0.77), congestion.Settings(slow_heights=4.6, jam_heights=1.5)
"""5, 30 and 10 km/h where heights are a car's width of 1.8 m."""


def measured(
    moving: Traffic, view: View, fps: float, *, level: str = "noisy", seed: int = 0
) -> tuple[list[float], list[float], list[Event], list[Event]]:
    """The relative errors of the length while more than three stand, against all of the queue and
    against what can be seen of it; and the last words about queues and congestions."""
    ours = (queue.Settings(), congestion.Settings()) if view.calibrated else ABOVE
    line = queue.Queue(RuleConfig("queue", "queue", "lane", VEHICLES, ours[0]))
    full = congestion.Congestion(RuleConfig("full", "congestion", "lane", VEHICLES, ours[1]))
    scenes = view.scene(*QUEUE_M), view.scene(*FULL_M)
    queues: dict[str, Event] = {}
    jams: dict[str, Event] = {}
    of_all, of_seen = [], []
    waiting = truths(moving, view)
    for step in steps(moving, view, fps, level=level, seed=seed):
        queues |= {event.id: event for event in line.update(step, scenes[0])}
        jams |= {event.id: event for event in full.update(step, scenes[1])}
        if not waiting or step.ts - START_TS < waiting[0].t:
            continue
        truth, row = waiting.pop(0), line.now
        if truth.count > 3 and row is not None:
            length_m = row.length if view.calibrated else row.length_px / PX_PER_M
            of_all.append(abs(length_m / truth.length_m - 1))
            of_seen.append(abs(length_m / max(truth.seen_m, 1.0) - 1))
    return of_all, of_seen, list(queues.values()), list(jams.values())


@pytest.mark.parametrize(
    ("view", "fps"), [("along", 5), ("aslant", 5), ("aslant", 12.5), ("above", 5)]
)
def test_the_length_is_right_and_each_red_light_is_one_queue(view: str, fps: float) -> None:
    moving = traffic(1, cycles=1)
    of_all, of_seen, queues, jams = measured(moving, VIEWS[view], fps, seed=1)
    assert len(of_all) > 12
    assert float(np.median(of_all)) < 0.1
    assert float(np.median(of_seen)) < 0.1
    for events in (queues, jams):
        assert [event.end_ts is not None for event in events] == [True]
