"""Pictures of coloured blocks, and a model that finds them: a detector without weights. And films
of a road that things pass, for what looks for motion.

The model answers in the layout ``yolov8``. It looks at the picture that it is given, so what it
finds depends on letterbox, colour order and scale, as with a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.background import LEARN_S
from vision.detect import ClassGroup, Detector, DetectorSpec, Finder
from vision.foreground import MotionDetector
from vision.track import TrackerSettings
from vision.types import Detections, Frame, Image

CLASSES = ("person", "car", "truck")
BGR = {"person": (0, 0, 255), "car": (0, 255, 0), "truck": (255, 0, 0)}
"""Red people, green cars, blue trucks."""
GROUND = 24
SCORE = 0.75
INPUT = (192, 320)
"""Height and width of the model's input, px."""
GROUPS = (ClassGroup(("car", "truck"), 0.5, 0.75),)
SETTINGS = TrackerSettings(low=0.1, match=0.3, birth=0.4)

FILM_SIZE = (640, 360)
LEARNT_S = LEARN_S + 1.0
"""By then the road is known at every rate of these tests."""
WHITE = (230, 230, 230)
Painter = Callable[[Image, float], Image]

Blocks = Mapping[str, tuple[float, float]]
"""Class to the foot (x, y) px of its block, in a picture of 320x192."""


def paint(blocks: Blocks, *, times: float = 1.0, size: tuple[int, int] = (320, 192)) -> Image:
    """A picture of ``size`` (w, h) px, ``times`` enlarged, with a block of 24x32 px for each."""
    w, h = round(size[0] * times), round(size[1] * times)
    image = np.full((h, w, 3), GROUND, np.uint8)
    for name, (x, y) in blocks.items():
        left, top, right, bottom = (round(v * times) for v in (x - 12, y - 32, x + 12, y))
        image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = BGR[name]
    return image


class BlockFinder:
    """A session: one box around all that has one of the three colours."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, batch: NDArray[np.float32]) -> Sequence[NDArray[Any]]:
        self.shapes.append(batch.shape)
        out = np.zeros((len(batch), 4 + len(CLASSES), len(CLASSES)), np.float32)
        for picture, rows in zip(batch, out, strict=True):
            # planes are R, G, B, as CLASSES are red, green, blue
            for i, plane in enumerate(picture):
                others = np.delete(picture, i, axis=0).max(axis=0)
                ys, xs = np.nonzero((plane > 0.5) & (others < 0.4))
                if len(xs) < 12:
                    continue
                x1, y1, x2, y2 = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
                rows[:4, i] = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
                rows[4 + i, i] = SCORE
        return [out]


def detector(wanted: Sequence[str] = CLASSES, session: BlockFinder | None = None) -> Detector:
    spec = DetectorSpec(
        input_size=INPUT,
        rgb=True,
        scale=1 / 255,
        pad_value=0,
        centred=False,
        layout="yolov8",
        classes=CLASSES,
        min_score=0.1,
        nms_iou=0.5,
        groups=GROUPS,
    )
    return Detector(spec, session or BlockFinder(), wanted)


def ride(
    path: Mapping[str, tuple[float, float, float]],
    *,
    seconds: float = 4.0,
    fps: float = 10.0,
    times: float = 1.0,
    start_ts: float = 0.0,
    camera_id: str = "cam",
) -> list[Frame]:
    """Frames in which each class's block goes along a row: ``path`` gives x at the start, px a
    second, and y of its foot."""
    frames = []
    for index in range(round(seconds * fps) + 1):
        t = index / fps
        blocks = {name: (x + speed * t, y) for name, (x, speed, y) in path.items()}
        frames.append(Frame(camera_id, index, start_ts + t, paint(blocks, times=times)))
    return frames


def road(size: tuple[int, int] = FILM_SIZE, seed: int = 0) -> Image:
    """An empty road: grey with a coarse grain."""
    w, h = size
    grain = np.random.default_rng(seed).normal(100, 12, (h // 8 + 1, w // 8 + 1, 3))
    smooth = cv2.resize(grain.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return np.clip(smooth, 0, 255).astype(np.uint8)


def block(
    image: Image, x: float, y: float, w: int = 80, h: int = 50, colour: tuple[int, ...] = WHITE
) -> Image:
    """A vehicle: a rectangle whose top left corner is at x, y."""
    cv2.rectangle(image, (round(x), round(y)), (round(x) + w - 1, round(y) + h - 1), colour, -1)
    return image


def film(
    paint: Painter, *, fps: float = 10, end_s: float = 6.0, noise: float = 0.0, start_s: float = 0.0
) -> Iterator[Frame]:
    """Pictures of the road from ``start_s`` on, each painted upon, with noise."""
    empty = road()
    grains = np.random.default_rng(1).normal(0, noise, (7 if noise else 0, *empty.shape))
    for index in range(round(end_s * fps)):
        t = index / fps
        image = paint(empty.copy(), t)
        if noise:
            image = np.clip(image + grains[index * 3 % 7], 0, 255).astype(np.uint8)
        yield Frame("c", index, start_s + t, image)


def watch(frames: Iterable[Frame], finder: Finder | None = None) -> dict[float, Detections]:
    """What is found, by time; by motion alone unless told otherwise."""
    detector = finder or MotionDetector()
    return {frame.ts: detector.find(frame) for frame in frames}


def passing(speed: float = 100.0, colour: tuple[int, ...] = WHITE) -> Painter:
    """A vehicle that comes once the road is known."""

    def paint(image: Image, t: float) -> Image:
        if t < LEARNT_S:
            return image
        return block(image, (t - LEARNT_S) * speed, 150, colour=colour)

    return paint


def overlap(a: np.ndarray, b: tuple[float, ...]) -> float:
    """IoU of two boxes."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    common = max(0.0, w) * max(0.0, h)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)
