"""The worker around its cameras: reports, what an earlier run left, and parts that die."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from streams.camera import CameraLoop
from streams.health import State
from streams.messages import AlertMessage
from streams.spool import Spool
from tests.streams.workers import Running, camera, drawn, quick
from tests.waiting import wait_for
from vision.bins import Binner
from vision.policy import alert_of
from vision.scene import Line
from vision.types import Crossing, Event

TS = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


def test_all_cameras_are_reported_in_order(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        running.configure(camera("b"), drawn(camera("a"), 3))
        for name in ("a", "b"):
            running.until(name, state=State.LIVE, analysed=1)
        report = running.followed()
        assert (report.worker, report.problem, report.pictures) == ("w", None, 0)
        assert [c.camera for c in report.cameras] == ["b", "a"]
        assert [c.revision for c in report.cameras] == [0, 3]
        assert {c.source for c in report.cameras} == {"synthetic"}
        assert (report.cameras[0].width, report.cameras[0].height) == (640, 360)


def test_without_a_configuration_it_waits_and_says_so(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        report = wait_for(running.report, "a report")
        assert report.problem == ("there is no configuration yet: run 'matakota config apply CITY'")
        assert (report.configuration, report.cameras) == (0, ())
        running.configure(camera("a"))
        running.until("a", state=State.LIVE)
        assert running.followed().problem is None


def test_it_states_a_canary_of_its_own(tmp_path: Path) -> None:
    with Running(tmp_path, canary_s=0.05) as running:
        running.configure(camera("a"))
        running.until("a", state=State.LIVE, analysed=1)
        wait_for(lambda: len(running.canaries()) >= 3, "canaries")
    assert {(m.id, m.camera, m.state) for m in running.canaries()} == {
        ("canary:w", "matakota", "open")
    }
    assert running.alerts() == []
    with Running(tmp_path) as again:
        again.configure(camera("a"))
        again.until("a", state=State.LIVE, analysed=1)
    # nothing that an earlier run left
    assert {m.state for m in again.canaries()} == {"open"}


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ("forwarder", "streams.forwarder.Forwarder._run"),
        ("commander", "streams.commander.Commander._run"),
        ("live pictures", "streams.pictures.Pictures._run"),
    ],
)
def test_a_part_that_dies_ends_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, where: str
) -> None:
    monkeypatch.setattr(where, lambda self: None)
    with Running(tmp_path) as running:
        running.configure(camera("a"))
        wait_for(lambda: running.error, "it ended")
    assert f"(the {part})" in str(running.error)


def test_a_camera_that_dies_ends_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CameraLoop, "run", lambda self, left: left)
    with Running(tmp_path) as running:
        running.configure(camera("gate"))
        wait_for(lambda: running.error, "it ended")
    assert "(gate)" in str(running.error)


def left_by(spool: Spool, name: str, ts: float = TS) -> None:
    """What a killed worker leaves of a camera: an open alert, and a minute with a crossing."""
    event = Event(f"e-{name}", "intrusion", "r", name, "yard", ts, ts, None, (1,), 0.5, {})
    spool.put([AlertMessage.of(alert_of(event, 1), revision=3, synthetic=False)])
    line = Line("gate", np.array([[0.0, 0.0], [1.0, 1.0]]), "in", "out")
    binner = Binner(name, (line,), ("person",), 3)
    binner.update(ts, [Crossing(name, "gate", "in", "person", 1, ts, 0, 0)])
    spool.keep_bins(name, json.dumps(binner.state()))


def test_what_a_removed_camera_left_is_stated_once_the_configuration_is_known(
    tmp_path: Path,
) -> None:
    with Running(tmp_path) as running:
        pass
    with Spool(tmp_path / "spool.db") as spool:
        left_by(spool, "old")
        left_by(spool, "gate")
    for round_ in range(2):
        with Running(tmp_path) as running:
            if round_ == 0:
                wait_for(lambda: running.report(), "a report")
                # it may only be that nobody can be asked
                assert [m.state for m in running.alerts()] == ["open", "open"]
                assert running.counts() == []
            running.configure(camera("gate"))
            running.followed()
            running.until("gate", state=State.LIVE, analysed=1)
        closed = {m.camera: m for m in running.alerts() if m.state == "closed"}
        assert {name: m.details["closed"] for name, m in closed.items()} == {
            "old": "the camera was removed",
            "gate": "no rule watches it any more",
        }
        counted = [(m.camera, m.revision, m.counts[0].count) for m in running.counts()]
        # once: the next start has nothing left to say
        assert sorted(counted) == [("gate", 3, 1), ("old", 3, 1)]


def test_a_camera_that_a_killed_worker_left_may_come_back_in_the_same_minute(
    tmp_path: Path,
) -> None:
    with Running(tmp_path) as running:
        left_by(running.spool, "old", time.time())
    with Running(tmp_path) as running:
        running.configure(camera("gate"))
        wait_for(running.counts, "what was left is stated")
        running.configure(camera("gate"), drawn(camera("old"), 3))
        running.until("old", state=State.LIVE, analysed=1)
    # the store keeps the highest version of each minute
    latest = {m.start_ts: m for m in sorted(running.counts(), key=lambda m: m.version)}
    assert sum(m.frames for m in latest.values()) > 1
    assert sum(count.count for m in latest.values() for count in m.counts) >= 1


def test_an_alert_of_a_later_version_stays_open(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        left_by(running.spool, "old")
        (body,) = running.spool.open_alerts()
    newer = {**json.loads(body), "schema_version": 99}
    with Spool(tmp_path / "spool.db") as spool:
        spool._file.change(
            lambda db: db.execute("UPDATE open_alerts SET body = ?", (json.dumps(newer),))
        )
    with Running(tmp_path) as running:
        running.configure(camera("gate"))
        running.followed()
        assert [json.loads(each)["id"] for each in running.spool.open_alerts()] == ["e-old"]
