"""Pictures of one view that are held back while nobody knows whether they show what they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vision.types import Fault, Tracked


class Held:
    """What was seen since a doubt began. It counts once the doubt is gone, and never where it was
    right."""

    def __init__(self) -> None:
        self._held: list[Tracked] = []
        self._doubt_ts: float | None = None
        self._ts = -np.inf

    def take(self, tracked: Tracked) -> list[Tracked]:
        """What counts now that ``tracked`` was seen, in order: nothing while it is in doubt."""
        self._held.append(tracked)
        self._doubt_ts = tracked.quality.doubt_ts
        if self._doubt_ts is not None:
            return []
        held, self._held = self._held, []
        self._ts = tracked.ts
        return held

    def forget(self) -> tuple[int, ...]:
        """Forget what is held back; the tracks that ended in it."""
        held, self._held = self._held, []
        return tuple(track_id for tracked in held for track_id in tracked.ended)

    def last(self, tracked: Tracked) -> Tracked:
        """The view is not seen any more, as of ``tracked``: what was the last of it, at the time
        from which on nothing counts."""
        self.forget()
        quality = tracked.quality
        since = [ts for ts in (quality.doubt_ts, self._doubt_ts) if ts is not None]
        # a picture that stands still is no doubt until it has done so for long
        until_ts = max(self._ts, min(since, default=tracked.ts))
        self._doubt_ts, self._ts = None, until_ts
        # to what is drawn on this view, another one is no picture to be trusted
        away = quality.faults or (Fault("moved", until_ts, 1.0, {}),)
        return replace(tracked, ts=until_ts, quality=replace(quality, faults=away))
