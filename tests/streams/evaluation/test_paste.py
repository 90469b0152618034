"""Bags pasted into clips: that the pictures are right, and that what is left in them is found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.zoo import resolve
from streams.detector import Detectors
from streams.evaluation.paste import (
    Pasted,
    bag,
    beside,
    box_at,
    cut_out,
    empty_view,
    paste,
)
from streams.files import ClipSource
from tests.needs import REPO
from vision.detect import Finder
from vision.geometry import iou
from vision.pipeline import Pipeline
from vision.rules.registry import kinds
from vision.scene import RuleConfig, Scene, Zone
from vision.track import TrackerSettings
from vision.types import Detections, Event, FloatArray, Frame, Image

pytestmark = pytest.mark.usefixtures("remembered")

Size = tuple[int, int]
PLAZA = REPO / "samples" / "clips" / "plaza.mp4"
SIZE = (768, 576)
BLACK, RED, BLUE = (30, 30, 30), (40, 40, 160), (110, 70, 50)
KINDS = ("abandoned_object", "removed_object")


def whole(size: Size) -> Zone:
    w, h = size
    return Zone("all", np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float64))


def scene(size: Size = SIZE, zone: Zone | None = None) -> Scene:
    zone = zone or whole(size)
    rules = [RuleConfig(k, k, zone.name, ("person",), kinds()[k].Settings()) for k in KINDS]
    return Scene(size, ("person",), zones=(zone,), rules=tuple(rules))


def events(camera: Pipeline, frames: Iterable[Frame]) -> list[Event]:
    """What became of objects, each as it was stated last."""
    told = {event.id: event for frame in frames for event in camera.step(frame).events}
    told |= {event.id: event for event in camera.finish().events}
    return [event for event in told.values() if event.kind in KINDS]


def at(event: Event, place: tuple[float, float], size: tuple[int, int]) -> bool:
    """Is the event about what was pasted there?"""
    box: Any = event.details["box_px"]
    w, h = size
    pasted = np.array([[place[0] - w / 2, place[1] - h, place[0] + w / 2, place[1]]])
    return bool(iou(np.array([box], np.float64), pasted)[0, 0] > 0.2)


# --- the pictures -------------------------------------------------------------------------------

GROUND = np.full((100, 120, 3), 128, np.uint8)


def frame(ts: float, image: Image = GROUND) -> Frame:
    return Frame("cam", round(ts * 10), ts, image)


def nobody(frame: Frame) -> FloatArray:
    return np.zeros((0, 4), np.float32)


def boxes(*rows: tuple[float, float, float, float]) -> Any:
    return lambda frame: np.array(rows, np.float32).reshape(-1, 4)


def person(*where: tuple[int, int, int, int]) -> Image:
    image = GROUND.copy()
    for x1, y1, x2, y2 in where:
        image[y1:y2, x1:x2] = (20, 90, 20)
    return image


def differs(image: Image, other: Image = GROUND) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of what differs by much."""
    ys, xs = np.nonzero((np.abs(image.astype(int) - other) > 60).any(axis=2))
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def test_a_bag_stands_where_it_is_put_and_casts_a_shadow() -> None:
    (shown,) = paste(
        [frame(5)], [Pasted(bag((20, 16), BLACK), (60, 80), 1)], empty=GROUND, people=nobody
    )
    assert differs(shown.image) == pytest.approx((50, 64, 70, 80), abs=1)
    assert shown.image[81, 60].tolist() < GROUND[81, 60].tolist(), "its shadow"
    assert (shown.image[:60] == 128).all()
    assert (GROUND == 128).all(), "the clip's own pictures stay"


@pytest.mark.parametrize("colour", [BLACK, RED, BLUE, (240, 240, 240)])
@pytest.mark.parametrize("size", [(8, 6), (14, 12), (40, 30)])
def test_bags_have_size_and_colour(size: tuple[int, int], colour: tuple[int, int, int]) -> None:
    thing = bag(size, colour)
    body = thing.alpha[: size[1]] > 0.9
    ys, xs = np.nonzero(body)
    assert (np.ptp(xs) + 1, ys.max() + 1) == pytest.approx(size, abs=1)
    assert np.abs(thing.image[: size[1]][body].mean(axis=0) - colour).max() < 20


