"""All tracks of a picture at once: the same as each for itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vision.walkers import START, Walker, line, seconds, step_of
from vision.counting import LineCounter
from vision.geometry import Outline, contains
from vision.ground import Ground
from vision.movements import MovementCounter
from vision.scene import Movement, Scene, Zone
from vision.sightings import Sightings
from vision.trackrows import TrackRows
from vision.types import Crossing, Tracked, Trip

SIZE = (640, 360)
GATE = line([320, 40], [320, 359], name="gate", forward="west", backward="east")
ZONES = tuple(
    Zone(name, np.array(corners, np.float64))
    for name, corners in {
        "north": [[200, 0], [440, 0], [440, 90], [200, 90]],
        "south": [[200, 270], [440, 270], [440, 360], [200, 360]],
        "west": [[0, 100], [120, 80], [120, 280], [0, 260]],
        "east": [[520, 100], [640, 100], [600, 180], [640, 260], [520, 260]],
    }.items()
)
NAMES = tuple(zone.name for zone in ZONES)
SCENE = Scene(SIZE, lines=(GATE,), zones=ZONES)


def one_by_one(tracked: Tracked) -> Tracked:
    """The same step, of which each track is taken for one that nobody followed in between."""
    alone = replace(tracked)
    unknown = [math.inf] * len(tracked.seen.tracks)
    alone.__dict__["seen"] = Sightings(tracked.seen.tracks, tracked.seen.rows, unknown)
    return alone


def crowd(seed: int, walkers: int, fps: float) -> list[Tracked]:
    """A few who wander about, are missed now and then, and end."""
    random = np.random.default_rng(seed)
    people = []
    for number in range(1, walkers + 1):
        begin = random.uniform(0, 3)
        times = seconds(begin, begin + random.uniform(1, 8), fps)
        times = [t for t in times if random.random() > 0.1] or [begin]
        speed = random.normal(0, 120, 2) + np.cumsum(random.normal(0, 15, (len(times), 2)), axis=0)
        way = np.cumsum(speed / fps, axis=0) + random.uniform((0, 0), SIZE)
        boxes = [tuple(each) for each in random.uniform(15, 50, (len(times), 2)).tolist()]
        points = [(x, y) for x, y in way.tolist()]
        bound = int(random.choice([8, 1024]))
        people.append(Walker(points, times, number=number, boxes=boxes, bound=bound))
    # the tracker confirms a track with its third box; others may do so at once
    born = {person.number: int(random.choice([0, 2])) for person in people}
    steps, over = [], set[int]()
    for t in seconds(0, 13, fps):
        here, ended = [], []
        for person in people:
            at = int(np.searchsorted(person.times, t + 1e-6)) - 1
            if at < min(born[person.number], len(person.times) - 1) or person.number in over:
                continue
            if t - person.times[at] > 1:
                over.add(person.number)
                ended.append(person.number)
            else:
                here.append(person.at(at))
        steps.append(step_of(START + t, *here, ended=tuple(ended)))
    return steps


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([4.0, 10.0]))
def test_a_line_counts_the_same(seed: int, walkers: int, fps: float) -> None:
    together, alone = LineCounter(GATE, SIZE), LineCounter(GATE, SIZE)
    for step in crowd(seed, walkers, fps):
        found: list[Crossing] = together.update(step)
        assert found == alone.update(one_by_one(step))
        known, other = together._passages, alone._passages
        assert known.row_of.keys() == other.row_of.keys()
        for name in ("side", "reach", "counted", "seen_s"):
            mine = [known[name][row].tolist() for row in known.row_of.values()]
            assert mine == [other[name][other.row_of[i]].tolist() for i in known.row_of], name
    assert not together._passages.row_of


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([4.0, 10.0]))
def test_a_movement_counts_the_same(seed: int, walkers: int, fps: float) -> None:
    movement = Movement("junction", NAMES, NAMES)
    together, alone = MovementCounter(movement, SCENE), MovementCounter(movement, SCENE)
    for step in crowd(seed, walkers, fps):
        found: list[Trip] = together.update(step)
        assert found == alone.update(one_by_one(step))
        assert together.balance() == alone.balance()
        assert together.balance().problems == ()
    assert together.matrix == alone.matrix
    assert not together._ways.by_id


def test_who_is_seen() -> None:
    walker = Walker([(10, 20), (12, 20), (15, 22)], [0, 0.5, 1.0], side=8)
    lost = Walker([(10, 20), (12, 20)], [0, 0.5], number=2)
    step = step_of(START + 1, walker.at(2), lost.at(1))
    assert [track.id for track in step.seen.tracks] == [1]
    assert step.seen.rows == [[15, 22, 1, 8, 8]]
    assert step.seen.before_s == [0.5]
    assert step.seen.sides.tolist() == [8]
    new = step_of(START, Walker([(1, 2)], [0]).at(0)).seen
    assert new.before_s == [-math.inf]
    assert step_of(START, lost.at(1)).seen.points.shape == (0, 5)


def test_rows_are_used_again() -> None:
    known = TrackRows(at=np.zeros(2), n=7)
    rows = known.rows([5, 9, 5])
    assert rows[0] == rows[2] != rows[1]
    known["at"][rows[0]] = 3
    known["n"][rows[1]] += 1
    many = known.rows(range(100, 140))
    assert len({*rows.tolist(), *many.tolist()}) == 42
    assert known["at"][known.rows([5])].tolist() == [[3, 3]]
    assert known["n"][known.rows([5, 9])].tolist() == [7, 8]
    known.drop(5)
    known.drop(5)
    (row,) = known.rows([6]).tolist()
    assert row == rows[0]
    assert known["at"][row].tolist() == [0, 0]
    assert 5 not in known.row_of
    for track_id in [*known.row_of]:
        known.drop(track_id)
    assert len(known["at"]) == len(known["n"]) == 0, "nothing is kept of nobody"
    assert known.rows([1]).tolist() == [0]
    assert known["n"][0] == 7


@pytest.mark.parametrize("seed", range(5))
def test_a_point_in_a_polygon(seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(20):
        corners = random.integers(0, 12, (random.integers(3, 8), 2)).astype(np.float64)
        points = random.integers(0, 24, (50, 2)) / 2
        outline = Outline(corners)
        inside = [outline.holds(x, y) for x, y in points.tolist()]
        assert inside == contains(corners, points).tolist()


def test_points_in_all_zones() -> None:
    ground = Ground(ZONES, SIZE)
    points = ground.clipped(np.random.default_rng(0).uniform(-20, 660, (300, 2)))
    inside = np.stack([contains(polygon, points) for polygon in ground._polygons], axis=1)
    np.testing.assert_array_equal(ground.depths(points) > 0, inside)
