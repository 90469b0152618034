"""What stands where, and since when: remembered by place, since tracks break and classes flicker.

A track that keeps to a spot for a while has a place. Whatever is found there next goes on with it:
another track of the same thing, or one of another class. A place is over when its tracks were seen
to move away, or when nothing was seen there for a while although nobody stood in front of it.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vision.rules.base import SAME_S
from vision.types import Track, Tracked

Floats: TypeAlias = NDArray[np.float64]

STILL_SHARE: Final = 0.3
"""Standing: the foot keeps within this part of the box's mean side. Boxes of cars that stand on a
street vary by up to 0.24, and a car that moves up in a queue goes on by 1 or more."""
SETTLE_S: Final = 2.0
"""So long it must do so before it stands; where it stood until then is its spot."""
LEAVE_S: Final = 2.0
"""Seen off its spot for so long, with nobody passing in front, it has moved."""
CUT_S: Final = 10.0
"""Where somebody came in front of it, what is seen of it may be off its spot for so long."""
AWAY_S: Final = 0.5
"""And for so long where its box does not even touch the place."""
TOUCH_IOU: Final = 0.1
LOST_S: Final = 10.0
"""What is not seen for so long, though nobody stands in front of it, has gone."""
MOVED_S: Final = 3.0
"""Where it was seen to move away, only so long: the next car needs longer to take its place."""
HIDDEN_S: Final = 60.0
"""However long others hide it, this is the end. The tracker knows what stood still for as long."""
HANDOVER_S: Final = 1.5
"""What stands at a place so shortly after something was seen there is the same thing, wherever its
track came from: nobody drives off and makes room for another in so short a time."""
APPEARS_S: Final = 0.5
"""A track whose stay began so shortly after itself was not seen to come from elsewhere."""
SIGHT_S: Final = 1.0
"""Two sightings so far apart still mean that it was seen in between."""
STEP_S: Final = 2.0
"""A longer time between two pictures counts as so much: nobody watched the rest."""
TOUCHING: Final = 0.8
"""What is nearer than so many heights is one thing, found in two parts."""
SAME_IOU: Final = 0.5
"""Boxes that overlap by so much are one thing,"""
PART_SHARE: Final = 0.4
PART_FOOT: Final = 0.25
"""and so are those of which the smaller lies in the other with this part of it, on the same ground
to within this part of its mean side: detectors find a car and its half."""
COVER_SHARE: Final = 0.2
"""Somebody hides a place when his box has this part of it, and his foot is no further away."""
MAX_PLACES: Final = 200
"""Of more, those that were not seen for longest are forgotten."""


@dataclass(slots=True, eq=False)
class _Spot:
    """Where a box (4,) xyxy px is on average, of ``n`` boxes from ``since_ts`` to ``until_ts``;
    it was seen for ``seen_s`` of that."""

    since_ts: float
    until_ts: float
    box: Floats
    n: int = 1
    seen_s: float = 0.0

    def off(self, box: Floats) -> float:
        """How far the foot of ``box`` is from this one's, in mean sides."""
        x = (box[0] + box[2] - self.box[0] - self.box[2]) / 2
        return math.hypot(x, box[3] - self.box[3]) / side(self.box)

    def add(self, box: Floats, ts: float) -> None:
        self.n += 1
        self.box = self.box + (box - self.box) / self.n
        self.seen_s += _seen_s(self.until_ts, ts)
        self.until_ts = ts

    @property
    def settled(self) -> bool:
        return self.until_ts - self.since_ts >= SETTLE_S - SAME_S


@dataclass(slots=True, eq=False)
class Place:
    """Something stands in ``box`` (4,) xyxy px since ``since_ts``, and was last seen there at
    ``seen_ts``. ``tracks`` are the live tracks of it; where there are none it is only remembered.
    It was seen for ``seen_s``, and hidden by others for ``hidden_s``; ``missed_s`` is for how long
    it is neither now. ``moved`` says that the last of its tracks went away."""

    number: int
    box: Floats
    since_ts: float
    seen_ts: float
    tracks: dict[int, None] = field(default_factory=dict)
    seen_s: float = 0.0
    hidden_s: float = 0.0
    missed_s: float = 0.0
    moved: bool = False

    @property
    def foot(self) -> Floats:
        """Where it touches the ground (2,), px."""
        return np.array([(self.box[0] + self.box[2]) / 2, self.box[3]])

    @property
    def stood_s(self) -> float:
        """For how long it is known to stand there."""
        return self.seen_ts - self.since_ts

    @property
    def seen_share(self) -> float:
        """For which part of that it was seen, of the time in which it could be."""
        return self.seen_s / max(self.stood_s - self.hidden_s, SAME_S)

    def see(self, ts: float) -> None:
        self.seen_s += _seen_s(self.seen_ts, ts)
        self.seen_ts, self.missed_s, self.moved = max(ts, self.seen_ts), 0.0, False


