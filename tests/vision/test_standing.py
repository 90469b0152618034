"""Places at which something stands: films of boxes that jitter, creep, break, and are hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from tests.vision.rules.scenarios import T0, Walker, film, standing
from vision.standing import (
    HIDDEN_S,
    LOST_S,
    MAX_PLACES,
    Place,
    Standing,
    heights_apart,
    overlap,
    same,
)
from vision.types import Detections, Track, Tracked

CAR = (60.0, 30.0)
PERSON = ("person",)
"""What walkers of a film are unless told otherwise: any class stands."""


def followed(walkers: Sequence[Walker], fps: float = 10.0, until: float = 0.0) -> Standing:
    """After the last step of a film, or the last one up to the second ``until``."""
    found = Standing()
    for step in film(walkers, fps=fps):
        if until and step.ts > T0 + until + 1e-6:
            break
        found.update(step, (*PERSON, "car"))
    return found


def only(found: Standing) -> Place:
    (place,) = found.places
    return place


every_rate = pytest.mark.parametrize("fps", [5.0, 10.0, 24.0])


@every_rate
def test_what_stands_has_a_place_from_its_first_box_on(fps: float) -> None:
    place = only(followed([standing(300, 200, 20, box=CAR)], fps, 15))
    assert place.since_ts == pytest.approx(T0, abs=0.01)
    assert place.stood_s == pytest.approx(15, abs=0.25)
    assert place.foot.tolist() == [300, 200]
    assert list(place.tracks) == [1]


@every_rate
def test_who_passes_has_none(fps: float) -> None:
    passing = Walker(((0, 0, 200), (20, 640, 200)), box=CAR)
    assert followed([passing], fps, 19).places == []


@every_rate
def test_who_arrives_stands_from_then_on(fps: float) -> None:
    arriving = Walker(((0, 0, 200), (5, 300, 200), (20, 300, 200)), box=CAR)
    assert only(followed([arriving], fps, 15)).since_ts == pytest.approx(T0 + 5, abs=0.5)


@dataclass(frozen=True)
class Jitter:
    """Boxes of a car that stands, each side off by a part of the box's own size."""

    share: float
    fps: float

    def steps(self, seconds: float) -> list[Tracked]:
        rng = np.random.default_rng(7)
        n = int(seconds * self.fps)
        off = rng.normal(0, self.share, (n, 4))
        w = CAR[0] * (1 + off[:, 0])
        h = CAR[1] * (1 + off[:, 1])
        x, y = 300 + CAR[0] * off[:, 2] / 2, 200 + CAR[1] * off[:, 3] / 2
        seconds_of = np.arange(n) / self.fps
        path = np.stack([x, y, seconds_of], axis=1).astype(np.float32)
        sizes = np.stack([w, h], axis=1).astype(np.float32)
        return [
            step(
                i,
                T0 + i / self.fps,
                [track(1, path[: i + 1], sizes[: i + 1])],
            )
            for i in range(2, n)
        ]


def track(number: int, path: object, sizes: object, name: str = "car") -> Track:
    points, size = np.asarray(path, np.float32), np.asarray(sizes, np.float32)
    (x, y, last_s), (w, h) = points[-1].tolist(), size[-1].tolist()
    box = np.array([x - w / 2, y - h, x + w / 2, y], np.float32)
    return Track(number, name, 1.0, 0.6, T0, T0 + last_s, box, points, size)


def step(index: int, ts: float, tracks: Sequence[Track]) -> Tracked:
    nothing = np.zeros(0, np.int32)
    return Tracked("cam", index, ts, ("car",), Detections.empty(), nothing, tuple(tracks), ())


@every_rate
def test_boxes_that_vary_by_a_tenth_still_stand(fps: float) -> None:
    found = Standing()
    for each in Jitter(0.1, fps).steps(60):
        # the times of a track are those of its path, in single precision
        found.update(step(each.index, each.tracks[0].last_ts, each.tracks), ("car",))
    assert only(found).stood_s >= 55


@every_rate
@pytest.mark.parametrize(
    ("px_a_second", "stays"),
    [
        (0.5, True),  # half a car's length in a minute is none that anybody sees
        (4.0, False),  # a walking pace is ten times as fast
    ],
)
def test_a_queue_that_creeps_does_not_stand(px_a_second: float, stays: bool, fps: float) -> None:
    creeping = Walker(((0, 300, 200), (20, 300 + 20 * px_a_second, 200)), box=CAR)
    found = followed([creeping], fps, 18)
    assert (max(place.stood_s for place in found.places) >= 10) is stays


@every_rate
def test_who_moves_up_stands_anew(fps: float) -> None:
    moving_up = Walker(((0, 300, 200), (8, 300, 200), (10, 330, 200), (30, 330, 200)), box=CAR)
    place = only(followed([moving_up], fps, 20))
    assert place.since_ts == pytest.approx(T0 + 9.5, abs=1.0)
    assert place.foot[0] == pytest.approx(330, abs=10)


@every_rate
def test_a_track_that_breaks_goes_on_and_so_does_another_class(fps: float) -> None:
    first = standing(300, 200, 12, box=CAR, classes=((0.0, "car"),))
    second = Walker(((15, 302, 201), (30, 302, 201)), box=CAR)
    place = only(followed([first, second], fps, 25))
    assert place.since_ts == pytest.approx(T0, abs=0.01)
    assert list(place.tracks) == [2]


