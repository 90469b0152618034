"""The families of synthetic scenes: each makes a ``Stage`` from a random generator.

Lengths and speeds are px and px per second. Vehicles of one lane keep the headways of traffic
(a second and a length at least), so that nothing drives through anything; queues follow Newell
2002 (a follower's path is its leader's, later by a reaction time and back by a jam length).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from vision.oracle import Body, Film, Floats, Score, Stage, replay
from vision.oracle_film import LEVELS, fair, film
from vision.scene import Line

Rng: TypeAlias = np.random.Generator
Family: TypeAlias = Callable[[Rng, float], Stage]

VEHICLES = {
    "car": (1.0, 0.55),
    "truck": (1.7, 0.9),
    "bus": (2.2, 0.85),
    "motorcycle": (0.5, 0.45),
}
"""Length and height of a vehicle seen from the side, in lengths of a car."""
MIX = ((0.7, 0.12, 0.08, 0.1), tuple(VEHICLES))
CAR_M = 4.5
FASTEST = 25 / CAR_M
"""Lengths of a car a second: 90 km/h."""
GO, BRAKE = 2.5 / CAR_M, 4.0 / CAR_M
"""Lengths of a car per second squared, of a driver in no hurry."""
HEADWAY_S = 1.0
RATES = (5, 6, 8, 10, 12.5, 15, 20, 25, 30)
"""Frames a second."""
WIDEST = 1920
NOTHING = np.zeros((0, 6))


def across(name: str, x: float, y0: float, y1: float) -> Line:
    """A vertical line; forward is to the left."""
    return Line(name, np.array([[x, y0], [x, y1]], np.float64), "left", "right")


def _drive(
    number: int, kind: str, size: tuple[float, float], start: Floats, end: Floats, s: Floats
) -> Body:
    """A body on the straight way from ``start`` to ``end`` (2,), by rows ``s`` (k, 2) of seconds
    and the px it has gone."""
    way = (end - start) / np.hypot(*(end - start))
    place = start + s[:, 1:] * way
    sizes = np.tile(size, (len(s), 1))
    return Body(number, kind, np.column_stack([s[:, 0], place, sizes]))


def _ride(car: float, *parts: tuple[float, float]) -> Floats:
    """Rows (k, 2) of seconds and px gone of a vehicle that wants to go at a speed for some
    seconds, by ``parts`` of both, with a car's acceleration."""
    dt = 0.05
    v, gone, rows = parts[0][1], 0.0, [[0.0, 0.0]]
    for seconds, wanted in parts:
        for _ in range(max(round(seconds / dt), 1)):
            new = float(np.clip(wanted, v - BRAKE * car * dt, v + GO * car * dt))
            gone, v = gone + (v + new) / 2 * dt, new
            rows.append([rows[-1][0] + dt, gone])
    return np.array(rows)


def _later(s: Floats, seconds: float, px: float = 0.0) -> Floats:
    """Rows (k, 2) of a ride that starts ``seconds`` later and ``px`` further on."""
    return np.asarray(s + np.array([seconds, px]))


def _apart(bodies: list[Body]) -> tuple[Body, ...]:
    """The bodies without those that walk through one before them in the list: their feet come
    closer than 0.7 widths sideways and 0.08 heights in depth."""
    times = np.arange(
        min(body.knots[0, 0] for body in bodies), max(body.knots[-1, 0] for body in bodies), 0.1
    )
    where = np.stack([body.at(times) for body in bodies])
    kept: list[int] = []
    for i in range(len(bodies)):
        gap = np.abs(where[kept] - where[i])
        size = (where[kept] + where[i]) / 2
        hit = (gap[..., 0] < 0.7 * size[..., 2]) & (gap[..., 1] < 0.08 * size[..., 3])
        if not hit.any():
            kept.append(i)
    return tuple(bodies[i] for i in kept)


