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

from api import feed, known
from api.access import Role
from api.store import Rights, Store
from api.store.alerts import lock_feed, record_alerts, set_feed
from tests.api.served import (
    DAY,
    TESTER,
    Api,
    add_key,
    add_user,
    alert,
    api,
    person,
    sqlite_url,
    wait_until,
)
from vision.errors import StoreError

STREAM = "/api/v1/alerts/stream"
GUARD_S = 20
SHRUNK_S = 300
"""Ten times what is promised of a right that is taken away."""


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
    served: Api,
    headers: dict[str, str] | None = None,
    client: httpx.Client | None = None,
    **params: Any,
) -> Iterator[Events]:
    asks = client or served.client
    with asks.stream("GET", STREAM, params=params, headers=headers) as response:
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

    def gone(*_: object, **__: object) -> None:
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
    monkeypatch.setattr(known, "CACHE_S", 0.1)
    other = add_key(served.store, "other")
    with (
        following(served, {"authorization": f"Bearer {other}"}) as events,
        following(served) as stays,
    ):
        served.store.record([alert("before")])
        events.wait(1)
        served.store.keys.revoke("other", TESTER)
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

    monkeypatch.setattr(known, "CACHE_S", 0.1)
    with following(served) as events:
        with monkeypatch.context() as patch:
            patch.setattr(served.store.keys, "holder", gone)
            assert asked.wait(GUARD_S)
        served.store.record([alert("a")])
        events.wait(1)


# --- of some cameras only


def test_only_own_alerts_come_and_the_position_goes_on(
    served: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BEAT_S", 0.05)
    key = add_key(served.store, "plaza", cameras=["plaza"])
    served.store.record([
        alert(f"a{n}", camera="plaza" if n in {3, 240} else "road") for n in range(300)
    ])  # fmt: skip
    with following(served, {"authorization": f"Bearer {key}"}, last_event_id=0) as events:
        events.wait(2)
        wait_until(lambda: 300 in events.ids, GUARD_S)
        assert events.names == [("a3", 1), ("a240", 1)]
        # what others get does not keep the comments away
        beats = events.lines.count(": still here")
        until_s = time.monotonic() + GUARD_S
        while events.lines.count(": still here") < beats + 5:
            assert time.monotonic() < until_s
            served.store.record([alert(f"b{time.monotonic_ns()}", camera="road")])
            served.bell.ring()
        served.store.record([alert("last", camera="plaza")])
        events.wait(3)
        assert events.names[-1] == ("last", 1)
        assert {event["camera"] for event in events.data} == {"plaza"}
        assert events.ids == sorted(events.ids)
    # from the last position on, nothing comes again
    with following(
        served, {"authorization": f"Bearer {key}", "Last-Event-ID": str(events.ids[-1])}
    ) as again:
        served.store.record([alert("road", camera="road"), alert("more", camera="plaza")])
        again.wait(1)
        assert again.names == [("more", 1)]


def test_a_group_that_shrinks_takes_its_alerts_from_an_open_stream(served: Api) -> None:
    """The stream stays, goes past what is not seen any more, and brings what is."""
    user = add_user(served.store, "operator", Role.OPERATOR, cameras=["plaza", "road"])
    (group,) = served.store.groups.all()
    number = 0

    def state() -> None:
        nonlocal number
        number += 1
        served.store.record([
            alert(f"road-{number}", camera="road"), alert(f"plaza-{number}", camera="plaza"),
        ])  # fmt: skip
        served.bell.ring()

    with person(served, user) as client, following(served, client=client) as events:

        def stated() -> set[str]:
            """The cameras whose alert of the next number came."""
            state()
            wait_until(lambda: (f"plaza-{number}", 1) in events.names, GUARD_S)
            return {
                name.partition("-")[0] for name, _ in events.names if name.endswith(f"-{number}")
            }

        assert stated() == {"plaza", "road"}
        served.store.groups.change(group.id, group.name, ["plaza"], TESTER)
        wait_until(lambda: stated() == {"plaza"}, SHRUNK_S)
        assert stated() == {"plaza"}
        assert events.ids[-1] == served.store.alerts.position(), "it goes on past the others"
        served.store.groups.change(group.id, group.name, ["plaza", "road"], TESTER)
        wait_until(lambda: stated() == {"plaza", "road"}, SHRUNK_S)
        assert not events.ended.is_set()


def test_a_role_that_may_not_read_alerts_ends_the_stream(served: Api) -> None:
    user = add_user(served.store, "somebody", Role.VIEWER)
    with person(served, user) as client, following(served, client=client) as events:
        served.store.record([alert("before")])
        events.wait(1)
        served.store.people.change(user, Rights(Role.ANALYST, every_camera=True), TESTER)
        assert events.ended.wait(SHRUNK_S)
        assert events.names == [("before", 1)]
        assert client.get(STREAM).status_code == 403


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
