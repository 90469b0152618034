"""Whatever is killed: an alert that the log calls spooled is in the store, once.

The ledger is the worker's log as the test reads it, outside the system; the store is read through
the API. The seed of the kills is printed.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections import Counter
from pathlib import Path

import pytest

from streams.simulator import Simulator
from streams.transcode import load_recording
from tests.faults.cities import PLAZA, many_lines, write_city
from tests.faults.living import Living, wait_for

ROLES = ("worker", "API", "Valkey")


def flush_all(url: str) -> None:
    """FLUSHALL as anybody at the socket could send it."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(url.removeprefix("unix://").partition("?")[0])
        link.sendall(b"FLUSHALL\r\n")
        assert link.recv(64).startswith(b"+OK")


def valkey_url(living: Living) -> str:
    """The address that ``up`` gave its children."""
    for pid in living.pids("worker"):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if entry.startswith(b"MATAKOTA_REDIS_URL="):
                return entry.partition(b"=")[2].decode()
    raise LookupError("no worker runs")


def killing(folder: Path, cache: Path, *, kills: int, alerts: int) -> None:
    seed = int(os.environ.get("MATAKOTA_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed}")
    chance = random.Random(seed)
    plan = [role for role in ROLES for _ in range(kills)]
    chance.shuffle(plan)
    flush_at = chance.randrange(1, len(plan))
    with Simulator({"plaza": load_recording(PLAZA, cache)}) as simulator:
        write_city(folder, {"plaza": simulator.url("plaza")}, scene=many_lines(folder))
        with Living(folder) as living:
            wait_for(living.spooled, "the first alert")
            for number, role in enumerate(plan):
                time.sleep(chance.uniform(0.2, 2.5))
                wait_for(lambda r=role: living.kill(r), f"a {role} to kill")
                if number == flush_at:
                    wait_for(lambda: living.pids("Valkey") and living.pids("worker"), "both")
                    wait_for(lambda: _flushed(living), "FLUSHALL")
            wait_for(lambda: len(living.spooled()) >= alerts, f"{alerts} alerts", 600)
            simulator.stop_camera("plaza")
            wait_for(lambda: _settled(living), "everything confirmed")
            ledger = living.spooled()
            stored = living.alerts()
            times = Counter(alert["id"] for alert in stored)
            versions = {alert["id"]: alert["version"] for alert in stored}
            log = living.log.read_text(encoding="utf-8", errors="replace")
    lost = [alert for alert in ledger if times[alert] == 0]
    restarts = log.count("ended and is started again")
    print(f"{len(ledger)} spooled, {len(stored)} stored, {len(lost)} lost; {restarts} restarts")
    assert not lost
    assert max(times.values()) == 1
    assert all(versions[alert] >= version for alert, version in ledger.items())
    assert len(ledger) >= alerts


def _flushed(living: Living) -> bool:
    try:
        flush_all(valkey_url(living))
    except OSError:
        return False
    return True


def _settled(living: Living) -> bool:
    """The camera is known to be gone, and its worker waits for no receipt."""
    ready = living.get("/api/v1/cameras")
    return all(c["state"] == "down" for c in ready["cameras"]) and living.waiting() == 0


def test_kills_lose_nothing(tmp_path: Path, clip_cache: Path) -> None:
    killing(tmp_path, clip_cache, kills=3, alerts=100)


@pytest.mark.long
def test_thirty_kills_and_a_flush_lose_none_of_a_thousand(tmp_path: Path, clip_cache: Path) -> None:
    killing(tmp_path, clip_cache, kills=10, alerts=1000)
