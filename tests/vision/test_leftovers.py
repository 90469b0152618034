"""What was left and what was taken, told from painted pictures; nobody detects anything here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vision.painted import block, overlap, road
from vision import leftovers
from vision.leftovers import FRESH_S, Leftovers
from vision.scene import Zone
from vision.selective import LEARN_S, MATURE_S
from vision.types import Blob, Frame, Image, Track

SIZE = (320, 240)
WHOLE = Zone("whole", np.array([(0.0, 0.0), (320.0, 0.0), (320.0, 240.0), (0.0, 240.0)]))
COAT = (90, 40, 40)
DARK = (30, 30, 30)
Painter = Callable[[Image, float], Image]
Box = tuple[float, float, float, float]
GROUND = road(SIZE)


class Person:
    """Goes along corners (seconds, x, y of the foot), 24 x 60 px; ``tracked`` or not."""

    def __init__(
        self, *corners: tuple[float, float, float], tracked: bool = True, number: int = 1
    ) -> None:
        self._times, self._xs, self._ys = (np.array(part) for part in zip(*corners, strict=True))
        self._tracked = tracked
        self._number = number

    def box(self, t: float) -> Box | None:
        if not self._times[0] <= t <= self._times[-1]:
            return None
        x, y = np.interp(t, self._times, self._xs), np.interp(t, self._times, self._ys)
        return float(x) - 12, float(y) - 60, float(x) + 12, float(y)

    def paint(self, image: Image, t: float) -> None:
        if (box := self.box(t)) is not None:
            block(image, box[0], box[1], 24, 60, COAT)

    def track(self, t: float, name: str = "person") -> list[Track]:
        """It is known for a second after it was seen last, as a tracker's are."""
        last = min(t, float(self._times[-1]))
        box = self.box(last)
        if not self._tracked or box is None or t - last > FRESH_S:
            return []
        foot = np.array([[(box[0] + box[2]) / 2, box[3], last]], np.float32)
        sizes = np.array([[24, 60]], np.float32)
        return [Track(self._number, name, 1, 1, 0, last, np.array(box, np.float32), foot, sizes)]


def bag(since: float, until: float = 1e9, box: Box = (150, 150, 170, 164)) -> Painter:
    def paint(image: Image, t: float) -> Image:
        x1, y1, x2, y2 = box
        if since <= t < until:
            block(image, x1, y1, round(x2 - x1), round(y2 - y1), DARK)
        return image

    return paint


def nothing(image: Image, t: float) -> Image:
    return image


def film(
    paint: Painter,
    people: Sequence[Person] = (),
    *,
    end_s: float = 20.0,
    fps: float = 4.0,
    noise: float = 2.0,
    light: Callable[[float], float] = lambda t: 1.0,
    start_s: float = 0.0,
    times: float = 1.0,
) -> Iterator[tuple[Frame, list[Track]]]:
    grain = np.random.default_rng(2).normal(0, noise, (5, *GROUND.shape)).astype(np.float32)
    for index in range(round((end_s - start_s) * fps)):
        t = start_s + index / fps
        image = paint(GROUND.copy(), t)
        for person in people:
            person.paint(image, t)
        shown = image * np.float32(light(t)) + grain[index * 3 % 5]
        image = np.clip(shown, 0, 255).astype(np.uint8)
        if times != 1:
            image = image.repeat(round(times), axis=0).repeat(round(times), axis=1)
        yield Frame("c", index, t, image), [one for each in people for one in each.track(t)]


def watch(
    frames: Iterator[tuple[Frame, list[Track]]], stage: Leftovers | None = None
) -> dict[float, tuple[Blob, ...]]:
    stage = stage or Leftovers((WHOLE,), SIZE)
    return {frame.ts: stage.update(frame, tracks).blobs for frame, tracks in frames}


BRINGER = Person((0, 40, 166), (4, 145, 166), (5, 145, 166), (9, 300, 166))
PASSERS = tuple(
    Person((t, 10, 180), (t + 4, 310, 180), number=2 + i) for i, t in enumerate(range(10, 30, 2))
)


