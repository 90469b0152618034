"""Who is seen and not looked for: told of for evidence, and heard of by nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.vision.painted import CLASSES, SETTINGS, BlockFinder, detector, paint
from vision.bystanders import NO_ONE, UNSEEN, Bystanders
from vision.detect import ClassGroup, Detector, DetectorSpec, Finder, look
from vision.foreground import MotionDetector
from vision.fused import FusedFinder
from vision.pipeline import Pipeline, Step
from vision.region import RegionFinder
from vision.rules.intrusion import Settings as Intrusion
from vision.scene import Line, RuleConfig, Scene, Zone
from vision.types import Detections, Frame, IntArray

SIZE = (320, 192)
PICTURE = Frame("c", 0, 0.0, paint({"person": (60, 150), "car": (200, 140), "truck": (290, 60)}))
PERSON = [48.0, 118.0, 72.0, 150.0]
CAR = [188.0, 108.0, 212.0, 140.0]


class Plain:
    """The same finder, which tells of nobody else."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self.classes, self.wanted = finder.classes, finder.wanted
        self.group_of: IntArray = finder.group_of

    def find(self, frame: Frame) -> Detections:
        return self._finder.find(frame)


def as_bytes(found: Detections) -> tuple[bytes, ...]:
    return found.xyxy.tobytes(), found.score.tobytes(), found.class_id.tobytes()


@pytest.mark.parametrize(
    ("wanted", "classes", "names", "boxes"),
    [
        (["car"], ("person",), ("person",), [PERSON]),
        (["person"], ("car", "truck"), ("car", "truck"), [CAR, [278, 28, 302, 60]]),
        (CLASSES, (), (), []),
    ],
)
def test_what_evidence_hides_and_nobody_looks_for(
    wanted: Sequence[str], classes: tuple[str, ...], names: tuple[str, ...], boxes: list[Any]
) -> None:
    session = BlockFinder()
    finder = detector(wanted, session)
    seen = finder.look(PICTURE)
    assert len(session.shapes) == 1, "one run of the model tells of both"
    assert as_bytes(seen.found) == as_bytes(finder.find(PICTURE))
    assert (seen.bystanders.classes, seen.bystanders.names) == (classes, names)
    assert seen.bystanders.xyxy.tolist() == boxes
    assert seen.bystanders.within is None


def test_a_finder_without_bystanders_goes_on_as_it_was() -> None:
    seen = look(Plain(detector(["car"])), PICTURE)
    assert as_bytes(seen.found) == as_bytes(detector(["car"]).find(PICTURE))
    assert seen.bystanders is NO_ONE
    assert look(MotionDetector(), PICTURE).bystanders is NO_ONE


def test_a_model_and_motion_tell_of_the_models_bystanders() -> None:
    seen = look(FusedFinder(detector(["car"]), MotionDetector()), PICTURE)
    assert (seen.bystanders.names, seen.bystanders.classes) == (("person",), ("person",))


def test_bystanders_of_a_region_lie_in_the_whole_picture() -> None:
    finder = RegionFinder(detector(["car"]), (40, 100, 200, 60), SIZE)
    seen = look(finder, PICTURE)
    assert seen.bystanders.within == (40, 100, 240, 160)
    assert seen.bystanders.names == ("person",)
    assert seen.bystanders.xyxy[0] == pytest.approx(PERSON, abs=1)
    assert seen.found.xyxy[0] == pytest.approx(CAR, abs=1)


def test_who_a_region_cuts_off_below_is_a_bystander() -> None:
    finder = RegionFinder(detector(["person"]), (40, 100, 200, 36), SIZE)
    seen = look(finder, PICTURE)
    assert len(seen.found) == 0
    assert sorted(seen.bystanders.names) == ["car", "person"]
    box = seen.bystanders.xyxy[seen.bystanders.names.index("person")]
    assert box == pytest.approx([48, 118, 72, 136], abs=1)
    plain = look(RegionFinder(Plain(detector(["person"])), (40, 100, 200, 36), SIZE), PICTURE)
    assert (plain.bystanders.names, plain.bystanders.classes) == (("person",), ())


def test_names_and_boxes_fit() -> None:
    with pytest.raises(ValueError, match="1 bystanders"):
        Bystanders(names=("person",))
    with pytest.raises(ValueError, match="float32"):
        Bystanders(xyxy=np.zeros((0, 4)))  # type: ignore[arg-type]


# --- nothing else hears of them

NAMES = ("person", "bicycle", "car", "motorcycle", "bus", "truck", "dog")
SPEC = DetectorSpec(
    input_size=(64, 96),
    rgb=True,
    scale=1.0,
    pad_value=0,
    centred=False,
    layout="yolov8",
    classes=NAMES,
    min_score=0.1,
    nms_iou=0.5,
    groups=(
        ClassGroup(("car", "bus", "truck"), 0.5, 0.75),
        ClassGroup(("bicycle", "motorcycle"), 0.5, 0.9),
    ),
)
SCENE = Scene(
    (96, 64),
    lines=(Line("gate", np.array([[48.0, 0.0], [48.0, 64.0]]), forward="a", backward="b"),),
    zones=(Zone("yard", np.array([[10.0, 10.0], [90.0, 10.0], [90.0, 60.0], [10.0, 60.0]])),),
)


