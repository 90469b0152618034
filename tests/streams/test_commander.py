"""How a worker hears: configuration, its kept copy, and commands; in memory and over a Valkey."""

from __future__ import annotations

import json
import os
import signal
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import streams.commander as module
from streams.bus import Control, RedisControl
from streams.bus.memory_control import MemoryControl
from streams.commands import (
    Follow,
    Given,
    Replay,
    Replayed,
    Suggest,
    Suggested,
    Tracks,
    Tried,
    Try,
    View,
)
from streams.health import Code, State
from streams.keeper import Keeper
from streams.messages import encode
from streams.simulator import Fault, FaultKind, Login, Recording, Simulator, load_recording
from streams.trackblocks import blocks
from streams.valkey import EmbeddedValkey
from tests.streams.simulator.clients import SIZE, small_clip
from tests.streams.workers import GATE, Running, camera, drawn, publish, quick, write_logins
from tests.streams.workers import city as city_of
from tests.waiting import PATIENCE_S, wait_for

PASSWORD = "Sulawesi-2026"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


@pytest.fixture(params=["memory", "valkey"])
def control(request: pytest.FixtureRequest) -> Iterator[Control]:
    made: Control
    if request.param == "memory":
        made = MemoryControl()
    else:
        made = RedisControl(request.getfixturevalue("valkey"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("clips")
    return load_recording(small_clip(folder / "small.mp4"), folder / "cache")


def tried(running: Running, source: str, login: str | None = None, timeout_s: float = 10) -> Tried:
    """The answer of the worker to a try."""
    asked = encode(Try(source=source, login=login, timeout_s=timeout_s))
    command = running.control.send("w", asked, ttl_s=PATIENCE_S)
    body = running.control.answered(command, wait_s=PATIENCE_S)
    assert body is not None
    return Tried.model_validate_json(body)


# --- configuration


def test_a_configuration_and_its_changes(tmp_path: Path, control: Control) -> None:
    with Running(tmp_path, control=control) as running:
        for number in (1, 2):
            running.configure(drawn(camera("a"), number))
            running.until("a", state=State.LIVE, revision=number)
            assert running.followed().configuration == number


def test_the_command_to_follow_hurries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 10 * PATIENCE_S)
    with Running(tmp_path) as running:
        wait_for(running.report, "a report")
        running.configure(camera("a"))
        time.sleep(0.3)
        assert running.camera("a") is None
        running.control.send("w", encode(Follow()), ttl_s=PATIENCE_S)
        running.until("a", state=State.LIVE)


def test_a_configuration_of_another_version_is_said_and_not_followed(
    tmp_path: Path, control: Control
) -> None:
    with Running(tmp_path, control=control) as running:
        running.configure(camera("a"))
        running.until("a", state=State.LIVE)
        for body in ("{}", "nonsense", '{"number": 9, "colour": "red"}'):
            control.configure("v" + body[:3], body)
            wait_for(lambda: "another version" in str(running.report().problem), "it is said")
            running.until("a", state=State.LIVE)
            assert running.followed().configuration == 1
            running.configure(camera("a"))
            wait_for(lambda: running.followed().problem is None, "followed again")
            running.number = 0
            running.configure(camera("a"))
            running.followed()


def test_the_kept_configuration_is_enough(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        running.configure(drawn(camera("a"), 4), camera("b", worker="x"))
        running.until("a", state=State.LIVE, revision=4)
        wait_for(running.kept.exists, "kept")
    assert stat.S_IMODE(running.kept.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith(".new")] == []
    gone = MemoryControl()
    gone.close()
    with Running(tmp_path, control=gone) as again:
        again.until("a", state=State.LIVE, revision=4, analysed=1)
        report = again.report()
        assert report is not None
        assert (report.configuration, report.problem) == (1, None)


def test_what_is_kept_is_replaced_by_what_is_there(tmp_path: Path) -> None:
    control = MemoryControl()
    with Running(tmp_path, control=control) as running:
        running.configure(camera("a"))
        running.until("a", state=State.LIVE)
    publish(control, city_of(camera("b")), 2)
    for _ in range(2):
        with Running(tmp_path, control=control) as running:
            running.number = 2
            assert [c.camera for c in running.followed().cameras] == ["b"]
            wait_for(lambda: '\\"b\\"' in running.kept.read_text(), "kept")


@pytest.mark.parametrize(
    "kept",
    [b"", b"\xff\xfe", b"[]", b"{}", b'{"version": "1", "body": "{}"}', b'{"version": "1"}', None],
)
def test_a_kept_configuration_that_cannot_be_read_is_none(
    tmp_path: Path, kept: bytes | None
) -> None:
    file = tmp_path / "configuration-w.json"
    if kept is None:
        file.mkdir()
    else:
        file.write_bytes(kept)
    with Running(tmp_path) as running:
        report = wait_for(running.report, "a report")
        assert "no configuration yet" in str(report.problem)
        running.configure(camera("a"))
        running.until("a", state=State.LIVE)
    if kept is not None:
        assert json.loads(file.read_text())["version"]


def test_redis_goes_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "valkey"
    folder.mkdir()
    server = EmbeddedValkey(folder)
    server.start()
    with server:
        control = RedisControl(server.url)
        with Running(tmp_path, control=control) as running:
            running.configure(drawn(camera("a"), 1))
            running.until("a", state=State.LIVE, revision=1)
            os.kill(server.pid, signal.SIGKILL)
            before = running.until("a", state=State.LIVE)
            running.until("a", state=State.LIVE, analysed=before.analysed + 2)
            wait_for(lambda: _restarted(server), "Valkey is back")
            # whatever it still has: the API puts the configuration back
            running.configure(drawn(camera("a"), 2))
            running.until("a", state=State.LIVE, revision=2)
            assert tried(running, "synthetic").ok
        control.close()


def _restarted(server: EmbeddedValkey) -> bool:
    server.start()
    return True


# --- commands


def test_a_camera_is_viewed(tmp_path: Path, control: Control) -> None:
    with Running(tmp_path, control=control) as running:
        running.configure(drawn(camera("a"), 1), camera("b"))
        running.until("a", state=State.LIVE, analysed=3)
        assert running.followed().pictures == 0
        with_pictures = control.pictures()
        with_pictures.follow(["a", "b"])
        try:
            control.send("w", encode(View(camera="a")), ttl_s=PATIENCE_S)
            got = wait_for(lambda: with_pictures.next(wait_s=0.2), "a picture")
            assert got[0] == "a"
            wait_for(lambda: running.followed().pictures > 0, "they are counted")
        finally:
            with_pictures.close()


def test_commands_that_make_no_sense_are_left_out(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        for body in ("", "{}", '{"type": "format_disk"}', '{"type": "view"}', "\x00"):
            running.control.send("w", body, ttl_s=PATIENCE_S)
        assert tried(running, "synthetic").ok


def test_an_expired_command_is_never_obeyed(tmp_path: Path, control: Control) -> None:
    late = control.send("w", encode(Try(source="synthetic")), ttl_s=0.05)
    time.sleep(0.2)
    with Running(tmp_path, control=control) as running:
        assert tried(running, "synthetic").ok
        assert control.answered(late, wait_s=0.5) is None


def test_an_address_is_tried(tmp_path: Path, recording: Recording, control: Control) -> None:
    logins = write_logins(tmp_path / "logins.yaml", gate=PASSWORD, wrong="no")
    with (
        Simulator({"a": recording}, login=Login("operator", PASSWORD)) as simulator,
        Running(tmp_path, control=control) as running,
    ):
        running.configure(camera("road"), credentials=logins)
        running.followed()
        good = tried(running, simulator.url("a"), "gate")
        assert (good.ok, good.code, (good.width, good.height)) == (True, None, SIZE)
        assert f"shows {SIZE[0]}x{SIZE[1]}" in good.message
        # some cameras have their login in the query
        with_query = tried(running, f"{simulator.url('a')}?password={PASSWORD}", "gate")
        assert with_query.ok
        assert PASSWORD not in with_query.message
        for source, login, code in (
            (simulator.url("a"), None, Code.UNAUTHORIZED),
            (simulator.url("a"), "wrong", Code.UNAUTHORIZED),
            (simulator.url("a"), "nobody", Code.LOGIN_UNKNOWN),
            (simulator.url("a") + "-none", "gate", Code.NOT_FOUND),
            ("rtsp://127.0.0.1:9/a", None, Code.UNREACHABLE),
            ("rtsp://10.1.2.3/a", None, Code.ADDRESS_REFUSED),
            (f"rtsp://operator:{PASSWORD}@127.0.0.1/a", None, Code.ADDRESS_REFUSED),
            ("file:///etc/passwd", None, Code.ADDRESS_REFUSED),
        ):
            bad = tried(running, source, login)
            assert (bad.ok, bad.code, bad.width) == (False, code, None)
            assert bad.message
            assert PASSWORD not in bad.message
        # loopback is outside where the configuration does not say otherwise
        assert simulator.connected == 0


def test_tries_are_bounded_and_block_nothing(tmp_path: Path, recording: Recording) -> None:
    with Simulator({"a": recording}) as simulator, Running(tmp_path) as running:
        simulator.fault("a", Fault(FaultKind.SILENT))
        running.configure(camera("road"))
        running.until("road", state=State.LIVE)
        slow = encode(Try(source=simulator.url("a"), timeout_s=3))
        asked = [running.control.send("w", slow, ttl_s=PATIENCE_S) for _ in range(6)]
        running.configure(camera("road"), camera("other"))
        running.until("other", state=State.LIVE, analysed=1)
        said = [running.control.answered(each, wait_s=PATIENCE_S) for each in asked]
        assert sum(Tried.of(body or "").busy for body in said) == 2
        # and there is room again
        assert tried(running, "synthetic").ok


@contextmanager
def keeping(tmp_path: Path, control: Control, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A worker that keeps the tracks of camera ``a``."""
    monkeypatch.setattr("streams.keeper.FREE_BYTES", 0)
    keeper = Keeper(tmp_path / "tracks")
    with Running(tmp_path, control=control, keeper=keeper) as running:
        running.configure(drawn(camera("a"), 1), camera("b"))
        running.until("a", state=State.LIVE, analysed=10)
        yield running


def replayed(running: Running, name: str, **more: Any) -> Replayed:
    now = time.time()
    wanted = Replay(camera=name, from_ts=now - 3600, to_ts=now + 3600, **more)
    return Replayed.of(answered(running, wanted))


def answered(running: Running, wanted: Replay | Suggest | Tracks) -> str:
    command = running.control.send("w", encode(wanted), ttl_s=PATIENCE_S)
    return running.control.answered(command, wait_s=PATIENCE_S) or ""


def test_kept_tracks_are_replayed(
    tmp_path: Path, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keeping(tmp_path, control, monkeypatch) as running:
        found = replayed(running, "a")
        assert found.ok
        assert found.pictures >= 10
        assert {each.kind for each in found.left_out} >= {"camera_moved"}
        assert "has no scene" in replayed(running, "b").message
        assert "none of this worker's" in replayed(running, "c").message
        assert replayed(running, "c", scene=dict(GATE)).pictures == 0
        given = Given.of(answered(running, Tracks(camera="a", from_ts=0, to_ts=9)))
        assert (given.ok, given.blocks) == (True, b"")
        now = time.time()
        asked = Tracks(camera="a", from_ts=now - 60, to_ts=now + 60)
        kept = [b for b in blocks(Given.of(answered(running, asked)).blocks) if b is not None]
        assert sum(len(block.pictures()) for block in kept) >= 10
        said = Suggested.of(answered(running, Suggest(camera="a", rule="x", closings=())))
        assert (said.ok, said.refused) == (False, "rule")


def test_one_replay_at_a_time(
    tmp_path: Path, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(*_: object) -> Replayed:
        begun.set()
        go.wait(PATIENCE_S)
        return Replayed(ok=True, pictures=7)

    monkeypatch.setattr(module, "replay", slow)
    with keeping(tmp_path, control, monkeypatch) as running:
        now = time.time()
        wanted = encode(Replay(camera="a", from_ts=now - 60, to_ts=now))
        first = running.control.send("w", wanted, ttl_s=PATIENCE_S)
        assert begun.wait(PATIENCE_S)
        busy = replayed(running, "a")
        assert (busy.ok, busy.busy) == (False, True)
        assert Suggested.of(answered(running, Suggest(camera="a", rule="x", closings=()))).busy
        assert Given.of(answered(running, Tracks(camera="a", from_ts=0, to_ts=9))).busy
        # and cameras go on
        before = running.until("a", state=State.LIVE)
        running.until("a", state=State.LIVE, analysed=before.analysed + 2)
        go.set()
        said = running.control.answered(first, wait_s=PATIENCE_S)
        assert Replayed.of(said or "").pictures == 7


def test_a_worker_that_keeps_none_says_so(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        running.configure(drawn(camera("a"), 1))
        running.followed()
        said = "this worker keeps no tracks"
        assert replayed(running, "a").message == said
        suggested = Suggested.of(answered(running, Suggest(camera="a", rule="x", closings=())))
        assert (suggested.refused, suggested.message) == ("kept", said)
        given = Given.of(answered(running, Tracks(camera="a", from_ts=0, to_ts=9)))
        assert (given.ok, given.message) == (False, said)


def test_memory_that_fails_is_said_and_disturbs_nothing(tmp_path: Path) -> None:
    (tmp_path / "tracks").touch()
    with Running(tmp_path, keeper=Keeper(tmp_path / "tracks")) as running:
        running.configure(drawn(camera("a"), 1))
        running.until("a", state=State.LIVE, analysed=5)
        running.configure(drawn(camera("a"), 2))
        wait_for(lambda: "tracks are not kept" in str(running.report().problem), "it is said")
        before = running.until("a", state=State.LIVE, revision=2)
        running.until("a", state=State.LIVE, analysed=before.analysed + 3)


def test_an_end_does_not_wait_for_a_try(tmp_path: Path, recording: Recording) -> None:
    with Simulator({"a": recording}) as simulator, Running(tmp_path) as running:
        simulator.fault("a", Fault(FaultKind.SILENT))
        running.configure(camera("road"))
        running.followed()
        asked = encode(Try(source=simulator.url("a"), timeout_s=30))
        running.control.send("w", asked, ttl_s=PATIENCE_S)
        wait_for(lambda: simulator.connected == 1, "it is tried")
    assert running.error is None
