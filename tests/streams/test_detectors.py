"""What finds objects for a camera: its model, its scene's ``detector`` and its ``region``."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import MissingWeights
from models.manifest import PoseEntry
from models.zoo import VerifiedModel, known, resolve
from streams import detector as module
from streams.config import MOTION
from streams.detector import POSES, Detectors, build_detector, tracker_settings
from tests.streams.madeup import entry, made_up_input, note_loads
from vision.detect import Detector, Finder
from vision.errors import DetectorError
from vision.foreground import MOVING, MotionDetector, motion_tracker
from vision.fused import FusedFinder
from vision.gate import GatedFinder
from vision.pipeline import Pipeline
from vision.pose import INPUT, KEYPOINTS
from vision.region import RegionFinder, region_of
from vision.rules.registry import kinds
from vision.scene import DetectorKind, Preset, Region, RuleConfig, Scene, Zone
from vision.track import TrackerSettings
from vision.views import View

SIZE = (640, 360)
YARD = Zone("yard", np.array([[200.0, 100.0], [440.0, 100.0], [440.0, 130.0], [200.0, 130.0]]))
"""Far away, in a picture of 640x360."""
BOX = (160.0, 60.0, 320.0, 80.0)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What ``load_session`` was called with; no model is read."""
    return note_loads(monkeypatch)


def scene(**changes: Any) -> Scene:
    return dataclasses.replace(Scene(SIZE, ("person",), zones=(YARD,)), **changes)


def no_model(name: str) -> VerifiedModel:
    raise AssertionError(f"{name} is no model")


def models(**input_changes: Any) -> Detectors:
    made = entry(input=made_up_input(**input_changes))
    return Detectors(lambda name: VerifiedModel(made, b""))


def inside(finder: Finder) -> tuple[Finder, tuple[int, ...] | None]:
    """What looks at the pictures, behind its gate, and the region around it."""
    box = None
    if isinstance(finder, RegionFinder):
        finder, box = finder.finder, finder.box
    return (finder.finder if isinstance(finder, GatedFinder) else finder), box


@pytest.mark.parametrize(
    ("region", "box"), [(None, None), (BOX, (160, 60, 320, 80)), ("auto", "around the yard")]
)
@pytest.mark.parametrize(
    ("model", "asked", "what"),
    [
        ("made_up", "model", Detector),
        ("made_up", "motion", MotionDetector),
        ("made_up", "fused", FusedFinder),
        (MOTION, "model", MotionDetector),
        (MOTION, "motion", MotionDetector),
    ],
)
def test_the_detector_that_a_scene_asks_for(
    model: str, asked: DetectorKind, what: type, region: Region | None, box: Any, loaded: list[Any]
) -> None:
    moving = what is MotionDetector
    detectors = Detectors(no_model) if moving else models(dynamic=True)
    classes = (MOVING,) if moving else ("person",)
    wanted = scene(detector=asked, region=region, classes=classes)
    finder, settings = detectors.get(model, SIZE, wanted)
    found, seen = inside(finder)
    assert type(found) is what
    assert seen == (region_of(wanted, SIZE) if box == "around the yard" else box)
    assert (seen is None) == (region is None)
    assert settings == (motion_tracker() if moving else tracker_settings(entry()))
    assert len(loaded) == (0 if moving else 1)


@pytest.mark.parametrize(
    ("asked", "classes", "wanted"),
    [
        ("model", (), ("person", "car", "bus")),
        ("model", ("becak",), ("becak",)),
        ("motion", (), (MOVING,)),
        ("motion", (MOVING,), (MOVING,)),
        ("fused", (), ("person", "car", "bus", MOVING)),
        ("fused", ("car", MOVING), ("car", MOVING)),
        # tracks that the scene does not use help to follow those that it does
        ("fused", ("car",), ("car", MOVING)),
    ],
)
@pytest.mark.parametrize("region", [None, BOX])
def test_the_classes_of_each_detector(
    asked: DetectorKind,
    classes: tuple[str, ...],
    wanted: tuple[str, ...],
    region: Region | None,
    loaded: list[Any],
) -> None:
    finder, _ = models().get("made_up", SIZE, scene(detector=asked, classes=classes, region=region))
    assert finder.wanted == wanted
    assert set(wanted) <= set(finder.classes)
    assert len(finder.group_of) == len(finder.classes)


