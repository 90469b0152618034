"""The wire schema: what is stated comes back, what does not fit is said and never guessed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.health import Code, State
from streams.messages import (
    MAX_BODY_BYTES,
    MAX_NAME_CHARS,
    AlertMessage,
    Count,
    CountsMessage,
    LateCount,
    MessageError,
    NewerMessageError,
    decode,
    encode,
)
from streams.reports import CameraReport, HealthReport, decode_report
from tests.streams.statements import alert, counts
from vision.bins import Binner, Interval
from vision.paces import Pace
from vision.policy import CAMERA_DOWN, alert_of, of_stream
from vision.scene import Line, Movement
from vision.types import Crossing, Event, Late, Trip

TS = 1_700_000_040.0
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
EVENT = Event(
    id="0123abcd",
    kind="intrusion",
    rule="kein Zutritt → Hof",
    camera_id="cam1",
    place="Hof",
    start_ts=TS,
    raised_ts=TS + 0.5,
    end_ts=None,
    track_ids=(3, 4),
    score=0.875,
    details={"why": "ü", "foot_px": [1.5, 2], "n": None, "deep": {"a": [True]}},
    severity="low",
)


def altered(message: AlertMessage | CountsMessage, **fields: Any) -> str:
    return json.dumps(json.loads(encode(message)) | fields)


def refused(body: str | bytes, *words: str) -> None:
    with pytest.raises(MessageError) as caught:
        decode(body)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


# --- what is stated comes back


def test_an_alert_comes_back_as_it_was_seen() -> None:
    message = AlertMessage.of(alert_of(EVENT, 1), revision=4, synthetic=True)
    back = decode(encode(message))
    assert isinstance(back, AlertMessage)
    assert back == message
    assert "\n" not in encode(message)
    assert (back.id, back.state, back.severity, back.end_ts) == ("0123abcd", "open", "low", None)
    assert (back.revision, back.synthetic, back.track_ids) == (4, True, (3, 4))
    assert back.details == EVENT.details
    assert back.key == "alert:0123abcd:1"
    assert back.event == EVENT
    ended = AlertMessage.of(alert_of(replace(EVENT, end_ts=TS + 9), 2), revision=4, synthetic=False)
    assert (ended.state, ended.end_ts, ended.key) == ("closed", TS + 9, "alert:0123abcd:2")


def test_an_outage_is_an_alert_too() -> None:
    event = of_stream(
        CAMERA_DOWN, "cam1", start_ts=TS, raised_ts=TS + 2, code="stalled", why="no pictures"
    )
    message = AlertMessage.of(alert_of(event, 1), revision=1, synthetic=False)
    assert decode(encode(message)) == message
    assert message.place == ""


def test_closing_is_the_next_statement() -> None:
    message = alert(1, version=3)
    closed = message.closed(message.start_ts + 7, "the worker stopped")
    assert (closed.state, closed.version, closed.end_ts) == ("closed", 4, message.start_ts + 7)
    assert closed.details == {"why": "somebody → inside", "closed": "the worker stopped"}
    assert message.details == {"why": "somebody → inside"}
    assert decode(encode(closed)) == closed
    assert message.closed(0.0, "a clock was set back").end_ts == message.start_ts


def test_counts_come_back_as_they_were_counted() -> None:
    lines = [Line("Tor", np.zeros((2, 2)), "hinein", "hinaus")]
    binner = Binner("cam1", lines, ("person", "bicycle"), 5)
    passed = Crossing("cam1", "Tor", "hinaus", "bicycle", 1, TS, 0.0, 0.0)
    binner.update(TS, [passed, passed])
    (interval,) = binner.flush(TS + 1)
    message = CountsMessage.of(interval, synthetic=True)
    back = decode(encode(message))
    assert back == message
    assert isinstance(back, CountsMessage)
    assert back.counts == (Count(line="Tor", direction="hinaus", class_name="bicycle", count=2),)
    assert (back.camera, back.start_ts, back.seconds, back.revision) == ("cam1", TS, 60, 5)
    assert (back.version, back.observed_s, back.frames) == (1, 1.0, 1)
    assert back.lines == {"Tor": ("hinein", "hinaus")}
    assert back.classes == ("person", "bicycle")
    assert back.synthetic
    assert json.loads(encode(message))["counts"][0]["class"] == "bicycle"
    assert back.key == f"counts:cam1:{TS:.0f}:5:1"


def test_trips_and_who_came_late_come_back() -> None:
    junction = Movement("junction", ("north",), ("south", "east"))
    binner = Binner("cam1", [], ("car",), 5, movements=[junction])
    trip = Trip("cam1", "junction", "north", None, "car", 1, TS - 2, TS)
    binner.update(TS, [], [trip], [Late("cam1", "Tor", "hinein", "car", 2, TS, 1.0, 2.0)])
    message = CountsMessage.of(binner.flush(TS + 1)[0], synthetic=False)
    assert decode(encode(message)) == message
    assert message.lines["junction"] == (
        "north → south",
        "north → east",
        "north → unknown",
        "unknown → south",
        "unknown → east",
        "unknown → unknown",
    )
    (count,) = message.counts
    assert (count.line, count.direction, count.count) == ("junction", "north → unknown", 1)
    assert message.late == (LateCount(line="Tor", direction="hinein", count=1),)


def test_counts_of_an_earlier_version_are_read() -> None:
    body = {**json.loads(encode(counts())), "schema_version": 1}
    for later in ("late", "observed", "blind_s", "paces", "occupied"):
        del body[later]
    back = decode(json.dumps(body))
    assert isinstance(back, CountsMessage)
    assert (back.late, back.observed, back.blind_s) == ((), {}, 0.0)
    assert (back.paces, back.occupied) == ((), {})
    assert back.counts == counts().counts


def test_an_interval_comes_back_whole() -> None:
    car = ("gate", "in", "car")
    stated = Interval(
        camera_id="cam1",
        start_ts=TS,
        seconds=60,
        revision=2,
        version=3,
        observed_s=41.5,
        frames=200,
        lines={"gate": ("in", "out"), "pier": ("on", "off")},
        classes=("car", "bus"),
        counts={car: 3, ("pier", "off", "bus"): 1},
        late={("gate", "in"): 2},
        observed={"gate": 41.5, "pier": 12.0},
        blind_s=7.25,
        paces={car: Pace(2, 0.18)},
        occupied={"gate": 4.5},
        synthetic=True,
    )
    message = decode(encode(CountsMessage.of(stated, synthetic=True)))
    assert isinstance(message, CountsMessage)
    assert message.interval == stated


def test_no_more_have_a_speed_than_were_counted() -> None:
    (passed, *_) = json.loads(encode(counts()))["counts"]
    pace = {k: passed[k] for k in ("line", "direction", "class")} | {"s_per_m": 0.1}
    message = decode(altered(counts(), paces=[pace | {"measured": passed["count"]}]))
    assert isinstance(message, CountsMessage)
    assert [each.measured for each in message.paces] == [passed["count"]]
    for wrong in (pace | {"measured": passed["count"] + 1}, pace | {"measured": 1, "line": "x"}):
        refused(altered(counts(), paces=[wrong]), "more have a speed than were counted")


def test_keys_tell_statements_apart() -> None:
    messages = [
        alert(1),
        alert(1, version=2),
        alert(11),
        counts(),
        counts(version=2),
        counts(TS + 60),
        counts(revision=2),
        counts(camera="cam2"),
    ]
    assert len({message.key for message in messages}) == len(messages)


@given(
    place=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80),
    name=NAMES.map(lambda text: text[:MAX_NAME_CHARS]),
    details=st.dictionaries(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=5,
        ),
        max_size=4,
    ),
)
def test_whatever_names_hold_comes_back(place: str, name: str, details: dict[str, Any]) -> None:
    message = alert(1, place=place, rule=name, camera=name, details=details)
    assert decode(encode(message)) == message


def test_a_health_report_comes_back() -> None:
    camera = CameraReport(
        camera="cam1", name="Tor", source="rtsp", state=State.DOWN, code=Code.STALLED,
        message="no pictures", since_ts=TS, last_frame_ts=None, width=None, height=None,
        analysed=5, dropped=0, connects=1, revision=1,
    )  # fmt: skip
    report = HealthReport(worker="w", ts=TS, problem=None, waiting=3, cameras=(camera,))
    assert decode_report(encode(report)) == report
    for body in ("", "{}", "[1]", encode(alert(1)), encode(report).replace("stalled", "bored")):
        with pytest.raises(MessageError, match="does not fit schema 2"):
            decode_report(body)


# --- what does not fit


@pytest.mark.parametrize(
    "body",
    ["", "null", "[]", "{}", "{", '"alert"', b"\xff\xfe", "NaN", '{"type": "song"}', "[" * 5000],
)
def test_what_is_no_message(body: str | bytes) -> None:
    refused(body, "does not fit schema 2")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema_version", 0),
        ("id", ""),
        ("id", "a b"),
        ("id", "a" * 81),
        ("id", "a\n"),
        ("version", 0),
        ("version", 1 << 31),
        ("version", 1.5),
        ("camera", ""),
        ("camera", "x" * (MAX_NAME_CHARS + 1)),
        ("camera", "a\0b"),
        ("place", "\0"),
        ("severity", "grave"),
        ("state", "acknowledged"),
        ("start_ts", -1),
        ("start_ts", 1e300),
        ("start_ts", "yesterday"),
        ("score", 1.01),
        ("details", []),
        ("details", None),
        ("details", {"why": "a\0b"}),
        ("details", {"deep": [{"a\0": 1}]}),
        ("track_ids", ["x"]),
        ("revision", -1),
        ("surprise", 1),
    ],
)
def test_alerts_that_do_not_fit_name_the_field(field: str, value: object) -> None:
    refused(altered(alert(1), **{field: value}), "does not fit schema 2", field)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none(text: str) -> None:
    body = encode(alert(1, details={"n": 123456}))
    refused(body.replace("123456", text), "does not fit")
    refused(encode(alert(1)).replace("1700000000.5", text), "does not fit")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seconds", 0),
        ("seconds", 901),
        ("seconds", 7),
        ("observed_s", -0.1),
        ("observed_s", 901),
        ("blind_s", -1),
        ("occupied", {"gate": -1}),
        ("paces", [{"line": "gate", "direction": "in", "class": "p", "measured": 0, "s_per_m": 1}]),
        ("paces", [{"line": "gate", "direction": "in", "class": "p", "measured": 1, "s_per_m": 0}]),
        ("frames", -1),
        ("lines", {"gate": "in"}),
        ("lines", {"gate": ["in", ""]}),
        ("late", [{"line": "gate", "direction": "in", "count": -1}]),
        ("late", [{"line": "gate", "direction": "in"}]),
        ("late", [{"line": "gate", "direction": "in", "count": 1, "class": "person"}]),
        ("counts", [{"line": "gate", "direction": "in", "class": "person", "count": -1}]),
        ("counts", [{"line": "gate", "direction": "in", "class": "person"}]),
        ("counts", [{"line": "gate", "direction": "in", "class": "p", "count": 1, "x": 1}]),
    ],
)
def test_counts_that_do_not_fit_name_the_field(field: str, value: object) -> None:
    refused(altered(counts(), **{field: value}), "does not fit schema 4", field)


def test_a_later_schema_is_told_from_a_mistake() -> None:
    for more in ({}, {"type": "song"}, {"surprise": 1}):
        with pytest.raises(NewerMessageError, match=r"schema 3, .*: install the newer version"):
            decode(altered(alert(1), schema_version=3, **more))
    with pytest.raises(NewerMessageError, match=r"schema 5, .* reads up to 4: install the newer"):
        decode(altered(counts(), schema_version=5, surprise=1))
    for wrong in ("2", 2.5, None, [2]):
        with pytest.raises(MessageError) as caught:
            decode(altered(alert(1), schema_version=wrong))
        assert not isinstance(caught.value, NewerMessageError), wrong


def test_a_message_that_is_too_long_is_not_read() -> None:
    body = altered(alert(1), details={"why": "x" * MAX_BODY_BYTES})
    refused(body, f"at most {MAX_BODY_BYTES} bytes")
    refused(body.encode(), f"at most {MAX_BODY_BYTES} bytes")


def test_an_error_does_not_repeat_what_it_was_given() -> None:
    with pytest.raises(MessageError) as caught:
        decode(altered(alert(1), severity="kanarie-9f3"))
    assert "kanarie" not in str(caught.value)
