"""What surrounds the system fails: one clear sentence each, and nothing is lost."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from streams.simulator import Simulator
from streams.valkey import EmbeddedValkey
from tests.disks import fill_up, small_disk
from tests.faults.cities import many_lines, plaza, write_city
from tests.faults.living import Living, free_port
from tests.faults.scenarios import Outage, outage_of_redis, stopped_and_compared
from tests.waiting import wait_for


def one_sentence(text: str) -> str:
    """The one line that a command said, without its log."""
    said = [line for line in text.splitlines() if line.startswith("matakota: ")]
    assert len(said) == 1, text
    assert "Traceback" not in text
    return said[0]


def check(done: Outage) -> None:
    print(done)
    assert done.during > 0
    assert (done.sentences, done.tracebacks, done.lost) == (1, 0, 0)
    assert done.alerts == done.crossings > 0


def test_redis_is_gone_for_a_while(tmp_path: Path, clip_cache: Path) -> None:
    check(outage_of_redis(tmp_path, clip_cache, seconds=8, fps="5"))


@pytest.mark.long
def test_redis_is_gone_for_half_a_minute(tmp_path: Path, clip_cache: Path) -> None:
    check(outage_of_redis(tmp_path, clip_cache, seconds=30))


def test_the_disk_of_the_spool_is_full(tmp_path: Path, clip_cache: Path) -> None:
    with (
        small_disk(tmp_path / "data", "160m") as disk,
        Simulator({"plaza": plaza(clip_cache)}) as simulator,
    ):
        write_city(tmp_path, {"plaza": simulator.url("plaza")}, scene=many_lines(tmp_path), fps="5")
        database = f"sqlite:///{tmp_path / 'store.db'}"
        with Living(tmp_path, MATAKOTA_DATABASE_URL=database) as living:
            wait_for(living.spooled, "the first alert")
            filler = fill_up(disk)
            wait_for(lambda: "disk is full" in living.log.read_text(encoding="utf-8"), "it is said")
            wait_for(lambda: not living.ready(), "readyz says it")
            time.sleep(3)
            filler.unlink()
            wait_for(
                lambda: "takes messages again" in living.log.read_text(encoding="utf-8"), "over"
            )
            alerts, crossings, lost = stopped_and_compared(living, simulator)
            log = living.log.read_text(encoding="utf-8")
            # said when it begins, not with each try; others on this disk may free some in between
            said = log.count("alerts and counts wait in memory")
            assert said == log.count("takes messages again")
            assert "Traceback" not in log
            assert "is started again" not in log
            assert lost == 0
            assert alerts == crossings > 0
            living.terminate()


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A folder with a city of one camera that need not be there."""
    write_city(tmp_path, {"a": "synthetic"}, scene=None)
    return tmp_path


def test_a_busy_port(city: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        living = Living(city)
        living.port = taken.getsockname()[1]
        living.start()
        assert living.process is not None
        assert living.process.wait(100) == 2
        log = living.log.read_text(encoding="utf-8")
        assert f"cannot listen at 127.0.0.1 port {living.port}" in log
        assert "Traceback" not in log
        assert living.processes() == {}


WRONG = (
    "http://127.0.0.1:6379",
    "127.0.0.1:6379",
    "redis://127.0.0.1:99999",
    "redis://",
    "redis://host with blanks",
)
GONE = (
    "redis://127.0.0.1:{free}/0",
    "redis://user:canary-password@127.0.0.1:{free}/0",
    "unix:///nowhere/at/all.sock",
)


@pytest.mark.parametrize(
    ("command", "url"),
    [*(("up", url) for url in WRONG + GONE), *(("worker", url) for url in WRONG)],
)
def test_a_wrong_address_of_redis(city: Path, command: str, url: str) -> None:
    living = Living(city, MATAKOTA_REDIS_URL=url.format(free=free_port()))
    ran = living.run(command, *(["-c", "city.yaml"] if command == "up" else []))
    assert ran.returncode == 2, ran.stderr
    assert "edis" in one_sentence(ran.stderr)
    assert "canary-password" not in ran.stderr + ran.stdout


def test_a_worker_that_is_killed_while_redis_is_gone_comes_back(
    tmp_path: Path, clip_cache: Path
) -> None:
    valkey = EmbeddedValkey(tmp_path / "other")
    valkey.start()
    try:
        with Simulator({"plaza": plaza(clip_cache)}) as simulator:
            write_city(
                tmp_path, {"plaza": simulator.url("plaza")}, scene=many_lines(tmp_path), fps="5"
            )
            with Living(tmp_path, MATAKOTA_REDIS_URL=valkey.url) as living:
                wait_for(living.spooled, "the first alert")
                valkey.stop()
                before = living.pids("worker")
                assert living.kill("worker")
                wait_for(lambda: set(living.pids("worker")) - set(before), "another worker")
                known = len(living.spooled())
                wait_for(lambda: len(living.spooled()) > known, "it makes alerts without Redis")
                valkey.start()
                wait_for(living.ready, "ready again")
                simulator.stop_camera("plaza")
                wait_for(lambda: living.cameras()["plaza"]["state"] == "down", "it is gone")
                wait_for(lambda: living.waiting() == 0, "everything confirmed")
                assert set(living.spooled()) <= {alert["id"] for alert in living.alerts()}
    finally:
        valkey.stop()


def test_a_redis_that_may_evict(city: Path) -> None:
    valkey = EmbeddedValkey(city / "other")
    valkey.start()
    try:
        path = valkey.url.removeprefix("unix://")
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(path)
            link.sendall(b"CONFIG SET maxmemory-policy allkeys-lru\r\n")
            assert link.recv(64).startswith(b"+OK")
        for command in ("up", "worker", "serve"):
            arguments = ["-c", "city.yaml"] if command == "up" else []
            ran = Living(city, MATAKOTA_REDIS_URL=valkey.url).run(command, *arguments)
            assert ran.returncode == 2, ran.stderr
            assert "noeviction" in one_sentence(ran.stderr)
    finally:
        valkey.stop()


@pytest.mark.long
def test_sigterm_ends_all_of_it(city: Path) -> None:
    with Living(city) as living:
        wait_for(lambda: living.cameras()["a"]["state"] == "live", "live")
        assert living.terminate() == 143
        assert living.processes() == {}
        assert os.path.exists(city / "data" / "matakota.db")
