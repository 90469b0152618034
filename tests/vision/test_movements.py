"""Who came from where and went where to: hand-made tracks over the arms of a junction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vision.rules.scenarios import SIZE, T0, Walker, film
from vision.movements import UNKNOWN, MovementCounter, direction, directions
from vision.scene import Movement, Scene, Zone
from vision.types import Tracked, Trip

SIDE = math.sqrt(20 * 40)
"""Mean side of a walker's box, px."""
Point = tuple[float, float]
Way = tuple[str | None, str | None]


def zone(name: str, x: float, y: float, w: float, h: float) -> Zone:
    corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
    return Zone(name, np.array(corners, np.float64))


ZONES = (
    zone("north", 270, 60, 100, 50),
    zone("east", 530, 130, 50, 100),
    zone("south", 270, 250, 100, 50),
    zone("west", 60, 130, 50, 100),
    zone("drive", 400, 250, 40, 50),
)
"""Strips across the arms: one may go on beyond each. The drive is beside the south."""
SCENE = Scene(SIZE, zones=ZONES)
ARMS = ("north", "east", "south", "west")
JUNCTION = Movement("junction", ARMS, ARMS)
ONE_WAY = Movement("one way", ("north", "west"), ("east", "drive"))

N, E, S, W = (320, 85), (555, 180), (320, 275), (85, 180)
BEYOND_N, BEYOND_E, BEYOND_S, BEYOND_W = (320, 20), (620, 180), (320, 340), (20, 180)
MIDDLE = (320, 180)


def walker(*corners: Point, speed: float = 150.0, **more: object) -> Walker:
    """Somebody who goes from corner to corner, px a second; a corner twice is a second there."""
    path = [(0.0, *corners[0])]
    for a, b in pairwise(corners):
        took = math.dist(a, b) / speed or 1.0
        path.append((path[-1][0] + took, *b))
    path.append((path[-1][0] + 0.5, *corners[-1]))
    return Walker(tuple(path), **more)  # type: ignore[arg-type]


def play(
    counter: MovementCounter, walkers: Sequence[Walker], *, fps: float = 10.0
) -> tuple[Trip, ...]:
    """Every trip until all have ended."""
    steps = film(walkers, fps=fps, max_path=64)
    return tuple(trip for step in steps for trip in counter.update(step))


def trips(*walkers: Walker, movement: Movement = JUNCTION, fps: float = 10.0) -> tuple[Trip, ...]:
    counter = MovementCounter(movement, SCENE)
    found = play(counter, walkers, fps=fps)
    assert counter.finish() == []
    assert counter.balance().problems == ()
    return found


def ways(found: Iterable[Trip]) -> list[Way]:
    return [(trip.origin, trip.destination) for trip in found]


JOURNEYS: list[tuple[str, tuple[Point, ...], list[Way]]] = [
    ("from zone to zone", (N, S), [("north", "south")]),
    ("through both strips", (BEYOND_N, BEYOND_S), [("north", "south")]),
    ("round a corner", (BEYOND_W, MIDDLE, BEYOND_N), [("west", "north")]),
    ("from a zone into the open", (N, MIDDLE), [("north", None)]),
    ("out of the open into a zone", (MIDDLE, E), [(None, "east")]),
    ("out of the open, through a strip", (MIDDLE, BEYOND_E), [(None, "east")]),
    ("first seen in a strip, on the way out", (N, BEYOND_N), [(None, "north")]),
    (
        "out of the open, slantwise into a zone, and there",
        ((400, 150), (540, 210)),
        [(None, "east")],
    ),
    ("first seen beyond a strip, then lost in it", (BEYOND_N, N), []),
    ("from outside through a strip, then lost", (BEYOND_S, MIDDLE), [("south", None)]),
    ("the last exit counts", (BEYOND_N, S, MIDDLE, BEYOND_E), [("north", "east")]),
    ("into an exit and out of it again", (BEYOND_N, S, MIDDLE), [("north", None)]),
    ("through an exit, and back", (BEYOND_N, BEYOND_S, MIDDLE), [("north", None)]),
    ("out of the open, in, and back", (MIDDLE, E, MIDDLE), [(None, None)]),
    ("turned in the middle", (BEYOND_N, MIDDLE, BEYOND_N), [("north", "north")]),
    ("looked in and went back", (BEYOND_N, (320, 130), BEYOND_N), []),
    ("never in a zone", ((200, 130), (450, 130)), []),
    ("never out of its zone", (N, (350, 90), (280, 80), N), []),
    ("to the edge of its zone and a bit further", (N, (320, 122)), []),
    ("stood in the open", (MIDDLE, MIDDLE, MIDDLE), []),
    ("a parked one beside a zone", ((320, 112), (320, 112), (320, 112)), []),
]


