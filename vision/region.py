"""A part of the picture, analysed for itself: what is small in the whole fills more of a crop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vision.detect import Finder
from vision.scene import Scene
from vision.types import Detections, Frame, IntArray

Box = tuple[int, int, int, int]
"""x, y, width, height, px."""


def region_of(scene: Scene, frame_size: tuple[int, int]) -> Box | None:
    """The part of a picture of ``frame_size`` (w, h) that ``scene`` asks for; None for all."""
    if scene.region is None or scene.region == "auto":
        return None
    x, y, w, h = scene.region
    fx, fy = frame_size[0] / scene.frame_size[0], frame_size[1] / scene.frame_size[1]
    return round(x * fx), round(y * fy), round(w * fx), round(h * fy)


class RegionFinder:
    """Lets ``finder`` see ``box`` of each picture alone; boxes are in the whole picture's px."""

    def __init__(self, finder: Finder, box: Box) -> None:
        self._finder = finder
        self.box = box

    @property
    def classes(self) -> tuple[str, ...]:
        return self._finder.classes

    @property
    def wanted(self) -> tuple[str, ...]:
        return self._finder.wanted

    @property
    def group_of(self) -> IntArray:
        return self._finder.group_of

    def find(self, frame: Frame) -> Detections:
        x, y, w, h = self.box
        found = self._finder.find(replace(frame, image=frame.image[y : y + h, x : x + w]))
        offset = np.array([x, y, x, y], np.float32)
        return Detections(found.xyxy + offset, found.score, found.class_id)
