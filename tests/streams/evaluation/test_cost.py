"""The cost of a tracker: the boxes it is measured on, and how a measurement is made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from streams.evaluation import cost
from tests.architecture.source import SHIPPED, imports, parse
from tests.needs import REPO


@pytest.mark.parametrize("objects", [20, 100])
def test_the_moving_boxes_are_what_a_detector_sees(objects: int) -> None:
    pictures = cost.moving(objects)
    assert len(pictures) == cost.WARM_UP + cost.PICTURES
    seen = np.array([len(found) for found in pictures])
    # as many false boxes as are missed, so that the mean is the number of objects
    assert abs(seen.mean() - objects) < 0.05 * objects
    assert seen.std() > 0
    for found in pictures:
        sides = found.xyxy[:, 2:] - found.xyxy[:, :2]
        assert (sides > 15).all()
        assert (sides < 140).all()
        assert (found.xyxy > -10).all()
        assert (found.xyxy < max(cost.SIZE) + 10).all()
        assert ((found.score >= 0.15) & (found.score <= 0.95)).all()


def test_the_boxes_are_the_same_for_all() -> None:
    for one, other in zip(cost.moving(5), cost.moving(5), strict=True):
        np.testing.assert_array_equal(one.xyxy, other.xyxy)
        np.testing.assert_array_equal(one.score, other.score)
    assert not np.array_equal(cost.moving(5)[0].xyxy[:2], cost.moving(5, seed=1)[0].xyxy[:2])


def test_our_tracker_follows_them() -> None:
    """A benchmark on boxes that nobody can follow would measure something else."""
    step = cost.our_step()
    for picture in (timed := cost.timed(20)):
        ids, tracks, _ = step(picture)
    assert 18 <= len(tracks) <= 24
    assert (ids >= 0).sum() >= 16
    assert len(timed) == cost.WARM_UP + cost.PICTURES


def test_the_median_of_the_rounds_after_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    started: list[list[int]] = []
    each = iter([0.001, 0.009, 0.002])

    def start() -> Callable[[int], object]:
        taken: list[int] = []
        started.append(taken)
        seconds = next(each)

        def step(picture: int) -> None:
            taken.append(picture)
            now[0] += 100.0 if picture < cost.WARM_UP else seconds

        return step

    monkeypatch.setattr(cost.time, "process_time", lambda: now[0])
    pictures = range(cost.WARM_UP + 10)
    assert cost.milliseconds(start, pictures, rounds=3) == pytest.approx(2.0)
    assert started == [list(pictures)] * 3


def test_nobody_imports_the_agpl_child() -> None:
    """It is run as a process, so that no AGPL code is ever loaded into the program."""
    named = {
        path.relative_to(REPO).as_posix(): text
        for package in SHIPPED
        for path in (REPO / package).rglob("*.py")
        if "agpl" in (text := path.read_text("utf-8"))
    }
    assert "streams/evaluation/wholes.py" in named
    for path, text in named.items():
        found = {f"{name}." for _, name in imports(parse(path, text))}
        assert not [name for name in found if name.startswith("streams.evaluation.agpl.")], path
