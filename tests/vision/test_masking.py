"""What is hidden of a picture, and how well: heads and plates, over time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.masking import BLOCKS, CARRY_S, GAP_S, LEVELS, Masking, Sight, pixelate
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


def test_a_box_that_nobody_follows_is_hidden_for_a_moment() -> None:
    seen = [sight(0.0), sight(0.5, (-1, "person", BOX), (-1, "person", (0.7, 0.3, 0.8, 0.7)))]
    masking = Masking([*seen, sight(1.0)])
    for ts in (0.3, 0.5, 0.7):
        assert hides(masking.regions(ts, SIZE), 0.45, 0.35)
        assert hides(masking.regions(ts, SIZE), 0.75, 0.35)
    assert len(masking.regions(0.1, SIZE)) == len(masking.regions(0.9, SIZE)) == 0


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
