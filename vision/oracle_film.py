"""A camera with a detector that is not there: what it would report of a synthetic stage.

Bodies behind nearer ones, behind a screen or outside the picture are not reported, and ``Faults``
add what detectors do wrong. Everything follows from its seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vision.geometry import areas, feet, intersections, side_distance
from vision.oracle import CLASSES, START_TS, Film, Floats, Score, Shot, Stage, prolonged, rivals
from vision.types import Detections

SEEN = 0.4
"""A body is reported while this part of its box is in the picture and behind nothing."""
HIDDEN_S = 1.0
"""Who is out of sight for longer at a line need not be counted."""
BEFORE, AFTER = 3, 2
"""A passage is fair when so many sightings lie clear of the line on either side: three boxes make
a track."""
CLEAR = 0.12
"""Clear: this part of the mean side of the box from the line."""
SCORES = (0.7, 0.92)
"""What a body scores by itself, in full view."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What a detector does wrong: ``noise_px`` the standard deviation of each edge, ``misses``
    the part of boxes that are missing, ``bursts_per_s`` how often a body vanishes for up to
    ``burst_s``, ``false_per_frame`` boxes of nothing, ``flips`` the part of boxes with another
    class of their group, ``score_sd`` how scores vary."""

    noise_px: float = 0.0
    misses: float = 0.0
    bursts_per_s: float = 0.0
    burst_s: float = 1.0
    false_per_frame: float = 0.0
    flips: float = 0.0
    score_sd: float = 0.05


@dataclass(frozen=True, slots=True)
class Level:
    """Faults, and what counting must reach with them: ``error`` at most, ``class_right`` at
    least; None promises nothing."""

    faults: Faults
    error: float | None = None
    class_right: float | None = None

    def kept(self, score: Score) -> bool:
        """Does ``score`` keep the promise?"""
        right = score.class_right
        return (self.error is None or score.error <= self.error) and (
            self.class_right is None or right is None or right >= self.class_right
        )


LEVELS = {
    "clean": Level(Faults(), error=0.0, class_right=1.0),
    "noisy": Level(Faults(noise_px=5, misses=0.1, score_sd=0.1), error=0.02),
    "flips": Level(Faults(flips=0.2), error=0.0, class_right=0.99),
    "rough": Level(
        Faults(noise_px=5, misses=0.1, bursts_per_s=0.1, burst_s=0.8, false_per_frame=0.05,
               flips=0.2, score_sd=0.12)
    ),
}  # fmt: skip
"""The last one promises nothing: it shows what breaks next."""


def film(
    stage: Stage, fps: float, *, phase: float = 0.0, faults: Faults = Faults(), seed: int = 0
) -> Film:
    """Look at ``stage`` ``fps`` times a second, first ``phase`` (0..1) of a frame after its
    start. The same arguments give the same film."""
    rng = np.random.default_rng(seed)
    times = np.arange(phase / fps, max(stage.seconds, 1 / fps), 1 / fps)
    bodies = stage.bodies
    where = np.array([body.at(times) for body in bodies]).reshape(-1, len(times), 4)
    kinds = np.array([CLASSES.index(body.class_name) for body in bodies], np.intp)
    numbers = np.array([body.number for body in bodies], np.int32)
    usual = rng.uniform(*SCORES, len(bodies))
    gone = _bursts(rng, len(bodies), times, faults)
    shots = []
    for k, t in enumerate(times.tolist()):
        here = np.flatnonzero(np.isfinite(where[:, k, 0]))
        boxes = _boxes(where[here, k])
        seen = _visible(boxes, stage, t)
        told = (seen >= SEEN) & (rng.random(len(here)) >= faults.misses) & ~gone[here, k]
        found, real = _reported(
            rng, boxes[told], seen[told], usual[here[told]], kinds[here[told]], stage, faults
        )
        who = np.append(numbers[here[told]], np.full(len(real) - told.sum(), -1, np.int32))[real]
        inside = np.clip(boxes, 0, np.array(stage.size * 2)).astype(np.float32)
        present = areas(inside) > 0
        shots.append(
            Shot(t, found, who, numbers[here[present]], inside[present], (seen >= SEEN)[present])
        )
    objects = len(np.unique(np.concatenate([shot.present for shot in shots])))
    return Film(stage.name, stage.size, fps, stage.lines, objects, stage.passages(), tuple(shots))


def _reported(
    rng: np.random.Generator, boxes: Floats, seen: Floats, usual: Floats,
    kinds: NDArray[np.intp], stage: Stage, faults: Faults,
) -> tuple[Detections, NDArray[np.bool_]]:  # fmt: skip
    """Boxes (n, 4) of bodies as a detector gives them, and boxes of nothing after them; and which
    of all these are left in the picture."""
    spread = np.hypot(faults.noise_px, stage.sway_px)
    boxes = boxes + rng.normal(0, 1, boxes.shape) * spread
    score = usual * (0.6 + 0.4 * seen) + rng.normal(0, faults.score_sd, len(boxes))
    kinds = _flipped(rng, kinds, faults.flips)
    false = rng.poisson(faults.false_per_frame)
    if false:
        x, y = rng.uniform(0, stage.size[0], false), rng.uniform(60, stage.size[1], false)
        w, h = rng.uniform(30, 120, false), rng.uniform(30, 120, false)
        boxes = np.concatenate([boxes, _boxes(np.stack([x, y, w, h], axis=1))])
        score = np.append(score, rng.uniform(0.2, 0.6, false))
        kinds = np.append(kinds, rng.integers(0, len(CLASSES), false))
    boxes = np.clip(boxes, 0, np.array(stage.size * 2))
    real = np.asarray((boxes[:, 2:] - boxes[:, :2] > 2).all(axis=1))
    return Detections(
        boxes[real].astype(np.float32),
        np.clip(score[real], 0.16, 0.99).astype(np.float32),
        kinds[real].astype(np.int32),
    ), real


def fair(stage: Stage, fps: float, *, phase: float = 0.0) -> Stage:
    """``stage`` without the bodies that no tracker could count at that rate: a passage needs
    ``BEFORE`` and ``AFTER`` sightings clear of the line with no gap over ``HIDDEN_S`` between
    them, by what a perfect detector reports."""
    perfect = film(replace(stage, sway_px=0.0), fps, phase=phase)
    lines = {line.name: np.stack(prolonged(line, stage.size)) for line in stage.lines}
    sightings: dict[int, list[tuple[float, NDArray[np.float32]]]] = {}
    for shot in perfect.shots:
        for box, number in zip(shot.found.xyxy, shot.numbers.tolist(), strict=True):
            sightings.setdefault(number, []).append((shot.t, box))
    unfair = set()
    for passage in stage.passages():
        rows = sightings.get(passage.number, [])
        if not rows:
            unfair.add(passage.number)
            continue
        t, boxes = np.array([row[0] for row in rows]), np.stack([row[1] for row in rows])
        forward = next(x for x in stage.lines if x.name == passage.line).forward
        distance = side_distance(feet(boxes), lines[passage.line]) / np.sqrt(areas(boxes))
        distance *= 1 if passage.direction == forward else -1
        before = np.flatnonzero((t < passage.ts - START_TS) & (distance < -CLEAR))
        after = np.flatnonzero((t > passage.ts - START_TS) & (distance > CLEAR))
        enough = len(before) >= BEFORE and len(after) >= AFTER
        if not enough or np.diff(t[before[-BEFORE] : after[AFTER - 1] + 1]).max() > HIDDEN_S:
            unfair.add(passage.number)
    return replace(stage, bodies=tuple(b for b in stage.bodies if b.number not in unfair))


_STEPS = (np.arange(12) + 0.5) / 12
_GRID = np.stack(np.meshgrid(_STEPS, _STEPS), axis=-1).reshape(-1, 2)
"""Points of a box, in parts of its sides."""


def _boxes(where: Floats) -> Floats:
    """Boxes (n, 4) xyxy of feet and sizes (n, 4)."""
    x, y, w, h = where.T
    return np.stack([x - w / 2, y - h, x + w / 2, y], axis=1)


def _visible(boxes: Floats, stage: Stage, t: float) -> Floats:
    """The part (n,) of each box that is in the picture and behind nothing: neither a screen nor
    a body whose foot is lower in the picture, which is nearer."""
    n = len(boxes)
    if not n:
        return np.zeros(0)
    screens = stage.screens[(stage.screens[:, 4] <= t) & (t <= stage.screens[:, 5]), :4]
    nearer = np.concatenate([boxes, screens])
    hides = np.ones((n, len(nearer)), np.bool_)
    hides[:, :n] = boxes[None, :, 3] > boxes[:, None, 3]
    hides &= intersections(boxes, nearer) > 0
    w, h = stage.size
    inside = areas(np.clip(boxes, 0, [w, h, w, h])) / np.maximum(areas(boxes), 1e-9)
    for i in np.flatnonzero(hides.any(axis=1)):
        over = nearer[hides[i]]
        points = boxes[i, :2] + _GRID * (boxes[i, 2:] - boxes[i, :2])
        covered = (points[:, None] > over[None, :, :2]) & (points[:, None] < over[None, :, 2:])
        open_ = ~covered.all(axis=2).any(axis=1)
        open_ &= ((points >= 0) & (points <= [w, h])).all(axis=1)
        inside[i] = min(open_.mean(), inside[i])
    return np.asarray(inside)


def _bursts(rng: np.random.Generator, n: int, times: Floats, faults: Faults) -> NDArray[np.bool_]:
    """Mask (n, k) of the times at which each of ``n`` bodies is not reported for a while."""
    gone = np.zeros((n, len(times)), np.bool_)
    if faults.bursts_per_s and len(times):
        for row in gone:
            for start in rng.uniform(0, times[-1], rng.poisson(faults.bursts_per_s * times[-1])):
                row |= (times >= start) & (times < start + rng.uniform(0, faults.burst_s))
    return gone


def _flipped(rng: np.random.Generator, kinds: NDArray[np.intp], part: float) -> NDArray[np.intp]:
    """Classes (n,), a ``part`` of them replaced by another one of their group."""
    kinds = kinds.copy()
    for i in np.flatnonzero(rng.random(len(kinds)) < part):
        others = rivals(int(kinds[i]))
        if len(others):
            kinds[i] = rng.choice(others)
    return kinds
