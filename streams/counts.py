"""What one live camera counted: by the minute for the store, in total for reports and pictures.

Used by the camera's thread alone, but for ``running`` and ``crossings``, which are single values.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from streams.messages import CountsMessage
from streams.recorder import Recorder
from streams.reports import Running
from vision.bins import Binner, Interval
from vision.counting import Counted
from vision.occupancy import Stood
from vision.scene import Scene
from vision.types import Crossing, Late, Quality, Trip

KEEP_S = 5.0
"""A kill loses at most so many observed seconds; crossings are kept at once."""
SHOWN: Final = 3
"""So many of the latest intervals are reported before the store has them."""
SHOW_S = 1.0
GOOD: Final = Quality()

log = structlog.get_logger()


class CameraCounts:
    """The counts of one camera over all revisions of its scene.

    ``kept`` is what an earlier run, or an earlier time of this camera in this one, left in the
    spool: its running minute goes on. Every revision counts its own part of a minute.
    """

    def __init__(self, camera_id: str, recorder: Recorder, kept: str | None = None) -> None:
        self._camera_id = camera_id
        self._recorder = recorder
        self._binner: Binner | None = None
        # what is kept beside the view where nobody counts
        self._settled: Binner | None = None
        self._doubtful: list[float] = []
        self._drawn: tuple[int, Mapping[str, tuple[str, str]]] = 0, {}
        self._last_ts: float | None = None
        self._synthetic = False
        # a minute that holds both is stated as synthetic: nobody takes it for a street's
        self._synthetic_to = -math.inf
        self._kept_s = self._shown_s = time.monotonic()
        self.kept = kept
        self.crossings = 0
        self.running: tuple[Running, ...] = ()
        self.passed: dict[str, dict[str, int]] = {}
        """Totals by line and direction since this revision of the scene is in force."""
        self.view: str | None = None
        """How the camera's own view looked to an earlier run, by this revision of its scene."""
        self.learnt: Callable[[], str | None] = lambda: None
        """Tells how it looks now: kept beside what is counted in it."""
        self._view_of: object = None
        self._remember(kept)

    @property
    def last_ts(self) -> float | None:
        """The time of the last picture that was analysed, also by an earlier run."""
        return self._last_ts

    def begin(
        self,
        scene: Scene | None,
        classes: Sequence[str],
        revision: int,
        *,
        address: str,
        synthetic: bool,
    ) -> None:
        """Count by ``scene`` from now on, None for not at all, what the camera at ``address``
        sees; ``classes`` are what is looked for. States what was counted until now."""
        self.end()
        self._switch(synthetic)
        self._binner, self._settled, self.running = None, None, ()
        # an address may hold a secret
        view_of = hashlib.sha256(f"{revision} {address}".encode()).hexdigest()[:20]
        if self._view_of != view_of:
            self.view, self._view_of = None, view_of
        self.learnt = lambda: None
        views = {} if scene is None else scene.views
        lines = [line for view in views.values() for line in view.lines]
        movements = [movement for view in views.values() for movement in view.movements]
        drawn = revision, {line.name: (line.forward, line.backward) for line in lines}
        if drawn != self._drawn or not self.passed:
            self.passed = {name: dict.fromkeys(pair, 0) for name, pair in drawn[1].items()}
        self._drawn = drawn
        if scene is None:
            self._settled = self.settle() or Binner(self._camera_id, (), (), revision)
            return
        where = {each.name: name for name, view in views.items() for each in view.counted}
        binner = Binner(self._camera_id, lines, classes, revision, movements=movements, views=where)
        earlier = self._restored(binner)
        self._binner = binner
        self._keep(binner, earlier)

    def update(
        self,
        ts: float,
        crossings: Sequence[Crossing],
        trips: Sequence[Trip] = (),
        late: Sequence[Late] = (),
        quality: Quality = GOOD,
        stood: Sequence[Stood] = (),
    ) -> None:
        """Take an analysed picture, what it decided, and what stood on a line until then. The time
        up to it was watched where its ``quality`` lets rules and counts look at it."""
        self._last_ts, now_s = ts, time.monotonic()
        binner = self._binner
        if binner is None:
            if self._settled is not None and now_s - self._kept_s >= KEEP_S:
                self._keep(self._settled, [])
            return
        self._pass(crossings)
        if quality.trusted and quality.doubt_ts is not None:
            # whether this was watched is known later
            self._doubtful.append(ts)
            binner.count(ts, crossings, trips, late, stood)
            done = binner.due(ts)
        else:
            view = quality.view if quality.trusted else None
            seen, self._doubtful = self._doubtful, []
            done = binner.update(ts, crossings, trips, late, stood, view=view, seen=seen)
        counted = bool(crossings or trips or late)
        if done or counted or now_s - self._kept_s >= KEEP_S:
            self._keep(binner, done)
        if counted or now_s - self._shown_s >= SHOW_S:
            self._show(binner)

    def finish(self, counted: Counted, trips: Sequence[Trip]) -> None:
        """Take what is decided of those who were in sight, of whom no picture follows."""
        binner, ts = self._binner, self._last_ts
        if binner is None or ts is None or not (counted.crossings or counted.late or trips):
            return
        self._pass(counted.crossings)
        binner.count(ts, counted.crossings, trips, counted.late, counted.stood)
        self._keep(binner, binner.due(ts))
        self._show(binner)

    def due(self, now_ts: float) -> None:
        """State what is over by ``now_ts``, of a camera that sends no pictures."""
        if self._binner is not None and (due := self._binner.due(now_ts)):
            self._keep(self._binner, due)

    def end(self) -> None:
        """State everything that was counted; more of the same minute amends it."""
        binner, in_doubt = self._binner, bool(self._doubtful)
        self._doubtful = []
        if binner is not None and self._last_ts is not None:
            self._keep(binner, binner.unstated() if in_doubt else binner.flush(self._last_ts))
        elif self._settled is not None:
            self._keep(self._settled, [])

    def settle(self) -> Binner | None:
        """State what an earlier run left of a camera whose lines nobody watches any more. It stays
        kept: somebody may do so again before the minute is over, and would go on with it."""
        if self.kept is None:
            return None
        try:
            earlier = Binner.revived(self._camera_id, json.loads(self.kept))
        except ValueError as error:
            self._lost(error)
            return None
        if left := earlier.unstated():
            self._keep(earlier, left)
        return earlier

    def _pass(self, crossings: Sequence[Crossing]) -> None:
        for crossing in crossings:
            self.passed[crossing.line][crossing.direction] += 1
            if crossing.joined is not None:
                log.info(
                    "a broken track is joined",
                    camera=self._camera_id,
                    line=crossing.line,
                    why=crossing.why,
                )
        self.crossings += len(crossings)

    def _show(self, binner: Binner) -> None:
        self._shown_s = time.monotonic()
        self.running = tuple(Running.of(interval) for interval in binner.latest(SHOWN))

    def _keep(self, binner: Binner, intervals: Sequence[Interval]) -> None:
        """State ``intervals`` and keep the rest."""
        self._kept_s = time.monotonic()
        self.view = self.learnt() or self.view
        self.kept = json.dumps(
            {
                **binner.state(),
                "last_ts": self._last_ts,
                "synthetic": self._synthetic,
                "view": self.view,
                "view_of": self._view_of,
            }
        )
        self._recorder.put(
            [CountsMessage.of(each, synthetic=self._fake(each)) for each in intervals],
            bins={self._camera_id: self.kept},
        )

    # --- what was kept

    def _restored(self, binner: Binner) -> list[Interval]:
        """Put ``binner`` into the minute that was left; returns what another revision counted and
        did not state yet."""
        if self.kept is None:
            return []
        try:
            return binner.restore(json.loads(self.kept))
        except ValueError as error:
            self._lost(error)
            return []

    def _lost(self, error: ValueError) -> None:
        log.warning("the running minute is lost", camera=self._camera_id, why=str(error))

    def _remember(self, kept: str | None) -> None:
        """When the last picture was, whether it was of a real camera, and how the view looked, by
        what was kept."""
        try:
            state: Any = json.loads(kept or "{}")
            last_ts, synthetic = state.get("last_ts"), state.get("synthetic")
            view, view_of = state.get("view"), state.get("view_of")
        except (ValueError, AttributeError):
            return
        if isinstance(last_ts, int | float) and math.isfinite(last_ts):
            self._last_ts = float(last_ts)
        if isinstance(synthetic, bool):
            self._switch(synthetic)
        if isinstance(view, str):
            self.view, self._view_of = view, view_of

    def _switch(self, synthetic: bool) -> None:
        """Pictures are of this kind from now on."""
        if synthetic:
            self._synthetic_to = math.inf
        elif self._synthetic:
            self._synthetic_to = -math.inf if self._last_ts is None else self._last_ts
        self._synthetic = synthetic

    def _fake(self, interval: Interval) -> bool:
        return interval.start_ts <= self._synthetic_to
