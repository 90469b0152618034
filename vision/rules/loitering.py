"""Somebody stays around one spot of a zone for longer than people do there."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vision.rules.base import SAME_S, Condition, TrackRule, Watch, at_least
from vision.scene import RuleConfig, Scene
from vision.thresholds import Threshold
from vision.types import Event, FloatArray, Track, Tracked

Floats: TypeAlias = NDArray[np.float64]

SAMPLES: Final = 300
"""Points of a stay that are kept: enough to place its mean, and bounded however long it lasts."""
STRAY_SHARE: Final = 0.1
"""Part of a stay's points that may lie beyond the radius: a box that flickers is no departure."""
SEEN_SHARE: Final = 0.5
"""Part of a stay for which somebody must have been seen there."""
SEEN_S: Final = 1.0
"""Two sightings so far apart still mean that somebody was there in between."""
SCORE_S: Final = 0.1
"""Scores are averaged over about so long, with less weight for what is longer ago: one good box
of many is chance."""
STAY_S: Final = 3.0
"""Who is at a spot for so long did not just pass it."""
MAX_LEFT: Final = 100
"""Stays of which somebody may return."""
X, Y, T, SEEN, SCORE = range(5)
"""Columns of a stay's points: px, px, seconds since the track began, seconds seen until then, and
the recent mean of its boxes' scores."""


@dataclass(frozen=True, slots=True)
class Settings:
    dwell_s: float = field(
        default=60.0, metadata={"help": "Seconds of stay before the rule fires."}
    )
    radius_px: float | None = field(
        default=None,
        metadata={
            "help": "How far, in px of the scene's picture, the foot may be from the stay's mean; "
            "left out: radius_heights decides."
        },
    )
    radius_heights: float = field(
        default=0.5,
        metadata={"help": "The same in heights of the object's box, where radius_px is left out."},
    )
    release_s: float = field(
        default=2.0, metadata={"help": "Seconds seen elsewhere before the stay is over."}
    )
    return_s: float = field(
        default=10.0,
        metadata={"help": "Who comes back to the spot within so many seconds never left."},
    )
    min_score: float = field(
        default=0.53,
        metadata={
            "help": "Score that its boxes must reach at the spot for a moment: a sign that is "
            "taken for a person never looks much like one."
        },
    )

    def __post_init__(self) -> None:
        at_least(
            self, dwell_s=0, radius_px=1, radius_heights=0.05, release_s=0, return_s=0, min_score=0
        )


@dataclass(slots=True, eq=False)
class _Left:
    """A stay that is over, of the track ``track_id``: from ``since_ts`` to ``held_ts``, for
    ``seen_s`` of it in sight at ``spot`` (2,) px, with scores up to ``best``. ``seen_ts`` is when
    the track was seen last, ``foot`` (2,) px where; ``raised`` whether it was told of."""

    track_id: int
    spot: Floats
    since_ts: float
    held_ts: float
    seen_s: float
    best: float
    seen_ts: float
    foot: tuple[float, float]
    raised: bool


@dataclass(slots=True, eq=False)
class _Stay(Watch):
    """``points`` (k, 5) of the stay, ``joined`` the stay that it goes on with. Of the track:
    ``first_ts``, ``last_s`` and ``foot``, when and where it was seen last, ``seen_s``, for how
    long, and ``score``, its recent mean."""

    first_ts: float = 0.0
    points: Floats = field(default_factory=lambda: np.zeros((0, 5)))
    radius: float = 0.0
    last_s: float = -math.inf
    foot: tuple[float, float] = (0.0, 0.0)
    seen_s: float = 0.0
    score: float = math.nan
    joined: _Left | None = None

    def begin_anew(self) -> None:
        self.points, self.joined = self.points[:0], None


@dataclass(frozen=True, slots=True)
class _Facts:
    """What there is to say of a stay now. ``start_ts`` is when it began, ``own_ts`` when its
    latest part did. ``best`` is the highest recent mean score at the spot."""

    start_ts: float
    own_ts: float
    stayed_s: float
    seen_s: float
    best: float


