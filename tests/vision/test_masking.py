"""What is hidden of a picture, and how well: heads and plates, over time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vision.bystanders import Part
from vision.masking import (
    BLOCKS,
    CARRY_S,
    END_S,
    GAP_S,
    LEVELS,
    LOOSE_S,
    Masking,
    Sight,
    pixelate,
)
from vision.types import Image, IntArray

SIZE = (640, 480)
BOX = (0.4, 0.3, 0.5, 0.7)
"""64 x 192 px."""


def sight(ts: float, *boxes: tuple[int, str, tuple[float, ...]], complete: bool = True) -> Sight:
    return Sight(
        ts,
        complete,
        tuple(number for number, _, _ in boxes),
        tuple(name for _, name, _ in boxes),
        np.array([box for _, _, box in boxes], np.float32).reshape(-1, 4),
    )


def film(
    times: list[float], name: str = "person", box: tuple[float, ...] = BOX, step: float = 0.0
) -> list[Sight]:
    """One who goes ``step`` of the picture's width to the right each second."""
    return [
        sight(ts, (1, name, (box[0] + step * ts, box[1], box[2] + step * ts, box[3])))
        for ts in times
    ]


def hides(regions: IntArray, x: float, y: float) -> bool:
    """Whether a place, in shares of the picture, is hidden."""
    px, py = x * SIZE[0], y * SIZE[1]
    return any(x1 <= px < x2 and y1 <= py < y2 for x1, y1, x2, y2 in regions.tolist())


def is_whole(regions: IntArray) -> bool:
    return [0, 0, *SIZE] in regions.tolist()


def test_of_a_person_the_head_is_hidden_and_the_feet_are_not() -> None:
    regions = Masking(film([0.0, 0.2])).regions(0.1, SIZE)
    assert hides(regions, 0.45, 0.31)
    assert hides(regions, 0.45, 0.29)
    assert hides(regions, 0.395, 0.35)
    assert not hides(regions, 0.45, 0.65)


def test_of_a_vehicle_the_plate_is_hidden_and_the_roof_is_not() -> None:
    regions = Masking(film([0.0, 0.2], "car", (0.2, 0.3, 0.6, 0.7))).regions(0.1, SIZE)
    assert hides(regions, 0.21, 0.69)
    assert hides(regions, 0.59, 0.55)
    assert not hides(regions, 0.4, 0.35)


@pytest.mark.parametrize("name", ["bicycle", "motorcycle"])
def test_of_who_rides_head_and_plate_are_hidden(name: str) -> None:
    regions = Masking(film([0.0, 0.2], name, (0.2, 0.5, 0.4, 0.7))).regions(0.1, SIZE)
    assert hides(regions, 0.3, 0.4)
    assert hides(regions, 0.3, 0.69)


def test_what_is_small_or_only_moves_is_hidden_whole() -> None:
    small = (0.4, 0.4, 0.43, 0.48)
    for name in ("person", "car", "bicycle"):
        regions = Masking(film([0.0, 0.2], name, small)).regions(0.1, SIZE)
        assert hides(regions, 0.415, 0.405)
        assert hides(regions, 0.415, 0.475)
    assert hides(Masking(film([0.0], "moving")).regions(0.0, SIZE), 0.45, 0.65)
    assert len(Masking(film([0.0], "suitcase")).regions(0.0, SIZE)) == 0


def test_who_was_taken_for_several_things_is_hidden_as_each() -> None:
    seen = [sight(0.0, (1, "person", BOX)), sight(0.2, (1, "car", BOX))]
    regions = Masking(seen).regions(0.1, SIZE)
    assert hides(regions, 0.45, 0.31)
    assert hides(regions, 0.45, 0.69)


def test_between_two_pictures_a_box_is_on_its_way() -> None:
    masking = Masking(film([0.0, 0.5], step=0.4))
    assert hides(masking.regions(0.25, SIZE), 0.55, 0.35)
    assert not hides(masking.regions(0.25, SIZE), 0.41, 0.35)


def test_a_box_is_carried_on_and_not_for_ever() -> None:
    empty = [sight(round(0.2 * i, 1)) for i in range(50)]
    masking = Masking([*film([4.0, 4.2]), *(each for each in empty if each.ts not in (4.0, 4.2))])
    for ts in (4.0 - CARRY_S + 0.01, 4.2 + CARRY_S - 0.01):
        assert hides(masking.regions(ts, SIZE), 0.45, 0.35)
    for ts in (4.0 - CARRY_S - 0.1, 4.2 + CARRY_S + 0.1):
        assert len(masking.regions(ts, SIZE)) == 0


