"""Queues at a signal of which everything is known: where each vehicle is at each time.

Vehicles come in one lane and follow the Intelligent Driver Model (Treiber, Hennecke and Helbing
2000); a red light is a vehicle that stands at the stop line. A ``View`` is a camera without
distortion that sees them as boxes; the oracle's camera adds what hides whom and what detectors do
wrong, and its tracker's settings make tracks of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.calibration import Calibration
from vision.oracle import CLASSES, GROUPS, SETTINGS, START_TS, Body, Stage
from vision.oracle_film import LEVELS, film
from vision.rows import rows
from vision.scene import Scene, Zone
from vision.track import Tracker
from vision.types import Tracked

Floats = NDArray[np.float64]

STOP_M = 120.0
"""Where the stop line is; vehicles come from 0 and go to ``END_M``."""
END_M = 170.0
FREE_MS = 50 / 3.6
GO_MS2, BRAKE_MS2, HEADWAY_S, JAM_M = 1.8, 2.5, 1.2, 2.0
"""Of the drivers: acceleration, comfortable braking, time headway and gap at a standstill."""
MIX = (
    ("car", 4.5, 1.8, 1.5, 0.8),
    ("truck", 8.5, 2.5, 3.2, 0.1),
    ("bus", 12.0, 2.5, 3.1, 0.05),
    ("motorcycle", 2.2, 0.8, 1.5, 0.05),
)
"""Class, length, width and height, m, and its part of the traffic."""
STEP_S = 0.1
BEGIN_MS, END_MS = 5 / 3.6, 10 / 3.6
"""Who is slower stands, until faster than the second (PTV Vissim's queue counters)."""
GAP_COUNT = 2.5


@dataclass(frozen=True, eq=False)
class Traffic:
    """``front`` (n, k) m is where each vehicle's front is at ``times`` (k,), NaN where it is not
    on the road; ``kinds`` (n,) are rows of ``MIX``; ``length`` (n,) m; ``red`` (k,)."""

    times: Floats
    front: Floats
    kinds: NDArray[np.intp]
    length: Floats
    red: NDArray[np.bool_]

    @property
    def standing(self) -> NDArray[np.bool_]:
        """(n, k): who stands."""
        speed = np.gradient(self.front, STEP_S, axis=1)
        stands = np.zeros(self.front.shape, np.bool_)
        now = np.zeros(len(self.front), np.bool_)
        for k in range(len(self.times)):
            with np.errstate(invalid="ignore"):
                now = speed[:, k] < np.where(now, END_MS, BEGIN_MS)
            stands[:, k] = now
        return stands

    def queue(self, k: int, stands: NDArray[np.bool_]) -> tuple[int, float, float]:
        """Of those that ``stands`` (n,) says stand at ``times[k]``: how many the largest row has,
        how long it is, m, from the first one's front to the last one's rear, and how far its end
        is from the stop line, m."""
        who = np.flatnonzero(stands)
        if not len(who):
            return 0, 0.0, 0.0
        front = self.front[who, k]
        reaches = np.stack([front - self.length[who], front], axis=1)
        row = max(rows(reaches, GAP_COUNT), key=len)
        back = float(reaches[row, 0].min())
        return len(row), float(reaches[row, 1].max()) - back, STOP_M - back


def traffic(
    seed: int, *, cycles: int = 2, red_s: float = 50.0, cycle_s: float = 110.0, gap_s: float = 5.0
) -> Traffic:
    """Green for the rest of each cycle, which begins with 15 s of it; a vehicle every ``gap_s`` on
    average until the last red ends."""
    rng = np.random.default_rng([seed, 8])
    times = np.arange(0, cycles * cycle_s + 15, STEP_S)
    phase = times % cycle_s
    red = (phase >= 15) & (phase < 15 + red_s)
    arrivals = np.cumsum(1.5 + rng.exponential(gap_s - 1.5, 1000))
    arrivals = arrivals[arrivals < (cycles - 1) * cycle_s + 15 + red_s]
    n = len(arrivals)
    kinds = rng.choice(len(MIX), n, p=[each[4] for each in MIX])
    length = np.array([MIX[kind][1] for kind in kinds]) * rng.uniform(0.93, 1.07, n)
    front = np.full((n, len(times)), np.nan)
    place, speed = np.zeros(n), np.full(n, FREE_MS)
    on = np.zeros(n, np.bool_)
    for k, t in enumerate(times.tolist()):
        # who would enter into the end of the queue waits outside
        for i in np.flatnonzero(~on & (arrivals <= t)):
            if i == 0 or (on[i - 1] and place[i - 1] - length[i - 1] > 15):
                on[i] = True
                speed[i] = min(FREE_MS, speed[i - 1]) if i else FREE_MS
        front[on & (place < END_M), k] = place[on & (place < END_M)]
        ahead = np.full(n, np.inf)
        ahead[1:] = (place - length)[:-1] - place[1:]
        closing = np.zeros(n)
        closing[1:] = speed[1:] - speed[:-1]
        if red[k]:
            to_line = STOP_M - 1 + JAM_M - place
            can = (to_line > JAM_M / 2) & (speed**2 / (2 * 2 * BRAKE_MS2) < to_line)
            first = can & (to_line < ahead)
            ahead[first], closing[first] = to_line[first], speed[first]
        wanted = JAM_M + np.maximum(
            speed * HEADWAY_S + speed * closing / (2 * math.sqrt(GO_MS2 * BRAKE_MS2)), 0
        )
        push = GO_MS2 * (1 - (speed / FREE_MS) ** 4 - (wanted / np.maximum(ahead, 0.1)) ** 2)
        push = np.maximum(push, -8.0)
        new = np.maximum(speed + push * STEP_S, 0)
        place = np.where(on, place + (speed + new) / 2 * STEP_S, place)
        speed = np.where(on, new, speed)
    return Traffic(times, front, kinds, length, red)


@dataclass(frozen=True)
class View:
    """A camera over the road (x along it, y aside, z up, m) at ``eye`` that looks at ``at``, of
    ``f`` px in a picture of ``size`` (w, h) px. ``calibrated`` tells whether the scene knows."""

    name: str
    size: tuple[int, int]
    eye: tuple[float, float, float]
    at: tuple[float, float, float]
    f: float
    calibrated: bool = True

    def project(self, points: Floats) -> Floats:
        """Where ``points`` (n, 3) m are in the picture, px and m of depth (n, 3)."""
        eye = np.array(self.eye)
        ahead = np.array(self.at) - eye
        ahead /= np.hypot.reduce(ahead)
        up = np.array([0.0, 0, 1]) if abs(ahead[2]) < 0.99 else np.array([0.0, 1, 0])
        right = np.cross(ahead, up)
        right /= np.hypot.reduce(right)
        down = np.cross(ahead, right)
        x, y, depth = ((points - eye) @ each for each in (right, down, ahead))
        return np.column_stack(
            [self.size[0] / 2 + self.f * x / depth, self.size[1] / 2 + self.f * y / depth, depth]
        )

    def scene(self, start_m: float, end_m: float) -> Scene:
        """With a zone ``lane`` of 4 m around the lane between the two places."""
        corners = [(start_m, -2.0), (end_m, -2.0), (end_m, 2.0), (start_m, 2.0)]
        polygon = self.project(np.array([(*corner, 0.0) for corner in corners]))[:, :2]
        marks = np.array([(40.0, -6.0), (120, -6), (120, 6), (40, 6)])
        calibration = None
        if self.calibrated:
            seen = self.project(np.column_stack([marks, np.zeros(4)]))[:, :2]
            calibration = Calibration(seen, marks)
        return Scene(self.size, zones=(Zone("lane", polygon),), calibration=calibration)

    def bodies(self, moving: Traffic) -> Iterator[Body]:
        """What it sees of each vehicle: the box around the eight corners of a block."""
        for i, kind in enumerate(moving.kinds.tolist()):
            name, _, wide, high, _ = MIX[kind]
            there = np.flatnonzero(np.isfinite(moving.front[i]))
            if len(there) < 2:
                continue
            front = moving.front[i, there]
            seen = []
            for back in (0.0, moving.length[i]):
                for side in (-wide / 2, wide / 2):
                    for z in (0.0, high):
                        corner = np.column_stack(
                            [front - back, np.full(len(front), side), np.full(len(front), z)]
                        )
                        seen.append(self.project(corner))
            corners = np.stack(seen)
            clear = (corners[:, :, 2] > 3).all(axis=0)
            low, high_px = corners[:, :, :2].min(axis=0), corners[:, :, :2].max(axis=0)
            foot = np.column_stack([(low[:, 0] + high_px[:, 0]) / 2, high_px[:, 1]])
            knots = np.column_stack([moving.times[there], foot, high_px - low])[clear]
            if len(knots) >= 2:
                yield Body(i, name, knots)


VIEWS = {
    "along": View("along", (1920, 1080), (150.0, -7.0, 9.0), (75.0, 0.0, 0.0), 2300.0),
    "aslant": View("aslant", (1920, 1080), (122.0, -45.0, 14.0), (88.0, 0.0, 0.0), 1000.0),
    "above": View("above", (1920, 480), (78.0, 0.0, 100.0), (78.0, 0.0, 0.0), 1700.0, False),
}
"""From a mast behind the stop line; from a roof beside the road; a plain map of 17 px/m."""
PX_PER_M = 17.0
"""Of the view from above, on the ground."""


@dataclass(frozen=True)
class Truth:
    """At ``t`` seconds: how many stand in the queue, its length and how far back it reaches, m;
    and its length by those alone that a perfect detector sees. While the light is ``red``?"""

    t: float
    count: int
    length_m: float
    back_m: float
    seen_m: float
    red: bool


def truths(moving: Traffic, view: View) -> list[Truth]:
    """What is true at each full second."""
    stands, found = moving.standing, []
    for shot in film(_stage(moving, view), 1.0).shots:
        k = min(round(shot.t / STEP_S), len(moving.times) - 1)
        seen = np.zeros(len(moving.front), np.bool_)
        seen[shot.present[shot.can_be_seen]] = True
        count, length_m, back_m = moving.queue(k, stands[:, k])
        _, seen_m, _ = moving.queue(k, stands[:, k] & seen)
        found.append(Truth(shot.t, count, length_m, back_m, seen_m, bool(moving.red[k])))
    return found


def _stage(moving: Traffic, view: View) -> Stage:
    nothing = np.zeros((0, 6))
    bodies = tuple(view.bodies(moving))
    return Stage("signal", view.size, float(moving.times[-1]), (), bodies, nothing)


def steps(
    moving: Traffic, view: View, fps: float, *, level: str = "noisy", seed: int = 0
) -> Iterator[Tracked]:
    """What the tracker makes of ``moving`` in ``view``, with the detector's faults of the
    oracle's ``level``."""
    phase = float(np.random.default_rng([seed, 9]).random())
    faults = LEVELS[level].faults
    shown = film(_stage(moving, view), fps, phase=phase, faults=faults, seed=seed)
    tracker = Tracker(SETTINGS, CLASSES, GROUPS)
    for index, shot in enumerate(shown.shots):
        ts = START_TS + shot.t
        ids, tracks, ended = tracker.update(shot.found, ts)
        yield Tracked("oracle", index, ts, CLASSES, shot.found, ids, tracks, ended)
