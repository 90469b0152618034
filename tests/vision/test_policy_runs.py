"""One incident is one alert, whatever tracks, schedules and restarts do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vision.rules.scenarios import SCENE as FILMED
from tests.vision.rules.scenarios import T0, Walker, film, standing
from tests.vision.stated import COOLDOWN_S, DWELL_S, config, event, over, watched
from vision.policy import SEVERITIES, TRACKS, Incidents
from vision.rules.base import Explanation, Rule
from vision.scene import RuleConfig, Scene
from vision.schedule import Schedule, Span
from vision.types import Event, Severity, Tracked
from vision.watch import Rules

# --- an earlier run, schedules, ends, bounds ----------------------------------------------------


def remembering(*events: Event, rules: Sequence[RuleConfig] | None = None) -> Incidents:
    incidents = Incidents(rules or [config()])
    incidents.remember(events)
    return incidents


def test_what_an_earlier_run_left_goes_on() -> None:
    left = event("a", 0.0, tracks=(1,), severity="low", details={"seen_again": 2})
    incidents = remembering(over(left, 500.0))
    assert incidents.open == (left,)
    assert watched(incidents, 1000, 1000 + DWELL_S) == []
    (said,) = incidents.update([event("b", 1001.0, raised_ts=1031.0, tracks=(1,))], 1031.0)
    assert (said.id, said.start_ts, said.end_ts) == ("a", 0.0, None)
    assert (said.details["seen_again"], said.severity) == (3, "medium")
    assert incidents.update([over(event("b", 1001.0), 1040.0)], 1040.0) == []
    assert [(e.id, e.end_ts) for e in watched(incidents, 1040, 1051)] == [("a", 1040.0)]


def test_numbers_of_an_earlier_runs_tracks_mean_nothing() -> None:
    incidents = remembering(event("a", 0.0, tracks=(1,)))
    other = event("b", 1000.0, x=400, tracks=(1,))
    assert incidents.update([other], 1000.0) == [other]


@pytest.mark.parametrize(("known", "end_ts"), [(500.0, 500.0), (None, 20.0)])
def test_what_does_not_go_on_ends_when_it_was_last_known_to_hold(
    known: float | None, end_ts: float
) -> None:
    left = replace(event("a", 0.0, raised_ts=20.0), end_ts=known)
    incidents = remembering(left)
    hold_s = COOLDOWN_S + DWELL_S + 60
    assert watched(incidents, 1000, 1000 + hold_s - 1) == []
    (closed,) = watched(incidents, 1000 + hold_s - 1, 1000 + hold_s + 1)
    assert (closed.id, closed.end_ts, closed.lost) == ("a", end_ts, True)


def test_what_no_rule_watches_any_more_is_not_remembered() -> None:
    left = event("a", 0.0)
    assert remembering(left, rules=[config("intrusion")]).open == ()
    assert remembering(replace(left, place="elsewhere")).open == ()
    assert remembering(replace(left, kind="intrusion")).open == ()
    assert remembering(left, left).open == (left,)


# --- whatever tracks do -------------------------------------------------------------------------


@dataclass
class Told:
    """What a listener makes of the statements."""

    open: dict[str, Event] = field(default_factory=dict)
    closed: dict[str, Event] = field(default_factory=dict)

    def hear(self, said: Sequence[Event]) -> None:
        for each in said:
            assert each.id not in self.closed, "nothing is said after the end"
            before = self.open.get(each.id)
            assert each != before, "each statement says something new"
            if before is not None:
                assert (each.start_ts, each.raised_ts) == (before.start_ts, before.raised_ts)
                rank = SEVERITIES.index
                assert rank(each.severity) >= rank(before.severity)
                assert before.details.keys() <= each.details.keys()
                assert before.details["why"] == each.details["why"]
            if each.end_ts is None:
                self.open[each.id] = each
            else:
                self.open.pop(each.id, None)
                self.closed[each.id] = each


SPOT_PX = 1000.0
steps = st.lists(
    st.tuples(
        st.sampled_from([0.1, 0.5, 1.0, 3.0, 7.0, 30.0]),
        st.integers(0, 2),
        st.sampled_from(["raise", "raise", "end", "lose", "wait", "restart", "cut"]),
        st.sampled_from(SEVERITIES),
    ),
    max_size=60,
)


def place(found: Event) -> int:
    """The number of its spot; all are one where it has no box."""
    where = found.details.get("box_px")
    return round(where[2] / SPOT_PX) if isinstance(where, list) else 0  # type: ignore[operator]


class Script:
    """A rule that raises and ends events at three spots, as it is told; ``boxes`` says whether
    they have a place of their own."""

    def __init__(self, *, boxes: bool) -> None:
        self.told = Told()
        self.going: list[Event] = []
        self.raised = 0
        self._boxes = boxes
        self._incidents = Incidents([config()])
        self._ts = 0.0

    def play(self, wait_s: float, spot: int, what: str, severity: Severity) -> None:
        self._ts = ts = round(self._ts + wait_s, 3)
        here = next((each for each in self.going if place(each) == spot * self._boxes), None)
        stated = []
        if what == "raise":
            self.raised += 1
            x = SPOT_PX * spot + self.raised % 3 if self._boxes else None
            number = self.raised
            stated = [event(f"e{number}", ts, x=x, tracks=(number,), severity=severity)]
            self.going += stated
        elif what in ("end", "lose") and here is not None:
            self.going.remove(here)
            stated = [over(here, ts, lost=what == "lose")]
        elif what == "cut":
            self.told.hear(self._incidents.cut("loitering rule", ts))
            assert not self.told.open
            self.going = []
        elif what == "restart":
            before, self._incidents = self._incidents.open, Incidents([config()])
            self._incidents.remember(before)
            # tracks are lost with the run that followed them
            self.going = []
        self.told.hear(self._incidents.update(stated, ts))
        self._check()

    def _check(self) -> None:
        """The listener knows what is open: one incident a place, and one where something goes
        on."""
        assert {each.id for each in self._incidents.open} == set(self.told.open)
        places = [place(each) for each in self._incidents.open]
        assert len(places) == len(set(places))
        assert {place(each) for each in self.going} <= set(places)

    def end(self) -> None:
        self.told.hear(self._incidents.finish())
        assert {place(e) for e in self.told.open.values()} == {place(e) for e in self.going}


@given(steps, st.booleans())
def test_whatever_happens_each_event_is_in_one_incident_that_opens_and_closes_once(
    script: list[tuple[float, int, str, Severity]], boxes: bool
) -> None:
    first, again = Script(boxes=boxes), Script(boxes=boxes)
    for run in (first, again):
        for step in script:
            run.play(*step)
        run.end()
    told = first.told
    assert (told.open, told.closed) == (again.told.open, again.told.closed), "replay"
    found = [*told.open.values(), *told.closed.values()]
    of_event = Counter(number for each in found for number in each.track_ids)
    assert set(of_event.values()) <= {1}
    # all of them, but for the eldest of incidents with more than they name
    if all(len(each.track_ids) < TRACKS for each in found):
        assert set(of_event) == set(range(1, first.raised + 1))


# --- the rules of a view ------------------------------------------------------------------------


def seen(rules: Rules, walkers: Sequence[Walker], fps: float = 10.0, **more: Any) -> list[Event]:
    """What staff are told of a film."""
    return [
        said
        for step in film(walkers, fps=fps, **more)
        for said in rules.state(rules.update(step, FILMED), step.ts)
    ]


@pytest.mark.parametrize("fps", [5.0, 10.0])
def test_a_loiterer_whose_track_breaks_is_one_incident(fps: float) -> None:
    """Hidden for longer than a track lives, beside somebody who stays in sight."""
    loiterers = (
        standing(300.0, 200.0, 45.0),
        Walker(((52.0, 305.0, 202.0), (100.0, 305.0, 202.0))),
        standing(314.0, 200.0, 100.0),
    )
    rules = Rules([config()])
    said = seen(rules, loiterers, fps)
    assert {each.track_ids for each in rules.open} == {(1, 2), (3,)}
    assert [(each.track_ids, each.end_ts) for each in said] == [
        ((1,), None),
        ((3,), None),
        ((1, 2), None),
    ]
    assert said[0].id == said[2].id
    ends = {each.track_ids: each.end_ts for each in rules.finish()}
    assert ends == {(1, 2): T0 + 100, (3,): T0 + 100}


def test_what_a_view_that_was_away_shows_again_is_the_same_incident() -> None:
    rules, steps_ = Rules([config()]), film([standing(300.0, 200.0, 120.0)])
    said: list[Event] = []
    for number, step in enumerate(steps_):
        if number == 500:
            gone = replace(step, tracks=(), ended=(1,))
            said += rules.state(rules.leave(gone, FILMED), step.ts)
        elif not 500 < number < 700:
            said += rules.state(rules.update(step, FILMED), step.ts)
    assert len({each.id for each in said}) == 1
    assert [each.end_ts for each in said] == [None, None]
    assert said[1].details["seen_again"] == 1


class Lasting(Rule):
    """States at once that something goes on, and never that it ended."""

    kind = "lasting"
    place = "zone"
    classes = ()
    Settings = object
    stated = False

    def update(self, tracked: Tracked, _scene: Scene) -> list[Event]:
        if self.stated:
            return []
        self.stated = True
        return [self.statement(tracked, start_ts=tracked.ts, details={"why": "it goes on"})]

    def explain(self, _tracked: Tracked, _scene: Scene) -> list[Explanation]:
        return []


def test_rules_begin_anew_when_a_view_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("vision.watch", "vision.policy"):
        monkeypatch.setattr(f"{module}.kinds", lambda: {"lasting": Lasting})
    rules = Rules([RuleConfig("r", "lasting", "yard", (), None)])
    shown = film([standing(300.0, 200.0, 10.0)])
    (opened,) = rules.state(rules.update(shown[0], FILMED), shown[0].ts)
    (ends,) = rules.leave(shown[20], FILMED)
    assert (ends.id, ends.end_ts, ends.lost) == (opened.id, shown[20].ts, True)
    assert rules.state([ends], shown[20].ts) == ()
    (again,) = rules.state(rules.update(shown[50], FILMED), shown[50].ts)
    assert (again.id, again.details["seen_again"]) == (opened.id, 1)


def test_a_rule_off_duty_says_that_it_is_over() -> None:
    # T0 is 08:00 in Makassar
    zone = ZoneInfo("Asia/Makassar")
    day = Schedule((Span(frozenset(range(7)), time(8, 0), time(8, 1)),), zone)
    rules = Rules([config(schedule=day)])
    said = seen(rules, [standing(300.0, 200.0, 90.0)])
    assert [(each.id, each.end_ts) for each in said] == [
        (said[0].id, None),
        (said[0].id, T0 + 60),
    ]
    assert rules.finish() == ()


def test_an_incident_of_an_earlier_run_ends_with_its_rules_duty() -> None:
    night = Schedule((Span(frozenset({0}), time(3), time(4)),), ZoneInfo("Asia/Makassar"))
    rules = Rules([config(schedule=night)])
    rules.remember([over(event("a", T0 - 100), T0 - 50)])
    said = seen(rules, [standing(300.0, 200.0, 5.0)])
    assert [(each.id, each.end_ts) for each in said] == [("a", T0 - 50)]
