"""Who stays who: short scenes of made-up boxes, and random ones."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vision.watched import (
    CLASSES,
    GROUPS,
    HIGH,
    SETTINGS,
    START,
    Box,
    Camera,
    beginning,
    car,
    person,
)
from vision.track import TrackerSettings


def test_each_tracker_counts_its_own_ids() -> None:
    first, second = Camera(), Camera()
    for camera in (first, second):
        camera.film(lambda t: [person(100 + 50 * t)], 10, 0, 1)
        assert camera.seen[-1] == [1]
    # what one sees changes nothing at the other
    first.film(lambda t: [person(100 + 50 * t), person(500 - 50 * t)], 10, 1, 2)
    assert sorted(first.seen[-1]) == [1, 2]
    assert second.see(person(150), at=1) == [1]
    states = [{id(value) for value in vars(camera.tracker).values()
               if isinstance(value, np.ndarray | list | dict | set)}
              for camera in (first, second)]  # fmt: skip
    assert states[0] & states[1] == {id(GROUPS)}


@pytest.mark.parametrize("fps", [5, 10, 25])
@pytest.mark.parametrize("hidden", [False, True])
def test_crossing_paths_keep_their_ids(fps: int, hidden: bool) -> None:
    """Two people of one height walk towards each other and pass at x = 300 after 4 s; ``hidden``:
    while they overlap by half, only the nearer, lower one is seen."""

    def scene(t: float) -> list[Box]:
        there, back = person(60 + 60 * t, 305), person(540 - 60 * t, 300)
        return [there] if hidden and abs(t - 4) < 0.12 else [there, back]

    camera = Camera()
    camera.film(scene, fps, 0, 8)
    settled = camera.seen[beginning(fps) : 3 * fps]
    first, second = settled[0]
    assert {first, second} == {1, 2}
    assert settled == [[first, second]] * len(settled)
    for ids in camera.seen[3 * fps :]:
        assert ids == [first, second][: len(ids)]
    assert camera.ended == []


def test_empty_frames() -> None:
    camera = Camera()
    assert camera.film(lambda t: [], 10, 0, 3) == [[]] * 30
    assert (camera.tracks, camera.ended) == ((), [])


def test_time_does_not_run_backwards() -> None:
    camera = Camera()
    camera.film(lambda t: [person(100)], 10, 0, 1)
    with pytest.raises(ValueError, match="backwards"):
        camera.see(person(100), at=0.85)
    # nothing was taken in, and it goes on
    assert camera.see(person(100), at=1.0) == [1]
    assert len(camera.track(1).path) == 11


def test_a_time_may_come_twice() -> None:
    """A clock that is held back gives two frames one time."""
    camera = Camera()
    for at in (0, 0, 0.1, 0.1, 0.2, 0.2):
        camera.see(person(100 + 60 * at), at=at)
    assert camera.seen == [[-1]] * 4 + [[1]] * 2
    assert camera.track(1).foot == pytest.approx((112, 300), abs=5)


def test_a_path_is_bounded_and_what_was_handed_out_stays() -> None:
    limit = 40
    camera = Camera(TrackerSettings(low=0.1, match=0.3, birth=0.5, max_path=limit))
    handed_out: list[tuple[Any, Any]] = []
    for step in range(500):
        camera.see(person(300 + 200 * np.sin(step / 40)), at=step / 10)
        for track in camera.tracks:
            assert len(track.path) <= limit
            # the newest points, without a gap
            newest = (np.arange(step - len(track.path), step) + 1) / 10
            assert track.path[:, 2].tolist() == pytest.approx(newest.tolist(), abs=1e-3)
            handed_out.append((track.path, track.path.copy()))
    assert camera.live == {1}
    assert len(camera.tracks[0].path) >= limit // 2
    assert len(handed_out) == 498
    for view, copy in handed_out:
        np.testing.assert_array_equal(view, copy)


def rows_held(thing: Any) -> dict[str, int]:
    """How many rows every array and list of an object's state has, and of the objects in it."""
    held: dict[str, int] = {}
    for name, value in vars(thing).items():
        if isinstance(value, np.ndarray | list | dict | set):
            held[name] = len(value)
        elif type(value).__module__.startswith("vision.") and hasattr(value, "__dict__"):
            held |= {f"{name}.{inner}": rows for inner, rows in rows_held(value).items()}
    return held


def test_nothing_stays_of_what_ended() -> None:
    camera = Camera()
    camera.film(lambda t: [person(100 + 60 * t), car(300, 500), car(900 - 80 * t)], 10, 0, 5)
    full = {name for name, rows in rows_held(camera.tracker).items() if rows == 3}
    # what a tracker has before it saw anything are facts of the three classes
    full -= {name for name, rows in rows_held(Camera().tracker).items() if rows == 3}
    assert len(full) >= 5, "this looks at the tracker's state"
    camera.film(lambda t: [], 1, 5, 5 + SETTINGS.place_s + 5)
    assert sorted(camera.ended) == [1, 2, 3]
    held = rows_held(camera.tracker)
    assert {name: held[name] for name in full} == dict.fromkeys(full, 0)


