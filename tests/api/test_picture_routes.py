"""Live pictures over real sockets: one, many one after the other; slow clients, the end."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from api import known, live, pictures, wall
from api.access import Role
from api.cli.listening import STALLED_MS, listen
from api.store import Rights, Store
from tests.api.served import (
    DAY,
    TESTER,
    Api,
    add_key,
    add_user,
    api,
    person,
    report,
    sqlite_url,
    wait_until,
)
from tests.api.viewing import (
    GUARD_S,
    LEVELS,
    PREFIX,
    brightness,
    closing,
    frozen,
    hear,
    is_after,
    looking,
    viewing,
    working,
)

SHRUNK_S = 300
"""Ten times what is promised of a right that is taken away."""


def test_a_snapshot_is_what_the_camera_sees(served: Api) -> None:
    with working(served.control, "plaza") as worker:
        response = served.client.get(f"{PREFIX}/cameras/plaza/snapshot")
        assert response.status_code == 200
        assert response.headers["content-type"] == "image/jpeg"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-captured"].startswith("2026-01-31T00:00:")
        assert abs(brightness(response.content) - worker.index) < 50
        assert [camera for _, camera in worker.views] == ["plaza"]
    assert served.hub.room == live.MAX_WATCHED


@pytest.mark.parametrize("camera", ["nowhere", "try", "x" * 100, "..%2f..%2fetc", "ü"])
@pytest.mark.parametrize("what", ["snapshot", "live"])
def test_a_camera_that_there_is_not(steady: Api, camera: str, what: str) -> None:
    response = steady.client.get(f"{PREFIX}/cameras/{camera}/{what}")
    assert response.status_code == 404
    assert response.json()["detail"]


def test_names_that_no_camera_can_have(steady: Api) -> None:
    for camera in ("x" * 200, "a%00b"):
        assert steady.client.get(f"{PREFIX}/cameras/{camera}/snapshot").status_code == 422


def test_a_dead_camera_says_why(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "SNAPSHOT_S", 0.3)

    def detail() -> str:
        response = served.client.get(f"{PREFIX}/cameras/plaza/snapshot")
        assert response.status_code == 503
        return str(response.json()["detail"])

    now = time.time()
    hear(served, report(now, "plaza", state="down", code="stalled", message="it stalled: look"))
    assert detail().endswith("it stalled: look")
    hear(served, report(now + 1, "plaza"))
    assert "the camera is live" in detail()
    with monkeypatch.context() as patch:
        patch.setattr("api.cameras.FRESH_S", -1.0)
        assert "has not been heard" in detail()
    served.ingest.workers = ()
    assert detail().startswith("no picture came within 0.3 s: ")
    assert served.hub.room == live.MAX_WATCHED


def test_a_stream_of_pictures(served: Api) -> None:
    with working(served.control, "plaza"), looking(served) as reader:
        wait_until(lambda: len(reader.seen) >= 5, GUARD_S)
        assert all(is_after(b, a) for a, b in zip(reader.seen, reader.seen[1:], strict=False))
        head = reader.heads[0]
        assert "Content-Type: image/jpeg" in head
        assert "X-Captured: 2026-01-31T00:00:" in head
        assert "Content-Length: " in head


def test_ten_readers_one_that_never_reads_and_nobody_pays(
    served: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RENEW_S", 0.3)
    monkeypatch.setattr("streams.pictures.LEASE_S", 1.0)
    monkeypatch.setattr("streams.pictures.UNSEEN_S", 0.5)
    with working(served.control, "plaza") as worker:
        with ExitStack() as stack:
            stack.enter_context(frozen(served))
            readers = [stack.enter_context(looking(served)) for _ in range(10)]
            for reader in readers:
                wait_until(lambda reader=reader: len(reader.seen) >= 3, GUARD_S)
            had, made, index = [len(reader.seen) for reader in readers], worker.pictures.made, 0
            wait_until(lambda: worker.pictures.made >= made + 20, GUARD_S)
            index = worker.index
            for reader, before in zip(readers, had, strict=True):
                wait_until(lambda r=reader, b=before: len(r.seen) >= b + 10, GUARD_S)
                assert all(
                    is_after(b, a) for a, b in zip(reader.seen, reader.seen[1:], strict=False)
                )
                assert not reader.ended.is_set()
            for reader in readers:
                wait_until(lambda r=reader: not is_after(index % LEVELS, r.seen[-1]), GUARD_S)
            assert worker.pictures.made <= worker.index, "each is made once, for all of them"
        wait_until(lambda: served.hub.room == live.MAX_WATCHED, GUARD_S)
        # what was under way is over
        wait_until(lambda: not worker.pictures._leases, GUARD_S)
        views, made = len(worker.views), worker.pictures.made
        time.sleep(1.2)
        assert len(worker.views) == views, "nobody asks for pictures"
        assert worker.pictures.made == made, "nobody makes pictures"


def test_a_client_that_takes_nothing_views_nothing(
    served: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "STALLED_S", 0.5)
    body = live.Picture(DAY, 640, 360, b"\xff\xd8" + bytes(2_000_000)).encode()
    with frozen(served):
        wait_until(lambda: served.hub.room == live.MAX_WATCHED - 1, GUARD_S)

        def ended() -> bool:
            served.control.show("plaza", body)
            time.sleep(0.02)
            return served.hub.room == live.MAX_WATCHED

        wait_until(ended, GUARD_S)


def test_the_system_cuts_off_who_takes_nothing() -> None:
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        pytest.skip("this system has no such setting")
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as server,
    ):
        given = server.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert given == STALLED_MS


def test_a_camera_without_pictures_keeps_its_viewers(served: Api) -> None:
    with working(served.control, "plaza") as worker, looking(served) as reader:
        wait_until(lambda: len(reader.seen) >= 1, GUARD_S)
        worker.dark.add("plaza")
        time.sleep(1.5 * wall.STEP_S)
        assert not reader.ended.is_set()
        seen = len(reader.seen)
        worker.dark.clear()
        wait_until(lambda: len(reader.seen) >= seen + 2, GUARD_S)


@pytest.mark.parametrize("busy", [False, True])
def test_a_key_that_is_revoked_ends_its_stream(
    served: Api, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    monkeypatch.setattr(known, "CACHE_S", 0.1)
    other = add_key(served.store, "other")
    with (
        working(served.control, *(["plaza"] if busy else [])),
        looking(served, key=other) as ends,
        looking(served) as stays,
    ):
        served.store.keys.revoke("other", TESTER)
        assert ends.ended.wait(GUARD_S)
        seen = len(stays.seen)
        if busy:
            wait_until(lambda: len(stays.seen) >= seen + 2, GUARD_S)
        assert not stays.ended.is_set()


def test_a_camera_that_is_taken_ends_its_stream_alone(served: Api) -> None:
    user = add_user(served.store, "viewer", Role.VIEWER, cameras=["plaza", "road"])
    (group,) = served.store.groups.all()
    with (
        working(served.control, "plaza", "road"),
        person(served, user) as client,
        looking(served, client=client) as stays,
        looking(served, "road", client=client) as ends,
    ):
        wait_until(lambda: ends.seen and stays.seen, GUARD_S)
        served.store.groups.change(group.id, group.name, ["plaza"], TESTER)
        assert ends.ended.wait(SHRUNK_S)
        seen = len(stays.seen)
        wait_until(lambda: len(stays.seen) >= seen + 2, GUARD_S)
        foreign, none = (
            client.get(f"{PREFIX}/cameras/{camera}/live") for camera in ("road", "none")
        )
        assert foreign.status_code == none.status_code == 404
        assert foreign.json() == none.json()


def test_an_analyst_sees_no_picture(served: Api) -> None:
    user = add_user(served.store, "viewer", Role.VIEWER)
    with (
        working(served.control, "plaza"),
        person(served, user) as client,
        looking(served, client=client) as reader,
    ):
        wait_until(lambda: reader.seen, GUARD_S)
        served.store.people.change(user, Rights(Role.ANALYST, every_camera=True), TESTER)
        assert reader.ended.wait(SHRUNK_S)
        for what in ("live", "snapshot"):
            assert client.get(f"{PREFIX}/cameras/plaza/{what}").status_code == 403


def test_so_many_look_at_most(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_WATCHED", 1)
    with looking(served):
        wait_until(lambda: served.hub.room == 0, GUARD_S)
        for what in ("live", "snapshot"):
            response = served.client.get(f"{PREFIX}/cameras/plaza/{what}")
            assert response.status_code == 503
            assert response.headers["retry-after"]
            assert "close some pages" in response.json()["detail"]


def test_all_ends_with_the_server(tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path)) as store, ExitStack() as stack, api(store) as served:
        hear(served, report(time.time(), "plaza", "road"))
        readers = [stack.enter_context(looking(served, c)) for c in ("plaza", "road")]
        page = stack.enter_context(viewing(served))
        late: list[int] = []
        asking = threading.Thread(
            target=lambda: late.append(
                served.client.get(f"{PREFIX}/cameras/plaza/snapshot").status_code
            )
        )
        asking.start()
        wait_until(lambda: served.hub.room <= live.MAX_WATCHED - 3, GUARD_S)
        served.bell.close()
        for reader in readers:
            assert reader.ended.wait(GUARD_S), "promptly, and by the server"
        assert closing(page)[0] == 1012
        asking.join(GUARD_S)
        assert late == [503]