def test_it_is_there_from_its_first_moment_to_its_last() -> None:
    thing = Pasted(bag((20, 16), BLACK), (60, 80), 2.0, 4.0)
    shown = list(paste(map(frame, (1.9, 2, 3.9, 4)), [thing], empty=GROUND, people=nobody))
    assert [bool((one.image != GROUND).any()) for one in shown] == [False, True, True, False]
    assert [one.ts for one in shown] == [1.9, 2, 3.9, 4]


def test_who_stands_before_it_hides_it_and_who_stands_behind_does_not() -> None:
    thing = Pasted(bag((20, 16), BLACK), (60, 80), 0)
    before, behind = (52, 30, 68, 95), (52, 10, 68, 75)
    for where, hidden in ((before, True), (behind, False)):
        image = person(where)
        (shown,) = paste([frame(1, image)], [thing], empty=GROUND, people=boxes(where))
        assert bool((shown.image[72, 60] == (20, 90, 20)).all()) is hidden
        # beside the person it is seen, in the person's box as well
        (wide,) = paste([frame(1, image)], [thing], empty=GROUND, people=boxes((40, *where[1:])))
        assert (wide.image[72, 51] < 60).all()


def test_the_nearer_thing_hides_the_farther() -> None:
    far, near = Pasted(bag((20, 16), RED), (60, 70), 0), Pasted(bag((20, 16), BLACK), (60, 78), 0)
    for order in ([far, near], [near, far]):
        (shown,) = paste([frame(1)], order, empty=GROUND, people=nobody)
        assert (shown.image[72, 60] < 50).all()


@pytest.mark.parametrize("place", [(0, 80), (119, 80), (60, 5), (60, 104), (-40, 50), (60, 300)])
def test_at_the_edge_of_the_picture_it_is_cut(place: tuple[int, int]) -> None:
    thing = Pasted(bag((20, 16), BLACK), place, 0)
    (shown,) = paste([frame(1)], [thing], empty=GROUND, people=nobody)
    assert shown.image.shape == GROUND.shape


def test_who_is_cut_out_stands_there_and_sways() -> None:
    where = (40, 20, 60, 90)
    who = cut_out(person(where), GROUND, np.array(where))
    thing = Pasted(who, (50, 90), 0, sways=True)
    times = np.arange(0, 6, 0.25).tolist()
    shown = list(paste(map(frame, times), [thing], empty=GROUND, people=nobody))
    seen = np.array([differs(one.image) for one in shown])
    assert np.abs(seen - where).max() <= 2
    assert len(np.unique(seen, axis=0)) > 1


def test_the_empty_view_is_what_is_mostly_seen() -> None:
    images = [person((x, 20, x + 10, 60)) for x in range(0, 100, 10)]
    assert (empty_view(images) == GROUND).all()


def test_a_path_tells_where_somebody_puts_it_down() -> None:
    path = np.array([(0, 0, 0, 10, 40), (10, 100, 0, 110, 40)])
    assert box_at(path, 5).tolist() == [50, 0, 60, 40]
    assert box_at(path, -5).tolist() == [0, 0, 10, 40]
    assert beside(path, 5, 1.0) == (65, 40)
    assert beside(path, 5, -1.0) == (45, 40)


# --- a part of the plaza, with who passes it told by hand ----------------------------------------

PATH = np.array(
    [
        (19.0, 734, 255, 763, 350),
        (22.0, 549, 224, 584, 312),
        (25.0, 392, 212, 425, 299),
        (28.0, 238, 194, 268, 274),
        (31.0, 113, 181, 140, 254),
        (34.0, 38, 175, 64, 245),
    ]
)
"""Somebody who walks through from right to left: seconds, and the box, px."""
SQUARE = Zone("square", np.array([(380, 275), (520, 275), (520, 400), (380, 400)], np.float64))
"""Nobody else stays here."""


