"""Who came from where and went where to: trips between a movement's entry and exit zones.

A turning-movement count (origin-destination matrix) from the ground-contact points of tracks. A
track is in a zone, or out of it, once it is clear of the zone's border, and between two sightings
it went straight: a zone between them was passed. What it came to is stated once it is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from vision.ground import Ground
from vision.scene import Movement, Scene
from vision.types import Tracked, Trip
from vision.ways import Way, Ways

UNKNOWN: Final = "unknown"
"""Stands for an origin or a destination that was not seen; no zone of a movement is called so."""
ARROW: Final = " → "

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
        self._ways = Ways(self._ground, self._entry, self._exit)
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
        for track_id, way in self._ways.by_id.items():
            way.wanted = track_id in live or (way.wanted and track_id in tracked.ended)
        if tracked.seen.tracks:
            for way in self._ways.follow(tracked.seen):
                self._enter(way, self._origin(way))
        return self._state(sorted(tracked.ended))

    def finish(self) -> list[Trip]:
        """The source has ended: the trips of those who are still in sight, by track id."""
        return self._state(sorted(self._ways.by_id))

    def balance(self) -> Balance:
        """Whether the matrix agrees with what was counted beside it."""
        inside = dict.fromkeys(self._entered, 0)
        for way in self._ways.by_id.values():
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

    def _origin(self, way: Way) -> str | None:
        """What a way is a trip from, None where it is none yet."""
        return self._named(way.origin) if way.settled else None

    def _enter(self, way: Way, origin: str | None) -> None:
        """Count it to have come in by ``origin``, and no more by what was counted before."""
        if way.entered != origin:
            for name, change in ((way.entered, -1), (origin, 1)):
                if name is not None:
                    self._entered[name] += change
            way.entered = origin

    def _state(self, track_ids: Iterable[int]) -> list[Trip]:
        """The trips of the tracks that are over."""
        found = []
        for track_id in track_ids:
            way = self._ways.by_id.get(track_id)
            if way is None:
                continue
            way.close()
            self._enter(way, self._origin(way) if way.wanted else None)
            if way.settled and way.wanted:
                found.append(self._trip(track_id, way))
            self._ways.drop(track_id)
        return found

    def _trip(self, track_id: int, way: Way) -> Trip:
        """The trip of a track that is over, which is counted."""
        goal, ts = way.end()
        origin, destination = (None if z is None else self._names[z] for z in (way.origin, goal))
        self._left[destination or UNKNOWN] += 1
        self._trips += 1
        cell = self.matrix[origin or UNKNOWN][destination or UNKNOWN]
        cell[way.class_name] = cell.get(way.class_name, 0) + 1
        return Trip(
            camera_id=self._camera_id,
            movement=self.movement.name,
            origin=origin,
            destination=destination,
            class_name=way.class_name,
            track_id=track_id,
            entered_ts=way.entered_ts,
            ts=ts,
        )

    def _named(self, zone: int | None) -> str:
        return UNKNOWN if zone is None else self._names[zone]
