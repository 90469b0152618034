"""A worker's cameras as its configuration changes, with real sources: synthetic and RTSP."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.camera import CameraLoop, Left
from streams.health import Code, State
from streams.simulator import Login, Recording, Simulator, load_recording
from tests.streams.simulator.clients import SIZE, small_clip
from tests.streams.workers import Running, camera, drawn, quick, write_logins
from tests.waiting import wait_for

OLD, NEW = "Sulawesi-2026", "Makassar-2026"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("clips")
    return load_recording(small_clip(folder / "small.mp4"), folder / "cache")


@pytest.fixture
def simulator(recording: Recording) -> Iterator[Simulator]:
    with Simulator({"a": recording, "b": recording}) as running:
        yield running


def test_a_scene_reaches_a_running_camera_and_its_connection_stays(
    tmp_path: Path, simulator: Simulator
) -> None:
    small = {"frame_size": list(SIZE), "lines": []}
    gate = camera("gate", simulator.url("a"))
    with Running(tmp_path) as running:
        running.configure(drawn(gate, 1, **small))
        first = running.until("gate", state=State.LIVE, revision=1, analysed=3)
        for revision in (2, 3):
            running.configure(drawn(gate, revision, **small))
            running.until("gate", state=State.LIVE, revision=revision)
        before = running.camera("gate")
        assert before is not None
        last = running.until("gate", state=State.LIVE, analysed=before.analysed + 3)
        assert (first.connects, last.connects) == (1, 1)
        assert simulator.seen("a").plays == 1
        # every part of the minute is stated under the revision that counted it
    assert {m.revision for m in running.counts() if m.frames} == {1, 2, 3}


def test_cameras_come_and_go_and_the_others_stay(tmp_path: Path, simulator: Simulator) -> None:
    a, b, road = (
        camera("a", simulator.url("a")),
        camera("b", simulator.url("b")),
        drawn(camera("road"), 1),
    )
    with Running(tmp_path) as running:
        running.configure(a, road)
        running.until("a", state=State.LIVE, analysed=1)
        before = running.until("road", state=State.LIVE, analysed=1)
        running.configure(b, a, road)
        running.until("b", state=State.LIVE, analysed=1)
        running.configure(b, road)
        assert [c.camera for c in running.followed().cameras] == ["b", "road"]
        wait_for(lambda: simulator.seen("a").connections == 0, "the camera is left alone")
        assert simulator.seen("b").plays == 1
        # one comes back while it may still be ending
        running.configure(road)
        running.configure(b, road)
        running.until("b", state=State.LIVE, analysed=1)
        after = running.until("road", analysed=before.analysed + 1)
        assert after.connects == before.connects
    assert running.alerts() == []


def test_a_camera_that_comes_back_waits_for_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    run, finish = CameraLoop.run, CameraLoop._finish

    def begun(loop: CameraLoop, left: Left) -> Left:
        order.append("begins")
        return run(loop, left)

    def ended(loop: CameraLoop) -> None:
        time.sleep(0.3)
        finish(loop)
        order.append("ends")

    monkeypatch.setattr(CameraLoop, "run", begun)
    monkeypatch.setattr(CameraLoop, "_finish", ended)
    road = drawn(camera("road"), 1)
    with Running(tmp_path) as running:
        for cameras in ((road,), (), (road,), (), (road,)):
            running.configure(*cameras)
            running.followed()
        running.until("road", state=State.LIVE, analysed=1)
        assert order == ["begins", "ends"] * 2 + ["begins"]


def test_another_address(tmp_path: Path, simulator: Simulator) -> None:
    with Running(tmp_path) as running:
        running.configure(camera("gate", simulator.url("a")))
        running.until("gate", state=State.LIVE, analysed=1)
        running.configure(camera("gate", simulator.url("b")))
        running.until("gate", state=State.LIVE, connects=2)
        assert simulator.seen("a").connections == 0
        assert simulator.seen("b").playing == 1


def test_an_outage_ends_with_its_camera(tmp_path: Path, simulator: Simulator) -> None:
    with Running(tmp_path) as running:
        running.configure(camera("gate", simulator.url("a") + "-nowhere"), camera("road"))
        running.until("gate", state=State.DOWN, code=Code.NOT_FOUND)
        (opened,) = wait_for(running.alerts, "the outage")
        running.configure(camera("road"))
        over = wait_for(lambda: running.alerts()[1:], "it is over")[0]
        assert (over.id, over.state) == (opened.id, "closed")
        assert over.details["closed"] == "the camera was removed"


@pytest.mark.parametrize(
    "scene",
    [
        {"lins": []},
        {"frame_size": [640, 360], "classes": ["unicorn"]},
        {"lines": [{"name": "road", "points": [[1, 1], [9000, 1]]}]},
    ],
)
def test_a_scene_that_cannot_be_used_is_one_cameras_trouble(
    tmp_path: Path, scene: dict[str, object]
) -> None:
    road, other = drawn(camera("road"), 1), drawn(camera("other"), 1)
    with Running(tmp_path) as running:
        running.configure(road, other, drawn(camera("new"), 1, **scene))
        running.until("road", state=State.LIVE, revision=1)
        new = running.until("new", state=State.DOWN, code=Code.CONFIGURATION_REFUSED)
        assert (new.revision, new.analysed) == (0, 0)
        running.configure(drawn(road, 2, **scene), other, camera("new"))
        running.until("road", state=State.LIVE, revision=1, code=Code.CONFIGURATION_REFUSED)
        running.until("other", state=State.LIVE, code=None)
        running.until("new", state=State.LIVE, code=None, analysed=1)
        running.configure(drawn(road, 3), other)
        running.until("road", state=State.LIVE, revision=3, code=None)


def test_a_model_that_is_unknown_is_one_cameras_trouble(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        running.configure(drawn(camera("a", model="no-such"), 1), drawn(camera("b"), 1))
        running.until("a", state=State.DOWN, code=Code.CONFIGURATION_REFUSED)
        running.until("b", state=State.LIVE, analysed=1)
        running.configure(drawn(camera("a"), 1), drawn(camera("b"), 1))
        running.until("a", state=State.LIVE, analysed=1)


def test_only_its_own_cameras(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        running.configure(camera("a", worker="w"), camera("b", worker="x"), camera("c"))
        assert [c.camera for c in running.followed().cameras] == ["a", "c"]


def test_logins(tmp_path: Path, recording: Recording) -> None:
    logins = tmp_path / "logins.yaml"
    login = Login("operator", OLD)
    with Simulator({"a": recording}, login=login) as simulator, Running(tmp_path) as running:
        gate = camera("gate", simulator.url("a"), login="gate")
        running.configure(gate, camera("road"), credentials=logins)
        # no file at all
        running.until("gate", state=State.DOWN, code=Code.LOGIN_UNKNOWN)
        running.until("road", state=State.LIVE)
        (alert,) = wait_for(running.alerts, "the outage")
        assert alert.details["code"] == "login_unknown"
        assert "logins.yaml" in str(running.followed().problem)
        # a file without it
        write_logins(logins, other=NEW)
        wait_for(lambda: running.followed().problem is None, "the file is read")
        assert running.until("gate", state=State.DOWN).code is Code.LOGIN_UNKNOWN
        # with a wrong password
        write_logins(logins, gate=NEW)
        running.until("gate", state=State.DOWN, code=Code.UNAUTHORIZED)
        # others may read it: nothing is taken from it
        write_logins(logins, gate=OLD)
        logins.chmod(0o644)
        wait_for(lambda: "chmod 600" in str(running.followed().problem), "refused")
        assert running.until("gate", code=Code.UNAUTHORIZED).connects == 0
        logins.chmod(0o600)
        running.until("gate", state=State.LIVE, analysed=1)
        # in the middle of being written: nothing changes
        logins.write_text("gate: {user: oper", encoding="utf-8")
        wait_for(lambda: running.followed().problem is not None, "it is noticed")
        now = running.until("gate", state=State.LIVE)
        assert running.until("gate", analysed=now.analysed + 5).connects == 1
        write_logins(logins, gate=OLD)
        wait_for(lambda: running.followed().problem is None, "it is whole again")
        assert running.until("gate", state=State.LIVE).connects == 1
        # every password was hidden before it was used
        assert {OLD, NEW} <= set(running.hidden)
    assert [m.state for m in running.alerts()] == ["open", "closed"]


def test_credentials_of_the_worker_win(tmp_path: Path, recording: Recording) -> None:
    mine = write_logins(tmp_path / "mine.yaml", gate=OLD)
    theirs = write_logins(tmp_path / "theirs.yaml", gate=NEW)
    login = Login("operator", OLD)
    with (
        Simulator({"a": recording}, login=login) as simulator,
        Running(tmp_path, credentials=mine) as running,
    ):
        gate = camera("gate", simulator.url("a"), login="gate")
        running.configure(gate, credentials=theirs)
        running.until("gate", state=State.LIVE, analysed=1)
    assert running.hidden == [OLD]


def test_many_changes_leave_nothing_behind(tmp_path: Path) -> None:
    check_changes(tmp_path, 20)


@pytest.mark.long
def test_two_hundred_changes_leave_nothing_behind(tmp_path: Path) -> None:
    check_changes(tmp_path, 200)


def check_changes(folder: Path, number: int) -> None:
    """Threads and descriptors are as many after ``number`` configurations as after the first."""

    def used() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    first = (camera("a", "rtsp://127.0.0.1:9/a"), drawn(camera("b"), 1), camera("c"))
    with Running(folder) as running:
        running.configure(*first)
        running.until("b", state=State.LIVE, analysed=1)
        running.until("a", state=State.DOWN, code=Code.UNREACHABLE)
        before = used()
        for k in range(number):
            changed = (
                camera("a", f"rtsp://127.0.0.1:9/{k}"),
                drawn(camera("b"), k + 2),
                camera(f"c{k}", fps=1 + k % 30),
            )
            running.configure(*changed)
            running.followed()
        running.configure(*first)
        running.followed()
        running.until("b", state=State.LIVE, revision=1)
        wait_for(lambda: used() <= before, f"{used()} as before, {before}")
        assert [c.camera for c in running.followed().cameras] == ["a", "b", "c"]
