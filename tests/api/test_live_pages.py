"""The socket of a page over a real connection: pictures, states, protocol mistakes, slow pages."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from api import live
from api.access import Role
from api.store import Rights
from tests.api.served import (
    DAY,
    TESTER,
    Api,
    add_session,
    add_user,
    person_headers,
    report,
    wait_until,
)
from tests.api.viewing import (
    GUARD_S,
    PREFIX,
    FakeWorker,
    brightness,
    closing,
    hear,
    is_after,
    viewing,
    working,
)


def told(page: ClientConnection) -> dict[str, Any] | tuple[dict[str, Any], bytes]:
    """The next message: states, or a picture with its head."""
    message = page.recv(GUARD_S)
    if isinstance(message, str):
        states = json.loads(message)
        assert list(states) == ["cameras"]
        return dict(states["cameras"])
    (length,) = struct.unpack_from(">I", message)
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def picture_of(page: ClientConnection, camera: str) -> tuple[dict[str, Any], int]:
    until_s = time.monotonic() + GUARD_S
    while time.monotonic() < until_s:
        message = told(page)
        if isinstance(message, tuple) and message[0]["camera"] == camera:
            return message[0], brightness(message[1])
    raise AssertionError(f"no picture of {camera}")


def states(page: ClientConnection, true: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    until_s = time.monotonic() + GUARD_S
    while time.monotonic() < until_s:
        message = told(page)
        if isinstance(message, dict) and true(message):
            return message
    raise AssertionError("no such states")


def test_a_page_gets_the_pictures_that_it_wants(served: Api) -> None:
    with working(served.control, "plaza", "road") as worker:
        hear(served, report(worker_ts(worker), "plaza", "road"))
        with viewing(served, "plaza", "road") as page:
            head, first = picture_of(page, "plaza")
            assert head == {"camera": "plaza", "age": head["age"], "width": 640, "height": 360}
            assert 0 <= head["age"] < GUARD_S
            picture_of(page, "road")
            _, second = picture_of(page, "plaza")
            assert is_after(second, first)
            page.send(json.dumps({"cameras": ["road"]}))
            states(page, lambda now: list(now) == ["road"])
            for _ in range(5):
                message = told(page)
                assert isinstance(message, dict) or message[0]["camera"] == "road"
            page.send(json.dumps({"cameras": []}))
            states(page, lambda now: now == {})
            assert isinstance(told(page), dict)
            assert served.hub.room == live.MAX_WATCHED
    wait_until(lambda: served.hub.room == live.MAX_WATCHED, GUARD_S)


def worker_ts(worker: FakeWorker) -> float:
    """What its clock says now."""
    return DAY + worker.index / worker.fps


def test_a_page_is_told_how_its_cameras_are(served: Api) -> None:
    now = time.time()
    down = report(
        now, "road", worker="v", state="down", code="stalled", message="it stalled: look",
        last_frame_ts=now - 50,
    )  # fmt: skip
    never = report(now, "new", worker="u", state="starting", last_frame_ts=None)
    hear(served, report(now, "plaza", last_frame_ts=now - 0.5), down, never)
    with viewing(served, "plaza", "road", "new", "none") as page:
        first = states(page, lambda now: len(now) == 4)
        assert first["plaza"]["state"] == "live"
        assert first["plaza"]["message"] == ""
        assert 0.5 <= first["plaza"]["age"] < GUARD_S
        assert first["road"]["state"] == "down"
        assert first["road"]["message"] == "it stalled: look"
        assert 50 <= first["road"]["age"] < 50 + GUARD_S
        assert first["road"]["code"] == "stalled"
        assert first["new"] == {
            "state": "starting", "code": None, "age": None, "unheard": None, "message": "",
        }  # fmt: skip
        assert first["none"]["state"] == "unknown"
        assert first["none"]["message"].startswith("no worker has this camera")
        later = states(page, lambda now: now["road"]["age"] >= first["road"]["age"] + 1.5)
        assert later["plaza"]["age"] > first["plaza"]["age"], "also while nothing is reported"
        hear(served, report(now, "plaza", last_frame_ts=now - 0.5), late_s=100)
        lost = states(page, lambda now: now["plaza"]["state"] == "unknown")
        assert "has not been heard for 10" in lost["plaza"]["message"]
        assert lost["plaza"]["age"] > 100
        assert 100 <= lost["plaza"]["unheard"] < 100 + GUARD_S


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b'{"cameras": []}', 1003),
        ("", 1003),
        ("no json", 1003),
        ("[" * 5000, 1003),
        ("[]", 1008),
        ("null", 1008),
        ('{"cameras": "plaza"}', 1008),
        ('{"cameras": [1]}', 1008),
        ('{"cameras": [""]}', 1008),
        ('{"cameras": ["a\\u0000b"]}', 1008),
        ('{"cameras": [], "more": 1}', 1008),
        ("{}", 1008),
        (json.dumps({"cameras": [f"c{n}" for n in range(65)]}), 1008),
        (json.dumps({"cameras": ["x" * 200]}), 1008),
        (json.dumps({"cameras": ["x" * 100] * 1000}), 1009),
    ],
    ids=range(15),
)
def test_a_page_that_sends_anything_else_is_closed(
    steady: Api, message: str | bytes, code: int
) -> None:
    with viewing(steady, "plaza") as page:
        states(page, lambda now: "plaza" in now)
        page.send(message)
        assert closing(page)[0] == code
    wait_until(lambda: steady.hub.room == live.MAX_WATCHED, GUARD_S)


def test_a_page_has_room_for_as_many_as_it_may_ask_for(steady: Api) -> None:
    with viewing(steady, *(f"c{n}" for n in range(64))) as page:
        assert len(states(page, lambda now: now)) == 64
        assert steady.hub.room == live.MAX_WATCHED - 64


def test_one_page_too_many_is_told_to_come_later(
    served: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_WATCHED", 2)
    with viewing(served, "plaza", "road") as page:
        states(page, lambda now: len(now) == 2)
        with viewing(served, "plaza") as other:
            assert closing(other)[0] == 1013
        assert isinstance(told(page), dict)


def test_a_page_needs_a_key(steady: Api) -> None:
    for headers in ({}, {"X-Api-Key": steady.key[:-1] + "x"}):
        with pytest.raises(InvalidStatus) as refused, viewing(steady, headers=headers):
            pass
        assert refused.value.response.status_code == 403


def test_a_slow_page_gets_the_newest_and_holds_up_nobody(served: Api) -> None:
    with (
        working(served.control, "plaza", "road") as worker,
        viewing(served, "plaza", "road") as quick,
    ):
        port = httpx.URL(served.client.base_url).port
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            slow.connect(("127.0.0.1", port))
            slow.sendall(
                f"GET {PREFIX}/live HTTP/1.1\r\nHost: x\r\nX-Api-Key: {served.key}\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            )
            assert slow.recv(12) == b"HTTP/1.1 101"
            wish = json.dumps({"cameras": ["plaza", "road"]}).encode()
            slow.sendall(b"\x81" + bytes([0x80 | len(wish)]) + bytes(4) + wish)
            wait_until(lambda: served.hub.room == live.MAX_WATCHED - 4, GUARD_S)
            made = worker.pictures.made
            seen = [picture_of(quick, camera)[1] for camera in ("plaza", "road") * 10]
            assert worker.pictures.made >= made + 10
            assert is_after(seen[-1], seen[-3])
    wait_until(lambda: served.hub.room == live.MAX_WATCHED, GUARD_S)


def test_the_page_goes_on_while_its_worker_is_gone_and_back(served: Api) -> None:
    with viewing(served, "plaza") as page:
        with working(served.control, "plaza"):
            picture_of(page, "plaza")
        served.ingest.workers = ()
        states(page, lambda now: now["plaza"]["state"] == "unknown")
        hear(served, report(time.time(), "plaza", worker="other"))
        with working(served.control, "plaza", name="other"):
            picture_of(page, "plaza")


def test_a_page_sees_the_cameras_of_its_person_as_long_as_they_are(served: Api) -> None:
    """The others are as those that no worker has, also when they were seen before."""
    user = add_user(served.store, "viewer", Role.VIEWER, cameras=["plaza", "road"])
    (group,) = served.store.groups.all()
    port = httpx.URL(served.client.base_url).port or 0
    headers = person_headers(port, add_session(served.store, user))
    hear(served, report(time.time(), "plaza", "road", "gate"))
    with (
        working(served.control, "plaza", "road", "gate") as worker,
        viewing(served, "plaza", "road", "gate", "none", headers=headers) as page,
    ):
        first = states(page, lambda now: len(now) == 4)
        assert first["gate"] == first["none"]
        assert first["road"]["state"] == "live"
        picture_of(page, "road")
        served.store.groups.change(group.id, group.name, ["plaza", "gate"], TESTER)
        states(page, lambda now: now["road"] == first["none"])
        seen = {picture_of(page, camera)[0]["camera"] for camera in ("plaza", "gate") * 5}
        assert seen == {"plaza", "gate"}
        assert served.hub.room == live.MAX_WATCHED - 2, "nobody views the other one"
        for _ in range(50):
            message = told(page)
            assert isinstance(message, dict) or message[0]["camera"] != "road"
        assert {camera for _, camera in worker.views} == {"plaza", "road", "gate"}
        # a role without pictures closes it
        groups = frozenset({group.id})
        served.store.people.change(user, Rights(Role.ANALYST, groups=groups), TESTER)
        assert closing(page)[0] == 1008
    wait_until(lambda: served.hub.room == live.MAX_WATCHED, GUARD_S)
