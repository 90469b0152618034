"""Intrusion: who is inside a zone, since when, and until when."""

from __future__ import annotations

from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vision.rules.scenarios import (
    T0,
    YARD,
    Scenario,
    Walker,
    film,
    last_words,
    offsets,
    play,
    rule,
    standing,
    to_and_fro,
)
from vision.geometry import contains
from vision.rules.intrusion import Settings
from vision.scene import RuleConfig
from vision.schedule import Schedule, Span
from vision.watch import Rules

# x = 95 + 100 t, ten samples a second; the yard is x 200 to 400: inside from 1.1 to 3.0 s
THROUGH = to_and_fro(95, 505)
# out of the yard in one box, at 1.6 s
FLICKER = Walker(((0, 300, 200), (1.5, 300, 200), (1.6, 300, 320), (1.7, 300, 200), (3, 300, 200)))
SCENARIO = Scenario(
    (
        THROUGH,
        to_and_fro(95, 305, 95, 305, 95, y=150),
        standing(300, 200, 9, hidden=((2, 6),)),
        to_and_fro(95, 225, 95, y=250),
    )
)


def fired(walker: Walker, *, classes: tuple[str, ...] = ("person",), **settings: Any) -> list[Any]:
    """(start, raised, end) of each event, seconds."""
    stated = play(rule("intrusion", settings, classes=classes), film([walker]))
    return [offsets(event) for event in last_words(stated)]


@pytest.mark.parametrize(
    ("walker", "settings", "events"),
    [
        pytest.param(THROUGH, {}, [(1.1, 1.6, 3.0)], id="walks through"),
        pytest.param(THROUGH, {"min_dwell_s": 0}, [(1.1, 1.1, 3.0)], id="no dwell asked"),
        pytest.param(THROUGH, {"min_dwell_s": 1.9}, [(1.1, 3.0, 3.0)], id="just long enough"),
        pytest.param(THROUGH, {"min_dwell_s": 1.95}, [], id="too short"),
        # the edge is brushed: x = 205, 215, 225, 215, 205 is 0.4 s inside
        pytest.param(to_and_fro(95, 225, 95), {}, [], id="brushes the edge"),
        # and one sample more is the dwell itself
        pytest.param(to_and_fro(95, 230, 95), {}, [(1.1, 1.6, 1.6)], id="half a second"),
        pytest.param(to_and_fro(95, 195, 95), {"min_dwell_s": 0}, [], id="stays outside"),
        # inside 1.1 to 3.1 s and 5.3 to 7.3 s
        pytest.param(
            to_and_fro(95, 305, 95, 305, 95),
            {},
            [(1.1, 1.6, 3.1), (5.3, 5.8, 7.3)],
            id="leaves and returns",
        ),
        pytest.param(
            to_and_fro(95, 305, 95, 305, 95),
            {"release_s": 2.5},
            [(1.1, 1.6, 7.3)],
            id="returns before it is over",
        ),
        pytest.param(
            FLICKER,
            {},
            [(0, 0.5, 3)],
            id="flickers out",
        ),
        pytest.param(
            FLICKER,
            {"release_s": 0},
            [(0, 0.5, 1.5), (1.7, 2.2, 3)],
            id="flickers out, nothing forgiven",
        ),
        pytest.param(
            standing(300, 200, 10, hidden=((2, 8),)), {}, [(0, 0.5, 10)], id="out of sight"
        ),
        # last seen inside at 1.9 s, seen outside from 6.1 s on
        pytest.param(
            Walker(((0, 300, 200), (3, 300, 200), (4, 500, 200), (9, 500, 200)), hidden=((2, 6),)),
            {},
            [(0, 0.5, 1.9)],
            id="left unseen",
        ),
        pytest.param(standing(300, 200, 3), {}, [(0, 0.5, 3)], id="track ends inside"),
        pytest.param(
            standing(300, 200, 5, hidden=((2, 5),)), {}, [(0, 0.5, 1.9)], id="never seen again"
        ),
    ],
)
def test_dwell_release_and_sight(
    walker: Walker, settings: dict[str, Any], events: list[tuple[float, float, float]]
) -> None:
    assert fired(walker, **settings) == events


@pytest.mark.parametrize(
    ("walker", "closed_at"),
    [
        (THROUGH, 4.1),  # seen outside for release_s = 1 s, from 3.1 s on
        (standing(300, 200, 10, hidden=((2, 8),)), 11.1),  # only when the track ends
    ],
)
def test_an_event_is_stated_when_raised_and_when_over(walker: Walker, closed_at: float) -> None:
    watcher = rule("intrusion")
    stated = [
        (round(step.ts - T0, 3), event)
        for step in film([walker])
        for event in watcher.update(step, SCENARIO.scene)
    ]
    (raised_at, raised), (over_at, over) = stated
    assert (raised_at, raised.end_ts) == (round(raised.raised_ts - T0, 3), None)
    assert (over_at, over.id, over.start_ts) == (closed_at, raised.id, raised.start_ts)
    assert over.end_ts is not None
    assert over.details["held_s"] == round(over.end_ts - over.start_ts, 2)
    assert "held_s" not in raised.details