def _flow(rng: Rng, seconds: float, speed: float, length: float, lead: float) -> list[float]:
    """When vehicles pass the head of a lane of ``length`` px, those that are on it at time 0
    included: seconds, ``HEADWAY_S`` and ``lead`` px apart at least, and at random beyond that."""
    times = []
    t = -length / speed + rng.exponential(1.0)
    while t < seconds:
        times.append(t)
        gap = max(HEADWAY_S, lead / speed)
        t += gap + rng.exponential(0.7 * gap)
    return times


def _vehicle(rng: Rng, car: float) -> tuple[str, tuple[float, float]]:
    kind = str(rng.choice(MIX[1], p=MIX[0]))
    w, h = VEHICLES[kind]
    return kind, (w * car * rng.uniform(0.9, 1.1), h * car * rng.uniform(0.9, 1.1))


def speeds(rng: Rng, fps: float, px_per_frame: float | None = None) -> Stage:
    """Lanes of steady traffic both ways over one line, 1 to 120 px per frame. No vehicle is
    smaller than it would be at 90 km/h, unless it covers at most three quarters of its length
    from frame to frame: so at 5 frames a second it may make two lengths, at 30 three quarters."""
    step = px_per_frame or float(np.exp(rng.uniform(0, np.log(120))))
    speed = step * fps
    car = max(60.0, min(step * 4 / 3, speed / FASTEST)) * rng.uniform(1, 1.5)
    width = float(np.clip(24 * step, 10 * car, max(WIDEST, 10 * car)))
    seconds = min(2.5 * width / speed, 1200 / fps)
    lanes = 4
    height = car * (1.2 + 0.95 * lanes)
    bodies: list[Body] = []
    for lane in range(lanes):
        y = car * (1.1 + 0.95 * lane)
        pace = speed * rng.uniform(0.9, 1.0)
        reach = width + 3 * car
        ends = np.array([[-1.5 * car, y], [width + 1.5 * car, y]])
        start, end = ends[::-1] if lane < lanes / 2 else ends
        for t in _flow(rng, seconds, pace, reach, 3.2 * car):
            kind, (w, h) = _vehicle(rng, car)
            grow = max(1.0, min(step * 4 / 3, speed / FASTEST * VEHICLES[kind][0]) / w)
            s = np.array([[t, 0], [t + reach / pace, reach]])
            bodies.append(_drive(len(bodies), kind, (w * grow, h * grow), start, end, s))
    line = across("line", width * rng.uniform(0.4, 0.6), 0, height - 1)
    return Stage("speeds", (round(width), round(height)), seconds, (line,), tuple(bodies), NOTHING)


def queue(rng: Rng, _fps: float) -> Stage:
    """Two lanes of stop-and-go traffic over a line on which some stand; boxes sway."""
    car, width, seconds = 90.0, 1280.0, 26.0
    pace = rng.uniform(60, 200)
    bodies: list[Body] = []
    for lane in range(2):
        y = 220.0 + 130 * lane
        ends = np.array([[-400.0, y], [width + 400, y]])
        start, end = ends[::-1] if lane else ends
        parts = [(rng.uniform(1, 6), pace * float(go)) for go in (1, 0) * 12]
        leader = _ride(car, *parts)
        delay, back = rng.uniform(0.8, 1.4), 0.0
        for _ in range(24):
            kind, size = _vehicle(rng, car)
            back += size[0] / 2
            # the middle of the leader's way is on the line at the middle of the time
            gone = width / 2 + 400 + 5 * car - leader[-1, 1] / 2 - back
            s = _later(leader, seconds / 2 - leader[-1, 0] / 2 + delay * back / car, gone)
            bodies.append(_drive(len(bodies), kind, size, start, end, s))
            back += size[0] / 2 + rng.uniform(15, 45)
    line = across("line", width * rng.uniform(0.3, 0.7), 0, 479)
    return Stage(
        "queue", (round(width), 480), seconds, (line,), tuple(bodies), NOTHING, sway_px=2.5
    )


