"""The time within a recorded clip: when each picture comes, which are picked, how long it is."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

from av.video.frame import VideoFrame

PICK_TOLERANCE_S: Final = Fraction(1, 1000)
"""Containers round times to their own clock, at worst to a millisecond (Matroska, FLV)."""
JUMP_S: Final = 1
"""A step back in time of more than this is a new clock (joined recordings), not disorder."""


class MediaClock:
    """Seconds since the first picture, never backwards: by index, or by presentation time."""

    def __init__(self, rate: Fraction, *, by_index: bool) -> None:
        self._step = 1 / rate
        self._by_index = by_index
        self._count = 0
        self._origin: Fraction | None = None
        self._last = Fraction(0)

    @property
    def upcoming_s(self) -> float:
        """About when the next picture is due, seconds."""
        return float(self._last + self._step) if self._count else 0.0

    def next(self, picture: VideoFrame) -> Fraction:
        """The media time of the picture that comes next, seconds."""
        due = self._last + self._step if self._count else Fraction(0)
        if self._by_index or picture.pts is None or picture.time_base is None:
            t = due
        else:
            stamp = picture.pts * picture.time_base
            if self._origin is None or stamp - self._origin < self._last - JUMP_S:
                self._origin = stamp - due
            t = max(stamp - self._origin, self._last)
        self._count += 1
        self._last = t
        return t


class MediaSpan:
    """How long coded pictures go on together, each clock of joined recordings after the one before
    it, as ``MediaClock`` takes them."""

    def __init__(self) -> None:
        self.seconds = Fraction(0)
        self._before_s = Fraction(0)
        self._first_s: Fraction | None = None
        self._decoded_s: Fraction | None = None

    def add(self, start_s: Fraction, end_s: Fraction, decoded_s: Fraction | None) -> None:
        """Take the next picture in the file, shown from ``start_s`` to ``end_s``. They are not in
        the order in which they are shown, but in that of ``decoded_s``, where that is known."""
        last_s, self._decoded_s = self._decoded_s, decoded_s
        if last_s is not None and decoded_s is not None and decoded_s < last_s - JUMP_S:
            self._before_s, self._first_s = self.seconds, None
        self._first_s = start_s if self._first_s is None else min(self._first_s, start_s)
        self.seconds = max(self.seconds, self._before_s + end_s - self._first_s)


class Picker:
    """Picks the first picture at or after every k / fps, k = 0, 1, 2 …; all without a rate."""

    def __init__(self, fps: Fraction | None, tolerance: Fraction) -> None:
        self._fps = fps
        self._tolerance = tolerance
        self._due = 0

    def pick(self, t: Fraction) -> bool:
        """Whether the picture at media time ``t`` (seconds, rising) is picked."""
        if self._fps is None:
            return True
        slot = math.floor((t + self._tolerance) * self._fps)
        if slot < self._due:
            return False
        self._due = slot + 1
        return True
