"""When a live picture was taken, in UTC seconds, from when it came.

A stream has three clocks: ours when a picture arrives, the media time that the camera writes on
each picture (right in its steps, without an origin), and perhaps the camera's own time of day.
What arrives is late by a delay that varies, and never early: the smallest delay of the last
``WINDOW_S`` seconds is the stream's own, the rest is jitter and is taken off.
"""

from __future__ import annotations

import math
from collections import deque

AGREE_S = 2.0
"""A camera's clock is used while it is within this of ours."""
AGREE_AGAIN_S = 1.8
"""What it takes to be used again, so that a clock at the border does not come and go."""
WINDOW_S = 20.0
"""A crystal that is 500 ppm wrong drifts by 10 ms in this time."""
SLEW = 0.05
"""At most by this share are the steps of media time stretched while an offset is followed."""
JUMP_S = 1.0
"""Media time that leaps further ahead of ours than this has a new origin."""
LATE_S, LATE_FOR_S = 3.0, 2.0
"""A queue in the network empties fast; what stays this late for this long has a new origin."""


class CaptureClock:
    """Stamps the pictures of one stream, in order of presentation. ``not_before`` (UTC seconds)
    is the time of the last picture of an earlier connection."""

    def __init__(self, not_before: float = 0.0) -> None:
        self._ts = not_before
        self._arrival = self._media = -math.inf
        self._offset = 0.0
        # Rising offsets of the window, each with its arrival: the first is the smallest.
        self._lowest: deque[tuple[float, float]] = deque()
        self._late_since = math.inf
        self._late_offset = math.inf
        self._skewed = False

    @property
    def skewed(self) -> bool:
        """Whether the camera's own clock is there and too far from ours to be used."""
        return self._skewed

    def stamp(self, arrival_s: float, media_s: float, camera_s: float | None = None) -> float:
        """The capture time of a picture that came at ``arrival_s`` (UTC seconds) with media time
        ``media_s`` (seconds) and, where the camera says it, its own time ``camera_s`` (UTC
        seconds). Never before the last stamp, and never after ``arrival_s`` beside that."""
        offset = arrival_s - media_s
        step, passed = media_s - self._media, arrival_s - self._arrival
        anew = (
            not self._lowest
            or step < 0
            or step - passed > JUMP_S
            or self._stays_late(arrival_s, offset)
        )
        if anew:
            self._lowest.clear()
            self._late_since = self._late_offset = math.inf
        target = self._target(arrival_s, media_s, camera_s)
        if anew:
            self._offset = target
        else:
            most = SLEW * step
            self._offset += min(max(target - self._offset, -most), most)
            # Nothing arrives before it was taken.
            self._offset = min(self._offset, offset)
        self._arrival, self._media = arrival_s, media_s
        self._ts = max(self._ts, media_s + self._offset)
        return self._ts

    def _target(self, arrival_s: float, media_s: float, camera_s: float | None) -> float:
        """Where the offset of media time should be."""
        offset = arrival_s - media_s
        while self._lowest and self._lowest[-1][1] >= offset:
            self._lowest.pop()
        self._lowest.append((arrival_s, offset))
        while self._lowest[0][0] < arrival_s - WINDOW_S:
            self._lowest.popleft()
        lowest = self._lowest[0][1]
        if camera_s is None:
            return lowest
        own = camera_s - media_s
        self._skewed = abs(lowest - own) > (AGREE_AGAIN_S if self._skewed else AGREE_S)
        # A camera whose clock is ahead would take its pictures after they came.
        return lowest if self._skewed else min(lowest, own)

    def _stays_late(self, arrival_s: float, offset: float) -> bool:
        if offset - self._offset <= LATE_S:
            self._late_since = self._late_offset = math.inf
            return False
        # A queue that empties brings the offset down with every picture.
        if offset < self._late_offset - LATE_S / 100 or self._late_since == math.inf:
            self._late_since = arrival_s
            self._late_offset = offset
        return arrival_s - self._late_since > LATE_FOR_S