@pytest.mark.parametrize("step", [0.2, 0.5, GAP_S])
def test_a_box_that_nobody_follows_is_hidden_from_look_to_look(step: float) -> None:
    seen = [sight(step * i) for i in range(12)]
    boxes = (-1, "person", BOX), (-1, "person", (0.7, 0.3, 0.8, 0.7))
    masking = Masking([*seen[:5], sight(step * 5, *boxes), *seen[6:]])
    first, last = 5 * step - max(step, LOOSE_S), 5 * step + max(step, LOOSE_S)
    for ts in (first + 0.01, 5 * step, last - 0.01):
        assert not hides(masking.regions(ts, SIZE), 0.1, 0.9)
        assert hides(masking.regions(ts, SIZE), 0.45, 0.35)
        assert hides(masking.regions(ts, SIZE), 0.75, 0.35)
    for ts in (first - 0.01, last + 0.01):
        assert len(masking.regions(ts, SIZE)) == 0


def test_a_box_that_nobody_follows_ends_with_what_is_known() -> None:
    masking = Masking([sight(0.0, (-1, "person", BOX))])
    assert hides(masking.regions(END_S, SIZE), 0.45, 0.35)
    assert hides(masking.regions(-END_S, SIZE), 0.45, 0.35)
    assert not is_whole(masking.regions(END_S, SIZE))
    assert is_whole(masking.regions(END_S + 0.01, SIZE))


@pytest.mark.parametrize("fps", [1, 2, 5])
@pytest.mark.parametrize("missed", [False, True])
def test_who_walks_from_look_to_look_is_hidden_on_the_way(fps: int, missed: bool) -> None:
    """1.36 m/s to the right, 1.7 m tall, three times as high as wide, where every look sees who it
    is or each second one does."""
    speed = 0.8 * 0.4 * SIZE[1] / SIZE[0]

    def box(ts: float) -> tuple[float, ...]:
        return BOX[0] + speed * ts - 0.2, BOX[1], BOX[2] + speed * ts - 0.2, BOX[3]

    looks = [i / fps for i in range(3 * fps + 1)]
    masking = Masking(
        sight(ts, *([(-1, "person", box(ts))] if i % 2 == 0 or not missed else []))
        for i, ts in enumerate(looks)
    )
    for ts in np.linspace(0, 2.0, 81).tolist():
        x1, y1, x2, y2 = box(ts)
        for x in (x1 + 0.3 * (x2 - x1), x1 + 0.7 * (x2 - x1)):
            assert hides(masking.regions(ts, SIZE), x, y1 + 0.001), ts
            assert hides(masking.regions(ts, SIZE), x, y1 + 0.15 * (y2 - y1)), ts


@pytest.mark.parametrize("name", ["person", "car"])
def test_who_is_still_there_needs_no_more_room(name: str) -> None:
    """And who is not may have gone anywhere."""

    def at(later: tuple[int, str, tuple[float, ...]]) -> int:
        masking = Masking([sight(0.0, (-1, name, BOX)), sight(0.8, later)])
        return int((~shown(masking.regions(0.4, SIZE))).sum())

    near = (BOX[0] + 0.02, BOX[1], BOX[2] + 0.02, BOX[3])
    still = at((-1, name, BOX))
    assert still == (~shown(Masking([sight(0.0, (-1, name, BOX))]).regions(0.0, SIZE))).sum()
    assert still < at((-1, name, near)) < 1.5 * still
    assert at((-1, name, near)) < at((7, name, near)) + still
    for gone in ((-1, "bus", near), (-1, name, (0.8, 0.8, 0.81, 0.81))):
        assert at(gone) > 2 * still


REGION = (0.25, 0.25, 0.75, 0.9)


def looked(ts: float, within: Part | None, complete: bool = True) -> Sight:
    return Sight(ts, complete, (), (), np.zeros((0, 4), np.float32), within)


def shown(regions: IntArray, size: tuple[int, int] = SIZE) -> NDArray[np.bool_]:
    """(h, w): which pixels are not hidden."""
    there = np.ones(size[::-1], np.bool_)
    for x1, y1, x2, y2 in regions.tolist():
        there[y1:y2, x1:x2] = False
    return there


@pytest.mark.parametrize("size", [SIZE, (1280, 720), (317, 211)])
def test_what_was_not_looked_at_is_hidden(size: tuple[int, int]) -> None:
    there = shown(Masking([looked(0.0, REGION), looked(0.5, REGION)]).regions(0.2, size), size)
    w, h = size
    x1, y1, x2, y2 = REGION[0] * w, REGION[1] * h, REGION[2] * w, REGION[3] * h
    inner = there[int(y1) + 1 : int(y2), int(x1) + 1 : int(x2)]
    assert inner.all()
    assert there.sum() == (np.floor(y2) - np.ceil(y1)) * (np.floor(x2) - np.ceil(x1))


def test_a_look_at_all_of_the_picture_hides_nothing() -> None:
    for within in (None, (0.0, 0.0, 1.0, 1.0)):
        assert len(Masking([looked(0.0, within)]).regions(0.1, SIZE)) == 0


def test_what_one_of_the_neighbours_did_not_look_at_is_hidden() -> None:
    left, right = (0.0, 0.0, 0.6, 1.0), (0.4, 0.0, 1.0, 1.0)
    masking = Masking([looked(0.0, left), looked(0.5, right), looked(1.0, None)])
    at = {ts: shown(masking.regions(ts, SIZE)).mean() for ts in (-0.1, 0.0, 0.2, 0.5, 0.7, 1.1)}
    assert at == pytest.approx({-0.1: 0.6, 0.0: 0.6, 0.2: 0.2, 0.5: 0.6, 0.7: 0.6, 1.1: 1.0})


