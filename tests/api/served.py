"""Messages, stores and running servers for the tests of the API."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import uvicorn

from api.access import SCOPES, Role
from api.app import create_app
from api.auth import form_token, new_token
from api.bell import Bell
from api.cli.head import BoundedHead
from api.door import Door
from api.evidence.room import EvidenceRoom
from api.ingest import Heard
from api.live import Hub
from api.store import Actor, Grant, NewSession, Rights, Store
from streams.bus import Control
from streams.bus.memory_control import MemoryControl
from streams.messages import AlertMessage, Count, CountsMessage
from streams.reports import CameraReport, HealthReport
from vision.errors import BusError, StoreError

POSTGRES_VARIABLE = "MATAKOTA_TEST_POSTGRES_URL"
"""A PostgreSQL whose tables may be dropped; its tests skip without."""
DAY = 1_769_817_600.0
"""2026-01-31T00:00:00Z."""
LINES = {"gate": ("in", "out")}
CLASSES = ("car", "bus")


def alert(alert_id: str = "a", version: int = 1, **more: Any) -> AlertMessage:
    values: dict[str, Any] = {
        "camera": "plaza", "kind": "intrusion", "rule": "intrusion@lawn", "place": "lawn",
        "severity": "high", "state": "open", "start_ts": DAY, "raised_ts": DAY + 1, "score": 0.5,
        "details": {"why": "on the lawn", "foot_px": [1.5, 2]}, "revision": 3,
    }  # fmt: skip
    return AlertMessage(id=alert_id, version=version, **(values | more))


def counted(
    start_s: float = 0, counts: dict[tuple[str, str, str], int] | None = None, **more: Any
) -> CountsMessage:
    """An interval that begins ``start_s`` after DAY."""
    values: dict[str, Any] = {
        "camera": "plaza", "seconds": 60, "revision": 1, "version": 1, "observed_s": 60.0,
        "frames": 300, "lines": LINES, "classes": CLASSES,
    }  # fmt: skip
    rows = tuple(
        Count(line=line, direction=direction, class_name=name, count=n)
        for (line, direction, name), n in (counts or {}).items()
    )
    return CountsMessage(start_ts=DAY + start_s, counts=rows, **(values | more))


def report(ts: float = DAY, *cameras: str, worker: str = "w", **more: Any) -> HealthReport:
    values: dict[str, Any] = {
        "source": "rtsp", "state": "live", "code": None, "message": "", "since_ts": DAY,
        "last_frame_ts": ts, "width": 640, "height": 360, "analysed": 10, "dropped": 1,
        "connects": 1, "revision": 1,
    }  # fmt: skip
    return HealthReport(
        worker=worker,
        ts=ts,
        problem=more.pop("problem", None),
        waiting=0,
        cameras=tuple(CameraReport(camera=c, name=c.title(), **(values | more)) for c in cameras),
    )


def sqlite_url(folder: Path) -> str:
    """The address of a database in ``folder``, which has its tables and holds nothing if it is
    new: to make them takes longer than most of what is tried on them."""
    file = folder / "matakota.db"
    if folder.is_dir() and not file.exists():
        file.touch(0o600)
        file.write_bytes(_new_database())
    return f"sqlite:///{file}"


@cache
def _new_database() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "matakota.db"
        Store.open(f"sqlite:///{file}").close()
        return file.read_bytes()


TESTER = Actor("command", "tests")


def add_key(
    store: Store,
    name: str = "tests",
    *,
    scopes: Iterable[str] = SCOPES,
    cameras: Iterable[str] | None = None,
    worker: bool = False,
) -> str:
    """A new key's text: with every scope, unless told otherwise, and for every camera."""
    token = new_token()
    grant = Grant(
        scopes=() if worker else tuple(scopes),
        worker=worker,
        every_camera=cameras is None,
        cameras=tuple(cameras or ()),
    )
    store.keys.add(token.id, name, token.hash, grant, TESTER)
    return token.reveal()


def add_user(
    store: Store,
    name: str = "administrator",
    role: Role = Role.ADMINISTRATOR,
    *,
    cameras: Iterable[str] | None = None,
) -> int:
    """The number of a new user, who sees these cameras, or every one."""
    groups = frozenset[int]()
    if cameras is not None:
        groups = frozenset({store.groups.add(f"of {name}", cameras, TESTER).id})
    rights = Rights(role, every_camera=cameras is None, groups=groups)
    return store.people.add(name, rights, TESTER).id


