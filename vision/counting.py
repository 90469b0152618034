"""Who passed which line in which direction: segment intersection of the ground-contact point.

A crossing is decided between two places where the object was clear of the line, so jitter on the
line counts nothing; its moment and place are interpolated on the path between them. A track
counts once for each passage; only one that has visibly come back may pass again. ``Counter`` also
waits for the vote on the class, joins broken tracks and states who came late
(``docs/decisions/0015-late-and-joined.md``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vision.geometry import along, side_distance
from vision.joining import MIN_SPEED, Beginning, Joiner, Joint, motion_of
from vision.occupancy import Stood
from vision.scene import Line
from vision.sightings import Sightings
from vision.trackrows import TrackRows
from vision.types import Crossing, Late, Track, Tracked

HYSTERESIS = 0.1
"""An object is clear of a line at this part of the mean side of its box (of the square root of
its area) from it."""
MIN_TRAVEL = 0.4
"""So many mean sides it has come across the line, from its farthest place on one side to where it
is on the other, before it counts: a box that trembles on the line travels less."""
BODY = 1 / 3
"""The rest of the box moves by at least this part of the foot's way: where more of a standing
object comes into sight, one edge of its box moves alone."""
RETURN = 0.5
"""Once counted, it has come back only when it is clear on the other side by this part: a queue
that sways on the line is no traffic, a person who walks to and fro is."""
EDGE = 0.01
"""A line that ends within this part of the picture's height from its edge goes on beyond it:
feet at the edge are cut off or estimated outside the picture. Likewise an edge of a box."""
SETTLED_LEAD = math.log(99) / math.log(0.8 / 0.2)
"""A class is settled once it leads by so many boxes: where one box in five shows another class,
a lead of n is wrong in 1 of 1 + 4^n cases (Wald 1945, sequential probability ratio test), here in
less than 1 of 100."""
HOLD_S = 2.0
"""A crossing waits so long for its class."""
LATE_S = 1.0
"""Who passed a line before it was seen, passed it so long before, at most."""
PAUSE_S = 2.0
"""After so long without a picture nobody knows who passed meanwhile."""

Rows: TypeAlias = NDArray[np.float64]
"""A path with its boxes (k, 5): x, y, seconds, width, height."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What one step decided, each in order of time, and what stood on a line."""

    crossings: tuple[Crossing, ...] = ()
    late: tuple[Late, ...] = ()
    stood: tuple[Stood, ...] = ()