def hidden_moving(rng: Rng, _fps: float) -> Stage:
    """Two lanes behind a pillar that stands on, before or beyond the line and hides each vehicle
    for up to a second."""
    car, width, seconds = 90.0, 1600.0, 25.0
    pace = rng.uniform(90, FASTEST * car)
    x = width / 2
    bodies: list[Body] = []
    for lane in range(2):
        y = 200.0 + 110 * lane
        ends = np.array([[-100.0, y], [width + 100, y]])
        start, end = ends[::-1] if lane else ends
        for t in _flow(rng, seconds, pace, width + 200, 4 * car):
            kind, size = _vehicle(rng, car)
            s = np.array([[t, 0], [t + (width + 200) / pace, width + 200]])
            bodies.append(_drive(len(bodies), kind, size, start, end, s))
    # from 0.6 of the box covered to 0.6 uncovered it goes the pillar's width less 0.2 of its own
    pillar = pace * rng.uniform(0.3, 0.95)
    left = x + rng.choice([-0.5, -1.0, 0.0, rng.uniform(-1, 0)]) * pillar
    screens = np.array([[left, 0, left + pillar, 480, 0, seconds]])
    line = across("line", x, 0, 479)
    return Stage("hidden-moving", (1600, 480), seconds, (line,), tuple(bodies), screens)


def _halts(rng: Rng, margin_s: float) -> Stage:
    """Pedestrians and cars that stop near or on the line, stand, and go on; something passes
    before them for up to 0.9 s at a time, from ``margin_s`` after they stopped to as long before
    they start, which may be less than nothing."""
    width, seconds = 1280.0, 24.0
    line = across("line", width / 2, 0, 719)
    bodies: list[Body] = []
    screens = []
    for lane in range(4):
        y = 170.0 + 130 * lane
        person = bool(rng.random() < 0.5)
        pace = rng.uniform(60, 120) if person else rng.uniform(100, 300)
        kind, size = ("person", (40.0, 100.0)) if person else _vehicle(rng, 100)
        scale = 265.0 if person else 100.0
        ends = np.array([[-200.0, y], [width + 200, y]])
        start, end = ends[::-1] if rng.random() < 0.5 else ends
        stop = 200 + width / 2 + rng.uniform(-1.5, 1.5) * np.sqrt(size[0] * size[1])
        stay = rng.uniform(3, 8)
        braking = pace / (BRAKE * scale)
        arrive = stop / pace + braking / 2
        s = _ride(scale, (arrive - braking, pace), (braking + stay, 0), (width / pace + 3, pace))
        t = rng.uniform(6, 9) - arrive
        bodies.append(_drive(len(bodies), kind, size, start, end, _later(s, t)))
        place = start[0] + np.sign(end[0] - start[0]) * stop
        at = t + arrive + margin_s + rng.uniform(0, 1)
        while at < t + arrive + stay - margin_s - 0.1:
            until = min(at + rng.uniform(0.1, 0.9), t + arrive + stay - margin_s)
            screens.append([place - 200, y - 125, place + 200, y + 2, at, until])
            at = until + rng.uniform(0.8, 2)
    return Stage("", (1280, 720), seconds, (line,), tuple(bodies), np.array(screens).reshape(-1, 6))


def hidden_standing(rng: Rng, _fps: float) -> Stage:
    """Who stands near or on the line is hidden for up to a second, more than once."""
    return replace(_halts(rng, 0.2), name="hidden-standing")


def hidden_braking(rng: Rng, _fps: float) -> Stage:
    """The same, but some stop or start while they are hidden."""
    return replace(_halts(rng, -0.7), name="hidden-braking")


