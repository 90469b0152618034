"""Alerts as ONVIF events (Profile M): a topic, where it is from, what holds, as WS-BaseNotification
messages in XML or the same in JSON.

Topics of ``tns1`` and their items are of the ONVIF Analytics Service Specification, annex
"Specified Rules", and the Imaging Service Specification, "Events". Where those have none, the topic
is our own, in the namespace ``mtk``, as is each item that the standard does not name. The items of
the source are called as in version 21.06 of the former, by which receivers know them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias
from xml.etree import ElementTree as ET

from api.standards.alert_schema import JsonObject
from api.store.alerts import StoredAlert
from api.times import iso

NAMESPACES: Final[Mapping[str, str]] = {
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "tt": "http://www.onvif.org/ver10/schema",
    "tns1": "http://www.onvif.org/ver10/topics",
    "mtk": "urn:matakota:onvif:topics",
}
DIALECT: Final = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
ANALYTICS: Final = "matakota"
"""What stands for the analytics configuration, of which there is one."""
Operation: TypeAlias = Literal["Initialized", "Changed", "Deleted"]
Items: TypeAlias = tuple[tuple[str, str | bool], ...]
Shape: TypeAlias = Literal["line", "field", "loitering", "objects", "imaging", "own"]
# XML 1.0 has no way to write these
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Topic:
    """``shape`` is that of its items: a line's crossing is an event of one moment, everything else
    a property, which holds for a while."""

    name: str
    shape: Shape = "own"

    @property
    def standard(self) -> bool:
        return self.name.startswith("tns1:")


_FIELD: Final = Topic("tns1:RuleEngine/FieldDetector/ObjectsInside", "field")
_SCENE: Final = Topic("tns1:VideoSource/GlobalSceneChange/AnalyticsService", "imaging")
TOPICS: Final[Mapping[str, Topic]] = {
    "abandoned_object": Topic("tns1:RuleEngine/ObjectAbandoned", "objects"),
    "camera_covered": _SCENE,
    "camera_dark": Topic("tns1:VideoSource/ImageTooDark/AnalyticsService", "imaging"),
    "camera_defocused": Topic("tns1:VideoSource/ImageTooBlurry/AnalyticsService", "imaging"),
    "camera_down": Topic("tns1:VideoSource/SignalLoss", "imaging"),
    "camera_frozen": Topic("mtk:VideoSource/ImageFrozen", "imaging"),
    "camera_moved": _SCENE,
    "chain_broken": Topic("mtk:System/ChainBroken"),
    "channel_broken": Topic("mtk:System/ChannelBroken"),
    "clock_skew": Topic("mtk:VideoSource/ClockWrong", "imaging"),
    "congestion": Topic("mtk:RuleEngine/Congestion"),
    "crowd": Topic("mtk:RuleEngine/Crowd"),
    "crowd_density": Topic("mtk:RuleEngine/CrowdDensity"),
    "dead_letter": Topic("mtk:System/DeadLetter"),
    "gathering": Topic("mtk:RuleEngine/Gathering"),
    "heavy_vehicle": _FIELD,
    "illegal_parking": Topic("mtk:RuleEngine/IllegalParking"),
    "intrusion": _FIELD,
    "line_crossing": Topic("tns1:RuleEngine/LineDetector/Crossed", "line"),
    "loitering": Topic("tns1:RuleEngine/LoiteringDetector/ObjectIsLoitering", "loitering"),
    "pedestrian_on_road": _FIELD,
    "person_down": Topic("mtk:RuleEngine/PersonDown"),
    "queue": Topic("mtk:RuleEngine/Queue"),
    "removed_object": Topic("tns1:RuleEngine/ObjectRemoved", "objects"),
    "site_down": Topic("mtk:System/SiteDown"),
    "smoke_fire": Topic("mtk:RuleEngine/SmokeOrFire"),
    "speeding": Topic("mtk:RuleEngine/Speeding"),
    "stopped_vehicle": Topic("mtk:RuleEngine/StoppedVehicle"),
    "stream_corrupt": Topic("mtk:VideoSource/StreamDamaged", "imaging"),
    "watchdog_missing": Topic("mtk:System/WatchdogMissing"),
    "wrong_way": Topic("mtk:RuleEngine/WrongWay"),
}
"""By kind of alert."""
OTHER: Final = Topic("mtk:RuleEngine/Other")
"""Of kinds that other programs made up; the item ``mtk:Kind`` names them."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One ONVIF message. ``operation`` is None for an event of one moment."""

    topic: Topic
    ts: float
    operation: Operation | None
    source: Items
    key: Items
    data: Items


