"""How a worker is told to mask evidence, and what it says where it cannot."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from streams.apiclient import ApiClient
from streams.commands import Mask, Masked
from streams.evidence import Evidence
from streams.health import State
from streams.messages import encode
from tests.streams.workers import Running, camera, drawn, quick
from tests.waiting import PATIENCE_S, wait_for


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


def masked(running: Running) -> Masked:
    wanted = Mask(alert="a1", camera="a", form="clip")
    command = running.control.send("w", encode(wanted), ttl_s=PATIENCE_S)
    return Masked.of(running.control.answered(command, wait_s=PATIENCE_S) or "")


def test_one_item_is_masked_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(*_: object) -> Masked:
        begun.set()
        go.wait(PATIENCE_S)
        return Masked(ok=True)

    monkeypatch.setattr(Evidence, "mask", slow)
    nobody = Evidence(tmp_path / "evidence", lambda: ApiClient("http://127.0.0.1:1", "k"))
    with Running(tmp_path, evidence=nobody) as running:
        wanted = encode(Mask(alert="a1", camera="a", form="clip"))
        first = running.control.send("w", wanted, ttl_s=PATIENCE_S)
        assert begun.wait(PATIENCE_S)
        busy = masked(running)
        assert (busy.ok, busy.busy) == (False, True)
        go.set()
        said = running.control.answered(first, wait_s=PATIENCE_S)
        assert Masked.of(said or "").ok


def test_a_worker_without_an_api_masks_nothing(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        said = masked(running)
        assert (said.ok, said.own) == (False, True)
        assert "knows no API" in said.message


def test_evidence_that_cannot_be_kept_is_said_and_disturbs_nothing(tmp_path: Path) -> None:
    (tmp_path / "evidence").touch()
    nobody = Evidence(tmp_path / "evidence", lambda: ApiClient("http://127.0.0.1:1", "k"))
    with Running(tmp_path, evidence=nobody) as running:
        running.configure(drawn(camera("a"), 1))
        running.until("a", state=State.LIVE, analysed=3)
        wait_for(
            lambda: "no evidence is kept" in (getattr(running.report(), "problem", "") or ""),
            "it is said",
        )