frames = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.04, 0.2, 1.5]) | st.floats(0.01, 5),
        st.lists(
            st.tuples(
                st.floats(-50, 700),
                st.floats(-50, 500),
                st.floats(2, 300),
                st.floats(2, 300),
                st.floats(0, 1),
                st.sampled_from(CLASSES),
            ),
            max_size=6,
        ),
        st.booleans(),
    ),
    max_size=30,
)


@given(frames=frames, any_class=st.booleans(), split=st.booleans())
def test_whatever_is_found(
    frames: list[tuple[float, list[Box], bool]], any_class: bool, split: bool
) -> None:
    groups = np.array([0, 1, -1], np.int32) if any_class else GROUPS
    cameras = [Camera(replace(SETTINGS, split_merges=split), groups=groups) for _ in range(2)]
    at = 0.0
    last: list[Box] = []
    before: set[int] = set()
    gone: set[int] = set()
    for wait, fresh, again in frames:
        at += wait
        # the same boxes as before, so that tracks are born, or others
        last, (camera, twin) = last if again else fresh, cameras
        ended_before = len(camera.ended)
        ids = camera.see(*last, at=at)
        # the same frames give the same answer
        assert twin.see(*last, at=at) == ids
        assert twin.ended == camera.ended
        live = [track.id for track in camera.tracks]
        named = [number for number in ids if number != -1]
        assert all(number >= 1 for number in named + live)
        assert len(named) == len(set(named))
        assert live == sorted(set(live))
        assert set(named) <= set(live)
        # who ended had been live, ends once, and never comes back
        ended = camera.ended[ended_before:]
        assert set(ended) == before - set(live)
        assert len(camera.ended) == len(set(camera.ended))
        gone |= set(ended)
        assert not gone & set(live)
        before = set(live)
        for track, other in zip(camera.tracks, twin.tracks, strict=True):
            assert np.isfinite(track.box).all()
            assert np.isfinite(track.path).all()
            assert (track.box[2:] > track.box[:2]).all()
            assert (np.diff(track.path[:, 2]) >= 0).all()
            assert track.path[-1, 2] == pytest.approx(track.last_ts - track.first_ts, abs=1e-3)
            assert 0 < track.class_share <= 1
            assert 0 <= track.score <= 1.0001
            if track.id in named:
                assert track.last_ts == camera.ts
            elif not split and wait > 0:
                # of a box of two objects, only one is named
                assert track.last_ts < camera.ts
            np.testing.assert_array_equal(track.path, other.path)
            np.testing.assert_array_equal(track.box, other.box)


@pytest.mark.parametrize("pause_s", [8.0, 45.0, 3600.0])
def test_after_a_pause_only_what_stood_still_is_known_again(pause_s: float) -> None:
    """A parked car; a person who had stopped a second before; a car that was hidden when the
    pictures stopped; and one that had only begun."""
    camera = Camera()

    def before(t: float) -> list[Box]:
        stopped = person(min(400 + 60 * t, 580), 400)
        new = [car(900, 700)] if t >= 3.85 else []
        return [car(200, 200), stopped, *new, *([] if t >= 3.75 else [car(100 + 90 * t, 600)])]

    camera.film(before, 10, 0, 4.05)
    last = camera.ts - START
    assert camera.live == {1, 2, 3}
    rows = [car(200, 200), person(580, 400), car(900, 700), car(100 + 90 * 3.7, 600)]
    seen = camera.film(lambda t: rows, 10, last + pause_s, last + pause_s + 1)
    known = [1] if pause_s < SETTINGS.place_s else []
    assert [number for number in seen[-1] if number < 4] == known
    assert all(track.first_ts > START + last for track in camera.tracks if track.id > 3)
    assert len(camera.tracks) == len(rows)
    assert camera.ended == [number for number in (1, 2, 3) if number not in known]


def test_a_picture_full_of_boxes_takes_little_memory() -> None:
    """Snow, or a view that changes at every picture: hundreds of boxes that are nobody's."""
    rng = np.random.default_rng(0)
    camera = Camera()
    tracemalloc.start()
    for k in range(5):
        places = rng.uniform(0, 1900, (300, 2)).tolist()
        sizes = rng.uniform(10, 150, (300, 2)).tolist()
        boxes = [(x, y, w, h, HIGH, "car") for (x, y), (w, h) in zip(places, sizes, strict=True)]
        camera.see(*boxes, at=k / 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6


@pytest.mark.parametrize("period_s", [2.0, 8.0])
def test_a_queue_that_stops_and_goes_moves_no_place_that_is_remembered(period_s: float) -> None:
    """Six cars brake and start as one, as all does where the camera turns; a parked car is hidden
    meanwhile for 20 s."""
    camera = Camera()
    rng = np.random.default_rng(1)

    def scene(t: float) -> list[Box]:
        gone = 300 * (1 - np.cos(2 * np.pi * (t - 5) / period_s)) if t > 5 else 0.0
        queue = [car(200 + 150 * k + gone, 500) for k in range(6)]
        parked = [] if 5 <= t < 25 else [car(300, 900)]
        return [car(*(rng.normal((x, y), 1).tolist())) for x, y, *_ in [*parked, *queue]]

    camera.film(scene, 10, 0, 27)
    assert camera.seen[40][0] == camera.seen[-1][0] == 1