def topic_of(kind: str) -> Topic:
    return TOPICS.get(kind, OTHER)


def notifications(alert: StoredAlert) -> list[Notification]:
    """What an alert says as ONVIF messages, in the order of time: that it began, that it changed
    where it lasts and has changed, and that it is over. Items are as they were last stated, since
    what they were between is not kept."""
    topic = topic_of(alert.kind)
    began = Notification(
        topic,
        alert.start_ts,
        "Initialized",
        _source(alert, topic),
        (("mtk:AlertId", alert.id),),
        _data(alert, topic, holds=True),
    )
    if topic.shape == "line":
        return [replace(began, operation=None)]
    if alert.end_ts is not None:
        data = _data(alert, topic, holds=False)
        return [began, replace(began, ts=alert.end_ts, operation="Deleted", data=data)]
    if alert.version > 1:
        return [began, replace(began, ts=alert.updated_at, operation="Changed")]
    return [began]


def _source(alert: StoredAlert, topic: Topic) -> Items:
    if topic.shape == "imaging":
        return (("Source", alert.camera),)
    return (
        ("VideoSourceConfigurationToken", alert.camera),
        ("VideoAnalyticsConfigurationToken", ANALYTICS),
        ("Rule", alert.rule),
    )


def _data(alert: StoredAlert, topic: Topic, *, holds: bool) -> Items:
    data: list[tuple[str, str | bool]] = []
    if topic.shape in {"imaging", "own"}:
        data.append(("State", holds))
    elif topic.shape == "field":
        data.append(("IsInside", holds))
    if topic.shape != "imaging" and alert.track_ids:
        # a list as XML Schema writes it
        data.append(("ObjectId", " ".join(map(str, alert.track_ids))))
    if topic.shape == "loitering":
        data.append(("Since", iso(alert.start_ts)))
    data += [("mtk:Kind", alert.kind), ("mtk:Severity", alert.severity)]
    if alert.place:
        data.append(("mtk:Place", alert.place))
    return tuple(data)


def as_json(notification: Notification) -> str:
    """One line. Items are fields, those that are true or false are so in JSON too."""
    said: JsonObject = {"Topic": notification.topic.name, "UtcTime": iso(notification.ts)}
    if notification.operation is not None:
        said["PropertyOperation"] = notification.operation
    parts = {
        "Source": notification.source,
        "Key": notification.key,
        "Data": notification.data,
    }
    for name, items in parts.items():
        said[name] = dict(items)
    # escaped, so that no name can end the line or hold what has no bytes
    return json.dumps(said) + "\n"


XML_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<wsnt:Notify '
    + " ".join(f'xmlns:{prefix}="{name}"' for prefix, name in NAMESPACES.items())
    + ">\n"
)
XML_TAIL: Final = "</wsnt:Notify>\n"
"""``XML_HEAD``, any number of ``as_xml`` and this are one document."""


def as_xml(notification: Notification) -> str:
    """One ``wsnt:NotificationMessage`` on a line; ``XML_HEAD`` declares its prefixes."""
    # written out with their prefixes, which topics and names of items need to be declared as well
    message = ET.Element("wsnt:NotificationMessage")
    ET.SubElement(message, "wsnt:Topic", Dialect=DIALECT).text = notification.topic.name
    holder = ET.SubElement(message, "wsnt:Message")
    inner = ET.SubElement(holder, "tt:Message", UtcTime=iso(notification.ts))
    if notification.operation is not None:
        inner.set("PropertyOperation", notification.operation)
    _items(inner, "tt:Source", notification.source)
    _items(inner, "tt:Key", notification.key)
    _items(inner, "tt:Data", notification.data)
    return ET.tostring(message, encoding="unicode") + "\n"


def _items(parent: ET.Element, name: str, items: Items) -> None:
    part = ET.SubElement(parent, name)
    for item, value in items:
        text = str(value).lower() if isinstance(value, bool) else value
        ET.SubElement(part, "tt:SimpleItem", Name=item, Value=_UNWRITABLE.sub("\ufffd", text))
