"""What staff are told: severity, state, versions; and the camera itself as an incident."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vision.policy import CAMERA_DOWN, alert_of, camera_down
from vision.rules.base import event_id
from vision.types import Event

EVENT = Event(
    id="e1",
    kind="intrusion",
    rule="no entry",
    camera_id="cam1",
    place="yard",
    start_ts=10.0,
    raised_ts=10.5,
    end_ts=None,
    track_ids=(7,),
    score=0.5,
    details={"why": "inside"},
)


def down(**more: float | str | None) -> Event:
    fields = {"start_ts": 10.0, "raised_ts": 12.5, "end_ts": None, "code": "stalled", "why": "no"}
    return camera_down("cam1", **(fields | more))  # type: ignore[arg-type]


def test_an_alert_is_open_until_its_event_ends() -> None:
    alert = alert_of(EVENT, 1)
    assert (alert.id, alert.state, alert.version, alert.event) == ("e1", "open", 1, EVENT)
    ended = replace(EVENT, end_ts=20.0)
    assert alert_of(ended, 2).state == "closed"
    assert alert_of(replace(EVENT, end_ts=10.0), 1).state == "closed"
    with pytest.raises(ValueError, match="1 or more"):
        alert_of(EVENT, 0)


def test_an_outage_is_one_incident_whatever_its_cause() -> None:
    event = down()
    assert (event.kind, event.rule, event.place) == (CAMERA_DOWN, CAMERA_DOWN, "")
    assert event.details == {"code": "stalled", "why": "no"}
    assert event.score == 1.0
    assert down(code="unauthorized", why="?", end_ts=100.0).id == event.id
    # a clock that was set back: the last picture is as it was, the outage is another
    assert down(raised_ts=99.0).id != event.id
    assert down(start_ts=10.01).id != event.id
    other = camera_down(
        "cam2", start_ts=10.0, raised_ts=12.5, end_ts=None, code="stalled", why="no"
    )
    assert other.id != event.id


def test_times_in_the_wrong_order() -> None:
    with pytest.raises(ValueError, match="raised no earlier"):
        down(raised_ts=9.0)
    with pytest.raises(ValueError, match="does not end before"):
        down(end_ts=9.0)


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
