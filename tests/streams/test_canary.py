"""The canary: how often, what it says, and when it is silent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.canary import Canary
from streams.messages import CANARY, SYSTEM_CAMERA, AlertMessage, decode
from streams.recorder import Recorder
from streams.spool import Spool
from tests.streams.statements import alert
from vision.errors import SpoolError

NOW = 1_800_000_000.0


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.db") as made:
        yield made


def stated(spool: Spool) -> list[AlertMessage]:
    found = [decode(message.body) for message in spool.unsent(100)]
    return [message for message in found if isinstance(message, AlertMessage)]


def test_what_it_says(spool: Spool) -> None:
    Canary(Recorder(spool), "north", clock=lambda: NOW).step()
    assert stated(spool) == [
        AlertMessage(
            id="canary:north",
            version=30_000_000,
            camera=SYSTEM_CAMERA,
            kind=CANARY,
            rule="canary",
            place="",
            severity="low",
            state="open",
            start_ts=NOW,
            raised_ts=NOW,
            score=1.0,
            details={},
            revision=0,
            synthetic=True,
            detected_ts=NOW,
        )
    ]


def test_once_in_its_period(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("streams.canary.time.monotonic", lambda: now[0])
    canary = Canary(Recorder(spool), "w", clock=lambda: NOW + now[0])
    for now[0] in (5.0, 6.0, 64.9, 65.0, 66.0, 124.0, 125.5):
        canary.step()
    assert [m.detected_ts for m in stated(spool)] == [NOW + 5.0, NOW + 65.0, NOW + 125.5]
    assert [m.version for m in stated(spool)] == [30_000_000, 30_000_001, 30_000_002]


def test_a_clock_that_is_set_back_makes_no_older_version(spool: Spool) -> None:
    times = iter((NOW, NOW - 86_400, NOW - 86_340, NOW + 600))
    canary = Canary(Recorder(spool), "w", period_s=0, clock=lambda: next(times))
    for _ in range(4):
        canary.step()
    assert [m.version - 30_000_000 for m in stated(spool)] == [0, 1, 2, 10]


def test_it_is_silent_while_the_spool_takes_nothing(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(spool)
    canary = Canary(recorder, "w", period_s=0, clock=lambda: NOW)

    def full(*_: Any, **__: Any) -> None:
        raise SpoolError("the disk is full: free some space")

    with monkeypatch.context() as patch:
        patch.setattr(spool, "put", full)
        recorder.put([alert(1)])
        for _ in range(3):
            canary.step()
        assert recorder.held == 1
    recorder.retry()
    canary.step()
    assert [m.kind for m in stated(spool)] == ["intrusion", CANARY]


def test_it_is_nothing_that_is_open(spool: Spool) -> None:
    spool.put([alert(1)])
    Canary(Recorder(spool), "w").step()
    assert [decode(body).key for body in spool.open_alerts()] == ["alert:a1:1"]
    assert [m.key for m in spool.unconfirmed_alerts(10)] == ["alert:a1:1"]