def add_session(store: Store, user: int) -> str:
    """The text of a new session of a user, as their browser keeps it."""
    token = new_token("session")
    assert store.keys.begin(user, NewSession(token.id, token.hash, 3600.0), "test") is not None
    return token.reveal()


@dataclass
class FakeIngest:
    """An ingest that says what a test wants."""

    running: bool = True
    problem: BusError | StoreError | None = None
    newer: str | None = None
    workers: tuple[Heard, ...] = field(default_factory=lambda: (Heard(report(), time.monotonic()),))


class _Server(uvicorn.Server):
    """One that ends when it is told to, and not with its next tick."""

    async def main_loop(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        await self.on_tick(0)
        await self._over.wait()

    def end(self) -> None:
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._over.set)


@contextmanager
def serving(door: Door, port: int = 0) -> Iterator[str]:
    """The address of a real server in a thread of this process, at a free port or at one that was
    used before."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(100)
        server = _Server(
            uvicorn.Config(
                door, http=BoundedHead, log_config=None, access_log=False,
                timeout_graceful_shutdown=2, proxy_headers=False, ws_per_message_deflate=False,
            )
        )  # fmt: skip
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            wait_until(lambda: server.started, 20)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.end()
            thread.join(20)
            assert not thread.is_alive()


@dataclass
class Api:
    """A served application with its store, and a client that has a key."""

    store: Store
    bell: Bell
    ingest: FakeIngest
    door: Door
    key: str
    client: httpx.Client
    control: MemoryControl
    hub: Hub
    room: EvidenceRoom


def room_for(store: Store) -> EvidenceRoom:
    """A room of evidence in a folder of its own, which is there as long as the room."""
    folder = TemporaryDirectory()
    room = EvidenceRoom.open(store, Path(folder.name), {})
    weakref.finalize(room, folder.cleanup)
    return room


def application(
    store: Store, bell: Bell, ingest: FakeIngest, *, everywhere: bool = False, **more: Any
) -> Door:
    """An application whose live pictures do not run."""
    control = MemoryControl()
    hub = Hub(control, lambda: ingest.workers)
    room = room_for(store)
    return create_app(store, bell, ingest, control, hub, room, everywhere=everywhere, **more)


@contextmanager
def watching(control: Control, workers: Callable[[], Sequence[Heard]]) -> Iterator[Hub]:
    """A hub that runs."""
    hub = Hub(control, workers)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


@contextmanager
def api(store: Store, *, pieces: Path | None = None) -> Iterator[Api]:
    bell, ingest, control = Bell(), FakeIngest(), MemoryControl()
    key, room = add_key(store), room_for(store)
    with watching(control, lambda: ingest.workers) as hub:
        door = create_app(store, bell, ingest, control, hub, room, everywhere=False, pieces=pieces)
        with _client(door, key) as client:
            try:
                yield Api(store, bell, ingest, door, key, client, control, hub, room)
            finally:
                bell.close()


def person_headers(port: int, session: str, *, host: str = "127.0.0.1") -> dict[str, str]:
    """What the browser of a session's person sends from a page of the server at this port, and the
    token of its forms."""
    return {
        "cookie": f"matakota_{port}={session}",
        "origin": f"http://{host}:{port}",
        "sec-fetch-site": "same-origin",
        "x-csrf-token": form_token(session),
    }


@contextmanager
def person(api: Api, user: int) -> Iterator[httpx.Client]:
    """A client that asks as this user's browser does, in a session of its own."""
    session = add_session(api.store, user)
    headers = person_headers(api.client.base_url.port or 0, session)
    with httpx.Client(base_url=api.client.base_url, headers=headers, timeout=30) as client:
        yield client


@contextmanager
def _client(door: Door, key: str) -> Iterator[httpx.Client]:
    with serving(door) as address:
        headers = {"authorization": f"Bearer {key}"}
        with httpx.Client(base_url=address, headers=headers, timeout=30) as client:
            yield client


def wait_until(holds: Callable[[], object], guard_s: float) -> None:
    """Wait until something holds; fail after ``guard_s``."""
    until_s = time.monotonic() + guard_s
    while not holds():
        assert time.monotonic() < until_s, "waited in vain"
        time.sleep(0.01)


def postgres_url() -> str | None:
    return os.environ.get(POSTGRES_VARIABLE) or None