@dataclass(slots=True, eq=False)
class _Stay:
    """Of one track: its path is read up to ``path_s``, it keeps to ``spot``, which is ``place``
    once it stands. Where it is off it, since ``off_ts``, it may keep to ``other``; somebody was in
    front of it at ``cut_ts``. ``left`` is the number of the place that it went away from."""

    path_s: float = -1.0
    spot: _Spot | None = None
    place: Place | None = None
    off_ts: float | None = None
    cut_ts: float = -math.inf
    other: _Spot | None = None
    left: int = 0

    def begin(self, spot: _Spot | None) -> None:
        self.spot, self.place, self.off_ts, self.other = spot, None, None, None


class Standing:
    """The places of one view at which something stands. Nothing before ``from_ts`` (UTC seconds)
    is looked at."""

    def __init__(self, from_ts: float = -math.inf) -> None:
        self._from_ts = from_ts
        self._ts: float | None = None
        self._serial = 0
        self._places: list[Place] = []
        self._stays: dict[int, _Stay] = {}

    @property
    def places(self) -> Sequence[Place]:
        """Those that are known, the oldest first."""
        return self._places

    def place_of(self, track_id: int) -> Place | None:
        """Where that track stands; None for one that does not."""
        stay = self._stays.get(track_id)
        return None if stay is None else stay.place

    def still(self, track_id: int) -> bool:
        """Whether that track stood at its place when it was last seen."""
        stay = self._stays.get(track_id)
        return stay is not None and stay.place is not None and stay.off_ts is None

    def stands(self, place: Place) -> bool:
        """Whether something is followed that stands there, or perhaps goes on to: the tracks of
        two change places as one passes in front of the other."""
        return bool(place.tracks) or any(
            stay.place is None
            and stay.spot is not None
            and stay.left != place.number
            and same(stay.spot.box, place.box)
            for stay in self._stays.values()
        )

    def update(self, tracked: Tracked, classes: Container[str]) -> None:
        """Take in a step: tracks of ``classes`` stand, others only pass in front."""
        ts = tracked.ts
        passed_s = 0.0 if self._ts is None else min(max(ts - self._ts, 0.0), STEP_S)
        self._ts = ts
        for track_id in tracked.ended:
            stay = self._stays.pop(track_id, None)
            if stay is not None and stay.place is not None:
                stay.place.tracks.pop(track_id, None)
        seen = [track for track in tracked.tracks if track.last_ts == ts]
        for track in seen:
            stay = self._stays.get(track.id)
            stands = stay is not None and stay.place is not None
            if track.class_name in classes or stands:
                self._follow(track, stay or self._stays.setdefault(track.id, _Stay()), seen)
        self._forget(ts, passed_s, seen)

    # --- one track

    def _follow(self, track: Track, stay: _Stay, seen: Sequence[Track]) -> None:
        for ts, box in self._points(track, stay):
            self._read(track, stay, ts, box, seen)
        if stay.place is None and stay.spot is not None and stay.spot.settled:
            self._settle(track, stay, stay.spot)

    def _points(self, track: Track, stay: _Stay) -> Iterator[tuple[float, Floats]]:
        """What is new of its path: times, and boxes (4,) xyxy px."""
        path, sizes = track.path, track.sizes
        read_s = max(stay.path_s, self._from_ts - track.first_ts - SAME_S)
        stay.path_s = float(path[-1, 2])
        for row in range(int(path[:, 2].searchsorted(read_s, side="right")), len(path)):
            (x, y, seconds), (w, h) = path[row].tolist(), sizes[row].tolist()
            yield track.first_ts + seconds, np.array([x - w / 2, y - h, x + w / 2, y])

    def _read(
        self, track: Track, stay: _Stay, ts: float, box: Floats, seen: Sequence[Track]
    ) -> None:
        spot = stay.spot
        if spot is None or (stay.place is None and ts - spot.until_ts > LOST_S):
            stay.begin(_Spot(ts, ts, box))
            return
        off = spot.off(box) > STILL_SHARE
        if stay.place is None:
            if off:
                stay.begin(_Spot(ts, ts, box))
            else:
                spot.add(box, ts)
            return
        if not off:
            stay.off_ts = stay.other = None
            stay.place.see(ts)
            return
        stay.off_ts = ts if stay.off_ts is None else stay.off_ts
        touches = overlap(box, stay.place.box)[0] >= TOUCH_IOU
        if touches and ts - stay.off_ts < CUT_S and self._covered(stay.place, seen, newer=True):
            # what shows of it is no measure of where it is
            stay.cut_ts = ts
        if stay.other is None or stay.other.off(box) > STILL_SHARE:
            stay.other = _Spot(ts, ts, box)
        else:
            stay.other.add(box, ts)
        off_s = ts - max(stay.off_ts, stay.cut_ts)
        if off_s >= (LEAVE_S if touches else AWAY_S) - SAME_S:
            stay.place.tracks.pop(track.id, None)
            stay.place.moved, stay.left = not stay.place.tracks, stay.place.number
            stay.begin(stay.other)

    def _settle(self, track: Track, stay: _Stay, spot: _Spot) -> None:
        """It stands: where something is known to, or at a new place."""
        came = spot.since_ts - max(track.first_ts, self._from_ts) > APPEARS_S + SAME_S
        place = None
        for known in [each for each in self._places if same(each.box, spot.box)]:
            at_once = spot.since_ts - known.seen_ts <= HANDOVER_S + SAME_S
            gone = known.number == stay.left and not known.tracks
            if place is None and (at_once or not came) and not gone:
                place = known
            elif not known.tracks:
                # somebody else came to stand there, so it has gone
                self._drop(known)
        if place is None:
            self._serial += 1
            place = Place(self._serial, spot.box, spot.since_ts, spot.since_ts)
            place.seen_s = spot.seen_s
            self._places.append(place)
        place.tracks[track.id] = None
        place.seen_ts, place.missed_s, place.moved = max(place.seen_ts, spot.until_ts), 0.0, False
        stay.place, stay.off_ts, stay.other = place, None, None

    # --- places

    def _covered(self, place: Place, seen: Sequence[Track], *, newer: bool = False) -> bool:
        """Is anybody ``seen`` in front of it? With ``newer``, who has stood there for longer than
        it has is left out, since that changes nothing."""
        height = place.box[3] - place.box[1]
        for track in seen:
            stay = self._stays.get(track.id, _Stay())
            if track.id in place.tracks or stay.left == place.number:
                continue
            if newer and stay.place is not None and stay.place.since_ts <= place.since_ts:
                continue
            box = track.box.astype(np.float64)
            if box[3] < place.box[3] - 0.1 * height:
                continue
            if overlap(box, place.box)[2] >= COVER_SHARE:
                return True
        return False

    def _forget(self, ts: float, passed_s: float, seen: Sequence[Track]) -> None:
        for place in [*self._places]:
            # a track's times are those of its path, in single precision
            if ts - place.seen_ts <= SAME_S:
                continue
            if self._covered(place, seen):
                place.hidden_s += passed_s
            else:
                place.missed_s += passed_s
            patience_s = MOVED_S if place.moved else LOST_S
            if place.missed_s > patience_s + SAME_S or ts - place.seen_ts > HIDDEN_S + SAME_S:
                self._drop(place)
        if len(self._places) > MAX_PLACES:
            for place in sorted(self._places, key=lambda each: each.seen_ts)[:-MAX_PLACES]:
                self._drop(place)

    def _drop(self, place: Place) -> None:
        self._places.remove(place)
        for track_id in place.tracks:
            stay = self._stays.get(track_id)
            if stay is not None:
                stay.begin(None)
        place.tracks.clear()