@pytest.mark.parametrize(("corners", "expected"), [row[1:] for row in JOURNEYS], ids=lambda v: "")
@pytest.mark.parametrize("fps", [5.0, 10.0, 25.0])
def test_where_somebody_came_from_and_went(
    corners: tuple[Point, ...], expected: list[Way], fps: float
) -> None:
    assert ways(trips(walker(*corners), fps=fps)) == expected


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ((W, E), [("west", "east")]),
        ((E, W), [(None, None)]),  # a wrong way: out of an exit and in by an entry
        ((MIDDLE, N), []),
        ((MIDDLE, BEYOND_N), [("north", None)]),
        ((BEYOND_E, MIDDLE), [(None, None)]),
        ((E, BEYOND_E), [(None, "east")]),
        ((MIDDLE, (420, 275)), [(None, "drive")]),
        (((420, 275), (420, 280), (420, 275)), []),
        ((BEYOND_N, MIDDLE, (420, 275), MIDDLE, W), [("north", None)]),
    ],
)
def test_zones_that_are_only_entries_or_exits(
    corners: tuple[Point, ...], expected: list[Way]
) -> None:
    assert ways(trips(walker(*corners), movement=ONE_WAY)) == expected


@pytest.mark.parametrize("fps", [1.0, 2.0, 5.0])
def test_a_zone_that_lies_between_two_sightings_was_passed(fps: float) -> None:
    thin = replace(SCENE, zones=(zone("in", 200, 0, 6, 360), zone("out", 400, 0, 6, 360)))
    counter = MovementCounter(Movement("road", ("in",), ("out",)), thin)
    fast = Walker(((0.0, 20, 180), (600 / 150, 620, 180)))
    (trip,) = play(counter, [fast], fps=fps)
    assert (trip.origin, trip.destination) == ("in", "out")
    assert trip.entered_ts == pytest.approx(T0 + 186 / 150, abs=0.01)
    assert trip.ts == pytest.approx(T0 + 380 / 150, abs=0.01)


def test_the_times_are_those_at_the_borders() -> None:
    (trip,) = trips(walker(BEYOND_N, BEYOND_S, speed=100))
    assert trip.entered_ts == pytest.approx(T0 + 0.9, abs=0.005)  # from y = 20 to 110
    assert trip.ts == pytest.approx(T0 + 2.3, abs=0.005)  # to y = 250
    (trip,) = trips(walker(N, MIDDLE, speed=100))
    assert trip.ts == pytest.approx(T0 + 1.45, abs=0.1)  # last seen
    (trip,) = trips(walker(MIDDLE, E, speed=100))
    assert trip.entered_ts == T0  # first seen


def test_who_waits_at_its_destination_makes_one_trip() -> None:
    long = walker(BEYOND_N, S, *[S] * 30)
    (trip,) = trips(long)
    assert (trip.origin, trip.destination) == ("north", "south")
    assert trip.ts < T0 + 3


def test_who_waits_in_its_zone_longer_than_its_path_is_known_is_not_forgotten() -> None:
    counter = MovementCounter(JUNCTION, SCENE)
    steps = film([walker(N, *[N] * 20, BEYOND_S)], max_path=16)
    assert ways(trip for step in steps for trip in counter.update(step)) == [("north", "south")]


def test_the_class_is_that_of_the_last_vote() -> None:
    (trip,) = trips(walker(N, S, classes=((0.0, "person"), (0.8, "car"))))
    assert trip.class_name == "car"
    assert trip.track_id == 1
    assert trip.movement == "junction"


def test_a_track_that_turned_out_to_be_of_a_class_that_nobody_wants_makes_no_trip() -> None:
    """Nor does one that was so when the source ended; a vote that came back does."""
    steps = film([walker(N, S), walker(W, E), walker(E, W)])

    def wanted(step: Tracked) -> Tracked:
        gone = {1: step.ts > T0 + 1.0, 2: T0 + 0.5 < step.ts < T0 + 0.9, 3: False}
        return replace(step, tracks=tuple(t for t in step.tracks if not gone[t.id]))

    for last in (len(steps), next(i for i, step in enumerate(steps) if step.ts > T0 + 2.5)):
        counter = MovementCounter(JUNCTION, SCENE)
        found = [trip for step in steps[:last] for trip in counter.update(wanted(step))]
        found += counter.finish()
        assert [trip.origin for trip in found] == ["west", "east"]
        balance = counter.balance()
        assert balance.problems == ()
        assert balance.entered["north"] == 0


