"""The shapes in which alerts are exported, as the API and the command line give them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from api.delivery.payload import encoded, stored_event
from api.standards.onvif import XML_HEAD, XML_TAIL, as_json, as_xml, notifications
from api.store import StoredAlert
from streams.messages import CANARY

Format: TypeAlias = Literal["cloudevents", "onvif", "onvif-xml"]
PIECE: Final = 200
"""Alerts that are read and written at once."""


@dataclass(frozen=True, slots=True)
class Shape:
    """``head``, the lines of any number of alerts and ``tail`` are one file, whose name ends with
    ``suffix``."""

    media: str
    suffix: str
    write: Callable[[StoredAlert], str]
    head: str = ""
    tail: str = ""

    def lines(self, alerts: Iterable[StoredAlert]) -> str:
        """Their lines, none for canaries, which tell of nothing."""
        return "".join(self.write(alert) for alert in alerts if alert.kind != CANARY)


SHAPES: Final[Mapping[Format, Shape]] = {
    "cloudevents": Shape(
        "application/x-ndjson",
        "cloudevents.ndjson",
        lambda alert: encoded(stored_event(alert)).decode() + "\n",
    ),
    "onvif": Shape(
        "application/x-ndjson",
        "onvif.ndjson",
        lambda alert: "".join(map(as_json, notifications(alert))),
    ),
    "onvif-xml": Shape(
        "application/xml",
        "onvif.xml",
        lambda alert: "".join(map(as_xml, notifications(alert))),
        XML_HEAD,
        XML_TAIL,
    ),
}