class LineCounter:
    """Crossings of one line. State of a track goes when its id is in ``Tracked.ended``.

    Of each track there is a row: on which ``side`` of the line it was when it was last clear of it
    (0: never yet), where that was (``clear``), the farthest that it got on that side, in mean sides
    (``reach``), whether it has ``counted``, and up to when its path was read (``seen_s``). Only
    who comes to the other side is looked at for himself.
    """

    def __init__(
        self,
        line: Line,
        frame_size: tuple[int, int],
        region: tuple[int, int, int, int] | None = None,
    ) -> None:
        self.line = line
        w, h = frame_size
        self._rim = EDGE * h
        left, top, width, height = region or (0, 0, w, h)
        self._seen = np.array([[left, top], [left + width, top + height]], np.float64)
        x, y = line.points[:, 0], line.points[:, 1]
        at_edge = np.minimum(np.minimum(x, w - x), np.minimum(y, h - y)) <= EDGE * h
        self._from = -np.inf if at_edge[0] else 0.0
        self._to = np.inf if at_edge[1] else 1.0
        dx, dy = (line.points[1] - line.points[0]) / np.hypot(*(line.points[1] - line.points[0]))
        self._forward = np.array([-dy, dx])
        self._passages = TrackRows(
            side=np.int8(0), clear=np.zeros(5), reach=0.0, counted=False, seen_s=-math.inf
        )

    def update(self, tracked: Tracked) -> list[Crossing]:
        """The crossings that this step decided, by track id."""
        seen = tracked.seen
        found = self._follow_all(seen, tracked.camera_id) if seen.tracks else []
        for track_id in tracked.ended:
            self._passages.drop(track_id)
        return found

    def _follow_all(self, seen: Sightings, camera_id: str) -> list[Crossing]:
        known = self._passages
        rows = known.rows([track.id for track in seen.tracks])
        distance, sides = self._distances(seen.points)
        far, side = np.abs(sides), np.where(distance > 0, 1, -1)
        clear = far >= HYSTERESIS
        alone = (seen.before > known["seen_s"][rows]) | (clear & (known["side"][rows] == -side))
        known["seen_s"][rows[~alone]] = seen.points[~alone, 2]
        stays = clear & ~alone
        at = rows[stays]
        known["side"][at], known["clear"][at] = side[stays], seen.points[stays]
        known["reach"][at] = np.maximum(known["reach"][at], far[stays])
        found = []
        for i in np.flatnonzero(alone).tolist():
            found += self._follow(seen.tracks[i], int(rows[i]), camera_id)
        return found

    def join(self, joint: Joint, camera_id: str) -> Crossing | None:
        """The crossing that a broken track made while nobody saw it: its first part was clear of
        the line on one side and never crossed it, the second was never there. None otherwise."""
        before, after = _rows(joint.first), _rows(joint.second)
        was, now = self._clear(before), self._clear(after)
        if not len(was) or not len(now):
            return None
        side = math.copysign(1.0, now[0, 1])
        if (was[:, 1] * side > 0).any() or (now[:, 1] * side < 0).any():
            return None
        if abs(was[:, 1]).max() + abs(now[:, 1]).max() < MIN_TRAVEL:
            return None
        after[:, 2] += joint.second.first_ts - joint.first.first_ts
        points = np.concatenate([before[int(was[-1, 0]) :], after[: int(now[0, 0]) + 1]])
        place = self._crossing(points, side_distance(points[:, :2], self.line.points), int(side))
        if place is None:
            return None
        row = self._passages.row_of.get(joint.second.id)
        if row is not None:
            self._passages["counted"][row] = True
        crossing = self._stated(_heavier(joint.first, joint.second), camera_id, int(side), place)
        ts = joint.first.first_ts + place[2]
        why = (
            f"track {joint.first.id} ended {max(ts - joint.first.last_ts, 0):.1f} s and "
            f"{np.hypot(*(joint.first.path[-1, :2] - place[:2])):.0f} px before the line, track "
            f"{joint.second.id} began {joint.gap_s:.1f} s later where it would have been "
            f"({joint.off_px:.0f} px off), at {joint.size_ratio:.2f} times its size and "
            f"{joint.speed_ratio:.2f} times its speed"
        )
        return replace(crossing, track_id=joint.second.id, ts=ts, joined=joint.first.id, why=why)

    def was_beyond(self, joint: Joint) -> bool:
        """Was the first part of a broken track already where the second was first clear?"""
        was, now = self._clear(_rows(joint.first)), self._clear(_rows(joint.second))
        return bool(len(was) and len(now) and was[-1, 1] * now[0, 1] > 0)

    def late(self, track: Track, camera_id: str, since_ts: float) -> Late | None:
        """Where the track began just past the line and goes away from it: what it may have done
        before, but after ``since_ts``, from when on the camera has been watched."""
        rows = _rows(track)
        clear, motion = self._clear(rows), motion_of(track, at_end=False)
        # a path that is bounded may have lost its beginning
        if not len(clear) or motion is None or rows[0, 2] > 0:
            return None
        side = math.copysign(1.0, clear[0, 1])
        away = float(motion.velocity @ self._forward) * side
        if away < MIN_SPEED * motion.side:
            return None
        beyond = side * side_distance(rows[:, :2], self.line.points)
        before_s = beyond[0] / away
        place = rows[0, :2] - motion.velocity * before_s
        if (
            before_s > LATE_S
            or track.first_ts - before_s < since_ts
            or beyond.max() - beyond[0] < MIN_TRAVEL * motion.side
            or not self._on_line(place)
            or not ((place >= self._seen[0]) & (place <= self._seen[1])).all()
        ):
            return None
        line, direction, (x, y) = self.line.name, self._direction(int(side)), rows[0, :2].tolist()
        return Late(
            camera_id, line, direction, track.class_name, track.id, ts=track.first_ts, x=x, y=y
        )

    def _follow(self, track: Track, row: int, camera_id: str) -> list[Crossing]:
        """Take what is new of one track's path."""
        known = self._passages
        if not known["side"][row]:
            points = _rows(track)
        else:
            # from the last clear place on, which is kept here: the path is bounded, and who waits
            # on the line for long leaves it behind; another point may have its time
            clear = known["clear"][row]
            later = _rows(track, int(np.searchsorted(track.path[:, 2], clear[2])))
            same = np.flatnonzero((later == clear).all(axis=1))
            later = later[same[-1] + 1 :] if len(same) else later
            points = np.concatenate([clear[None], later])
        distance, sides = self._distances(points)
        sides = np.abs(sides)
        fresh = points[:, 2] > known["seen_s"][row]
        fresh[-1] = True
        known["seen_s"][row] = points[-1, 2]
        found = []
        since = 0
        for i in np.flatnonzero(fresh & (sides >= HYSTERESIS)):
            side = 1 if distance[i] > 0 else -1
            if known["side"][row] == -side:
                if (
                    (known["counted"][row] and sides[i] < RETURN)
                    or known["reach"][row] + sides[i] < MIN_TRAVEL
                    or not self._came_along(points[since], points[i], side)
                ):
                    continue
                place = self._crossing(points[since : i + 1], distance[since : i + 1], side)
                if place is not None:
                    known["counted"][row] = True
                    found.append(self._stated(track, camera_id, side, place))
                known["reach"][row] = 0.0
            known["reach"][row] = max(known["reach"][row], sides[i])
            known["side"][row], known["clear"][row], since = side, points[i], int(i)
        return found

    def _clear(self, rows: Rows) -> NDArray[np.float64]:
        """Where a path (k, 5) was clear of the line: its indices and signed distances in mean
        sides (n, 2)."""
        _, sides = self._distances(rows)
        which = np.flatnonzero(np.abs(sides) >= HYSTERESIS)
        return np.stack([which, sides[which]], axis=1)

    def _distances(self, rows: Rows) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Signed distances of a path (k, 5) from the line: (k,) px, and (k,) mean sides."""
        distance = side_distance(rows[:, :2], self.line.points)
        return distance, distance / np.sqrt(np.maximum(rows[:, 3] * rows[:, 4], 1))

    def _came_along(self, before: Rows, after: Rows, side: int) -> bool:
        """Did the whole box move, from ``before`` to ``after`` (5,), or one of its edges alone?
        The foot is placed by each edge, as far as the box grew in both directions alike; an edge
        at the picture's own says nothing."""
        (x, y, _, w, h), (x1, y1, _, w1, h1) = before, after
        wider, taller = w1 / max(w, 1), h1 / max(h, 1)
        grown = 1.0
        if (wider > 1) == (taller > 1):
            grown = min(wider, taller) if wider > 1 else max(wider, taller)
        (left, top), right = self._seen[0] + self._rim, self._seen[1, 0] - self._rim
        across, down = [], [y1 - y]
        if min(x - w / 2, x1 - w1 / 2) > left:
            across.append(x1 - w1 / 2 + w * grown / 2 - x)
        if max(x + w / 2, x1 + w1 / 2) < right:
            across.append(x1 + w1 / 2 - w * grown / 2 - x)
        if min(y - h, y1 - h1) > top:
            down.append(y1 - h1 + h * grown - y)
        nx, ny = self._forward * side
        moved = min(nx * each for each in across or [x1 - x]) + min(ny * each for each in down)
        return bool(moved >= BODY * (nx * (x1 - x) + ny * (y1 - y)))

    def _crossing(
        self, points: Rows, distance: NDArray[np.floating], side: int
    ) -> tuple[float, float, float] | None:
        """Where and when the path (k, 5) last changed to ``side``; None when that was beyond the
        line's ends."""
        step = int(np.flatnonzero(distance * side <= 0)[-1])
        share = distance[step] / (distance[step] - distance[step + 1])
        place = points[step] + (points[step + 1] - points[step]) * share
        if not self._on_line(place[:2]):
            return None
        return float(place[0]), float(place[1]), float(place[2])

    def _on_line(self, place: NDArray[np.floating]) -> bool:
        return bool(self._from <= along(place[None], self.line.points)[0] <= self._to)

    def _direction(self, side: int) -> str:
        return self.line.forward if side > 0 else self.line.backward

    def _stated(
        self, track: Track, camera_id: str, side: int, place: tuple[float, float, float]
    ) -> Crossing:
        x, y, seconds = place
        return Crossing(
            camera_id=camera_id,
            line=self.line.name,
            direction=self._direction(side),
            class_name=track.class_name,
            track_id=track.id,
            ts=track.first_ts + seconds,
            x=x,
            y=y,
        )


