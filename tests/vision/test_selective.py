"""When a picture that shows something else makes the empty view begin anew."""

from __future__ import annotations

import numpy as np
import pytest

from vision.background import Planes
from vision.selective import STRANGE_S, SelectiveView

SIZE = 60, 80


def planes(seed: int) -> Planes:
    rng = np.random.default_rng(seed)
    luma, blue, red = (rng.integers(60, 200, SIZE, dtype=np.uint8) for _ in range(3))
    return luma, blue, red


@pytest.mark.parametrize(("strange_s", "kept"), [(STRANGE_S, True), (STRANGE_S + 0.5, False)])
def test_only_what_is_strange_for_long_makes_it_begin_anew(strange_s: float, kept: bool) -> None:
    view, free = SelectiveView(SIZE), np.ones(SIZE, np.bool_)
    looks = round(2 * strange_s)
    shown = [planes(0)] * 20 + [planes(1)] * (looks - 1)
    for look, each in enumerate(shown):
        view.update(each, free, look / 2)
    assert (view.since_ts == 0.0) == kept
