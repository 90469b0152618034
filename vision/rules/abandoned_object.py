"""Something was left behind: it lies still, and who brought it has gone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from vision.geometry import iou
from vision.leftovers import BAGS
from vision.rules.base import SAME_S, Condition, Explanation, Rule, at_least, ended
from vision.scene import RuleConfig, Scene
from vision.types import Event, FloatArray, JsonValue, Track, Tracked
from vision.whereabouts import Passer, Whereabouts, away_now, could_carry, stay

OUT_OF_SIGHT_S = 2.0
"""Who was not seen for longer may have gone."""
SAME_IOU = 0.1
"""Boxes of one thing, seen by the background and by the detector, overlap by at least this."""
BAG_STILL = 0.5
"""A bag that a detector sees keeps still while its foot stays within so many of its heights."""
BACK_ALONE = 2.0
"""Its owner is back after so many times the seconds that it must be alone: who walks past again,
or is taken for the owner, ends nothing."""
LOST_S = 5.0
"""What was not seen uncovered for so long before it is known no more was lost from sight."""


@dataclass(frozen=True, slots=True)
class Settings:
    still_s: float = field(
        default=8.0, metadata={"help": "Seconds that it must lie still before the rule fires."}
    )
    alone_s: float = field(
        default=4.0, metadata={"help": "Seconds that nobody may have looked after it."}
    )
    near_heights: float = field(
        default=1.5,
        metadata={
            "help": "Who is no further from it, in heights of the person's box, looks after it."
        },
    )
    min_heights: float = field(
        default=0.1,
        metadata={"help": "The smallest thing, its mean side, in heights of who left it."},
    )
    max_heights: float = field(
        default=0.75,
        metadata={"help": "The largest thing, its longer side, in heights of who left it."},
    )

    def __post_init__(self) -> None:
        at_least(self, still_s=0, alone_s=0, near_heights=0.1, min_heights=0, max_heights=0.05)
        if self.min_heights >= self.max_heights:
            raise ValueError(f"min_heights is {self.min_heights}, not less than max_heights")


@dataclass(frozen=True, slots=True, eq=False)
class _Object:
    """Something still: a blob, a bag that a detector sees, or both; ``box`` (4,) px."""

    key: tuple[str, int]
    box: FloatArray
    first_ts: float
    last_ts: float
    score: float
    class_name: str | None


@dataclass(slots=True, eq=False)
class _Left:
    """What is known of one object: who brought it, when anybody was last near, since when each who
    is near is so, when it was last looked after, since when its owner is back, whether anybody was
    seen to go away, and whether it was raised before."""

    seen: _Object
    carrier: Passer | None
    attended_ts: float
    near_ts: float
    near: dict[int, float] = field(default_factory=dict)
    back_ts: float | None = None
    gone: bool = False
    again: bool = False
    event: Event | None = None


class AbandonedObject(Rule):
    kind = "abandoned_object"
    place = "zone"
    classes = ("person",)
    severity = "high"
    stages = ("blobs",)
    # after a restart it belongs to the background: nobody sees it there, or that it has gone
    remembered_s = 3600.0
    Settings = Settings

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._people = Whereabouts()
        self._left: dict[tuple[str, int], _Left] = {}
        self._ts = from_ts

    @property
    def patience_s(self) -> float:
        settings: Settings = self.config.settings
        return max(settings.still_s, settings.alone_s)

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        self._people.update(tracked, self.config.classes)
        if not tracked.quality.trusted:
            # nothing is seen, so nothing is known to have gone
            return []
        near_heights: float = self.config.settings.near_heights
        found: list[Event] = []
        gap_s, self._ts = tracked.ts - self._ts, tracked.ts
        if math.isfinite(gap_s) and gap_s > OUT_OF_SIGHT_S:
            # whoever looked after it meanwhile was not seen
            for known in self._left.values():
                known.attended_ts = min(known.attended_ts + gap_s, tracked.ts)
        before, self._left = self._left, {}
        objects = self._objects(tracked, scene)
        keys = {each.key for each in objects}
        for each in objects:
            left = before.pop(each.key, None) or self._handed_over(each, before, keys)
            # what grew much is about what came last, unless staff were told of it
            grew = left is not None and each.first_ts > left.seen.first_ts + SAME_S
            if left is None or (grew and left.event is None):
                left = self._met(each)
            left.seen = each
            self._left[each.key] = left
            self._attend(left, tracked)
            left.gone = left.gone or self._people.has_left(
                each.box, near_heights, each.first_ts, scene.frame_size
            )
            found += self._state(left, tracked)
        for left in before.values():
            if left.event is not None:
                last_ts = left.seen.last_ts
                lost = tracked.ts - last_ts > LOST_S
                found.append(ended(left.event, last_ts, lost=lost))
        return found

    def explain(self, tracked: Tracked, scene: Scene) -> list[Explanation]:
        del scene
        config = self.config
        if not self._left:
            nothing = Condition("object", False, "nothing new keeps still", "something left behind")
            return [Explanation(config.name, self.kind, config.place, None, (nothing,))]
        found = []
        for left in self._left.values():
            x1, y1, x2, y2 = map(float, left.seen.box)
            found.append(
                Explanation(
                    config.name,
                    self.kind,
                    config.place,
                    None,
                    self._conditions(left, tracked),
                    None if left.event is None else left.event.id,
                    (x1, y1, x2, y2),
                )
            )
        return found

    def _objects(self, tracked: Tracked, scene: Scene) -> list[_Object]:
        """What lies still in the zone."""
        bags = [
            track
            for track in tracked.tracks
            if track.class_name in BAGS and track.class_name not in self.config.classes
        ]
        found = []
        for blob in tracked.observations.blobs:
            if blob.appeared:
                of_it = [track for track in bags if _overlap(track.box, blob.box)]
                bags = [track for track in bags if track not in of_it]
                best = max(of_it, key=lambda track: track.score, default=None)
                found.append(
                    _Object(
                        ("blob", blob.id),
                        blob.box,
                        blob.first_ts,
                        blob.last_ts,
                        blob.score if best is None else max(blob.score, best.score),
                        None if best is None else best.class_name,
                    )
                )
        found += [_bag(track) for track in bags]
        place = self.config.place
        return [
            each
            for each in found
            if scene.inside(place, np.array([(each.box[0] + each.box[2]) / 2, each.box[3]]))
        ]

    def _handed_over(
        self, each: _Object, before: dict[tuple[str, int], _Left], keys: set[tuple[str, int]]
    ) -> _Left | None:
        """What was known at the same place under another name."""
        for key, left in before.items():
            if key not in keys and _overlap(left.seen.box, each.box):
                return before.pop(key)
        return None

    def _met(self, each: _Object) -> _Left:
        settings: Settings = self.config.settings
        carrier = self._people.nearest(each.box, each.first_ts)
        if carrier is not None and carrier.away_heights > settings.near_heights:
            carrier = None
        owner = None if carrier is None else carrier.track_id
        attended_ts = self._people.looked_after(
            each.box, settings.near_heights, settings.alone_s, owner
        )
        return _Left(each, carrier, max(each.first_ts, self.from_ts, attended_ts), self._ts)

    def _attend(self, left: _Left, tracked: Tracked) -> None:
        """Who looks after it now? Its owner, who was there before it could be seen, and who stays
        as long as it must be alone; not who only passes by."""
        settings: Settings = self.config.settings
        near: dict[int, float] = {}
        for track in tracked.tracks:
            if track.class_name not in self.config.classes:
                continue
            if track.id in tracked.observations.things:
                continue
            if tracked.ts - track.last_ts > OUT_OF_SIGHT_S:
                continue
            if away_now(left.seen.box, track) > settings.near_heights:
                continue
            since_ts = left.near.get(track.id)
            if since_ts is None:
                since_ts, _ = stay(track, left.seen.box, settings.near_heights)
                if track.first_ts > left.near_ts + OUT_OF_SIGHT_S:
                    # nobody was there of whom it could be the rest
                    since_ts = max(since_ts, track.first_ts)
            near[track.id] = since_ts
        left.near = near
        if near:
            left.near_ts = tracked.ts
        owner = left.carrier is not None and left.carrier.track_id in near
        if owner or any(tracked.ts - ts >= settings.alone_s - SAME_S for ts in near.values()):
            left.attended_ts = tracked.ts
        if not owner:
            left.back_ts = None
        elif left.back_ts is None:
            left.back_ts = tracked.ts

    def _state(self, left: _Left, tracked: Tracked) -> list[Event]:
        settings: Settings = self.config.settings
        if left.event is not None:
            back_s = BACK_ALONE * settings.alone_s - SAME_S
            if left.back_ts is None or tracked.ts - left.back_ts < back_s:
                return []
            event, left.event, left.again = left.event, None, True
            return [ended(event, left.back_ts)]
        carrier = left.carrier
        if carrier is None or not all(each.met for each in self._conditions(left, tracked)):
            return []
        seen = left.seen
        what = seen.class_name or "something"
        alone_s = tracked.ts - left.attended_ts
        there_s = tracked.ts - seen.first_ts
        # left once more, after its owner was back
        start_ts = left.attended_ts if left.again else max(seen.first_ts, self.from_ts)
        x1, y1, x2, y2 = (round(float(side), 1) for side in seen.box)
        details: dict[str, JsonValue] = {
            "why": f"{what} lies in '{self.config.place}' for {there_s:.1f} s, left by track "
            f"{carrier.track_id}; nobody has looked after it for {alone_s:.1f} s",
            "carrier": carrier.track_id,
            "there_s": round(there_s, 2),
            "still_s": settings.still_s,
            "alone_for_s": round(alone_s, 2),
            "alone_s": settings.alone_s,
            "size_px": [round(x2 - x1, 1), round(y2 - y1, 1)],
            "box_px": [x1, y1, x2, y2],
        }
        if seen.class_name is not None:
            details["class"] = seen.class_name
        left.event = self.statement(
            tracked,
            start_ts=start_ts,
            subject=f"{x1:.0f},{y2:.0f}",
            track_ids=(carrier.track_id,),
            score=seen.score,
            details=details,
        )
        return [left.event]

    def _conditions(self, left: _Left, tracked: Tracked) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        seen, carrier = left.seen, left.carrier
        width, height = (seen.box[2:] - seen.box[:2]).tolist()
        fits = carrier is not None and could_carry(
            carrier, seen.box, settings.min_heights, settings.max_heights
        )
        still_s = seen.last_ts - max(seen.first_ts, self.from_ts)
        alone_s = tracked.ts - left.attended_ts
        who = " or ".join(self.config.classes)
        return (
            Condition(
                "carrier",
                carrier is not None,
                "nobody" if carrier is None else f"track {carrier.track_id}",
                f"{who} within {settings.near_heights:g} heights when it came",
            ),
            Condition(
                "gone",
                left.gone,
                "somebody went away" if left.gone else "nobody was seen to go",
                "who was there goes away",
            ),
            Condition(
                "size",
                fits,
                f"{width:.0f}x{height:.0f} px",
                f"{settings.min_heights:g} to {settings.max_heights:g} heights of who left it",
            ),
            Condition(
                "still",
                still_s >= settings.still_s - SAME_S,
                f"{still_s:.1f} s",
                f"{settings.still_s:g} s",
            ),
            Condition(
                "alone",
                alone_s >= settings.alone_s - SAME_S,
                f"{alone_s:.1f} s",
                f"{settings.alone_s:g} s",
            ),
        )


def _bag(track: Track) -> _Object:
    """A bag that a detector follows, since it keeps still."""
    reach = BAG_STILL * track.sizes[-1, 1]
    away = np.hypot(*(track.path[:, :2] - track.path[-1, :2]).T)
    moved = np.flatnonzero(away > reach)
    first = int(moved[-1]) + 1 if len(moved) else 0
    return _Object(
        ("track", track.id),
        track.box,
        track.first_ts + float(track.path[first, 2]),
        track.last_ts,
        track.score,
        track.class_name,
    )


def _overlap(a: FloatArray, b: FloatArray) -> bool:
    return bool(iou(a[None], b[None])[0, 0] >= SAME_IOU)