def only(found: dict[float, tuple[Blob, ...]]) -> Blob:
    (blob,) = found[max(found)]
    assert {one.id for blobs in found.values() for one in blobs} == {blob.id}, "nothing else"
    return blob


# --- what comes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [2, 5, 7, 10, 25])
def test_what_is_left_is_found(fps: float) -> None:
    found = watch(film(bag(4.5), (BRINGER,), fps=fps))
    blob = only(found)
    assert blob.appeared
    assert overlap(blob.box, (150, 150, 170, 164)) > 0.7
    # the half of it that the bringer does not hide is seen at once
    assert blob.first_ts == pytest.approx(4.5, abs=0.5)
    first = min(ts for ts, blobs in found.items() if blobs)
    # and hidden again for a second while the bringer leaves
    assert first == pytest.approx(blob.first_ts + 1 + MATURE_S, abs=0.8)
    assert blob.last_ts == pytest.approx(20, abs=1.1 / min(fps, 2))
    assert 0.5 < blob.score <= 1


@settings(max_examples=12, deadline=None)
@given(
    st.integers(20, 280),
    st.integers(40, 200),
    st.sampled_from([(8, 8), (12, 9), (30, 20)]),
    st.sampled_from([DARK, (200, 200, 200), (60, 60, 180), (160, 90, 90)]),
)
def test_everywhere_and_in_every_colour(
    x: int, y: int, size: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    def paint(image: Image, t: float) -> Image:
        return block(image, x, y, *size, colour) if t >= 3 else image

    blob = only(watch(film(paint, end_s=9)))
    assert overlap(blob.box, (x, y, x + size[0], y + size[1])) > 0.5
    assert blob.appeared


def test_it_stays_the_same_behind_people_and_in_another_light() -> None:
    def light(t: float) -> float:
        return 1.0 if t < 20 else 0.7 if t < 30 else 1.3

    found = watch(film(bag(4.5), (BRINGER, *PASSERS), end_s=40, light=light))
    blob = only(found)
    assert overlap(blob.box, (150, 150, 170, 164)) > 0.7
    assert {len(blobs) for ts, blobs in found.items() if ts > 10} == {1}
    assert blob.last_ts > 39


def test_who_hides_it_for_long_ends_nothing() -> None:
    stands = Person((12, 160, 190), (42, 160, 190), number=2)
    found = watch(film(bag(4.5), (BRINGER, stands), end_s=46))
    assert [len(found[t]) for t in (11.0, 20.0, 40.0, 45.0)] == [1, 1, 1, 1]
    assert found[40.0][0].last_ts < 12.6 < found[45.0][0].last_ts
    only(found)


def test_what_is_taken_again_is_gone_and_leaves_nothing() -> None:
    taker = Person((10, 300, 166), (13, 160, 166), (14, 160, 166), (17, 20, 166), number=2)
    found = watch(film(bag(4.5, 13.5), (BRINGER, taker), end_s=30))
    assert found[12.0]
    assert not any(blobs for ts, blobs in found.items() if ts > 19)


def test_two_are_two() -> None:
    second = bag(12.0, box=(60, 180, 84, 200))
    found = watch(film(lambda image, t: second(bag(4.5)(image, t), t), (BRINGER,)))
    first, other = found[max(found)]
    assert first.id < other.id
    assert overlap(other.box, (60, 180, 84, 200)) > 0.7
    assert other.first_ts == pytest.approx(12, abs=0.6)


# --- what goes ----------------------------------------------------------------------------------


def test_what_goes_leaves_a_gap() -> None:
    blob = only(watch(film(bag(-1, 8.0))))
    assert not blob.appeared
    assert overlap(blob.box, (150, 150, 170, 164)) > 0.7
    assert blob.first_ts == pytest.approx(8, abs=0.6)


def test_a_gap_is_taken_for_the_view_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "KEEP_GONE_S", 20.0)
    found = watch(film(bag(-1, 8.0), end_s=45))
    assert [len(found[t]) for t in (20.0, 27.0, 30.0, 44.0)] == [1, 1, 0, 0]


