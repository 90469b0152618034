"""Crowd: how many are in a zone at the same time, since when, and until when."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vision.rules.scenarios import (
    Scenario,
    Walker,
    film,
    last_words,
    offsets,
    play,
    rule,
)
from vision.rules.crowd import Crowd, Settings
from vision.rules.level import MAX_MEMBERS

THREE = {"enter_count": 3, "enter_s": 1.0, "leave_count": 2, "leave_s": 0.5}


def stays(since: float, until: float, x: float = 300, y: float = 200, **more: Any) -> Walker:
    return Walker(((since, x, y), (until, x, y)), **more)


SCENARIO = Scenario(
    (
        stays(0, 9, 250),
        stays(1, 8, 300, hidden=((4, 4.3),)),
        stays(2, 6, 350),
        stays(5, 9, 380, 280),
        stays(0, 9, 500),
    ),
    THREE,
)


def fired(*walkers: Walker, classes: tuple[str, ...] = ("person",), **changed: Any) -> list[Any]:
    """(start, raised, end) of each event, seconds."""
    stated = play(rule("crowd", THREE | changed, classes=classes), film(walkers))
    return [offsets(event) for event in last_words(stated)]


TWO = (stays(0, 20, 250), stays(0, 20, 300))


@pytest.mark.parametrize(
    ("walkers", "changed", "events"),
    [
        pytest.param((*TWO, stays(3, 10)), {"leave_count": 3}, [(3.2, 4.2, 10.5)], id="comes"),
        pytest.param(TWO, {}, [], id="too few"),
        pytest.param((*TWO, stays(3, 10, 500)), {}, [], id="outside"),
        pytest.param((*TWO, stays(3, 3.8)), {}, [(3.2, 4.2, 20.5)], id="just long enough"),
        pytest.param((*TWO, stays(3, 3.6)), {}, [], id="not long enough"),
        pytest.param((*TWO, stays(3, 3.6)), {"enter_s": 0}, [(3.2, 3.2, 20.5)], id="at once"),
        # two are enough for it to go on, one is not
        pytest.param(
            (stays(0, 9), stays(0, 12), stays(0, 15)), {}, [(0.2, 1.2, 12.5)], id="hysteresis"
        ),
        pytest.param(
            (stays(0, 9), stays(0, 12), stays(12.3, 20), stays(0, 20)),
            {},
            [(0.2, 1.2, 20.5)],
            id="somebody takes the place in time",
        ),
        pytest.param(
            (*TWO, stays(3, 6), stays(14, 20)),
            {"leave_count": 3},
            [(3.2, 4.2, 6.5), (14.2, 15.2, 20.5)],
            id="twice",
        ),
        # out of sight for half a second and less is not away
        pytest.param(
            (*TWO, stays(3, 10, hidden=((5, 5.4), (6, 6.4), (7, 7.4)))),
            {"leave_count": 3},
            [(3.2, 4.2, 10.5)],
            id="flickers",
        ),
        # 0.4 s of the 4 are below the level
        pytest.param(
            (*TWO, stays(3, 10, hidden=((5.05, 5.95),))),
            {"enter_s": 4},
            [(3.2, 7.2, 20.5)],
            id="hidden for a moment",
        ),
        # 1.4 s of them are too much
        pytest.param(
            (*TWO, stays(3, 12, hidden=((5.05, 6.95),))),
            {"enter_s": 4},
            [(7.0, 11.0, 20.5)],
            id="hidden for longer",
        ),
    ],
)
def test_levels_and_times(
    walkers: tuple[Walker, ...], changed: dict[str, Any], events: list[Any]
) -> None:
    assert fired(*walkers, **changed) == events


def test_a_count_at_the_level_that_changes_all_the_time_is_one_crowd() -> None:
    """One of three is out of the zone for 0.2 s of each second, or for half of it."""

    def swaying(out_s: float) -> Walker:
        steps = np.arange(0, 20, 0.1)
        return Walker(
            tuple((t, 300.0, 310.0 if t % 1 < out_s - 0.05 else 200.0) for t in steps.tolist())
        )

    assert len(fired(*TWO, swaying(0.2), leave_count=3)) == 1
    assert fired(*TWO, swaying(0.5), leave_count=3) == []


@pytest.mark.parametrize(
    ("classes", "fires"),
    [(("person",), False), (("person", "bicycle"), True), (("bicycle",), False), ((), False)],
)
def test_classes(classes: tuple[str, ...], fires: bool) -> None:
    rider = stays(0, 9, 350, classes=((0, "bicycle"),))
    assert bool(fired(*TWO, rider, classes=classes)) == fires


def test_what_an_event_says() -> None:
    walkers = (*TWO, stays(3, 9, 390, 120), stays(6, 9, 210))
    raised, over = play(rule("crowd", THREE | {"leave_count": 3}, name="full"), film(walkers))
    assert (raised.kind, raised.rule, raised.place) == ("crowd", "full", "yard")
    assert (raised.track_ids, raised.score, raised.severity) == ((1, 2, 3), 0.625, "medium")
    assert raised.details == {
        "why": "3 in 'yard', 3 or more for 1.0 s",
        "count": 3,
        "enter_count": 3,
        "members_px": [240.0, 80.0, 400.0, 200.0],
    }
    assert over.details == {**raised.details, "held_s": 6.3, "most_count": 4}


def test_the_place_is_explained_as_a_whole() -> None:
    watcher = rule("crowd", THREE)
    told = {}
    for step in film((*TWO, stays(3, 9))):
        watcher.update(step, SCENARIO.scene)
        (each,) = watcher.explain(step, SCENARIO.scene)
        assert each.track_id is None
        told[step.index] = [(c.what, c.met, c.found, c.needed) for c in each.conditions]
    assert told[0] == [("count", False, "0 person", "3"), ("time", False, "0.0 s", "1 s")]
    assert told[20] == [("count", False, "2 person", "3"), ("time", False, "0.0 s", "1 s")]
    assert told[40] == [("count", True, "3 person", "3"), ("time", False, "0.8 s", "1 s")]
    assert told[45] == [("count", True, "3 person", "3"), ("time", True, "1.3 s", "1 s")]


def test_members_are_named_up_to_a_number() -> None:
    many = [stays(0, 3, 201 + 2 * i) for i in range(MAX_MEMBERS + 9)]
    raised, _ = play(rule("crowd", THREE), film(many))
    assert raised.details["count"] == MAX_MEMBERS + 9
    assert raised.track_ids == tuple(range(1, MAX_MEMBERS + 1))


@settings(max_examples=40)
@given(
    spans=st.lists(st.tuples(st.integers(0, 200), st.integers(3, 150)), min_size=3, max_size=8),
    fps=st.sampled_from([5, 10]),
)
def test_a_crowd_is_raised_where_there_is_one_and_only_there(
    spans: list[tuple[int, int]], fps: int
) -> None:
    walkers = [stays(a / 10, (a + n) / 10, 210 + 20 * i) for i, (a, n) in enumerate(spans)]
    steps = film(walkers, fps=fps)
    watcher = rule("crowd", THREE)
    assert isinstance(watcher, Crowd)
    counts, open_at, events = [], [], []
    for step in steps:
        events += watcher.update(step, SCENARIO.scene)
        counts.append(sum(step.ts - track.last_ts <= 0.501 for track in step.tracks))
        open_at.append(watcher._open is not None)
    enough = np.array(counts) >= 3
    for event in last_words(events):
        start, raised, _ = offsets(event)
        during = enough[round(start * fps) : round(raised * fps) + 1]
        assert during[0]
        assert during[-1]
        assert during.mean() >= 0.8 - 1.5 / len(during)
    # whenever there were enough for a whole second, it is open
    width = fps + 1
    for i in range(width, len(steps)):
        assert open_at[i - 1] or not enough[i - width : i].all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"enter_count": 0}, "^enter_count is 0, but must be a number from 1 on"),
        ({"enter_s": -1}, "^enter_s is -1, but must be a number from 0 on"),
        ({"leave_count": 0}, "^leave_count is 0, but must be a number from 1 on"),
        ({"leave_s": float("nan")}, "^leave_s is nan, but must be a number from 0 on"),
        ({"leave_count": 11}, "^leave_count is 11, but must not be over enter_count, 10"),
    ],
)
def test_bad_settings_name_their_field(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**changed)


@pytest.mark.parametrize(
    ("enter", "leave", "below"), [(10, None, 8), (3, None, 2), (1, None, 1), (5, 5, 5), (5, 1, 1)]
)
def test_the_level_at_which_it_is_over(enter: int, leave: int | None, below: int) -> None:
    assert Settings(enter_count=enter, leave_count=leave).below_count == below


def test_time_in_which_nobody_watched_is_none_of_a_crowd() -> None:
    steps = film((*TWO, stays(0, 20, 350)))
    steps = [step for step in steps if not 0.8 < step.ts - steps[0].ts < 9]
    stated = play(rule("crowd", THREE | {"enter_s": 3.0}), steps)
    assert [offsets(event) for event in last_words(stated)] == [(9.0, 12.0, 20.5)]
