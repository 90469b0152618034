"""The work of an analysed frame may not grow by more than a tenth: counted, never timed, against
``tests/baselines/work.json``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import vision.detect
from streams.evaluation import work
from streams.evaluation.stages import STAGES
from tests.streams.evaluation import counted
from tests.streams.evaluation.counted import OBJECTS, PYTHON, REWRITE, Counts, growth


@pytest.fixture(scope="module")
def now() -> dict[int, Counts]:
    return {objects: counted.counted(objects) for objects in OBJECTS}


@pytest.fixture
def known() -> dict[str, Counts]:
    found = counted.baseline()
    if PYTHON not in found:
        pytest.skip(f"{counted.BASELINE.name} has no Python {PYTHON}: run {REWRITE} with it")
    return found[PYTHON]


@pytest.mark.parametrize("objects", OBJECTS)
def test_a_frame_is_no_more_work_than_before(
    objects: int, now: dict[int, Counts], known: dict[str, Counts]
) -> None:
    more = growth(objects, now[objects], known[str(objects)])
    assert not more, "\n".join(
        [*more, f"If that is meant, write the new baseline by {REWRITE}, and say why."]
    )


def test_a_loop_over_the_boxes_would_be_found(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, Counts]
) -> None:
    quick = vision.detect.survivors

    def slow(xyxy: Any, *more: Any) -> Any:
        area = 0.0
        for x1, y1, x2, y2 in xyxy:
            area += (x2 - x1) * (y2 - y1)
        return quick(xyxy, *more)

    monkeypatch.setattr(vision.detect, "survivors", slow)
    monkeypatch.setattr(counted, "OURS", (*counted.OURS, __file__))
    more = growth(20, counted.counted(20), known["20"])
    assert more
    assert all(said.startswith("stage 'postprocess' at 20 objects") for said in more), more


def test_growth_is_told_by_stage() -> None:
    before: Counts = {"calls": {"track": 1000.0, "rules": 2.0}, "kept_blocks": {"step": 300.0}}
    assert growth(20, before, before) == []
    more: Counts = {"calls": {"track": 1107.0, "rules": 8.5}, "kept_blocks": {"step": 330.0}}
    assert growth(20, more, before) == [
        "stage 'track' at 20 objects: 1107 calls a picture, 11 % more than 1000",
        "stage 'rules' at 20 objects: 8.5 calls a picture, 325 % more than 2",
    ]
    less: Counts = {"calls": {"track": 10.0}, "kept_blocks": {"step": 0.0}}
    assert growth(20, less, before) == []
    fresh: Counts = {"calls": {"gate": 40.0}, "kept_blocks": {"step": 0.0}}
    assert growth(100, fresh, before) == [
        "stage 'gate' at 100 objects: 40 calls a picture, instead of 0"
    ]


@pytest.mark.parametrize(("objects", "pictures"), [(20, 70), (100, 40)])
def test_the_junction_is_as_busy_as_it_says(objects: int, pictures: int) -> None:
    """Work that nobody would have in the field would be measured for nothing."""
    camera = work.Camera(objects, pictures)
    steps = [camera.step() for _ in range(pictures)]
    for step in steps[-10:]:
        assert step.tracked.quality.trusted
        assert 0.9 * objects <= len(step.tracked.tracks) <= 1.3 * objects
        seen = sum(track.last_ts == step.tracked.ts for track in step.tracked.tracks)
        assert seen >= 0.7 * objects
    counts = camera.pipeline.counts
    assert all(sum(by.values()) for line in counts.values() for by in line.values())
    (movement,) = camera.pipeline.movements
    assert movement.balance().trips
    assert {event.kind for step in steps for event in step.events} >= {"line_crossing"}


def test_the_answers_are_the_same_for_all() -> None:
    for one, other in zip(work.answers(5, 3), work.answers(5, 3), strict=True):
        np.testing.assert_array_equal(one.columns, other.columns)
        np.testing.assert_array_equal(one.rows, other.rows)


def test_the_time_of_each_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "WARM_UP", 4)
    monkeypatch.setattr(work, "PICTURES", 4)
    found = work.around_ms(6, 1)
    assert tuple(found) == STAGES
    assert (found["decode"], found["inference"]) == (0, 0)
    assert min(found[stage] for stage in ("preprocess", "postprocess", "track", "rules")) > 0
