"""A camera of several views: a line is watched while its view is seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vision.bins import Binner, Interval
from vision.scene import Line

POINTS = np.array([[0.0, 0.0], [10.0, 0.0]])
VIEWS = {"gate": "", "pier": "harbour"}


def seen(binner: Binner, until: int, views: Callable[[int], str | None]) -> Interval:
    """The first minute of a camera that shows ``views`` at each second."""
    for second in range(until):
        binner.update(float(second), (), view=views(second))
    (first, *_) = binner.unstated()
    return first


def two_views() -> Binner:
    lines = [Line(name, POINTS, "in", "out") for name in VIEWS]
    return Binner("cam", lines, ("car",), 1, views=VIEWS)


@pytest.mark.parametrize(
    ("views", "total", "gate", "pier", "blind"),
    [
        pytest.param(lambda _: "", 59.0, 59.0, 0.0, 0.0, id="at home"),
        pytest.param(lambda _: None, 0.0, 0.0, 0.0, 59.0, id="nothing to be trusted"),
        # 20 to 40 s elsewhere: the seconds before the first picture of a view are nobody's
        pytest.param(
            lambda s: "harbour" if 20 <= s < 40 else "", 57.0, 38.0, 19.0, 0.0, id="two views"
        ),
        # up to its first picture that shows nothing, and on to the first one that shows it again
        pytest.param(lambda s: None if 20 <= s < 40 else "", 38.0, 38.0, 0.0, 21.0, id="moved"),
        # less than a gap that tracks are followed through
        pytest.param(lambda s: None if s == 20 else "", 57.0, 57.0, 0.0, 2.0, id="for a moment"),
        # it turns: what is on the way shows neither
        pytest.param(
            lambda s: None if s == 20 else "harbour" if s > 20 else "",
            57.0,
            19.0,
            38.0,
            2.0,
            id="turned",
        ),
    ],
)
def test_a_line_is_watched_while_its_view_is_seen(
    views: Callable[[int], str | None],
    total: float,
    gate: float,
    pier: float,
    blind: float,
) -> None:
    first = seen(two_views(), 60, views)
    assert (first.observed_s, first.blind_s) == (total, blind)
    assert bool(first.frames) is bool(total)
    assert first.observed == {"gate": gate, "pier": pier}
    assert {(each.line, each.observed_s) for each in first.bins()} == {
        ("gate", gate),
        ("pier", pier),
    }
    again = Binner.revived("cam", json.loads(json.dumps(two_views().state())))
    assert again.state() == two_views().state()


def test_what_an_earlier_version_kept_of_a_minute_is_read() -> None:
    kept: Any = two_views().state() | {
        "intervals": [
            {
                "start": 0,
                "observed_s": 12.5,
                "frames": 3,
                "version": 1,
                "changed": True,
                "counts": [],
            }
        ]
    }
    del kept["views"]
    (first,) = Binner.revived("cam", kept).unstated()
    assert (first.observed_s, first.observed) == (12.5, {})
