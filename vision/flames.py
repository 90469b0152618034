"""Does what a detector takes for fire or smoke move like it? A second look that can only lower.

Flames flicker: pool fires and plumes puff with about 1.5 / sqrt(D) Hz, D m wide ("Experiments on
the periodic instability of buoyant plumes and pool fires", Combustion and Flame 93, 1993), 3 Hz for
a bin and 1 Hz for a car, and their edges with 1 to 10 Hz ("Computer vision based method for
real-time fire and flame detection", Pattern Recognition Letters 27, 2006). They are bright, and
red >= green >= blue ("An early fire-detection method based on image processing", ICIP 2004). Smoke
is grey, soft, and drifts ("Wavelet based real-time smoke detection in video", EUSIPCO 2005). A red
car, a sunset, a lamp or a poster does neither.

Five looks a second cannot measure 10 Hz, nor need they: what is told is that a pixel goes up and
down again and again (``_turning``), and not in step with the others (``_in_step``), as the pixels
of a lamp that blinks do, and all pixels when the exposure changes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np

from vision.geometry import iou
from vision.types import BoolArray, FloatArray, Frame, Image, Track

FIRE: Final = "fire"
SMOKE: Final = "smoke"

SAMPLE_S: Final = 0.2
"""So often it looks."""
LOOKS: Final = 15
"""It judges by so many looks: about 3 s, in which a fire of the size of a car puffs thrice."""
SLOWER: Final = 3
"""Smoke far away drifts slowly: it is also judged by every third of 9 s of looks."""
PAUSE_S: Final = 2.0
"""After so long without a look it begins anew."""
FORGET_S: Final = 6.0
"""What was judged counts for so long while the place cannot be judged, since the box moved."""
GRID: Final = 24
"""A box is looked at as so many x so many px: noise of large ones is averaged away."""
SAME_IOU = 0.4
"""The place looked at stays the same while the box of the track overlaps it by so much. Flames are
never boxed twice alike, and what goes elsewhere is none."""
MAX_TRACKS = 16
"""Of more, the oldest are looked at."""

FIRE_TURNS = 8.0
"""A pixel flickers that goes to and fro by so many levels from look to look; noise makes 1 to 4."""
HOT_RED = 190.0
"""Flames are at least so red at their brightest, in two looks or more,"""
HOT_OVER = 75.0
"""and by so much redder than blue: dust and stone in the sun reach 70."""
HOT_LOOKS: Final = 2
FIRE_SHARE = (0.005, 0.03)
"""The part of the box that flickers and is as hot: none of it counts below the first, all from the
second on. A box around a whole burning house has 0.02."""
SMOKE_TURNS = 1.5
"""Smoke flickers faintly."""
SMOKE_CHROMA = 45.0
"""Its channels differ by no more, in most looks;"""
SMOKE_LUMA = 60.0
"""what is darker says nothing;"""
MOST = 0.7
SMOKE_SHARE = (0.1, 0.4)
"""and it fills so much of its box."""
SHARP_SHARE = (0.25, 0.35)
"""Of its change no more than this part lies between neighbouring px; of noise 0.4 and more."""
JUMP = (60.0, 100.0)
"""Levels by which it changes between two looks at most: what has an edge jumps by 100 to 240."""
AT_ONCE = (0.82, 0.94)
"""The part of all that a pixel ever changes which it changes between two looks, in the middle: of
smoke 0.7 to 0.8, of somebody who passes 0.9 to 1."""
APART = (0.2, 0.5)
"""The part of the change that is not in step: of a fire 0.5 to 0.7, of a lamp that blinks next to
nothing."""
MIN_PX = 4
"""Fewer pixels say nothing."""

_LUMA = np.array([0.114, 0.587, 0.299], np.float32)


@dataclass(slots=True, eq=False)
class _Place:
    """Where a track is looked at, px of the scene's picture, and what was seen there."""

    box: FloatArray
    looks: deque[Image] = field(default_factory=lambda: deque(maxlen=LOOKS * SLOWER))
    factor: float = 0.0
    judged_ts: float = -math.inf


