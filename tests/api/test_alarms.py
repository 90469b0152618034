"""Which cameras come to the front of the wall, and in which order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.access import ROLES, Caller, Role
from api.i18n import texts
from api.pages.alarms import MOST, Alarms, is_open, open_alerts, unseen_alerts
from api.store import Store, StoredAlert
from tests.api.served import DAY, TESTER, alert, sqlite_url

_ = texts("en")
ALERT = StoredAlert(
    id="a", version=1, camera="plaza", kind="wrong_way", rule="r", place="lawn",
    severity="high", state="open", start_ts=DAY, raised_ts=DAY, end_ts=None, track_ids=(),
    score=1.0, details={}, revision=1, synthetic=False, stored_at=DAY, updated_at=DAY, position=7,
)  # fmt: skip
OVER: Any = {"state": "closed", "end_ts": DAY + 9}


def front(alarms: Alarms) -> list[tuple[str, str, int]]:
    return [(camera, said["id"], said["more"]) for camera, said in alarms.shown(_).items()]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, True),
        (OVER, True),
        ({"status": "acknowledged"}, True),
        ({"status": "assigned"}, True),
        # somebody took note of it, and nothing goes on any more
        ({"status": "acknowledged"} | OVER, False),
        ({"status": "resolved"}, False),
        ({"status": "resolved"} | OVER, False),
    ],
)
def test_what_wants_somebody_to_look(more: dict[str, Any], wanted: bool) -> None:
    assert is_open(replace(ALERT, **more)) is wanted


def test_the_worst_is_first_then_what_lasts_then_the_newest() -> None:
    alarms = Alarms([
        replace(ALERT, id="a", camera="one", severity="low"),
        replace(ALERT, id="b", camera="two", start_ts=DAY + 9, **OVER),
        replace(ALERT, id="c", camera="three"),
        replace(ALERT, id="d", camera="four", start_ts=DAY + 1),
        replace(ALERT, id="e", camera="one", severity="critical", **OVER),
    ])  # fmt: skip
    assert alarms.shown(_)["one"]["newest"] == [DAY, "e"]
    assert front(alarms) == [("one", "e", 1), ("four", "d", 0), ("three", "c", 0), ("two", "b", 0)]
    said = alarms.shown(_)["four"]
    assert said == {
        "id": "d", "severity": "high", "urgency": [2, True, DAY + 1], "title": "Wrong way",
        "place": "lawn", "lasts": True, "start": DAY + 1, "time": "08:00:01", "more": 0,
        "newest": [DAY + 1, "d"],
    }  # fmt: skip


def test_what_changes_is_taken_as_it_is_now() -> None:
    alarms = Alarms([ALERT])
    alarms.take([replace(ALERT, severity="low", position=8), replace(ALERT, id="b", position=9)])
    assert front(alarms) == [("plaza", "b", 1)]
    alarms.take([replace(ALERT, id="b", status="resolved", position=10)])
    assert front(alarms) == [("plaza", "a", 0)]
    alarms.take([replace(ALERT, status="acknowledged", position=11, **OVER)])
    assert front(alarms) == []


def test_of_very_many_the_most_urgent_ones_are_kept() -> None:
    alarms = Alarms([replace(ALERT, id="worst", camera="far", severity="critical")])
    alarms.take(replace(ALERT, id=f"n{n}", start_ts=DAY + n) for n in range(3 * MOST))
    (worst, newest) = front(alarms)
    assert worst == ("far", "worst", 0)
    assert newest == ("plaza", f"n{3 * MOST - 1}", MOST - 2)


def test_open_alerts_are_read_of_own_cameras(tmp_path: Path) -> None:
    caller = Caller("k", "k", "session", ROLES[Role.VIEWER], frozenset({"plaza"}))
    with Store.open(sqlite_url(tmp_path)) as store:
        store.record([
            alert("new"),
            alert("over", state="closed", end_ts=DAY + 9),
            alert("seen"),
            alert("seen-over", state="closed", end_ts=DAY + 9),
            alert("done"),
            alert("foreign", camera="road"),
        ])  # fmt: skip
        store.cases.acknowledge(["seen", "seen-over"], TESTER, only=None)
        store.cases.resolve("done", "true", "", TESTER, edit=0, only=None)
        found = {each.id for each in open_alerts(store.alerts, caller)}
    assert found == {"new", "over", "seen"}


def test_however_old_the_worst_are_read_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.pages.alarms.MOST", 4)
    # a page of the store may be shorter than what was asked for
    monkeypatch.setattr("api.store.alerts.MAX_PAGE_BYTES", 1)
    caller = Caller("k", "k", "session", ROLES[Role.VIEWER], frozenset({"plaza"}))
    with Store.open(sqlite_url(tmp_path)) as store:
        store.record([
            alert("oldest", severity="critical", start_ts=DAY - 9),
            alert("old", severity="critical", start_ts=DAY - 8),
            *(alert(f"low{n}", severity="low", start_ts=DAY + n) for n in range(5)),
        ])  # fmt: skip
        found = [each.id for each in unseen_alerts(store.alerts, caller)]
        assert found == ["old", "oldest", "low4", "low3"]
        assert [each.id for each in open_alerts(store.alerts, caller)] == found