def test_a_trip_is_stated_when_its_track_ends_or_the_source_does() -> None:
    steps = film([walker(BEYOND_N, BEYOND_S), walker(BEYOND_W, E, E, E, E)])
    counter = MovementCounter(JUNCTION, SCENE)
    stated = {trip.track_id: step.ts for step in steps for trip in counter.update(step)}
    assert stated[1] == pytest.approx(T0 + 320 / 150 + 1.5, abs=0.2)
    assert len(stated) == 2
    counter = MovementCounter(JUNCTION, SCENE)
    early = [trip for step in steps[:25] for trip in counter.update(step)]
    assert early == []
    balance = counter.balance()
    assert balance.entered["north"] == balance.inside["north"] == 1
    assert balance.problems == ()
    assert [trip.track_id for trip in counter.finish()] == [1, 2]
    assert counter.finish() == []
    assert sum(counter.balance().inside.values()) == 0


def test_the_state_of_a_track_goes_with_it() -> None:
    counter = MovementCounter(JUNCTION, SCENE)
    play(counter, [walker(N, S), walker(MIDDLE, MIDDLE), walker(W, E)])
    assert not counter._ways.by_id
    assert not counter._ways._known.row_of


@pytest.mark.parametrize("amplitude", [0.08, 0.3])
@pytest.mark.parametrize("border", [110.0, 60.0])
def test_jitter_at_a_border_is_no_trip(amplitude: float, border: float) -> None:
    rng = np.random.default_rng(7)
    shaken = border + amplitude * SIDE * rng.uniform(-1, 1, 200)
    corners = tuple((k / 10, 320.0, float(y)) for k, y in enumerate(shaken))
    assert trips(Walker(corners)) == ()


def test_feet_that_are_hidden_for_a_moment_turn_nobody_round() -> None:
    """Somebody who stands in a zone seems to be half a body further back, and there again."""
    hidden = walker((320, 70), (320, 70), (320, 48), (320, 48), (320, 70), (320, 70))
    assert trips(hidden) == ()


def test_who_sways_at_its_destination_has_come_there_once() -> None:
    """It came round by the middle; then it seems to be out of the zone again for a moment."""
    swaying = [(320.0, y) for y in (100, 100, 130, 130, 100, 100)]
    (trip,) = trips(walker(BEYOND_N, MIDDLE, *swaying))
    assert (trip.origin, trip.destination) == ("north", "north")
    assert trip.ts == pytest.approx(T0 + (160 + 70) / 150, abs=0.05)


def test_a_border_that_two_zones_share_flips_nobody() -> None:
    halves = replace(SCENE, zones=(zone("left", 0, 0, 320, 360), zone("right", 320, 0, 320, 360)))
    movement = Movement("halves", ("left", "right"), ("left", "right"))
    counter = MovementCounter(movement, halves)
    rng = np.random.default_rng(3)
    xs = 320 + 0.35 * SIDE * rng.uniform(-1, 1, 200)
    jitter = Walker(tuple((k / 10, float(x), 180.0) for k, x in enumerate(xs)))
    across = walker((300, 300), (345, 300))
    (trip,) = play(counter, [jitter, across])
    assert (trip.track_id, trip.origin, trip.destination) == (2, "left", "right")


def test_a_zone_along_the_edge_goes_on_beyond_the_picture() -> None:
    """The feet of who is cut off by the edge are on it, or estimated beyond."""
    low = replace(SCENE, zones=(zone("near", 200, 335, 240, 24), zone("far", 200, 60, 240, 40)))
    counter = MovementCounter(Movement("path", ("near",), ("far",)), low)
    found = play(counter, [walker((320, 372), (320, 80)), walker((250, 359.9), (250, 80))])
    assert ways(found) == [("near", "far")] * 2


def test_a_zone_within_another() -> None:
    """Born in the small one, which lies in the large one: it went out into the large one."""
    nested = replace(SCENE, zones=(zone("hall", 100, 50, 400, 250), zone("door", 280, 60, 80, 60)))
    counter = MovementCounter(Movement("hall", ("door",), ("hall",)), nested)
    found = play(counter, [walker((320, 90), (320, 250)), walker((320, 90), (320, 90))])
    assert ways(found) == [("door", "hall")]
    assert found[0].ts >= found[0].entered_ts


def test_every_cell_is_there() -> None:
    counter = MovementCounter(ONE_WAY, SCENE)
    assert counter.matrix == {
        "north": {"east": {}, "drive": {}, UNKNOWN: {}},
        "west": {"east": {}, "drive": {}, UNKNOWN: {}},
        UNKNOWN: {"east": {}, "drive": {}, UNKNOWN: {}},
    }
    play(counter, [walker(W, E), walker(W, E), walker(W, E, classes=((0, "car"),))])
    assert counter.matrix["west"]["east"] == {"person": 2, "car": 1}


