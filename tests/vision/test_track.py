"""Who stays who: short scenes of made-up boxes, and random ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.track import Tracker, TrackerSettings
from vision.types import Detections, Track

CLASSES = ("person", "car", "truck")
GROUPS = np.array([0, 1, 1], np.int32)
SETTINGS = TrackerSettings(low=0.1, match=0.3, birth=0.5)
HIGH, WEAK = 0.8, 0.15
START = 1_760_000_000.0

Box = tuple[float, float, float, float, float, str]
"""Foot x, foot y, width, height, score, class."""


def person(x: float, y: float = 300, score: float = HIGH) -> Box:
    return (x, y, 40, 100, score, "person")


def car(x: float, y: float = 300, score: float = HIGH, name: str = "car") -> Box:
    return (x, y, 120, 80, score, name)


def found(boxes: Iterable[Box]) -> Detections:
    rows = list(boxes)
    xyxy = [(x - w / 2, y - h, x + w / 2, y) for x, y, w, h, *_ in rows]
    return Detections(
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.array([row[4] for row in rows], np.float32),
        np.array([CLASSES.index(row[5]) for row in rows], np.int32),
    )


class Camera:
    """A tracker and what it has said so far."""

    def __init__(self, settings: TrackerSettings = SETTINGS) -> None:
        self.tracker = Tracker(settings, CLASSES, GROUPS)
        self.ts = START
        self.live: set[int] = set()
        self.tracks: tuple[Track, ...] = ()
        self.ended: list[int] = []
        self.seen: list[list[int]] = []

    def see(self, *boxes: Box, at: float) -> list[int]:
        """The ids of the boxes, ``at`` seconds after the start."""
        self.ts = START + at
        ids, self.tracks, ended = self.tracker.update(found(boxes), self.ts)
        self.live |= {track.id for track in self.tracks}
        self.ended += ended
        self.seen.append(ids.tolist())
        return self.seen[-1]

    def film(
        self, scene: Callable[[float], Sequence[Box]], fps: float, start: float, end: float
    ) -> list[list[int]]:
        """The ids of every frame from ``start`` to before ``end``, seconds; ``scene`` gives the
        boxes of a moment."""
        first, last = round(start * fps), round(end * fps)
        return [self.see(*scene(k / fps), at=k / fps) for k in range(first, last)]

    def track(self, number: int) -> Track:
        return next(track for track in self.tracks if track.id == number)


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


@pytest.mark.parametrize("speed", [1400, -1400])
def test_a_fast_beginning_is_one_track(speed: float) -> None:
    """A car that moves by more than its length from frame to frame."""
    camera = Camera()
    seen = camera.film(lambda t: [car(600 + speed * t)], 10, 0, 0.6)
    assert seen == [[-1]] * 2 + [[1]] * 4


@pytest.mark.parametrize("fps", [5, 25])
def test_three_boxes_make_a_track(fps: int) -> None:
    camera = Camera()
    assert camera.film(lambda t: [person(100 + 30 * t)], fps, 0, 4 / fps) == [[-1], [-1], [1], [1]]
    (track,) = camera.tracks
    # it began with its first box
    assert track.first_ts == START
    assert track.last_ts == pytest.approx(START + 3 / fps)
    assert len(track.path) == 4
    assert track.path[:, 2].tolist() == pytest.approx([k / fps for k in range(4)], abs=1e-6)
    assert track.score == pytest.approx(HIGH)


def test_a_box_or_two_are_no_track() -> None:
    camera = Camera()
    for at, xs in ((0, [100]), (0.1, [400]), (0.2, [100, 400])):
        camera.see(*map(person, xs), at=at)
    camera.film(lambda t: [], 10, 0.3, 5)
    # what comes to the same place later begins anew
    assert camera.film(lambda t: [person(100)], 10, 5, 5.3) == [[-1], [-1], [1]]
    assert camera.track(1).first_ts == pytest.approx(START + 5)
    assert camera.ended == []


def test_low_scores_confirm_and_continue_but_do_not_begin() -> None:
    camera = Camera()
    # alone, weak boxes and middling ones below birth are nothing
    camera.film(lambda t: [person(100, score=WEAK), person(400, score=0.4)], 10, 0, 2)
    assert {number for ids in camera.seen for number in ids} == {-1}
    # a strong box begins, weak ones confirm it and continue it
    assert camera.see(person(100), at=2.0) == [-1]
    weak = camera.film(lambda t: [person(100 + 30 * (t - 2), score=WEAK)], 10, 2.1, 4)
    assert weak == [[-1]] + [[1]] * 18
    assert camera.track(1).last_ts == pytest.approx(START + 3.9)
    # below low a box is not even looked at
    assert camera.see(person(158, score=0.05), at=4.0) == [-1]


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
    settled = camera.seen[2 : 3 * fps]
    first, second = settled[0]
    assert {first, second} == {1, 2}
    assert settled == [[first, second]] * len(settled)
    for ids in camera.seen[3 * fps :]:
        assert ids == [first, second][: len(ids)]
    assert camera.ended == []


@pytest.mark.parametrize("fps", [5, 10, 25])
@pytest.mark.parametrize("speed", [0, 60, 200])
def test_an_occlusion_of_less_than_a_second_keeps_the_id(fps: int, speed: float) -> None:
    """A car is seen for 2 s, hidden for 0.8 s, and seen again where it has gone."""
    camera = Camera()
    before = camera.film(lambda t: [car(100 + speed * t)], fps, 0, 2)
    last = (len(before) - 1) / fps
    camera.film(lambda t: [], fps, 2, last + 0.8)
    after = camera.film(lambda t: [car(100 + speed * t)], fps, last + 0.8, 4)
    assert before[2:] == [[1]] * (len(before) - 2)
    assert after == [[1]] * len(after)
    # out of sight it has no points, and is where it was last seen
    assert len(camera.track(1).path) == len(before) + len(after)


@pytest.mark.parametrize("fps", [5, 10, 25])
@pytest.mark.parametrize("later", [False, True])
def test_a_parked_car_that_flickers_keeps_its_id(fps: int, later: bool) -> None:
    """Parked at x = 300, seen for 4 s, not found for 20 s, found again; meanwhile another car
    drives past over its place, once with a pause in sight (``later``: only weakly found again)."""
    camera = Camera()

    def passing(t: float) -> list[Box]:
        return [car(-200 + 150 * (t - 8), 290)] if 8 <= t < 16 else []

    camera.film(lambda t: [car(300 + (t * 7) % 2)], fps, 0, 4)
    camera.film(passing, fps, 4, 24)
    passer = {number for ids in camera.seen[4 * fps :] for number in ids} - {-1}
    assert passer == {2}, "the passer-by is one car, and not the parked one"
    # the parked car is still known, and known to be out of sight
    assert camera.track(1).last_ts == pytest.approx(START + 4 - 1 / fps)
    assert camera.track(1).foot == pytest.approx((301, 300), abs=3)
    back = camera.film(lambda t: [car(300, score=WEAK if later else HIGH)], fps, 24, 26)
    assert back == [[1]] * len(back)
    assert camera.track(1).first_ts == START
    assert camera.ended == [2]


def test_a_place_is_remembered_not_a_street() -> None:
    """Found a length away from where one was parked, it is another car."""
    camera = Camera()
    camera.film(lambda t: [car(300)], 10, 0, 4)
    camera.film(lambda t: [], 10, 4, 14)
    assert camera.film(lambda t: [car(420)], 10, 14, 15)[-1] == [2]


def test_a_place_is_forgotten_once() -> None:
    camera = Camera()
    camera.film(lambda t: [car(300)], 2, 0, 8)
    assert camera.seen[-1] == [1]
    last = 7.5
    camera.film(lambda t: [], 2, 8, last + SETTINGS.place_s)
    assert camera.ended == []
    assert [track.id for track in camera.tracks] == [1]
    camera.film(lambda t: [], 2, last + SETTINGS.place_s, last + SETTINGS.place_s + 30)
    assert camera.ended == [1]
    assert camera.tracks == ()
    # whoever parks there now is another
    after = camera.film(lambda t: [car(300)], 2, 200, 204)
    assert after[-1] == [2]


def test_who_walks_out_is_forgotten_at_once() -> None:
    camera = Camera()
    camera.film(lambda t: [person(100 + 60 * t)], 10, 0, 3)
    camera.film(lambda t: [], 10, 3, 6)
    assert camera.ended == [1]


@pytest.mark.parametrize("first", ["car", "truck"])
def test_the_class_is_voted_for(first: str) -> None:
    """Every fifth box of a lorry is called a car, and the first one perhaps too."""
    camera = Camera()

    def scene(t: float) -> list[Box]:
        step = round(t * 10)
        return [car(100 + 40 * t, name="car" if step % 5 == 1 else first if step == 0 else "truck")]

    seen = camera.film(scene, 10, 0, 6)
    assert seen[2:] == [[1]] * 58
    (track,) = camera.tracks
    assert track.class_name == "truck"
    assert track.class_share == pytest.approx(0.8, abs=0.03)


def test_a_person_never_continues_a_car() -> None:
    """A driver gets out where the car stood: the same box, another group of classes."""
    camera = Camera()
    camera.film(lambda t: [car(300)], 10, 0, 4)
    assert camera.film(lambda t: [(300, 300, 120, 80, HIGH, "person")], 10, 4, 5)[-1] == [2]
    # nor does it leap from one, as a fast beginning would
    fast = Camera()
    fast.see(car(0), at=0)
    leaps = fast.film(lambda t: [(1200 * t, 300, 120, 80, HIGH, "person")], 10, 0.1, 0.4)
    assert leaps == [[-1], [-1], [1]]
    # and both at one place are two
    both = camera.film(lambda t: [car(300), (300, 300, 120, 80, HIGH, "person")], 10, 5, 6)
    assert both == [[1, 2]] * 10
    assert (camera.track(1).class_name, camera.track(2).class_name) == ("car", "person")


@pytest.mark.parametrize("since", [0.0, 2.0])
def test_two_boxes_on_one_object_are_one_track(since: float) -> None:
    """The second box, a few pixels off and a little weaker, from the start or from later on."""

    def scene(t: float) -> list[Box]:
        x = 100 + 40 * t
        return [car(x), car(x + 6, 303, score=0.7)] if t >= since else [car(x)]

    camera = Camera()
    camera.film(scene, 10, 0, 6)
    assert camera.live == {1}
    assert all(ids == [1, -1][: len(ids)] for ids in camera.seen[2:])


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
    assert camera.seen[2:] == [[1]] * 4
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
    full.discard("_class_group")
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


@given(frames=frames)
def test_whatever_is_found(frames: list[tuple[float, list[Box], bool]]) -> None:
    cameras = [Camera(), Camera()]
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
            assert (track.last_ts == camera.ts) == (track.id in named) or wait == 0
            np.testing.assert_array_equal(track.path, other.path)
            np.testing.assert_array_equal(track.box, other.box)
