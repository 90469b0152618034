"""A scene and the streams that show it: scaling, another shape, finding by name."""

from __future__ import annotations

import numpy as np
import pytest

from vision.errors import SceneError
from vision.scene import Line, Scene, Zone

SIZES = [
    ((768, 576), (768, 576), (1, 1)),  # the same picture
    ((768, 576), (384, 288), (2, 2)),  # a substream of half the size
    ((640, 360), (1920, 1080), (1 / 3, 1 / 3)),  # drawn on the substream
    ((1920, 1080), (1920, 1088), (1, 1080 / 1088)),  # an encoder's padding to blocks of 16: 0.7 %
    ((1920, 1080), (854, 480), (1920 / 854, 2.25)),  # a width rounded to an even number: 0.08 %
    ((1080, 1920), (540, 960), (2, 2)),  # upright
]


@pytest.mark.parametrize(("drawn", "frame", "factors"), SIZES)
def test_a_frame_of_the_same_shape_is_scaled(
    drawn: tuple[int, int], frame: tuple[int, int], factors: tuple[float, float]
) -> None:
    assert Scene(drawn).scale_from(frame) == pytest.approx(factors)
    # a frame's far corner falls on the picture's far corner
    x, y = Scene(drawn).scale_from(frame)
    assert (frame[0] * x, frame[1] * y) == pytest.approx(drawn)


OTHERS = [
    ((640, 480), (640, 360)),  # 4:3 against 16:9
    ((1920, 1080), (1080, 1920)),  # the camera was turned
    ((704, 576), (1024, 576)),  # anamorphic: the same view at another pixel shape
    ((1920, 1080), (1920, 1104)),  # 2 % taller
    ((1920, 1104), (1920, 1080)),  # and the other way round
]


@pytest.mark.parametrize(("drawn", "frame"), OTHERS)
def test_a_frame_of_another_shape_is_refused(
    drawn: tuple[int, int], frame: tuple[int, int]
) -> None:
    with pytest.raises(SceneError, match="another shape") as caught:
        Scene(drawn).scale_from(frame)
    text = str(caught.value)
    assert "\n" not in text
    assert f"{drawn[0]}x{drawn[1]}" in text
    assert f"{frame[0]}x{frame[1]}" in text
    assert "stretch: true" in text


@pytest.mark.parametrize(("drawn", "frame"), OTHERS)
def test_stretch_takes_any_shape(drawn: tuple[int, int], frame: tuple[int, int]) -> None:
    x, y = Scene(drawn, stretch=True).scale_from(frame)
    assert (frame[0] * x, frame[1] * y) == pytest.approx(drawn)


def test_lines_and_zones_are_found_by_name() -> None:
    gate, road = (Line(name, np.array([[0.0, 0], [1, 1]])) for name in ("gate", "road"))
    yard = Zone("yard", np.array([[0.0, 0], [1, 0], [1, 1]]))
    scene = Scene((640, 352), lines=(gate, road), zones=(yard,))
    assert scene.line("road") is road
    assert scene.zone("yard") is yard
    with pytest.raises(StopIteration):
        scene.line("yard")
    with pytest.raises(StopIteration):
        scene.zone("gate")


def test_a_line_names_its_own_directions() -> None:
    points = np.array([[0.0, 0], [1, 1]])
    assert (Line("a", points).forward, Line("a", points).backward) == ("forward", "backward")
    named = Line("a", points, "to the market", "to the harbour")
    assert (named.forward, named.backward) == ("to the market", "to the harbour")


@pytest.mark.parametrize(
    ("point", "inside"),
    [
        ((180.0, 576.0), True),  # feet cut off by the bottom edge
        ((180.0, 580.0), True),  # and estimated beyond it
        ((768.0, 300.0), True),
        ((-3.0, 300.0), True),
        ((0.0, 0.0), True),
        ((768.0, 576.0), True),
    ],
)
def test_a_zone_drawn_to_the_edge_holds_feet_at_and_beyond_it(
    point: tuple[float, float], inside: bool
) -> None:
    whole = Zone("whole", np.array([[0.0, 0], [768, 0], [768, 576], [0, 576]]))
    upper = Zone("upper", np.array([[0.0, 0], [768, 0], [768, 200], [0, 200]]))
    scene = Scene((768, 576), zones=(whole, upper))
    assert scene.inside("whole", np.array(point)) is inside
    assert scene.inside("upper", np.array(point)) is (point[1] < 200)
