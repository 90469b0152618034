"""What staff are told: one incident is one alert; and the stream itself as an incident."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.vision.stated import COOLDOWN_S, DWELL_S, config, event, over, track, watched
from vision.policy import (
    CAMERA_DOWN,
    MAX_OPEN,
    STREAM_KINDS,
    TRACKS,
    Incidents,
    alert_of,
    of_stream,
)
from vision.rules.base import event_id
from vision.rules.registry import kinds
from vision.types import Event

# --- opened, updated, closed --------------------------------------------------------------------


def test_an_incident_is_opened_and_closed_after_the_cooldown_with_its_true_end() -> None:
    incidents, raw = Incidents([config()]), event("a", 0.0)
    assert incidents.update([raw], 0.0) == [raw]
    assert incidents.update([raw], 0.5) == [], "nothing new"
    assert watched(incidents, 0.5, 20) == []
    assert incidents.update([over(raw, 19.0)], 20.0) == []
    assert incidents.open == (raw,)
    assert watched(incidents, 20, 29.5) == []
    (closed,) = watched(incidents, 29.5, 31)
    assert (closed.id, closed.end_ts, closed.details["held_s"]) == ("a", 19.0, 19.0)
    assert incidents.open == ()
    assert watched(incidents, 31, 200) == []


def test_a_cooldown_of_nothing_closes_at_once() -> None:
    incidents = Incidents([config("line_crossing", None)])
    for number in range(3):
        crossed = event(f"c{number}", 5.0, kind="line_crossing", end_ts=5.0, tracks=(number,))
        (said,) = incidents.update([crossed], 5.0)
        assert (said.id, said.end_ts) == (crossed.id, 5.0)
    raw = event("a", 6.0, kind="line_crossing")
    assert incidents.update([raw], 6.0) == [raw]
    (said,) = incidents.update([over(raw, 7.0, lost=True)], 7.0)
    assert (said.id, said.end_ts, said.lost) == ("a", 7.0, True)


def test_who_returns_within_the_cooldown_is_the_same_incident() -> None:
    incidents, raw = Incidents([config()]), event("a", 0.0, tracks=(1,))
    incidents.update([raw], 0.0)
    incidents.update([over(raw, 5.0)], 5.0)
    back = event("b", 14.0, x=108, tracks=(9,), severity="high", details={"class": "car"})
    assert watched(incidents, 5, 14) == []
    (said,) = incidents.update([back], 14.0)
    assert (said.id, said.end_ts, said.start_ts, said.severity) == ("a", None, 0.0, "high")
    assert said.track_ids == (1, 9)
    assert said.details["class"] == "car", "a class may change, the incident does not"
    assert (said.details["why"], said.details["seen_again"]) == ("a", 1)
    assert incidents.known_as("b") == "a"
    assert incidents.known_as(None) is None
    incidents.update([over(back, 20.0)], 20.0)
    (closed,) = watched(incidents, 20, 40)
    assert (closed.id, closed.end_ts, closed.severity) == ("a", 20.0, "high")
    # and the next one is another
    assert incidents.update([event("c", 41.0)], 41.0)[0].id == "c"


@pytest.mark.parametrize(
    ("what", "again", "same"),
    [
        ("nearly the same place", {"x": 115}, True),
        ("over half a box height away", {"x": 125}, False),
        ("the same track elsewhere", {"x": 400, "tracks": (1,)}, True),
        ("another size, the same foot", {"box_px": [80, 170, 120, 200]}, True),
        ("a box that overlaps", {"box_px": [92, 150, 112, 178]}, True),
        ("without a place", {"x": None}, False),
    ],
)
def test_where_something_is_tells_what_it_is(what: str, again: dict[str, Any], same: bool) -> None:
    incidents, raw = Incidents([config()]), event("a", 0.0, tracks=(1,))
    incidents.update([raw], 0.0)
    incidents.update([over(raw, 5.0)], 5.0)
    (said,) = incidents.update([event("b", 6.0, **{"tracks": (2,), **again})], 6.0)
    assert said.id == ("a" if same else "b"), what


def test_what_has_no_place_of_its_own_has_the_rules() -> None:
    incidents, raw = Incidents([config("intrusion")]), event("a", 0.0, x=None, kind="intrusion")
    incidents.update([raw], 0.0)
    incidents.update([over(raw, 5.0)], 5.0)
    assert incidents.update([event("b", 6.0, x=None, kind="intrusion")], 6.0)[0].id == "a"


def test_a_crowd_of_others_at_the_same_place_is_the_same_incident() -> None:
    """It has no place of its own, whoever belongs to it and wherever they stand."""
    incidents = Incidents([config("crowd")])
    raw = event("a", 0.0, x=None, tracks=(1, 2), kind="crowd")
    incidents.update([raw], 0.0, [track(1, 100, last_ts=0.0), track(2, 140, last_ts=0.0)])
    incidents.update([], 4.0, [track(1, 300, last_ts=4.0), track(2, 340, last_ts=4.0)])
    incidents.update([over(raw, 5.0)], 5.0, [track(1, 320, last_ts=5.0)])
    others = event("b", 6.0, x=None, tracks=(3, 4), kind="crowd")
    (said,) = incidents.update(
        [others], 6.0, [track(3, 50, last_ts=6.0), track(4, 90, last_ts=6.0)]
    )
    assert (said.id, said.track_ids) == ("a", (1, 2, 3, 4))


def test_a_cooldown_is_the_keys_own() -> None:
    """Neither another place nor another rule is kept quiet by it."""
    incidents = Incidents([config(), config("intrusion")])
    raw = event("a", 0.0)
    incidents.update([raw], 0.0)
    incidents.update([over(raw, 1.0)], 1.0)
    others = [event("b", 2.0, x=300), event("c", 2.0, kind="intrusion")]
    assert incidents.update(others, 2.0) == others
    assert [each.id for each in incidents.open] == ["a", "b", "c"]


def test_what_was_lost_from_sight_is_held_for_as_long_as_it_takes_to_fire_again() -> None:
    seen, lost = Incidents([config()]), Incidents([config()])
    raw = event("a", 0.0)
    for incidents in (seen, lost):
        incidents.update([raw], 0.0)
        incidents.update([over(raw, 40.0, lost=incidents is lost)], 41.0)
    assert [e.end_ts for e in watched(seen, 41, 52)] == [40.0]
    assert watched(lost, 41, 41 + COOLDOWN_S + DWELL_S - 1) == []
    (said,) = lost.update([event("b", 45.0, raised_ts=80.0)], 80.0)
    assert (said.id, said.details["seen_again"]) == ("a", 1)


def test_time_in_which_nobody_looks_does_not_count() -> None:
    incidents, raw = Incidents([config()]), event("a", 0.0)
    incidents.update([raw], 0.0)
    incidents.update([over(raw, 5.0)], 5.0)
    assert incidents.update([], 1000.0) == [], "this was 2 s"
    assert watched(incidents, 1000, 1007) == []
    assert [e.id for e in watched(incidents, 1007, 1009)] == ["a"]


def test_a_clock_that_is_set_back_holds_nothing_for_longer() -> None:
    incidents, raw = Incidents([config()]), event("a", 0.0)
    incidents.update([raw], 0.0)
    incidents.update([over(raw, 5.0)], 1000.0)
    incidents.update([], 500.0)
    assert [e.id for e in watched(incidents, 500, 510)] == ["a"]


def test_an_end_that_is_known_late_does_not_bring_it_forward() -> None:
    """A track that is lost is waited for, and what stands there has another one meanwhile."""
    incidents, first, second = Incidents([config()]), event("a", 0.0), event("b", 8.0)
    incidents.update([first], 0.0)
    incidents.update([second], 8.0)
    incidents.update([over(second, 30.0)], 31.0)
    assert watched(incidents, 31, 60) == [], "the first goes on, for all that is known"
    incidents.update([over(first, 5.0, lost=True)], 60.0)
    (closed,) = watched(incidents, 60, 75)
    assert (closed.id, closed.end_ts, closed.lost) == ("a", 30.0, False)


# --- one thing or two ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "last_seen", "left", "x", "ids"),
    [
        ("two who stand beside each other", 10.0, None, 112, ["a", "b"]),
        ("one whose box is found twice", 10.0, None, 104, ["a", "a"]),
        ("one whose track was lost before", 4.0, None, 112, ["a", "a"]),
        ("the second came while the first was there", 6.0, None, 112, ["a", "b"]),
        ("the first left while the second was there", 8.0, 8.0, 112, ["a", "b"]),
        ("one who left and came back", 4.0, 4.0, 112, ["a", "a"]),
    ],
)
def test_who_is_in_sight_together_is_two(
    what: str, last_seen: float, left: float | None, x: float, ids: list[str]
) -> None:
    incidents = Incidents([config()])
    first = track(1, 100, last_ts=0.0)
    raw = event("a", 0.0, tracks=(1,))
    incidents.update([raw], 0.0, [first])
    now = [replace(first, last_ts=last_seen), track(2, x, last_ts=10.0)]
    second = event("b", 5.0, raised_ts=10.0, x=x, tracks=(2,))
    incidents.update([] if left is None else [over(raw, left)], last_seen, now[:1])
    incidents.update([second], 10.0, now)
    assert [incidents.known_as(name) for name in ("a", "b")] == ids, what


def test_an_incident_is_where_its_object_was_seen_last() -> None:
    incidents = Incidents([config("intrusion")])
    raw = event("a", 0.0, tracks=(1,), kind="intrusion")
    incidents.update([raw], 0.0, [track(1, 100, last_ts=0.0)])
    for second in range(1, 10):
        incidents.update([], second, [track(1, 100 + 20 * second, last_ts=second)])
    incidents.update([over(raw, 9.0, lost=True)], 10.0, [])
    at_the_door = event("b", 11.0, tracks=(2,), kind="intrusion")
    where_it_was = event("c", 11.0, x=280, tracks=(3,), kind="intrusion")
    tracks = [track(2, 100, last_ts=11.0), track(3, 280, last_ts=11.0)]
    said = incidents.update([at_the_door, where_it_was], 11.0, tracks)
    assert [each.id for each in said] == ["b", "a"]


def test_a_bag_does_not_walk_off_with_whoever_left_it() -> None:
    incidents = Incidents([config()])
    bag = event("bag", 0.0, x=100, tracks=(1,), box_px=[95, 190, 105, 200])
    incidents.update([bag], 0.0, [track(1, 140, last_ts=0.0)])
    incidents.update([], 5.0, [track(1, 400, last_ts=5.0)])
    second = event("second", 6.0, tracks=(1,), box_px=[395, 190, 405, 200])
    assert incidents.update([second], 6.0, [track(1, 430, last_ts=6.0)]) == [second]
    # a blob flickers: another one at the same place
    again = event("again", 7.0, box_px=[94, 189, 106, 201])
    assert incidents.update([again], 7.0, [])[0].id == "bag"


# --- ends and bounds ---------------------------------------------------------------------------


def test_a_rule_that_stops_watching_ends_what_is_open_of_it() -> None:
    incidents = Incidents([config(), config("intrusion")])
    held, going, other = event("a", 0.0), event("b", 0.0, x=300), event("c", 0.0, kind="intrusion")
    incidents.update([held, going, other], 0.0)
    incidents.update([over(held, 2.0)], 3.0)
    assert [(e.id, e.end_ts) for e in incidents.cut("loitering rule", 5.0)] == [
        ("a", 2.0),
        ("b", 5.0),
    ]
    assert incidents.open == (other,)
    # the rule may say it as well, later
    assert incidents.update([over(going, 5.0)], 6.0) == []
    assert incidents.update([replace(going, id="d")], 7.0)[0].id == "d"


def test_at_the_end_what_was_over_is_closed_and_what_goes_on_is_not() -> None:
    incidents = Incidents([config()])
    gone, going = event("a", 0.0), event("b", 0.0, x=300)
    incidents.update([gone, going], 0.0)
    incidents.update([over(gone, 2.0, lost=True)], 3.0)
    assert [(e.id, e.end_ts, e.lost) for e in incidents.finish()] == [("a", 2.0, True)]
    assert incidents.open == (going,)


def test_an_incident_names_the_latest_tracks_and_the_highest_score() -> None:
    incidents = Incidents([config()])
    for number in range(50):
        raw = event(f"e{number}", float(number), tracks=(number,), score=0.9 if number == 7 else 0)
        (said,) = incidents.update([raw], number)
        incidents.update([over(raw, number + 0.5, lost=True)], number + 0.5)
    assert (said.id, said.score) == ("e0", 0.9)
    assert said.track_ids == tuple(range(50 - TRACKS, 50))
    assert said.details["seen_again"] == 49


def test_a_rule_states_its_event_again() -> None:
    """A crowd that grows, say."""
    incidents, raw = Incidents([config()]), event("a", 0.0, severity="low", tracks=(1,))
    incidents.update([raw], 0.0)
    more = replace(raw, severity="high", track_ids=(1, 2), details={**raw.details, "count": 7})
    (said,) = incidents.update([more], 1.0)
    assert (said.severity, said.track_ids) == ("high", (1, 2))
    assert said.details == {**raw.details, "count": 7}
    assert incidents.update([replace(more, severity="low")], 2.0) == []


def test_too_many_incidents_of_a_rule_close_the_oldest_and_say_so() -> None:
    incidents = Incidents([config(), config("intrusion")])
    other = event("other", 0.0, kind="intrusion")
    raws = [event(f"e{n}", 0.0, x=100.0 + 100 * n) for n in range(MAX_OPEN)]
    incidents.update([other, *raws], 0.0)
    incidents.update([over(raws[3], 1.0)], 2.0)
    extra = [event(f"x{n}", 3.0, x=-200.0 - 100 * n) for n in range(2)]
    # first what waits for whether it goes on, then what is oldest
    said = incidents.update(extra, 3.0)
    assert [(e.id, e.end_ts) for e in said] == [
        ("e3", 1.0),
        ("x0", None),
        ("e0", 3.0),
        ("x1", None),
    ]
    assert said[0].details["closed"] == "too many incidents of this rule are open"
    assert len(incidents.open) == MAX_OPEN + 1
    assert incidents.update([over(raws[0], 4.0)], 4.0) == [], "it was told already"


# --- what is no rule ----------------------------------------------------------------------------


def test_an_alert_is_open_until_its_event_ends() -> None:
    raw = event("e1", 10.0)
    alert = alert_of(raw, 1)
    assert (alert.id, alert.state, alert.version, alert.event) == ("e1", "open", 1, raw)
    assert alert_of(over(raw, 20.0), 2).state == "closed"
    assert alert_of(over(raw, 10.0), 1).state == "closed"
    with pytest.raises(ValueError, match="1 or more"):
        alert_of(raw, 0)


def down(kind: str = CAMERA_DOWN, camera: str = "cam1", **more: Any) -> Event:
    fields = {"start_ts": 10.0, "raised_ts": 12.5, "code": "stalled", "why": "no"}
    return of_stream(kind, camera, **(fields | more))


def test_an_outage_is_one_incident_whatever_its_cause() -> None:
    found = down()
    assert (found.kind, found.rule, found.place) == (CAMERA_DOWN, CAMERA_DOWN, "")
    assert found.details == {"code": "stalled", "why": "no"}
    assert (found.score, found.end_ts) == (1.0, None)
    assert down(code="unauthorized", why="?").id == found.id
    # a clock that was set back: the last picture is as it was, the outage is another
    assert down(raised_ts=99.0).id != found.id
    assert down(start_ts=10.01).id != found.id
    assert down(camera="cam2").id != found.id
    with pytest.raises(ValueError, match="raised no earlier"):
        down(raised_ts=9.0)


def test_kinds_of_the_stream_are_no_rules() -> None:
    assert not STREAM_KINDS.keys() & kinds().keys()
    assert {kind: down(kind).severity for kind in STREAM_KINDS} == STREAM_KINDS
    assert len({down(kind).id for kind in STREAM_KINDS}) == len(STREAM_KINDS)
    with pytest.raises(KeyError):
        down("loitering")


def test_ids_differ_where_anything_does() -> None:
    ids = [
        event_id("a", "b", "c", 1.0, "d"),
        event_id("a\0b", "", "c", 1.0, "d"),
        event_id("ab", "", "c", 1.0, "d"),
        event_id("a", "bc", "", 1.0, "d"),
        event_id("a", "b", "c", 1.001, "d"),
        event_id("a", "b", "c", 1.0, "e"),
    ]
    assert len(set(ids)) == len(ids)
    assert event_id("a", "b", "c", 1.0, "d") == ids[0]
    assert len(ids[0]) == 20