def _seen_s(before_ts: float, ts: float) -> float:
    """Seconds for which something was in sight that was seen at both times."""
    return ts - before_ts if 0 < ts - before_ts <= SIGHT_S + SAME_S else 0.0


def side(box: Floats) -> float:
    """The mean side of a box (4,) xyxy, px; 1 at the least."""
    return max(math.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 0.0)), 1.0)


def overlap(a: Floats, b: Floats) -> tuple[float, float, float]:
    """Of two boxes (4,) xyxy: intersection over union, and its part of ``a`` and of ``b``."""
    width = max(0.0, float(min(a[2], b[2]) - max(a[0], b[0])))
    height = max(0.0, float(min(a[3], b[3]) - max(a[1], b[1])))
    common, size_a, size_b = width * height, side(a) ** 2, side(b) ** 2
    return common / (size_a + size_b - common), common / size_a, common / size_b


def same(a: Floats, b: Floats) -> bool:
    """Are the boxes ``a`` and ``b`` (4,) xyxy of one thing, or of it and a part of it?"""
    iou, of_a, of_b = overlap(a, b)
    level = abs(a[3] - b[3]) <= PART_FOOT * min(side(a), side(b))
    return iou >= SAME_IOU or bool(level and max(of_a, of_b) >= PART_SHARE)


def heights_apart(a: Floats, b: Floats) -> float:
    """How far the feet of two boxes (4,) xyxy are apart, in means of their heights. Upwards in
    the picture counts twice, since the ground is seen aslant."""
    x = float(a[0] + a[2] - b[0] - b[2]) / 2
    height = float(a[3] - a[1] + b[3] - b[1]) / 2
    return math.hypot(x, 2 * float(a[3] - b[3])) / max(height, 1.0)
