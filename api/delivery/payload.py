"""A message as a CloudEvent 1.0 in structured JSON: what webhooks get, and what is exported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from api.alert_bodies import AlertOut
from api.standards.alert_schema import ALERT_SCHEMA_ID, ALERTS_SCHEMA_ID, JsonObject
from api.store.alerts import StoredAlert
from api.store.letters import Letter
from api.times import iso
from vision.types import JsonValue

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
SPEC_VERSION: Final = "1.0"
TYPES: Final = {
    "opened": "id.matakota.alert.opened.v1",
    "severity": "id.matakota.alert.severity.v1",
    "closed": "id.matakota.alert.closed.v1",
    "escalated": "id.matakota.alert.escalated.v1",
}
STORED_TYPE: Final = "id.matakota.alert.stored.v1"
"""Of an alert that is exported as it is, for no other reason."""
SOURCE: Final = "urn:matakota"
"""This program, whichever installation it is: ids of letters differ from one to another."""
MAX_SHOWN: Final = 100
MAX_SHOWN_BYTES: Final = 500_000
"""So many alerts of a digest are in it whole, and so many bytes of them beyond the first; of the
others their ids. Many web servers take no more than a mebibyte."""
DIGEST_TYPE: Final = "id.matakota.alert.digest.v1"
TEST_TYPE: Final = "id.matakota.test.v1"


def cloud_event(letter: Letter) -> dict[str, JsonValue]:
    """``letter`` as a CloudEvent, whose ``data`` is its alert, or where there are several or none
    an object with the ``ids`` of all, and with the first of them as ``alerts``. The number of
    tries is not in it, so that a repeated one can be told by its ``id`` alone and differs only
    where an alert changed meanwhile."""
    why, _, rest = letter.what.partition(":")
    event: JsonObject = {
        "specversion": SPEC_VERSION,
        "id": letter.id,
        "source": SOURCE,
        "type": _type(letter, why),
    }
    if len(letter.alerts) == 1:
        event["subject"] = letter.alerts[0].id
    elif why == "test" and rest:
        event["subject"] = rest
    event["time"] = iso(letter.created_at)
    event["datacontenttype"] = "application/json"
    if why == "escalated" and rest.isdecimal():
        event["escalation"] = int(rest)
    shown = _shown(letter.alerts)
    if len(letter.alerts) == 1:
        return event | {"dataschema": ALERT_SCHEMA_ID, "data": shown[0]}
    ids: list[JsonValue] = [alert.id for alert in letter.alerts]
    return event | {"dataschema": ALERTS_SCHEMA_ID, "data": {"ids": ids, "alerts": shown}}


def stored_event(alert: StoredAlert) -> dict[str, JsonValue]:
    """An alert as it is now as a CloudEvent; its ``id`` is another one after each change."""
    return {
        "specversion": SPEC_VERSION,
        # no id of an alert has a slash
        "id": f"{alert.id}/{alert.position}",
        "source": SOURCE,
        "type": STORED_TYPE,
        "subject": alert.id,
        "time": iso(alert.updated_at),
        "datacontenttype": "application/json",
        "dataschema": ALERT_SCHEMA_ID,
        "data": _said(alert),
    }


def encoded(event: dict[str, JsonValue]) -> bytes:
    """``event`` as the bytes of one line, the same for the same event: what is sent and signed."""
    # escaped, since details may hold half of a pair of surrogates, which has no bytes
    return json.dumps(event, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()


def _shown(alerts: Sequence[StoredAlert]) -> list[JsonValue]:
    """Those that are in a message whole."""
    found: list[JsonValue] = []
    total = 0
    for alert in alerts[:MAX_SHOWN]:
        said = _said(alert)
        total += len(encoded(said))
        if found and total > MAX_SHOWN_BYTES:
            break
        found.append(said)
    return found


def _said(alert: StoredAlert) -> JsonObject:
    said: JsonObject = AlertOut.of(alert).model_dump(mode="json", by_alias=True)
    return said


def _type(letter: Letter, why: str) -> str:
    if why == "test":
        return TEST_TYPE
    return DIGEST_TYPE if letter.digest else TYPES[why]