@pytest.mark.parametrize("complete", [True, False])
def test_around_a_picture_that_nobody_looked_at_all_is_hidden(complete: bool) -> None:
    masking = Masking([looked(0.0, None), looked(0.2, (0, 0, 0, 0), complete), looked(0.4, None)])
    for ts in (0.01, 0.2, 0.39):
        assert is_whole(masking.regions(ts, SIZE))
    for ts in (0.0, 0.4):
        assert len(masking.regions(ts, SIZE)) == 0


def test_where_a_track_was_before_says_nothing_of_where_was_looked() -> None:
    past = sight(0.1, (1, "person", (0.4, 0.4, 0.5, 0.6)), complete=False)
    masking = Masking([looked(0.0, REGION), past, looked(0.2, REGION)])
    assert not shown(masking.regions(0.1, SIZE))[:, : SIZE[0] // 4].any()


def test_where_nobody_knows_who_was_there_all_is_hidden() -> None:
    gap = [sight(0.0), sight(GAP_S), sight(2.1 * GAP_S)]
    assert not is_whole(Masking(gap).regions(0.5 * GAP_S, SIZE))
    assert is_whole(Masking(gap).regions(1.5 * GAP_S, SIZE))
    assert is_whole(Masking(gap).regions(-0.6 * GAP_S, SIZE))
    assert is_whole(Masking(gap).regions(2.7 * GAP_S, SIZE))
    assert is_whole(Masking([]).regions(0.0, SIZE))
    untrusted = [sight(0.0), sight(0.6, complete=False), sight(1.2)]
    assert is_whole(Masking(untrusted).regions(0.6, SIZE))


boxes = st.tuples(
    st.floats(-0.2, 1.1), st.floats(-0.2, 1.1), st.floats(0.001, 1.2), st.floats(0.001, 1.2)
).map(lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3]))
names = st.sampled_from(["person", "car", "bicycle", "moving", "chair"])
sights = st.lists(
    st.builds(
        lambda ts, found, complete: sight(ts, *found, complete=complete),
        st.floats(0, 5),
        st.lists(st.tuples(st.integers(-1, 3), names, boxes), max_size=4),
        st.booleans(),
    ),
    max_size=12,
)


@given(sights, st.floats(-2, 7), st.tuples(st.integers(1, 700), st.integers(1, 700)))
def test_whatever_was_seen_the_regions_lie_in_the_picture(
    seen: list[Sight], ts: float, size: tuple[int, int]
) -> None:
    regions = Masking(seen).regions(ts, size)
    assert regions.dtype == np.int32
    assert (regions[:, :2] >= 0).all()
    assert (regions[:, 2:] > regions[:, :2]).all()
    assert (regions[:, 2:] <= size).all()


@given(boxes, st.floats(0, 1))
def test_the_top_of_every_known_person_is_hidden(box: tuple[float, ...], share: float) -> None:
    masking = Masking(film([0.0, 1.0], "person", box))
    x, y = box[0] + share * (box[2] - box[0]), box[1] + 0.15 * (box[3] - box[1])
    if 0 <= x < 1 and 0 <= y < 1:
        assert hides(masking.regions(0.5, SIZE), x, y)


def noise(w: int, h: int) -> Image:
    return np.random.default_rng(3).integers(0, 256, (h, w, 3), np.uint8)


@given(st.integers(1, 90), st.integers(1, 90))
def test_blocks_are_few_and_say_their_mean_alone(w: int, h: int) -> None:
    image = noise(100, 100)
    made = pixelate(image, np.array([[5, 7, 5 + w, 7 + h]], np.int32))
    part, before = made[7 : 7 + h, 5 : 5 + w], image[7 : 7 + h, 5 : 5 + w]
    assert 1 + (np.abs(np.diff(part.astype(int), axis=0)).sum(axis=(1, 2)) > 0).sum() <= BLOCKS
    assert 1 + (np.abs(np.diff(part.astype(int), axis=1)).sum(axis=(0, 2)) > 0).sum() <= BLOCKS
    assert len(np.unique(part)) <= LEVELS
    assert np.abs(part.mean(axis=(0, 1)) - before.mean(axis=(0, 1))).max() <= 256 / LEVELS
    rest = np.ones((100, 100), bool)
    rest[7 : 7 + h, 5 : 5 + w] = False
    assert (made[rest] == image[rest]).all()


def test_the_picture_that_is_masked_stays_as_it_was() -> None:
    image = noise(40, 30)
    before = image.copy()
    made = pixelate(image, np.array([[0, 0, 40, 30]], np.int32))
    assert (image == before).all()
    assert (made != before).any()
    assert (pixelate(image, np.zeros((0, 4), np.int32)) == image).all()