class Flames:
    """Looks at tracks of ``FIRE`` and ``SMOKE`` in one view, drawn on a picture of ``frame_size``
    (w, h) px."""

    def __init__(self, frame_size: tuple[int, int]) -> None:
        self._scene_size = frame_size
        self.reset()

    def reset(self) -> None:
        """Begin anew: the view is another one."""
        self._due_ts = self._last_ts = -math.inf
        self._places: dict[int, _Place] = {}

    @property
    def factors(self) -> Mapping[int, float]:
        """Track to 0..1, by which its score is to be multiplied; one that is missing was not looked
        at for long enough."""
        return {
            number: place.factor
            for number, place in self._places.items()
            if self._last_ts - place.judged_ts <= FORGET_S
        }

    def update(self, frame: Frame, tracks: Sequence[Track]) -> Mapping[int, float]:
        """Look at ``frame``, of which ``tracks`` are, in px of the scene's picture."""
        if frame.ts < self._due_ts:
            return self.factors
        # on a grid, so that all rates look at the same moments
        late_s = 0.0 if math.isinf(self._due_ts) else frame.ts - self._due_ts
        self._due_ts = frame.ts - late_s % SAMPLE_S + SAMPLE_S - 1e-3
        if frame.ts - self._last_ts > PAUSE_S:
            self._places.clear()
        self._last_ts = frame.ts
        burning = [track for track in tracks if track.class_name in (FIRE, SMOKE)]
        burning.sort(key=lambda track: track.id)
        known, self._places = self._places, {}
        for track in burning[:MAX_TRACKS]:
            place = self._places[track.id] = known.get(track.id) or _Place(track.box.copy())
            if iou(place.box[None], track.box[None])[0, 0] < SAME_IOU:
                place.box = track.box.copy()
                place.looks.clear()
            place.looks.append(self._look(frame, place.box))
            if len(place.looks) >= LOOKS:
                place.factor, place.judged_ts = _judged(place, track.class_name), frame.ts
        return self.factors

    def _look(self, frame: Frame, box: FloatArray) -> Image:
        (w, h), (sw, sh) = frame.size, self._scene_size
        x1, y1, x2, y2 = (box * np.array([w / sw, h / sh] * 2, np.float32)).tolist()
        left, top = min(max(0, round(x1)), w - 1), min(max(0, round(y1)), h - 1)
        right, bottom = max(left + 1, min(w, round(x2))), max(top + 1, min(h, round(y2)))
        small = (right - left) * (bottom - top) < GRID * GRID
        how = cv2.INTER_LINEAR if small else cv2.INTER_AREA
        part = frame.picture.crop(left, top, right - left, bottom - top).image
        return np.asarray(cv2.resize(part, (GRID, GRID), interpolation=how), np.uint8)


def _judged(place: _Place, name: str) -> float:
    """The factor of what is called ``name`` there, by the latest of its looks."""
    looks = [*place.looks]
    latest = np.stack(looks[-LOOKS:]).astype(np.float32)
    if name != SMOKE:
        return fire_like(latest)
    factor = smoke_like(latest)
    if factor < 1 and len(looks) == LOOKS * SLOWER:
        factor = max(factor, smoke_like(np.stack(looks[::SLOWER]).astype(np.float32)))
    return factor


def fire_like(looks: FloatArray) -> float:
    """How much ``looks`` (k, h, w, 3) BGR 0..255 at one place flicker as flames do, 0..1."""
    blue, green, red = looks[..., 0], looks[..., 1], looks[..., 2]
    luma = looks @ _LUMA
    hot = (red >= HOT_RED) & (red >= green) & (green >= blue - 5) & (red - blue >= HOT_OVER)
    flickers = (hot.sum(axis=0) >= HOT_LOOKS) & (_turning(luma) >= FIRE_TURNS)
    apart = 1 - _in_step(luma, flickers)
    return _ramp(float(flickers.mean()), FIRE_SHARE) * _ramp(apart, APART)


def smoke_like(looks: FloatArray) -> float:
    """How much ``looks`` (k, h, w, 3) BGR 0..255 at one place drift as smoke does, 0..1."""
    luma = looks @ _LUMA
    chroma = looks.max(axis=3) - looks.min(axis=3)
    grey = ((chroma <= SMOKE_CHROMA) & (luma >= SMOKE_LUMA)).mean(axis=0) >= MOST
    drifts = grey & (_turning(luma) >= SMOKE_TURNS)
    if np.count_nonzero(drifts) < MIN_PX:
        return 0.0
    change = luma - luma.mean(axis=0)
    fine = change - np.stack([cv2.blur(each, (3, 3)) for each in change])
    sharp = float((fine[:, drifts] ** 2).sum() / max(1e-3, float((change[:, drifts] ** 2).sum())))
    steps = np.abs(np.diff(luma, axis=0)).max(axis=0)[drifts]
    ranges = (luma.max(axis=0) - luma.min(axis=0))[drifts]
    jump, at_once = float(np.percentile(steps, 90)), float(np.median(steps / ranges))
    return (
        _ramp(float(drifts.mean()), SMOKE_SHARE)
        * _ramp(1 - _in_step(luma, drifts), APART)
        * (1 - _ramp(sharp, SHARP_SHARE))
        * (1 - _ramp(jump, JUMP))
        * (1 - _ramp(at_once, AT_ONCE))
    )


def _turning(luma: FloatArray) -> FloatArray:
    """How far each pixel of ``luma`` (k, h, w) goes to and fro from look to look, levels (h, w):
    less what it takes to go there and back once, as when the light changes or somebody passes."""
    way = np.abs(np.diff(luma, axis=0)).sum(axis=0)
    once = 2 * (luma.max(axis=0) - luma.min(axis=0))
    return np.asarray(np.maximum(way - once, 0) / (len(luma) - 1), np.float32)


def _in_step(luma: FloatArray, where: BoolArray) -> float:
    """The part of all change of ``luma`` (k, h, w) at the pixels ``where`` (h, w) that is one
    pattern in time, 0..1: the first principal component's."""
    if np.count_nonzero(where) < MIN_PX:
        return 1.0
    change = (luma[:, where] - luma[:, where].mean(axis=0)).astype(np.float64)
    parts = np.linalg.eigvalsh(change @ change.T)
    whole = float(parts.sum())
    return float(parts[-1]) / whole if whole > 0 else 1.0


def _ramp(value: float, ends: tuple[float, float]) -> float:
    """0 up to the first of ``ends``, 1 from the second on, straight between them."""
    low, high = ends
    return min(1.0, max(0.0, (value - low) / (high - low)))
