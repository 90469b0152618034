"""A path keeps the newest points, in order, in bounded memory, and what it gave stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.paths import Path
from vision.types import FloatArray


def point(number: int) -> FloatArray:
    return np.array([number, -number, number / 10, 40, 80], np.float32)


def grown(limit: int, count: int) -> Path:
    path = Path(limit)
    for number in range(count):
        path.add(point(number))
    return path


@given(limit=st.integers(1, 80), count=st.integers(1, 400))
def test_the_newest_points_in_order_and_no_more_than_the_limit(limit: int, count: int) -> None:
    view = grown(limit, count).view()
    assert view.shape[1] == 5
    assert len(view) <= limit
    # all of a short one, and of a long one at least three quarters of the limit
    assert len(view) >= min(count, limit - limit // 4)
    expected = np.stack([point(number) for number in range(count - len(view), count)])
    np.testing.assert_array_equal(view, expected)


def test_a_new_path_is_empty() -> None:
    assert Path(10).view().shape == (0, 5)


@given(
    limit=st.integers(1, 50),
    looks=st.lists(st.integers(0, 40), min_size=1, max_size=20),
)
def test_what_was_handed_out_never_changes(limit: int, looks: list[int]) -> None:
    path, number = Path(limit), 0
    kept: list[tuple[FloatArray, FloatArray]] = []
    for more in looks:
        for number in range(number, number + more):  # noqa: B020
            path.add(point(number))
        kept.append((path.view(), path.view().copy()))
    for view, copy in kept:
        np.testing.assert_array_equal(view, copy)


@pytest.mark.parametrize("limit", [1, 8, 100, 1024])
def test_memory_is_bounded(limit: int) -> None:
    path = Path(limit)
    most = 0
    for number in range(5 * limit + 200):
        path.add(point(number))
        base = path.view().base
        assert base is not None
        most = max(most, len(base))
    assert most <= max(32, 2 * limit)
