"""The ways of tracks through zones: where each was when it was last clear of a border, into which
zone it came and which it left.

Of most tracks nothing happens in most pictures. All are looked at at once, as rows of arrays, and
only those that come over a border, or of whom something is to be decided, for themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vision.ground import Ground
from vision.sightings import Sightings
from vision.trackrows import Rows, TrackRows
from vision.types import BoolArray, Track

HYSTERESIS: Final = 0.1
"""An object is clear of a zone's border at this part of the mean side of its box (of the square
root of its area) from it; a zone between two sightings was passed where the way through it is as
long."""
AWAY: Final = 0.5
"""It has left a zone, and may come back, once it was out of it by this part: a queue that sways
on the border goes nowhere."""
BACK: Final = 2.0
"""It has turned round, out of its entry zone and into it again, or into its exit zone and out of
it again, only where it was out of it by this part: feet that somebody hides for a moment seem to
be half a body's height away."""
TRAVEL: Final = 1.0
"""Who came from no zone has made a way only when it is this part from where it was first seen."""
DRIFT: Final = 0.25
"""Out by a zone, or in by it, goes who moved away from the other zones, or towards them: their mean
distance grew, or shrank, by this part of the way."""
MIN_SIDE_PX: Final = 1.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sight:
    """One sighting: ``point`` (x, y, ts), and ``depth`` (zones,), how deep it lies in each, px."""

    point: Floats
    depth: Floats


