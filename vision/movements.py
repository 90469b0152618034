"""Who came from where and went where to: trips between a movement's entry and exit zones.

A turning-movement count (origin-destination matrix) from the ground-contact points of tracks. A
track is in a zone, or out of it, once it is clear of the zone's border, and between two sightings
it went straight: a zone between them was passed. What it came to is stated once it is over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vision.ground import Ground
from vision.scene import Movement, Scene
from vision.types import BoolArray, Track, Tracked, Trip

UNKNOWN: Final = "unknown"
"""Stands for an origin or a destination that was not seen; no zone of a movement is called so."""
ARROW: Final = " → "

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
Matrix = dict[str, dict[str, dict[str, int]]]
"""Trips by origin, destination and class; every origin and destination is there, ``UNKNOWN``
included."""


def direction(origin: str | None, destination: str | None) -> str:
    """What a way from ``origin`` to ``destination`` is counted under, beside its movement's name,
    as a direction of a line is; None is unknown."""
    return f"{origin or UNKNOWN}{ARROW}{destination or UNKNOWN}"


def directions(movement: Movement) -> tuple[str, ...]:
    """Every ``direction`` of a movement, by origin and destination."""
    return tuple(
        direction(origin, destination)
        for origin in (*movement.entries, None)
        for destination in (*movement.exits, None)
    )


@dataclass(frozen=True, slots=True)
class Balance:
    """What a movement's matrix must agree with, each counted for itself: the tracks that
    ``entered`` by a zone (left an entry zone, or are under way without one), those that ``left``
    by one, those that entered and are still ``inside``, and all ``trips``. ``problems`` names in
    a sentence each sum that does not agree; there are none while all is well."""

    entered: Mapping[str, int]
    left: Mapping[str, int]
    inside: Mapping[str, int]
    trips: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sight:
    """One sighting: ``point`` (x, y, ts), and ``depth`` (zones,), how deep it lies in each, px."""

    point: Floats
    depth: Floats


class _Way:
    """How far one track has been followed; zones are numbers."""

    def __init__(self, entry: BoolArray, exits: BoolArray, first: _Sight) -> None:
        n = len(entry)
        self._entry, self._exit = entry, exits
        self.class_name = ""
        self.wanted = True
        """The vote is for a class that is looked for."""
        self.seconds = -math.inf
        """How far its path was taken, seconds since its beginning."""
        self.settled = False
        """It is a trip, and where it began will not change any more."""
        self.origin: int | None = None
        self.entered_ts = float(first.point[2])
        self._inside = first.depth > 0
        entries = np.flatnonzero(self._inside & entry)
        self._pending = int(entries[0]) if len(entries) else None
        """The entry zone that is its origin once it has left it, ..."""
        self._came: _Sight | None = None
        """... where it came into it, None where it was first seen in it, ..."""
        self._inward = False
        """... and whether that was towards the other zones."""
        self._goal: int | None = None
        self._goal_ts = 0.0
        self._goal_came: _Sight | None = None
        """Where it came into its goal; None once it is known on which side it left that again."""
        self._reach = 0.0
        self._born, self._visited = self._inside.copy(), self._inside.copy()
        self._first = self._last = first
        self._clear, self._clear_depth = np.tile(first.point, (n, 1)), first.depth.copy()
        self._away, self._changed = np.zeros(n), np.full(n, first.point[2])

    def follow(self, ground: Ground, now: _Sight, side: float) -> None:
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
        self, ground: Ground, now: _Sight, outside: BoolArray, margin: float
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

    def _come(self, zone: int, ts: float, now: _Sight) -> None:
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

    def _return(self, now: _Sight) -> None:
        """Forget a goal that it has left again, unless it went out beyond it."""
        zone, came = self._goal, self._goal_came
        if zone is None or came is None or self._inside[zone] or self._away[zone] < BACK:
            return
        self._goal_came = None
        if self._drift(zone, came, now) < DRIFT:
            self._goal = None

    def _settle(self, now: _Sight) -> None:
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

    def _drift(self, zone: int, before: _Sight, now: _Sight) -> float:
        """How much of the way between two sightings led away from the other zones: -1..1."""
        way = float(np.hypot(*(now.point[:2] - before.point[:2])))
        if way == 0:
            return 0.0
        others = np.arange(len(now.depth)) != zone
        grown = np.minimum(before.depth, 0)[others] - np.minimum(now.depth, 0)[others]
        return float(grown.mean()) / way


class MovementCounter:
    """Trips of one movement. State of a track goes when its id is in ``Tracked.ended``.

    The origin is the entry zone in which a track was first, and which it left; the destination
    the exit zone into which it came last, unless it came back out of it. A track that has left no
    zone and come into none is no trip, whatever it did elsewhere.
    """

    def __init__(self, movement: Movement, scene: Scene) -> None:
        self.movement = movement
        self._names = tuple(dict.fromkeys((*movement.entries, *movement.exits)))
        self._entry = np.array([name in movement.entries for name in self._names])
        self._exit = np.array([name in movement.exits for name in self._names])
        self._ground = Ground([scene.zone(name) for name in self._names], scene.frame_size)
        self._ways: dict[int, _Way] = {}
        self._camera_id = ""
        self.matrix: Matrix = {
            origin: {destination: {} for destination in (*movement.exits, UNKNOWN)}
            for origin in (*movement.entries, UNKNOWN)
        }
        """Trips so far."""
        self._entered = dict.fromkeys(self.matrix, 0)
        self._left = dict.fromkeys((*movement.exits, UNKNOWN), 0)
        self._trips = 0

    def update(self, tracked: Tracked) -> list[Trip]:
        """The trips that were over in this step, by track id."""
        self._camera_id = tracked.camera_id
        live = {track.id for track in tracked.tracks}
        for track_id, way in self._ways.items():
            way.wanted = track_id in live or (way.wanted and track_id in tracked.ended)
        seen = [track for track in tracked.tracks if track.last_ts == tracked.ts]
        if seen:
            self._follow(seen)
        return self._state(sorted(tracked.ended))

    def finish(self) -> list[Trip]:
        """The source has ended: the trips of those who are still in sight, by track id."""
        return self._state(sorted(self._ways))

    def balance(self) -> Balance:
        """Whether the matrix agrees with what was counted beside it."""
        inside = dict.fromkeys(self._entered, 0)
        for way in self._ways.values():
            if way.settled:
                inside[self._named(way.origin)] += 1
        rows = {
            origin: sum(sum(classes.values()) for classes in by.values())
            for origin, by in self.matrix.items()
        }
        columns = {
            name: sum(sum(by[name].values()) for by in self.matrix.values()) for name in self._left
        }
        problems = [
            f"{self._entered[name]} entered by '{name}', but {row} trips began there and "
            f"{inside[name]} are under way"
            for name, row in rows.items()
            if self._entered[name] != row + inside[name]
        ]
        problems += [
            f"{self._left[name]} left by '{name}', but {column} trips ended there"
            for name, column in columns.items()
            if self._left[name] != column
        ]
        if self._trips != sum(rows.values()):
            problems.append(f"there were {self._trips} trips, but {sum(rows.values())} are counted")
        return Balance(dict(self._entered), dict(self._left), inside, self._trips, tuple(problems))

    def _follow(self, seen: list[Track]) -> None:
        """Take what the tracks that were ``seen`` have done since the last step."""
        rows: list[Floats] = []
        for track in seen:
            way = self._ways.get(track.id)
            known = -math.inf if way is None else way.seconds
            new = np.searchsorted(track.path[:, 2], known, side="right")
            path = track.path[new:].astype(np.float64)
            path[:, 2] += track.first_ts
            side = np.sqrt(np.prod(track.sizes[new:], axis=1, dtype=np.float64))
            rows.append(np.column_stack([path, np.maximum(side, MIN_SIDE_PX)]))
        points = np.concatenate(rows)
        points[:, :2] = self._ground.clipped(points[:, :2])
        depths = self._ground.depths(points[:, :2])
        at = 0
        for track, row in zip(seen, rows, strict=True):
            way = self._ways.get(track.id)
            begun = way is not None
            if way is None:
                first = _Sight(points[at, :3], depths[at])
                way = self._ways[track.id] = _Way(self._entry, self._exit, first)
            before = self._origin(way)
            for i in range(at if begun else at + 1, at + len(row)):
                now = _Sight(points[i, :3], depths[i])
                way.follow(self._ground, now, float(points[i, 3]))
            at += len(row)
            way.class_name, way.seconds = track.class_name, float(track.path[-1, 2])
            self._enter(before, self._origin(way))

    def _origin(self, way: _Way) -> str | None:
        """What a way is a trip from, None where it is none yet."""
        return self._named(way.origin) if way.settled else None

    def _enter(self, before: str | None, after: str | None) -> None:
        if before != after:
            for name, change in ((before, -1), (after, 1)):
                if name is not None:
                    self._entered[name] += change

    def _state(self, track_ids: Iterable[int]) -> list[Trip]:
        """The trips of the tracks that are over."""
        found = []
        for track_id in track_ids:
            way = self._ways.pop(track_id, None)
            if way is None:
                continue
            before = self._origin(way)
            way.close()
            self._enter(before, self._origin(way) if way.wanted else None)
            if not way.settled or not way.wanted:
                continue
            goal, ts = way.end()
            origin, destination = (
                None if z is None else self._names[z] for z in (way.origin, goal)
            )
            self._left[destination or UNKNOWN] += 1
            self._trips += 1
            trip = Trip(
                camera_id=self._camera_id,
                movement=self.movement.name,
                origin=origin,
                destination=destination,
                class_name=way.class_name,
                track_id=track_id,
                entered_ts=way.entered_ts,
                ts=ts,
            )
            cell = self.matrix[origin or UNKNOWN][destination or UNKNOWN]
            cell[trip.class_name] = cell.get(trip.class_name, 0) + 1
            found.append(trip)
        return found

    def _named(self, zone: int | None) -> str:
        return UNKNOWN if zone is None else self._names[zone]
