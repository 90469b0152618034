"""Trips, and who came late, by the minute: beside the crossings in ``test_bins.py``."""

from __future__ import annotations

import json

from tests.vision.test_bins import CLASSES, LINES, T0, binner, passed, run, span
from vision.bins import Binner
from vision.scene import Movement
from vision.types import Late, Trip

JUNCTION = Movement("junction", ("north", "south"), ("south",))


def trip(ts: float, origin: str | None = "north", destination: str | None = "south") -> Trip:
    return Trip("cam1", "junction", origin, destination, "car", 7, ts - 5, ts)


def late(ts: float, direction: str = "in") -> Late:
    return Late("cam1", "gate", direction, "person", 7, ts, 1.0, 2.0)


def crossroads() -> Binner:
    return Binner("cam1", LINES[:1], CLASSES, 3, movements=[JUNCTION])


def test_a_trip_counts_in_the_minute_of_its_destination() -> None:
    made = crossroads()
    run(made, span(T0, T0 + 60))
    made.update(T0 + 61, [passed(T0 + 60)], [trip(T0 + 59), trip(T0 + 60, None), trip(T0 + 61)])
    first, second = made.flush(T0 + 61)
    assert first.counts == {("junction", "north → south", "car"): 1}
    assert second.counts == {
        ("gate", "in", "person"): 1,
        ("junction", "unknown → south", "car"): 1,
        ("junction", "north → south", "car"): 1,
    }


def test_every_way_of_a_movement_has_a_bin() -> None:
    made = crossroads()
    made.update(T0, [], [trip(T0, "south", None)])
    (interval,) = made.flush(T0)
    assert interval.lines["junction"] == (
        "north → south",
        "north → unknown",
        "south → south",
        "south → unknown",
        "unknown → south",
        "unknown → unknown",
    )
    bins = {(b.line, b.direction, b.class_name): b.count for b in interval.bins()}
    assert len(bins) == (2 + 6) * 2
    assert {key for key, count in bins.items() if count} == {("junction", "south → unknown", "car")}


def test_who_came_late_is_beside_the_counts() -> None:
    made = crossroads()
    made.update(T0, [], late=[late(T0), late(T0, "out"), late(T0)])
    (interval,) = made.flush(T0)
    assert interval.late == {("gate", "in"): 2, ("gate", "out"): 1}
    assert interval.counts == {}
    (again,) = made.update(T0 + 100, [], late=[late(T0 + 1)])
    assert (again.version, again.late[("gate", "in")]) == (2, 3)


def test_what_is_decided_without_another_frame_counts_and_is_not_watched() -> None:
    made = crossroads()
    run(made, span(T0, T0 + 10))
    made.count(T0 + 9, [passed(T0 + 8)], [trip(T0 + 8)], [late(T0 + 8)])
    (interval,) = made.flush(T0 + 9)
    assert (interval.frames, interval.observed_s) == (10, 9.0)
    assert sum(interval.counts.values()) == 2
    assert interval.late == {("gate", "in"): 1}


def test_a_restart_keeps_trips_and_late() -> None:
    old = crossroads()
    old.update(T0, [], [trip(T0)], [late(T0)])
    made = crossroads()
    assert made.restore(json.loads(json.dumps(old.state()))) == []
    made.update(T0 + 1, [], [trip(T0 + 1)], [late(T0 + 1)])
    (interval,) = made.flush(T0 + 1)
    assert interval.counts == {("junction", "north → south", "car"): 2}
    assert interval.late == {("gate", "in"): 2}


def test_a_state_of_an_earlier_version_is_read() -> None:
    old = binner()
    old.update(T0, [passed(T0)])
    state = json.loads(json.dumps(old.state()))
    for interval in state["intervals"]:
        del interval["late"]
    made = binner()
    assert made.restore(state) == []
    (interval,) = made.flush(T0)
    assert interval.counts == {("gate", "in", "person"): 1}
    assert interval.late == {}
