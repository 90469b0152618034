"""How well motion counts: on the rendered road, whose vehicles are known, and on real clips.

``tests/baselines/motion.json`` holds what was measured; a change may only improve on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.errors import ModelError
from models.zoo import VerifiedModel, resolve
from streams import samples
from streams.detector import MOTION, Detectors
from streams.files import ClipSource
from streams.scenefile import load_scene
from streams.synthetic import HORIZON, NEAR_M, Vehicle
from streams.synthetic import Scene as Road
from tests.needs import REPO
from vision.foreground import MotionDetector
from vision.scene import Line, Scene
from vision.types import Crossing, Frame, Image

BASELINE = json.loads((REPO / "tests/baselines/motion.json").read_text("utf-8"))
SIZE = (640, 360)
FINE_S = 0.01
FROM_S = 3.0
"""Whoever passes before is not expected to be seen."""
NEAR_S = 1.0
"""A crossing belongs to a vehicle that passes within so long of it."""

ROAD = load_scene(samples.folder() / "scenes/synthetic.yaml")
CARPARK = load_scene(samples.folder() / "scenes/carpark.yaml")
LINES = {
    "as drawn": ((0, 216), (767, 216)),
    "higher": ((0, 186), (767, 186)),
    "lower": ((0, 246), (767, 246)),
    "rising": ((0, 256), (767, 176)),
    "falling": ((0, 176), (767, 256)),
}
Change = Callable[[Image], Image]


def brighter(times: float) -> Change:
    return lambda image: np.asarray(cv2.convertScaleAbs(image, alpha=times), np.uint8)


def noisy(image: Image) -> Image:
    # a shift by what is in the picture, so that no two pictures have the same noise
    shift = int(image.sum()) % NOISE.shape[0]
    return np.clip(image + np.roll(NOISE, shift, axis=0), 0, 255).astype(np.uint8)


def half(image: Image) -> Image:
    h, w = image.shape[:2]
    small = cv2.resize(image, (w // 2, h // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


NOISE = np.random.default_rng(0).normal(0, 8, (432, 768, 3)).astype(np.float32)
CHANGES: dict[str, Change] = {
    "as it is": lambda image: image,
    "darker": brighter(0.7),
    "lighter": brighter(1.3),
    "noise": noisy,
    "half the size": half,
    "thermal": lambda image: np.asarray(255 - image, np.uint8),
    "grey": lambda image: np.asarray(
        cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8
    ),
}


def no_model(name: str) -> VerifiedModel:
    raise ModelError(f"motion needs no model, least of all {name}")


def count(frames: Iterable[Frame], scene: Scene) -> list[Crossing]:
    camera = Detectors(no_model).pipeline(MOTION, scene.frame_size, scene)
    return [crossing for frame in frames for crossing in camera.step(frame).counted.crossings]


def rendered(seed: int, fps: int, seconds: float) -> Iterator[Frame]:
    road = Road(SIZE, seed)
    for index in range(round(seconds * fps)):
        yield Frame("road", index, index / fps, road.render(index / fps))


@cache
def passing(seed: int, seconds: float) -> tuple[tuple[float, str], ...]:
    """When vehicles pass the line of the scene and whither, by where they are."""
    (line,) = ROAD.lines
    y = float(line.points[0, 1])
    horizon = SIZE[1] * HORIZON
    z_m = (SIZE[1] - horizon) * NEAR_M / (y - horizon)
    road = Road(SIZE, seed)
    assert road.point(0, 0, z_m)[1] == pytest.approx(y, abs=1)
    found: list[tuple[float, str]] = []
    before: list[Vehicle] = []
    for t in np.arange(FROM_S, seconds - 1, FINE_S):
        now = road.vehicles(float(t))
        for one, other in product(before, now):
            # nobody comes so near to the one ahead
            same = one.x_m == other.x_m and abs(one.z_m - other.z_m) < 1
            if same and min(one.z_m, other.z_m) <= z_m < max(one.z_m, other.z_m):
                found.append((float(t), "towards" if one.towards else "away"))
        before = now
    return tuple(found)


def compare(found: list[Crossing], seed: int, seconds: float) -> dict[str, int]:
    """How many passed, how many were missed, and how many were counted beside them."""
    truth = passing(seed, seconds)
    left = [crossing for crossing in found if FROM_S <= crossing.ts < seconds - 1]
    missed = 0
    for t, direction in truth:
        near = [c for c in left if c.direction == direction and abs(c.ts - t) < NEAR_S]
        if near:
            left.remove(min(near, key=lambda crossing: abs(crossing.ts - t)))
        else:
            missed += 1
    return {"passed": len(truth), "missed": missed, "beside": len(left)}


def no_worse(name: str, got: dict[str, Any]) -> None:
    known = BASELINE[name]
    print(name, got)
    assert got["passed"] == known["passed"]
    assert got["missed"] <= known["missed"], "improve, or say in the baseline why not"
    assert got["beside"] <= known["beside"], "improve, or say in the baseline why not"


@pytest.mark.parametrize("fps", [5, 7, 12])
def test_the_rendered_road(fps: int) -> None:
    seconds = 60.0
    got = compare(count(rendered(0, fps, seconds), ROAD), 0, seconds)
    no_worse(f"rendered road, seed 0, {seconds:.0f} s, {fps} fps", got)
    assert got["beside"] == 0, "the walker on the walkway is no vehicle on the road"


@pytest.mark.long
@pytest.mark.parametrize("fps", [5, 7, 12])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_more_rendered_road(seed: int, fps: int) -> None:
    seconds = 120.0
    got = compare(count(rendered(seed, fps, seconds), ROAD), seed, seconds)
    no_worse(f"rendered road, seed {seed}, {seconds:.0f} s, {fps} fps", got)


def clip(path: Path, fps: int | None) -> Iterator[Frame]:
    source = ClipSource(path, camera_id="c", fps=None if fps is None else Fraction(fps))
    with source:
        yield from source.frames()


@pytest.mark.parametrize("fps", [5, 7, 12])
@pytest.mark.parametrize(
    ("name", "frames_a_second", "line", "truth"),
    [
        ("road_8toward.mp4", 24, "road", {"toward": "toward", "away": "away"}),
        ("carpark_topdown.mp4", 12.5, "carpark", {"up": "up", "down": "down"}),
    ],
)
def test_real_clips(
    name: str, frames_a_second: float, line: str, truth: dict[str, str], fps: int, shared: Path
) -> None:
    known = json.loads((shared / "clips/ground_truth.json").read_text("utf-8"))[name]
    scene = CARPARK
    if line == "road":
        drawn = load_scene(samples.folder() / "scenes/road.yaml")
        scene = Scene(drawn.frame_size, lines=drawn.lines)
    found = count(clip(shared / "clips" / name, fps), scene)
    got = {"passed": 0, "missed": 0, "beside": 0}
    for direction, key in truth.items():
        expected = known[key].get("total", 0)
        counted = sum(crossing.direction == direction for crossing in found)
        got["passed"] += expected
        got["missed"] += max(0, expected - counted)
        got["beside"] += max(0, counted - expected)
    no_worse(f"{name}, {fps} fps", got)


@pytest.mark.long
@pytest.mark.parametrize("fps", [5, None])
@pytest.mark.parametrize("change", CHANGES)
def test_the_car_park_whatever_the_line_and_the_picture(
    change: str, fps: int | None, shared: Path
) -> None:
    lines = tuple(
        Line(name, np.array(points, np.float64), forward="down", backward="up")
        for name, points in LINES.items()
    )
    scene = replace(CARPARK, lines=lines)
    frames = clip(shared / "clips/carpark_topdown.mp4", fps)
    found = count((replace(f, picture=CHANGES[change](f.image)) for f in frames), scene)
    for name in LINES:
        went = [crossing.direction for crossing in found if crossing.line == name]
        assert sorted(went) == ["down", "down", "up", "up"], name


@pytest.mark.parametrize("fps", [5, None])
@pytest.mark.parametrize("change", ["as it is", "half the size", "thermal"])
def test_the_sun_that_comes_out_is_nothing(change: str, fps: int | None, shared: Path) -> None:
    finder = MotionDetector()
    frames = 0
    for frame in clip(shared / "clips/exposure_jump.avi", fps):
        assert len(finder.find(replace(frame, picture=CHANGES[change](frame.image)))) == 0
        frames += 1
    assert frames > 20


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "scene", "fps", "truth"),
    [
        ("road_8toward.mp4", "road", 12, {"toward": 8, "away": 0}),
        ("road_8toward.mp4", "road", 6, {"toward": 8, "away": 0}),
        ("carpark_topdown.mp4", "carpark", 6, {"up": 2, "down": 2}),
    ],
)
def test_fused_with_the_model_that_comes_along(
    name: str, scene: str, fps: int, truth: dict[str, int], shared: Path
) -> None:
    drawn = load_scene(samples.folder() / f"scenes/{scene}.yaml")
    asked = Scene(drawn.frame_size, lines=drawn.lines, detector="fused")
    detectors = Detectors(lambda model: resolve(model, cache=Path()))
    camera = detectors.pipeline("nanodet_g", asked.frame_size, asked)
    for frame in clip(shared / "clips" / name, fps):
        camera.step(frame)
    (line,) = drawn.lines
    counts = camera.counts[line.name]
    assert {direction: sum(counts[direction].values()) for direction in truth} == truth