def edge(rng: Rng, _fps: float) -> Stage:
    """Lines near the picture's edges: people leave and enter at the bottom and at the sides, and
    walk along the bottom with their feet outside the picture."""
    size, seconds = (960, 540), 16.0
    w, h = size
    near = rng.uniform(45, 90)
    lines = (
        across("left", near, 0, h - 1),
        across("right", w - near, 0, h - 1),
        Line("bottom", np.array([[0, h - near], [w - 1, h - near]]), "down", "up"),
        across("middle", w / 2 + rng.uniform(-60, 60), h * 0.2, h - 1),
    )
    bodies: list[Body] = []
    for lane in range(5):
        y = h - near - 20.0 - 70 * lane
        pace = rng.uniform(60, 160)
        ends = np.array([[-60.0, y], [w + 60.0, y]])
        start, end = ends[::-1] if lane % 2 else ends
        for t in _flow(rng, seconds, pace, w + 120, 150):
            s = np.array([[t, 0], [t + (w + 120) / pace, w + 120]])
            bodies.append(_drive(len(bodies), "person", (38, 95), start, end, s))
    for x in (0.13, 0.28, 0.72, 0.87):
        pace = rng.uniform(60, 160)
        ends = np.array([[w * x, h * 0.25], [w * x, h + 110.0]])
        start, end = ends[::-1] if rng.random() < 0.5 else ends
        length = 0.75 * h + 110
        for t in _flow(rng, seconds, pace, length, 200):
            s = np.array([[t, 0], [t + length / pace, length]])
            bodies.append(_drive(len(bodies), "person", (38, 95), start, end, s))
    pace = rng.uniform(60, 200)
    ends = np.array([[-60.0, h + 30], [w + 60.0, h + 30]])
    start, end = ends[::-1] if rng.random() < 0.5 else ends
    for t in _flow(rng, seconds, pace, w + 120, 200):
        s = np.array([[t, 0], [t + (w + 120) / pace, w + 120]])
        bodies.append(_drive(len(bodies), "person", (45, 110), start, end, s))
    return Stage("edge", size, seconds, lines, _apart(bodies), NOTHING)


def shallow(rng: Rng, _fps: float) -> Stage:
    """Vehicles that pass a long line at 10 to 30 degrees, both ways."""
    size, seconds = (1600, 900), 16.0
    angle = np.radians(rng.uniform(10, 30))
    line = Line("line", np.array([[0.0, 450], [1599.0, 450]]), "down", "up")
    way = np.array([np.cos(angle), np.sin(angle)])
    bodies: list[Body] = []
    for lane in range(2):
        pace = rng.uniform(100, 500)
        middle = np.array([560.0 + 480 * lane, 450.0])
        reach = min(middle[0] + 60, 1660 - middle[0], 420 / way[1])
        mirrored = way * [1, -1] if rng.random() < 0.5 else way
        mirrored = way if lane == 0 else mirrored
        start, end = middle - mirrored * reach, middle + mirrored * reach
        if lane:
            start, end = end, start
        for t in _flow(rng, seconds, pace, 2 * reach, 300):
            kind, box = _vehicle(rng, 90)
            s = np.array([[t, 0], [t + 2 * reach / pace, 2 * reach]])
            bodies.append(_drive(len(bodies), kind, box, start, end, s))
    return Stage("shallow", size, seconds, (line,), tuple(bodies), NOTHING)


def crowd(rng: Rng, _fps: float) -> Stage:
    """People cross a plaza both ways, each at a pace and angle of their own."""
    size, seconds = (1280, 720), 18.0
    bodies: list[Body] = []
    for number in range(40):
        y0, pace = rng.uniform(180, 700), rng.uniform(60, 140)
        y1 = np.clip(y0 + rng.uniform(-120, 120), 180, 700)
        ends = np.array([[-40.0, y0], [1320.0, y1]])
        start, end = ends[::-1] if rng.random() < 0.5 else ends
        length = float(np.hypot(*(end - start)))
        t = rng.uniform(-length / pace * 0.6, seconds - 6)
        s = np.array([[t, 0], [t + length / pace, length]])
        body = _drive(number, "person", (1, 1), start, end, s)
        # perspective: nearer is larger
        tall = 50 + 0.1 * body.knots[:, 2]
        body.knots[:, 3:] = np.column_stack([0.4 * tall, tall])
        bodies.append(body)
    line = across("line", rng.uniform(520, 760), 0, 719)
    return Stage("crowd", size, seconds, (line,), _apart(bodies), NOTHING)


