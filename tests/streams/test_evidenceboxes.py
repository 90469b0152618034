"""Who was where in the last minute: remembered whatever else is kept, and written for masking."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

import streams.evidenceboxes as module
from streams.evidenceboxes import MEMORY_S, Memory, decode_boxes, encode_boxes
from tests.vision.painted import SETTINGS, detector, paint
from tests.vision.rules.scenarios import CONFIRM_HITS, SIZE, T0, film, standing, to_and_fro
from vision.bystanders import UNSEEN, Bystanders
from vision.detect import Finder
from vision.errors import EvidenceError
from vision.foreground import MotionDetector
from vision.masking import Masking, Sight
from vision.pipeline import Pipeline
from vision.region import RegionFinder
from vision.scene import Scene
from vision.types import Detections, Fault, Frame, IntArray, Quality, Tracked

STEPS = film([to_and_fro(50, 500, 20), standing(300, 200, 20)], fps=5)


def remember(memory: Memory, steps: list[Tracked], *looked_for: str) -> None:
    for step in steps:
        memory.saw(step, frame_size=SIZE, looked_for=looked_for or ("person",))


def test_a_time_is_remembered_in_shares_of_the_picture() -> None:
    memory = Memory()
    remember(memory, STEPS)
    camera = STEPS[0].camera_id
    seen = memory.between(camera, T0 + 5, T0 + 6)
    assert seen.persons
    last = next(sight for sight in seen.sights if sight.ts == T0 + 6)
    step = next(step for step in STEPS if step.ts == T0 + 6)
    boxes = np.stack([track.box for track in step.tracks]) / [*SIZE, *SIZE]
    assert np.allclose(sorted(last.xyxy.tolist()), sorted(boxes.tolist()), atol=1e-6)
    assert last.complete
    assert memory.between("another", T0, T0 + 6).sights == ()
    assert not memory.between("another", T0, T0 + 6).persons


def test_who_is_told_of_late_was_there_before() -> None:
    memory = Memory()
    remember(memory, STEPS[: CONFIRM_HITS + 1])
    regions = Masking(memory.between(STEPS[0].camera_id, T0, T0 + 9).sights).regions(T0, SIZE)
    x, y = 300, 200 - 36
    assert any(x1 <= x < x2 and y1 <= y < y2 for x1, y1, x2, y2 in regions.tolist())


@pytest.mark.parametrize("number", [-1, 99])
def test_boxes_that_nobody_follows_are_remembered_too(number: int) -> None:
    """Nor does a track of a class that the scene does not look for, of which nothing is told."""
    box = np.array([[64, 36, 128, 180]], np.float32)
    found = Detections(box, np.ones(1, np.float32), np.zeros(1, np.int32))
    step = replace(STEPS[-1], detections=found, track_id=np.full(1, number, np.int32), tracks=())
    memory = Memory()
    remember(memory, [step])
    (sight,) = memory.between(step.camera_id, 0, 4e9).sights
    assert (sight.ids, sight.names) == ((-1,), ("person",))
    assert np.allclose(sight.xyxy, [[0.1, 0.1, 0.2, 0.5]])


def test_a_picture_without_trust_or_a_look_for_persons_tells_of_nobody() -> None:
    fault = Quality((Fault("dark", T0, 1.0, {}),))
    memory = Memory()
    remember(memory, [replace(STEPS[0], quality=fault, tracks=())])
    remember(memory, [replace(STEPS[1], camera_id="b")], "car")
    dark = memory.between(STEPS[0].camera_id, 0, 4e9)
    assert (dark.persons, [sight.complete for sight in dark.sights]) == (True, [False])
    road = memory.between("b", 0, 4e9)
    assert (road.persons, [sight.complete for sight in road.sights]) == (False, [False])


def test_bystanders_are_remembered_as_boxes_that_nobody_follows() -> None:
    box = np.array([[64, 36, 128, 180]], np.float32)
    besides = Bystanders(("person", "bus"), ("person",), box, (64, 0, 640, 180))
    memory = Memory()
    remember(memory, [replace(STEPS[0], bystanders=besides)], "car")
    seen = memory.between(STEPS[0].camera_id, 0, 4e9)
    (sight,) = seen.sights
    assert (seen.persons, sight.complete) == (True, True)
    assert (sight.ids[-1], sight.names[-1]) == (-1, "person")
    assert np.allclose(sight.xyxy[-1], [0.1, 0.1, 0.2, 0.5])
    assert sight.within == (0.1, 0.0, 1.0, 0.5)


def test_a_picture_that_nobody_looked_at_hides_all() -> None:
    memory = Memory()
    empty = Detections.empty(), np.zeros(0, np.int32)
    unseen = replace(STEPS[1], detections=empty[0], track_id=empty[1], tracks=(), bystanders=UNSEEN)
    remember(memory, [STEPS[0], unseen, STEPS[2]])
    seen = memory.between(STEPS[0].camera_id, 0, 4e9)
    assert seen.persons
    assert not next(sight.complete for sight in seen.sights if sight.ts == unseen.ts)
    assert shown(Masking(seen.sights).regions(unseen.ts + 0.1, SIZE), SIZE).sum() == 0


# --- what a scene does not look for

LARGE = (1280, 768)
"""Blocks of 96x128 px."""
PERSON, CAR = (60.0, 150.0), (200.0, 140.0)


def shown(regions: IntArray, size: tuple[int, int]) -> np.ndarray:
    """(h, w): which pixels are not hidden."""
    there = np.ones(size[::-1], np.bool_)
    for x1, y1, x2, y2 in regions.tolist():
        there[y1:y2, x1:x2] = False
    return there


def at(there: np.ndarray, foot: tuple[float, float], up: float) -> bool:
    """Whether the block at ``foot`` is seen ``up`` px of 32 above it."""
    return bool(there[round((foot[1] - up) * 4), round(foot[0] * 4)])


def hidden_in(finder: Finder, classes: tuple[str, ...], fps: float) -> tuple[np.ndarray, bool]:
    """Of a picture between two that were analysed."""
    pipeline = Pipeline(Scene((320, 192), classes), finder, SETTINGS)
    memory = Memory()
    for i in range(6):
        image = paint({"person": PERSON, "car": CAR}, times=4.0)
        tracked = pipeline.step(Frame("c", i, T0 + i / fps, image)).tracked
        memory.saw(tracked, frame_size=(320, 192), looked_for=pipeline.wanted)
    seen = memory.between("c", 0, 4e9)
    masking = Masking(decode_boxes(encode_boxes(seen.sights)))
    return shown(masking.regions(T0 + 2.5 / fps, LARGE), LARGE), seen.persons


@pytest.mark.parametrize("fps", [1.0, 2.0, 5.0])
def test_a_person_in_a_scene_of_cars_is_hidden_and_the_rest_is_not(fps: float) -> None:
    there, persons = hidden_in(detector(["car"]), ("car",), fps)
    assert persons
    assert not at(there, PERSON, 30)
    assert not at(there, PERSON, 26)
    assert not at(there, CAR, 4)
    assert there.mean() > 0.85


@pytest.mark.parametrize("fps", [1.0, 2.0, 5.0])
def test_a_plate_in_a_scene_of_persons_is_hidden_and_the_rest_is_not(fps: float) -> None:
    there, persons = hidden_in(detector(["person"]), ("person",), fps)
    assert persons
    assert not at(there, CAR, 4)
    assert not at(there, CAR, 14)
    assert not at(there, PERSON, 30)
    assert there.mean() > 0.85


def test_what_lies_outside_of_a_region_is_hidden() -> None:
    finder = RegionFinder(detector(["car"]), (100, 40, 200, 130), (320, 192))
    there, persons = hidden_in(finder, ("car",), 5.0)
    assert persons
    assert there[4 * 40 : 4 * 100, 4 * 100 : 4 * 300].all()
    assert not at(there, CAR, 4)
    there[4 * 40 : 4 * 170, 4 * 100 : 4 * 300] = False
    assert not there.any()


def test_who_a_region_cuts_off_below_is_hidden() -> None:
    finder = RegionFinder(detector(["person"]), (0, 0, 320, 136), (320, 192))
    there, _ = hidden_in(finder, ("person",), 5.0)
    assert not at(there, PERSON, 30)
    assert there[: 4 * 100].all()


def test_where_only_motion_is_found_all_is_hidden() -> None:
    there, persons = hidden_in(MotionDetector(), (), 5.0)
    assert not persons
    assert not there.any()


def test_the_tracks_of_two_runs_and_two_views_are_others() -> None:
    memory = Memory()
    remember(memory, STEPS[10:12])
    memory.cut(STEPS[0].camera_id)
    remember(memory, STEPS[12:14])
    remember(memory, [replace(step, quality=Quality(view="east")) for step in STEPS[14:16]])
    seen = memory.between(STEPS[0].camera_id, STEPS[10].ts, 4e9)
    runs = [{i // module.RUN for i in sight.ids} for sight in seen.sights if sight.complete]
    assert all(len(run) == 1 for run in runs)
    assert len({i for run in runs for i in run}) == 3


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory()
    long = [replace(STEPS[20], ts=T0 + i) for i in range(200)]
    remember(memory, long)
    times = [s.ts for s in memory.between(STEPS[0].camera_id, 0, 4e9).sights if s.complete]
    assert min(times) >= T0 + 199 - MEMORY_S
    monkeypatch.setattr(module, "MAX_ROWS", 30)
    remember(memory, [replace(STEPS[20], ts=T0 + 300)])
    assert sum(len(s.ids) for s in memory.between(STEPS[0].camera_id, 0, 4e9).sights) <= 30
    later = time.monotonic() + module.FORGET_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    memory.forget()
    assert memory.between(STEPS[0].camera_id, 0, 4e9).sights == ()


def test_boxes_are_read_as_they_were_written() -> None:
    memory = Memory()
    remember(memory, STEPS)
    sights = memory.between(STEPS[0].camera_id, T0, T0 + 20).sights
    read = decode_boxes(encode_boxes(sights))
    assert len(read) == len(sights)
    for before, after in zip(sights, read, strict=True):
        assert (before.ts, before.complete) == (after.ts, after.complete)
        assert (before.ids, before.names) == (after.ids, after.names)
        assert before.within is after.within is None
        assert np.allclose(before.xyxy, after.xyxy, atol=1e-4)
    assert decode_boxes(encode_boxes([])) == []
    part = Sight(T0, True, (), (), np.zeros((0, 4), np.float32), (0.1, 0.0, 1 / 3, 1.0))
    assert decode_boxes(encode_boxes([part]))[0].within == (0.1, 0.0, 0.33333, 1.0)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"schema":2,"classes":[],"pictures":[]}',
        b'{"schema":1,"classes":[],"pictures":[[1.0,true,null,[[1,0,0,0,1,1]]]]}',
        b'{"schema":1,"classes":["person"],"pictures":[[1.0,true,null,[[1,0,0,0,1]]]]}',
        b'{"schema":1,"classes":["person"],"pictures":[[NaN,true,null,[]]]}',
        b'{"schema":1,"classes":["person"],"pictures":[[1.0,true,[]]]}',
        b'{"schema":1,"classes":["person"],"pictures":[[1.0,true,[0,0,1,1.1],[]]]}',
        b'{"schema":1,"classes":["person"],"pictures":[[1.0,true,[0,-0.1,1,1],[]]]}',
        b'{"schema":1,"classes":["person"],"pictures":[[1.0,true,[0,0,NaN,1],[]]]}',
        b'{"schema":1,"classes":["person"],"pictures":[[1.0,true,[0,0,1],[]]]}',
        b'{"schema":1,"classes":["person"],"pictures":[[1.0,true,true,[]]]}',
        b'{"schema":1,"classes":["person"],"pictures":[[1.0,true,null,[[1,0,0,0,1,1e300]]]]}',
    ],
)  # fmt: skip
def test_what_are_no_boxes(body: bytes) -> None:
    with pytest.raises(EvidenceError, match="cannot be read"):
        decode_boxes(body)


def test_more_boxes_than_may_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PART_BYTES", {"boxes": 100})
    many = [Sight(T0 + i, True, (), (), np.zeros((0, 4), np.float32)) for i in range(20)]
    with pytest.raises(EvidenceError, match="more boxes"):
        encode_boxes(many)
    with pytest.raises(EvidenceError, match="at most"):
        decode_boxes(bytes(101))