class _Column:
    """A value of one track that lies in an array of all."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name.removeprefix("_")

    def __get__(self, way: Way, _owner: type | None = None) -> Any:
        return way.known[self._name][way.row]

    def __set__(self, way: Way, value: object) -> None:
        way.known[self._name][way.row] = value


class _Zone(_Column):
    """The same of a zone, or None."""

    def __get__(self, way: Way, _owner: type | None = None) -> int | None:
        number = int(way.known[self._name][way.row])
        return None if number < 0 else number

    def __set__(self, way: Way, value: object) -> None:
        way.known[self._name][way.row] = -1 if value is None else value


class Way:
    """How far one track has been followed; zones are numbers."""

    _inside, _visited, _born = _Column(), _Column(), _Column()
    _clear, _clear_depth = _Column(), _Column()
    """Where it was last clear of each zone's border, and how deep."""
    _away, _changed = _Column(), _Column()
    """How far it was out of each zone since it was in it, and when it last crossed its border."""
    _reach, _start, _point, _depth = _Column(), _Column(), _Column(), _Column()
    _pending = _Zone()
    """The entry zone that is its origin once it has left it."""
    _goal = _Zone()
    settled = _Column()
    """It is a trip, and where it began will not change any more."""

    def __init__(
        self, known: TrackRows, row: int, entry: BoolArray, exits: BoolArray, first: Sight
    ) -> None:
        self.known, self.row = known, row
        self._entry, self._exit = entry, exits
        self.class_name = ""
        self.entered: str | None = None
        """Where it is counted to have come in, None while it is no trip."""
        self.wanted = True
        """The vote is for a class that is looked for."""
        self.origin: int | None = None
        self.entered_ts = float(first.point[2])
        self._inside = self._born = self._visited = first.depth > 0
        entries = np.flatnonzero(self._inside & entry)
        self._pending = int(entries[0]) if len(entries) else None
        self._came: Sight | None = None
        """Where it came into that, None where it was first seen in it, ..."""
        self._inward = False
        """... and whether that was towards the other zones."""
        self._goal_ts = 0.0
        self._goal_came: Sight | None = None
        """Where it came into its goal; None once it is known on which side it left that again."""
        self._first = self._last = first
        self._start = first.point[:2]
        self._clear, self._clear_depth = first.point, first.depth
        self._changed = first.point[2]

    @property
    def _last(self) -> Sight:
        return Sight(self._point.copy(), self._depth.copy())

    @_last.setter
    def _last(self, sight: Sight) -> None:
        self._point, self._depth = sight.point, sight.depth

    def follow(self, ground: Ground, now: Sight, side: float) -> None:
        """Take the next sighting; ``side`` is the object's mean side, px."""
        last, point, depth = self._last, now.point, now.depth
        turned = (depth > 0) != (last.depth > 0)
        if turned.any():
            share = last.depth[turned] / (last.depth[turned] - depth[turned])
            self._changed[turned] = last.point[2] + share * (point[2] - last.point[2])
        margin = HYSTERESIS * side
        came = ~self._inside & (depth >= margin)
        left = self._inside & (depth <= -margin)
        happened = [(float(self._changed[z]), 1, int(z)) for z in np.flatnonzero(came)]
        happened += [(float(self._changed[z]), 0, int(z)) for z in np.flatnonzero(left)]
        outside = ~self._inside & (depth <= -margin)
        happened += self._leaps(ground, now, outside, margin)
        for when, came_in, zone in sorted(happened):
            if came_in:
                self._come(zone, when, now)
            else:
                self._inside[zone] = False
                self._changed[zone] = when
        clear = came | left | outside | (self._inside & (depth >= margin))
        self._clear[clear], self._clear_depth[clear] = point, depth[clear]
        self._away = np.where(self._inside, 0, np.maximum(self._away, -depth / side))
        way = np.hypot(*(point[:2] - self._first.point[:2]))
        self._reach = max(self._reach, float(way) / side)
        self._last = now
        self.judge(now)

    def judge(self, now: Sight | None = None) -> None:
        """Decide what there is to decide where it is ``now``, None for the last sighting."""
        now = self._last if now is None else now
        if not self.settled:
            self._settle(now)
        self._return(now)

    def close(self) -> None:
        """It is over: who came into an arm and is in it still has arrived there."""
        zone = self._pending
        if self.settled or zone is None or self._came is None or self._inward:
            return
        if self._exit[zone] and self._inside[zone] and self._reach >= TRAVEL:
            self.settled, self._goal, self._goal_ts = True, zone, float(self._changed[zone])

    def end(self) -> tuple[int | None, float]:
        """Where it went, None where that was not seen, and when it came there, or was last
        seen."""
        goal, goal_ts = self._goal, self._goal_ts
        if goal is None:
            # in an exit zone that reaches over the entry zone from the beginning on
            over = self._inside & self._exit
            if self.origin is not None:
                over[self.origin] = False
            if self.origin is not None and over.any():
                goal = int(np.flatnonzero(over)[0])
                goal_ts = float(self._changed[goal])
        last_ts = float(self._last.point[2])
        return goal, last_ts if goal is None else max(goal_ts, self.entered_ts)

    def _leaps(
        self, ground: Ground, now: Sight, outside: BoolArray, margin: float
    ) -> list[tuple[float, int, int]]:
        """Comings and goings in zones that lie between the last clear place and this one."""
        point, depth = now.point, now.depth
        way = np.hypot(*(point[:2] - self._clear[:, :2]).T)
        found = []
        # a way is at least as long as the zone is far from both of its ends
        for zone in np.flatnonzero(outside & (way > -depth - self._clear_depth)):
            a = self._clear[zone]
            length, begin, end = ground.passed(int(zone), a[:2], point[:2])
            if length >= margin:
                began, took = float(a[2]), float(point[2] - a[2])
                found += [(began + begin * took, 1, int(zone)), (began + end * took, 0, int(zone))]
        return found

    def _come(self, zone: int, ts: float, now: Sight) -> None:
        home = self.settled and zone == self.origin
        far = BACK if home or zone == self._goal else AWAY
        swayed = self._visited[zone] and self._away[zone] < far
        self._inside[zone] = self._visited[zone] = True
        self._changed[zone], self._away[zone] = ts, 0
        if swayed:
            if home and self._goal is None:
                self.settled, self.origin, self._pending = False, None, zone
            return
        if not self.settled and self._pending is None and self._entry[zone]:
            drift = self._drift(zone, self._first, now)
            if drift < DRIFT or not self._exit[zone]:
                self._pending, self._goal = zone, None
                self._came, self._inward = now, drift <= -DRIFT
                return
        if self._exit[zone] and (self.settled or zone != self._pending):
            self._goal, self._goal_ts = zone, ts
            # what it jumped over it came into from where it was before
            self._goal_came = now if now.depth[zone] > 0 else self._last

    def _return(self, now: Sight) -> None:
        """Forget a goal that it has left again, unless it went out beyond it."""
        zone, came = self._goal, self._goal_came
        if zone is None or came is None or self._inside[zone] or self._away[zone] < BACK:
            return
        self._goal_came = None
        if self._drift(zone, came, now) < DRIFT:
            self._goal = None

    def _settle(self, now: Sight) -> None:
        zone = self._pending
        if zone is not None:
            if self._inside[zone] or self._away[zone] < AWAY:
                return
            out = self._exit[zone] and self._drift(zone, self._came or self._first, now) >= DRIFT
            if out and self._inward:
                # it looked in and went back
                self._pending, self._inward = None, False
            elif out:
                # it was on its way out when it was first seen
                self.settled = True
                if self._goal is None:
                    self._goal, self._goal_ts = zone, float((self._came or self._first).point[2])
            else:
                self.settled, self.origin = True, zone
                self.entered_ts = float(self._changed[zone])
        elif self._reach >= TRAVEL:
            gone = [int(z) for z in np.flatnonzero(self._born & (self._away >= AWAY))]
            self.settled = self._goal is not None or len(gone) > 0
            left = [z for z in gone if self._exit[z] and self._drift(z, self._first, now) >= DRIFT]
            if self._goal is None and left:
                self._goal, self._goal_ts = left[0], float(self._first.point[2])

    def _drift(self, zone: int, before: Sight, now: Sight) -> float:
        """How much of the way between two sightings led away from the other zones: -1..1."""
        way = float(np.hypot(*(now.point[:2] - before.point[:2])))
        if way == 0:
            return 0.0
        others = np.arange(len(now.depth)) != zone
        grown = np.minimum(before.depth, 0)[others] - np.minimum(now.depth, 0)[others]
        return float(grown.mean()) / way