@pytest.mark.parametrize(
    ("model", "asked", "classes", "message"),
    [
        (MOTION, "fused", (), "'detector: fused' joins a model with motion, but the camera has"),
        (MOTION, "model", ("person",), f"motion finds '{MOVING}' alone"),
        ("made_up", "motion", ("person",), f"motion finds '{MOVING}' alone"),
        ("made_up", "motion", (MOVING, "car"), f"motion finds '{MOVING}' alone"),
        ("made_up", "model", ("becaq",), "did you mean 'becak'?"),
        ("made_up", "fused", ("becaq", MOVING), "did you mean 'becak'?"),
        (
            "made_up",
            "model",
            (MOVING,),
            "write 'detector: motion' or 'detector: fused' in the scene",
        ),
    ],
)
def test_what_no_detector_can_serve_is_one_sentence(
    model: str, asked: DetectorKind, classes: tuple[str, ...], message: str, loaded: list[Any]
) -> None:
    with pytest.raises(DetectorError) as caught:
        models().get(model, SIZE, scene(detector=asked, classes=classes))
    assert message in str(caught.value)
    assert loaded == []


def test_one_detector_serves_cameras_that_are_alike(loaded: list[Any]) -> None:
    detectors = models()
    first, settings = detectors.get("made_up", SIZE, scene())
    again, _ = detectors.get("made_up", SIZE, scene())
    other, _ = detectors.get("made_up", SIZE, scene(classes=("car",)))
    assert inside(first)[0] is inside(again)[0]
    assert inside(first)[0] is not inside(other)[0]
    assert settings == tracker_settings(entry())
    assert len(loaded) == 2


def test_a_gate_remembers_its_camera_so_each_has_its_own(loaded: list[Any]) -> None:
    detectors = models()
    cameras = [detectors.get("made_up", SIZE, scene())[0] for _ in range(2)]
    assert all(isinstance(camera, GatedFinder) for camera in cameras)
    assert cameras[0] is not cameras[1]
    assert len(loaded) == 1


