"""How people hold themselves, looked at where somebody may have fallen: detectors lose who lies.

A model finds up to six poses in a square of 256 px. It looks at a person whose box is lower or
wider than when it stands, and where one was lost from sight inside the picture; most people never
cost anything. Where a person is too small for it, nothing runs.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from vision.geometry import Box, contains, overlap
from vision.letterbox import letterbox
from vision.scene import Zone
from vision.types import FloatArray, Frame, Image, Observations, Pose, Track

INPUT: Final = 256
"""px a side of the model's input."""
KEYPOINTS: Final = 17
MIN_HEIGHT_PX: Final = 60.0
"""Who is not as tall, in px of the picture as it comes, is not looked at."""
LOOK_S: Final = 0.2
"""A person is looked at no more often,"""
SLOW_S = 1.0
"""and so often after ``LONG_S`` of it, or where ``MISSES`` looks one after another found nobody."""
LONG_S = 15.0
MISSES = 5
MAX_LOOKS = 2
"""In one picture, 30 ms each: who waited longest comes first,"""
MAX_RATE = 10
"""and in one second."""
MAX_PEOPLE = 64
"""Known at the same time; of more, who was seen longest ago is forgotten."""
WIDER = 0.75
"""A box is that of somebody who may not stand where it is wider than this part of its height,"""
LOWER, NARROW = 0.85, 0.45
"""or lower than this part of the standing person's: but if it is narrower than this part of its
height it is only further away."""
CALM = 2
"""So many looks one after another that show somebody who stands:"""
CALM_S = 0.6
"""then the next one waits for so long."""
AFTER_S = 2.0
"""Who stands again is looked at for so much longer."""
LOST_S = 0.3
"""Who was not seen for so long is lost by the detector,"""
SEARCH_S = 5.0
"""and is looked for so long after it was last found."""
STANDS = 1.2
"""A box so many times as high as wide is that of somebody who stands,"""
TALL = 0.85
"""or of a part of it, where it is lower than this part of the height."""
UPRIGHT_S = 10.0
"""How tall somebody is when it stands: the tallest of so many seconds in which it stood."""
SAMPLE_S = 0.2
"""So often its height is kept."""
NEAR, FAR = 0.7, 1.2
"""Parts of the height: a pose is that of a person in sight, or of one that is lost, where its
middle is not further from where it was."""
AGAIN = 0.8
"""A track that begins so near to a lost person, in its heights, is that person."""
OTHERS_IOU = 0.3
"""A pose whose box overlaps that of another track by so much is that one's."""
HIDDEN = 0.7
"""Where so much of the place is behind others, nobody is looked for."""
EDGE = 0.02
"""Who stood and was lost so near to the left or right edge, as a part of the width, went out."""
MIN_SCORE = 0.1
"""What the model is less sure of is no pose."""
MIN_POINT = 0.1
"""What it is less sure of is no point of its outline, if there are six others."""
ROOM = 0.75
"""The model sees so many times the larger side of a person's box to all sides of its middle,"""
REACH = 1.0
"""and so many times its height: it may lie at any side of where it stood."""


class PoseModel(Protocol):
    """A model that finds poses (MoveNet multipose)."""

    def run(self, images: Image) -> FloatArray:
        """For pictures (n, 256, 256, 3) uint8 RGB: (n, 6, 56) float32, for each of six persons 17
        times y, x, score, then ymin, xmin, ymax, xmax and score; places in 0..1 of the input."""
        ...


def outline(keypoints: FloatArray) -> Box:
    """The box (x1, y1, x2, y2) px around the points of a pose (17, 3) that the model is sure of."""
    sure = keypoints[keypoints[:, 2] >= MIN_POINT]
    points = sure if len(sure) >= 6 else keypoints
    x1, y1 = points[:, :2].min(axis=0).tolist()
    x2, y2 = points[:, :2].max(axis=0).tolist()
    return x1, y1, x2, y2


