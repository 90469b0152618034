"""The routes as a client sees them, over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.store import Store, alerts
from tests.api.served import (
    DAY,
    Api,
    alert,
    api,
    counted,
    sqlite_url,
)
from vision.errors import StoreError

SMALL = {"id": "x", "camera": "gate", "kind": "intrusion", "start": "2026-01-31T07:00:00Z"}
V1 = "/api/v1"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as running:
        yield running


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """For requests that change nothing."""
    with Store.open(sqlite_url(tmp_path_factory.mktemp("routes"))) as store, api(store) as running:
        store.record([alert("known"), counted()])
        yield running


def post(served: Api, body: dict[str, Any] | str | bytes) -> Any:
    content = json.dumps(body) if isinstance(body, dict) else body
    return served.client.post(f"{V1}/alerts", content=content)


def detail(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    (said,) = response.json().values()
    assert isinstance(said, str)
    assert said
    assert "\n" not in said
    return said


# --- alerts in


def test_stated_with_little(served: Api) -> None:
    response = post(served, SMALL)
    assert response.status_code == 201
    answer = response.json()
    for name in ("stored", "updated"):
        assert answer.pop(name).endswith("Z")
    assert answer == {
        "id": "x", "version": 1, "camera": "gate", "kind": "intrusion", "rule": "intrusion",
        "place": "", "severity": "medium", "state": "open", "start": "2026-01-31T07:00:00.000Z",
        "raised": "2026-01-31T07:00:00.000Z", "end": None, "track_ids": [], "score": 1.0,
        "details": {}, "revision": 0, "synthetic": False, "acknowledged": None,
        "acknowledged_by": None, "position": 1, "status": "new", "edit": 0, "assigned_to": None,
        "resolved": None, "resolved_by": None, "outcome": None, "note": None, "merged_into": None,
        "opened_by": None, "detected": None, "spooled": None, "published": None, "delivered": None,
    }  # fmt: skip


def test_stated_in_full_and_again(served: Api) -> None:
    body = SMALL | {
        "rule": "r", "place": "lawn", "severity": "critical", "state": "closed",
        "track_ids": [3, -1, 2**62],
        "raised": "2026-01-31T08:00:01.2344+01:00", "end": "2026-01-31T07:00:02Z", "score": 0.25,
        "details": {"deep": [{"ä": None}]}, "version": 5, "revision": 7, "synthetic": True,
        "detected": "2026-01-31T07:00:03.500Z", "spooled": "2026-01-31T07:00:03.625Z",
    }  # fmt: skip
    first = post(served, body)
    assert first.status_code == 201
    answer = first.json()
    assert answer["raised"] == "2026-01-31T07:00:01.234Z"
    assert {k: answer[k] for k in body if k not in {"start", "raised", "end"}} == {
        k: v for k, v in body.items() if k not in {"start", "raised", "end"}
    }
    again = post(served, body)
    assert (again.status_code, again.json()) == (200, answer)
    lower = post(served, body | {"version": 4, "place": "elsewhere"})
    assert (lower.status_code, lower.json()) == (200, answer)
    higher = post(served, body | {"version": 6, "place": "elsewhere"})
    assert higher.status_code == 200
    assert (higher.json()["place"], higher.json()["position"]) == ("elsewhere", 2)
    assert served.client.get(f"{V1}/alerts/x").json() == higher.json()


def test_pages_are_bounded_in_bytes(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "ü" * 2000
    served.store.record([alert(f"a{n}", details={"text": text}) for n in range(9)])
    # twelve thousand each: what is kept is ASCII
    monkeypatch.setattr(alerts, "MAX_PAGE_BYTES", 40_000)
    pages = []
    cursor: dict[str, str] = {}
    while True:
        page = served.client.get(f"{V1}/alerts", params={"limit": 8, **cursor}).json()
        pages.append([found["id"] for found in page["alerts"]])
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert pages == [["a8", "a7", "a6"], ["a5", "a4", "a3"], ["a2", "a1", "a0"]]
    # one that is larger than a page is given nevertheless
    monkeypatch.setattr(alerts, "MAX_PAGE_BYTES", 100)
    page = served.client.get(f"{V1}/alerts").json()
    assert [found["id"] for found in page["alerts"]] == ["a8"]
    assert page["next"] is not None


WRONG_BODIES = [
    (b"", "JSON"),
    (b"{", "JSON"),
    (b"\xff\xfe", "JSON"),
    (b"[]", "object"),
    (b"null", "object"),
    (json.dumps(SMALL).replace("gate", "\\ud800").encode(), "JSON"),
    (b'{"details":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "recursion"),
    (b'{"details":' + b'{"a":' * 40_000, "recursion"),
    *((SMALL | more, said) for more, said in [
        ({"id": "a b"}, "id: "), ({"id": ""}, "id: "), ({"id": "x" * 81}, "id: "),
        ({"id": "x\n"}, "id: "), ({"id": 1}, "id: "), ({"id": "../x"}, "id: "),
        ({"camera": ""}, "camera: "), ({"camera": "x" * 121}, "camera: "),
        ({"camera": "a\0b"}, "camera: "), ({"place": "\0"}, "place: "), ({"kind": None}, "kind: "),
        ({"severity": "fatal"}, "severity: "), ({"state": "ended"}, "state: "),
        ({"score": 1.1}, "score: "), ({"score": "1"}, "score: "), ({"version": 0}, "version: "),
        ({"version": 2**31}, "version: "), ({"version": 1.5}, "version: "),
        ({"version": True}, "version: "), ({"version": "1"}, "version: "),
        ({"revision": -1}, "revision: "), ({"synthetic": "yes"}, "synthetic: "),
        ({"synthetic": 1}, "synthetic: "), ({"track_ids": [1.5]}, "track_ids.0: "),
        ({"track_ids": ["1"]}, "track_ids.0: "), ({"track_ids": [2**63]}, "track_ids.0: "),
        ({"track_ids": [0] * 10_001}, "track_ids: "), ({"track_ids": None}, "track_ids: "),
        ({"detected": "now"}, "detected: write"), ({"spooled": 1e9}, "spooled: write"),
        ({"published": "2026-01-31T07:00:00Z"}, "published: this is unknown"),
        ({"status": "resolved"}, "unknown"), ({"edit": 1}, "unknown"),
        ({"details": []}, "details: "),
        ({"start": "yesterday"}, "start: write a time as"), ({"start": 1e9}, "start: write"),
        ({"start": "2026-01-31T07:00:00"}, "start: write"), ({"start": "2026-01-31"}, "start: "),
        ({"start": "1969-12-31T23:59:59Z"}, "start: a time lies"),
        ({"start": "0001-01-01T00:00:00+23:59"}, "start: "), ({"start": "１T0Z"}, "start: "),
        ({"raised": "2026-01-31T06:59:59Z"}, "'raised' must not be before"),
        ({"end": "2026-01-31T06:59:59Z"}, "'end' must not be before"),
        ({"end": "soon"}, "end: write"), ({"state": "closed"}, "must have an 'end'"),
        ({"state": "open", "end": "2026-01-31T07:00:00Z"}, "must have an 'end'"),
        ({"position": 1}, "position: this is unknown"), ({"acknowledged_by": "me"}, "unknown"),
    ]),
    ({k: v for k, v in SMALL.items() if k != "camera"}, "camera: this is missing"),
    *(
        (json.dumps(SMALL | {"details": {"v": 0}}).replace('"v": 0', f'"v": {v}'), "details: ")
        for v in ("NaN", "-Infinity", "1e999")
    ),
    (json.dumps(SMALL | {"details": {"v": 0}}).replace('"v": 0', f'"v": {"9" * 5000}'), "range"),
    (json.dumps(SMALL)[:-1] + ', "score": NaN}', "score: "),
]  # fmt: skip


@pytest.mark.parametrize(("body", "said"), WRONG_BODIES)
def test_wrong_alerts(shared_api: Api, body: Any, said: str) -> None:
    assert said in detail(post(shared_api, body), 422)
    assert shared_api.store.alerts.get("x", only=None) is None


def test_odd_but_right_alerts(served: Api) -> None:
    texts = ["\N{ZERO WIDTH JOINER}", "🚦", "'; DROP TABLE alerts; --", "a\nb", "\x7f", "%00"]
    for number, text in enumerate(texts):
        odd = {"id": f"x{number}", "camera": text, "place": text, "details": {text: [text, "\x01"]}}
        response = post(served, SMALL | odd)
        assert response.status_code == 201
        assert (response.json()["camera"], response.json()["details"]) == (text, odd["details"])
        found = served.client.get(f"{V1}/alerts", params={"camera": text}).json()["alerts"]
        assert [a["id"] for a in found] == [odd["id"]]
    edge = SMALL | {"id": "edge", "start": "9999-12-31T23:59:59.9994Z"}
    assert post(served, edge).json()["start"] == "9999-12-31T23:59:59.999Z"


def test_too_large(shared_api: Api) -> None:
    body = json.dumps(SMALL | {"details": {"v": "x" * (256 * 1024)}})
    assert "at most 262144 bytes" in detail(post(shared_api, body), 413)

    def endless() -> Iterator[bytes]:
        for _ in range(2000):
            yield b" " * 65_536

    try:
        response = shared_api.client.post(f"{V1}/alerts", content=endless())
    except httpx.TransportError:
        return  # cut while it was being sent, which is as good
    detail(response, 413)


def test_a_store_that_is_gone_is_503(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("no space is left: free some")

    monkeypatch.setattr(served.store.alerts, "state", full)
    response = post(served, SMALL)
    assert detail(response, 503) == "no space is left: free some"
    assert response.headers["retry-after"] == "5"


# --- alerts out


def test_listing_filters_and_pages(served: Api) -> None:
    served.store.record([
        alert(f"a{n}", start_ts=DAY + n, raised_ts=DAY + n, camera="odd" if n % 2 else "even")
        for n in range(9)
    ])  # fmt: skip

    def ids(**params: Any) -> list[str]:
        response = served.client.get(f"{V1}/alerts", params=params)
        assert response.status_code == 200, response.text
        return [a["id"] for a in response.json()["alerts"]]

    assert ids() == [f"a{n}" for n in reversed(range(9))]
    assert ids(camera="odd", limit=2) == ["a7", "a5"]
    times = {"from": "2026-01-31T00:00:03Z", "to": "2026-01-31T01:00:05+01:00"}
    assert ids(**times) == ["a4", "a3"]
    assert ids(state="closed") == ids(severity="low") == ids(kind="x") == []
    assert len(ids(acknowledged="false", state="open", severity="high")) == 9
    found, cursor = [], None
    while True:
        params = {"limit": 4} | ({"cursor": cursor} if cursor else {})
        page = served.client.get(f"{V1}/alerts", params=params).json()
        found += [a["id"] for a in page["alerts"]]
        cursor = page["next"]
        if cursor is None:
            break
        served.store.record([alert(f"new{len(found)}", start_ts=DAY + 99, raised_ts=DAY + 99)])
    assert found == ids()[len(ids()) - 9 :]
    assert served.client.get(f"{V1}/alerts", params={"limit": 1000}).json()["next"] is None


def test_acknowledged_once(served: Api) -> None:
    served.store.record([alert("a")])
    first = served.client.post(f"{V1}/alerts/a/acknowledge").json()
    assert first["acknowledged_by"] == "tests"
    assert first["acknowledged"] is not None
    assert (first["status"], first["edit"]) == ("acknowledged", 1)
    assert served.client.post(f"{V1}/alerts/a/acknowledge").json() == first
    listed = served.client.get(f"{V1}/alerts", params={"acknowledged": "true"}).json()["alerts"]
    assert listed == [first]


WRONG_QUERIES = [
    (f"{V1}/alerts?{q}", 422)
    for q in (
        "status=done", "status=", "assigned_to=", "merged=maybe",
        "limit=0", "limit=1001", "limit=x", "limit=" + "9" * 5000, "limit=1.5", "limit=",
        "state=gone", "state=", "severity=", "acknowledged=maybe", "camera=", "camera=%00",
        "kind=" + "x" * 121, "from=now", "from=", "to=1", "from=2026-01-31T00:00:00+01:00",
        "from=-9999999999999999999999", "sate=open", "cursor=", "cursor=%F0%9F%9A%A6",
        "cursor=bm9uZQ", "cursor=WzEsImEgYiJd", "cursor=W05hTiwiYSJd", "cursor=WzFlOTk5LCJhIl0",
        "cursor=W3RydWUsImEiXQ", "cursor=WzEsMl0", "cursor=" + "W" * 300, "cursor=e30",
    )
] + [
    (f"{V1}/alerts/{path}", 404)
    for path in ("none", "%00", "%F0%9F%9A%A6", "a%20b", "%ff", "x" * 500, "..%2f..%2fetc", "%0a")
] + [
    (f"{V1}/counts?{q}", 422)
    for q in (
        "", "camera=", "camera=%00", "camera=a&line=", "camera=a&line=%00",
        "camera=a&interval=2m", "camera=a&interval=", "camera=a&x=1",
        "camera=a&from=2026-01-31T00:00:00Z&to=2026-01-31T00:00:00Z",
        "camera=a&from=2026-01-31T00:00:00Z&to=2026-01-30T00:00:00Z",
        "camera=a&from=2026-01-01T00:00:00Z&to=2026-01-31T00:00:00Z&interval=1m",
        "camera=a&from=1970-01-01T00:00:00Z", "camera=a&from=9999-12-31T23:59:59Z",
    )
] + [
    (f"{V1}/counts?{q}", 404)
    for q in ("camera=none", "camera=plaza&line=none", "camera=%27%20OR%201=1",
              "camera=none&to=1970-01-01T00:00:01Z&interval=1h")
] + [
    (f"{V1}/alerts/stream?{q}", 422)
    for q in ("last_event_id=-1", "last_event_id=x", "last_event_id=" + "9" * 30,
              "last_event_id=9223372036854775808", "from=1")
]  # fmt: skip


@pytest.mark.parametrize(("url", "status"), WRONG_QUERIES)
def test_wrong_requests(shared_api: Api, url: str, status: int) -> None:
    detail(shared_api.client.get(url), status)


def test_what_is_said_names_the_place(shared_api: Api) -> None:
    said = {
        "alerts?limit=0": "limit: ",
        "alerts?from=now": "from: write a time as 2026-01-31T07:00:00Z",
        "alerts?sate=open": "sate: this is unknown here",
        "alerts?cursor=e30": "the cursor is none of ours",
        "counts": "camera: this is missing",
        "counts?camera=a&from=1970-01-01T00:00:00Z": "at most 3000 intervals",
        "counts?camera=plaza&line=no": "has no line 'no'",
        "nothing": "there is nothing at this path",
    }
    for path, part in said.items():
        assert part in shared_api.client.get(f"{V1}/{path}").json()["detail"]
    response = shared_api.client.delete(f"{V1}/alerts")
    assert "takes other methods" in detail(response, 405)
    assert set(response.headers["allow"].replace(" ", "").split(",")) <= {"GET", "POST"}
