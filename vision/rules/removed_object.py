"""Something that was always there has been taken away."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from vision.leftovers import KEEP_GONE_S
from vision.rules.base import SAME_S, Condition, Explanation, Rule, at_least, ended
from vision.scene import RuleConfig, Scene
from vision.types import Blob, Event, Tracked
from vision.whereabouts import Passer, Whereabouts, could_carry

LONGEST_S = KEEP_GONE_S / 2
"""Later the gap is taken for what always was there."""
LOST_S = 5.0
"""A gap that was not seen uncovered for so long before it is known no more was lost from sight."""


@dataclass(frozen=True, slots=True)
class Settings:
    gone_s: float = field(
        default=8.0,
        metadata={"help": "Seconds that it must be gone before the rule fires; at most 60."},
    )
    near_heights: float = field(
        default=1.5,
        metadata={
            "help": "Who was no further from it when it went, in heights of the person's box, "
            "took it."
        },
    )
    min_heights: float = field(
        default=0.1,
        metadata={"help": "The smallest thing, its mean side, in heights of who took it."},
    )
    max_heights: float = field(
        default=0.75,
        metadata={"help": "The largest thing, its longer side, in heights of who took it."},
    )

    def __post_init__(self) -> None:
        at_least(self, gone_s=0, near_heights=0.1, min_heights=0, max_heights=0.05)
        if self.min_heights >= self.max_heights:
            raise ValueError(f"min_heights is {self.min_heights}, not less than max_heights")
        if self.gone_s > LONGEST_S:
            raise ValueError(f"gone_s is {self.gone_s}, but must be at most {LONGEST_S:g}")


@dataclass(slots=True, eq=False)
class _Gap:
    """What is known of one gap: who took what was there, and whether anybody came to it: who sat
    there and gets up leaves a gap as well."""

    seen: Blob
    taker: Passer | None
    came: bool
    event: Event | None = None


class RemovedObject(Rule):
    kind = "removed_object"
    place = "zone"
    classes = ("person",)
    severity = "medium"
    stages = ("blobs",)
    # after a restart the gap belongs to the background
    remembered_s = 120.0
    Settings = Settings

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._people = Whereabouts()
        self._gaps: dict[int, _Gap] = {}

    @property
    def patience_s(self) -> float:
        settings: Settings = self.config.settings
        return settings.gone_s

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        self._people.update(tracked, self.config.classes)
        if not tracked.quality.trusted:
            # nothing is seen, so nothing is known to be back
            return []
        found: list[Event] = []
        before, self._gaps = self._gaps, {}
        for blob in tracked.observations.blobs:
            foot = np.array([(blob.box[0] + blob.box[2]) / 2, blob.box[3]])
            if blob.appeared or not scene.inside(self.config.place, foot):
                continue
            gap = before.pop(blob.id, None)
            if gap is None or (gap.event is None and blob.first_ts > gap.seen.first_ts):
                gap = self._met(blob, scene)
            gap.seen = blob
            self._gaps[blob.id] = gap
            if gap.event is not None or gap.taker is None:
                continue
            if all(each.met for each in self._conditions(gap)):
                gap.event = self._raised(blob, gap.taker, tracked)
                found.append(gap.event)
        for gap in before.values():
            if gap.event is not None:
                last_ts = gap.seen.last_ts
                lost = tracked.ts - last_ts > LOST_S
                found.append(ended(gap.event, last_ts, lost=lost))
        return found

    def explain(self, tracked: Tracked, scene: Scene) -> list[Explanation]:
        del tracked, scene
        config = self.config
        if not self._gaps:
            nothing = Condition("object", False, "all is in its place", "something that has gone")
            return [Explanation(config.name, self.kind, config.place, None, (nothing,))]
        found = []
        for gap in self._gaps.values():
            x1, y1, x2, y2 = map(float, gap.seen.box)
            found.append(
                Explanation(
                    config.name,
                    self.kind,
                    config.place,
                    None,
                    self._conditions(gap),
                    None if gap.event is None else gap.event.id,
                    (x1, y1, x2, y2),
                )
            )
        return found

    def _met(self, blob: Blob, scene: Scene) -> _Gap:
        settings: Settings = self.config.settings
        near = blob.box, settings.near_heights, blob.first_ts
        taker = self._people.nearest(blob.box, blob.first_ts)
        if taker is not None and taker.away_heights > settings.near_heights:
            taker = None
        return _Gap(blob, taker, self._people.has_come(*near, scene.frame_size))

    def _raised(self, seen: Blob, taker: Passer, tracked: Tracked) -> Event:
        settings: Settings = self.config.settings
        start_ts = max(seen.first_ts, self.from_ts)
        gone_s = tracked.ts - start_ts
        x1, y1, x2, y2 = (round(float(side), 1) for side in seen.box)
        return self.statement(
            tracked,
            start_ts=start_ts,
            subject=f"{x1:.0f},{y2:.0f}",
            track_ids=(taker.track_id,),
            score=seen.score,
            details={
                "why": f"something is gone from '{self.config.place}' for {gone_s:.1f} s, taken "
                f"by track {taker.track_id}",
                "taker": taker.track_id,
                "gone_for_s": round(gone_s, 2),
                "gone_s": settings.gone_s,
                "size_px": [round(x2 - x1, 1), round(y2 - y1, 1)],
                "box_px": [x1, y1, x2, y2],
            },
        )

    def _conditions(self, gap: _Gap) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        seen, taker = gap.seen, gap.taker
        width, height = (seen.box[2:] - seen.box[:2]).tolist()
        gone_s = seen.last_ts - max(seen.first_ts, self.from_ts)
        who = " or ".join(self.config.classes)
        return (
            Condition(
                "taker",
                taker is not None,
                "nobody" if taker is None else f"track {taker.track_id}",
                f"{who} within {settings.near_heights:g} heights when it went",
            ),
            Condition(
                "came",
                gap.came,
                "somebody came to it" if gap.came else "nobody was seen to come",
                "who took it comes to it",
            ),
            Condition(
                "size",
                taker is not None
                and could_carry(taker, seen.box, settings.min_heights, settings.max_heights),
                f"{width:.0f}x{height:.0f} px",
                f"{settings.min_heights:g} to {settings.max_heights:g} heights of who took it",
            ),
            Condition(
                "gone",
                gone_s >= settings.gone_s - SAME_S,
                f"{gone_s:.1f} s",
                f"{settings.gone_s:g} s",
            ),
        )