@dataclass(slots=True, eq=False)
class _Person:
    """One person: ``box`` px where it was last seen, ``seen_ts`` by the detector, ``found_ts`` by
    either; ``stood`` the times, heights and middles (y) px at which it stood; ``due_ts`` when it is
    looked at next, ``until_ts`` for how long, ``since_ts`` since when."""

    number: int
    track_id: int | None
    box: Box
    seen_ts: float
    found_ts: float
    left: bool = False
    stood: deque[tuple[float, float, float]] = field(
        default_factory=lambda: deque(maxlen=round(UPRIGHT_S / SAMPLE_S))
    )
    due_ts: float = -math.inf
    looked_ts: float = -math.inf
    misses: int = 0
    calm: int = 0
    since_ts: float | None = None
    until_ts: float = -math.inf

    @property
    def upright(self) -> tuple[float, float] | None:
        """Height and middle (y) px when it stood last; None where it was not seen to."""
        if not self.stood:
            return None
        tall = max(height for _, height, _ in self.stood)
        return next((tall, y) for _, h, y in reversed(self.stood) if h >= TALL * tall)

    def lost(self, ts: float) -> bool:
        return ts - self.seen_ts > LOST_S + 1e-3

    @property
    def size(self) -> float:
        """How tall it is, or how long where it was not seen to stand; px."""
        upright = self.upright
        x1, y1, x2, y2 = self.box
        return max(x2 - x1, y2 - y1) if upright is None else upright[0]