def test_what_an_event_says() -> None:
    raised, _ = play(rule("intrusion", name="nobody at night"), film([THROUGH]))
    assert (raised.kind, raised.rule, raised.place) == ("intrusion", "nobody at night", "yard")
    assert (raised.camera_id, raised.track_ids, raised.score) == ("cam", (1,), 0.625)
    assert raised.details == {
        "class": "person",
        "class_share": 0.875,
        "foot_px": [255.0, 200.0],
        "box_px": [245.0, 160.0, 265.0, 200.0],
        "why": "person inside 'yard' for 0.5 s",
        "inside_s": 0.5,
        "min_dwell_s": 0.5,
        "membership": "ground",
    }


@pytest.mark.parametrize(
    ("votes", "classes", "events"),
    [
        pytest.param([(0, "bicycle")], ("person",), [], id="another class"),
        pytest.param([(0, "bicycle")], ("person", "bicycle"), [(1.1, 1.6, 3.0)], id="listed"),
        pytest.param([(0, "person")], (), [], id="none listed"),
        # what was thought to be a bicycle was a person all the time
        pytest.param(
            [(0, "bicycle"), (2, "person")], ("person",), [(1.1, 2.0, 3.0)], id="found late"
        ),
        pytest.param(
            [(0, "bicycle"), (3.5, "person")], ("person",), [], id="found when it had left"
        ),
        pytest.param([(0, "person"), (1.3, "bicycle")], ("person",), [], id="lost before it fired"),
        # an alarm that was raised stays one
        pytest.param(
            [(0, "person"), (2, "bicycle")], ("person",), [(1.1, 1.6, 3.0)], id="lost after"
        ),
        pytest.param(
            [(0, "person"), (1.3, "bicycle"), (1.9, "person")],
            ("person",),
            [(1.1, 1.9, 3.0)],
            id="lost and found",
        ),
    ],
)
def test_classes(votes: Any, classes: tuple[str, ...], events: list[Any]) -> None:
    walker = Walker(THROUGH.path, classes=tuple(votes))
    assert fired(walker, classes=classes) == events


# A box is 20 px wide and 40 px high, and the yard ends at y = 300: of a box whose foot is at
# y = 310 three quarters lie inside, at y = 335 an eighth.
@pytest.mark.parametrize(
    ("foot_y", "settings", "events"),
    [
        (299, {"membership": "ground"}, [(0, 0.5, 3)]),
        (310, {"membership": "ground"}, []),
        (310, {"membership": "box"}, [(0, 0.5, 3)]),
        (310, {"membership": "box", "box_overlap_share": 0.75}, [(0, 0.5, 3)]),
        (310, {"membership": "box", "box_overlap_share": 0.8}, []),
        (335, {"membership": "box"}, []),
        (335, {"membership": "box", "box_overlap_share": 0.1}, [(0, 0.5, 3)]),
        (299, {"membership": "box", "box_overlap_share": 1.0}, [(0, 0.5, 3)]),
    ],
)
def test_membership(foot_y: float, settings: dict[str, Any], events: list[Any]) -> None:
    assert fired(standing(300, foot_y, 3), **settings) == events


# The film begins on a Saturday at 08:00 in Makassar.
AT_WORK = Schedule((Span(frozenset({5}), time(8, 0, 3), time(8, 0, 7)),), ZoneInfo("Asia/Makassar"))


@pytest.mark.parametrize(
    ("walker", "settings", "events"),
    [
        # somebody inside already is an intruder from the moment on from which it is forbidden
        pytest.param(standing(300, 200, 9), {}, [(3, 3.5, 7)], id="inside all the time"),
        pytest.param(standing(300, 200, 5), {}, [(3, 3.5, 5)], id="ends before"),
        pytest.param(standing(300, 200, 9), {"min_dwell_s": 3.5}, [(3, 6.5, 7)], id="the dwell"),
        pytest.param(standing(300, 200, 9), {"min_dwell_s": 4.5}, [], id="not long enough"),
        pytest.param(standing(300, 200, 2.9), {}, [], id="gone before"),
        pytest.param(THROUGH, {}, [], id="gone at that moment"),
        pytest.param(to_and_fro(95, 505, 95), {}, [(5.2, 5.7, 7)], id="comes while it holds"),
        # where the box is, nobody knows for as long as it is hidden
        pytest.param(
            standing(300, 200, 9, hidden=((2, 4),)), {}, [(4.1, 4.6, 7)], id="seen again later"
        ),
    ],
)
def test_with_a_schedule(walker: Walker, settings: dict[str, Any], events: list[Any]) -> None:
    config = RuleConfig(
        "watch", "intrusion", "yard", ("person",), Settings(**settings), schedule=AT_WORK
    )
    rules = Rules([config])
    stated = [
        event
        for step in film([walker])
        for event in rules.state(rules.update(step, SCENARIO.scene), step.ts)
    ]
    stated += rules.finish()
    assert [offsets(event) for event in last_words(stated)] == events
    assert len({event.id for event in stated}) == len(events)


