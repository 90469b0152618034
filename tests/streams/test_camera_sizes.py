"""A camera whose pictures come in another size, as those of its other stream do: it is looked at
as a camera of that size is, and no count is lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.zoo import VerifiedModel
from streams.config import MOTION
from streams.detector import Detectors
from streams.health import Code, State
from streams.spool import Spool
from tests.streams.madeup import entry, made_up_input
from tests.streams.stage import START_TS, Stage, event, quick
from tests.waiting import wait_for
from vision.scene import Scene, Zone
from vision.types import Crossing, Trip

SIZE, TWICE, HALF, QUARTER = (640, 360), (1280, 720), (320, 180), (160, 90)
YARD = Zone("yard", np.array([[200.0, 100.0], [440.0, 100.0], [440.0, 130.0], [200.0, 130.0]]))
BOX = (160.0, 60.0, 320.0, 80.0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.db") as opened:
        yield opened


@pytest.mark.parametrize("another", [True, False], ids=["another sight", "the same sight"])
@pytest.mark.parametrize("watched", [True, False])
def test_pictures_of_another_size(spool: Spool, another: bool, watched: bool) -> None:
    with Stage(spool) as stage:
        stage.analysis.watches = watched
        stage.analysis.sights = {(128, 96): "larger" if another else "as ever"}
        stage.analysis.sights[(64, 48)] = "as ever"
        stage.analysis.events = {START_TS: [event("e1", START_TS)]}
        stage.analysis.crossings = {
            START_TS + k: [Crossing("a", "gate", "in", "person", 1, START_TS + k, 10, 20)]
            for k in range(3)
        }
        for k, size in enumerate([(64, 48), (128, 96), (128, 96)]):
            stage.source.show(START_TS + k, size)
            stage.analysed(k + 1)
        report = stage.loop.report()
        assert (report.crossings, report.width, report.code) == (3, 128, None)
        assert stage.analysis.built == 1 + another
        said = [(m.state, m.details.get("closed")) for m in stage.alerts()]
        # what is open goes on where its rule does
        over = [("closed", "the stream was changed")] if another and not watched else []
        assert said == [("open", None), *over]
    assert stage.analysis.built == 1 + another


def test_who_is_in_sight_then_is_counted(spool: Spool) -> None:
    with Stage(spool) as stage:
        stage.analysis.sights = {(64, 48): "far", (128, 96): "near"}
        stage.source.show(START_TS)
        stage.analysed(1)
        stage.analysis.left = [Trip("a", "turn", "north", None, "car", 1, START_TS - 5, START_TS)]
        stage.source.show(START_TS + 1, (128, 96))
        stage.analysed(2)
        assert stage.analysis.left == []


def test_another_shape_is_a_mismatch_until_it_is_over(spool: Spool) -> None:
    with Stage(spool) as stage:
        stage.analysis.sights = {(64, 64): "another"}
        stage.source.show(START_TS)
        stage.analysed(1)
        stage.source.show(START_TS + 1, (64, 64))
        wait_for(lambda: stage.loop.report().code is Code.SCENE_MISMATCH, "said")

        def healed() -> bool:
            stage.source.show(START_TS + 2)
            return stage.loop.report().state is State.LIVE

        wait_for(healed, "healed")


def sights(scene: Scene, sizes: list[tuple[int, int]], model: str = "made_up", **more: Any) -> int:
    """In how many ways pictures of these sizes are looked at."""
    made = entry(input=made_up_input(**more))
    detectors = Detectors(lambda _: VerifiedModel(made, b""))
    return len({repr(detectors.sight(model, size, scene)) for size in sizes})


@pytest.mark.parametrize("region", [None, BOX])
def test_a_stream_of_the_same_shape_is_looked_at_as_the_other(region: Any) -> None:
    scene = Scene(SIZE, ("person",), zones=(YARD,), region=region)
    assert sights(scene, [SIZE, TWICE], dynamic=True) == 1
    assert sights(scene, [SIZE, TWICE, HALF, QUARTER]) == 1


def test_what_has_fewer_pixels_than_are_asked_for_is_not() -> None:
    fine = Scene(SIZE, ("person",), zones=(YARD,), detail="finest")
    assert sights(fine, [SIZE, QUARTER], dynamic=True) == 2
    region = dataclasses.replace(fine, detail="usual", region=BOX)
    assert sights(region, [SIZE, QUARTER], dynamic=True) == 2
    # what moves is looked for at one size anyway
    for moves in (dataclasses.replace(region, detector="motion"), region):
        model = "made_up" if moves.detector == "motion" else MOTION
        assert sights(moves, [SIZE, QUARTER], model, dynamic=True) == 1
