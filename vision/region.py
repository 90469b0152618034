"""A part of the picture, analysed for itself: what is small in the whole is larger in a crop, and
a crop of the same scale costs less.

The crop is made around the ground-contact points: objects stand above them, so it must hold more
than the lines and zones themselves, and beside a line there must be room for a track to begin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from vision.bystanders import Part
from vision.detect import Finder, Look, look
from vision.scene import Scene
from vision.types import BoolArray, Detections, FloatArray, Frame, IntArray

Box = tuple[int, int, int, int]
"""x, y, width, height, px."""

PERSON_AT_TOP = 0.05
PERSON_GROWTH = 0.25
"""A person whose feet are at y is at most ``PERSON_AT_TOP`` + ``PERSON_GROWTH`` * y tall, all as
shares of the picture's height, where a camera looks down on a place: 95 % of the people of MOT15
PETS09-S2L1 are, at every y."""
WORTH_AREA = 0.75
"""An automatic region that holds more of the picture is not worth what it cuts off."""
WORTH_HEIGHT = 0.7
"""Nor is a higher one, as a share of the picture's height: what goes from far to near holds objects
that are large already, and a crop loses more of them at its sides than it finds."""
CUT_PX = 2.0
"""A box that ends so near to the border of the crop, px of the size at which it is looked at, is
cut off there: 97 % of the cut people of the plaza are, and 1 of 5 whole ones whose feet are within
15 % of their height of it."""


@dataclass(frozen=True, slots=True)
class _Room:
    """What lies around a ground-contact point, in heights of a person there: the object and, on
    the ground, the way on which its track begins (three boxes at 5 pictures a second)."""

    above: float
    beside: float
    below: float


_ON_FOOT = _Room(above=1.25, beside=0.75, below=0.5)
_ON_WHEELS = _Room(above=2.0, beside=3.0, below=1.25)
"""Half a car is 1.3 heights of a person long; at 10 m/s it goes 2.4 further in three boxes."""


def region_of(scene: Scene, frame_size: tuple[int, int]) -> Box | None:
    """The part of a picture of ``frame_size`` (w, h) that ``scene`` wants analysed, clipped to
    the picture; None for all of it, also where ``auto`` would leave little out."""
    if scene.region is None:
        return None
    x, y, w, h = around(scene) if scene.region == "auto" else scene.region
    (fw, fh), (sw, sh) = frame_size, scene.frame_size
    left, right = _span(x * fw / sw, (x + w) * fw / sw, fw)
    top, bottom = _span(y * fh / sh, (y + h) * fh / sh, fh)
    box = left, top, right - left, bottom - top
    share = box[2] * box[3] / (fw * fh)
    limit = WORTH_AREA if scene.region == "auto" else np.nextafter(1, 0)
    if share > limit or (scene.region == "auto" and box[3] > WORTH_HEIGHT * fh):
        return None
    return box


def around(scene: Scene) -> tuple[float, float, float, float]:
    """x, y, width, height px of what the lines and zones of ``scene`` need, within its picture:
    whole objects that stand on them, and the way to them. All of it where nothing is drawn."""
    w, h = scene.frame_size
    drawn = [line.points for line in scene.lines] + [zone.polygon for zone in scene.zones]
    if not drawn:
        return 0.0, 0.0, float(w), float(h)
    room = _ON_FOOT if set(scene.classes) == {"person"} else _ON_WHEELS
    x, y = np.concatenate(drawn).T
    tall = PERSON_AT_TOP * h + PERSON_GROWTH * y
    left = max(0.0, float((x - room.beside * tall).min()))
    right = min(float(w), float((x + room.beside * tall).max()))
    top = max(0.0, float((y - room.above * tall).min()))
    bottom = min(float(h), float((y + room.below * tall).max()))
    return left, top, right - left, bottom - top


def known_part(scene: Scene) -> Part:
    """The part of a picture, in shares of it, in which nobody's head is but of those who are found:
    the region of ``scene`` without as much of its lower end as a person there is tall, since whom
    its border cuts off below is left out. All of the picture where there is no region."""
    (w, h), box = scene.frame_size, region_of(scene, scene.frame_size)
    if box is None:
        return 0.0, 0.0, 1.0, 1.0
    x, y, width, height = box
    end = float(y + height)
    if end < h:
        end = max(y, end - PERSON_AT_TOP * h - PERSON_GROWTH * end)
    return x / w, y / h, (x + width) / w, end / h


class RegionFinder:
    """Lets ``finder`` see ``box`` of each picture alone; boxes are in the whole picture's px.

    ``box`` is meant for pictures of ``frame_size`` (w, h) and follows those of other sizes.
    ``zoom`` says how many px ``finder`` makes of one px of such a picture. A box that the crop
    cuts off below is left out: where its feet are is not in sight, and its lower edge would be a
    foot at the border, up to a whole body away. One that is cut off at a side stays: its foot is
    off by less than half its width, as at the edge of any picture; and one that is cut off above
    has its feet in sight. For evidence all are hidden, so those that are left out are bystanders.
    """

    def __init__(
        self, finder: Finder, box: Box, frame_size: tuple[int, int], zoom: float = 1.0
    ) -> None:
        self.finder = finder
        self.box = box
        self._frame_size = frame_size
        self._zoom = zoom

    @property
    def classes(self) -> tuple[str, ...]:
        return self.finder.classes

    @property
    def wanted(self) -> tuple[str, ...]:
        return self.finder.wanted

    @property
    def group_of(self) -> IntArray:
        return self.finder.group_of

    def find(self, frame: Frame) -> Detections:
        """What is found in the region of ``frame``, in its own px."""
        return self.look(frame).found

    def look(self, frame: Frame) -> Look:
        """The same, and the bystanders in the region."""
        x, y, w, h = self.box_in(frame.size)
        seen = look(self.finder, replace(frame, picture=frame.picture.crop(x, y, w, h)))
        found, besides = seen.found, seen.bystanders
        if y + h < frame.size[1]:
            zoom = self._zoom * self._frame_size[1] / frame.size[1]
            cut = _cut_below(found.xyxy, h, CUT_PX / zoom)
            names = [self.classes[i] for i in found.class_id[cut].tolist()]
            besides = besides.joined(names, found.xyxy[cut])
            found = found.select(~cut)
        offset = np.array([x, y, x, y], np.float32)
        return Look(
            Detections(found.xyxy + offset, found.score, found.class_id),
            replace(besides, xyxy=besides.xyxy + offset, within=(x, y, x + w, y + h)),
        )

    def box_in(self, size: tuple[int, int]) -> Box:
        """``box`` in a picture of ``size`` (w, h) px."""
        if size == self._frame_size:
            return self.box
        (x, y, w, h), (fw, fh) = self.box, self._frame_size
        left, right = _span(x * size[0] / fw, (x + w) * size[0] / fw, size[0])
        top, bottom = _span(y * size[1] / fh, (y + h) * size[1] / fh, size[1])
        return left, top, right - left, bottom - top


def _cut_below(boxes: FloatArray, height: int, near_px: float) -> BoolArray:
    """Which boxes (n, 4) end within ``near_px`` of the lower border of a crop of that height."""
    return np.asarray(boxes[:, 3] > height - near_px)


def _span(start: float, end: float, length: int) -> tuple[int, int]:
    """Whole px from ``start`` to ``end`` within 0..``length``, at least one."""
    first = min(max(0, math.floor(start + 1e-6)), length - 1)
    return first, max(first + 1, min(length, math.ceil(end - 1e-6)))