def test_what_came_is_taken_for_the_view_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "KEEP_S", 20.0)
    found = watch(film(bag(4.5, 32.0), (BRINGER,), end_s=45))
    assert [len(found[t]) for t in (20.0, 24.0, 28.0)] == [1, 1, 0]
    # and when it is taken, it is missed
    assert [blob.appeared for blob in found[44.0]] == [False]


# --- what is neither ----------------------------------------------------------------------------


def shadow(image: Image, t: float) -> Image:
    if t >= 6:
        part = image[100:140, 100:180]
        image[100:140, 100:180] = (part * 0.65).astype(np.uint8)
    return image


def leaves(image: Image, t: float) -> Image:
    if t >= 3:
        shade = int(40 + 120 * np.random.default_rng(int(t * 4)).random())
        block(image, 150, 100, 30, 30, (shade, shade, shade))
    return image


def parked(image: Image, t: float) -> Image:
    return block(image, 100, 100, 80, 40, (200, 200, 200)) if t >= 6 else image


@pytest.mark.parametrize(
    ("paint", "people"),
    [
        pytest.param(nothing, (), id="noise"),
        pytest.param(nothing, (BRINGER, *PASSERS), id="people walk"),
        pytest.param(nothing, (Person((3, 100, 160), (25, 100, 160)),), id="stands"),
        pytest.param(nothing, (Person((0, 100, 160), (25, 100, 160)),), id="always stood"),
        pytest.param(shadow, (), id="shadow"),
        pytest.param(leaves, (), id="leaves"),
        pytest.param(
            nothing, (Person((0, 10, 180), (9, 300, 180), tracked=False),), id="nobody tracks her"
        ),
    ],
)
def test_nothing_was_left(paint: Painter, people: tuple[Person, ...]) -> None:
    found = watch(film(paint, people, end_s=34))
    assert not any(found.values())


def test_a_parked_car_that_is_tracked_is_no_bag() -> None:
    """It is remembered at its place also while the detector misses it."""
    box = np.array([100, 100, 180, 140], np.float32)
    path, sizes = np.array([[140, 140, 0]], np.float32), np.array([[80, 40]], np.float32)
    stage = Leftovers((WHOLE,), SIZE)
    for frame, _ in film(parked, end_s=30):
        seen = [Track(1, "car", 1, 1, 0, min(frame.ts, 9), box, path, sizes)]
        assert stage.update(frame, seen if frame.ts >= 6 else []).blobs == ()


def test_a_case_that_is_tracked_is_one() -> None:
    box = np.array([100, 100, 180, 140], np.float32)
    path, sizes = np.array([[140, 140, 0]], np.float32), np.array([[80, 40]], np.float32)
    stage = Leftovers((WHOLE,), SIZE)
    for frame, _ in film(parked, end_s=15):
        case = Track(1, "suitcase", 1, 1, 0, frame.ts, box, path, sizes)
        blobs = stage.update(frame, [case] if frame.ts >= 6 else []).blobs
    assert len(blobs) == 1


def test_a_bag_that_is_taken_for_a_person_hides_nothing() -> None:
    """The detector sees somebody in it, a third as tall as those who walk there."""
    box = np.array([148, 144, 172, 164], np.float32)
    path = np.array([[160, 164, 0], [160, 164, 1]], np.float32)
    sizes = np.array([[24, 20]] * 2, np.float32)
    walk = np.array([[10, 160, 0], [100, 160, 2]], np.float32)
    walker_box = np.array([88, 100, 112, 160], np.float32)
    walker = Track(1, "person", 1, 1, 0, 2, walker_box, walk, np.array([[24, 60]] * 2, np.float32))

    def blobs(*, walked: bool) -> tuple[Blob, ...]:
        stage = Leftovers((WHOLE,), SIZE)
        for frame, _ in film(bag(4), end_s=12):
            taken = Track(2, "person", 1, 1, 4, max(4, frame.ts), box, path, sizes)
            seen = [walker] if walked and frame.ts == 2 else []
            observations = stage.update(frame, [*seen, *([taken] if frame.ts >= 4 else [])])
        assert observations.things == (frozenset({2}) if walked else frozenset())
        return observations.blobs

    (blob,) = blobs(walked=True)
    assert blob.first_ts < 6
    # where nobody has walked it may be a child
    assert blobs(walked=False) == ()