class Poses:
    """The poses of people in ``zones`` of one view, drawn on a picture of ``frame_size``, as
    ``model`` finds them."""

    def __init__(
        self, model: PoseModel, zones: Sequence[Zone], frame_size: tuple[int, int]
    ) -> None:
        self._model = model
        self._zones = tuple(zones)
        self._size = frame_size
        self.reset()

    def reset(self) -> None:
        """Begin anew: the view is another one."""
        self._people: dict[int, _Person] = {}
        self._looks: deque[float] = deque(maxlen=MAX_RATE)

    def update(self, frame: Frame, tracks: Sequence[Track]) -> Observations:
        """Who was looked at in this picture, and the poses that were found. ``tracks`` are those of
        ``frame``, in px of the scene's picture."""
        people = [track for track in tracks if track.class_name == "person"]
        self._follow(people, frame.ts)
        scale = frame.size[1] / self._size[1]
        small, waiting = {}, []
        seen = {track.id: _box(track) for track in people if track.last_ts >= frame.ts}
        for person in self._people.values():
            if not self._in_zone(person):
                continue
            size_px = person.size * scale
            if size_px < MIN_HEIGHT_PX:
                if person.track_id in seen:
                    small[person.track_id] = size_px
            elif self._due(person, frame.ts) and not _hidden(person, seen):
                waiting.append(person)
        waiting.sort(key=lambda person: (person.looked_ts, person.number))
        free = MAX_RATE - sum(ts > frame.ts - 1.0 + 1e-3 for ts in self._looks)
        chosen = waiting[: max(0, min(MAX_LOOKS, free))]
        self._looks.extend(frame.ts for _ in chosen)
        poses = self._look(frame, chosen, seen) if chosen else ()
        return Observations(
            poses=poses, looked=frozenset(person.number for person in chosen), small=small
        )

    def _follow(self, tracks: Iterable[Track], ts: float) -> None:
        """Who is where, and who is lost."""
        by_track = {each.track_id: each for each in self._people.values()}
        for track in tracks:
            person = by_track.pop(track.id, None)
            if track.last_ts >= ts:
                _seen(person or self._met(track, ts), track, ts)
        for number, person in by_track.items():
            if person.track_id == number:
                person.track_id = None
        by_age = sorted(self._people.values(), key=lambda each: -each.found_ts)
        for person in by_age:
            stood = person.lost(ts) and person.until_ts < person.seen_ts
            person.left = person.left or (stood and self._at_edge(person))
        self._people = {
            person.number: person
            for person in by_age[:MAX_PEOPLE]
            if ts - person.found_ts <= SEARCH_S and not (person.left and person.track_id is None)
        }

    def _met(self, track: Track, ts: float) -> _Person:
        """A track that is new, or goes on with somebody who was lost."""
        x, y = _middle(_box(track))
        nearest, best = self._people.get(track.id), AGAIN
        for person in self._people.values():
            if person.seen_ts > track.first_ts or ts - person.seen_ts < LOST_S:
                continue
            other_x, other_y = _middle(person.box)
            apart = math.hypot(x - other_x, y - other_y) / max(person.size, 1.0)
            if apart < best:
                nearest, best = person, apart
        person = nearest or _Person(track.id, track.id, _box(track), ts, ts)
        person.track_id, self._people[person.number] = track.id, person
        return person

    def _at_edge(self, person: _Person) -> bool:
        """Who is near to the left or right edge of the picture may go out of it."""
        x1, _, x2, _ = person.box
        return x1 < EDGE * self._size[0] or x2 > (1 - EDGE) * self._size[0]

    def _in_zone(self, person: _Person) -> bool:
        x1, _, x2, y2 = person.box
        points = np.array([((x1 + x2) / 2, y2), _middle(person.box)])
        last = np.nextafter(np.array(self._size, np.float64), 0)
        inside = (contains(zone.polygon, np.clip(points, 0, last)) for zone in self._zones)
        return any(bool(each.any()) for each in inside)

    def _due(self, person: _Person, ts: float) -> bool:
        """Whether somebody may have fallen, and was not looked at just now."""
        if person.lost(ts):
            if person.left:
                return False
            person.until_ts = max(person.until_ts, ts)
        elif _changed(person):
            person.until_ts = ts + AFTER_S
        if ts > person.until_ts:
            person.since_ts = None
            return False
        if person.since_ts is None:
            person.since_ts = ts
        return ts >= person.due_ts

    def _look(
        self, frame: Frame, people: Sequence[_Person], seen: dict[int, Box]
    ) -> tuple[Pose, ...]:
        """The poses of ``people`` in the picture; ``seen`` are the boxes of tracks in sight."""
        scale_x, scale_y = frame.size[0] / self._size[0], frame.size[1] / self._size[1]
        batch = np.zeros((len(people), INPUT, INPUT, 3), np.uint8)
        places = []
        for row, person in zip(batch, people, strict=True):
            left, top, right, bottom = self._square(person)
            x1, y1 = math.floor(left * scale_x), math.floor(top * scale_y)
            x2, y2 = math.ceil(right * scale_x), math.ceil(bottom * scale_y)
            x1, y1 = min(max(0, x1), frame.size[0] - 1), min(max(0, y1), frame.size[1] - 1)
            x2, y2 = max(x1 + 1, min(x2, frame.size[0])), max(y1 + 1, min(y2, frame.size[1]))
            part = frame.picture.crop(x1, y1, x2 - x1, y2 - y1)
            fitted, lies = letterbox(part, (INPUT, INPUT), 0, False)
            row[:] = fitted[:, :, ::-1]
            ratio_x, ratio_y = lies.ratio
            places.append((x1 / scale_x, y1 / scale_y, ratio_x * scale_x, ratio_y * scale_y))
        outputs = self._model.run(batch)
        found = []
        for person, output, place in zip(people, outputs, places, strict=True):
            person.looked_ts = frame.ts
            since_ts = frame.ts if person.since_ts is None else person.since_ts
            pose = _own(person, decode(output, *place), seen, frame.ts)
            person.misses = person.misses + 1 if pose is None else 0
            person.calm = person.calm + 1 if pose is not None and _stands(pose) else 0
            step_s = CALM_S if person.calm >= CALM else LOOK_S
            if frame.ts - since_ts >= LONG_S or person.misses >= MISSES:
                step_s = SLOW_S
            # on a grid, so that all rates look at the same moments
            late_s = 0.0 if math.isinf(person.due_ts) else frame.ts - person.due_ts
            person.due_ts = frame.ts - late_s % step_s + step_s - 1e-3
            if pose is not None:
                found.append(pose)
        return tuple(found)

    def _square(self, person: _Person) -> Box:
        """The part of the scene's picture where ``person`` is, or was lost."""
        x1, y1, x2, y2 = person.box
        x, y = _middle(person.box)
        half = max(ROOM * max(x2 - x1, y2 - y1), REACH * person.size)
        return x - half, y - half, x + half, y + half


