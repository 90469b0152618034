"""Who was where in the last minute: remembered whatever else is kept, and written for masking."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

import streams.evidenceboxes as module
from streams.evidenceboxes import MEMORY_S, Memory, decode_boxes, encode_boxes
from tests.vision.rules.scenarios import CONFIRM_HITS, SIZE, T0, film, standing, to_and_fro
from vision.errors import EvidenceError
from vision.masking import Masking, Sight
from vision.types import Detections, Fault, Quality, Tracked

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
        assert np.allclose(before.xyxy, after.xyxy, atol=1e-4)
    assert decode_boxes(encode_boxes([])) == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"schema":2,"classes":[],"pictures":[]}',
        b'{"schema":1,"classes":[],"pictures":[[1.0,true,[[1,0,0,0,1,1]]]]}',
        b'{"schema":1,"classes":["person"],"pictures":[[1.0,true,[[1,0,0,0,1]]]]}',
        b'{"schema":1,"classes":["person"],"pictures":[[NaN,true,[]]]}',
        b'{"schema":1,"classes":["person"],"pictures":[[1.0,true,[[1,0,0,0,1,1e300]]]]}',
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