def test_a_way_has_a_name_of_its_own() -> None:
    names = directions(ONE_WAY)
    assert len(set(names)) == len(names) == 9
    assert direction("north", "east") == "north → east"
    assert direction(None, "east") == "unknown → east"
    assert names[-1] == "unknown → unknown"


@pytest.mark.parametrize(
    ("origin", "destination", "said"),
    [
        (
            "north",
            "south",
            [
                "1 entered by 'north', but 2 trips began there and 0 are under way",
                "1 left by 'south', but 2 trips ended there",
                "there were 1 trips, but 2 are counted",
            ],
        ),
        (
            UNKNOWN,
            "east",
            [
                "0 entered by 'unknown', but 1 trips began there and 0 are under way",
                "0 left by 'east', but 1 trips ended there",
                "there were 1 trips, but 2 are counted",
            ],
        ),
    ],
)
def test_a_matrix_that_does_not_add_up_is_noticed(
    origin: str, destination: str, said: list[str]
) -> None:
    counter = MovementCounter(JUNCTION, SCENE)
    play(counter, [walker(N, S)])
    assert counter.balance().problems == ()
    cell = counter.matrix[origin][destination]
    cell["person"] = cell.get("person", 0) + 1
    assert list(counter.balance().problems) == said


PLACES = st.sampled_from([N, E, S, W, BEYOND_N, BEYOND_E, BEYOND_S, BEYOND_W, MIDDLE, (420, 275)])
ANYWHERE = st.tuples(st.integers(-5, 645), st.integers(-5, 365))
WALKS = st.builds(
    walker,
    PLACES | ANYWHERE,
    PLACES | ANYWHERE,
    PLACES | ANYWHERE,
    PLACES | ANYWHERE,
    speed=st.sampled_from([60.0, 150.0, 900.0]),
)


@settings(max_examples=40, deadline=None)
@given(
    walks=st.lists(WALKS, min_size=1, max_size=5),
    movement=st.sampled_from([JUNCTION, ONE_WAY]),
    fps=st.sampled_from([3.0, 10.0]),
)
def test_nobody_is_lost_or_counted_twice(
    walks: list[Walker], movement: Movement, fps: float
) -> None:
    counter = MovementCounter(movement, SCENE)
    steps = film(walks, fps=fps, max_path=64)
    found: list[Trip] = []
    for step in steps[: len(steps) * 2 // 3]:
        found += counter.update(step)
        balance = counter.balance()
        assert balance.problems == ()
        assert balance.trips == len(found)
        assert sum(balance.entered.values()) == len(found) + sum(balance.inside.values())
    found += counter.finish()
    balance = counter.balance()
    assert balance.problems == ()
    assert sum(balance.inside.values()) == 0
    assert sum(balance.entered.values()) == sum(balance.left.values()) == len(found)
    assert len({trip.track_id for trip in found}) == len(found)
    for trip in found:
        assert T0 <= trip.entered_ts <= trip.ts
        assert trip.origin in (*movement.entries, None)
        assert trip.destination in (*movement.exits, None)


@settings(max_examples=40, deadline=None)
@given(
    stations=st.lists(st.sampled_from(ARMS), min_size=2, max_size=4).filter(
        lambda names: all(a != b for a, b in pairwise(names))
    ),
    speed=st.sampled_from([80.0, 150.0, 600.0]),
    fps=st.sampled_from([5.0, 10.0]),
    shaken=st.floats(0, 1.5),
)
def test_a_way_from_arm_to_arm_is_found_at_any_speed_and_rate(
    stations: list[str], speed: float, fps: float, shaken: float
) -> None:
    """Into the first arm from beyond it, by the middle to each, and out of the last."""
    places = dict(zip(ARMS, (N, E, S, W), strict=True))
    beyond = dict(zip(ARMS, (BEYOND_N, BEYOND_E, BEYOND_S, BEYOND_W), strict=True))
    corners: list[Point] = [beyond[stations[0]]]
    for name in stations[1:]:
        corners += [MIDDLE, places[name]]
    corners.append(beyond[stations[-1]])
    rng = np.random.default_rng(round(shaken * 1000))
    straight = walker(*corners, speed=speed)
    path = [
        (float(t), *(np.array(straight.foot(t)) + shaken * rng.uniform(-1, 1, 2)))
        for t in np.arange(0, straight.path[-1][0], 1 / fps)
    ]
    found = trips(Walker(tuple(path)), fps=fps)
    assert ways(found) == [(stations[0], stations[-1])]
