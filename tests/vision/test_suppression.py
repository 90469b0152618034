"""Which boxes stay: against the loop that says what greedy suppression is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vision.geometry import areas, intersections
from vision.suppression import Limits, staying, survivors

LIMITS: tuple[Limits, ...] = ((0.5, 0.75), (0.3, None))
OTHERWISE: Limits = (0.6, None)


def one_by_one(xyxy: NDArray[np.float32], group: NDArray[np.int32]) -> list[int]:
    """The best box that is left stays, and removes those that overlap it too far."""
    common, area = intersections(xyxy, xyxy), areas(xyxy)
    overlap = common / (area[:, None] + area[None, :] - common)
    inside = common / np.minimum(area[:, None], area[None, :])
    alive, kept = np.ones(len(xyxy), np.bool_), []
    for i in range(len(xyxy)):
        if alive[i]:
            kept.append(i)
            iou, containment = LIMITS[group[i]] if group[i] < len(LIMITS) else OTHERWISE
            rival = overlap[i] > iou
            if containment is not None:
                rival |= inside[i] > containment
            alive &= ~(rival & (group == group[i]))
    return kept


@st.composite
def crowded(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Up to 40 boxes about a few places, as a model has them, in up to 5 groups."""
    n, places = draw(st.integers(0, 40)), draw(st.integers(1, 6))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    at = random.integers(0, places, n)
    centre = random.uniform(0, 100, (places, 2))[at] + random.normal(0, 8, (n, 2))
    half = random.uniform(2, 30, (places, 2))[at] * random.uniform(0.3, 1.2, (n, 2))
    if draw(st.booleans()):
        # whole px: equal boxes, and overlaps that are just at a limit
        centre, half = np.round(centre), np.maximum(np.round(half), 1)
    boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    return boxes, random.integers(0, draw(st.integers(1, 5)), n).astype(np.int32)


@given(crowded())
def test_all_at_once_is_what_one_by_one_is(
    boxes: tuple[NDArray[np.float32], NDArray[np.int32]],
) -> None:
    assert survivors(*boxes, LIMITS, OTHERWISE).tolist() == one_by_one(*boxes)


@pytest.mark.parametrize("seed", range(3))
def test_hundreds_of_boxes(seed: int) -> None:
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 200, (300, 2))
    boxes = np.concatenate([corner, corner + random.uniform(5, 60, (300, 2))], axis=1)
    xyxy, group = boxes.astype(np.float32), random.integers(0, 3, 300).astype(np.int32)
    left = survivors(xyxy, group, LIMITS, OTHERWISE).tolist()
    assert left == one_by_one(xyxy, group)
    assert 10 < len(left) < 290


CHAINS = [
    ("nobody", 0, [], []),
    ("each would remove the next", 5, [(0, 1), (1, 2), (2, 3), (3, 4)], [0, 2, 4]),
    ("one removes all", 4, [(0, 1), (0, 2), (0, 3), (1, 2)], [0]),
    ("what is gone removes nothing", 4, [(0, 1), (1, 2), (1, 3)], [0, 2, 3]),
    ("two who remove one", 3, [(0, 2), (1, 2)], [0, 1]),
    ("alone", 3, [], [0, 1, 2]),
]


@pytest.mark.parametrize(
    ("n", "pairs", "left"), [c[1:] for c in CHAINS], ids=[c[0] for c in CHAINS]
)
def test_chains(n: int, pairs: list[tuple[int, int]], left: list[int]) -> None:
    removes = np.zeros((n, n), np.bool_)
    for one, other in pairs:
        removes[one, other] = True
    assert np.flatnonzero(staying(removes)).tolist() == left
