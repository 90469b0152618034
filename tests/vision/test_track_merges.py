"""Objects that touch and are found as one box, as by a detector that sees only what moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vision.watched import SETTINGS, Box, Camera, car

SPLIT = replace(SETTINGS, split_merges=True)


def corners(box: Box) -> tuple[float, float, float, float]:
    x, y, w, h, *_ = box
    return x - w / 2, y - h, x + w / 2, y


def as_one(boxes: Sequence[Box]) -> list[Box]:
    """The boxes, those that touch as the one box around them."""
    found = list(boxes)
    for i, a in enumerate(found):
        for j, b in enumerate(found[:i]):
            ax1, ay1, ax2, ay2 = corners(a)
            bx1, by1, bx2, by2 = corners(b)
            if min(ax2, bx2) > max(ax1, bx1) and min(ay2, by2) > max(ay1, by1):
                x1, y1, x2, y2 = min(ax1, bx1), min(ay1, by1), max(ax2, bx2), max(ay2, by2)
                one = ((x1 + x2) / 2, y2, x2 - x1, y2 - y1, a[4], a[5])
                return as_one([one, *(c for k, c in enumerate(found) if k not in (i, j))])
    return found


def meeting(speed: float, lanes: float, t: float) -> list[Box]:
    """Two cars that drive towards each other, in lanes so many px apart, and meet at x = 550."""
    return as_one([car(100 + speed * t, 300), car(1000 - speed * t, 300 - lanes)])


@pytest.mark.parametrize("fps", [5, 10, 25])
@pytest.mark.parametrize("speed", [100, 150, 250])
@pytest.mark.parametrize("lanes", [20, 40])
def test_who_passes_another_keeps_its_id_and_its_way(fps: int, speed: float, lanes: float) -> None:
    camera = Camera(SPLIT)
    camera.film(lambda t: meeting(speed, lanes, t), fps, 0, 900 / speed)
    assert any(len(ids) == 1 for ids in camera.seen), "they are one box for a while"
    assert (camera.live, camera.ended) == ({1, 2}, [])
    paths = sorted((track.path for track in camera.tracks), key=lambda path: path[0, 0])
    for path, start, way in zip(paths, (100, 1000), (speed, -speed), strict=True):
        # each was seen nearly always, and where they were too close to tell, one stayed within
        # half a length of where it was, and did not turn back
        assert len(path) >= 0.75 * len(camera.seen)
        assert (np.diff(path[:, 0]) * np.sign(way) > -1).all()
        off = np.abs(path[:, 0] - start - way * path[:, 2])
        assert off.max() < 60
        assert off[-round(0.5 * fps) :].max() < 5


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_without_it_one_box_is_of_one_track(fps: int) -> None:
    camera = Camera()
    camera.film(lambda t: meeting(40, 20, t), fps, 0, 900 / 40)
    for step in camera.steps:
        seen = [track.id for track in step.tracks if track.last_ts == step.ts]
        assert sorted(seen) == sorted(set(step.track_id.tolist()) - {-1})
    # who had no box for three seconds is over
    assert len(camera.ended) == 1


def test_two_who_walk_as_one_part_again() -> None:
    """One drives past the other, which stands, for four seconds as one box: who is where in it is
    known to half a length, and right again when they part."""

    def scene(t: float) -> list[Box]:
        return as_one([car(100 + 60 * t, 300), car(400, 280)])

    camera = Camera(SPLIT)
    camera.film(scene, 10, 0, 10)
    assert (camera.live, camera.ended) == ({1, 2}, [])
    fast, slow = camera.track(1), camera.track(2)
    if fast.path[0, 0] > slow.path[0, 0]:
        fast, slow = slow, fast
    for track, way in ((fast, 60), (slow, 0)):
        off = np.abs(track.path[:, 0] - track.path[0, 0] - way * track.path[:, 2])
        assert off.max() < 60
        assert off[-10:].max() < 5
        assert len(track.path) > 65


def test_a_lorry_that_comes_near_is_not_two() -> None:
    """Its box grows by half a second for second, and it is alone."""

    def scene(t: float) -> list[Box]:
        grown = 1.2**t
        return [(300, 200 + 40 * t, 80 * grown, 60 * grown, 0.8, "truck")]

    on, off = Camera(SPLIT), Camera()
    for camera in (on, off):
        camera.film(scene, 10, 0, 6)
        assert camera.live == {1}
    np.testing.assert_array_equal(on.track(1).path, off.track(1).path)


coming = st.lists(
    st.tuples(st.floats(0, 1000), st.integers(0, 3), st.floats(-200, 200)), min_size=1, max_size=4
)


@settings(max_examples=30)
@given(cars=coming)
def test_boxes_that_never_touch_are_tracked_as_without_it(
    cars: list[tuple[float, int, float]],
) -> None:
    lanes = {lane: (x, speed) for x, lane, speed in cars}

    def scene(t: float) -> list[Box]:
        return [car(x + speed * t, 100 + 150 * lane) for lane, (x, speed) in lanes.items()]

    on, off = Camera(SPLIT), Camera()
    assert on.film(scene, 10, 0, 1.5) == off.film(scene, 10, 0, 1.5)
    for one, other in zip(on.tracks, off.tracks, strict=True):
        np.testing.assert_array_equal(one.path, other.path)
        np.testing.assert_array_equal(one.sizes, other.sizes)
