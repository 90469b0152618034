"""The record over HTTP: filtered, read page by page, and exported whole."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import audit
from api.access import Role
from api.audit import COLUMNS, cells
from api.store import Actor, Entry, Store
from tests.api.served import DAY, TESTER, Api, add_key, add_user, api, person, sqlite_url

RECORD = "/api/v1/audit"
TABLE = "/api/v1/audit.csv"
ANA = Actor("user", "ana", "7", "10.0.0.9")


@pytest.fixture
def now() -> list[float]:
    return [DAY]


@pytest.fixture
def served(tmp_path: Path, now: list[float]) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path), clock=lambda: now[0]) as store, api(store) as running:
        yield running


def fill(served: Api, now: list[float]) -> None:
    """Five entries, a second after the other; one stands there of the client's own key."""
    for n in range(4):
        now[0] += 1
        actor = (TESTER, ANA)[n % 2]
        action = ("user.changed", "group.added")[n // 2]
        served.store.audit.add(actor, action, action.partition(".")[0], f"o{n}", {"n": n})


def ids(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [entry["id"] for entry in answer.json()["entries"]]


def table(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"), newline="")))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"actor": "ana"}, [5, 3]),
        ({"action": "user"}, [3, 2]),
        ({"action": "user.changed", "actor": "tests"}, [2]),
        ({"object_kind": "group", "object": "o3"}, [5]),
        ({"from": "2026-01-31T00:00:03Z"}, [5, 4]),
        ({"to": "2026-01-31T00:00:01Z"}, [1]),
        ({"from": "2026-01-31T00:00:02Z", "to": "2026-01-31T08:00:03+08:00"}, [3]),
        ({"actor": "' OR 1=1"}, []),
    ],
)
def test_what_is_asked_for_is_found(
    served: Api, now: list[float], query: dict[str, str], found: list[int]
) -> None:
    fill(served, now)
    assert ids(served.client.get(RECORD, params=query)) == found
    rows = table(served.client.get(TABLE, params=query))
    assert [int(row["id"]) for row in rows] == found[::-1], "oldest first"


def test_an_entry_says_all(served: Api, now: list[float]) -> None:
    fill(served, now)
    assert served.client.get(RECORD, params={"object": "o1"}).json() == {
        "entries": [
            {
                "id": 3, "at": "2026-01-31T00:00:02.000Z", "actor_kind": "user", "actor_id": "7",
                "actor": "ana", "address": "10.0.0.9", "action": "user.changed",
                "object_kind": "user", "object": "o1", "before": None, "after": {"n": 1},
            }
        ],
        "next": None,
    }  # fmt: skip
    answer = served.client.get(TABLE, params={"object": "o1"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text == (
        f"{','.join(COLUMNS)}\r\n"
        "3,2026-01-31T00:00:02.000Z,user,7,ana,10.0.0.9,user.changed,user,o1,,"
        '"{""n"": 1}"\r\n'
    )


def test_page_by_page(served: Api, now: list[float]) -> None:
    fill(served, now)
    found: list[int] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        answer = served.client.get(RECORD, params=query)
        found += ids(answer)
        served.store.audit.add(ANA, "late", "user", "late")
        query["cursor"] = answer.json()["next"]
        if query["cursor"] is None:
            break
    assert found == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"cursor": "x"}, {"cursor": "-1"},
        {"cursor": "9" * 19}, {"from": "yesterday"}, {"to": "1"}, {"actor": ""},
        {"actor": "a\0"}, {"object": "x" * 121}, {"action": "x" * 65}, {"more": "1"},
    ],
)  # fmt: skip
def test_what_is_no_question(served: Api, query: dict[str, str]) -> None:
    answer = served.client.get(RECORD, params=query)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(next(iter(query)))
    assert served.client.get(TABLE, params=query).status_code == 422


def test_only_whoever_may_reads_it(served: Api) -> None:
    for role in Role:
        user = add_user(served.store, f"the {role}", role)
        with person(served, user) as browser:
            wanted = 200 if role is Role.ADMINISTRATOR else 403
            assert [browser.get(path).status_code for path in (RECORD, TABLE)] == [wanted] * 2
    for scope, wanted in (("audit:read", 200), ("system:read", 403)):
        key = add_key(served.store, scope.replace(":", "-"), scopes=[scope], cameras=())
        headers = {"authorization": f"Bearer {key}"}
        assert served.client.get(TABLE, headers=headers).status_code == wanted


FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0;"), max_size=20),
    st.sampled_from(["", *FORMULAS]),
)
def test_no_cell_is_a_formula_and_none_is_lost(text: str, start: str) -> None:
    name = start + text
    row = cells(Entry(1, DAY, "user", name, name, name, name, name, name, None, {"=": name}))
    written = io.StringIO()
    csv.writer(written).writerow(row)
    (read,) = csv.reader(io.StringIO(written.getvalue(), newline=""))
    assert read == row
    for cell in row:
        assert not cell.startswith(FORMULAS)
    marked = name.startswith(FORMULAS)
    assert {cell.removeprefix("'") if marked else cell for cell in row[3:9]} == {name}
    assert json.loads(row[10]) == {"=": name}


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a; =1", "a; '=1"),
        ('a;"=1', "a;\"'=1"),
        ("a;;@x;-1", "a;;'@x;'-1"),
        ("=1;+2", "'=1;'+2"),
        ("\uff1d1;\uff0b2", "'\uff1d1;'\uff0b2"),
        ("a;b=c", "a;b=c"),
        ("a-b+c@d", "a-b+c@d"),
    ],
)
def test_nor_where_a_spreadsheet_takes_semicolons_apart(name: str, cell: str) -> None:
    row = cells(Entry(1, DAY, "user", name, name, name, name, name, name, None, {"a": name}))
    assert set(row[3:9]) == {cell}
    assert ";=" not in row[10]


def test_a_long_record_comes_whole(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PIECE", 7)
    for n in range(20):
        served.store.audit.add(ANA, "a", "user", f"Ñ{n}")
    rows = table(served.client.get(TABLE, params={"action": "a"}))
    assert [row["object"] for row in rows] == [f"Ñ{n}" for n in range(20)]


def test_an_export_ends_with_the_right(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off, so that a part does not pass for the whole."""
    monkeypatch.setattr(audit, "PIECE", 7)
    for n in range(20):
        served.store.audit.add(ANA, "a", "user", f"o{n}")
    renewed = served.door.inner.state.services.keys.renewed  # type: ignore[attr-defined]

    async def revoke_first(_keys: object, caller: Any) -> Any:
        served.store.keys.end(caller.id, TESTER)
        served.door.inner.state.services.keys.forget()  # type: ignore[attr-defined]
        return await renewed(caller)

    monkeypatch.setattr("api.known.KnownKeys.renewed", revoke_first)
    got = b""
    with (  # noqa: PT012
        pytest.raises(httpx.RemoteProtocolError),
        served.client.stream("GET", TABLE, params={"action": "a"}) as answer,
    ):
        for part in answer.iter_bytes():
            got += part
    assert b"o6" in got
    assert b"o7" not in got
