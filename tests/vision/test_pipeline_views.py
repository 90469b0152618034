"""The pipeline where the picture cannot be trusted, or shows another view of the camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.vision.painted import CLASSES, SETTINGS, detector, paint, ride
from vision.pipeline import Pipeline, Step
from vision.rules.abandoned_object import Settings as Abandoned
from vision.rules.intrusion import Settings as Intrusion
from vision.rules.line_crossing import Settings as LineCrossing
from vision.scene import Line, Movement, Preset, RuleConfig, Scene, Zone
from vision.types import Fault, Frame, Quality
from vision.views import View

GATE = Line("gate", np.array([[160.0, 191.0], [160.0, 0.0]]), forward="in", backward="out")
PIER = Line("pier", np.array([[120.0, 191.0], [120.0, 0.0]]), forward="on", backward="off")
YARD = Zone("yard", np.array([[200.0, 80.0], [319.0, 80.0], [319.0, 170.0], [200.0, 170.0]]))
RULES = (
    RuleConfig("keep out", "intrusion", "yard", ("person",), Intrusion()),
    RuleConfig("no way", "line_crossing", "gate", CLASSES, LineCrossing()),
)
SCENE = Scene((320, 192), lines=(GATE,), zones=(YARD,), rules=RULES)
HARBOUR = View.of([np.random.default_rng(3).integers(0, 255, (192, 320, 3), np.uint8)]).text
TURNS = Scene(
    (320, 192),
    lines=(GATE,),
    presets=(Preset("harbour", HARBOUR, Scene((320, 192), lines=(PIER,))),),
)
# Walks to the right at 60 px a second from x = 40: past the pier at 1.33 s, past the gate at 2 s,
# in the yard from 2.67 s on.
PERSON = {"person": (40.0, 60.0, 120.0)}
GOOD = Quality()


def doubt(since: float) -> Quality:
    return Quality(doubt_ts=since)


def moved(since: float) -> Quality:
    return Quality((Fault("moved", since, 1.0, {}),), doubt_ts=since)


class Told:
    """A monitor that says what a test tells it, by time."""

    def __init__(self, says: Callable[[float], Quality]) -> None:
        self._says = says

    def update(self, frame: Frame) -> Quality:
        return self._says(frame.ts)


def run(
    scene: Scene, says: Callable[[float], Quality], frames: Sequence[Frame] | None = None
) -> tuple[Pipeline, list[Step]]:
    camera = Pipeline(scene, detector(CLASSES), SETTINGS)
    camera._monitor = Told(says)  # type: ignore[assignment]
    return camera, [camera.step(frame) for frame in frames or ride(PERSON)]


def lines(steps: Sequence[Step]) -> list[str]:
    return [crossing.line for step in steps for crossing in step.counted.crossings]


def rules(steps: Sequence[Step]) -> list[str]:
    """The rules that fired, in order."""
    return list({event.id: event.rule for step in steps for event in step.events}.values())


def test_what_is_seen_in_doubt_is_stated_when_the_doubt_is_gone() -> None:
    plain, expected = run(SCENE, lambda _: GOOD)
    camera, steps = run(SCENE, lambda ts: doubt(1.5) if 1.5 <= ts < 3.6 else GOOD)
    assert lines(steps) == lines(expected) == ["gate"]
    assert camera.counts == plain.counts
    during = [step for step in steps if 1.5 <= step.tracked.ts < 3.6]
    assert all(not step.counted.crossings and not step.events for step in during)
    assert rules(steps) == rules(expected) == ["no way", "keep out"]
    ids = [[event.id for step in found for event in step.events] for found in (steps, expected)]
    assert ids[0] == ids[1]
    assert all(step.tracked.tracks for step in during), "everybody is followed meanwhile"


def test_what_was_seen_before_a_fault_was_certain_is_forgotten() -> None:
    def says(ts: float) -> Quality:
        return GOOD if ts < 1.5 else doubt(1.5) if ts < 3.2 else moved(1.5)

    camera, steps = run(SCENE, says)
    assert lines(steps) == []
    assert rules(steps) == ["camera_moved"]
    assert camera.counts == {"gate": {"in": {}, "out": {}}}
    gone = [step for step in steps if step.tracked.ts >= 3.2]
    assert all(not step.tracked.tracks and not len(step.tracked.detections) for step in gone)
    assert gone[0].tracked.ended, "who was followed is followed no more"


def test_an_event_from_before_ends_where_the_doubt_began() -> None:
    def says(ts: float) -> Quality:
        return GOOD if ts < 3.5 else doubt(3.5) if ts < 3.8 else moved(3.5)

    camera, steps = run(SCENE, says)
    assert rules(steps) == ["no way", "keep out"]
    last = camera.finish()
    ends = [e for s in steps for e in s.events if e.end_ts] + [e for e in last.events if e.end_ts]
    (inside,) = [event for event in ends if event.rule == "keep out"]
    assert inside.end_ts is not None
    assert inside.end_ts <= 3.5


def test_what_fired_while_the_picture_already_stood_still_ends_as_well() -> None:
    """Of a picture that repeats itself nobody knows so before it has done so for long."""

    def says(ts: float) -> Quality:
        still = Quality((Fault("frozen", 3.0, 1.0, {}),), doubt_ts=3.0)
        return GOOD if ts < 3.8 else still

    camera, steps = run(SCENE, says)
    (fired,) = [e for s in steps for e in s.events if e.rule == "keep out"]
    assert 3.0 < fired.raised_ts < 3.8
    assert {event.rule for event in camera.open} == {"keep out", "camera_frozen"}
    (over,) = camera.finish().events
    assert (over.id, over.lost) == (fired.id, True)
    assert {event.rule for event in camera.open} == {"camera_frozen"}


def test_a_turn_from_one_view_to_another_takes_along_what_was_seen_in_it() -> None:
    """Between two presets no fault becomes certain, where the camera is quick."""

    def says(ts: float) -> Quality:
        return GOOD if ts < 1.5 else doubt(1.5) if ts < 2.6 else Quality(view="harbour")

    camera, steps = run(TURNS, says)
    assert lines(steps) == []
    assert camera.counts == {"gate": {"in": {}, "out": {}}, "pier": {"on": {}, "off": {}}}


@pytest.mark.parametrize("fault", [True, False])
def test_a_trip_that_is_over_in_doubt_waits_as_well(fault: bool) -> None:
    """Somebody is out of sight, and given up while the picture is in doubt; he came into the
    yard before that, or while it was."""
    ways = (
        Zone("west", np.array([[0.0, 20.0], [100.0, 20.0], [100.0, 170.0], [0.0, 170.0]])),
        YARD,
    )
    scene = Scene((320, 192), zones=ways, movements=(Movement("way", ("west",), ("yard",)),))

    def trips(since: float, certain: float | None) -> list[tuple[str | None, bool]]:
        def says(ts: float) -> Quality:
            if ts < since:
                return GOOD
            return doubt(since) if certain is None or ts < certain else moved(since)

        camera, steps = run(scene, says)
        found = [trip for step in steps for trip in step.trips] + [*camera.finish().trips]
        assert sum(sum(by["yard"].values()) for by in camera.movements[0].matrix.values()) == sum(
            trip.destination == "yard" for trip in found
        )
        return [(trip.destination, trip.ts < since) for trip in found]

    assert trips(2.0, 3.6 if fault else None) == [(None, True)]
    assert trips(3.6, 4.0 if fault else None) == [("yard", True)]


def test_what_is_in_doubt_at_the_end_stays_so() -> None:
    camera, steps = run(SCENE, lambda ts: GOOD if ts < 1.5 else doubt(1.5))
    last = camera.finish()
    assert lines(steps) == []
    assert (last.counted.crossings, last.events) == ((), ())
    assert camera.open == ()


def test_who_seems_to_leave_in_doubt_was_lost() -> None:
    """The camera turns, and somebody in the yard seems to walk out of it."""

    def picture(index: int) -> Frame:
        x, y = min(160.0 + 6 * index, 280.0 - 6 * max(0, index - 24)), 120.0
        return Frame("cam", index, index / 10, paint({"person": (x, y)}))

    def ends(says: Callable[[float], Quality]) -> list[tuple[float | None, bool]]:
        camera, steps = run(SCENE, says, [picture(index) for index in range(62)])
        told = [event for step in steps for event in step.events]
        told += camera.finish().events
        return [(e.end_ts, e.lost) for e in told if e.rule == "keep out" and e.end_ts is not None]

    turn = [GOOD, doubt(2.4), moved(2.4)]
    assert ends(lambda _: GOOD) == [(pytest.approx(3.7, abs=0.2), False)]
    assert ends(lambda ts: turn[(ts >= 2.4) + (ts >= 6)]) == [(pytest.approx(2.3, abs=0.1), True)]


def test_all_resumes_by_itself() -> None:
    """The view is away from 0.5 to 1 s, before anybody gets to the line."""
    _, steps = run(SCENE, lambda ts: moved(0.5) if 0.5 <= ts < 1 else GOOD)
    assert lines(steps) == ["gate"]
    assert rules(steps) == ["no way", "keep out"]
    numbers = {track.id for step in steps for track in step.tracked.tracks}
    assert len(numbers) == 2, "nobody is the one from before"


def test_the_lines_of_the_view_that_is_seen_count() -> None:
    harbour = Quality(view="harbour")
    for says, expected in (
        (lambda _: GOOD, ["gate"]),
        (lambda _: harbour, ["pier"]),
        (lambda ts: harbour if ts < 1.7 else GOOD, ["pier", "gate"]),
        (lambda ts: GOOD if ts < 1.7 else harbour, []),
        (lambda _: moved(0.0), []),
    ):
        camera, steps = run(TURNS, says)
        assert lines(steps) == expected
        counted = {line for line, by in camera.counts.items() if any(by.values())}
        assert (counted, set(camera.counts)) == (set(expected), {"gate", "pier"})


@pytest.mark.parametrize("fault", ["covered", "dark", "defocused", "frozen", "moved"])
def test_the_camera_itself_is_an_incident_whatever_is_drawn(fault: str) -> None:
    def says(ts: float) -> Quality:
        if not 1 <= ts < 6:
            return GOOD
        return Quality((Fault(fault, 1.0, 0.9, {}),))  # type: ignore[arg-type]

    frames = [Frame("cam", i, i / 5, np.zeros((192, 320, 3), np.uint8)) for i in range(80)]
    camera, steps = run(Scene((320, 192), lines=(GATE,)), says, frames)
    told = [event for step in steps for event in step.events]
    told += camera.finish().events
    assert {event.kind for event in told} == {f"camera_{fault}"}
    assert len({event.id for event in told}) == 1
    first, last = told[0], told[-1]
    assert (first.start_ts, first.end_ts, first.place, first.severity) == (1.0, None, "", "high")
    assert first.raised_ts <= 4
    assert last.end_ts is not None
    assert last.end_ts == pytest.approx(5.8, abs=0.01)


# --- a bag that lies there meanwhile ------------------------------------------------------------

BAGS = RuleConfig(
    "bags", "abandoned_object", "yard", ("person",), Abandoned(still_s=1.0, alone_s=0.5)
)


def with_a_bag(index: int) -> Frame:
    """Somebody comes from the right at 4 s, puts down a bag at 6.2 s and goes away."""
    t = index / 10
    x = float(np.clip(330 - 40 * (t - 4), 250, 330)) + 40 * max(0.0, t - 8)
    image = paint({"person": (x, 150.0)} if t >= 4 and x < 330 else {})
    image[140:152, 240:254] = np.maximum(image[140:152, 240:254], 90 if t >= 6.2 else 0)
    return Frame("cam", index, t, image)


@pytest.mark.parametrize(
    "away", [Quality(view="harbour"), moved(15.0)], ids=["at a preset", "moved"]
)
def test_an_alert_about_a_bag_stays_open_while_the_view_is_away(away: Quality) -> None:
    scene = replace(TURNS, zones=(YARD,), rules=(BAGS,))
    frames = [with_a_bag(index) for index in range(500)]
    camera, steps = run(scene, lambda ts: away if 15 <= ts < 20 else GOOD, frames)
    told = [event for step in steps for event in step.events if event.rule == "bags"]
    assert [event.end_ts for event in told] == [None]
    assert [event.id for event in camera.open if event.rule == "bags"] == [told[0].id]


def test_an_alert_about_a_bag_outlives_a_restart() -> None:
    """To a new run the bag is a part of the view: nobody can say that it has gone."""
    scene = replace(TURNS, zones=(YARD,), rules=(BAGS,))
    before, _ = run(scene, lambda _: GOOD, [with_a_bag(index) for index in range(150)])
    left = [event for event in before.open if event.rule == "bags"]
    after = Pipeline(scene, detector(CLASSES), SETTINGS)
    after._monitor = Told(lambda _: GOOD)  # type: ignore[assignment]
    after.remember(left)
    told = [event for i in range(150, 1400, 5) for event in after.step(with_a_bag(i)).events]
    assert [event.rule for event in told] == []
    assert [event.id for event in after.open] == [event.id for event in left]