class Told:
    """Finds the one person whose path is known."""

    classes = ("person",)
    wanted = ("person",)
    group_of = np.zeros(1, np.int32)

    def __init__(self, path: np.ndarray) -> None:
        self._path = path

    def find(self, frame: Frame) -> Detections:
        if not self._path[0, 0] <= frame.ts <= self._path[-1, 0]:
            return Detections.empty()
        box = box_at(self._path, frame.ts)[None].astype(np.float32)
        return Detections(box, np.full(1, 0.9, np.float32), np.zeros(1, np.int32))


@cache
def plaza(start_s: float, end_s: float, fps: int = 7) -> tuple[Frame, ...]:
    """That part of the clip; more than 7 pictures a second is a faster film."""
    clip = ClipSource(PLAZA, camera_id="plaza", source_fps=Fraction(fps))
    with clip:
        return tuple(one for one in clip.frames() if start_s <= one.ts < end_s)


@cache
def empty_plaza() -> Image:
    return empty_view([one.image for one in plaza(14, 42)[::8]])


def told_of(things: Sequence[Pasted], path: np.ndarray = PATH) -> list[Event]:
    finder: Finder = Told(path)
    camera = Pipeline(scene(zone=SQUARE), finder, TrackerSettings(low=0.1, match=0.3, birth=0.4))
    frames = plaza(14, 42)
    people = boxes()
    return events(camera, paste(frames, things, empty=empty_plaza(), people=people))


@pytest.mark.parametrize("colour", [BLACK, RED])
def test_a_bag_that_somebody_leaves_on_the_plaza_is_found(colour: tuple[int, int, int]) -> None:
    drop_s, size = 24.5, (16, 14)
    place = beside(PATH, drop_s)
    (event,) = told_of([Pasted(bag(size, colour), place, drop_s)])
    assert event.kind == "abandoned_object"
    assert at(event, place, size)
    assert event.track_ids == (event.details["carrier"],)
    assert event.start_ts == pytest.approx(drop_s, abs=0.6)
    assert event.raised_ts == pytest.approx(drop_s + 8, abs=1.2)


def test_a_bag_that_somebody_takes_from_the_plaza_is_missed() -> None:
    take_s, size = 25.0, (16, 14)
    place = beside(PATH, take_s)
    (event,) = told_of([Pasted(bag(size, BLACK), place, 0, take_s)])
    assert event.kind == "removed_object"
    assert at(event, place, size)
    assert event.start_ts == pytest.approx(take_s + 0.5, abs=1.5)


def test_nothing_is_found_where_nothing_was_left() -> None:
    assert told_of([]) == []


# --- with the detector ----------------------------------------------------------------------------


@cache
def detectors() -> Detectors:
    return Detectors(lambda name: resolve(name, cache=None))


def pipeline(size: Size = SIZE) -> Pipeline:
    drawn = scene(size)
    return detectors().pipeline("nanodet_g", size, drawn)


@cache
def walkers() -> tuple[dict[int, FloatArray], list[Event]]:
    """Who is followed in each picture of the plaza, and what is said of the clip as it is."""
    camera, seen, told = pipeline(), {}, {}
    for one in plaza(0, 1000):
        step = camera.step(one)
        live = [track.box for track in step.tracked.tracks if track.last_ts == one.ts]
        seen[one.index] = np.array(live, np.float32).reshape(-1, 4)
        told |= {event.id: event for event in step.events if event.kind in KINDS}
    return seen, list(told.values())


@cache
def mostly_seen() -> Image:
    return empty_view([one.image for one in plaza(0, 1000)[::20]])


def played(things: Sequence[Pasted], start_s: float, end_s: float, fps: int = 7) -> list[Event]:
    seen, _ = walkers()
    film = plaza(start_s, end_s, fps)
    shown = paste(film, things, empty=mostly_seen(), people=lambda f: seen[f.index])
    return events(pipeline(), shown)


