"""Tracks that are known again are counted as a worker counted them when they were seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streams.counts import CameraCounts
from streams.messages import CountsMessage, decode
from streams.recorder import Recorder
from streams.spool import Spool
from tests.vision.painted import CLASSES, detector, ride
from tests.vision.test_kept import kept
from tests.vision.test_pipeline_views import GATE, PIER, TURNS, YARD, doubt, moved, run
from vision.bins import Interval
from vision.calibration import Calibration
from vision.kept import Rebuilder
from vision.recount import Recount
from vision.scene import Movement, Scene, Zone
from vision.types import Quality

WEST = Zone("west", np.array([[0.0, 20.0], [100.0, 20.0], [100.0, 170.0], [0.0, 170.0]]))
WAYS = Scene(
    (320, 192),
    lines=(GATE, PIER),
    zones=(WEST, YARD),
    movements=(Movement("ways", ("west",), ("yard",)),),
)
MEASURED = replace(
    WAYS,
    calibration=Calibration(
        np.array([[0.0, 191.0], [320.0, 191.0], [320.0, 40.0], [0.0, 40.0]]),
        np.array([[0.0, 0.0], [12.0, 0.0], [12.0, 9.0], [0.0, 9.0]]),
    ),
)
GROUPS = dict(zip(CLASSES, detector(CLASSES).group_of.tolist(), strict=True))
GOOD = Quality()
# past the pier after 1.33 s, past the gate after 2 s; the car the other way after 2.5 and 3.2 s,
# and after that late ones that were never before the gate
RIDE = {"person": (40.0, 60.0, 120.0), "car": (310.0, -60.0, 100.0), "truck": (170.0, 50.0, 170.0)}
END_S = 70.0
"""Ten seconds into the second minute."""


def seen(scene: Scene, says: Callable[[float], Quality], folder: Path) -> list[list[Interval]]:
    """What a worker states of a ride around the change of a minute, and what it comes to again."""
    frames = ride(RIDE, seconds=12, start_ts=END_S - 12)
    camera, steps = run(scene, says, frames)
    last = camera.finish()
    with Spool(folder / "spool.db") as spool:
        counts = CameraCounts("cam", Recorder(spool))
        counts.begin(scene, CLASSES, 0, address="there", synthetic=False)
        for step in steps:
            tracked, counted = step.tracked, step.counted
            passed = counted.crossings, step.trips, counted.late
            counts.update(tracked.ts, *passed, tracked.quality, counted.stood)
        counts.finish(last.counted, last.trips)
        counts.end()
        said = [decode(each.body) for each in spool.unsent(99)]
    recount, rebuilder = Recount("cam", scene, CLASSES, groups=GROUPS), Rebuilder()
    for each in kept([step.tracked for step in steps]):
        recount.update(rebuilder.update(each))
    again = recount.finish(END_S)
    live = {m.start_ts: m.interval for m in said if isinstance(m, CountsMessage)}
    return [[replace(each, version=1) for _, each in sorted(live.items())], again]


@pytest.mark.parametrize("scene", [MEASURED, TURNS], ids=["speeds and ways", "presets"])
@pytest.mark.parametrize(
    "says",
    [
        pytest.param(lambda ts: GOOD, id="all is well"),
        pytest.param(lambda ts: doubt(59) if 59 <= ts < 60.5 else GOOD, id="a doubt that passes"),
        pytest.param(
            lambda ts: GOOD if ts < 62 else doubt(62) if ts < 63 else moved(62), id="a moved view"
        ),
        pytest.param(lambda ts: moved(58) if ts < 59 else GOOD, id="a view that comes back"),
        pytest.param(lambda ts: doubt(61) if ts >= 61 else GOOD, id="a doubt at the end"),
    ],
)
def test_it_comes_to_what_the_worker_stated(
    scene: Scene, says: Callable[[float], Quality], tmp_path: Path
) -> None:
    live, again = seen(scene, says, tmp_path)
    assert [each.start_ts for each in live] == [0, 60]
    assert again == live
    assert any(each.occupied for each in live)
    assert any(each.paces for each in live) == (scene is MEASURED)


def harbour(ts: float) -> Quality:
    return Quality(view="harbour") if ts > 59 else GOOD


def test_another_view_is_counted_by_its_lines(tmp_path: Path) -> None:
    live, again = seen(TURNS, harbour, tmp_path)
    assert again == live
    assert {line for each in again for line, _, _ in each.counts} == {"pier"}


def test_a_view_that_the_scene_does_not_have_is_not_watched() -> None:
    _, steps = run(TURNS, harbour, ride(RIDE, seconds=12, start_ts=END_S - 12))
    recount, rebuilder = Recount("cam", replace(TURNS, presets=()), CLASSES), Rebuilder()
    for each in kept([step.tracked for step in steps]):
        recount.update(rebuilder.update(each))
    first, second = recount.finish(END_S)
    assert (first.observed_s, first.blind_s) == pytest.approx((1.0, 1.0))
    assert (second.observed_s, second.blind_s) == pytest.approx((0.0, 10.0))
