"""What a tracker costs: CPU time a picture on moving boxes that are the same for all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from collections.abc import Sequence as Listed
from typing import TypeAlias, TypeVar

import numpy as np

from streams.evaluation.mot import CLASSES
from vision.track import Tracker, TrackerSettings
from vision.types import Detections, IntArray, Track

FRAME_RATE = 10.0
PICTURES = 200
WARM_UP = 50
"""Pictures before the measured ones, until the tracks are there."""
ROUNDS = 7
SIZE = (1920, 1080)
SEED = 0
"""That of everything here that is made up."""
MISSED = 0.05
"""Share of the boxes that the detector misses."""
FALSE = 0.05
"""False boxes for each object."""

SETTINGS = TrackerSettings(low=0.1, match=0.6, birth=0.7)
"""The scores at which ByteTrack continues, prefers and begins tracks by default: false boxes begin
none here, as in the peers."""

Update: TypeAlias = tuple[IntArray, tuple[Track, ...], tuple[int, ...]]
Taken = TypeVar("Taken")
Start = Callable[[], Callable[[Taken], object]]
"""Makes a fresh tracker and returns the step that is measured."""


def moving(objects: int, seed: int = SEED) -> tuple[Detections, ...]:
    """``objects`` boxes that drift about a picture of ``SIZE`` and turn at its edges, with noise
    of a pixel, misses and false boxes, in ``WARM_UP`` + ``PICTURES`` pictures."""
    random = np.random.default_rng(seed)
    size = np.array(SIZE, np.float64)
    sides = np.stack([random.uniform(30, 60, objects), random.uniform(60, 120, objects)], 1)
    place = random.uniform(0, size - sides)
    speed = random.uniform(-8, 8, (objects, 2))
    pictures = []
    for _ in range(WARM_UP + PICTURES):
        place = place + speed
        speed = np.where((place < 0) | (place > size - sides), -speed, speed)
        place = np.clip(place, 0, size - sides)
        seen = random.random(objects) >= MISSED
        noise = random.normal(0, 1, (objects, 4))
        true = (np.concatenate([place, place + sides], axis=1) + noise)[seen]
        false = random.binomial(objects, FALSE)
        corner = random.uniform(0, size - 120, (false, 2))
        beside = np.concatenate([corner, corner + random.uniform(30, 120, (false, 2))], axis=1)
        score = np.concatenate(
            [random.uniform(0.5, 0.95, len(true)), random.uniform(0.15, 0.6, false)]
        )
        boxes = np.concatenate([true, beside]).astype(np.float32)
        pictures.append(Detections(boxes, score.astype(np.float32), np.zeros(len(score), np.int32)))
    return tuple(pictures)


def milliseconds(start: Start[Taken], pictures: Listed[Taken], rounds: int = ROUNDS) -> float:
    """CPU milliseconds of one step, all threads together: the median of ``rounds`` means over
    the pictures after the warm-up, each with a fresh tracker."""
    means = []
    for _ in range(rounds):
        step = start()
        for picture in pictures[:WARM_UP]:
            step(picture)
        began = time.process_time()
        for picture in pictures[WARM_UP:]:
            step(picture)
        means.append(1000 * (time.process_time() - began) / len(pictures[WARM_UP:]))
    return statistics.median(means)


def ours(objects: int, rounds: int = ROUNDS) -> float:
    """CPU milliseconds a picture of our tracker."""
    return milliseconds(our_step, timed(objects), rounds)


def timed(objects: int) -> list[tuple[Detections, float]]:
    """The pictures of ``moving`` with their times, seconds."""
    return [(found, k / FRAME_RATE) for k, found in enumerate(moving(objects))]


def our_step() -> Callable[[tuple[Detections, float]], Update]:
    """A fresh tracker of ours."""
    tracker = Tracker(SETTINGS, CLASSES, np.zeros(len(CLASSES), np.int32))
    return lambda picture: tracker.update(*picture)
