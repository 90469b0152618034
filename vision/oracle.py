"""Synthetic scenes whose truth is known: they drive tracker and counter without a model.

A ``Stage`` is a continuous-time world: bodies on polylines in time and picture, so that who
passes which line and when is exact and owes nothing to the counter. A ``Film`` is what a detector
reports of it (``vision/oracle_film.py``) with its truth; ``replay`` runs a real ``Tracker`` and
``Counter`` over one, and its ``Score`` compares. ``vision/oracle_scenes.py`` has the scenes.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vision.counting import Counter
from vision.scene import Line
from vision.track import Tracker, TrackerSettings
from vision.types import Crossing, Detections, FloatArray, IntArray, Late, Tracked

Floats = NDArray[np.float64]

CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
GROUPS: IntArray = np.array([0, 1, 2, 2, 2, 2], np.int32)
"""Classes of one group are taken for one another, by the detector and by its faults."""
SETTINGS = TrackerSettings(low=0.15, match=0.3, birth=0.4)
START_TS = 1_760_000_000.0
"""UTC seconds of a stage's time 0."""
EDGE = 0.01
"""A line that ends within this part of the picture's height from its edge goes on beyond it."""


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """An object: ``knots`` (k, 5) float64 rows of seconds, foot x, foot y, width, height in px,
    linear in between; it exists from its first to its last."""

    number: int
    class_name: str
    knots: Floats

    def __post_init__(self) -> None:
        shape = self.knots.shape
        if (
            len(shape) != 2
            or shape[1] != 5
            or shape[0] < 2
            or (np.diff(self.knots[:, 0]) <= 0).any()
        ):
            raise ValueError(
                f"a body has knots (k, 5), k of 2 or more, in order of time, not {shape}"
            )

    def at(self, times: Floats) -> Floats:
        """Foot x, foot y, width, height (n, 4) at ``times`` (n,); NaN where it does not exist."""
        t = self.knots[:, 0]
        rows = np.stack([np.interp(times, t, self.knots[:, k]) for k in range(1, 5)], axis=1)
        rows[(times < t[0]) | (times > t[-1])] = np.nan
        return rows


