"""The empty view of a place as it was before anything was left there, and what is still and new.

A second view beside the one that motion is told by (``vision.background``): slower, and selective.
Where somebody stands nothing is learnt; what is still and new is kept as such however often it is
hidden. It takes two looks a second. All that is kept are a dozen planes of one size.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.background import Planes, beyond_light, beyond_neighbours, tone
from vision.types import BoolArray, FloatArray, Image

LEARN_S: Final = 2.0
"""What looked alike for so long where nobody was is the empty view."""
MATURE_S: Final = 3.0
"""What is new and looked alike for so long is still."""
SOON_S = 1.0
"""What looked alike for so long may be a part of it."""
BACK_S = 1.5
"""It has gone when the empty view was seen there for so long,"""
OTHER_S = 10.0
"""or something else again, still or not, that nobody is followed in."""
FREE_S = 20.0
"""The time constant with which the empty view follows where nothing is: the sun moves."""
REBASE_S = 10.0
"""And the exposure as a whole, that of what is hidden included."""
LOOK_S = 2.0
"""And the look of what is still."""
NOISE_S = 10.0
"""And how much a pixel differs by itself."""
MIN_LUMA = 10
MIN_CHROMA = 8
NOISE_FACTOR = 4.0
"""A pixel that differs by no more than this, of 255, or so many times its usual noise, shows the
empty view."""
RESTLESS_S = 20.0
"""The time constant with which it is forgotten that a place took on new looks."""
RESTLESS = 4.0
"""A place of so many of them lately (leaves, a flame) is never still,"""
MOST_RESTLESS = 8.0
"""and calms down in good time."""
MAX_STEP_S = 1.0
"""Longer pauses between two looks count as this long."""
GLOBAL_SHARE = 0.5
"""Where more of what is free changes at once, it is the light or the view, and no object."""
STRANGE_S = 3.0
"""When that lasts for so long, all begins anew."""
GAP_S = 3.0
AFTER_GAP_SHARE = 0.15
"""After so long without a picture more than this means that it is another view."""
MIN_KNOWN_SHARE = 0.05
"""So much of the picture must be known to say so."""
ROUNDING = 1e-3


class SelectiveView:
    """The empty view in planes of ``shape`` (h, w), and what lies in front of it.

    Read from outside, and never written: ``view`` and ``look``, three planes (h, w) float32 of
    luma and chroma, the empty view and how each pixel looks that is not it; ``known`` where the
    view was seen, ``still`` where something new keeps still, and since when it does, ``came_s``
    seconds after ``since_ts``; ``seen``, where it was uncovered at the last look. All (h, w).
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self.reset()

    def reset(self) -> None:
        """Begin anew: the view is another one."""
        self.since_ts = self._looked_ts = self._taken_ts = -math.inf
        self.view: list[FloatArray] = []
        self.look: list[FloatArray] = []
        self.known, self.still, self.seen = (np.zeros(self._shape, np.bool_) for _ in range(3))
        self.came_s = np.zeros(self._shape, np.float32)
        self._strange_s = 0.0
        self._noise: list[FloatArray] = [np.zeros(self._shape, np.float32) for _ in range(2)]
        self._alike_s, self._away, self._restless = (
            np.zeros(self._shape, np.float32) for _ in range(3)
        )

    @property
    def soon(self) -> BoolArray:
        """Where (h, w) something is still, or may soon be."""
        return np.asarray(self.still | (self.known & (self._alike_s >= SOON_S)))

    def update(self, planes: Planes, free: BoolArray, ts: float) -> bool:
        """Take in a picture of which only what is ``free`` (h, w) is looked at; False where it is
        not to be believed. Begins anew where it shows another view."""
        if not self.view:
            self.since_ts = self._looked_ts = self._taken_ts = ts
            self.view = [plane.astype(np.float32) for plane in planes]
            self.look = [plane.astype(np.float32) for plane in planes]
        gap_s = ts - self._looked_ts
        step_s = min(gap_s, MAX_STEP_S)
        # what is not believed is no look, but time
        taken_s, self._taken_ts = min(ts - self._taken_ts, MAX_STEP_S), ts
        _, curve = tone(planes[0], _levels(self.view[0]), ~(free & self.known) | self.still)
        lit, lit_look = _lit(self.view, curve), _lit(self.look, curve)
        by_luma, by_chroma = _by(planes, lit[0], self.view)
        limit = np.maximum(_levels(self._noise[0], NOISE_FACTOR), np.uint8(MIN_LUMA))
        tint = np.maximum(_levels(self._noise[1], NOISE_FACTOR), np.uint8(MIN_CHROMA))
        differs = (by_luma > limit) | (by_chroma > tint)
        if self._strange(differs, free, AFTER_GAP_SHARE if gap_s > GAP_S else GLOBAL_SHARE):
            self._strange_s += taken_s
            if self._strange_s >= STRANGE_S:
                self.reset()
            return False
        self._strange_s, self._looked_ts = 0.0, ts
        look_luma, look_chroma = _by(planes, lit_look[0], self.look)
        alike = (look_luma <= limit) & (look_chroma <= tint)
        view = ~differs & self.known
        new = free & ~view
        # beside its edge both are alike within a pixel, so what decides is which is nearer
        back = free & view & self.still & (_distance(planes, lit) < _distance(planes, lit_look))
        self.seen = new & alike
        rest = (free & view & ~self.still).view(np.uint8)
        _follow(planes, self.view, lit[0], step_s, FREE_S, rest)
        _follow(planes, self.look, lit_look[0], step_s, LOOK_S, self.seen.view(np.uint8))
        for noise, by in zip(self._noise, (by_luma, by_chroma), strict=True):
            cv2.accumulateWeighted(by, noise, _rate(step_s, NOISE_S), mask=rest)
        self._age(planes, new & ~alike, back, rest.view(np.bool_), ts, step_s)
        return True

    def _strange(self, differs: BoolArray, free: BoolArray, share: float) -> bool:
        """Does more than this ``share`` of what should show the empty view differ from it?"""
        judged = free & self.known & ~self.still
        number = np.count_nonzero(judged)
        if number <= MIN_KNOWN_SHARE * judged.size:
            return False
        return bool(np.count_nonzero(differs & judged) > share * number)

    def _age(
        self,
        planes: Planes,
        other: BoolArray,
        back: BoolArray,
        rest: BoolArray,
        ts: float,
        step_s: float,
    ) -> None:
        """What is still, after a look: ``other`` is neither the view nor the known look, ``back``
        the view where something was still, ``rest`` the view elsewhere."""
        self._alike_s[self.seen] += np.float32(step_s)
        self._away[self.seen] = 0
        # a faint thing flickers between itself and the view
        self._alike_s[rest] = np.maximum(self._alike_s[rest] - np.float32(step_s), 0)
        self._away[back] += np.float32(step_s / BACK_S)
        self._away[other & self.still] += np.float32(step_s / OTHER_S)
        fresh = (other & ~self.still) | (self._away >= 1 - ROUNDING)
        self._forget(fresh)
        self.came_s[fresh] = ts - self.since_ts
        for plane, look in zip(planes, self.look, strict=True):
            np.copyto(look, plane, where=fresh, casting="unsafe")
        self._restless *= np.float32(math.exp(-step_s / RESTLESS_S))
        self._restless[fresh & self.known] += 1
        np.minimum(self._restless, MOST_RESTLESS, out=self._restless)
        learnt = ~self.known & (self._alike_s >= LEARN_S)
        self.absorb(learnt)
        self.known |= learnt
        mature = self._alike_s >= MATURE_S - ROUNDING
        self.still |= self.known & mature & (self._restless < RESTLESS)

    def absorb(self, where: BoolArray) -> None:
        """What it looks like now ``where`` (h, w) is the empty view from now on."""
        where = where & (self._alike_s > 0)
        for known, look in zip(self.view, self.look, strict=True):
            np.copyto(known, look, where=where)
        self._forget(where)

    def _forget(self, where: BoolArray) -> None:
        self._alike_s[where] = 0
        self._away[where] = 0
        self.still[where] = False


