"""What a live camera counted, over the runs of its worker and the revisions of its scene."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from streams.counts import CameraCounts
from streams.messages import CountsMessage, decode
from streams.recorder import Recorder
from streams.spool import Spool
from tests.streams.stage import SCENE, START_TS
from vision.counting import Counted
from vision.scene import Movement, Scene, Zone
from vision.types import Crossing, Fault, Late, Quality, Trip


def begin(counts: CameraCounts, revision: int, address: str = "there") -> None:
    """Count by a scene of this revision, 0 for none."""
    scene = SCENE if revision else None
    counts.begin(scene, ("person",), revision, address=address, synthetic=False)


def count(counts: CameraCounts, ts: float) -> None:
    counts.update(ts, [Crossing("a", "gate", "in", "person", 1, ts, 10, 20)])


def test_a_minute_that_was_settled_goes_on_when_its_scene_is_back(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool.db") as spool:
        killed = CameraCounts("a", Recorder(spool))
        begin(killed, 1)
        count(killed, START_TS)
        counts = CameraCounts("a", Recorder(spool), spool.kept_bins()["a"])
        begin(counts, 0)
        begin(counts, 1)
        count(counts, START_TS + 9)
        counts.end()
        said = [decode(each.body) for each in spool.unsent(10)]
    assert all(isinstance(each, CountsMessage) and each.start_ts == START_TS for each in said)
    # the second one, which the store keeps, holds both
    assert [(each.version, each.counts[0].count) for each in said] == [(1, 1), (2, 2)]


def test_how_the_view_looks_is_kept_for_the_next_run_of_the_same_scene(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool.db") as spool:
        killed = CameraCounts("a", Recorder(spool))
        begin(killed, 3)
        assert killed.view is None
        killed.learnt = lambda: "as learnt"
        count(killed, START_TS)
        kept = spool.kept_bins()["a"]
        again, changed = (CameraCounts("a", Recorder(spool), kept) for _ in range(2))
        begin(again, 3)
        assert again.view == "as learnt"
        # what is not learnt yet replaces nothing
        count(again, START_TS + 5)
        assert CameraCounts("a", Recorder(spool), spool.kept_bins()["a"]).view == "as learnt"
        begin(changed, 4)
        assert changed.view is None


def test_how_the_view_looks_is_kept_where_nothing_is_counted(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool.db") as spool:
        killed = CameraCounts("a", Recorder(spool))
        begin(killed, 1)
        count(killed, START_TS)
        counts = CameraCounts("a", Recorder(spool), spool.kept_bins()["a"])
        begin(counts, 0)
        counts.learnt = lambda: "as learnt"
        counts.update(START_TS + 5, [])
        counts.end()
        again = CameraCounts("a", Recorder(spool), spool.kept_bins()["a"])
        assert again.last_ts == START_TS + 5
        begin(again, 0)
        assert again.view == "as learnt"
        # and the minute from before goes on with its scene
        begin(again, 1)
        assert again.view is None
        count(again, START_TS + 9)
        again.end()
        said = [decode(each.body) for each in spool.unsent(10)]
    assert [(each.version, each.counts[0].count) for each in said] == [(1, 1), (2, 2)]  # type: ignore[union-attr]


@pytest.mark.parametrize("restarted", [True, False])
def test_a_camera_at_another_address_looks_otherwise(tmp_path: Path, restarted: bool) -> None:
    with Spool(tmp_path / "spool.db") as spool:
        counts = CameraCounts("a", Recorder(spool))
        begin(counts, 3)
        counts.learnt = lambda: "as learnt"
        count(counts, START_TS)
        kept = spool.kept_bins()["a"]
        assert "there" not in kept, "an address may hold a secret"
        if restarted:
            counts = CameraCounts("a", Recorder(spool), kept)
        begin(counts, 3, address="elsewhere")
        assert counts.view is None
        assert CameraCounts("a", Recorder(spool), spool.kept_bins()["a"]).view is None


MOVED = (Fault("moved", START_TS + 10, 1.0, {}),)


@pytest.mark.parametrize(
    ("then", "observed_s", "frames"),
    [
        (Quality(), 20, 21),
        (Quality(MOVED, doubt_ts=START_TS + 10), 9, 10),
        (Quality(view="harbour"), 9, 11),
        (None, 9, 10),
    ],
)
def test_time_in_doubt_was_watched_once_the_doubt_is_gone(
    tmp_path: Path, then: Quality | None, observed_s: float, frames: int
) -> None:
    counts, spool = stated(tmp_path, scene=SCENE)
    with spool:
        for second in range(20):
            quality = Quality(doubt_ts=START_TS + 10) if second >= 10 else Quality()
            counts.update(START_TS + second, [], quality=quality)
        if then is not None:
            counts.update(START_TS + 20, [], quality=then)
        counts.end()
        (message,) = [decode(each.body) for each in spool.unsent(10)]
    assert isinstance(message, CountsMessage)
    assert (message.observed_s, message.frames) == (observed_s, frames)


ZONES = tuple(Zone(name, np.array([[0.0, 0], [9, 0], [9, 9]])) for name in ("north", "south"))
JUNCTION = replace(SCENE, zones=ZONES, movements=(Movement("junction", ("north",), ("south",)),))


def trip(ts: float, destination: str | None = "south") -> Trip:
    return Trip("a", "junction", "north", destination, "person", 1, ts - 3, ts)


def stated(tmp_path: Path, *, scene: Scene = JUNCTION) -> tuple[CameraCounts, Spool]:
    spool = Spool(tmp_path / "spool.db")
    counts = CameraCounts("a", Recorder(spool))
    counts.begin(scene, ("person",), 1, address="there", synthetic=False)
    return counts, spool


def test_trips_and_who_came_late_are_stated_beside_the_crossings(tmp_path: Path) -> None:
    counts, spool = stated(tmp_path)
    with spool:
        late = Late("a", "gate", "in", "person", 2, START_TS, 1, 2)
        counts.update(START_TS, [], [trip(START_TS)], [late])
        assert counts.passed == {"gate": {"in": 0, "out": 0}}
        assert counts.crossings == 0
        # a report has it before the minute is over
        assert [each.count for each in counts.running[-1].counts] == [1]
        counts.end()
        (message,) = [decode(each.body) for each in spool.unsent(10)]
    assert isinstance(message, CountsMessage)
    assert [(c.line, c.direction, c.count) for c in message.counts] == [
        ("junction", "north → south", 1)
    ]
    assert [(c.line, c.direction, c.count) for c in message.late] == [("gate", "in", 1)]


def test_who_was_in_sight_at_the_end_is_counted(tmp_path: Path) -> None:
    counts, spool = stated(tmp_path)
    with spool:
        crossing = Crossing("a", "gate", "in", "person", 1, START_TS, 10, 20)
        counts.finish(Counted((crossing,)), [])  # no picture was counted yet, so no minute began
        counts.update(START_TS, [])
        counts.finish(Counted((crossing,)), [trip(START_TS, None)])
        assert counts.passed["gate"]["in"] == counts.crossings == 1
        counts.end()
        (message,) = [decode(each.body) for each in spool.unsent(10)]
    assert isinstance(message, CountsMessage)
    assert message.frames == 1
    assert [(c.line, c.direction, c.count) for c in message.counts] == [
        ("gate", "in", 1),
        ("junction", "north → unknown", 1),
    ]


def test_what_nobody_saw_pass_is_told_in_the_log(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool.db") as spool, capture_logs() as logs:
        counts = CameraCounts("a", Recorder(spool))
        begin(counts, 1)
        count(counts, START_TS)
        assert not logs
        joined = Crossing("a", "gate", "in", "person", 7, START_TS + 1, 10, 20, 5, "5 became 7")
        counts.update(START_TS + 2, [joined])
    (said,) = logs
    assert (said["event"], said["line"], said["why"]) == (
        "a broken track is joined", "gate", "5 became 7",
    )  # fmt: skip