@dataclass(frozen=True, slots=True)
class Passage:
    """The truth: a body's foot passed a line once, at ``ts`` and at ``x``, ``y`` px."""

    number: int
    class_name: str
    line: str
    direction: str
    ts: float
    x: float
    y: float


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A world of ``seconds`` in a picture of ``size`` (w, h) px. ``screens`` (m, 6) are things
    nearer than every body: x0, y0, x1, y1 px and the seconds from and to which they stand there.
    ``sway_px`` is how much even a perfect detector's edges move from picture to picture."""

    name: str
    size: tuple[int, int]
    seconds: float
    lines: tuple[Line, ...]
    bodies: tuple[Body, ...]
    screens: Floats
    sway_px: float = 0.0

    def passages(self) -> tuple[Passage, ...]:
        """Every change of side of a line within its ends from time 0 on, exactly, in order of
        time."""
        found = [p for line in self.lines for body in self.bodies for p in self._of(body, line)]
        found = [p for p in found if 0 <= p.ts - START_TS <= self.seconds]
        return tuple(sorted(found, key=lambda p: (p.ts, p.number, p.line)))

    def _of(self, body: Body, line: Line) -> list[Passage]:
        start, end = prolonged(line, self.size)
        way = end - start
        # from the line's own point of view: across it (positive on the right) and along it
        offset = body.knots[:, 1:3] - start
        across = way[0] * offset[:, 1] - way[1] * offset[:, 0]
        lengthwise = offset @ way / (way @ way)
        found = []
        side = 0.0
        for k in np.flatnonzero(across):
            new = float(np.sign(across[k]))
            if side and new != side:
                # a foot may rest on the line for a while: it passes when it leaves it
                i = k - 1
                share = across[i] / (across[i] - across[k])
                if 0 <= lengthwise[i] + share * (lengthwise[k] - lengthwise[i]) <= 1:
                    t, x, y = body.knots[i, :3] + share * (body.knots[k, :3] - body.knots[i, :3])
                    to = line.forward if new > 0 else line.backward
                    found.append(
                        Passage(body.number, body.class_name, line.name, to,
                                START_TS + float(t), float(x), float(y))
                    )  # fmt: skip
            side = new
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One picture of a film, at ``t`` seconds: what a detector ``found`` and whose box each is,
    ``numbers`` (n,), -1 for a box of nothing; and the truth, who is in the picture (m,), their
    boxes ``present_xyxy`` (m, 4) px, and whether they can be seen."""

    t: float
    found: Detections
    numbers: IntArray
    present: IntArray
    present_xyxy: FloatArray
    can_be_seen: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """What a detector reports of a stage, ``fps`` pictures a second, and what is true of it."""

    name: str
    size: tuple[int, int]
    fps: float
    lines: tuple[Line, ...]
    objects: int
    passages: tuple[Passage, ...]
    shots: tuple[Shot, ...]

    def as_json(self) -> dict[str, Any]:
        """The recorded detections and the true passages in JSON values; a box is x0, y0, x1, y1
        px, score, class id and body. Times are seconds from ``start_ts``."""
        return {
            "name": self.name,
            "frame_size": list(self.size),
            "fps": self.fps,
            "start_ts": START_TS,
            "classes": list(CLASSES),
            "lines": [
                {"name": line.name, "points": line.points.tolist(),
                 "forward": line.forward, "backward": line.backward}
                for line in self.lines
            ],
            "objects": self.objects,
            "passages": [asdict(passage) for passage in self.passages],
            "frames": [
                {"t": shot.t, "boxes": [
                    [*(round(v, 2) for v in box), round(score, 3), kind, who]
                    for box, score, kind, who in zip(
                        shot.found.xyxy.tolist(), shot.found.score.tolist(),
                        shot.found.class_id.tolist(), shot.numbers.tolist(), strict=True,
                    )
                ]}
                for shot in self.shots
            ],
        }  # fmt: skip

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Film:
        """The film of ``as_json``, without who was present unreported; raises KeyError, ValueError
        or TypeError for another shape."""
        shots = []
        for frame in value["frames"]:
            rows = np.array(frame["boxes"], np.float64).reshape(-1, 7)
            found = Detections(
                rows[:, :4].astype(np.float32),
                rows[:, 4].astype(np.float32),
                rows[:, 5].astype(np.int32),
            )
            numbers = rows[:, 6].astype(np.int32)
            real = numbers >= 0
            shots.append(
                Shot(float(frame["t"]), found, numbers, numbers[real], found.xyxy[real],
                     np.ones(int(real.sum()), np.bool_))
            )  # fmt: skip
        lines = tuple(
            Line(x["name"], np.array(x["points"], np.float64), x["forward"], x["backward"])
            for x in value["lines"]
        )
        width, height = value["frame_size"]
        passages = tuple(Passage(**passage) for passage in value["passages"])
        return Film(
            value["name"], (width, height), value["fps"], lines, value["objects"], passages,
            tuple(shots),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Score:
    """Truth against count, added up over films. ``off`` is the sum over films, lines and
    directions of the difference between both; ``missed`` and ``extra`` say it passage by
    passage. ``judged`` are the matched passages of a class that others are taken for, ``right``
    those with their class. ``switches``: a body's track id changed between two sightings."""

    objects: int = 0
    truth: int = 0
    counted: int = 0
    off: int = 0
    missed: int = 0
    extra: int = 0
    judged: int = 0
    right: int = 0
    switches: int = 0
    late: int = 0
    joined: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def error(self) -> float:
        """The part of the truth by which the counts are off; of the objects, where none passes."""
        return self.off / max(self.truth or self.objects, 1)

    @property
    def class_right(self) -> float | None:
        """The part of the judged passages with their class; None where there is none."""
        return self.right / self.judged if self.judged else None