DROPS = ((25, 441, 299), (37, 586, 340), (36, 574, 262), (75, 528, 295), (97, 522, 346))
"""When and where somebody passes: seconds, and the foot of what is left, px."""


@pytest.mark.long
@pytest.mark.parametrize("drop", DROPS, ids=[f"{t} s at {x},{y}" for t, x, y in DROPS])
@pytest.mark.parametrize(
    ("size", "colour"),
    [((24, 20), BLACK), ((12, 10), BLACK)],
    ids=["large", "small"],
)
def test_bags_left_on_the_plaza_are_found(
    drop: tuple[float, int, int], size: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    ts, x, y = drop
    left = Pasted(bag(size, colour), (x, y), ts)
    found = played([left], ts - 14, ts + 16)
    assert [event.kind for event in found] == ["abandoned_object"]
    assert at(found[0], (x, y), size)
    assert ts + 8 <= found[0].raised_ts <= ts + 13


@pytest.mark.long
@pytest.mark.parametrize("drop", DROPS, ids=[f"{t} s at {x},{y}" for t, x, y in DROPS])
def test_nothing_is_found_while_somebody_stays_beside_it(drop: tuple[float, int, int]) -> None:
    """Who brought it stands there on: his pixels, repeated."""
    ts, x, y = drop
    seen, _ = walkers()
    now = min(plaza(0, 1000), key=lambda one: abs(one.ts - ts))
    who = min(seen[now.index], key=lambda box: np.hypot((box[0] + box[2]) / 2 - x, box[3] - y))
    stays = Pasted(
        cut_out(now.image, mostly_seen(), who),
        ((who[0] + who[2]) / 2, float(who[3])),
        now.ts,
        sways=True,
    )
    assert played([Pasted(bag((16, 14), BLACK), (x, y), ts), stays], ts - 14, ts + 30) == []


@pytest.mark.long
@pytest.mark.parametrize("drop", DROPS, ids=[f"{t} s at {x},{y}" for t, x, y in DROPS])
def test_bags_taken_from_the_plaza_are_missed(drop: tuple[float, int, int]) -> None:
    ts, x, y = drop
    there = Pasted(bag((20, 18), BLACK), (x, y), 0, ts)
    (found,) = [e for e in played([there], ts - 14, ts + 16) if at(e, (x, y), (20, 18))]
    assert found.kind == "removed_object"
    assert found.start_ts == pytest.approx(ts, abs=3.0)


@pytest.mark.long
def test_half_the_pictures_say_the_same() -> None:
    """The clip as a film of 10 a second, and every second picture of it."""
    seen, _ = walkers()
    ts, x, y = 25 * 0.7, 441, 299
    left = Pasted(bag((20, 18), BLACK), (x, y), ts)
    film = plaza(3, 40, 10)
    fast, slow = (
        events(pipeline(), paste(some, [left], empty=mostly_seen(), people=lambda f: seen[f.index]))
        for some in (film, film[::2])
    )
    assert [event.kind for event in fast] == [event.kind for event in slow] == ["abandoned_object"]
    assert fast[0].start_ts == pytest.approx(slow[0].start_ts, abs=0.5)


@pytest.mark.long
def test_nothing_is_found_on_the_plaza_as_it_is() -> None:
    assert walkers()[1] == []


@pytest.mark.long
def test_nothing_is_found_in_the_shared_clips(shared: Path) -> None:
    clips = [*sorted((shared / "clips").glob("**/*.mp4")), shared / "clips/exposure_jump.avi"]
    found = {}
    for path in clips:
        clip = ClipSource(path, camera_id="cam", fps=Fraction(5))
        size = clip.info.width, clip.info.height
        with clip:
            told = events(pipeline(size), clip.frames())
        found[path.name] = [(event.kind, event.details["box_px"]) for event in told]
    assert len(found) > 10
    assert {name: told for name, told in found.items() if told} == {}