def test_a_condition_that_fails_says_which() -> None:
    def told(walker: Walker, at: float, **settings: Any) -> list[tuple[str, bool, str]]:
        watcher = rule("intrusion", settings)
        for step in film([walker]):
            watcher.update(step, SCENARIO.scene)
            if step.ts >= T0 + at - 1e-6:
                (each,) = watcher.explain(step, SCENARIO.scene)
                return [(c.what, c.met, c.found) for c in each.conditions]
        raise AssertionError("the film is too short")

    met = ("class", True, "person")
    assert told(THROUGH, 1.0) == [met, ("zone", False, "outside"), ("dwell", False, "0.0 s")]
    assert told(THROUGH, 1.4) == [met, ("zone", True, "inside"), ("dwell", False, "0.3 s")]
    assert told(THROUGH, 2.0) == [met, ("zone", True, "inside"), ("dwell", True, "0.9 s")]
    assert told(THROUGH, 3.5) == [met, ("zone", False, "outside"), ("dwell", False, "0.0 s")]
    # out of sight since 1.9 s
    gone = standing(300, 200, 9, hidden=((2, 6),))
    assert told(gone, 5, min_dwell_s=3)[1:] == [("zone", True, "inside"), ("dwell", False, "1.9 s")]
    bicycle = Walker(THROUGH.path, classes=((0, "bicycle"),))
    assert told(bicycle, 2.0)[0] == ("class", False, "bicycle")


corner = st.tuples(st.floats(0.2, 3), st.integers(0, 640), st.integers(0, 360))


@given(
    corners=st.lists(corner, min_size=2, max_size=6),
    hidden=st.tuples(st.floats(0, 8), st.floats(0, 3)),
    fps=st.sampled_from([5, 10, 25]),
)
def test_starts_and_ends_are_moments_inside(
    corners: list[tuple[float, int, int]], hidden: tuple[float, float], fps: int
) -> None:
    times = np.cumsum([seconds for seconds, _, _ in corners]) - corners[0][0]
    walker = Walker(
        tuple((float(t), x, y) for t, (_, x, y) in zip(times, corners, strict=True)),
        hidden=((hidden[0], sum(hidden)),),
    )
    events = last_words(play(rule("intrusion", {"min_dwell_s": 0.2}), film([walker], fps=fps)))
    over = -1.0
    for event in events:
        assert event.end_ts is not None
        assert over < event.start_ts <= event.end_ts, "one track's intrusions do not overlap"
        over = event.end_ts
        for ts in (event.start_ts, event.end_ts):
            # the path is float32, so a foot on the very edge may be on either side of it
            foot = np.array([walker.foot(ts - T0)])
            near = foot + np.array([[0, 0], [-0.1, 0], [0.1, 0], [0, -0.1], [0, 0.1]])
            assert contains(YARD.polygon, near).any()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_dwell_s", -0.1),
        ("min_dwell_s", float("nan")),
        ("release_s", -1),
        ("release_s", float("inf")),
        ("box_overlap_share", 0),
        ("box_overlap_share", -0.1),
        ("box_overlap_share", 1.01),
        ("box_overlap_share", float("nan")),
    ],
)
def test_bad_settings_name_their_field(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{field} is {value}, but must be "):
        Settings(**{field: value})  # type: ignore[arg-type]


def test_settings_at_their_limits() -> None:
    limits = Settings(min_dwell_s=0, release_s=0, box_overlap_share=1)
    assert (limits.min_dwell_s, limits.release_s, limits.box_overlap_share) == (0, 0, 1)


def test_a_release_takes_its_frames_whenever_it_begins() -> None:
    """One second is ten frames at ten a second, whatever the float32 of the path makes of it."""
    for frames in range(6, 60):
        left = frames / 10
        walker = Walker(((0, 300, 200), (left, 300, 200), (left + 0.1, 500, 200), (9, 500, 200)))
        watcher = rule("intrusion")
        steps = film([walker], start_ts=0.0)
        told_at = [step.index for step in steps for _ in watcher.update(step, SCENARIO.scene)]
        assert told_at[1:] == [frames + 11]