def decode(
    output: FloatArray, left: float, top: float, ratio_x: float, ratio_y: float
) -> list[tuple[FloatArray, float]]:
    """Keypoints (17, 3) and score of each pose in the model's ``output`` (6, 56) for the part of a
    picture that begins at ``left``, ``top`` px and was enlarged by the ratios."""
    found = []
    for row in output:
        score = float(row[55])
        if not score >= MIN_SCORE or not np.isfinite(row).all():
            continue
        points = row[: 3 * KEYPOINTS].reshape(KEYPOINTS, 3)
        x = points[:, 1] * INPUT / ratio_x + left
        y = points[:, 0] * INPUT / ratio_y + top
        found.append((np.stack([x, y, points[:, 2]], axis=1).astype(np.float32), min(score, 1.0)))
    return found


def _own(
    person: _Person, poses: Sequence[tuple[FloatArray, float]], seen: dict[int, Box], ts: float
) -> Pose | None:
    """The one of ``poses`` that is the person's, which is then where it is."""
    lost = person.lost(ts)
    x, y = _middle(person.box)
    best = None
    best_apart = (FAR if lost else NEAR) * max(person.size, 1.0)
    for keypoints, score in poses:
        box = outline(keypoints)
        own = overlap(box, person.box)
        others = (each for number, each in seen.items() if number != person.track_id)
        if any(overlap(box, other) > max(OTHERS_IOU, own) for other in others):
            continue
        other_x, other_y = _middle(box)
        apart = math.hypot(x - other_x, y - other_y)
        if apart < best_apart:
            best, best_apart = (keypoints, score, box), apart
    if best is None:
        return None
    keypoints, score, box = best
    person.found_ts = ts
    if lost:
        person.box = box
    upright = person.upright
    keypoints.flags.writeable = False
    return Pose(
        person=person.number,
        track_id=None if lost else person.track_id,
        ts=ts,
        keypoints=keypoints,
        score=score,
        upright_px=None if upright is None else upright[0],
        fell_px=None if upright is None else _middle(box)[1] - upright[1],
    )


def _seen(person: _Person, track: Track, ts: float) -> None:
    """The detector sees ``person``."""
    x1, y1, x2, y2 = person.box = _box(track)
    person.seen_ts = person.found_ts = ts
    person.left = False
    if y2 - y1 >= STANDS * (x2 - x1):
        stood = person.stood
        if not stood or ts - stood[-1][0] >= SAMPLE_S - 1e-3:
            stood.append((ts, y2 - y1, (y1 + y2) / 2))
        while stood[0][0] < ts - UPRIGHT_S:
            stood.popleft()


def _changed(person: _Person) -> bool:
    """Whether its box is not that of somebody who stands."""
    x1, y1, x2, y2 = person.box
    shape, upright = (x2 - x1) / max(y2 - y1, 1.0), person.upright
    lower = upright is not None and y2 - y1 < LOWER * upright[0]
    return shape > WIDER or (lower and shape > NARROW)


def _stands(pose: Pose) -> bool:
    x1, y1, x2, y2 = outline(pose.keypoints)
    return y2 - y1 >= STANDS * (x2 - x1)


def _hidden(person: _Person, seen: dict[int, Box]) -> bool:
    """Whether others stand in front of where it was lost."""
    x1, y1, x2, y2 = person.box
    area = max((x2 - x1) * (y2 - y1), 1.0)
    return person.track_id not in seen and any(
        max(0.0, min(x2, box[2]) - max(x1, box[0])) * max(0.0, min(y2, box[3]) - max(y1, box[1]))
        > HIDDEN * area
        for box in seen.values()
    )


def _box(track: Track) -> Box:
    """Where ``track`` was seen last, px."""
    (x, y, _), (w, h) = track.path[-1].tolist(), track.sizes[-1].tolist()
    return x - w / 2, y - h, x + w / 2, y


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
