"""Pictures of coloured blocks, and a model that finds them: a detector without weights.

The model answers in the layout ``yolov8``. It looks at the picture that it is given, so what it
finds depends on letterbox, colour order and scale, as with a real one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.detect import ClassGroup, Detector, DetectorSpec
from vision.track import TrackerSettings
from vision.types import Frame, Image

CLASSES = ("person", "car", "truck")
BGR = {"person": (0, 0, 255), "car": (0, 255, 0), "truck": (255, 0, 0)}
"""Red people, green cars, blue trucks."""
GROUND = 24
SCORE = 0.75
INPUT = (192, 320)
"""Height and width of the model's input, px."""
GROUPS = (ClassGroup(("car", "truck"), 0.5, 0.75),)
SETTINGS = TrackerSettings(low=0.1, match=0.3, birth=0.4)

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
