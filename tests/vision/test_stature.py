"""How tall people are where, and what is no person."""

from __future__ import annotations

import numpy as np
import pytest

from vision.stature import BANDS, FALL, MIN_AGE_S, NEAREST_BANDS, SMALL, Statures
from vision.types import Track

SIZE = (640, 480)
BAND_PX = SIZE[1] / BANDS
TALL_PX = 80.0


def track(
    number: int,
    *,
    tall: float = TALL_PX,
    x: float = 300.0,
    y: float = 250.0,
    moved: float = 0.0,
    age: float = 10.0,
    seen: float = 0.0,
    name: str = "person",
) -> Track:
    """One at ``y`` at second 10 - ``seen``, who came ``moved`` px from the left."""
    box = np.array([x - 12, y - tall, x + 12, y], np.float32)
    path = np.array([[x - moved, y, 0], [x, y, age - seen]], np.float32)
    sizes = np.array([[24, tall]] * 2, np.float32)
    return Track(number, name, 1.0, 0.9, 10.0 - age, 10.0 - seen, box, path, sizes)


def things(*tracks: Track, walkers: tuple[Track, ...] = (track(1, moved=200.0),)) -> frozenset[int]:
    statures = Statures(SIZE)
    statures.update(walkers, 10.0)
    return statures.update(tracks, 10.0)


@pytest.mark.parametrize(
    ("seen", "thing"),
    [
        pytest.param(track(2, tall=20), True, id="a bag"),
        pytest.param(track(2, tall=SMALL * TALL_PX + 1), False, id="somebody who sits"),
        pytest.param(track(2), False, id="somebody who stands"),
        pytest.param(track(2, tall=20, moved=30), True, id="a box that jumped"),
        pytest.param(track(2, tall=20, moved=60), False, id="a dog that came"),
        pytest.param(track(2, tall=20, age=MIN_AGE_S / 2), False, id="just seen"),
        pytest.param(track(2, tall=20, name="car"), False, id="no person to the detector"),
        pytest.param(
            track(2, tall=20, y=250 + (NEAREST_BANDS + 1) * BAND_PX), False, id="nobody walked near"
        ),
        pytest.param(track(2, tall=20, y=250 + NEAREST_BANDS * BAND_PX), True, id="walked nearby"),
    ],
)
def test_what_is_a_thing(seen: Track, thing: bool) -> None:
    assert things(seen) == (frozenset({2}) if thing else frozenset())


@pytest.mark.parametrize(
    "walkers",
    [
        pytest.param((), id="nobody"),
        pytest.param((track(1),), id="who stands"),
        pytest.param((track(1, moved=200, seen=1),), id="who is out of sight"),
        pytest.param((track(1, moved=200, name="car"),), id="no person"),
        pytest.param((track(1, tall=30, moved=200),), id="a child"),
    ],
)
def test_from_whom_nothing_is_learnt(walkers: tuple[Track, ...]) -> None:
    assert things(track(2, tall=20), walkers=walkers) == frozenset()


def test_people_of_whom_a_part_is_hidden_make_nobody_smaller() -> None:
    statures = Statures(SIZE)
    tall, half = track(1, moved=200), track(3, tall=TALL_PX / 2, moved=200)
    limit = SMALL * TALL_PX
    for _ in range(30):
        for walker in (tall, half, half):
            statures.update((walker,), 10.0)
    # two of three are cut in half; a mean would be at two thirds
    assert statures.update((track(2, tall=0.8 * limit),), 10.0)
    for _ in range(round(4 / FALL)):
        statures.update((half,), 10.0)
    assert not statures.update((track(2, tall=0.8 * limit),), 10.0)


def test_another_view_knows_nobody() -> None:
    statures = Statures(SIZE)
    statures.update((track(1, moved=200),), 10.0)
    assert statures.update((track(2, tall=20),), 10.0)
    statures.reset()
    assert not statures.update((track(2, tall=20),), 10.0)
