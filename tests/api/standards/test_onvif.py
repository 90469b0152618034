"""Alerts as ONVIF events: topics, items, and documents that can be read whatever is in an alert."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from api.kinds import KINDS
from api.standards.onvif import (
    NAMESPACES,
    OTHER,
    TOPICS,
    XML_HEAD,
    XML_TAIL,
    Notification,
    as_json,
    as_xml,
    notifications,
    topic_of,
)
from api.store import StoredAlert
from tests.api.served import DAY
from tests.api.stored_alerts import stored

DOCS = Path(__file__).parents[3] / "docs/standards.md"
END = {"state": "closed", "end_ts": DAY + 60, "version": 2}
# As the Analytics and the Imaging Service Specification write them.
OF_THE_STANDARD = {
    "tns1:RuleEngine/FieldDetector/ObjectsInside",
    "tns1:RuleEngine/LineDetector/Crossed",
    "tns1:RuleEngine/LoiteringDetector/ObjectIsLoitering",
    "tns1:RuleEngine/ObjectAbandoned",
    "tns1:RuleEngine/ObjectRemoved",
    "tns1:VideoSource/GlobalSceneChange/AnalyticsService",
    "tns1:VideoSource/ImageTooBlurry/AnalyticsService",
    "tns1:VideoSource/ImageTooDark/AnalyticsService",
    "tns1:VideoSource/SignalLoss",
}


def said(alert: StoredAlert) -> list[Any]:
    return [json.loads(as_json(each)) for each in notifications(alert)]


def document(notices: list[Notification]) -> ET.Element:
    return ET.fromstring(XML_HEAD + "".join(map(as_xml, notices)) + XML_TAIL)  # noqa: S314


def items(root: ET.Element) -> list[tuple[str | None, str | None]]:
    found = root.iter(f"{{{NAMESPACES['tt']}}}SimpleItem")
    return [(item.get("Name"), item.get("Value")) for item in found]


def test_every_kind_has_a_topic_of_the_standard_or_one_of_ours() -> None:
    assert set(TOPICS) == set(KINDS)
    names = {topic.name for topic in TOPICS.values()}
    assert {name for name in names if name.startswith("tns1:")} == OF_THE_STANDARD
    ours = names - OF_THE_STANDARD
    assert ours
    assert all(re.fullmatch(r"mtk:(RuleEngine|VideoSource|System)/[A-Za-z]+", n) for n in ours)
    assert topic_of("made-up") is OTHER


def test_the_documentation_has_every_kind_and_its_topic() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| `([\w:/]+)` \| (\w+) ", DOCS.read_text("utf-8"), re.MULTILINE
    )
    assert rows == [
        (kind, topic.name, "standard" if topic.standard else "own")
        for kind, topic in sorted(TOPICS.items())
    ]


def test_an_intrusion_is_a_field_detector_s_property_with_a_begin_and_an_end() -> None:
    source = {
        "VideoSourceConfigurationToken": "plaza",
        "VideoAnalyticsConfigurationToken": "matakota",
        "Rule": "intrusion@lawn",
    }
    own = {"mtk:Kind": "intrusion", "mtk:Severity": "high", "mtk:Place": "lawn"}
    begin = {
        "Topic": "tns1:RuleEngine/FieldDetector/ObjectsInside",
        "UtcTime": "2026-01-31T00:00:00.000Z",
        "PropertyOperation": "Initialized",
        "Source": source,
        "Key": {"mtk:AlertId": "a"},
        "Data": {"IsInside": True, "ObjectId": "4 9"} | own,
    }
    over = begin | {
        "UtcTime": "2026-01-31T00:01:00.000Z",
        "PropertyOperation": "Deleted",
        "Data": {"IsInside": False, "ObjectId": "4 9"} | own,
    }
    changed = begin | {"UtcTime": "2026-01-31T00:00:05.000Z", "PropertyOperation": "Changed"}
    assert said(stored()) == [begin]
    assert said(stored(version=4, updated_at=DAY + 5)) == [begin, changed]
    assert said(stored(**END)) == [begin, over]


def test_a_crossing_is_of_one_moment() -> None:
    (only,) = said(stored(kind="line_crossing", **END))
    assert only["Topic"] == "tns1:RuleEngine/LineDetector/Crossed"
    assert "PropertyOperation" not in only
    assert only["Data"]["ObjectId"] == "4 9"
    assert "State" not in only["Data"]


@pytest.mark.parametrize(
    ("kind", "source", "data"),
    [
        ("camera_dark", {"Source": "plaza"}, {"State": True}),
        ("camera_frozen", {"Source": "plaza"}, {"State": True}),
        ("loitering", None, {"ObjectId": "4 9", "Since": "2026-01-31T00:00:00.000Z"}),
        ("abandoned_object", None, {"ObjectId": "4 9"}),
        ("speeding", None, {"State": True, "ObjectId": "4 9"}),
        ("made-up", None, {"State": True, "ObjectId": "4 9"}),
    ],
)
def test_items_are_those_of_the_topic(
    kind: str, source: dict[str, str] | None, data: dict[str, Any]
) -> None:
    begin, over = said(stored(kind=kind, place="", **END))
    if source is not None:
        assert begin["Source"] == source
    else:
        assert begin["Source"]["Rule"] == "intrusion@lawn"
    own = {"mtk:Kind": kind, "mtk:Severity": "high"}
    assert begin["Data"] == data | own
    assert over["Data"] == data | own | ({"State": False} if "State" in data else {})


def test_the_document_says_the_same() -> None:
    notices = notifications(stored(**END))
    root = document(notices)
    assert root.tag == f"{{{NAMESPACES['wsnt']}}}Notify"
    assert len(root) == 2
    for message, notice in zip(root, notices, strict=True):
        assert message.tag == f"{{{NAMESPACES['wsnt']}}}NotificationMessage"
        topic = message.find("wsnt:Topic", NAMESPACES)
        assert topic is not None
        assert topic.text == notice.topic.name
        assert topic.get("Dialect", "").endswith("/ConcreteSet")
        inner = message.find("wsnt:Message/tt:Message", NAMESPACES)
        assert inner is not None
        assert inner.get("PropertyOperation") == notice.operation
        in_json = json.loads(as_json(notice))
        assert inner.get("UtcTime") == in_json["UtcTime"]
        for part in ("Source", "Key", "Data"):
            items = inner.findall(f"tt:{part}/tt:SimpleItem", NAMESPACES)
            as_read = {item.get("Name"): item.get("Value") for item in items}
            assert as_read == {
                name: str(value).lower() if isinstance(value, bool) else value
                for name, value in in_json[part].items()
            }


@pytest.mark.parametrize("text", ['<&">', "a\nb\r\tc", "\u2028", "Jl. A. P. Pettarani é", "]]>"])
def test_any_name_comes_back_and_stays_on_its_line(text: str) -> None:
    notices = notifications(stored(place=text, rule=text))
    (line,) = (as_xml(each) for each in notices)
    assert line.count("\n") == 1
    found = [
        item.get("Value") for item in document(notices).iter(f"{{{NAMESPACES['tt']}}}SimpleItem")
    ]
    assert found.count(text) == 2
    assert said(stored(place=text))[0]["Data"]["mtk:Place"] == text


@pytest.mark.parametrize("text", ["\x00", "\x1b", "\ufffe", "\ud800"])
def test_what_xml_cannot_say_is_replaced(text: str) -> None:
    notices = notifications(stored(place=f"a{text}b"))
    assert ("mtk:Place", "a\ufffdb") in items(document(notices))
