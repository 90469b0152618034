"""The pipeline of one camera, with a model that finds painted blocks: pictures in, crossings and
events out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.vision.painted import CLASSES, INPUT, SETTINGS, BlockFinder, detector, paint, ride
from vision.errors import DetectorError, SceneError
from vision.pipeline import Pipeline, Step
from vision.rules.intrusion import Settings as Intrusion
from vision.rules.line_crossing import Settings as LineCrossing
from vision.scene import Line, RuleConfig, Scene, Zone
from vision.types import Crossing, Frame

# Drawn upwards, so what goes to the right goes forward.
GATE = Line("gate", np.array([[160.0, 191.0], [160.0, 0.0]]), forward="in", backward="out")
YARD = Zone("yard", np.array([[200.0, 80.0], [300.0, 80.0], [300.0, 170.0], [200.0, 170.0]]))
SCENE = Scene(
    (320, 192),
    lines=(GATE,),
    zones=(YARD,),
    rules=(
        RuleConfig("keep out", "intrusion", "yard", ("person",), Intrusion()),
        RuleConfig("no exit", "line_crossing", "gate", CLASSES, LineCrossing(direction="out")),
    ),
)
# A person to the right at 60 px a second from x = 40, past the gate at 2 s; a car to the left at
# 80 px a second from x = 280, past it at 1.5 s.
TRAFFIC = {"person": (40.0, 60.0, 120.0), "car": (280.0, -80.0, 180.0)}


def pipeline(scene: Scene = SCENE, wanted: Sequence[str] = (), **more: Any) -> Pipeline:
    return Pipeline(scene, detector(wanted or scene.classes or CLASSES, **more), SETTINGS)


def run(camera: Pipeline, frames: Sequence[Frame]) -> list[Step]:
    return [camera.step(frame) for frame in frames]


def crossings(steps: Sequence[Step]) -> list[Crossing]:
    return [crossing for step in steps for crossing in step.counted.crossings]


def test_pictures_in_crossings_events_and_counts_out() -> None:
    camera = pipeline()
    assert camera.counts == {"gate": {"in": {}, "out": {}}}, "all is there before the first frame"
    steps = run(camera, ride(TRAFFIC, start_ts=1000.0))

    car, person = crossings(steps)
    assert (car.class_name, car.direction, person.class_name, person.direction) == (
        "car",
        "out",
        "person",
        "in",
    )
    for crossing, ts, y in ((car, 1001.5, 180), (person, 1002.0, 120)):
        assert (crossing.camera_id, crossing.line) == ("cam", "gate")
        assert crossing.ts == pytest.approx(ts, abs=0.1)
        assert (crossing.x, crossing.y) == pytest.approx((160, y), abs=2)
    assert camera.counts == {"gate": {"in": {"person": 1}, "out": {"car": 1}}}

    passed, entered = (event for step in steps for event in step.events)
    assert (passed.rule, passed.place, passed.start_ts) == ("no exit", "gate", car.ts)
    assert passed.track_ids == (car.track_id,)
    assert (entered.rule, entered.place, entered.end_ts) == ("keep out", "yard", None)
    assert entered.track_ids == (person.track_id,)
    assert entered.start_ts == pytest.approx(1000 + 160 / 60, abs=0.15)


def test_what_a_step_knows() -> None:
    steps = run(pipeline(), ride(TRAFFIC))
    first, last = steps[0].tracked, steps[-1].tracked
    assert (last.camera_id, last.index, last.ts, last.classes) == ("cam", 40, 4.0, CLASSES)
    assert len(first.detections) == 2
    assert first.tracks == (), "one box is no track yet"
    assert first.track_id.tolist() == [-1, -1]
    assert [(track.id, track.class_name) for track in steps[2].tracked.tracks] == [
        (1, "person"),
        (2, "car"),
    ]


def test_an_empty_picture_brings_nothing() -> None:
    camera = pipeline()
    for index in range(5):
        step = camera.step(Frame("cam", index, index / 10, paint({})))
        assert (len(step.tracked.detections), step.counted.crossings, step.events) == (0, (), ())


@pytest.mark.parametrize("times", [0.5, 2.0, 3.0])
def test_a_frame_of_another_size_moves_no_line(times: float) -> None:
    """The sub-stream, or the main stream, of the camera that the scene was drawn on."""
    own, other = pipeline(), pipeline()
    expected = crossings(run(own, ride(TRAFFIC)))
    steps = run(other, ride(TRAFFIC, times=times))
    found = crossings(steps)
    assert other.counts == own.counts
    assert [(c.line, c.direction, c.class_name) for c in found] == [
        (c.line, c.direction, c.class_name) for c in expected
    ]
    for got, wanted in zip(found, expected, strict=True):
        assert got.ts == pytest.approx(wanted.ts, abs=0.05)
        assert (got.x, got.y) == pytest.approx((wanted.x, wanted.y), abs=2)
    assert [event.rule for step in steps for event in step.events] == ["no exit", "keep out"]
    box = steps[0].tracked.detections.xyxy[0]
    assert box == pytest.approx([28, 88, 52, 120], abs=2), "pixels of the scene's picture"


def test_the_size_may_change_on_the_way() -> None:
    camera = pipeline()
    small, large = ride(TRAFFIC), ride(TRAFFIC, times=2)
    run(camera, small[:15] + large[15:])
    assert camera.counts == {"gate": {"in": {"person": 1}, "out": {"car": 1}}}


def test_another_shape_is_refused() -> None:
    camera = pipeline()
    frame = Frame("cam", 0, 0.0, np.zeros((240, 320, 3), np.uint8))
    with pytest.raises(SceneError, match=r"drawn on a picture of 320x192.* frames are 320x240"):
        camera.step(frame)
    session = BlockFinder()
    with pytest.raises(SceneError):
        pipeline(session=session).step(frame)
    assert session.shapes == [], "and nothing was spent on it"


def test_a_rule_about_a_class_that_nobody_looks_for_is_refused() -> None:
    blind = dataclasses.replace(SCENE.rules[0], name="dogs", classes=("dog",))
    scene = dataclasses.replace(SCENE, classes=(), rules=(blind,))
    with pytest.raises(DetectorError, match=r"^rule 'dogs' looks for 'dog', but the detector only"):
        pipeline(scene)


def test_an_anamorphic_stream_is_stretched() -> None:
    camera = pipeline(dataclasses.replace(SCENE, stretch=True))
    frames = [
        dataclasses.replace(frame, picture=np.ascontiguousarray(frame.image[:, ::2]))
        for frame in ride(TRAFFIC)
    ]
    assert frames[0].size == (160, 192)
    found = crossings(run(camera, frames))
    assert [crossing.class_name for crossing in found] == ["car", "person"]
    assert [crossing.x for crossing in found] == pytest.approx([160, 160], abs=2)


def test_the_model_gets_its_own_size_one_picture_at_a_time() -> None:
    session = BlockFinder()
    run(pipeline(session=session), ride(TRAFFIC, seconds=0.5, times=2))
    assert session.shapes == [(1, 3, *INPUT)] * 6


# Cars and trucks compete in the model's groups: where only one is wanted, the other is a rival.
ONE_OF_EACH = {"car": (40.0, 60.0, 120.0), "truck": (280.0, -60.0, 180.0)}


@pytest.mark.parametrize(
    ("scene_classes", "wanted", "counted"),
    [
        pytest.param(("car",), ("car",), {"in": {"car": 1}, "out": {}}, id="the scene's cars"),
        pytest.param(("truck",), ("truck",), {"in": {}, "out": {"truck": 1}}, id="its trucks"),
        pytest.param(("car", "truck"), ("car", "truck"), {"in": {"car": 1}, "out": {"truck": 1}}),
        # a scene without classes takes what the detector was made for, not what it tells apart
        pytest.param((), ("car",), {"in": {"car": 1}, "out": {}}, id="the detector's cars"),
        pytest.param(("car",), ("car", "truck"), {"in": {"car": 1}, "out": {}}, id="fewer"),
    ],
)
def test_rivals_are_told_apart_and_not_counted(
    scene_classes: tuple[str, ...], wanted: tuple[str, ...], counted: dict[str, Any]
) -> None:
    watch = RuleConfig("no exit", "line_crossing", "gate", wanted, LineCrossing(direction="out"))
    scene = dataclasses.replace(SCENE, classes=scene_classes, rules=(watch,))
    camera = pipeline(scene, wanted)
    steps = run(camera, ride(ONE_OF_EACH))
    assert set(steps[0].tracked.classes) == {"car", "truck"}
    assert all(len(step.tracked.detections) == 2 for step in steps[:20])
    assert camera.counts == {"gate": counted}
    tracked = {track.class_name for step in steps for track in step.tracked.tracks}
    stated = {event.details["class"] for step in steps for event in step.events}
    assert tracked == {name for by in counted.values() for name in by}
    assert stated == set(counted["out"])


def test_two_pipelines_share_nothing() -> None:
    """Side by side, frame by frame, each says what it says alone."""
    ahead = ride({"car": (40.0, 60.0, 120.0)}, start_ts=5000.0, camera_id="ahead")
    behind = ride(TRAFFIC, start_ts=1000.0, camera_id="behind")
    alone = [run(pipeline(), frames) for frames in (ahead, behind)]
    a, b = pipeline(), pipeline()
    together = [
        (a.step(first), b.step(second)) for first, second in zip(ahead, behind, strict=True)
    ]
    for steps, camera, expected in ((0, a, alone[0]), (1, b, alone[1])):
        mine = [pair[steps] for pair in together]
        assert [step.events for step in mine] == [step.events for step in expected]
        assert crossings(mine) == crossings(expected)
        assert [[t.id for t in step.tracked.tracks] for step in mine] == [
            [t.id for t in step.tracked.tracks] for step in expected
        ]
        assert min(t.id for step in mine for t in step.tracked.tracks) == 1, camera.counts
    assert a.counts == {"gate": {"in": {"car": 1}, "out": {}}}
    assert b.counts == {"gate": {"in": {"person": 1}, "out": {"car": 1}}}


def test_the_same_frames_give_the_same_answers() -> None:
    first, again = (run(pipeline(), ride(TRAFFIC)) for _ in range(2))
    assert crossings(first) == crossings(again) != []
    assert [step.events for step in first] == [step.events for step in again]


def test_time_never_runs_backwards() -> None:
    camera = pipeline()
    frames = ride(TRAFFIC, seconds=1)
    run(camera, frames[:5])
    with pytest.raises(ValueError, match="time ran backwards"):
        camera.step(frames[3])
