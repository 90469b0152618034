"""Whether a camera's picture repeats itself: a coder hangs, or somebody plays a still."""

from __future__ import annotations

import math

import cv2
import numpy as np

from vision.types import Image
from vision.views import BLOCKS

SOON_S = 0.02
"""Pictures do not come at the very moment: what is due so soon is due now."""
REPEAT_S, REPEAT_SAMPLES = 1.8, 4
"""A picture that repeats itself for so long, and in so many looks, is frozen."""
REPEAT_LUMA = 0.8
"""It repeats itself when no block differs by more on average: coding does that, and no sensor,
light and moving leaf together; on real clips 2 s change some block by at least 1.5."""
REFRESH_LUMA = 1.6
"""A key frame may change it by so much, once."""
PAUSE_S = 1.5, 10.0
"""A picture that repeated itself for so long and went on by itself, as of coders that leave a
still scene out, gets twice that time before it is frozen,"""
PAUSE_KEPT_S = 600.0
"""for so long."""


class Repeat:
    """Whether a camera's picture repeats itself."""

    def __init__(self) -> None:
        self._pause_s, self._paused_ts = REPEAT_S, -math.inf
        self.restart()

    def restart(self) -> None:
        """Nothing is known of the time before; how long the camera pauses stays so."""
        self._since_ts = self._last_ts = -math.inf
        self._first: Image | None = None
        self._seen = 0
        self._refreshed = False

    def update(self, fine: Image, ts: float) -> float | None:
        """Since when the picture repeats itself, once that is for too long."""
        changed = math.inf if self._first is None else _largest_change(self._first, fine)
        if changed > REPEAT_LUMA:
            if changed > REFRESH_LUMA or self._refreshed:
                self._ended(ts)
                self._since_ts, self._seen = ts, 0
            self._refreshed = changed <= REFRESH_LUMA and not self._refreshed
            self._first = fine
        self._seen += 1
        self._last_ts = ts
        if ts - self._paused_ts > PAUSE_KEPT_S:
            self._pause_s = REPEAT_S
        long = ts - self._since_ts >= self._pause_s - SOON_S
        return self._since_ts if long and self._seen >= REPEAT_SAMPLES else None

    def _ended(self, ts: float) -> None:
        """The picture went on."""
        least_s, most_s = PAUSE_S
        long_s = self._last_ts - self._since_ts
        if least_s <= long_s <= most_s:
            self._pause_s, self._paused_ts = max(self._pause_s, 2 * long_s), ts


def _largest_change(before: Image, now: Image) -> float:
    """The largest mean difference of a block."""
    difference = cv2.absdiff(before, now).astype(np.float32)
    return float(np.max(cv2.resize(difference, BLOCKS, interpolation=cv2.INTER_AREA)))
