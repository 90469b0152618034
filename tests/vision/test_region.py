"""The part of a picture that is analysed: where it lies, and what comes out of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vision.painted import SETTINGS, detector, paint, ride
from vision.detect import Finder
from vision.pipeline import Pipeline, Step
from vision.region import PERSON_AT_TOP, PERSON_GROWTH, Box, RegionFinder, around, region_of
from vision.rules.intrusion import Settings as Intrusion
from vision.scene import Line, Region, RuleConfig, Scene, Zone
from vision.types import Detections, Frame, IntArray

LIT = 200


class Lit:
    """One box around all that is lit in the picture that it is given."""

    classes = wanted = ("lamp",)

    def __init__(self) -> None:
        self.group_of: IntArray = np.zeros(1, np.int32)
        self.sizes: list[tuple[int, int]] = []

    def find(self, frame: Frame) -> Detections:
        self.sizes.append(frame.size)
        ys, xs = np.nonzero(frame.image[..., 0] == LIT)
        if not len(xs):
            return Detections.empty()
        box = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        return Detections(
            np.array([box], np.float32), np.array([0.8], np.float32), np.zeros(1, np.int32)
        )


def picture(size: tuple[int, int], *lit: Box) -> Frame:
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for x, y, w, h in lit:
        image[y : y + h, x : x + w] = LIT
    return Frame("cam", 0, 0.0, image)


def drawn(
    size: tuple[int, int],
    region: Region | None,
    *points: Sequence[float],
    classes: tuple[str, ...] = (),
) -> Scene:
    zones = (Zone("zone", np.array(points, np.float64)),) if points else ()
    return Scene(size, classes, zones=zones, region=region)


# --- where it lies

FAR = ([200, 100], [440, 100], [440, 130], [200, 130])
"""A zone in the far part of a picture of 640x360."""


@pytest.mark.parametrize(
    ("region", "stream", "box"),
    [
        (None, (640, 360), None),
        ((0, 0, 640, 360), (640, 360), None),
        ((0, 0, 640, 360), (1920, 1080), None),
        ((160, 90, 320, 180), (640, 360), (160, 90, 320, 180)),
        # the scene's pixels are those of its own picture
        ((160, 90, 320, 180), (320, 180), (80, 45, 160, 90)),
        ((160, 90, 320, 180), (1920, 1080), (480, 270, 960, 540)),
        # whole pixels, the cut ones too
        ((10.5, 20.2, 30.2, 40.1), (640, 360), (10, 20, 31, 41)),
        # nothing is left of it at this size but one pixel
        ((600, 340, 16, 16), (16, 9), (15, 8, 1, 1)),
        # a drawn region that leaves little out is drawn for a reason
        ((0, 10, 640, 350), (640, 360), (0, 10, 640, 350)),
    ],
)
def test_a_drawn_region(
    region: Region | None, stream: tuple[int, int], box: tuple[int, ...] | None
) -> None:
    assert region_of(drawn((640, 360), region, *FAR), stream) == box


sizes = st.tuples(st.integers(16, 2000), st.integers(16, 2000))


@st.composite
def regions(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[float, float, float, float]]:
    """A size of a picture and a region in it of 16 px a side or more."""
    w, h = draw(sizes)
    width, height = draw(st.floats(16, w)), draw(st.floats(16, h))
    return (w, h), (draw(st.floats(0, w - width)), draw(st.floats(0, h - height)), width, height)


@given(scene_region=regions(), stream=sizes)
def test_a_region_holds_what_was_drawn_in_a_stream_of_any_size(
    scene_region: tuple[tuple[int, int], tuple[float, float, float, float]],
    stream: tuple[int, int],
) -> None:
    size, region = scene_region
    box = region_of(drawn(size, region), stream) or (0, 0, *stream)
    for axis in (0, 1):
        factor = stream[axis] / size[axis]
        start, end = box[axis], box[axis] + box[axis + 2]
        assert 0 <= start < end <= stream[axis]
        wanted = region[axis] * factor, (region[axis] + region[axis + 2]) * factor
        assert start <= wanted[0] + 1e-3
        assert end >= wanted[1] - 1e-3
        assert end - start <= wanted[1] - wanted[0] + 2


def test_an_automatic_region_holds_more_above_than_below() -> None:
    x, y, w, h = around(drawn((640, 360), "auto", *FAR, classes=("person",)))
    tall = [PERSON_AT_TOP * 360 + PERSON_GROWTH * at for at in (100, 130)]
    assert y < 100 - tall[0]
    assert 130 < y + h < 130 + tall[1]
    assert x < 200 < 440 < x + w
    assert region_of(drawn((640, 360), "auto", *FAR, classes=("person",)), (640, 360)) is not None


def test_wheels_need_more_room_than_feet() -> None:
    on_foot = around(drawn((640, 360), "auto", *FAR, classes=("person",)))
    for classes in ((), ("car",), ("person", "car")):
        x, y, w, h = around(drawn((640, 360), "auto", *FAR, classes=classes))
        assert (x, y) < on_foot[:2]
        assert (x + w, y + h) > (on_foot[0] + on_foot[2], on_foot[1] + on_foot[3])


points = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=6)


@given(corners=points, size=sizes, on_foot=st.booleans())
def test_whoever_stands_on_what_is_drawn_is_whole_in_an_automatic_region(
    corners: list[tuple[float, float]], size: tuple[int, int], on_foot: bool
) -> None:
    (w, h) = size
    polygon = np.array(corners) * size
    scene = drawn(size, "auto", *polygon.tolist(), classes=("person",) if on_foot else ())
    x, y, width, height = around(scene)
    assert 0 <= x <= x + width <= w + 1e-6
    assert 0 <= y <= y + height <= h + 1e-6
    for foot_x, foot_y in polygon:
        tall = PERSON_AT_TOP * h + PERSON_GROWTH * foot_y
        assert y <= max(0, foot_y - tall) + 1e-6
        assert x <= max(0, foot_x - tall / 4) + 1e-6
        assert x + width >= min(w, foot_x + tall / 4) - 1e-6
        assert y + height >= foot_y - 1e-6


@pytest.mark.parametrize(
    ("name", "scene"),
    [
        ("nothing drawn", drawn((640, 360), "auto")),
        ("nearly all of the area", drawn((640, 360), "auto", [9, 30], [630, 30], [300, 280])),
        # from far to near: large people, whom a narrow crop cuts
        ("all of the height", drawn((640, 360), "auto", [300, 0], [310, 359], [305, 200])),
    ],
)
def test_an_automatic_region_that_gains_little_is_none(name: str, scene: Scene) -> None:
    assert region_of(scene, (640, 360)) is None, name


def test_lines_count_for_an_automatic_region_too() -> None:
    scene = Scene((640, 360), ("person",), region="auto")
    line = Line("line", np.array([[300.0, 90.0], [330.0, 120.0]]))
    x, y, w, h = around(dataclasses.replace(scene, lines=(line,)))
    assert x < 300 < 330 < x + w < 640
    assert y < 90 < 120 < y + h < 360


# --- what comes out of it


def region_finder(finder: Finder, box: Box, size: tuple[int, int] = (200, 100)) -> RegionFinder:
    return RegionFinder(finder, box, size)


@given(
    size=st.tuples(st.integers(40, 300), st.integers(40, 300)),
    data=st.data(),
)
def test_boxes_are_those_of_the_whole_picture(size: tuple[int, int], data: st.DataObject) -> None:
    w, h = size
    x, y = data.draw(st.integers(0, w - 30)), data.draw(st.integers(0, h - 30))
    box = x, y, data.draw(st.integers(30, w - x)), data.draw(st.integers(30, h - y))
    # whole in the region, and clear of its lower border
    lamp_x = data.draw(st.integers(x, x + box[2] - 5))
    lamp_y = data.draw(st.integers(y, y + box[3] - 10))
    lamp = lamp_x, lamp_y, 5, 6
    inner = Lit()
    # a second lamp outside is never seen
    away = [(0, 0, x, h)] if x else []
    found = RegionFinder(inner, box, size).find(picture(size, lamp, *away))
    assert inner.sizes == [box[2:]]
    assert found.xyxy.tolist() == [[lamp_x, lamp_y, lamp_x + 5, lamp_y + 6]]
    assert found.score.tolist() == pytest.approx([0.8])


@pytest.mark.parametrize("stream", [(200, 100), (100, 50), (400, 200), (640, 320), (50, 200)])
def test_the_region_follows_a_stream_that_changes_its_size(stream: tuple[int, int]) -> None:
    inner = Lit()
    finder = region_finder(inner, (40, 20, 100, 40))
    fx, fy = stream[0] / 200, stream[1] / 100
    frame = picture(stream, (round(60 * fx), round(30 * fy), round(10 * fx), round(10 * fy)))
    (box,) = finder.find(frame).xyxy.tolist()
    assert box == pytest.approx([60 * fx, 30 * fy, 70 * fx, 40 * fy], abs=1)
    assert inner.sizes == [(round(100 * fx), round(40 * fy))]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 5)])
def test_a_picture_of_a_few_pixels(size: tuple[int, int]) -> None:
    finder = region_finder(Lit(), (190, 90, 10, 10))
    assert len(finder.find(picture(size))) == 0


def test_a_region_of_the_whole_picture_changes_nothing() -> None:
    image = paint({"person": (60, 150), "car": (200, 191), "truck": (310, 60)})
    frame = Frame("cam", 0, 0.0, image)
    plain = detector().find(frame)
    found = RegionFinder(detector(), (0, 0, 320, 192), (320, 192)).find(frame)
    assert len(plain) == 3
    for one, other in (
        (found.xyxy, plain.xyxy),
        (found.score, plain.score),
        (found.class_id, plain.class_id),
    ):
        assert np.array_equal(one, other)


def test_it_is_its_finder_otherwise() -> None:
    inner = detector(("car",))
    finder = RegionFinder(inner, (0, 0, 20, 20), (320, 192))
    assert (finder.classes, finder.wanted) == (inner.classes, ("car",))
    assert finder.group_of is inner.group_of


@pytest.mark.parametrize(
    ("name", "lamp", "kept"),
    [
        ("whole", (90, 40, 10, 20), True),
        ("cut off below", (90, 50, 10, 40), False),
        ("just whole", (90, 40, 10, 28), True),
        ("as good as cut off below", (90, 40, 10, 29), False),
        ("cut off above, feet in sight", (90, 10, 10, 20), True),
        ("cut off at the left", (30, 30, 20, 20), True),
        ("cut off at the right", (130, 30, 20, 20), True),
    ],
)
def test_who_is_cut_off_below_is_left_out(
    name: str, lamp: tuple[int, int, int, int], kept: bool
) -> None:
    finder = region_finder(Lit(), (40, 20, 100, 50))
    assert len(finder.find(picture((200, 100), lamp))) == kept, name


def test_the_pictures_own_edge_cuts_nobody() -> None:
    finder = region_finder(Lit(), (40, 20, 100, 80))
    assert len(finder.find(picture((200, 100), (90, 50, 10, 50)))) == 1


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    ("zoom", "away_px", "kept"), [(1.0, 3, 1), (0.5, 3, 0), (0.5, 5, 1), (2.0, 2, 1)]
)
def test_what_is_seen_small_is_cut_off_from_further_away(
    zoom: float, times: int, away_px: int, kept: int
) -> None:
    finder = RegionFinder(Lit(), (40, 20, 100, 50), (200, 100), zoom)
    lamp = 90 * times, 40 * times, 10 * times, (30 - away_px) * times
    assert len(finder.find(picture((200 * times, 100 * times), lamp))) == kept


# --- in a pipeline

YARD = Zone("yard", np.array([[40.0, 60.0], [280.0, 60.0], [280.0, 130.0], [40.0, 130.0]]))
GATE = Line("gate", np.array([[160.0, 60.0], [160.0, 130.0]]), forward="left", backward="right")
SCENE = Scene(
    (320, 192),
    ("person",),
    lines=(GATE,),
    zones=(YARD,),
    rules=(RuleConfig("keep out", "intrusion", "yard", ("person",), Intrusion(min_dwell_s=0.5)),),
)


def walk(box: Box | None, y: float, *, times: float = 1.0) -> list[Step]:
    """A person of 32 px walks to the right, feet at ``y``."""
    finder: Finder = detector(("person",))
    if box is not None:
        finder = RegionFinder(finder, box, (320, 192))
    camera = Pipeline(SCENE, finder, SETTINGS)
    frames = ride({"person": (20.0, 70.0, y)}, times=times)
    return [camera.step(frame) for frame in frames]


def seen(steps: Sequence[Step]) -> tuple[list[str], int]:
    """The directions of crossings, and how often somebody came into the yard."""
    crossings = [crossing.direction for step in steps for crossing in step.counted.crossings]
    return crossings, sum(event.end_ts is None for step in steps for event in step.events)


@pytest.mark.parametrize("times", [1.0, 2.0, 0.5])
def test_a_crossing_in_the_region_is_counted_as_in_the_whole_picture(times: float) -> None:
    whole = seen(walk(None, 100.0, times=times))
    assert whole == (["right"], 1)
    assert seen(walk((20, 30, 280, 110), 100.0, times=times)) == whole


@pytest.mark.parametrize("drawn", [None, "auto", (170.0, 0.0, 150.0, 192.0)])
@pytest.mark.parametrize(
    ("box", "late"), [(None, 1), ((0, 0, 320, 192), 1), ((170, 0, 150, 192), 0)]
)
def test_who_came_late_is_told_by_what_is_looked_at(
    drawn: Region | None, box: Box | None, late: int
) -> None:
    """Who is first seen beyond the line passed it, unless that was out of what is looked at."""
    finder: Finder = detector(("person",))
    if box is not None:
        finder = RegionFinder(finder, box, (320, 192))
    camera = Pipeline(dataclasses.replace(SCENE, region=drawn), finder, SETTINGS)
    for frame in ride({}, seconds=2.0) + ride(
        {"person": (190.0, 70.0, 100.0)}, seconds=1.5, start_ts=3.0
    ):
        camera.step(frame)
    camera.finish()
    assert camera.late == {"gate": {"left": 0, "right": late}}


def test_a_head_that_reaches_into_the_region_is_nobody_in_the_zone() -> None:
    # feet at 150, below zone and region; the head at 118 is within both
    assert seen(walk(None, 150.0)) == ([], 0)
    steps = walk((20, 30, 280, 100), 150.0)
    assert seen(steps) == ([], 0)
    assert all(len(step.tracked.detections) == 0 for step in steps)
    # without leaving it out, it would stand at the border of the region, and in the zone

    def cut(frame: Frame) -> Detections:
        return detector(("person",)).find(
            dataclasses.replace(frame, picture=frame.image[30:130, 20:300])
        )

    (frame,) = ride({"person": (100.0, 0.0, 150.0)}, seconds=0)
    assert cut(frame).xyxy[0, 3] + 30 == pytest.approx(130, abs=1)
