"""The event stream over a real socket: order, resuming, heartbeats, slow clients, the end."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import auth, feed
from api.store import Store
from api.store.alerts import lock_feed, record_alerts, set_feed
from tests.api.served import DAY, Api, add_key, alert, api, sqlite_url, wait_until
from vision.errors import StoreError

STREAM = "/api/v1/alerts/stream"
GUARD_S = 20


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as running:
        yield running


class Events:
    """What a client of the stream gets, read by a thread."""

    def __init__(self, response: httpx.Response) -> None:
        self.lines: list[str] = []
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(response,))
        self._thread.start()

    def _read(self, response: httpx.Response) -> None:
        try:
            for line in response.iter_lines():
                self.lines.append(line)
        except (httpx.TransportError, httpx.StreamError):
            pass
        finally:
            self.ended.set()

    def join(self) -> None:
        self._thread.join(GUARD_S)

    @property
    def data(self) -> list[dict[str, Any]]:
        return [json.loads(line[6:]) for line in self.lines if line.startswith("data: ")]

    @property
    def ids(self) -> list[int]:
        return [int(line[4:]) for line in self.lines if line.startswith("id: ")]

    @property
    def names(self) -> list[tuple[str, int]]:
        return [(event["id"], event["version"]) for event in self.data]

    def wait(self, count: int) -> None:
        wait_until(lambda: len(self.data) >= count, GUARD_S)


@contextmanager
def following(
    served: Api, headers: dict[str, str] | None = None, **params: Any
) -> Iterator[Events]:
    with served.client.stream("GET", STREAM, params=params, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        events = Events(response)
        wait_until(lambda: any(line.startswith(":") for line in events.lines), GUARD_S)
        yield events
        # the thread that reads would otherwise wait for the next event
        connection = response.extensions["network_stream"].get_extra_info("socket")
        connection.shutdown(socket.SHUT_RDWR)
        events.join()


def test_from_now_on(served: Api) -> None:
    served.store.record([alert("old")])
    with following(served) as events:
        served.store.record([alert("new")])
        events.wait(1)
        served.client.post("/api/v1/alerts/new/acknowledge")
        served.client.post("/api/v1/alerts", content=json.dumps({
            "id": "posted", "camera": "c", "kind": "k", "start": "2026-01-31T07:00:00Z",
        }))  # fmt: skip
        events.wait(3)
        assert events.names == [("new", 1), ("new", 1), ("posted", 1)]
        assert events.ids == [2, 3, 4]
        assert [event["position"] for event in events.data] == [2, 3, 4]
        assert events.lines.count("event: alert") == 3
        read = served.client.get("/api/v1/alerts/new").json()
        assert events.data[1] == read


@pytest.mark.parametrize("how", ["header", "query", "both"])
def test_resumed_it_misses_nothing(served: Api, how: str) -> None:
    served.store.record([alert(f"a{n}") for n in range(250)])
    headers = {"Last-Event-ID": "20"} if how != "query" else {}
    params = {"header": {}, "query": {"last_event_id": 20}, "both": {"last_event_id": 1}}[how]
    with following(served, headers, **params) as events:
        events.wait(230)
        assert events.ids == list(range(21, 251)), "the header wins"


def test_an_update_moves_to_the_end(served: Api) -> None:
    served.store.record([alert("a"), alert("b")])
    served.store.record([alert("a", 2)])
    with following(served, last_event_id=0) as events:
        events.wait(2)
        assert events.names == [("b", 1), ("a", 2)]
        assert events.ids == [2, 3]


def test_an_id_from_beyond_the_end_begins_anew(served: Api) -> None:
    served.store.record([alert("a")])
    with following(served, {"Last-Event-ID": "99999"}) as events:
        events.wait(1)
        assert events.names == [("a", 1)]


@pytest.mark.parametrize("wrong", ["x", "-1", "1.5", "9" * 30, "9223372036854775808"])
def test_wrong_ids(served: Api, wrong: str) -> None:
    response = served.client.get(STREAM, headers={"Last-Event-ID": wrong})
    assert response.status_code == 422
    assert response.json()["detail"].startswith("Last-Event-ID: ")


def test_rows_committed_late_are_not_skipped(served: Api) -> None:
    """A client follows and resumes while one transaction is open and another one waits."""
    store = served.store
    late = threading.Thread(target=store.record, args=([alert("second")],))
    with following(served) as events:
        with store._database.write() as connection:
            position = lock_feed(connection)
            after, _ = record_alerts(connection, [alert("first")], position=position, now=DAY)
            set_feed(connection, after)
            late.start()
            time.sleep(0.3)
            served.bell.ring()
        late.join()
        events.wait(2)
        assert events.names == [("first", 1), ("second", 1)]
    with following(served, {"Last-Event-ID": "1"}) as events:
        events.wait(1)
        assert events.names == [("second", 1)]


def test_it_does_not_rely_on_the_bell(served: Api) -> None:
    with following(served) as events:
        served.store.record([alert("unrung")])
        events.wait(1)


def test_the_bell_saves_the_wait(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "POLL_S", 1000.0)
    with following(served) as events:
        for n in range(5):
            served.store.record([alert(f"a{n}")])
            served.bell.ring()
            events.wait(n + 1)


def test_heartbeats(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BEAT_S", 0.05)
    monkeypatch.setattr(feed, "POLL_S", 0.05)
    with following(served) as events:
        wait_until(lambda: events.lines.count(": still here") >= 3, GUARD_S)
        assert events.data == []


def test_a_store_that_is_gone_for_a_while(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def gone(*_: object) -> None:
        asked.set()
        raise StoreError("the database is gone")

    with following(served) as events:
        with monkeypatch.context() as patch:
            patch.setattr(served.store.alerts, "changes", gone)
            served.bell.ring()
            assert asked.wait(GUARD_S)
            served.store.record([alert("a")])
        events.wait(1)
        assert not events.ended.is_set()
    with monkeypatch.context() as patch:
        patch.setattr(served.store.alerts, "position", gone)
        assert served.client.get(STREAM).status_code == 503


@pytest.mark.parametrize("busy", [False, True])
def test_a_key_that_is_revoked_ends_its_stream(
    served: Api, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    monkeypatch.setattr(auth, "CACHE_S", 0.1)
    other = add_key(served.store, "other")
    with (
        following(served, {"authorization": f"Bearer {other}"}) as events,
        following(served) as stays,
    ):
        served.store.record([alert("before")])
        events.wait(1)
        served.store.keys.revoke("other")
        if busy:
            until_s = time.monotonic() + GUARD_S
            while not events.ended.is_set() and time.monotonic() < until_s:
                served.store.record([alert(f"a{time.monotonic_ns()}")])
                served.bell.ring()
                time.sleep(0.01)
        assert events.ended.wait(GUARD_S)
        served.store.record([alert("after")])
        wait_until(lambda: ("after", 1) in stays.names, GUARD_S)
        assert not stays.ended.is_set()
        assert ("after", 1) not in events.names


def test_a_store_that_is_gone_ends_no_stream(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def gone(_key_id: str) -> None:
        asked.set()
        raise StoreError("the database is gone")

    monkeypatch.setattr(auth, "CACHE_S", 0.1)
    with following(served) as events:
        with monkeypatch.context() as patch:
            patch.setattr(served.store.keys, "get", gone)
            assert asked.wait(GUARD_S)
        served.store.record([alert("a")])
        events.wait(1)


def test_slow_clients_hold_up_nobody(served: Api) -> None:
    port = httpx.URL(served.client.base_url).port
    request = f"GET {STREAM} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {served.key}\r\n\r\n".encode()
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    try:
        for connection in slow:
            connection.sendall(request)
            connection.recv(10)
        with following(served) as events:
            big = {"text": "x" * 20_000}
            for n in range(20):
                served.store.record([alert(f"a{n}-{m}", details=big) for m in range(10)])
                served.bell.ring()
            events.wait(200)
            assert served.client.get("/healthz").status_code == 200
    finally:
        for connection in slow:
            connection.close()


def test_many_streams_end_with_the_server(tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path)) as store:
        ends: list[Events] = []
        with api(store) as served:
            port = httpx.URL(served.client.base_url).port
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers={"x-api-key": served.key}, timeout=30
            ) as client:
                streams = [client.stream("GET", STREAM) for _ in range(8)]
                for stream in streams:
                    ends.append(Events(stream.__enter__()))
                served.bell.close()
                for end in ends:
                    assert end.ended.wait(GUARD_S), "promptly, and by the server"
                    end.join()
                for stream in streams:
                    stream.__exit__(None, None, None)
