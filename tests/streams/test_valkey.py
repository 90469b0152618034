"""The embedded Valkey: private, durable, and gone when its parent is."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from streams import valkey as module
from streams.bus import RedisBus
from streams.valkey import EmbeddedValkey
from tests.needs import REPO
from tests.streams.servers import until
from vision.errors import ServiceError


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path / "valkey") as made:
        yield made


def client(server: EmbeddedValkey) -> redis.Redis:
    return redis.Redis.from_url(server.url)


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill(server: EmbeddedValkey) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: server.poll() is not None, 10, "it is gone")


def test_it_answers_when_start_returns_and_is_gone_after_stop(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "a" / "valkey")
    assert (server.pid, server.poll(), server.name) == (None, None, "Valkey")
    assert not server.folder.exists()
    server.start()
    pid = server.pid
    assert pid is not None
    assert server.poll() is None
    server.start()
    assert server.pid == pid
    bus = RedisBus(server.url)
    bus.check()
    bus.close()
    server.stop()
    assert server.poll() == 0
    assert not alive(pid)
    assert not server.socket.parent.exists()
    server.stop()


def test_it_is_private_and_listens_on_no_port(server: EmbeddedValkey) -> None:
    for place in (server.folder, server.socket.parent, server.socket):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700, place
    assert len(os.fsencode(server.socket)) < 104
    with client(server) as asked:
        assert asked.config_get("port") == {"port": "0"}
        assert asked.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert Path(f"/proc/{server.pid}/environ").read_bytes() == b""


def test_what_it_took_is_there_after_a_kill_at_the_same_address(server: EmbeddedValkey) -> None:
    url = server.url
    with client(server) as asked:
        asked.set("a", "1")
        time.sleep(1.5)
    kill(server)
    assert server.poll() == -signal.SIGKILL
    server.start()
    assert server.url == url
    with client(server) as asked:
        assert asked.get("a") == b"1"
    server.stop()
    server.start()
    assert server.url == url
    with client(server) as asked:
        assert asked.get("a") == b"1"


def appended(server: EmbeddedValkey) -> Path:
    (found,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    return found


def test_an_entry_that_was_cut_short_is_left_out(server: EmbeddedValkey) -> None:
    with client(server) as asked:
        asked.set("a", "1")
        asked.set("b", "2")
    server.stop()
    file = appended(server)
    os.truncate(file, file.stat().st_size - 3)
    server.start()
    with client(server) as asked:
        assert (asked.get("a"), asked.get("b")) == (b"1", None)


def test_data_that_are_damaged_are_said(server: EmbeddedValkey) -> None:
    with client(server) as asked:
        for i in range(100):
            asked.set(f"key{i}", "x" * 100)
    server.stop()
    file = appended(server)
    data = bytearray(file.read_bytes())
    data[2000:4000] = b"damaged " * 250
    file.write_bytes(data)
    with pytest.raises(ServiceError) as caught:
        server.start()
    assert "Bad file format" in str(caught.value)
    assert f"move {server.folder} away" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert server.poll() is not None
    assert not server.socket.parent.exists()


def test_loading_much_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says LOADING for longer than it may be silent."""
    with EmbeddedValkey(tmp_path) as server, client(server) as asked:
        for i in range(3000):
            asked.set(f"key{i}", "x" * 1000)
    monkeypatch.setattr(module, "START_S", 0.5)
    slow = tmp_path / "slow"
    slow.write_text(
        f'#!/bin/sh\nexec {module._binary_path()} "$@" --key-load-delay 500 '
        "--loading-process-events-interval-bytes 1024\n"
    )
    slow.chmod(0o700)
    monkeypatch.setattr(module, "_binary_path", lambda: str(slow))
    with EmbeddedValkey(tmp_path) as server, client(server) as asked:
        assert asked.dbsize() == 3000


def test_one_that_never_answers_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_S", 0.3)
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\nexec sleep 60\n")
    mute.chmod(0o700)
    monkeypatch.setattr(module, "_binary_path", lambda: str(mute))
    server = EmbeddedValkey(tmp_path / "valkey")
    with pytest.raises(ServiceError, match="does not answer after"):
        server.start()
    assert server.poll() is not None


def test_one_that_will_not_end_is_killed(server: EmbeddedValkey) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    server.stop(0.3)
    assert server.poll() == -signal.SIGKILL


def test_two_in_one_folder(server: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_S", 0.2)
    other = EmbeddedValkey(server.folder)
    with pytest.raises(ServiceError, match=r"another Valkey runs in .*: end the other"):
        other.start()
    assert server.poll() is None
    with client(server) as asked:
        assert asked.ping()


def test_the_folder_is_free_only_when_valkey_is_gone(server: EmbeddedValkey) -> None:
    """Its parent may be gone before it: the lock is Valkey's too."""
    lock = os.open(server.folder / "lock", os.O_RDWR)
    assert server._lock is not None
    os.close(server._lock)
    server._lock = None
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        kill(server)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(lock)


def test_places_that_do_not_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match="choose another data folder"):
        EmbeddedValkey(tmp_path / "file" / "valkey").start()


def test_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise module.ValkeyBinaryNotFoundError("for this platform")

    monkeypatch.setattr(module._binary, "get_binary_path", missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceError, match=r"install valkey-server .* or name a Redis"):
        EmbeddedValkey(tmp_path / "v").start()
    (tmp_path / "redis-server").write_text("#!/bin/sh\n")
    (tmp_path / "redis-server").chmod(0o700)
    assert module._binary_path() == str(tmp_path / "redis-server")


def test_a_long_temporary_folder_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(deep))
    with EmbeddedValkey(tmp_path / "v") as server:
        assert not server.socket.is_relative_to(deep)
        assert len(os.fsencode(server.socket)) < 104


PARENT = """
import sys, time
from pathlib import Path
from streams.valkey import EmbeddedValkey

server = EmbeddedValkey(Path(sys.argv[1]))
server.start()
print(server.pid, server.socket, flush=True)
time.sleep(60)
"""


def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=REPO
    )
    assert parent.stdout is not None
    with parent.stdout:
        pid, socket = parent.stdout.readline().split()
    assert alive(int(pid))
    parent.kill()
    parent.wait()
    # another one waits for its end, and cleans up
    with EmbeddedValkey(tmp_path) as server:
        assert not alive(int(pid))
        assert not Path(socket).parent.exists()
        assert server.poll() is None
