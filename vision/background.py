"""The empty view of a fixed camera, as it is learnt from its pictures, and what differs from it.

Luma tells most. Chroma, where a picture has any, tells a red car from a grey road of the same
brightness, and an object from the shadow that it casts. A picture is compared through the tone
curve between the view as it is remembered and as it is lit now, so that exposure is no motion.
All rates follow capture time; everything that is kept is a few planes of the picture's size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from vision.types import BoolArray, FloatArray, Image

Planes = tuple[Image, Image, Image]
"""Luma and the two chromas of a picture, each (h, w) uint8."""

LEARN_S: Final = 1.0
"""So long the empty view is learnt before anything is found: the median of what was seen there."""
SAMPLE_S = 0.2
MIN_SAMPLES = 5
"""Fewer say little about what is usual, so a camera of few pictures a second learns for longer."""
FREE_S = 1.0
"""The time constant with which the view follows where nothing is: the sun moves, clouds come."""
LIGHTER_S = 0.7
DARKER_S = 4.0
"""And where only the light differs. A shadow that passes must leave no bright trace, so darkness
is believed later than light."""
REBASE_S = 10.0
"""And the exposure as a whole, that where something stands included."""
NOISE_S = 10.0
"""And how much a pixel differs by itself."""
GHOST_S = 1.0
"""What looked alike for so long is looked at: has something come, or has something gone?"""
LOOK_S = 0.25
"""So often."""
MELT_S: Final = 60.0
"""What stood still and in sight for so long belongs to the view from then on."""
MAX_STEP_S = 1.0
"""Longer pauses between two pictures count as this long."""
MIN_LUMA = 14
MIN_CHROMA = 12
"""A pixel that differs by no more than this, of 255, shows the empty view."""
NOISE_FACTOR = 4.0
"""Or by no more than so many times what it usually differs by."""
GLOBAL_SHARE = 0.5
"""Where more of the picture changes at once, it is the light or the view, and no object."""
MAX_GAIN = 4.0
"""What gets lighter or darker by more is another view."""
MAX_BEND = 0.25
"""The tone curve departs from a plain gain by at most this part."""
TELLING = range(16, 241)
"""What is nearly black or white says nothing of the exposure."""
MIN_TELLING = 32
"""So many pixels, of one in nine, say how the exposure changed."""
DARKEST = 0.4
LIGHTEST = 1.3
"""Light and shadow change the luma of a place to between these parts of it."""
EVEN = 2.5
"""And evenly: the ratio, times the luma, varies around a pixel by less than so many levels, and
twice its noise."""
WINDOW = (5, 5)
GHOST_RATIO = 1.5
"""Something has gone where the old edge was so many times as strong as the new one."""
GHOST_PART = 0.5
"""And at least this part of what changed."""
GHOST_RING = 0.3
"""And where this part of its outline can be judged: there is empty view beside it."""
GHOST_WINDOW = (7, 7)
MIN_GHOST = 20
"""Smaller patches are noise."""
DARK = np.float32(8)
"""Added to both sides of a ratio, so that black is no special case."""

_OPEN = np.ones((3, 3), np.uint8)
_CLOSE = np.ones((5, 5), np.uint8)
_GREY = np.arange(256, dtype=np.float64)
_IN_SHADOW, _IN_LIGHT = (
    np.clip(np.rint(128 + (_GREY - 128) * ratio), 0, 255).astype(np.uint8)
    for ratio in (DARKEST, LIGHTEST)
)


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """What differs from the empty view, each a mask (h, w): ``all``, ``light`` where only the
    light does, ``solid`` where something else does, and ``sure`` where that by much."""

    all: BoolArray
    light: BoolArray
    solid: BoolArray
    sure: BoolArray


class Background:
    """The empty view of one camera, in planes of one size."""

    def __init__(self) -> None:
        self._now_s = self._looked_s = -math.inf
        self._forget()

    def _forget(self) -> None:
        self._samples: list[Image] = []
        self._since_s = self._sampled_s = -math.inf
        self._luma: FloatArray | None = None
        self._chroma: list[FloatArray] = []
        self._noise: list[FloatArray] = []
        self._covered: BoolArray = np.zeros((0, 0), np.bool_)
        self._look: Image = np.zeros((0, 0), np.uint8)
        self._alike_s: FloatArray = np.zeros((0, 0), np.float32)

    def _begin_again(self, planes: Planes, ts: float) -> None:
        self._forget()
        self._learn(planes, ts)

    def update(self, planes: Planes, ts: float) -> Difference | None:
        """What differs in the picture of capture time ``ts``, which the view then takes in; None
        while it is being learnt. Planes are always of the same size."""
        step_s = min(max(0.0, ts - self._now_s), MAX_STEP_S)
        self._now_s = ts
        if self._luma is None:
            self._learn(planes, ts)
            return None
        luma = planes[0]
        remembered = _levels(self._luma)
        gain, curve = tone(luma, remembered, self._covered)
        if not 1 / MAX_GAIN <= gain <= MAX_GAIN:
            self._begin_again(planes, ts)
            return None
        expected = _image(cv2.LUT(remembered, curve))
        by_luma = beyond_neighbours(luma, expected)
        by_chroma = np.maximum(
            beyond_light(planes[1], self._chroma[0]), beyond_light(planes[2], self._chroma[1])
        )
        limit = np.maximum(_levels(self._noise[0], NOISE_FACTOR), np.uint8(MIN_LUMA))
        tint = np.maximum(_levels(self._noise[1], NOISE_FACTOR), np.uint8(MIN_CHROMA))
        tinted = by_chroma > tint
        differs = (by_luma > limit) | tinted
        if np.count_nonzero(differs) > GLOBAL_SHARE * differs.size:
            self._begin_again(planes, ts)
            return None
        light = self._light(luma, expected, differs) & ~tinted
        # half of it, so that nothing overflows
        sure = (by_luma >> 1 > limit) | (by_chroma >> 1 > tint)
        seen = Difference(differs, light, differs & ~light, sure & ~light)
        self._follow(planes, expected, gain, seen, step_s)
        free, rate = (~differs).view(np.uint8), _rate(step_s, NOISE_S)
        cv2.accumulateWeighted(by_luma, self._noise[0], rate, mask=free)
        cv2.accumulateWeighted(by_chroma, self._noise[1], rate, mask=free)
        self._settle(planes, expected, limit, seen, step_s)
        self._covered = differs
        return seen

    def _learn(self, planes: Planes, ts: float) -> None:
        if not self._samples:
            self._since_s = ts
        # half a step early is not too early: pictures do not come at the very moment
        if ts - self._sampled_s < SAMPLE_S * 0.75:
            return
        self._sampled_s = ts
        self._samples.append(np.stack(planes))
        if ts - self._since_s < LEARN_S or len(self._samples) < MIN_SAMPLES:
            return
        seen = np.stack(self._samples)
        usual = np.median(seen, axis=0).astype(np.float32)
        luma, *chroma = usual
        spread = np.median(np.abs(seen - usual), axis=0).astype(np.float32)
        size = luma.shape
        self._luma, self._chroma, self._samples = luma, chroma, []
        # who passed meanwhile is no noise
        self._noise = [
            np.minimum(spread[0], MIN_LUMA / np.float32(NOISE_FACTOR)),
            np.minimum(np.maximum(spread[1], spread[2]), MIN_CHROMA / np.float32(NOISE_FACTOR)),
        ]
        self._covered = np.zeros(size, np.bool_)
        self._look = planes[0].copy()
        self._alike_s = np.zeros(size, np.float32)

    def _light(self, luma: Image, expected: Image, differs: BoolArray) -> BoolArray:
        """Where (h, w) the same surface is lit otherwise: all around, what is seen is the same
        bounded multiple of what is expected, its texture included (as Jacques et al. 2005 tell
        cast shadows). Only pixels that differ, as do those beside them, have a say: the rim of a
        shadow is half lit."""
        light = np.zeros_like(differs)
        x, y, w, h = cv2.boundingRect(differs.view(np.uint8))
        if not w:
            return light
        part = np.s_[y : y + h, x : x + w]
        inner = cv2.erode(
            differs[part].view(np.uint8), _OPEN, borderType=cv2.BORDER_CONSTANT, borderValue=0
        )
        weight = _image(inner).astype(np.float32)
        base = expected[part] + DARK
        ratio = (luma[part] + DARK) / base
        weighted = weight * ratio
        number = np.maximum(_sums(weight, WINDOW), 1)
        mean = _sums(weighted, WINDOW) / number
        variance = _sums(weighted * ratio, WINDOW) / number - mean * mean
        even = EVEN + 2 * self._noise[0][part]
        found = (mean > DARKEST) & (mean < LIGHTEST) & (variance * base * base < even * even)
        light[part] = found & differs[part]
        return light

    def _follow(
        self, planes: Planes, expected: Image, gain: float, seen: Difference, step_s: float
    ) -> None:
        """Let the view be what it looks like now where nothing is, and, later, where only the
        light changed."""
        assert self._luma is not None  # noqa: S101 - for the type checker
        more = np.asarray(cv2.subtract(planes[0], expected, dtype=cv2.CV_32F), np.float32)
        # one number a state: covered, free, lighter, darker
        state = (~seen.all).view(np.uint8)
        state += (seen.light * np.uint8(2)) + (seen.light & (more < 0))
        rates = [0.0, *(_rate(step_s, tau) for tau in (FREE_S, LIGHTER_S, DARKER_S))]
        more *= np.array(rates, np.float32)[state] / np.float32(gain)
        self._luma += more
        # where something stands, the view behind it gets lighter and darker with the rest
        cv2.accumulateWeighted(expected, self._luma, _rate(step_s, REBASE_S))
        np.clip(self._luma, 0, 255, out=self._luma)
        for now, known in zip(planes[1:], self._chroma, strict=True):
            cv2.accumulateWeighted(now, known, rates[1], mask=state)

    def _settle(
        self, planes: Planes, expected: Image, limit: Image, seen: Difference, step_s: float
    ) -> None:
        """Take into the view what stood for long, and at once what something left behind."""
        assert self._luma is not None  # noqa: S101 - for the type checker
        luma = planes[0]
        fresh = (cv2.absdiff(luma, self._look) > limit) | ~seen.all
        self._alike_s += np.float32(step_s)
        self._alike_s[fresh] = 0
        np.copyto(self._look, luma, where=fresh)
        settled = self._alike_s >= MELT_S
        for box, patch in self._ghosts(luma, expected, seen):
            settled[box] |= patch
        if settled.any():
            self._luma[settled] = luma[settled]
            for now, known in zip(planes[1:], self._chroma, strict=True):
                known[settled] = now[settled]
            self._alike_s[settled] = 0

    def _ghosts(
        self, luma: Image, expected: Image, seen: Difference
    ) -> list[tuple[tuple[slice, slice], BoolArray]]:
        """Patches that have looked alike for a while and whose outline was an edge in the view,
        and is none now: what the view remembers there has gone."""
        if self._now_s - self._looked_s < LOOK_S:
            return []
        alike = self._alike_s >= GHOST_S
        if np.count_nonzero(alike) < MIN_GHOST:
            return []
        self._looked_s = self._now_s
        still = cv2.morphologyEx(alike.view(np.uint8), cv2.MORPH_OPEN, _OPEN)
        number, labels, stats, _ = cv2.connectedComponentsWithStats(still, connectivity=8)
        found = []
        for row in range(1, number):
            x, y, w, h, area = stats[row].tolist()
            if area < MIN_GHOST:
                continue
            box = np.s_[max(0, y - 4) : y + h + 4, max(0, x - 4) : x + w + 4]
            patch = (labels[box] == row).view(np.uint8)
            if _has_gone(luma[box], expected[box], patch, seen.all[box]):
                found.append((box, _image(cv2.dilate(patch, _CLOSE)).view(np.bool_)))
        return found


def _has_gone(luma: Image, expected: Image, patch: Image, differs: BoolArray) -> bool:
    """Whether the step in luma across the outline of ``patch``, from it to the empty view around
    it, was in the view and is gone. All are (h, w)."""
    steps = outline_steps((luma,), (expected,), patch, differs)
    if steps is None:
        return False
    is_now, was = steps
    changed = float(cv2.mean(cv2.absdiff(luma, expected), mask=patch)[0])
    return was > GHOST_RATIO * is_now and was > GHOST_PART * changed


def outline_steps(
    now: Sequence[Image], view: Sequence[Image], patch: Image, differs: BoolArray
) -> tuple[float, float] | None:
    """The step across the outline of ``patch``, from it to what does not differ around it, in the
    picture and in the view: the mean over the outline of the greatest of their planes' steps. None
    where too little of the outline has empty view beside it. All are (h, w)."""
    inside = patch.astype(np.float32)
    outside = (~differs).astype(np.float32)
    near, far = _sums(inside, GHOST_WINDOW), _sums(outside, GHOST_WINDOW)
    ring = _image(cv2.dilate(patch, _OPEN)) > _image(cv2.erode(patch, _OPEN))
    judged = ring & (near >= 5) & (far >= 5)
    if np.count_nonzero(judged) < GHOST_RING * np.count_nonzero(ring):
        return None
    near, far = np.maximum(near, 1), np.maximum(far, 1)

    def step(planes: Sequence[Image]) -> float:
        across = [
            np.abs(
                _sums(plane * inside, GHOST_WINDOW) / near
                - _sums(plane * outside, GHOST_WINDOW) / far
            )[judged]
            for plane in planes
        ]
        return float(np.max(across, axis=0).mean())

    return step(now), step(view)


def beyond_neighbours(luma: Image, expected: Image) -> Image:
    """(h, w) by how much each pixel is lighter or darker than all that the view shows there and
    beside it: leaves that sway and cameras that tremble by a pixel differ little."""
    lightest, darkest = cv2.dilate(expected, _OPEN), cv2.erode(expected, _OPEN)
    return _image(cv2.max(cv2.subtract(luma, lightest), cv2.subtract(darkest, luma)))


def beyond_light(chroma: Image, expected: FloatArray) -> Image:
    """(h, w) by how much each pixel's chroma is beyond what light and shadow make of the view's:
    they change it as they change the luma."""
    level = _levels(expected)
    dark, light = cv2.LUT(level, _IN_SHADOW), cv2.LUT(level, _IN_LIGHT)
    most, least = cv2.max(dark, light), cv2.min(dark, light)
    return _image(cv2.max(cv2.subtract(chroma, most), cv2.subtract(least, chroma)))


def tone(luma: Image, remembered: Image, covered: BoolArray) -> tuple[float, Image]:
    """The gain of the picture over the view, and the curve (256,) uint8 from the view's luma to
    what it must look like now: the median of each of sixteen bands, told by what is free."""
    now, before = luma[::3, ::3], remembered[::3, ::3]
    free = ~covered[::3, ::3]
    if np.count_nonzero(free) >= MIN_TELLING:
        now, before = now[free], before[free]
    else:
        now, before = now.ravel(), before.ravel()
    telling = (before >= TELLING.start) & (before < TELLING.stop) & (now >= TELLING.start // 2)
    telling &= now < 250
    gain = 1.0
    if np.count_nonzero(telling) >= MIN_TELLING:
        gain = float(np.median(now[telling] / before[telling].astype(np.float32)))
    band = (before >> 4).astype(np.intp)
    seen = np.bincount(band * 256 + now, minlength=4096).reshape(16, 256)
    number = seen.sum(axis=1)
    rows = np.flatnonzero(number >= MIN_TELLING)
    bend = np.zeros(256)
    if len(rows):
        middle = (np.cumsum(seen[rows], axis=1) * 2 >= number[rows, None]).argmax(axis=1)
        level = np.bincount(band, weights=before, minlength=16)[rows] / number[rows]
        most = MAX_BEND * gain * level + 4
        # a band of few pixels may lie under one object
        trust = number[rows] / (number[rows] + 50)
        bend = np.interp(_GREY, level, np.clip(middle - gain * level, -most, most) * trust)
    curve = np.maximum.accumulate(np.rint(gain * _GREY + bend))
    return gain, np.clip(curve, 0, 255).astype(np.uint8)


def _rate(step_s: float, constant_s: float) -> float:
    return 1 - math.exp(-step_s / constant_s)


def _sums(plane: FloatArray, window: tuple[int, int]) -> FloatArray:
    return np.asarray(
        cv2.boxFilter(plane, -1, window, normalize=False, borderType=cv2.BORDER_CONSTANT)
    )


def _levels(plane: FloatArray, factor: float = 1.0) -> Image:
    return _image(cv2.convertScaleAbs(plane, alpha=factor))


def _image(plane: object) -> Image:
    return np.asarray(plane, np.uint8)