class Film:
    """A model that answers with one output after the other, the first one again at its end."""

    def __init__(self, outputs: Sequence[NDArray[np.float32]]) -> None:
        self._outputs, self._next = outputs, 0

    def run(self, batch: Any) -> Sequence[NDArray[Any]]:
        self._next += 1
        return [self._outputs[(self._next - 1) % len(self._outputs)]]


@st.composite
def films(draw: st.DrawFn) -> list[NDArray[np.float32]]:
    """What a model may say of pictures: things of all classes that go their ways and tremble, and
    values that are no numbers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 12))
    start, speed = rng.uniform(0, 90, (n, 2)), rng.normal(0, 4, (n, 2))
    sides, scores = rng.uniform(4, 40, (n, 2)), rng.beta(0.3, 0.6, (n, len(NAMES)))
    outputs = []
    for step in range(draw(st.integers(1, 12))):
        rows = np.concatenate([start + step * speed, sides, scores], axis=1)
        rows *= rng.normal(1, 0.05, rows.shape)
        rows[rng.random(rows.shape) < 0.01] = rng.choice([np.nan, np.inf, -np.inf, 1e30])
        outputs.append(rows.T[None].astype(np.float32))
    return outputs


def states(finder: Finder, frames: int, name: str) -> list[Any]:
    rule = RuleConfig("keep out", "intrusion", "yard", (name,), Intrusion(min_dwell_s=0.4))
    scene = Scene(SCENE.frame_size, lines=SCENE.lines, zones=SCENE.zones, rules=(rule,))
    pipeline = Pipeline(scene, finder, SETTINGS)
    image = np.zeros((64, 96, 3), np.uint8)
    steps = [pipeline.step(Frame("c", i, i / 5, image)) for i in range(frames)]
    return [*map(state, steps), pipeline.counts, pipeline.late, repr(pipeline.finish())]


def state(step: Step) -> Any:
    tracked = step.tracked
    tracks = [
        (each.id, each.class_name, each.class_share, each.score, each.first_ts, each.last_ts,
         each.box.tobytes(), each.path.tobytes(), each.sizes.tobytes())
        for each in tracked.tracks
    ]  # fmt: skip
    found = as_bytes(tracked.detections), tracked.track_id.tobytes(), tracked.ended
    return tracks, found, repr(step.counted), repr(step.trips), repr(step.events)


@settings(deadline=None)
@given(films(), st.sets(st.sampled_from(NAMES), min_size=1))
def test_what_is_tracked_is_the_same_to_the_last_bit(
    outputs: list[NDArray[np.float32]], wanted: set[str]
) -> None:
    name = min(wanted)
    own = states(Detector(SPEC, Film(outputs), [*wanted]), len(outputs), name)
    plain = states(Plain(Detector(SPEC, Film(outputs), [*wanted])), len(outputs), name)
    assert own == plain


@settings(deadline=None)
@given(films(), st.sets(st.sampled_from(NAMES), min_size=1))
def test_bystanders_are_of_other_classes_and_lie_in_the_picture(
    outputs: list[NDArray[np.float32]], wanted: set[str]
) -> None:
    finder = Detector(SPEC, Film(outputs), [*wanted])
    for index in range(len(outputs)):
        besides = finder.look(Frame("c", index, 0.0, np.zeros((64, 96, 3), np.uint8))).bystanders
        assert set(besides.names) <= set(besides.classes)
        assert set(besides.classes) == set(NAMES) - {"dog"} - set(finder.classes)
        assert np.isfinite(besides.xyxy).all()
        assert (besides.xyxy[:, 2:] > besides.xyxy[:, :2]).all()
        assert (besides.xyxy >= 0).all()
        assert (besides.xyxy <= [96, 64, 96, 64]).all()


# --- in a pipeline


def test_bystanders_are_in_the_pixels_of_the_scene() -> None:
    finder = RegionFinder(detector(["car"]), (40, 100, 200, 60), SIZE)
    pipeline = Pipeline(Scene(SIZE, ("car",)), finder, SETTINGS)
    image = paint({"person": (60, 150), "car": (200, 140)}, times=2.0)
    besides = pipeline.step(Frame("c", 0, 0.0, image)).tracked.bystanders
    assert besides.names == ("person",)
    assert besides.xyxy[0] == pytest.approx(PERSON, abs=1)
    assert besides.within == (40, 100, 240, 160)


def test_a_picture_in_which_nobody_is_looked_for_says_so() -> None:
    pipeline = Pipeline(Scene(SIZE, ("car",)), detector(["car"]), SETTINGS)
    empty = np.random.default_rng(1).integers(40, 160, (192, 320, 3), np.uint8)
    films = [empty] * 50, [np.zeros_like(empty)] * 50
    frames = [Frame("c", i, i / 5, image) for i, image in enumerate([*films[0], *films[1]])]
    seen = [pipeline.step(frame).tracked for frame in frames]
    dark = [each for each in seen if not each.quality.trusted]
    assert dark
    assert all(each.bystanders is UNSEEN for each in dark)
    assert all(each.bystanders.within is None for each in seen if each.quality.trusted)
