"""The JSON Schema of an alert as this program gives it away, made from what the API answers."""

from __future__ import annotations

from typing import Final, TypeAlias

from api.alert_bodies import AlertOut
from streams.messages import SCHEMA
from vision.types import JsonValue

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ALERT_SCHEMA_ID: Final = f"urn:matakota:schema:alert:{SCHEMA}"
"""Names the schema of one alert; its last part rises with what is not understood by who read the
one before. New fields alone do not raise it."""
ALERTS_SCHEMA_ID: Final = f"{ALERT_SCHEMA_ID}#/$defs/Alerts"
"""Names the part of it that is for several alerts together."""
JsonObject: TypeAlias = dict[str, JsonValue]


def alert_schema() -> JsonObject:
    """The schema: its root is one alert, ``$defs/Alerts`` any number of them."""
    schema: JsonObject = AlertOut.model_json_schema(mode="serialization")
    alerts: JsonObject = {
        "type": "object",
        "title": "Alerts",
        "description": "Several alerts together; none in a test.",
        "properties": {
            "ids": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Of all of them.",
            },
            "alerts": {
                "type": "array",
                "items": {"$ref": "#"},
                "description": "The first ones; of many the others are named by 'ids' alone.",
            },
        },
        "required": ["ids", "alerts"],
    }
    known = schema.pop("$defs", None)
    definitions: JsonObject = known if isinstance(known, dict) else {}
    head: JsonObject = {"$schema": DIALECT, "$id": ALERT_SCHEMA_ID}
    return head | schema | {"title": "Alert", "$defs": definitions | {"Alerts": alerts}}