@pytest.mark.parametrize("asked", ["model", "fused", "motion"])
@pytest.mark.parametrize("gate", [True, False])
@pytest.mark.parametrize("region", [None, BOX])
def test_a_gate_is_around_the_model_alone_where_the_scene_wants_it(
    asked: DetectorKind,
    gate: bool,
    region: Region | None,
    loaded: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    behind: list[Finder] = []

    class Noted(GatedFinder):
        def __init__(self, finder: Finder, settings: TrackerSettings) -> None:
            behind.append(finder)
            super().__init__(finder, settings)

    monkeypatch.setattr(module, "GatedFinder", Noted)
    classes = (MOVING,) if asked == "motion" else ("person",)
    models().get("made_up", SIZE, scene(detector=asked, gate=gate, region=region, classes=classes))
    expected = [Detector] if gate and asked != "motion" else []
    assert [type(finder) for finder in behind] == expected


def test_regions_of_one_shape_share_the_model_and_not_the_place(loaded: list[Any]) -> None:
    detectors = models(dynamic=True)
    places = [BOX, (0.0, 0.0, *BOX[2:])]
    left, right = (detectors.get("made_up", SIZE, scene(region=place))[0] for place in places)
    assert left is not right
    assert inside(left)[0] is inside(right)[0]
    assert (inside(left)[1], inside(right)[1]) == ((160, 60, 320, 80), (0, 0, 320, 80))
    assert [call["input_size"] for call in loaded] == [(128, 416)]


def test_fused_cameras_share_the_model_and_nothing_that_remembers(loaded: list[Any]) -> None:
    detectors = models()
    fused = [detectors.get("made_up", SIZE, scene(detector="fused"))[0] for _ in range(2)]
    assert fused[0] is not fused[1]
    assert len(loaded) == 1


def test_fused_goes_by_the_models_own_scores(
    loaded: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores: list[tuple[float, float]] = []

    class Noted(FusedFinder):
        def __init__(self, *parts: Any, match: float, birth: float) -> None:
            scores.append((match, birth))
            super().__init__(*parts, match=match, birth=birth)

    monkeypatch.setattr(module, "FusedFinder", Noted)
    models().get("made_up", SIZE, scene(detector="fused"))
    assert scores == [(0.22, 0.33)]


def test_motion_remembers_its_camera_so_each_has_its_own() -> None:
    detectors = Detectors(no_model)
    for region in (None, BOX):
        cameras = [
            detectors.get(MOTION, SIZE, scene(classes=(), region=region))[0] for _ in range(2)
        ]
        assert inside(cameras[0])[0] is not inside(cameras[1])[0]
    settings = motion_tracker()
    assert 0 <= settings.low <= settings.match <= settings.birth <= 1


@pytest.mark.parametrize(
    ("region", "size", "dynamic", "chosen"),
    [
        # the picture, or the shape of the region, the long side as the model's
        (None, SIZE, True, (256, 416)),
        (BOX, SIZE, True, (128, 416)),
        ((0, 0, 160, 320), SIZE, True, (416, 224)),
        ((0, 0, 300, 300), SIZE, True, (416, 416)),
        # enlarged by 2.5 at most
        ((0, 0, 100, 60), SIZE, True, (160, 256)),
        (BOX, (320, 180), True, (128, 416)),
        (BOX, (160, 90), True, (64, 224)),
        # a model of a fixed size has no choice
        (None, SIZE, False, (320, 416)),
        (BOX, SIZE, False, (320, 416)),
    ],
)
def test_the_models_input_follows_the_region(
    region: Region | None,
    size: tuple[int, int],
    dynamic: bool,
    chosen: tuple[int, int],
    loaded: list[Any],
) -> None:
    models(dynamic=dynamic).get("made_up", size, scene(region=region))
    assert [call["input_size"] for call in loaded] == [chosen]


@pytest.mark.parametrize(("dynamic", "cropped"), [(True, True), (False, False)])
def test_an_automatic_region_of_a_fixed_input_has_to_enlarge(
    dynamic: bool, cropped: bool, loaded: list[Any]
) -> None:
    wide = Zone("wide", np.array([[0.0, 100.0], [640.0, 100.0], [640.0, 130.0]]))
    finder, _ = models(dynamic=dynamic).get("made_up", SIZE, scene(region="auto", zones=(wide,)))
    assert (inside(finder)[1] is not None) == cropped
    drawn, _ = models(dynamic=dynamic).get("made_up", SIZE, scene(region=(0, 50, 640, 100)))
    assert inside(drawn)[1] == (0, 50, 640, 100), "what is drawn is done"


def test_providers_are_those_of_the_detectors(loaded: list[Any]) -> None:
    Detectors(lambda name: VerifiedModel(entry(), b""), ["A", "B"]).get("made_up", SIZE, scene())
    assert [tuple(call["providers"]) for call in loaded] == [("A", "B")]


def rule(kind: str, enabled: bool = True) -> RuleConfig:
    return RuleConfig(
        "a rule", kind, "yard", ("person",), kinds()[kind].Settings(), enabled=enabled
    )


LIES = rule("person_down")
"""A rule that looks at how people hold themselves."""


class NoPoses:
    def run(self, images: Any) -> Any:
        raise AssertionError("nobody is looked at in these tests")


@pytest.fixture
def poses_loaded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What ``load_poses`` was called with; no model is read."""
    calls: list[dict[str, Any]] = []

    def load(model: VerifiedModel, **options: Any) -> NoPoses:
        # others come while this one loads
        time.sleep(0.02)
        calls.append({"model": model.entry.name, **options})
        return NoPoses()

    monkeypatch.setattr(module, "load_poses", load)
    return calls


def both(asked: list[str] | None = None) -> Detectors:
    """Detectors that know a made-up model and that of poses."""

    def find(name: str) -> VerifiedModel:
        if asked is not None:
            asked.append(name)
        return VerifiedModel(known(name) if name == POSES else entry(), b"")

    return Detectors(find, ["A"])


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ((), False),
        ((rule("intrusion"),), False),
        ((rule("person_down", enabled=False),), False),
        ((LIES,), True),
    ],
)
def test_poses_are_loaded_where_a_rule_needs_them(
    rules: tuple[RuleConfig, ...], wanted: bool, loaded: list[Any], poses_loaded: list[Any]
) -> None:
    asked: list[str] = []
    pipeline = both(asked).pipeline("made_up", SIZE, scene(rules=rules))
    assert isinstance(pipeline, Pipeline)
    assert pipeline.wanted == ("person",)
    assert asked == (["made_up", POSES] if wanted else ["made_up"])
    assert poses_loaded == ([{"model": POSES, "providers": ("A",), "threads": 1}] * wanted)


def test_a_rule_of_another_view_needs_poses_too(loaded: list[Any], poses_loaded: list[Any]) -> None:
    look = np.random.default_rng(1).integers(0, 255, (360, 640, 3), np.uint8)
    other = Preset("other", View.of([look]).text, scene(rules=(LIES,)))
    both().pipeline("made_up", SIZE, scene(presets=(other,)))
    assert len(poses_loaded) == 1


def test_one_model_of_poses_serves_cameras_that_ask_at_once(
    loaded: list[Any], poses_loaded: list[Any]
) -> None:
    detectors = both()
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(detectors.poses) for _ in range(8)]
        found = {id(each.result()) for each in asked}
    assert len(found) == len(poses_loaded) == 1
    detectors.pipeline("made_up", SIZE, scene(rules=(LIES,)))
    assert len(poses_loaded) == 1


def test_poses_that_cannot_be_had_are_an_error(loaded: list[Any]) -> None:
    def find(name: str) -> VerifiedModel:
        if name == POSES:
            raise MissingWeights(f"the weights of {name} are missing: install it again")
        return VerifiedModel(entry(), b"")

    detectors = Detectors(find)
    with pytest.raises(MissingWeights, match=POSES):
        detectors.pipeline("made_up", SIZE, scene(rules=(LIES,)))
    detectors.pipeline("made_up", SIZE, scene())


@pytest.mark.parametrize("asked", ["model", "fused"])
def test_a_model_of_poses_is_no_detector(asked: DetectorKind, tmp_path: Path) -> None:
    detectors = Detectors(lambda name: resolve(name, cache=tmp_path))
    with pytest.raises(DetectorError, match="movenet_multipose finds poses and no objects") as said:
        detectors.get(POSES, SIZE, scene(detector=asked))
    assert "\n" not in str(said.value)
    with pytest.raises(DetectorError, match="finds poses and no objects"):
        build_detector(resolve(POSES, cache=tmp_path), frame_size=SIZE, classes=("person",))


def test_the_embedded_model_of_poses_finds_as_the_core_expects(tmp_path: Path) -> None:
    model = Detectors(lambda name: resolve(name, cache=tmp_path)).poses()
    stated = known(POSES)
    assert isinstance(stated, PoseEntry)
    assert (stated.input.height, stated.input.width) == (INPUT, INPUT)
    assert len(stated.keypoints) == KEYPOINTS
    assert model.run(np.zeros((2, INPUT, INPUT, 3), np.uint8)).shape == (2, 6, 56)
