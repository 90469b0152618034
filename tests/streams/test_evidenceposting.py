"""Posting what waits: tried again where that helps, ended where it does not, in time always."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import streams.evidenceposting as module
import streams.evidencewaiting as waiting_module
from streams.evidenceposting import EvidencePoster
from streams.evidencewaiting import Waiting
from tests.streams.evidenceapi import ITEM, MISSING, EvidenceApi, evidence_api
from tests.streams.servers import free_port
from tests.streams.test_evidencewaiting import head, missing
from tests.waiting import wait_for


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_module, "FREE_BYTES", 0)
    monkeypatch.setattr(module, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(module, "LOOK_S", 0.1)


@pytest.fixture
def api() -> Iterator[EvidenceApi]:
    with evidence_api() as found:
        yield found


@contextmanager
def posting(folder: Path, api: EvidenceApi) -> Iterator[tuple[Waiting, EvidencePoster]]:
    waits = Waiting(folder / "evidence")
    waits.open()
    poster = EvidencePoster(waits, api.connect)
    poster.start()
    try:
        yield waits, poster
    finally:
        poster.stop()
        assert not poster._thread.is_alive()


def put(waits: Waiting, alert: str, size: int = 100) -> None:
    waits.put_item(head(alert), {"original": bytes(size), "boxes": b"{}"})


def test_what_waits_is_posted_and_forgotten(tmp_path: Path, api: EvidenceApi) -> None:
    with posting(tmp_path, api) as (waits, poster):
        put(waits, "a1", 3_000_000)
        waits.put_missing(missing("a1"))
        wait_for(lambda: not len(waits), "all is posted")
        assert poster.alive
        assert poster.problem is None
    assert api.items["a1", "snapshot"].parts["original"] == bytes(3_000_000)
    assert api.missing == {("a1", "clip"): "no packets"}
    assert list((tmp_path / "evidence").iterdir()) == []


def test_an_alert_that_is_not_there_yet(tmp_path: Path, api: EvidenceApi) -> None:
    api.answers = {ITEM: deque([404] * 3), MISSING: deque([404])}
    with posting(tmp_path, api) as (waits, poster):
        put(waits, "a1")
        waits.put_missing(missing("a2"))
        wait_for(lambda: not len(waits), "all is posted")
        assert poster.problem is None
    assert [what for what, alert, _ in api.asked if alert == "a1"] == [ITEM] * 4
    assert ("a1", "snapshot") in api.items
    assert ("a2", "clip") in api.missing


@pytest.mark.parametrize("status", [507, 500, 401, 302])
def test_an_api_that_takes_nothing_now(tmp_path: Path, api: EvidenceApi, status: int) -> None:
    api.answers = {ITEM: deque([status] * 3)}
    with posting(tmp_path, api) as (waits, poster):
        put(waits, "a1")
        wait_for(lambda: len(api.asked) >= 2, "it is tried again")
        wait_for(lambda: not len(waits), "it is posted")
        wait_for(lambda: poster.problem is None, "all is well")
    assert [what for what, *_ in api.asked] == [ITEM] * 4


def test_no_room_is_said_once_and_holds_up_nothing_that_is_taken(
    tmp_path: Path, api: EvidenceApi
) -> None:
    api.answers = {ITEM: deque([507] * 4)}
    with posting(tmp_path, api) as (waits, poster), capture_logs() as logs:
        for number in range(3):
            put(waits, f"a{number}")
            waits.put_missing(missing(f"b{number}"))
        wait_for(lambda: not len(waits), "all is posted")
        assert poster.problem is None
    assert len(api.missing) == len(api.items) == 3
    assert [log["event"] for log in logs].count("evidence waits") == 1


@pytest.mark.parametrize("status", [409, 410, 413, 422])
def test_what_is_refused_for_good(tmp_path: Path, api: EvidenceApi, status: int) -> None:
    api.answers = {ITEM: deque([status])}
    with posting(tmp_path, api) as (waits, _):
        put(waits, "a1")
        wait_for(lambda: not len(waits), "it is given up")
        put(waits, "a2")
        wait_for(lambda: ("a2", "snapshot") in api.items, "the next one is posted")
    assert [alert for _, alert, _ in api.asked] == ["a1", "a2"]


def test_another_servers_yes_is_none(tmp_path: Path, api: EvidenceApi) -> None:
    api.body = b'{"sha256": "of something else"}'
    with posting(tmp_path, api) as (waits, poster):
        put(waits, "a1")
        wait_for(lambda: poster.problem, "it is noticed")
        assert "no Matakota" in (poster.problem or "")
        assert len(waits) == 1
        api.body = None
        wait_for(lambda: not len(waits), "it is posted")


def test_one_that_hangs_does_not_hold_up_the_rest_for_ever(
    tmp_path: Path, api: EvidenceApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BASE_S", 0.3)
    api.hangs.add("a1")
    with posting(tmp_path, api) as (waits, _):
        put(waits, "a1")
        put(waits, "a2")
        wait_for(lambda: ("a2", "snapshot") in api.items, "the other one is posted")
        api.hangs.clear()
        api.released.set()
        wait_for(lambda: not len(waits), "both are posted")


def test_without_an_api_all_waits_for_the_next_run(tmp_path: Path, api: EvidenceApi) -> None:
    gone = EvidenceApi(url=f"http://127.0.0.1:{free_port()}")
    with posting(tmp_path, gone) as (waits, poster):
        put(waits, "a1")
        wait_for(lambda: poster.problem, "it is said")
        assert "does not answer" in (poster.problem or "")
    with posting(tmp_path, api) as (waits, _):
        wait_for(lambda: not len(waits), "it is posted")
    assert ("a1", "snapshot") in api.items
