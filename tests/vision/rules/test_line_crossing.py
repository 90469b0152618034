"""Line crossing: which way somebody went, when, and whether that is forbidden there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.needs import REPO
from tests.vision.rules.scenarios import (
    GATE,
    SCENE,
    T0,
    Scenario,
    Walker,
    film,
    offsets,
    play,
    rule,
    to_and_fro,
)
from vision.counting import HYSTERESIS, RETURN
from vision.rules.line_crossing import LineCrossing, Settings
from vision.scene import Line, RuleConfig, Scene

# x = 95 + 100 t; the gate stands at x = 300 from y = 50 to 350: passed at 2.05 s, clear of it by
# 0.1 of the box's mean side (2.8 px) in the next sample, 2.1 s. "in" is to the right.
THROUGH = to_and_fro(95, 505)
SCENARIO = Scenario((THROUGH, to_and_fro(95, 405, 195, y=100), to_and_fro(505, 95, y=300)))


def fired(walker: Walker, *, classes: tuple[str, ...] = ("person",), **settings: Any) -> list[Any]:
    """(direction, when it crossed, when that was stated) of each event, seconds."""
    found = []
    for event in play(rule("line_crossing", settings, classes=classes), film([walker])):
        start, raised, end = offsets(event)
        assert end == start, "a crossing is a moment"
        found.append((event.details["direction"], start, raised))
    return found


@pytest.mark.parametrize(
    ("walker", "events"),
    [
        pytest.param(THROUGH, [("in", 2.05, 2.1)], id="to the right"),
        pytest.param(to_and_fro(505, 95), [("out", 2.05, 2.1)], id="to the left"),
        # who was counted comes back by half a mean side, 14 px, or has not come back
        pytest.param(
            to_and_fro(95, 505, 95), [("in", 2.05, 2.1), ("out", 6.15, 6.3)], id="there and back"
        ),
        pytest.param(to_and_fro(95, 295, 95), [], id="turns before the line"),
        pytest.param(to_and_fro(95, 301, 95), [], id="turns on the line"),
        pytest.param(to_and_fro(95, 505, y=20), [], id="passes beside its end"),
        pytest.param(
            to_and_fro(95, 310, 292, 310, 292, 405), [("in", 2.05, 2.1)], id="sways after it"
        ),
        pytest.param(
            to_and_fro(95, 335, 265, 335),
            [("in", 2.05, 2.1), ("out", 2.75, 2.9), ("in", 3.45, 3.6)],
            id="comes back each time",
        ),
        pytest.param(
            Walker(THROUGH.path, hidden=((1.5, 2.5),)), [("in", 2.05, 2.6)], id="out of sight there"
        ),
        pytest.param(Walker(THROUGH.path, hidden=((2, 9),)), [], id="never seen on the other side"),
    ],
)
def test_paths(walker: Walker, events: list[tuple[str, float, float]]) -> None:
    assert fired(walker) == events


@pytest.mark.parametrize(
    ("direction", "passed"),
    [(None, ["in", "out"]), ("in", ["in"]), ("out", ["out"])],
)
def test_only_the_forbidden_direction_fires(direction: str | None, passed: list[str]) -> None:
    stated = play(rule("line_crossing", {"direction": direction}), film([to_and_fro(95, 505, 95)]))
    assert [event.details["direction"] for event in stated] == passed
    assert {event.details["forbidden"] for event in stated} == {direction or "both"}


def test_a_user_s_names_of_the_directions_count() -> None:
    named = Line("gate", GATE.points, forward="to-port", backward="to-city")
    scene = Scene(SCENE.frame_size, lines=(named,))
    stated = play(rule("line_crossing", {"direction": "to-city"}), film([THROUGH]), scene)
    assert stated == []
    stated = play(rule("line_crossing", {"direction": "to-port"}), film([THROUGH]), scene)
    assert [event.details["direction"] for event in stated] == ["to-port"]


def test_what_an_event_says() -> None:
    (event,) = play(rule("line_crossing", {"direction": "in"}, name="no entry"), film([THROUGH]))
    assert (event.kind, event.rule, event.place) == ("line_crossing", "no entry", "gate")
    assert (event.camera_id, event.track_ids, event.score) == ("cam", (1,), 0.625)
    assert event.details == {
        "class": "person",
        "class_share": 0.875,
        "foot_px": [305.0, 200.0],
        "box_px": [295.0, 160.0, 315.0, 200.0],
        "why": "person crossed 'gate' in",
        "direction": "in",
        "forbidden": "in",
        "crossed_px": [300.0, 200.0],
    }


@pytest.mark.parametrize(
    ("votes", "classes", "fires"),
    [
        pytest.param([(0, "car")], ("person",), False, id="another class"),
        pytest.param([(0, "car")], ("person", "car"), True, id="listed"),
        pytest.param([(0, "car"), (1.5, "person")], ("person",), True, id="decided before it"),
        # what it was taken for when the crossing was decided is what counts
        pytest.param([(0, "car"), (2.5, "person")], ("person",), False, id="decided after it"),
        pytest.param([(0, "person"), (2.5, "car")], ("person",), True, id="changed after it"),
    ],
)
def test_classes(votes: Any, classes: tuple[str, ...], fires: bool) -> None:
    walker = Walker(THROUGH.path, classes=tuple(votes))
    assert bool(fired(walker, classes=classes)) == fires


def test_two_people_are_two_events() -> None:
    stated = play(rule("line_crossing"), film([THROUGH, to_and_fro(95, 505, y=300)]))
    assert [event.track_ids for event in stated] == [(1,), (2,)]
    assert len({event.id for event in stated}) == 2


def test_who_waits_on_the_line_for_longer_than_a_path_remembers_crosses_all_the_same() -> None:
    """The path is bounded, here to 3 s; one pixel beyond the line is not clear of it."""
    waits = Walker(((0, 95, 200), (2.06, 301, 200), (9, 301, 200), (10, 401, 200)))
    (event,) = play(rule("line_crossing"), film([waits], max_path=30))
    assert event.details["direction"] == "in"
    assert event.end_ts == event.start_ts
    assert T0 + 1.9 < event.start_ts < event.raised_ts < T0 + 9.2


@pytest.mark.parametrize("direction", ["IN", "forward", "", "gate"])
def test_a_direction_that_the_line_does_not_have_is_refused(direction: str) -> None:
    config = RuleConfig("watch", "line_crossing", "gate", ("person",), Settings(direction))
    with pytest.raises(ValueError, match=r"^direction is '") as caught:
        LineCrossing.check(config, SCENE)
    assert str(caught.value) == (
        f"direction is '{direction}', but the directions of line 'gate' are 'in' and 'out'"
    )


@pytest.mark.parametrize("direction", [None, "in", "out"])
def test_a_direction_of_the_line_is_accepted(direction: str | None) -> None:
    config = RuleConfig("watch", "line_crossing", "gate", ("person",), Settings(direction))
    LineCrossing.check(config, SCENE)


def test_the_last_crossing_of_each_track_is_explained() -> None:
    watcher = rule("line_crossing", {"direction": "in"})
    told = {}
    for step in film([to_and_fro(95, 505, 95)]):
        watcher.update(step, SCENE)
        for each in watcher.explain(step, SCENE):
            told[step.index] = [(c.what, c.met, c.found, c.needed) for c in each.conditions[1:]]
    needed = "crosses 'gate'"
    assert told[20] == [
        ("crossing", False, "has not crossed", needed),
        ("direction", False, "none", "in"),
    ]
    # at 2.05 and 6.15 s
    for index, found, direction in (
        (26, "0.", ("direction", True, "in", "in")),
        (66, "0.", ("direction", False, "out", "in")),
        (80, "1.", ("direction", False, "out", "in")),
    ):
        crossing, told_direction = told[index]
        assert crossing[1]
        assert crossing[2].startswith(f"crossed {found}")
        assert told_direction == direction


def test_the_documentation_has_the_distances_of_the_code() -> None:
    text = " ".join((REPO / "docs" / "incidents.md").read_text("utf-8").split())
    assert f"clear of the line by {HYSTERESIS:g} times the square root of the box's area" in text
    assert f"only after coming back by {RETURN:g} times that root" in text
