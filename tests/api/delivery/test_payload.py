"""Messages as CloudEvents: what the specification asks for, and the alert's own schema."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest

from api.delivery.payload import MAX_SHOWN, cloud_event, encoded, stored_event
from api.standards.alert_schema import ALERT_SCHEMA_ID, ALERTS_SCHEMA_ID, alert_schema
from api.store.letters import Letter
from tests.api.served import DAY
from tests.api.stored_alerts import stored

# What version 1.0 of the specification asks of an event in structured JSON. Attributes are named
# in lower case letters and digits.
CLOUD_EVENT: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "propertyNames": {"pattern": "^[a-z0-9]+$|^data_base64$", "maxLength": 20},
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "format": "uri", "minLength": 1},
        "type": {"type": "string", "pattern": r"^id\.matakota(\.[a-z]+)+\.v1$"},
        "subject": {"type": "string", "minLength": 1},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"type": "string", "format": "uri"},
        "escalation": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
        "data": {"type": "object"},
    },
    "additionalProperties": False,
}
SPEC = jsonschema_rs.validator_for(CLOUD_EVENT, validate_formats=True)


def data_validator(name: str) -> Any:
    schema = alert_schema()
    root = {"$schema": schema["$schema"], "$ref": name}
    registry = jsonschema_rs.Registry([(ALERT_SCHEMA_ID, schema)])
    return jsonschema_rs.validator_for(root, registry=registry, validate_formats=True)


def letter(what: str = "opened", *alert_ids: str, **more: Any) -> Letter:
    known = Letter(
        id="n-17",
        notice=17,
        channel="hook",
        what=what,
        alerts=tuple(stored(each) for each in alert_ids),
        urgent=False,
        attempt=0,
        created_at=DAY + 3,
    )
    return replace(known, **more)


@pytest.mark.parametrize(
    ("sent", "kind", "subject"),
    [
        (letter("opened", "a"), "alert.opened", "a"),
        (letter("severity:critical", "a"), "alert.severity", "a"),
        (letter("closed", "a"), "alert.closed", "a"),
        (letter("escalated:2", "a"), "alert.escalated", "a"),
        (letter("opened", "a", "b"), "alert.digest", None),
        (letter("test:t-3"), "test", "t-3"),
    ],
)
def test_every_letter_is_a_cloud_event(sent: Letter, kind: str, subject: str | None) -> None:
    event: Any = json.loads(encoded(cloud_event(sent)))
    SPEC.validate(event)
    assert event["type"] == f"id.matakota.{kind}.v1"
    assert event.get("subject") == subject
    assert (event["id"], event["source"], event["time"]) == (
        "n-17", "urn:matakota", "2026-01-31T00:00:03.000Z",
    )  # fmt: skip
    data_validator(event["dataschema"]).validate(event["data"])
    alone = len(sent.alerts) == 1
    assert event["dataschema"] == (ALERT_SCHEMA_ID if alone else ALERTS_SCHEMA_ID)
    given = [event["data"]] if alone else event["data"]["alerts"]
    assert [each["id"] for each in given] == [each.id for each in sent.alerts]


def test_a_large_digest_names_all_and_shows_the_first() -> None:
    names = [f"a{number}" for number in range(MAX_SHOWN + 7)]
    event: Any = json.loads(encoded(cloud_event(letter("opened", *names))))
    data_validator(event["dataschema"]).validate(event["data"])
    assert event["data"]["ids"] == names
    assert [each["id"] for each in event["data"]["alerts"]] == names[:MAX_SHOWN]


def test_a_digest_is_no_larger_than_servers_take() -> None:
    words = {"why": "x" * 200_000}
    sent = replace(
        letter("opened", "a"), alerts=tuple(stored(each, details=words) for each in "abcdef")
    )
    event: Any = json.loads(encoded(cloud_event(sent)))
    assert event["data"]["ids"] == [*"abcdef"]
    assert [each["id"] for each in event["data"]["alerts"]] == ["a", "b"]


def test_how_often_it_was_escalated_is_said() -> None:
    assert cloud_event(letter("escalated:2", "a"))["escalation"] == 2
    assert "escalation" not in cloud_event(letter("opened", "a"))


def test_the_bytes_are_the_same_for_the_same_and_for_another_try() -> None:
    first = encoded(cloud_event(letter("opened", "a", "b")))
    again = letter("opened", "a", "b", attempt=5, urgent=True, notice=18)
    assert encoded(cloud_event(again)) == first
    changed = letter("opened", "a", "c")
    assert encoded(cloud_event(changed)) != first


@pytest.mark.parametrize("text", ["\ud800", "\u2028", "a\nb", "é"])
def test_any_text_of_an_alert_is_one_line_of_json(text: str) -> None:
    odd = letter("opened", alerts=(stored(details={"why": text}),))
    line = encoded(cloud_event(odd))
    assert len(line.splitlines()) == 1
    assert json.loads(line)["data"]["details"] == {"why": text}


def test_a_stored_alert_has_another_id_after_each_change() -> None:
    event: Any = json.loads(encoded(stored_event(stored(position=7))))
    SPEC.validate(event)
    data_validator(event["dataschema"]).validate(event["data"])
    assert event["id"] == "a/7"
    assert stored_event(stored(position=8))["id"] == "a/8"


def test_the_specification_can_be_broken() -> None:
    event = cloud_event(letter("opened", "a"))
    for wrong in ({"id": ""}, {"time": "now"}, {"specversion": "0.3"}, {"Odd": 1}):
        assert not SPEC.is_valid(event | wrong)
