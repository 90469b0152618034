"""What all open pages show: cameras, counts since midnight with the minute that runs, troubles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from api.board import Board, View
from api.ingest import Heard
from api.services import Services
from api.store import Store
from api.times import midnight
from streams.config import CameraConfig, City
from streams.messages import Count
from streams.reports import HealthReport, Running
from tests.api.served import TESTER, counted, report, sqlite_url
from vision.errors import BusError, StoreError, StoreGoneError

NOON = midnight(1_769_817_600.0) + 12 * 3600
SCENE: dict[str, Any] = {
    "frame_size": [640, 360],
    "lines": [
        {"name": "gate", "points": [[1, 1], [9, 9]], "forward": "in", "backward": "out"},
        {"name": "side", "points": [[1, 1], [9, 9]]},
    ],
}


@dataclass
class Ingest:
    running: bool = True
    problem: BusError | StoreError | None = None
    newer: str | None = None
    workers: tuple[Heard, ...] = ()

    def hear(self, heard: HealthReport) -> None:
        self.workers = (Heard(heard, time.monotonic()),)


@dataclass
class Room:
    problem: str | None = None


@dataclass
class Served:
    store: Store
    ingest: Ingest = field(default_factory=Ingest)
    room: Room = field(default_factory=Room)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path)) as opened:
        yield opened


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.board.time.time", lambda: float(NOON))


def look(served: Served) -> View:
    return asyncio.run(Board(cast("Services", served)).look())


def minute(ago: int, count: int, **more: Any) -> Any:
    start = NOON - 60 * ago
    counts = {("gate", "in", "car"): count}
    return counted(0, counts, **more).model_copy(update={"start_ts": float(start)})


def running(ago: int, count: int, revision: int = 1) -> Running:
    counts = (Count(line="gate", direction="in", class_name="car", count=count),)
    return Running(start_ts=NOON - 60 * ago, seconds=60, revision=revision, counts=counts)


def counts(view: View) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
    (tile,) = view.tiles
    return {line.name: line.directions for line in tile.lines}


def heard(served: Served, *run: Running) -> None:
    said = report(float(NOON), "plaza", running=run)
    served.store.cameras.save(said)
    served.ingest.hear(said)


def test_the_minute_that_runs_is_added_to_what_is_stored(store: Store) -> None:
    served = Served(store)
    store.record([minute(600, 5), minute(30, 7), minute(1, 11)])
    heard(served, running(0, 3))
    assert counts(look(served)) == {"gate": {"in": {"car": 26}}}


@pytest.mark.parametrize("stored", [4, 5])
def test_an_interval_that_both_have_counts_once(store: Store, stored: int) -> None:
    served = Served(store)
    store.record([minute(1, stored)])
    heard(served, running(1, 5), running(0, 2))
    assert counts(look(served))["gate"]["in"] == {"car": 7}


def test_two_revisions_of_one_minute_both_count(store: Store) -> None:
    served = Served(store)
    store.record([minute(1, 4, revision=1)])
    heard(served, running(1, 5, revision=2))
    assert counts(look(served))["gate"]["in"] == {"car": 9}


def test_yesterday_is_not_today(store: Store) -> None:
    served = Served(store)
    store.record([minute(12 * 60 + 1, 100), minute(12 * 60, 1)])
    heard(served)
    assert counts(look(served))["gate"]["in"] == {"car": 1}


def test_a_line_that_nobody_passed_shows_zero(store: Store) -> None:
    served = Served(store)
    camera = CameraConfig(
        id="plaza", name="Plaza", source="synthetic", login=None, model="nanodet_g", fps=5.0,
        worker=None, scene=SCENE,
    )  # fmt: skip
    store.configuration.apply(City("Makassar", (), None, (camera,)), TESTER)
    store.record([minute(5, 2), counted(0, {("old", "in", "car"): 1}).model_copy(
        update={"start_ts": float(NOON - 3600)})])  # fmt: skip
    heard(served)
    view = look(served)
    assert view.city == "Makassar"
    assert counts(view) == {
        "gate": {"in": {"car": 2}, "out": {}},
        "side": {"forward": {}, "backward": {}},
        "old": {"in": {"car": 1}},
    }


def test_the_ways_of_a_movement_that_somebody_went_are_shown(store: Store) -> None:
    served = Served(store)
    rows = {("gate", "in", "car"): 2, ("junction", "north → south", "bus"): 3}
    ways = ("north → south", "unknown → south")
    message = counted(0, rows, lines={"gate": ("in", "out"), "junction": ways})
    store.record([message.model_copy(update={"start_ts": float(NOON - 600)})])
    heard(served)
    assert counts(look(served)) == {
        "gate": {"in": {"car": 2}},
        "junction": {"north → south": {"bus": 3}},
    }


def test_what_is_wrong_is_said(store: Store) -> None:
    served = Served(store)
    assert [problem for problem in look(served).problems if "no worker" in problem]
    heard(served)
    served.ingest.problem = BusError("the bus is gone: start it")
    assert look(served).problems == ("the bus is gone: start it",)


def test_a_store_that_is_gone_leaves_what_was_known(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(store)
    heard(served, running(0, 1))

    def gone(**_: object) -> None:
        raise StoreGoneError("the database is gone: wait")

    async def twice() -> tuple[View, View]:
        board = Board(cast("Services", served))
        first = await board.look()
        monkeypatch.setattr("api.board.REFRESH_S", 0.0)
        monkeypatch.setattr(store.counts, "tallies", gone)
        return first, await board.look()

    before, after = asyncio.run(twice())
    assert after.tiles == before.tiles
    assert any("the database is gone" in problem for problem in after.problems)


def test_many_pages_read_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    served = Served(store)
    heard(served)
    asked = []
    number = store.configuration.number

    def count() -> int:
        asked.append(1)
        return number()

    monkeypatch.setattr(store.configuration, "number", count)

    async def many() -> None:
        board = Board(cast("Services", served))
        await asyncio.gather(*(board.look() for _ in range(20)))

    asyncio.run(many())
    assert len(asked) == 1
