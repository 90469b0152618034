"""A moment of a clip, explained: which picture it is, what is told of it, and what comes first."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.explaining import Moment, check_rules, distance, in_words, looked_at, notes, record
from tests.streams.played import FPS, IN_YARD, NOBODY, Played, config, scene, told, yard_clip
from tests.vision.rules.scenarios import SCENE, T0, Spoilt, Walker, film, rule, standing
from vision.errors import ClipError, MatakotaError
from vision.rules.base import Condition, Explanation
from vision.rules.registry import kinds
from vision.schedule import Schedule, Span

OFFICE = Schedule((Span(frozenset({0, 1, 2, 3, 4}), time(9), time(17)),), ZoneInfo("UTC"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return yard_clip(tmp_path_factory.mktemp("clip") / "yard.mp4")


def of_tracks(moment: Moment) -> list[Explanation]:
    """Without what is told of the camera itself."""
    return [each for each in moment.explanations if each.track_id is not None]


@pytest.mark.parametrize(
    ("at_s", "index"),
    [(0, 0), (0.09, 0), (0.0995, 1), (0.1, 1), (3.0, 30), (3.05, 30), (7.9, 79), (8.0, 79)],
)
def test_the_picture_is_the_last_one_by_then(clip: Path, at_s: float, index: int) -> None:
    moment = told(clip, at_s, [standing(*IN_YARD, 8)], config())
    assert moment.frame.index == index
    assert moment.offset_s == pytest.approx(index / FPS, abs=1e-6)


def test_a_time_beyond_the_end(clip: Path) -> None:
    with pytest.raises(ClipError, match=r"^the clip ends at 8\.0 s: name a time up to then"):
        told(clip, 8.01, [standing(*IN_YARD, 8)], config())


def test_a_rule_says_what_fails_and_what_is_open(clip: Path) -> None:
    slow = config(settings=kinds()["intrusion"].Settings(min_dwell_s=4.0))
    walkers = [standing(*IN_YARD, 8), standing(50.0, 50.0, 8)]
    before, after = (told(clip, at_s, walkers, slow) for at_s in (3.0, 5.0))
    inside, outside = of_tracks(before)
    assert [(c.what, c.met, c.found, c.needed) for c in inside.conditions] == [
        ("class", True, "person", "person"),
        ("zone", True, "inside", "inside 'yard'"),
        ("dwell", False, "3.0 s", "4 s"),
    ]
    assert [c.met for c in outside.conditions] == [True, False, False]
    assert (before.open, before.counts) == ((), {"gate": {"in": 3, "out": 0}})
    (event,) = after.open
    assert of_tracks(after)[0].fires
    assert of_tracks(after)[0].event_id == event.id
    assert [note.alert for note in notes(after)] == [True, False]
    assert notes(before)[0].text == "dwell: 3.0 s, needs 4 s"


def test_where_nobody_is_followed_the_nearest_times_are_told(clip: Path) -> None:
    first = Walker(((0.0, *IN_YARD), (1.0, *IN_YARD)))
    later = Walker(((6.0, *IN_YARD), (7.0, *IN_YARD)))
    moment = told(clip, 4.0, [first, later], config())
    assert moment.tracks == {}
    # a track is known with its third box and for a second after its last
    assert moment.before_ts == pytest.approx(T0 + 2.0)
    assert moment.after_ts == pytest.approx(T0 + 6.2)
    alone = told(clip, 4.0, [first], config())
    assert (alone.before_ts, alone.after_ts) == (moment.before_ts, None)
    assert told(clip, 1.0, [first], config()).before_ts is None, "somebody is there"


def test_a_picture_that_is_not_trusted_suspends_the_rules(clip: Path) -> None:
    moment = told(clip, 4.0, NOBODY, config(), spoilt=[Spoilt("covered", 2.0, 8.0)])
    assert [each.name for each in moment.suspended] == ["intrusion@yard"]
    note, *_ = notes(moment)
    assert (note.text, note.alert) == ("covered since 2.0 s", True)
    written = record(moment)
    assert written["trusted"] is False
    assert written["faults"] == [
        {"kind": "covered", "since_offset_s": 2.0, "score": 0.75, "measured": {"seen_share": 0.12}}
    ]
    (intrusion,) = [each for each in cast("Any", written["rules"]) if each["kind"] == "intrusion"]
    assert (intrusion["suspended"], intrusion["zone"]) == (True, "yard")


def test_rules_that_do_not_watch_say_why(clip: Path) -> None:
    # T0 is a Saturday at midnight
    rules = (config(schedule=OFFICE, name="office"), config(enabled=False, name="off"), config())
    moment = told(clip, 2.0, [standing(*IN_YARD, 8)], *rules)
    by_rule = {each.rule: each.conditions[0] for each in moment.explanations}
    assert (by_rule["office"].what, by_rule["office"].met) == ("schedule", False)
    assert by_rule["office"].found == "Sat 2026-01-31 00:00:02 in UTC"
    assert by_rule["office"].needed == "Mon-Fri 09:00 to 17:00"
    assert (by_rule["off"].what, by_rule["off"].met) == ("enabled", False)
    assert by_rule["intrusion@yard"].what == "class"


def test_what_was_over_comes_latest_first_and_ends_somewhere(clip: Path) -> None:
    passing = kinds()["line_crossing"].Settings()
    walkers = [
        Walker(((t, 250.0, 100.0 + 20 * t), (t + 0.8, 350.0, 100.0 + 20 * t)), box=(4.0, 8.0))
        for t in range(7)
    ]
    moment = told(clip, 8.0, walkers, config("line_crossing", settings=passing))
    ends = [event.end_ts for event in moment.over]
    assert 1 < len(ends) <= 5
    assert ends == sorted(ends, reverse=True)
    assert not {event.id for event in moment.over} & {event.id for event in moment.open}


def test_questions_about_one_rule_or_one_track(clip: Path) -> None:
    rules = (config(), config("loitering"))
    walkers = [standing(*IN_YARD, 8), standing(50.0, 50.0, 8)]
    moment = told(clip, 3.0, walkers, *rules)
    assert len(of_tracks(moment)) == 4
    for asked in ("loitering", "loitering@yard"):
        one = moment.about([asked], None)
        assert {each.kind for each in one.explanations} == {"loitering"}
        assert [each.kind for each in one.rules] == ["loitering"]
        assert one.open == ()
    second = moment.about([], 2)
    assert [(each.rule, each.track_id) for each in second.explanations] == [
        ("intrusion@yard", 2),
        ("loitering@yard", 2),
    ]
    assert second.open == ()
    with pytest.raises(MatakotaError, match=r"^track 9 is not followed at 3\.0 s: .*\(1, 2\)"):
        moment.about([], 9)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("loitring@yard", "did you mean 'loitering@yard'?"),
        ("loitering", None),
        ("loitering@yard", None),
        ("xyz", "its rules are intrusion@yard, intrusion, "),
    ],
)
def test_a_misspelt_rule(name: str, words: str | None) -> None:
    drawn = scene(config(), config("loitering"))
    if words is None:
        check_rules([name], drawn)
        return
    with pytest.raises(MatakotaError) as caught:
        check_rules([name], drawn)
    assert str(caught.value).startswith(f"no rule of the scene is called '{name}'")
    assert words in str(caught.value)


def about(*conditions: Condition, event: str | None = None) -> Explanation:
    return Explanation("r", "intrusion", "yard", 1, conditions, event)


def dwell(found: str, needed: str = "12.5 s", *, met: bool = False) -> Condition:
    return Condition("dwell", met, found, needed)


YES, NO = Condition("zone", True, "inside", "inside"), Condition("zone", False, "out", "in")
NEAREST_FIRST = [
    about(YES, dwell("13.0 s", met=True), event="e"),
    about(NO, dwell("0.0 s"), event="e"),
    about(YES, dwell("13.0 s", met=True)),
    about(YES, YES, dwell("2.0 s")),
    about(YES, dwell("8.0 s")),
    about(YES, dwell("1.0 s")),
    about(YES, dwell("12.0 px")),
    about(NO, dwell("0.0 s")),
]


@given(st.permutations(NEAREST_FIRST))
def test_the_nearest_to_firing_comes_first(shuffled: list[Explanation]) -> None:
    assert sorted(shuffled, key=distance) == NEAREST_FIRST


@pytest.mark.parametrize(
    ("explanation", "words"),
    [
        (NEAREST_FIRST[0], "open: dwell 13.0 s"),
        (NEAREST_FIRST[1], "open, but now zone: out, needs in"),
        (NEAREST_FIRST[2], "fires: dwell 13.0 s"),
        (NEAREST_FIRST[4], "dwell: 8.0 s, needs 12.5 s"),
        (about(dwell("8.0 s", "as long as all the others do, and longer")), "dwell: 8.0 s"),
        # of what is met, the amount that is met most narrowly
        (about(dwell("13.0 s", met=True), dwell("90.0 s", met=True), YES), "fires: dwell 13.0 s"),
        (about(dwell("90.0 s", met=True), dwell("13.0 s", met=True)), "fires: dwell 13.0 s"),
        (about(YES, Condition("score", True, "much", "some")), "fires: score much"),
    ],
)
def test_a_rule_in_words(explanation: Explanation, words: str) -> None:
    assert in_words(explanation) == words


def test_who_is_of_another_class_is_not_looked_at() -> None:
    other = Condition("class", False, "car", "person")
    assert not looked_at(about(other, NO))
    assert looked_at(about(other, NO, event="e")), "its vote changed while the event was open"
    assert looked_at(about(YES, NO))


@pytest.mark.parametrize(("box", "place"), [((10.0, 20.0, 30.0, 40.0), "yard"), (None, "yard")])
def test_what_is_no_track_is_noted_at_its_place(
    clip: Path, box: Any, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Explanation("r", "intrusion", place, None, (NO,), None, box)
    monkeypatch.setattr(Played, "explain", lambda self: [said])
    (note,) = notes(told(clip, 1.0, NOBODY, config()))
    assert (note.box, note.place, note.track_id) == (box, place, None)
    assert note.text == "zone: out, needs in"


def test_asking_changes_no_rule(clip: Path) -> None:
    """What is told of a time does not hang on what is asked later in the same clip."""
    watched = rule("intrusion")
    steps = film([standing(*IN_YARD, 8)], fps=FPS)
    for step in steps[:31]:
        watched.update(step, SCENE)
    moment = told(clip, 3.0, [standing(*IN_YARD, 8)], config())
    (alone,) = watched.explain(steps[30], SCENE)
    assert [each.conditions for each in of_tracks(moment)] == [alone.conditions]
