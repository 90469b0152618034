"""The JSON Schema of an alert says what the API gives, no less and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from api.alert_bodies import AlertOut
from api.standards.alert_schema import alert_schema
from streams.messages import SCHEMA
from tests.api.served import DAY
from tests.api.stored_alerts import stored

PUBLISHED = Path(__file__).parents[3] / "docs/schema/alert.schema.json"


def given(**more: Any) -> Any:
    return json.loads(AlertOut.of(stored(**more)).model_dump_json())


def test_the_published_schema_is_up_to_date() -> None:
    assert json.loads(PUBLISHED.read_text("utf-8")) == alert_schema(), (
        "run: matakota alerts schema > docs/schema/alert.schema.json"
    )


def test_its_version_is_that_of_the_wire() -> None:
    assert alert_schema()["$id"] == f"urn:matakota:schema:alert:{SCHEMA}"


def test_it_is_a_schema_that_knows_every_field() -> None:
    schema: Any = alert_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(schema)
    assert set(schema["properties"]) == set(given()) == set(schema["required"])


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"state": "closed", "end_ts": DAY + 9, "version": 3, "severity": "critical"},
        {"acknowledged_at": DAY + 5, "acknowledged_by": "room1", "status": "acknowledged"},
        {"status": "resolved", "outcome": "false", "note": "a dog", "resolved_by": "room1"},
        {"track_ids": (), "place": "", "details": {"deep": [{"x": None}]}, "synthetic": True},
    ],
)
def test_what_is_given_fits(more: dict[str, Any]) -> None:
    validator = jsonschema_rs.validator_for(alert_schema(), validate_formats=True)
    validator.validate(given(**more))


@pytest.mark.parametrize(
    "wrong", [{"start": "yesterday"}, {"severity": "odd"}, {"version": "1"}, {"id": None}]
)
def test_what_is_wrong_does_not_fit(wrong: dict[str, Any]) -> None:
    validator = jsonschema_rs.validator_for(alert_schema(), validate_formats=True)
    assert not validator.is_valid(given() | wrong)
    partial = given()
    del partial[next(iter(wrong))]
    assert not validator.is_valid(partial)
