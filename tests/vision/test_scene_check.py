"""Warnings about scenes that are valid and cannot work; none about sensible ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.scene import Line, Region, RuleConfig, Scene, Zone
from vision.scene_check import check_scene

WATCH = RuleConfig("watch", "intrusion", "zone", ("person",), None)
YARD = [[200, 100], [400, 100], [400, 200], [200, 200]]


def line(*points: list[float], name: str = "line") -> Line:
    return Line(name, np.array(points, np.float64))


def with_lines(size: tuple[int, int], *lines: Line) -> list[str]:
    return check_scene(Scene(size, lines=lines))


def with_zone(polygon: Sequence[Sequence[float]], *rules: RuleConfig) -> list[str]:
    zone = Zone("zone", np.array(polygon, np.float64))
    return check_scene(Scene((640, 352), zones=(zone,), rules=rules))


@pytest.mark.parametrize(
    ("size", "points"),
    [
        ((768, 576), [[560, 0], [560, 575]]),  # across the whole height
        ((640, 352), [[200, 260], [639, 260]]),  # across a road, low in the picture
        ((768, 432), [[0, 216], [767, 216]]),  # across the middle
        ((640, 352), [[0, 330], [640, 330]]),  # low, yet a foot point gets past it
        ((640, 352), [[0, 30], [640, 30]]),  # far away, near the top
        ((640, 352), [[10, 0], [10, 352]]),  # near a side
        ((640, 352), [[0, 352], [640, 300]]),  # touches the bottom edge with one end
        ((1920, 1080), [[0, 0], [1920, 1080]]),  # corner to corner
        ((1920, 1080), [[900, 200], [960, 200]]),  # one far lane
    ],
)
def test_a_sensible_line_has_no_warning(size: tuple[int, int], points: list[list[float]]) -> None:
    assert with_lines(size, line(*points)) == []
    assert with_lines(size, line(*points[::-1])) == []


@pytest.mark.parametrize(
    ("points", "edge", "px"),
    [
        ([[0, 352], [640, 352]], "bottom", 12),
        ([[0, 346], [640, 351]], "bottom", 12),
        ([[0, 0], [640, 0]], "top", 19),
        ([[100, 2], [500, 18]], "top", 19),
        ([[0, 0], [0, 352]], "left", 6),
        ([[640, 10], [637, 300]], "right", 6),
    ],
)
def test_a_line_along_an_edge_cannot_count(points: list[list[float]], edge: str, px: int) -> None:
    (warning,) = with_lines((640, 352), line(*points))
    assert warning.startswith(f"line 'line' runs along the {edge} edge of the picture, where ")
    assert warning.endswith(f": move it at least {px} px away from that edge")


@given(scale=st.integers(1, 12), y=st.integers(0, 176), x=st.integers(0, 320))
def test_thresholds_follow_the_picture(scale: int, y: int, x: int) -> None:
    def texts(times: int) -> list[str]:
        found = with_lines((320 * times, 176 * times), line([0, y * times], [x * times, y * times]))
        return [text.split(",")[0].split(" is ")[0] for text in found]

    assert texts(scale) == texts(1)


def test_a_line_shorter_than_an_object_is_wide() -> None:
    (warning,) = with_lines((640, 352), line([300, 200], [306, 208]))
    assert warning == (
        "line 'line' is 10 px long, shorter than an object is wide, so most objects pass beside "
        "it: draw it across the whole way, at least 15 px"
    )


@pytest.mark.parametrize("second", [[[9, 200], [600, 220]], [[600, 220], [10, 201]]])
def test_two_lines_on_one_place(second: list[list[float]]) -> None:
    first = line([9, 200], [600, 220], name="a")
    (warning,) = with_lines((640, 352), first, line(*second, name="b"))
    assert warning.startswith("lines 'a' and 'b' lie on each other, so that everything is counted")
    assert with_lines((640, 352), first, line([9, 210], [600, 230], name="b")) == []


def test_zones() -> None:
    assert with_zone(YARD, WATCH) == []
    assert with_zone([[0, 0], [640, 0], [640, 352], [0, 352]], WATCH) == []
    assert with_zone([[100, 340], [400, 340], [400, 352], [100, 352]], WATCH) == []
    assert with_zone(YARD) == [
        "zone 'zone' is watched by no rule: add a rule with it or remove the zone"
    ]
    assert with_zone([[0, 0], [640, 0], [640, 15]], WATCH) == [
        (
            "zone 'zone' lies along the top edge of the picture, where the feet of a whole object "
            "never come: extend it down to y = 18 px or further"
        )
    ]
    for narrow in (
        [[100, 100], [104, 100], [104, 104], [100, 104]],
        [[0, 100], [640, 100], [640, 105], [0, 105]],
    ):
        assert with_zone(narrow, WATCH) == [
            (
                "zone 'zone' is so narrow that a walker is through between two samples: make it at "
                "least 6 px wide and high"
            )
        ]


def test_a_rule_without_classes_never_fires() -> None:
    zone = Zone("zone", np.array(YARD, np.float64))
    rule = RuleConfig("watch", "intrusion", "zone", (), None)
    (warning,) = check_scene(Scene((640, 352), ("car", "bus"), zones=(zone,), rules=(rule,)))
    assert warning.startswith("rule 'watch' can never fire, because its kind 'intrusion' looks at")
    assert "none of the scene's classes (car, bus): add one that it looks at" in warning


def test_an_empty_scene_does_nothing() -> None:
    assert check_scene(Scene((640, 352))) == [
        "the scene draws no line and no zone, so nothing is counted or watched: draw one"
    ]


def in_region(region: Region, *, points: Sequence[Sequence[float]], size: tuple[int, int]) -> str:
    scene = Scene(size, lines=(line(*map(list, points)),), region=region)
    return " | ".join(check_scene(scene))


FAR_LINE = [[200, 100], [440, 100]]


@pytest.mark.parametrize(
    ("region", "warning"),
    [
        (None, ""),
        ("auto", ""),
        ((120, 40, 400, 120), ""),
        # along a border of the picture it is not the region that cuts off
        ((200, 40, 240, 120), ""),
        ((0, 0, 640, 120), ""),
        ((220, 40, 400, 120), "reaches beyond the region"),
        ((120, 40, 300, 120), "reaches beyond the region"),
        ((120, 110, 400, 120), "reaches beyond the region"),
        ((120, 0, 400, 95), "reaches beyond the region"),
        ((120, 82, 400, 120), "upper border of the region"),
        ((120, 40, 400, 67), "lower border of the region"),
        ((0, 0, 640, 352), "the region is the whole picture"),
    ],
)
def test_a_line_and_the_region(region: Region, warning: str) -> None:
    found = in_region(region, points=FAR_LINE, size=(640, 352))
    assert warning in found
    assert bool(found) == bool(warning)


@pytest.mark.parametrize(
    ("region", "points", "border", "px"),
    [
        ((300, 40, 200, 200), [[303, 80], [301, 160]], "left", 6),
        ((300, 40, 200, 200), [[497, 80], [499, 160]], "right", 6),
        ((0, 40, 640, 200), [[200, 43], [400, 45]], "upper", 19),
        ((0, 40, 640, 200), [[200, 236], [400, 236]], "lower", 8),
    ],
)
def test_a_line_along_a_border_of_the_region_says_how_far(
    region: Region, points: list[list[float]], border: str, px: int
) -> None:
    assert in_region(region, points=points, size=(640, 352)) == (
        f"line 'line' runs along the {border} border of the region, where objects are cut off: "
        f"move that border at least {px} px away from it"
    )


def test_a_zone_and_the_region() -> None:
    zone = Zone("zone", np.array(YARD, np.float64))

    def found(region: Region) -> list[str]:
        return check_scene(Scene((640, 352), zones=(zone,), rules=(WATCH,), region=region))

    assert found((150, 40, 300, 200)) == []
    assert found((200, 50, 200, 150)) == [], "it may touch the borders"
    assert found((150, 40, 300, 150)) == [
        (
            "zone 'zone' reaches beyond the region, where nothing is found: make the region "
            "larger, or write 'region: auto'"
        )
    ]


def test_an_automatic_region_that_leaves_nothing_out() -> None:
    assert in_region("auto", points=[[30, 60], [600, 330]], size=(640, 352)) == (
        "the region around all lines and zones is nearly the whole picture, so all of it is "
        "analysed: remove 'region'"
    )
