"""What a track was, once it is over: all its sightings, its gaps filled, its way smoothed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vision.watched import HIGH, SETTINGS, START, Camera, car, person
from vision.histories import Histories, History
from vision.types import Detections, Track, Tracked

Way = Callable[[float], Sequence[float]]
"""x, foot, width and height at a moment, seconds."""


def told(way: Way, times: Sequence[float], unseen: Sequence[int] = ()) -> list[History]:
    """The history of one track, told from picture to picture at ``times``; it was not found in the
    pictures ``unseen``, and ends after the last one."""
    histories = Histories()
    points: list[Any] = []
    over: list[History] = []
    first, last = START + times[0], START
    for index, at in enumerate([*times, times[-1] + 2]):
        ts = START + at
        ends = index == len(times)
        if index not in unseen and not ends:
            points.append((*way(at), ts - first))
            last = ts
        table = np.array(points, np.float32)
        track = Track(
            id=7,
            class_name="car",
            class_share=1.0,
            score=HIGH,
            first_ts=first,
            last_ts=last,
            box=np.zeros(4, np.float32),
            path=table[:, [0, 1, 4]],
            sizes=table[:, 2:4],
        )
        step = Tracked(
            camera_id="street",
            index=index,
            ts=ts,
            classes=("car",),
            detections=Detections.empty(),
            track_id=np.zeros(0, np.int32),
            tracks=() if ends else (track,),
            ended=(7,) if ends else (),
        )
        over += histories.update(step)
    assert histories.finish() == []
    return over


def boxes_of(way: Way, times: Sequence[float]) -> Any:
    x, foot, w, h = np.array([way(at) for at in times]).T
    return np.stack([x - w / 2, foot - h, x + w / 2, foot], axis=1)


def even(t: float) -> tuple[float, float, float, float]:
    """Drives evenly to the lower right, and comes nearer."""
    return 100 + 60 * t, 300 + 20 * t, 80 + 10 * t, 50 + 6 * t


EVERY_TENTH = [k / 10 for k in range(40)]
UNEVEN = [0.0, 0.04, 0.5, 0.54, 0.58, 0.9, 1.0, 1.7, 1.74, 2.5]


@pytest.mark.parametrize("times", [EVERY_TENTH, UNEVEN, [0.0, 0.1], [0.0, 5.0], [0.0]], ids=len)
def test_an_even_motion_stays_what_it_is_up_to_its_ends(times: list[float]) -> None:
    (history,) = told(even, times)
    np.testing.assert_allclose(history.ts, START + np.array(times))
    np.testing.assert_allclose(history.xyxy, boxes_of(even, times), atol=0.01)
    assert history.seen.all()
    assert (history.id, history.class_name) == (7, "car")
    assert history.ts.dtype == np.float64
    assert history.xyxy.dtype == np.float32


@pytest.mark.parametrize("times", [EVERY_TENTH, UNEVEN], ids=len)
@pytest.mark.parametrize("unseen", [[1], [2, 3, 4], [1, 2, 5, 6, 8]], ids=str)
def test_a_gap_is_filled_along_the_way(times: list[float], unseen: list[int]) -> None:
    (history,) = told(even, times, unseen)
    np.testing.assert_allclose(history.ts, START + np.array(times))
    np.testing.assert_allclose(history.xyxy, boxes_of(even, times), atol=0.01)
    assert np.flatnonzero(~history.seen).tolist() == unseen


def test_pictures_after_the_last_sighting_are_none_of_it() -> None:
    (history,) = told(even, EVERY_TENTH, unseen=range(25, 40))
    assert history.ts[-1] == pytest.approx(START + 2.4)
    assert history.seen.all()


def test_a_gap_is_straight() -> None:
    """Who turns the corner out of sight is taken to have gone across: nobody knows better."""

    def corner(t: float) -> tuple[float, float, float, float]:
        return 100 + 50 * min(t, 6), 300 + 50 * max(t - 6, 0), 40, 80

    times = [k / 10 for k in range(120)]
    (history,) = told(corner, times, unseen=range(40, 80))
    gap = slice(50, 70)
    share = (np.array(times[gap]) - 3.9) / 4.1
    middle = (history.xyxy[gap, 0] + history.xyxy[gap, 2]) / 2
    np.testing.assert_allclose(middle, 295 + share * (400 - 295), atol=0.5)
    np.testing.assert_allclose(history.xyxy[gap, 3], 300 + share * 100, atol=0.5)


def test_noise_is_smoothed() -> None:
    random = np.random.default_rng(4)
    noise = {at: random.normal(0, 3) for at in EVERY_TENTH}

    def way(t: float) -> tuple[float, float, float, float]:
        x, *others = even(t)
        return x + noise[t], *others  # type: ignore[return-value]

    (history,) = told(way, EVERY_TENTH)
    off = history.xyxy[:, 0] - boxes_of(even, EVERY_TENTH)[:, 0]
    assert np.sqrt(np.mean(np.square(off))) < 0.6 * np.std(list(noise.values()))


def test_what_is_a_second_away_changes_nothing() -> None:
    def jump(t: float) -> tuple[float, float, float, float]:
        return 100 + (500 if t > 2 else 0), 300, 40, 80

    (history,) = told(jump, EVERY_TENTH)
    before = history.ts - START < 1.1
    np.testing.assert_allclose(history.xyxy[before, 0], 80, atol=0.01)


@pytest.mark.parametrize("twice", [0, 5, 9])
def test_a_time_may_come_twice(twice: int) -> None:
    """A clock that is held back: two pictures of one moment."""
    times = sorted([k / 10 for k in range(10)] + [twice / 10])
    (history,) = told(even, times)
    assert np.isfinite(history.xyxy).all()
    np.testing.assert_allclose(history.xyxy[:10], boxes_of(even, times)[:10], atol=0.01)
    assert (np.diff(history.ts) >= 0).all()


@given(
    waits=st.lists(st.floats(0.02, 3), min_size=1, max_size=30),
    lost=st.sets(st.integers(1, 28)),
)
def test_every_sighting_is_there_once(waits: list[float], lost: set[int]) -> None:
    times = [0.0, *np.cumsum(waits).tolist()]
    unseen = sorted(k for k in lost if k < len(times) - 1)
    (history,) = told(even, times, unseen)
    np.testing.assert_allclose(history.ts, START + np.array(times), atol=1e-6)
    assert np.flatnonzero(~history.seen).tolist() == unseen
    np.testing.assert_allclose(history.xyxy, boxes_of(even, times), atol=0.05)


def test_the_pictures_of_what_stands_for_days_are_told_apart() -> None:
    """A path's seconds have 24 bits: after some hours they are no milliseconds any more."""
    times = [*np.arange(10) / 10, *(200_000.0 + np.arange(40) / 30)]
    (history,) = told(even, times)
    np.testing.assert_allclose(history.ts, START + np.array(times), atol=1e-6)
    assert history.seen.all()