@dataclass(slots=True)
class _Held:
    """A crossing that waits for its class since ``since_ts``, and whether that is looked for."""

    crossing: Crossing
    since_ts: float
    wanted: bool = True


class Counter:
    """Counts of all lines: line → direction → class → n, and who came late: line → direction → n;
    every line and direction is present in both.

    ``groups`` numbers the classes: those of one number may continue each other in a broken track.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        frame_size: tuple[int, int],
        groups: Mapping[str, int] = MappingProxyType({}),
        region: tuple[int, int, int, int] | None = None,
    ) -> None:
        self._lines = [LineCounter(line, frame_size, region) for line in lines]
        self._joiner = Joiner(groups)
        self._held: list[_Held] = []
        self._camera_id = ""
        self._since_ts = self._ts = -math.inf
        self.counts: dict[str, dict[str, dict[str, int]]] = {
            line.name: {line.forward: {}, line.backward: {}} for line in lines
        }
        self.late: dict[str, dict[str, int]] = {
            line.name: {line.forward: 0, line.backward: 0} for line in lines
        }

    def update(self, tracked: Tracked) -> Counted:
        """Count what this step decided. A crossing waits until its class is settled, for
        ``HOLD_S`` at most."""
        if not self._lines:
            return Counted()
        if tracked.ts - self._ts > PAUSE_S:
            self._since_ts = tracked.ts
        self._ts, self._camera_id = tracked.ts, tracked.camera_id
        for line in self._lines:
            self._held += [_Held(crossing, tracked.ts) for crossing in line.update(tracked)]
        return self._count(self._settled(tracked), self._joiner.update(tracked))

    def finish(self) -> Counted:
        """The source has ended: what was not decided yet, by the votes so far."""
        held = [each.crossing for each in self._held if each.wanted]
        self._held = []
        return self._count(held, self._joiner.finish())

    def _settled(self, tracked: Tracked) -> list[Crossing]:
        """The held crossings whose class is known, or will not be known better."""
        tracks = {track.id: track for track in tracked.tracks}
        done, held = [], []
        for each in self._held:
            track = tracks.get(each.crossing.track_id)
            over = tracked.ts - each.since_ts >= HOLD_S or each.crossing.track_id in tracked.ended
            if track is not None:
                each.wanted = True
                each.crossing = replace(each.crossing, class_name=track.class_name)
                over |= lead(track) >= SETTLED_LEAD
            elif each.crossing.track_id not in tracked.ended:
                each.wanted = False
            if not over:
                held.append(each)
            elif each.wanted:
                done.append(each.crossing)
        self._held = held
        return done

    def _count(self, crossings: list[Crossing], beginnings: Iterable[Beginning]) -> Counted:
        late = []
        for beginning in beginnings:
            for line in self._lines:
                if (joint := beginning.joint) is not None:
                    if (joined := line.join(joint, self._camera_id)) is not None:
                        crossings.append(joined)
                        continue
                    if line.was_beyond(joint):
                        continue
                found = line.late(beginning.track, self._camera_id, self._since_ts)
                if found is not None:
                    late.append(found)
                    self.late[found.line][found.direction] += 1
        for crossing in crossings:
            of_class = self.counts[crossing.line][crossing.direction]
            of_class[crossing.class_name] = of_class.get(crossing.class_name, 0) + 1
        crossings.sort(key=lambda crossing: (crossing.ts, crossing.line, crossing.track_id))
        late.sort(key=lambda each: (each.ts, each.line, each.track_id))
        return Counted(tuple(crossings), tuple(late))


def lead(track: Track) -> float:
    """By how many boxes the track's class leads in the vote over all others together."""
    return len(track.path) * (2 * track.class_share - 1)


def _heavier(one: Track, other: Track) -> Track:
    """The one that knows its class better."""
    return one if lead(one) > lead(other) else other


def _rows(track: Track, start: int = 0) -> Rows:
    """The track's path with its boxes (k, 5), from point ``start`` on."""
    rows = np.concatenate([track.path[start:], track.sizes[start:]], axis=1)
    return rows.astype(np.float64)