@dataclass(frozen=True, slots=True)
class Replay:
    """What tracker and counter made of a film."""

    crossings: tuple[Crossing, ...]
    late: tuple[Late, ...]
    missed: tuple[Passage, ...]
    extra: tuple[Crossing, ...]
    score: Score


def replay(film: Film, settings: TrackerSettings = SETTINGS) -> Replay:
    """Track and count a film as a camera's pipeline does, and compare with its truth."""
    tracker = Tracker(settings, CLASSES, GROUPS)
    counter = Counter(film.lines, film.size, dict(zip(CLASSES, GROUPS.tolist(), strict=True)))
    crossings: list[Crossing] = []
    late: list[Late] = []
    bodies_of: dict[int, Tally[int]] = {}
    last_id: dict[int, int] = {}
    switches = 0
    for index, shot in enumerate(film.shots):
        ts = START_TS + shot.t
        ids, tracks, ended = tracker.update(shot.found, ts)
        counted = counter.update(
            Tracked("oracle", index, ts, CLASSES, shot.found, ids, tracks, ended)
        )
        crossings += counted.crossings
        late += counted.late
        for number, track_id in zip(shot.numbers.tolist(), ids.tolist(), strict=True):
            if number >= 0 and track_id >= 0:
                bodies_of.setdefault(track_id, Tally())[number] += 1
                switches += last_id.get(number, track_id) != track_id
                last_id[number] = track_id
    counted = counter.finish()
    crossings += counted.crossings
    late += counted.late
    truth = film.passages
    pairs = _matched(truth, crossings, bodies_of)
    ways = Tally((p.line, p.direction) for p in truth)
    ways.subtract(Tally((c.line, c.direction) for c in crossings))
    missed = tuple(p for i, p in enumerate(truth) if i not in {i for i, _ in pairs})
    extra = tuple(c for j, c in enumerate(crossings) if j not in {j for _, j in pairs})
    named = [(truth[i].class_name, crossings[j].class_name) for i, j in pairs]
    judged = [(is_, said) for is_, said in named if len(rivals(CLASSES.index(is_)))]
    score = Score(
        objects=film.objects,
        truth=len(truth),
        counted=len(crossings),
        off=sum(abs(n) for n in ways.values()),
        missed=len(missed),
        extra=len(extra),
        judged=len(judged),
        right=sum(is_ == said for is_, said in judged),
        switches=switches,
        late=len(late),
        joined=sum(c.joined is not None for c in crossings),
    )
    return Replay(tuple(crossings), tuple(late), missed, extra, score)


def rivals(kind: int) -> IntArray:
    """The other classes (k,) of a class's group."""
    group = int(GROUPS[kind])
    others = [i for i, g in enumerate(GROUPS.tolist()) if g == group and i != kind]
    return np.array(others, np.int32)


def _matched(
    truth: Sequence[Passage], crossings: Sequence[Crossing], bodies_of: dict[int, Tally[int]]
) -> list[tuple[int, int]]:
    """Pairs of a passage and the crossing of a track that was on its body, of one line and
    direction; the nearer in time the better."""
    worth = np.zeros((len(truth), len(crossings)))
    for j, crossing in enumerate(crossings):
        bodies = bodies_of.get(crossing.track_id, Tally()) + bodies_of.get(
            -1 if crossing.joined is None else crossing.joined, Tally()
        )
        total = max(sum(bodies.values()), 1)
        for i, passage in enumerate(truth):
            if (passage.line, passage.direction) == (crossing.line, crossing.direction):
                apart = min(abs(passage.ts - crossing.ts), 10) / 100
                worth[i, j] = max(bodies[passage.number] / total - apart, 0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if worth[i, j] > 0]


def prolonged(line: Line, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """The line's two points (2,), moved far out of the picture where they lie at its edge."""
    w, h = size
    start, end = line.points
    far = (end - start) / np.hypot(*(end - start)) * (w + h)
    at_edge = [min(x, w - x, y, h - y) <= EDGE * h for x, y in line.points]
    return start - far * at_edge[0], end + far * at_edge[1]
