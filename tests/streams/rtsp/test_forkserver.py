"""The fork server: children in milliseconds, no secret, no orphan, no descriptor left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.rtsp.forkserver import CUT, FIRST_PAUSE_S, Child, ForkServer, ForkServerError
from tests.streams.simulator.clients import GUARD_S, descriptors, eventually

JITTERED = 1.3
"""Longest share of a pause that jitter makes of it."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def server() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


@contextlib.contextmanager
def waiting_child(server: ForkServer) -> Iterator[tuple[Child, socket.socket]]:
    """A decoder that waits for its order, and the worker's end of its channel."""
    ours, theirs = socket.socketpair()
    memory = os.memfd_create("picture")
    camera, far = socket.socketpair()
    try:
        with theirs, camera, far:
            child = server.spawn((theirs.fileno(), memory, camera.fileno()))
        yield child, ours
        child.end()
    finally:
        os.close(memory)
        ours.close()


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def children(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {int(child) for child in text.split() if alive(int(child))}


def server_pid(server: ForkServer) -> int:
    assert server.pid is not None
    return server.pid


def test_nothing_runs_before_the_first_child() -> None:
    with ForkServer() as server:
        assert server.pid is None


def test_a_child_belongs_to_the_server_and_ends_on_request(server: ForkServer) -> None:
    with waiting_child(server) as (child, channel):
        assert parent(child.pid) == server_pid(server)
        assert alive(child.pid)
        assert child.end() is None
        assert channel.recv(1) == b""
        assert eventually(lambda: not os.path.exists(f"/proc/{child.pid}"))
        assert child.end() is None


def test_decoders_do_without_opencv(server: ForkServer) -> None:
    """It would take 150 MB of what each may have."""
    with waiting_child(server) as (child, _):
        loaded = Path(f"/proc/{child.pid}/maps").read_text()
    assert "libavcodec" in loaded
    assert "cv2" not in loaded


def test_how_a_child_ended_by_itself_is_told_once(server: ForkServer) -> None:
    with waiting_child(server) as (child, channel):
        os.kill(child.pid, signal.SIGABRT)
        assert channel.recv(1) == b""
        assert eventually(lambda: not os.path.exists(f"/proc/{child.pid}"))
        assert child.end() == -signal.SIGABRT
        assert child.end() is None


def test_a_child_ends_with_its_channel(server: ForkServer) -> None:
    with waiting_child(server) as (child, channel):
        channel.close()
        assert eventually(lambda: not os.path.exists(f"/proc/{child.pid}"))
        assert child.end() == 0


def test_a_killed_server_takes_its_children_and_is_started_again(server: ForkServer) -> None:
    with waiting_child(server) as (first, channel):
        before = server_pid(server)
        os.kill(before, signal.SIGKILL)
        assert channel.recv(1) == b""
        assert eventually(lambda: not alive(first.pid))
        # it ended right after its start, where the next start waits for a moment
        time.sleep(JITTERED * FIRST_PAUSE_S)
        with waiting_child(server) as (second, _):
            assert server_pid(server) != before
            # The old child's number may be the new one's: it must not be hit.
            assert first.end() is None
            assert alive(second.pid)


def test_a_server_that_cannot_start_is_tried_with_pauses(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/bin/false")
        for _ in range(2):
            with pytest.raises(ForkServerError, match="cannot be started"):
                server.spawn((0, 0, 0))
            with pytest.raises(ForkServerError, match="keeps ending"):
                server.spawn((0, 0, 0))
            time.sleep(JITTERED * server._pause_s)
        patched.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(ForkServerError, match="cannot be started"):
            server.spawn((0, 0, 0))
    time.sleep(JITTERED * server._pause_s)
    with waiting_child(server) as (child, _):
        assert alive(child.pid)


def test_pauses_between_starts_grow_until_it_ran_for_a_while(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("streams.rtsp.forkserver.time.monotonic", lambda: now[0])
    monkeypatch.setattr(server, "_start", lambda: None)
    found = []
    for _ in range(40):
        server._running()
        found.append(server._not_before - now[0])
        with pytest.raises(ForkServerError, match="keeps ending"):
            server._running()
        now[0] = server._not_before
    assert 0.1 <= found[0] <= 0.3
    assert all(3.5 <= pause <= 6.5 for pause in found[6:])
    assert len({round(pause, 6) for pause in found[6:]}) > 20
    now[0] += 100
    server._running()
    assert server._not_before - now[0] <= 0.3


def test_a_slow_answer_costs_no_decoder(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.rtsp.forkserver.ANSWER_S", 0.3)
    monkeypatch.setattr("streams.rtsp.forkserver.SILENT_ANSWER_S", 0.1)
    with waiting_child(server) as (first, _), waiting_child(server) as (second, channel):
        before = server_pid(server)
        os.kill(before, signal.SIGSTOP)
        assert second.end() is None
        for _ in range(3):
            with pytest.raises(ForkServerError, match="no answer"), waiting_child(server):
                pass
        os.kill(before, signal.SIGCONT)
        monkeypatch.undo()
        # What it was told meanwhile it does all the same, and no answer is taken for another.
        assert channel.recv(1) == b""
        with waiting_child(server) as (third, _):
            assert server_pid(server) == before
            assert alive(first.pid)
            assert alive(third.pid)
            assert parent(third.pid) == before
            assert eventually(lambda: not alive(second.pid))
            assert third.pid not in (first.pid, second.pid)
            # The children that nobody waited for ended by themselves.
            assert eventually(lambda: children(before) == {first.pid, third.pid})


def test_a_server_that_stays_silent_is_replaced(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.rtsp.forkserver.ANSWER_S", 0.1)
    monkeypatch.setattr("streams.rtsp.forkserver.SILENT_ANSWER_S", 0.1)
    monkeypatch.setattr("streams.rtsp.forkserver.SILENT_S", 0.3)
    monkeypatch.setattr("streams.rtsp.forkserver.STOP_S", 0.3)
    with waiting_child(server) as (first, _):
        before = server_pid(server)
        os.kill(before, signal.SIGSTOP)
        end = time.monotonic() + GUARD_S
        while server.pid == before and time.monotonic() < end:
            first.end()
    assert not alive(before)
    time.sleep(JITTERED * server._pause_s)
    monkeypatch.undo()
    with waiting_child(server) as (second, _):
        assert alive(second.pid)


def test_close_waits_for_no_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The fork server hangs while it starts, and another thread waits for it."""
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hanging))
    server = ForkServer()
    with ThreadPoolExecutor(2) as pool:
        spawning = pool.submit(server.spawn, (0, 0, 0))
        assert eventually(lambda: server.pid is not None)
        pid = server_pid(server)
        pool.submit(server.close).result(20)
        with pytest.raises(ForkServerError, match="closed"):
            spawning.result(20)
    assert eventually(lambda: not alive(pid))
    assert server._socket is None


def test_close_waits_for_nobody_who_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.rtsp.forkserver.CLOSE_S", 0.2)
    server = ForkServer()
    with ThreadPoolExecutor(1) as pool, server._lock:
        pool.submit(server.close).result(20)
    with pytest.raises(ForkServerError, match="closed"):
        server.spawn((0, 0, 0))


def test_close_ends_everything() -> None:
    server = ForkServer()
    with waiting_child(server) as (child, channel):
        pid = server_pid(server)
        server.close()
        assert not alive(pid)
        assert channel.recv(1) == b""
        assert eventually(lambda: not alive(child.pid))
        with pytest.raises(ForkServerError, match="closed"):
            server.spawn((0, 0, 0))
        server.close()


def test_nobody_learns_the_workers_secrets(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATAKOTA_REDIS_URL", "redis://:canary@10.0.0.1")
    with waiting_child(server) as (child, _):
        for pid in (server_pid(server), child.pid):
            for name in ("environ", "cmdline"):
                assert b"canary" not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_interrupts_of_the_terminal_are_the_workers_business(server: ForkServer) -> None:
    with waiting_child(server) as (child, channel):
        for pid in (child.pid, server_pid(server)):
            os.kill(pid, signal.SIGINT)
        with waiting_child(server) as (_, _):
            assert alive(child.pid)
            channel.setblocking(False)
            with pytest.raises(BlockingIOError):
                channel.recv(1)


def test_the_server_has_one_thread(server: ForkServer) -> None:
    with waiting_child(server):
        assert len(os.listdir(f"/proc/{server_pid(server)}/task")) == 1


def test_many_at_once_leave_nothing(server: ForkServer) -> None:
    def come_and_go(_: int) -> int:
        with waiting_child(server) as (child, _):
            return child.pid

    with waiting_child(server):
        open_files = os.listdir(f"/proc/{server_pid(server)}/fd")
        ours = descriptors()
        with ThreadPoolExecutor(8) as pool:
            pids = list(pool.map(come_and_go, range(60)))
        assert eventually(lambda: not any(map(alive, pids)))
        assert len(os.listdir(f"/proc/{server_pid(server)}/fd")) == len(open_files)
        assert descriptors() == ours


def test_children_hold_nothing_of_each_other(server: ForkServer) -> None:
    with waiting_child(server) as (first, _), waiting_child(server) as (second, _):

        def sockets(pid: int) -> set[str]:
            held = set()
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    held.add(os.readlink(entry))
            return {name for name in held if name.startswith("socket")}

        # Just after the fork it still holds, for a moment, what is the fork server's.
        assert eventually(lambda: not sockets(first.pid) & sockets(second.pid))
        assert sockets(first.pid)


def test_a_wrong_number_of_descriptors_is_refused(server: ForkServer) -> None:
    with pytest.raises(ValueError, match=r"\(3, 5\) descriptors"):
        server.spawn((0,))
    with pytest.raises(ValueError, match=r"\(4,\) descriptors"):
        server.spawn((0, 0, 0), CUT)


def test_everything_dies_with_a_killed_worker() -> None:
    program = """
        import os, socket, sys, time
        from streams.rtsp.forkserver import ForkServer
        server = ForkServer()
        channel, theirs = socket.socketpair()
        child = server.spawn((theirs.fileno(), os.memfd_create("x"), theirs.fileno()))
        print(server.pid, child.pid, flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    ) as worker:
        try:
            assert worker.stdout is not None
            pids = [int(text) for text in worker.stdout.readline().split()]
            assert len(pids) == 2
            assert all(map(alive, pids))
        finally:
            worker.kill()
            worker.wait(GUARD_S)
        assert eventually(lambda: not any(map(alive, pids)))
