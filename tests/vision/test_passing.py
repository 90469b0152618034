"""How fast those are that pass a line, and for how long something stands on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.vision.test_calibration import FIELD_M, seen
from tests.vision.walkers import (
    ACROSS,
    PLAZA,
    START,
    Walker,
    line,
    play,
    seconds,
    step_of,
    straight,
)
from vision.bins import Binner
from vision.calibration import Calibration
from vision.counting import Counted
from vision.occupancy import GROUND_SHARE, Stood
from vision.passing import REACHES_S, Passing, SpotSpeeds
from vision.scene import Scene
from vision.types import Crossing

SIZE = (1280, 720)
FIELD = Calibration(seen(FIELD_M), FIELD_M)
OVER = line(*seen(np.array([[-2.0, 15.0], [10.0, 15.0]])).tolist(), name="over")
"""Across the road, 15 m up the field."""
LINE_S = 3.0
"""When who drives is at the line."""
STREET = Scene(SIZE, lines=(OVER,), calibration=FIELD)


def drive(
    kmh: float,
    *,
    fps: float = 10,
    noise_px: float = 0.0,
    number: int = 1,
    box: tuple[float, float] = (60, 60),
) -> Walker:
    """Somebody who drives towards the camera in the middle of the road, from three seconds before
    the line, or 25 m, to as far behind it, or 15 m."""
    m_per_s = kmh / 3.6
    times = [t for t in seconds(0, 2 * LINE_S, fps) if -15 < m_per_s * (LINE_S - t) < 25]
    way = np.array([[4.0, 15.0 + m_per_s * (LINE_S - t)] for t in times])
    off = np.random.default_rng(number).normal(0, noise_px, (len(times), 2))
    points = [(float(x), float(y)) for x, y in seen(way) + off]
    return Walker(points, times, number=number, boxes=[box] * len(times), name="car")


def speeds(*walkers: Walker, scene: Scene = STREET, fps: float = 10) -> list[float | None]:
    crossings, _ = play(Passing(scene), walkers, fps=fps)
    return [crossing.kmh for crossing in crossings]


@pytest.mark.parametrize("fps", [5, 10])
@pytest.mark.parametrize("kmh", [6, 30, 70])
def test_a_speed_is_that_on_the_ground(kmh: float, fps: float) -> None:
    (found,) = speeds(drive(kmh, fps=fps), fps=fps)
    assert found == pytest.approx(kmh, rel=0.02)


def test_boxes_that_tremble_tell_the_speed_in_the_mean() -> None:
    found = [speed for n in range(20) for speed in speeds(drive(40, noise_px=2.0, number=n + 1))]
    known = [speed for speed in found if speed is not None]
    assert len(known) >= 15
    assert float(np.mean(known)) == pytest.approx(40, rel=0.03)


def test_who_is_slow_is_measured_over_more_of_the_way() -> None:
    """In two seconds a box that trembles comes less far than it trembles."""
    slow = drive(4, noise_px=3.0)
    (found,) = speeds(slow)
    assert found == pytest.approx(4, rel=0.15)
    near = np.abs(slow.path[:, 2] - LINE_S) <= REACHES_S[0]
    short = FIELD.to_ground(slow.path[near][:, :2].astype(np.float64))
    assert float(np.hypot(*(short[-1] - short[0]))) < 4


@pytest.mark.parametrize(
    "unsure",
    [
        pytest.param(lambda: drive(40, fps=5, noise_px=12.0, number=3), id="trembles"),
        pytest.param(lambda: drive(400, fps=25, box=(20, 20)), id="no street's speed"),
        pytest.param(lambda: drive(40, box=(1280, 20)), id="cut off by the picture's edges"),
    ],
)
def test_what_is_unsure_is_not_told(unsure: Any) -> None:
    crossings, _ = play(Passing(STREET), [unsure()], fps=25)
    assert [crossing.kmh for crossing in crossings] == [None]


@pytest.mark.parametrize(
    ("region", "known"),
    [
        pytest.param(None, True, id="whole"),
        pytest.param((620, 0, 660, 720), False, id="cut off on the left"),
        pytest.param((0, 0, 660, 720), False, id="cut off on the right"),
        pytest.param((0, 0, 1280, 100), False, id="cut off below"),
        pytest.param((560, 0, 160, 720), True, id="in a part"),
    ],
)
def test_a_box_that_is_cut_off_has_no_foot(
    region: tuple[int, int, int, int] | None, known: bool
) -> None:
    """The road is in the middle of the picture, and a box of 60 px on it."""
    walker = drive(30)
    found = SpotSpeeds(STREET, region).kmh(walker.at(len(walker.times) - 1), START + LINE_S)
    assert found == (pytest.approx(30, rel=0.02) if known else None)


def test_without_a_calibration_there_is_no_speed() -> None:
    assert speeds(drive(30), scene=Scene(SIZE, lines=(OVER,))) == [None]
    # marks within a few pixels say nothing of the ground
    tiny = FIELD_M * 0.004 + np.array([4.0, 15.0])
    useless = Scene(SIZE, lines=(OVER,), calibration=Calibration(seen(tiny), tiny))
    assert speeds(drive(30), scene=useless) == [None]


def test_a_speed_is_that_of_who_ended_as_he_was_counted() -> None:
    """The class of the last one is settled only when its track is over."""
    walker = drive(30)
    walker.votes = ["car", "person"] * (len(walker.times) // 2 + 1)
    cut = int(np.searchsorted(walker.times, LINE_S + 0.6))
    for name in ("path", "sizes", "times", "votes"):
        setattr(walker, name, getattr(walker, name)[:cut])
    (found,) = speeds(walker)
    assert found == pytest.approx(30, rel=0.03)


# --- occupancy


def stood(walkers: list[Walker], lines: Any = (ACROSS,), fps: float = 10) -> dict[str, float]:
    """Seconds for which something stood on each line."""
    passing = Passing(Scene(PLAZA, lines=tuple(lines)))
    found: dict[str, float] = {}
    for t in seconds(0, max(walker.times[-1] for walker in walkers) + 0.5, fps):
        tracks = [
            walker.at(int(np.searchsorted(walker.times, t + 1e-6)) - 1)
            for walker in walkers
            if walker.times[0] <= t + 1e-6
        ]
        for each in passing.update(step_of(START + t, *tracks)).stood:
            found[each.line] = found.get(each.line, 0.0) + each.end_ts - each.start_ts
    return found


@pytest.mark.parametrize("fps", [5, 10])
def test_a_box_is_on_a_line_while_it_passes_through_its_ground(fps: float) -> None:
    """A box 100 px wide at 50 px/s is on an upright line for two seconds."""
    times = seconds(0, 8, fps)
    walker = straight((584, 300), (-50, 0), times, boxes=[(100, 90)] * len(times))
    assert stood([walker], fps=fps)["line"] == pytest.approx(2.0, abs=1 / fps)


def test_the_upper_part_of_a_box_covers_no_ground() -> None:
    """A box 90 px high comes down over a level line at 30 px/s: its lower 30 px take a second."""
    level = line([200, 300], [568, 300])
    times = seconds(0, 8)
    walker = straight((384, 240), (0, 30), times, boxes=[(40, 90)] * len(times))
    assert stood([walker], [level])["line"] == pytest.approx(90 * GROUND_SHARE / 30, abs=0.1)


def test_who_waits_on_a_line_stands_on_it_and_two_are_no_more_than_one() -> None:
    times = seconds(0, 20)
    waits = [straight((384, y), (0, 0), times, number=n) for n, y in enumerate((200, 400), 1)]
    assert stood(waits)["line"] == pytest.approx(20.0, abs=0.1)


def test_beyond_the_ends_of_a_line_nobody_is_on_it() -> None:
    short = line([384, 0], [384, 100], name="short")
    times = seconds(0, 8)
    walker = straight((584, 400), (-50, 0), times, boxes=[(100, 90)] * len(times))
    assert stood([walker], [short, ACROSS]).keys() == {"line"}


def test_who_is_out_of_sight_and_what_nobody_watched_is_not_told() -> None:
    passing = Passing(Scene(PLAZA, lines=(ACROSS,)))
    walker = straight((384, 300), (0, 0), seconds(0, 10))

    def told(t: float, point: int) -> list[tuple[float, float]]:
        found = passing.update(step_of(START + t, walker.at(point)))
        return [(each.start_ts - START, each.end_ts - START) for each in found.stood]

    assert told(0.0, 0) == []
    assert told(1.0, 10) == [(0.0, 1.0)]
    # not seen any more: until half-way, as far as anybody knows
    assert told(2.0, 10) == [(1.0, 1.5)]
    assert told(3.0, 10) == []
    assert told(3.5, 35) == [(3.25, 3.5)]
    # a gap that nobody is followed through
    assert told(6.5, 65) == []


# --- in minutes


def binner() -> Binner:
    return Binner("cam", [OVER, ACROSS], ("car",), 1)


def passed(ts: float, kmh: float | None) -> Crossing:
    return Crossing("cam", "over", "forward", "car", 1, ts, 0, 0, kmh=kmh)


def watch(minutes: Binner, until: int) -> None:
    for second in range(until + 1):
        minutes.update(float(second), ())


def test_minutes_hold_paces_of_those_that_have_one() -> None:
    minutes = binner()
    watch(minutes, 58)
    minutes.update(59.0, [passed(50, 40.0), passed(51, 60.0), passed(52, None)])
    minutes = Binner.revived("cam", minutes.state())
    minutes.update(61.0, [passed(59.5, 48.0), passed(60.5, 30.0)])
    first, second = minutes.unstated()
    key = ("over", "forward", "car")
    assert (first.counts[key], first.paces[key].measured) == (4, 3)
    assert first.paces[key].kmh == pytest.approx(48)
    assert second.paces[key].kmh == pytest.approx(30)


def test_minutes_hold_for_how_long_something_stood() -> None:
    minutes = binner()
    watch(minutes, 60)
    minutes.update(61.0, (), stood=[Stood("line", 58.5, 60.5), Stood("over", 10.0, 10.25)])
    minutes = Binner.revived("cam", minutes.state())
    first, second = minutes.unstated()
    assert first.occupied == {"line": 1.5, "over": 0.25}
    assert second.occupied == {"line": 0.5}


def test_nothing_stands_for_longer_than_somebody_looks() -> None:
    minutes = binner()
    watch(minutes, 10)
    minutes.update(11.0, (), stood=[Stood("line", 0.0, 30.0)])
    (first,) = minutes.unstated()
    assert (first.observed_s, first.occupied) == (11.0, {"line": 11.0})


def test_what_is_counted_is_what_it_was_without_speeds() -> None:
    walker = drive(30)
    uncalibrated = Passing(Scene(SIZE, lines=(OVER,)))
    measured = Passing(STREET)
    (plain,), _ = play(uncalibrated, [walker])
    (paced,), _ = play(measured, [walker])
    assert replace(paced, kmh=None) == plain
    assert plain.ts == pytest.approx(START + LINE_S, abs=0.05)
    assert (
        measured.counts
        == uncalibrated.counts
        == {"over": {"forward": {}, "backward": {}} | {plain.direction: {"car": 1}}}
    )
    assert measured.finish() == Counted()
