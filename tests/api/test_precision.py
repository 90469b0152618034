"""``GET /api/v1/precision``, as a table too: of own cameras, the worst first."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from api.access import Permission, Role
from api.precision import COLUMNS, PrecisionRow, table
from api.store import Store
from api.times import iso
from tests.api.served import DAY, TESTER, Api, add_key, add_user, alert, api, person, sqlite_url

PATH = "/api/v1/precision"
SPAN = {"from": iso(DAY), "to": iso(DAY + 60)}
DAY_S = 86_400


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path_factory.mktemp("told"))) as store, api(store) as running:
        for n in range(4):
            store.record([alert(f"a{n}"), alert(f"g{n}", camera="gate", kind="crowd", rule="=1+1")])
            store.cases.resolve(f"g{n}", "false", "", TESTER, edit=0, only=None)
        store.cases.resolve("a0", "true", "", TESTER, edit=0, only=None)
        yield running


def rows(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


def test_every_rule_is_told_the_worst_first(shared_api: Api) -> None:
    answer = shared_api.client.get(PATH, params=SPAN)
    assert answer.json() == {
        "from": SPAN["from"],
        "to": SPAN["to"],
        "rows": [
            {
                "camera": "gate", "kind": "crowd", "rule": "=1+1", "alerts": 4, "true_alarms": 0,
                "false_alarms": 4, "unjudged": 0, "precision": 0.0, "low": 0.0, "high": 0.4899,
            },
            {
                "camera": "plaza", "kind": "intrusion", "rule": "intrusion@lawn", "alerts": 4,
                "true_alarms": 1, "false_alarms": 0, "unjudged": 3, "precision": 1.0,
                "low": 0.2065, "high": 1.0,
            },
        ],
        "left_out": 0,
    }  # fmt: skip


def test_it_is_a_table_too(shared_api: Api) -> None:
    answer = shared_api.client.get(f"{PATH}.csv", params=SPAN | {"camera": "gate"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "matakota-precision.csv" in answer.headers["content-disposition"]
    found = list(csv.reader(io.StringIO(answer.text, newline="")))
    wanted = ["gate", "crowd", "'=1+1", "4", "0", "4", "0", "0.0", "0.0", "0.4899"]
    assert found == [list(COLUMNS), wanted]


def test_what_is_not_known_is_empty_in_a_table() -> None:
    row = PrecisionRow(
        camera="plaza", kind="crowd", rule="crowd", alerts=3, true_alarms=0, false_alarms=0,
        unjudged=3, precision=None, low=None, high=None,
    )  # fmt: skip
    assert table([row]).splitlines()[1] == "plaza,crowd,crowd,3,0,0,3,,,"
    assert set(COLUMNS) == set(PrecisionRow.model_fields)


@pytest.mark.parametrize(
    ("query", "cameras"),
    [
        ({}, ["gate", "plaza"]),
        ({"camera": "plaza"}, ["plaza"]),
        ({"kind": "crowd"}, ["gate"]),
        ({"camera": "plaza", "kind": "crowd"}, []),
        ({"camera": "nowhere"}, []),
        ({"from": iso(DAY + 1)}, ["gate", "plaza"]),
        ({"from": iso(DAY + 2)}, []),
        ({"to": iso(DAY + 1)}, []),
    ],
)
def test_filters(shared_api: Api, query: dict[str, str], cameras: list[str]) -> None:
    found = rows(shared_api.client.get(PATH, params=SPAN | query))
    assert [row["camera"] for row in found] == cameras


def test_the_last_30_days_by_default(shared_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for age_days, there in ((1, True), (29, True), (31, False)):
        now = DAY + age_days * DAY_S
        monkeypatch.setattr("api.precision.time", SimpleNamespace(time=lambda now=now: now))
        answer = shared_api.client.get(PATH)
        assert bool(rows(answer)) is there
        assert answer.json()["from"] == iso(now - 30 * DAY_S)
        assert answer.json()["to"] == iso(now)
    # from one end of the longest time to the other, however long the answer takes
    later = count()
    monkeypatch.setattr("api.precision.time", SimpleNamespace(time=lambda: DAY + next(later)))
    assert rows(shared_api.client.get(PATH, params={"from": iso(DAY - 366 * DAY_S)})) == []


WRONG = [
    ({"from": iso(DAY), "to": iso(DAY)}, "'from' must be before 'to', which is now by default"),
    ({"from": "2999-01-01T00:00:00Z"}, "'from' must be before 'to', which is now by default"),
    ({"from": iso(DAY), "to": iso(DAY + 366 * DAY_S + 1)}, "at most 366 days are looked at: ask"),
    ({"from": "yesterday"}, "from: write a time as"),
    ({"camera": ""}, "camera: "),
    ({"kind": "x" * 121}, "kind: "),
    ({"limit": "1"}, "limit: this is unknown here"),
]


@pytest.mark.parametrize("path", [PATH, f"{PATH}.csv"])
@pytest.mark.parametrize(("query", "said"), WRONG)
def test_what_is_wrong_is_said(
    shared_api: Api, path: str, query: dict[str, str], said: str
) -> None:
    answer = shared_api.client.get(path, params=query)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(said)


@pytest.mark.parametrize("path", [PATH, f"{PATH}.csv"])
def test_who_sees_one_camera_is_told_of_that_alone(shared_api: Api, path: str) -> None:
    key = add_key(shared_api.store, path, scopes=[Permission.ALERTS_READ], cameras=["plaza"])
    own = {"authorization": f"Bearer {key}"}
    said = shared_api.client.get(path, params=SPAN, headers=own).text
    assert "plaza" in said
    assert "gate" not in said
    other = shared_api.client.get(path, params=SPAN | {"camera": "gate"}, headers=own)
    absent = shared_api.client.get(path, params=SPAN | {"camera": "none"}, headers=own)
    assert (other.status_code, other.text) == (200, absent.text)


def test_who_may_read_no_alerts_is_not_told(shared_api: Api) -> None:
    for role, status in ((Role.ANALYST, 403), (Role.VIEWER, 200), (Role.OPERATOR, 200)):
        user = add_user(shared_api.store, f"petugas {role}", role, cameras=["plaza"])
        with person(shared_api, user) as client:
            assert client.get(PATH, params=SPAN).status_code == status
            assert client.get(f"{PATH}.csv", params=SPAN).status_code == status