def _lit(view: list[FloatArray], curve: Image) -> Planes:
    """``view`` as it must look now."""
    return _image(cv2.LUT(_levels(view[0]), curve)), _levels(view[1]), _levels(view[2])


def _by(planes: Planes, lit: Image, view: list[FloatArray]) -> tuple[Image, Image]:
    """By how much luma, of which ``lit`` is expected, and chroma differ, (h, w) each."""
    tints = [beyond_light(now, known) for now, known in zip(planes[1:], view[1:], strict=True)]
    return beyond_neighbours(planes[0], lit), _image(cv2.max(tints[0], tints[1]))


def _distance(planes: Planes, lit: Planes) -> Image:
    """(h, w) how far the pictures are apart, over all planes."""
    luma, blue, red = (cv2.absdiff(a, b) for a, b in zip(planes, lit, strict=True))
    return _image(cv2.add(cv2.add(luma, blue), red))


def _follow(
    planes: Planes,
    view: list[FloatArray],
    lit: Image,
    step_s: float,
    constant_s: float,
    where: Image,
) -> None:
    """Let ``view`` be what is seen ``where`` it is seen, and be lit as it is now elsewhere."""
    cv2.accumulateWeighted(lit, view[0], _rate(step_s, REBASE_S))
    for now, known in zip(planes, view, strict=True):
        cv2.accumulateWeighted(now, known, _rate(step_s, constant_s), mask=where)


def _rate(step_s: float, constant_s: float) -> float:
    return 1 - math.exp(-step_s / constant_s)


def _levels(plane: NDArray[np.float32], factor: float = 1.0) -> Image:
    return _image(cv2.convertScaleAbs(plane, alpha=factor))


def _image(plane: object) -> Image:
    return np.asarray(plane, np.uint8)
