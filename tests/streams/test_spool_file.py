"""The spool's file: nothing that was put is lost, whatever happens to the process and the disk."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.messages import AlertMessage, encode
from streams.spool import Spool
from tests import disks
from tests.disks import fill_up
from tests.needs import REPO
from tests.streams.statements import alert
from vision.errors import SpoolError, SpoolFullError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    with Spool(path) as made:
        yield made


def refused(call: Callable[[], object], *words: str, full: bool = False) -> None:
    """``full``: trying again later may help."""
    with pytest.raises(SpoolError) as caught:
        call()
    assert isinstance(caught.value, SpoolFullError) == full
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


# --- kills

PUTTER = """
import sys
from pathlib import Path
from streams.spool import Spool
from tests.streams.statements import alert

with Spool(Path(sys.argv[1])) as spool:
    i = 0
    while True:
        spool.put([alert(f"{i}a"), alert(f"{i}b")], bins={"cam1": str(i)})
        print(i, flush=True)
        i += 1
"""


@pytest.mark.parametrize("number", [1, 7, 40])
def test_a_kill_loses_nothing_that_was_put(path: Path, number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PUTTER, str(path)], stdout=subprocess.PIPE, text=True, cwd=REPO
    )
    assert process.stdout is not None
    with process.stdout as said:
        for _ in range(number):
            said.readline()
        refused(lambda: Spool(path), "in use by another worker", "another name")
        process.send_signal(signal.SIGKILL)
        process.wait()
        told = number + len([line for line in said.read().split("\n")[:-1] if line])
    with Spool(path) as spool:
        found = [message.key for message in spool.unsent(10_000)]
        # the pairs are whole; the last may be there although nobody was told
        assert len(found) % 2 == 0
        assert told <= len(found) // 2 <= told + 1
        assert found == [f"alert:a{i}{x}:1" for i in range(len(found) // 2) for x in "ab"]
        assert spool.kept_bins() == {"cam1": str(len(found) // 2 - 1)}


# --- the file


def test_the_file_is_private_and_durable(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "spool.db"
    with Spool(path) as spool:
        spool.put([alert(1)])
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        pragmas = ("journal_mode", "synchronous")
        assert [spool._file.value(f"PRAGMA {name}") for name in pragmas] == ["wal", 2]


def test_two_workers_on_one_file(spool: Spool, path: Path) -> None:
    refused(lambda: Spool(path), str(path), "in use by another worker")
    spool.close()
    Spool(path).close()


def test_a_closed_one_says_so(spool: Spool) -> None:
    spool.close()
    spool.close()
    for use in (lambda: spool.put([alert(1)]), lambda: spool.unsent(1), spool.open_alerts):
        refused(use, "is closed")


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_a_file_that_is_no_database(path: Path, size: int) -> None:
    path.write_bytes(b"no database " * size)
    refused(lambda: Spool(path), str(path), "damaged or no database: move it away")
    assert path.read_bytes() == b"no database " * size
    path.rename(path.with_suffix(".old"))
    Spool(path).close()


def test_a_database_that_is_damaged(path: Path) -> None:
    with Spool(path) as spool:
        spool.put([alert(i, details={"why": "x" * 3000}) for i in range(50)])
    data = bytearray(path.read_bytes())
    for start in range(4096, len(data) - 4096, 8192):
        data[start : start + 4096] = os.urandom(4096)
    path.write_bytes(data)
    refused(lambda: Spool(path), "move it away")


def test_a_database_of_somebody_else(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE songs (title TEXT)")
    db.close()
    refused(lambda: Spool(path), "of another program: move it away")


def test_a_newer_schema(path: Path) -> None:
    Spool(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 2")
    db.close()
    refused(lambda: Spool(path), "by a newer Matakota (schema 2)", "install that one again")


def test_places_that_do_not_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(lambda: Spool(tmp_path / "file" / "spool.db"), "cannot be opened", "data folder")
    refused(lambda: Spool(tmp_path), "cannot be opened")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        refused(lambda: Spool(tmp_path / "spool.db"), "permission denied")
    finally:
        tmp_path.chmod(0o700)


def test_the_limit_of_its_size(path: Path) -> None:
    with Spool(path, max_bytes=1 << 19) as spool:
        taken = fill(spool)
        refused(lambda: spool.put(big(taken)), "has reached its limit", "the store", full=True)
        assert spool.waiting == 4 * taken
        assert path.stat().st_size <= 1 << 19
        emptied(spool, taken)


def test_a_full_disk(small_disk: Path) -> None:
    with Spool(small_disk / "spool.db") as spool:
        spool.put([alert(1, state="closed")])
        spool.confirm(["alert:a1:1"])
        ballast = fill_up(small_disk)
        taken = fill(spool)
        refused(lambda: spool.put(big(taken)), "the disk is full: free some space", full=True)
        refused(lambda: spool.keep_bins("cam1", "x" * 500_000), "the disk is full", full=True)
        assert spool.waiting == 4 * taken
        assert spool.kept_bins() == {}
        ballast.unlink()
        spool.put(big(taken))
        emptied(spool, taken + 1)


def test_a_disk_that_it_filled_itself(small_disk: Path) -> None:
    """Confirmed messages make room, also where there is none left."""
    with Spool(small_disk / "spool.db") as spool:
        taken = fill(spool)
        assert taken > 2
        emptied(spool, taken)


def test_a_worker_that_starts_on_a_disk_that_is_full(small_disk: Path) -> None:
    with Spool(small_disk / "spool.db") as spool:
        taken = fill(spool)
    with Spool(small_disk / "spool.db") as spool:
        assert spool.waiting == 4 * taken
        while True:
            try:
                spool.put([alert(f"more{spool.waiting}", state="closed")])
            except SpoolError:
                break
        messages = spool.unsent(1000)
        while messages:
            spool.sent(messages)
            spool.confirm([message.key for message in messages])
            messages = spool.unsent(1000)
        assert spool.waiting == 0
        spool.put(big(taken + 1))


@pytest.mark.parametrize("waiting", [0, 8])
def test_a_worker_that_ended_well_starts_when_the_disk_has_become_full(
    small_disk: Path, waiting: int
) -> None:
    path = small_disk / "spool.db"
    with Spool(path) as spool:
        spool.put([alert(i, state="closed") for i in range(waiting)])
    assert not path.with_name("spool.db-wal").exists()
    ballast = fill_up(small_disk)
    with Spool(path) as spool:
        assert spool.waiting == waiting
        messages = spool.unsent(100)
        assert len(messages) == waiting
        spool.confirm([message.key for message in messages])
        assert spool.waiting == 0
        ballast.unlink()
        spool.put([alert("later")])
    with Spool(path) as spool:
        assert [message.key for message in spool.unsent(10)] == ["alert:alater:1"]


def test_no_worker_starts_on_a_full_disk_and_it_is_said(small_disk: Path) -> None:
    """Neither with a spool whose reserve is gone, nor with none at all."""
    old, new = small_disk / "old" / "spool.db", small_disk / "new" / "spool.db"
    with Spool(old) as spool:
        spool.put([alert(1)])
    os.truncate(old.with_name("spool.db-reserve"), 0)
    ballast = fill_up(small_disk)
    for _ in range(3):
        for path in (old, new):
            refused(lambda path=path: Spool(path), str(path), "the disk is full", full=True)  # type: ignore[misc]
    ballast.unlink()
    with Spool(old) as spool, Spool(new):
        assert spool.waiting == 1


def test_a_disk_that_takes_no_more_files(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "open", full)
    refused(lambda: Spool(small_disk / "spool.db"), "because the disk is full", full=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that holds 8 MiB."""
    with disks.small_disk(tmp_path / "small", "8m") as folder:
        yield folder


def big(number: int) -> list[AlertMessage]:
    return [alert(f"{number}.{i}", details={"why": "x" * 5000}) for i in range(4)]


def fill(spool: Spool) -> int:
    """Put until it refuses; how many times it took four messages."""
    for number in range(1000):
        try:
            spool.put(big(number))
        except SpoolError:
            assert spool.waiting == 4 * number
            assert len(spool.open_alerts()) == 4 * number
            return number
    pytest.fail("it is never full")


def emptied(spool: Spool, taken: int) -> None:
    """Everything comes out whole and can be confirmed; then there is room again."""
    wanted = [message for number in range(taken) for message in big(number)]
    found = []
    while messages := spool.unsent(20):
        spool.sent(messages)
        found += [json.loads(message.body) for message in messages]
        spool.confirm([message.key for message in messages])
    assert found == [json.loads(encode(message)) for message in wanted]
    assert spool.waiting == 0
    for i in range(taken):
        spool.put([alert(f"{i}.{k}", version=2, state="closed") for k in range(4)])
    assert spool.open_alerts() == []
    spool.put(big(taken + 1))