def test_light_that_jumps_is_nothing() -> None:
    found = watch(
        film(nothing, end_s=30, light=lambda t: 1.0 if t < 10 else 0.5 if t < 20 else 1.5)
    )
    assert not any(found.values())


# --- where and when -----------------------------------------------------------------------------


def test_only_in_its_zone() -> None:
    zone = Zone("corner", np.array([(0.0, 120.0), (100.0, 120.0), (100.0, 240.0), (0.0, 240.0)]))
    stage = Leftovers((zone,), SIZE)
    inside, outside = bag(4, box=(50, 180, 66, 192)), bag(4, box=(106, 180, 122, 192))
    found = watch(film(lambda image, t: outside(inside(image, t), t)), stage)
    assert overlap(only(found).box, (50, 180, 66, 192)) > 0.7


def test_boxes_are_in_px_of_the_scene() -> None:
    stage = Leftovers((WHOLE,), SIZE)
    blob = only(watch(film(bag(4), times=2.0), stage))
    assert overlap(blob.box, (150, 150, 170, 164)) > 0.7


def test_a_large_picture_is_looked_at_smaller() -> None:
    large = Zone("large", WHOLE.polygon * 4)
    stage = Leftovers((large,), (1280, 960))
    blob = only(watch(film(bag(4, box=(150, 150, 170, 164)), times=4.0, end_s=10), stage))
    assert overlap(blob.box, (600, 600, 680, 656)) > 0.6
    planes = [value for value in vars(stage).values() if isinstance(value, np.ndarray)]
    assert planes
    assert all(plane.size <= 1.01 * leftovers.MAX_PIXELS for plane in planes)


def test_it_goes_on_after_a_gap_in_the_same_view() -> None:
    stage = Leftovers((WHOLE,), SIZE)
    before = only(watch(film(bag(4), end_s=10), stage))
    after = only(watch(film(bag(4), start_s=300, end_s=306), stage))
    assert (after.id, after.first_ts) == (before.id, before.first_ts)
    assert before.last_ts < 10 <= 300 <= after.last_ts


def test_it_begins_anew_in_another_view() -> None:
    stage = Leftovers((WHOLE,), SIZE)
    before = only(watch(film(bag(4), end_s=10), stage))

    def elsewhere(image: Image, t: float) -> Image:
        return bag(312)(image[::-1].copy(), t)

    found = watch(film(elsewhere, start_s=300, end_s=325), stage)
    late = {ts: blobs for ts, blobs in found.items() if ts > 305}
    assert not any(blobs for ts, blobs in late.items() if ts < 314)
    assert only(late).id > before.id


def test_reset_forgets_all_but_its_numbers() -> None:
    stage = Leftovers((WHOLE,), SIZE)
    before = only(watch(film(bag(4), end_s=10), stage))
    stage.reset()
    assert stage.observations.blobs == ()
    # what is there when it begins belongs to the view
    another = bag(30, box=(50, 50, 70, 64))
    found = watch(film(lambda image, t: another(bag(-1)(image, t), t), start_s=20, end_s=40), stage)
    assert not any(blobs for ts, blobs in found.items() if ts < 32)
    assert only(found).id > before.id


def test_what_came_before_the_view_was_known_is_part_of_it() -> None:
    assert not any(watch(film(bag(LEARN_S / 2))).values())


def test_blobs_are_told_between_looks_as_well() -> None:
    found = watch(film(bag(4), fps=25, end_s=9))
    known = [len(blobs) for ts, blobs in found.items() if ts > 8]
    assert set(known) == {1}