# --- with a tracker


def collected(camera: Camera) -> list[History]:
    histories = Histories()
    over = [history for step in camera.steps for history in histories.update(step)]
    return over + histories.finish()


@pytest.mark.parametrize("limit", [8, 40, 1024])
def test_a_long_track_is_whole_however_short_its_path(limit: int) -> None:
    camera = Camera(replace(SETTINGS, max_path=limit))
    camera.film(lambda t: [person(300 + 200 * np.sin(t / 5))], 10, 0, 60)
    (history,) = collected(camera)
    # from its first box on, which was no track's yet
    np.testing.assert_allclose(history.ts, START + np.arange(600) / 10, atol=1e-6)
    assert history.seen.all()
    middle = (history.xyxy[:, 0] + history.xyxy[:, 2]) / 2
    np.testing.assert_allclose(middle, 300 + 200 * np.sin(np.arange(600) / 50), atol=4)


def test_histories_come_when_their_tracks_end_and_the_others_at_the_end() -> None:
    camera = Camera()
    camera.film(lambda t: [car(100 + 60 * t, 500), *([person(600)] if t < 1 else [])], 10, 0, 4)
    histories = Histories()
    ends = {}
    for step in camera.steps:
        for history in histories.update(step):
            ends[history.id] = step.ts - START
    assert list(ends) == [2]
    assert 1.9 < ends[2] < 2.3
    assert [(history.id, history.class_name) for history in histories.finish()] == [(1, "car")]
    assert histories.finish() == []


def test_who_was_hidden_has_one_history() -> None:
    camera = Camera()

    def scene(t: float) -> list[Any]:
        return [] if 2 <= t < 2.75 else [car(100 + 80 * t)]

    camera.film(scene, 10, 0, 5)
    (history,) = collected(camera)
    assert len(history.ts) == 50
    assert np.flatnonzero(~history.seen).tolist() == list(range(20, 28))
    middle = (history.xyxy[:, 0] + history.xyxy[:, 2]) / 2
    np.testing.assert_allclose(middle, 100 + 8 * np.arange(50), atol=2)