def turning(rng: Rng, _fps: float) -> Stage:
    """People and vehicles that come up to the line and turn back 0.4 to 1 mean side before it."""
    width, seconds = 1280.0, 25.0
    x = width / 2
    bodies: list[Body] = []
    for lane in range(5):
        y = 130.0 + 120 * lane
        t = -3.0
        while t < seconds:
            person = bool(rng.random() < 0.5)
            pace = rng.uniform(60, 140) if person else rng.uniform(100, 300)
            kind, size = ("person", (40.0, 100.0)) if person else ("car", (130.0, 70.0))
            side = -1 if rng.random() < 0.5 else 1
            stop = x + side * rng.uniform(0.4, 1) * np.sqrt(size[0] * size[1])
            outside = -150.0 if side < 0 else width + 150
            scale = 265.0 if person else 130.0
            braking, way = pace / (BRAKE * scale), abs(stop - outside)
            ride = (way / pace - braking / 2, pace), (braking + rng.uniform(0, 3), 0.0)
            s = _later(_ride(scale, *ride, (way / pace + 1, -pace)), t)
            bodies.append(_drive(len(bodies), kind, size, np.array([outside, y]),
                                 np.array([stop, y]), s))  # fmt: skip
            t = s[-1, 0] + rng.uniform(0, 2)
    line = across("line", x, 0, 719)
    return Stage("turning", (1280, 720), seconds, (line,), tuple(bodies), NOTHING)


def beside(rng: Rng, _fps: float) -> Stage:
    """People and cars that pass beside a line's ends by 0.3 mean sides or more."""
    width, seconds = 1280.0, 14.0
    line = across("line", 640, 330, 420)
    bodies: list[Body] = []
    for y in (rng.uniform(180, 300), rng.uniform(455, 560), rng.uniform(590, 700)):
        pace = rng.uniform(60, 400)
        ends = np.array([[-100.0, y], [width + 100, y]])
        start, end = ends[::-1] if rng.random() < 0.5 else ends
        for t in _flow(rng, seconds, pace, width + 200, 260):
            s = np.array([[t, 0], [t + (width + 200) / pace, width + 200]])
            bodies.append(_drive(len(bodies), "car", (110, 60), start, end, s))
    return Stage("beside", (1280, 720), seconds, (line,), tuple(bodies), NOTHING)


FAMILIES: dict[str, Family] = {
    "speeds": speeds,
    "queue": queue,
    "hidden-moving": hidden_moving,
    "hidden-standing": hidden_standing,
    "hidden-braking": hidden_braking,
    "edge": edge,
    "shallow": shallow,
    "crowd": crowd,
    "turning": turning,
    "beside": beside,
}
"""By the name that ``matakota evaluate oracle`` prints."""
UNFORESEEN = frozenset({"hidden-braking"})
"""Families about which nothing is promised: nobody sees what changes behind a screen."""


def shoot(family: str, level: str, seed: int) -> Film:
    """The film of a family and a level (``LEVELS``), at a frame rate from 5 to 30 and a phase that
    the seed picks; its stage is fair at both. Raises KeyError for an unknown name."""
    rng = np.random.default_rng([seed, *family.encode()])
    fps, phase = float(rng.choice(RATES)), float(rng.random())
    stage = fair(FAMILIES[family](rng, fps), fps, phase=phase)
    return film(stage, fps, phase=phase, faults=LEVELS[level].faults, seed=seed)


def measure(family: str, level: str, seeds: Iterable[int]) -> Score:
    """The score of a family at a level over films of many seeds."""
    return sum((replay(shoot(family, level, seed)).score for seed in seeds), Score())