class Ways:
    """Those of the tracks of one view; ``entry`` and ``exits`` (zones,) say what each zone of
    ``ground`` is."""

    def __init__(self, ground: Ground, entry: BoolArray, exits: BoolArray) -> None:
        n = len(entry)
        self._ground, self._entry, self._exit = ground, entry, exits
        self.by_id: dict[int, Way] = {}
        none, zeros = np.zeros(n, np.bool_), np.zeros(n)
        self._known = TrackRows(
            inside=none, visited=none, born=none, clear=np.zeros((n, 3)), clear_depth=zeros,
            away=zeros, changed=zeros, reach=0.0, start=np.zeros(2), point=np.zeros(3),
            depth=zeros, pending=-1, goal=-1, settled=False, seconds=-math.inf,
        )  # fmt: skip

    def drop(self, track_id: int) -> None:
        """Forget a track, if it is known; its way is no more."""
        self._known.drop(track_id)
        self.by_id.pop(track_id, None)

    def follow(self, seen: Sightings) -> list[Way]:
        """Take what was ``seen``; the ways of which something may have been decided."""
        known = self._known
        rows = known.rows([track.id for track in seen.tracks])
        read_s = known["seconds"][rows]
        new = seen.points[:, 2] > read_s
        points = self._placed(seen.points, np.array([track.first_ts for track in seen.tracks]))
        depths = self._ground.depths(points[:, :2])
        sides = np.maximum(seen.sides, MIN_SIDE_PX)
        quiet = new & (seen.before <= read_s) & (read_s > -np.inf)
        quiet &= self._quiet(rows, points, depths, sides)
        waits = np.zeros(len(rows), np.bool_)
        if quiet.any():
            waits[quiet] = self._go(rows[quiet], points[quiet], depths[quiet], sides[quiet])
        found = []
        for i in np.flatnonzero((new & ~quiet) | waits).tolist():
            track = seen.tracks[i]
            if waits[i]:
                self.by_id[track.id].judge()
            elif seen.before_s[i] <= read_s[i] and track.id in self.by_id:
                sight = Sight(points[i], depths[i])
                self.by_id[track.id].follow(self._ground, sight, float(sides[i]))
            else:
                self._catch_up(track, int(rows[i]), float(read_s[i]))
            found.append(self.by_id[track.id])
        known["seconds"][rows] = seen.points[:, 2]
        for track in seen.tracks:
            self.by_id[track.id].class_name = track.class_name
        return found

    def _placed(self, path: Floats, first_ts: Floats) -> Floats:
        """Points (k, 3) of a path (k, 3 or more): x, y within the picture, and ts."""
        points = path[:, :3].copy()
        points[:, 2] += first_ts
        points[:, :2] = self._ground.clipped(points[:, :2])
        return points

    def _quiet(self, rows: Rows, points: Floats, depths: Floats, sides: Floats) -> BoolArray:
        """Who (n,) comes over no border, and past no zone that lies between."""
        known, margin = self._known, HYSTERESIS * sides[:, None]
        inside = known["inside"][rows]
        loud = (depths > 0) != (known["depth"][rows] > 0)
        loud |= np.where(inside, depths <= -margin, depths >= margin)
        way = points[:, None, :2] - known["clear"][rows][:, :, :2]
        # a way is at least as long as the zone is far from both of its ends
        far = np.hypot(way[..., 0], way[..., 1]) > -depths - known["clear_depth"][rows]
        loud |= ~inside & (depths <= -margin) & far
        return np.asarray(~loud.any(axis=1))

    def _go(self, rows: Rows, points: Floats, depths: Floats, sides: Floats) -> BoolArray:
        """Go on to where the quiet ones are now; of whom (n,) something may be to be decided."""
        known, margin = self._known, HYSTERESIS * sides[:, None]
        inside = known["inside"][rows]
        at, zone = np.nonzero(np.abs(depths) >= margin)
        known["clear"][rows[at], zone] = points[at]
        known["clear_depth"][rows[at], zone] = depths[at, zone]
        away = np.where(inside, 0, np.maximum(known["away"][rows], -depths / sides[:, None]))
        known["away"][rows] = away
        way = points[:, :2] - known["start"][rows]
        reach = np.maximum(known["reach"][rows], np.hypot(way[:, 0], way[:, 1]) / sides)
        known["reach"][rows] = reach
        known["point"][rows], known["depth"][rows] = points, depths
        pending, goal, n = known["pending"][rows], known["goal"][rows], np.arange(len(rows))
        gone = ~inside & (away >= AWAY)
        begun = (goal >= 0) | (known["born"][rows] & (away >= AWAY)).any(axis=1)
        waits = np.where(pending >= 0, gone[n, pending], (reach >= TRAVEL) & begun)
        waits &= ~known["settled"][rows]
        waits |= (goal >= 0) & (away[n, goal] >= BACK)
        return np.asarray(waits)

    def _catch_up(self, track: Track, row: int, read_s: float) -> None:
        """Take all that is new of a track's path."""
        new = int(np.searchsorted(track.path[:, 2], read_s, side="right"))
        points = self._placed(track.path[new:].astype(np.float64), np.array(track.first_ts))
        depths = self._ground.depths(points[:, :2])
        side = np.sqrt(np.prod(track.sizes[new:], axis=1, dtype=np.float64))
        sights = [*map(Sight, points, depths)]
        way = self.by_id.get(track.id)
        begun = way is not None
        if way is None:
            way = Way(self._known, row, self._entry, self._exit, sights[0])
            self.by_id[track.id] = way
        for sight, mean in zip(sights, np.maximum(side, MIN_SIDE_PX).tolist(), strict=True):
            if begun:
                way.follow(self._ground, sight, mean)
            begun = True