@every_rate
def test_it_goes_on_while_others_hide_it(fps: float) -> None:
    hidden_s = 2 * LOST_S
    car = standing(300, 200, 60, box=CAR, hidden=((12, 12 + hidden_s),))
    lorry = Walker(((11, 290, 215), (13 + hidden_s, 310, 215)), box=(120, 80))
    place = followed([car, lorry], fps, 40).places[0]
    assert place.since_ts == pytest.approx(T0, abs=0.01)
    assert place.hidden_s == pytest.approx(hidden_s, abs=0.5)
    assert place.seen_share >= 0.9


@every_rate
def test_one_that_is_cut_by_who_passes_has_not_moved(fps: float) -> None:
    """The lorry hides the lower half for 6 s: the box ends higher up."""
    car = Walker(((0, 300, 200), (10, 300, 200), (10.1, 300, 186), (16, 300, 186), (16.1, 300, 200),
                  (30, 300, 200)), box=CAR)  # fmt: skip
    lorry = Walker(((9.5, 240, 230), (16.5, 360, 230)), box=(150, 50))
    place = followed([car, lorry], fps, 25).places[0]
    assert place.since_ts == pytest.approx(T0, abs=0.01)
    alone = followed([car], fps, 25).places[0]
    assert alone.since_ts > T0 + 9


@every_rate
def test_it_is_over_when_nothing_is_seen_there_for_long(fps: float) -> None:
    car = standing(300, 200, 12, box=CAR)
    elsewhere = standing(100, 100, 60, box=CAR)
    before, after = 12 + LOST_S - 1, 12 + LOST_S + 1
    assert len(followed([car, elsewhere], fps, before).places) == 2
    assert len(followed([car, elsewhere], fps, after).places) == 1


@every_rate
def test_hidden_for_longer_than_the_tracker_remembers_it_is_over(fps: float) -> None:
    car = standing(300, 200, 12, box=CAR)
    bus = standing(300, 215, 30 + HIDDEN_S, box=(120, 80))
    found = followed([car, bus], fps, 12 + HIDDEN_S + 2)
    assert [list(place.tracks) for place in found.places] == [[2]]


@every_rate
def test_the_next_car_in_a_queue_stands_for_its_own_time(fps: float) -> None:
    first = Walker(((0, 300, 200), (15, 300, 200), (18, 500, 200)), box=CAR)
    follower = Walker(((0, 220, 200), (16, 220, 200), (19, 300, 200), (40, 300, 200)), box=CAR)
    found = followed([first, follower], fps, 30)
    assert only(found).since_ts == pytest.approx(T0 + 19, abs=1.0)


@every_rate
def test_tracks_that_change_places_leave_the_place_alone(fps: float) -> None:
    """The track of the car goes off with the lorry, and the lorry's stays on the car."""
    to_lorry = Walker(((0, 300, 200), (15, 300, 200), (18, 600, 200)), box=CAR)
    to_car = Walker(((12, 0, 200), (15, 300, 200), (40, 300, 200)), box=CAR)
    assert only(followed([to_lorry, to_car], fps, 30)).since_ts == pytest.approx(T0, abs=0.01)


def test_a_car_and_its_half_have_one_place() -> None:
    whole = standing(387, 164, 20, box=(61, 30))
    half = standing(369.5, 162, 20, box=(43, 27))
    assert len(only(followed([whole, half], until=15)).tracks) == 2


def test_nothing_before_it_watches_is_looked_at() -> None:
    found = Standing(T0 + 10)
    for each in film([standing(300, 200, 20, box=CAR)]):
        if each.ts >= T0 + 10 and each.tracks:
            found.update(each, PERSON)
            if each.ts >= T0 + 15:
                break
    assert only(found).since_ts == pytest.approx(T0 + 10, abs=0.11)


def test_only_its_classes_stand() -> None:
    found = Standing()
    for each in film([standing(300, 200, 10, box=CAR)]):
        found.update(each, ("car",))
    assert found.places == []


def test_places_are_bounded() -> None:
    found = Standing()
    spots = [(x * 70.0, y * 40.0) for x in range(20) for y in range(15)]
    for each in film([standing(x, y, 5, box=CAR) for x, y in spots], fps=2):
        found.update(each, PERSON)
        assert len(found.places) <= MAX_PLACES


def test_boxes_are_compared() -> None:
    a, b = np.array([0.0, 0, 10, 10]), np.array([5.0, 0, 15, 10])
    assert overlap(a, b) == pytest.approx((1 / 3, 0.5, 0.5))
    assert same(a, b), "half of each lies in the other, on the same ground"
    assert not same(a, a + np.array([7, 0, 7, 0]))
    assert same(a, a + 0.5)
    assert same(a, np.array([0.0, 2, 6, 10]))
    assert not same(a, np.array([0.0, 0, 6, 6])), "it stands further away"
    assert heights_apart(a, b) == pytest.approx(0.5)
    assert heights_apart(a, a + np.array([0, 5, 0, 5])) == pytest.approx(1.0)