class Loitering(TrackRule[_Stay]):
    kind = "loitering"
    place = "zone"
    classes = ("person",)
    severity = "medium"
    # who returns is known again only after a stay
    cooldown_s = 15.0
    thresholds = (
        Threshold("dwell_s", low=1, high=900, step=5),
        Threshold("min_score", low=0.1, high=0.95, step=0.02),
        Threshold("radius_heights", low=0.1, high=2, step=0.05, stricter="down"),
    )
    Settings = Settings

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._left: list[_Left] = []
        self._scores: dict[int, float] = {}

    @property
    def patience_s(self) -> float:
        settings: Settings = self.config.settings
        return settings.dwell_s

    def watch(self) -> _Stay:
        return _Stay()

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        settings: Settings = self.config.settings
        self._scores = dict(
            zip(tracked.track_id.tolist(), tracked.detections.score.tolist(), strict=True)
        )
        found = super().update(tracked, scene)
        tracks = {track.id: track for track in tracked.tracks}
        for left in self._left:
            if (track := tracks.get(left.track_id)) is not None:
                left.seen_ts, left.foot = track.last_ts, track.foot
        # who returned is known only after a stay, and may be out of sight meanwhile
        until = tracked.ts - 2 * settings.return_s - STAY_S
        self._left = [left for left in self._left if left.held_ts >= until][-MAX_LEFT:]
        return found

    def holds(self, track: Track, point: FloatArray, watch: _Stay, scene: Scene) -> bool:
        settings: Settings = self.config.settings
        self._see(track, point, watch)
        if not scene.inside(self.config.place, point[:2]):
            return False
        height = float(track.box[3] - track.box[1])
        watch.radius = (
            settings.radius_px
            if settings.radius_px is not None
            else settings.radius_heights * height
        )
        if watch.event is None:
            self._extend(track, point, watch)
        spot = watch.points[:, :2].mean(axis=0)
        return bool(_distances(spot, point[None, :2].astype(np.float64))[0] <= watch.radius)

    def _see(self, track: Track, point: FloatArray, watch: _Stay) -> None:
        """Count the time for which the track was seen; after too long a gap a stay begins anew."""
        settings: Settings = self.config.settings
        now_s = float(point[2])
        gap_s, watch.last_s, watch.first_ts = now_s - watch.last_s, now_s, track.first_ts
        watch.foot = float(point[0]), float(point[1])
        if gap_s > max(settings.return_s, SEEN_S) + SAME_S and watch.event is None:
            watch.begin_anew()
        if gap_s <= SEEN_S + SAME_S:
            watch.seen_s += gap_s
        # scores of the past are not kept: that of the present box speaks for the present alone
        if now_s == track.path[-1, 2] and track.id in self._scores:
            score, weight = self._scores[track.id], -math.expm1(-gap_s / SCORE_S)
            known = not math.isnan(watch.score)
            watch.score = watch.score + weight * (score - watch.score) if known else score

    def _extend(self, track: Track, point: FloatArray, watch: _Stay) -> None:
        """The stay becomes the longest recent part of the path that keeps to one spot."""
        settings: Settings = self.config.settings
        if watch.since_ts is None:
            watch.begin_anew()
        spacing = settings.dwell_s / SAMPLES
        before = watch.points
        newest = np.array([[*point.tolist(), watch.seen_s, watch.score]], np.float64)
        # closer than the spacing to the one before: the newest point takes its place
        crowded = len(before) > 1 and before[-1, T] - before[-2, T] < spacing - SAME_S
        kept = np.concatenate([before[: len(before) - crowded], newest])
        while len(kept) > 1:
            far = _distances(kept[:, :2].mean(axis=0), kept[:, :2]) > watch.radius
            if far.mean() <= STRAY_SHARE:
                break
            kept = kept[1:]
        if len(before) and 2 * (kept[-1, T] - kept[0, T]) < before[-1, T] - before[0, T]:
            # most of it is gone at once: it was left, where a slow walker's only moves on
            self.over(track.id, watch)
        watch.points = kept

    def over(self, track_id: int, watch: _Stay) -> None:
        """Remember a stay that is over, if it was one."""
        points, joined = watch.points, watch.joined
        best = _best(points)
        first_ts = watch.first_ts
        watch.begin_anew()
        if not len(points):
            return
        spot = points[:, :2].mean(axis=0)
        at = points[_distances(spot, points[:, :2]) <= watch.radius]
        if not len(at):
            return
        held_s, seen_s = (at[-1] - at[0])[[T, SEEN]].tolist()
        since_ts, held_ts = (first_ts + at[[0, -1], T]).tolist()
        if watch.event is not None and watch.held_ts is not None:
            # its points are those from before it was told of
            seen_s += max(0.0, watch.held_ts - held_ts)
            held_ts = max(held_ts, watch.held_ts)
        elif held_s < STAY_S - SAME_S or seen_s < SEEN_SHARE * held_s:
            return
        self._left.append(
            _Left(
                track_id,
                spot,
                since_ts if joined is None else joined.since_ts,
                held_ts,
                seen_s + (0.0 if joined is None else joined.seen_s),
                best if joined is None else max(best, joined.best),
                first_ts + watch.last_s,
                watch.foot,
                watch.event is not None or (joined is not None and joined.raised),
            )
        )

    def _join(self, track: Track, watch: _Stay) -> None:
        """Let a stay go on with one that was left a moment ago, where it can be the same person."""
        settings: Settings = self.config.settings
        points = watch.points
        spot = points[:, :2].mean(axis=0)
        if watch.joined is not None and _distances(spot, watch.joined.spot[None])[0] > watch.radius:
            watch.joined = None
        own_s = points[-1, T] - points[0, T]
        if watch.joined is not None or own_s < STAY_S - SAME_S:
            return
        since_ts = track.first_ts + float(points[0, T])
        fits = [
            left
            for left in self._left
            if -SAME_S <= since_ts - left.held_ts <= settings.return_s + SAME_S
            and _distances(spot, left.spot[None])[0] <= watch.radius
            and (left.track_id == track.id or _broken(left, track, since_ts, watch.radius))
        ]
        if fits:
            watch.joined = min(fits, key=lambda left: left.since_ts)
            self._left.remove(watch.joined)

    def _facts(self, track: Track, watch: _Stay) -> _Facts | None:
        """Up to when the track was seen last; None where there is no stay."""
        if watch.since_ts is None or watch.away_ts is not None or not len(watch.points):
            return None
        own_ts = track.first_ts + float(watch.points[0, T])
        joined = watch.joined
        start_ts = own_ts if joined is None else joined.since_ts
        return _Facts(
            start_ts,
            own_ts,
            track.last_ts - start_ts,
            watch.seen_s - float(watch.points[0, SEEN]) + (joined.seen_s if joined else 0.0),
            max(_best(watch.points), joined.best if joined else 0.0),
        )

    def raised(self, track: Track, watch: _Stay, tracked: Tracked) -> Event | None:
        settings: Settings = self.config.settings
        self._join(track, watch)
        facts = self._facts(track, watch)
        if facts is None or not all(each.met for each in self._needs(facts)):
            return None
        mean = watch.points[:, :2].mean(axis=0)
        again = watch.joined is not None and watch.joined.raised
        away_s = facts.stayed_s - facts.seen_s
        return self.event(
            tracked,
            track,
            # what was told of already goes on from here
            start_ts=facts.own_ts if again else facts.start_ts,
            details={
                "why": f"{track.class_name} stayed within {watch.radius:.0f} px in "
                f"'{self.config.place}' for {facts.stayed_s:.1f} s",
                "stayed_s": round(facts.stayed_s, 2),
                "dwell_s": settings.dwell_s,
                "unseen_s": round(max(0.0, away_s), 2),
                "radius_px": round(watch.radius, 1),
                "around_px": [round(float(mean[0]), 1), round(float(mean[1]), 1)],
            },
        )

    def _needs(self, facts: _Facts) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        return (
            Condition(
                "dwell",
                facts.stayed_s >= settings.dwell_s - SAME_S,
                f"{facts.stayed_s:.1f} s",
                f"{settings.dwell_s:g} s",
            ),
            Condition(
                "seen",
                facts.seen_s >= SEEN_SHARE * facts.stayed_s - SAME_S,
                f"{facts.seen_s:.1f} s of it",
                f"{SEEN_SHARE:.0%} of it",
            ),
            Condition(
                "score",
                facts.best >= settings.min_score,
                f"up to {facts.best:.2f}",
                f"{settings.min_score:g}",
            ),
        )

    def conditions(self, track: Track, watch: _Stay, _tracked: Tracked) -> tuple[Condition, ...]:
        facts = self._facts(track, watch)
        return (
            Condition(
                "spot",
                facts is not None,
                "outside, or moves on" if facts is None else "keeps to one spot",
                f"within {watch.radius:.0f} px of one spot in '{self.config.place}'",
            ),
            *self._needs(
                facts or _Facts(track.last_ts, track.last_ts, 0.0, 0.0, _best(watch.points))
            ),
        )


def _best(points: Floats) -> float:
    """The highest score of a stay; a passer-by who lends a sign his box is not at the spot for
    long, so his is none of the stay's."""
    scores = points[:, SCORE]
    return float(max(scores[~np.isnan(scores)], default=0.0))


def _distances(spot: Floats, points: Floats) -> Floats:
    """How far ``points`` (k, 2) are from ``spot`` (2,), px."""
    x, y = (points - spot).T
    found: Floats = np.hypot(x, y)
    return found


def _broken(left: _Left, track: Track, since_ts: float, radius: float) -> bool:
    """Can ``track``, whose stay began at ``since_ts``, be the rest of the one that was lost from
    sight? That one was not seen to leave the spot, this one appeared there, and they were never
    in sight together."""
    lost_there = _distances(left.spot, np.array([left.foot]))[0] <= radius
    appeared_there = since_ts - track.first_ts <= SEEN_S + SAME_S
    apart = left.held_ts <= track.first_ts and left.seen_ts <= since_ts
    return bool(lost_there and appeared_there and apart)
