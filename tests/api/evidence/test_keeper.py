"""What becomes of evidence by itself, in a thread beside what is served."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from api.evidence import keeper
from api.evidence.keeper import Keeper
from api.evidence.refusals import UnavailableError
from api.evidence.room import EvidenceRoom
from api.store import Store
from tests.api.evidence.packing import BOXES, JPEG, head
from tests.api.served import DAY, alert, sqlite_url, wait_until

GUARD_S = 20.0


def test_what_is_too_old_goes_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "EVERY_S", 0.02)
    died: list[str] = []
    with closing(Store.open(sqlite_url(tmp_path))) as store:
        room = EvidenceRoom.open(store, tmp_path, {})
        store.record([alert("old"), alert("new", start_ts=time.time(), raised_ts=time.time())])
        for name, ts in (("old", DAY), ("new", time.time())):
            room.take(head(name, **{"from": ts, "to": ts}), [JPEG, BOXES])
        running = Keeper(room, on_death=lambda: died.append("it died"))
        running.start()
        wait_until(lambda: room.items("old")[0].state == "deleted", GUARD_S)
        assert room.items("new")[0].state == "stored"
        assert store.alerts.get("old", only=None) is not None
        running.stop()
    assert died == []


def test_a_room_that_gives_no_answer_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "EVERY_S", 0.01)
    asked: list[float] = []

    def fail(now: float) -> None:
        asked.append(now)
        raise UnavailableError("the bucket does not answer: see whether it is there")

    with closing(Store.open(sqlite_url(tmp_path))) as store:
        room = EvidenceRoom.open(store, tmp_path, {})
        monkeypatch.setattr(room, "sweep", fail)
        beside: list[float] = []
        running = Keeper(room, besides=beside.append)
        with structlog.testing.capture_logs() as logs:
            running.start()
            wait_until(lambda: len(asked) > 5, GUARD_S)
            running.stop()
    # what else is to go does not wait for the room
    assert len(beside) >= len(asked)
    assert abs(beside[0] - time.time()) < GUARD_S
    (said,) = [entry for entry in logs if entry["event"] == "evidence is not swept"]
    assert "the bucket does not answer" in said["why"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_its_death_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[str] = []

    def fail(_now: float) -> None:
        raise RuntimeError

    with closing(Store.open(sqlite_url(tmp_path))) as store:
        room = EvidenceRoom.open(store, tmp_path, {})
        monkeypatch.setattr(room, "sweep", fail)
        running = Keeper(room, on_death=lambda: died.append("it died"))
        running.start()
        wait_until(lambda: died, GUARD_S)
        running.stop()
    assert died == ["it died"]
