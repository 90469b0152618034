"""The whole application with its pages and a worker that answers, served by a process of its own
for the access matrix: NiceGUI can be mounted once in a process. Says its port and its routes in
one line. Each line that it then reads replaces rows of the table of paths, and is repeated when
that is done; it ends with its standard input. Its argument is a folder."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.routing import WebSocketRoute

from api import access
from api.access import Permission, Role
from api.app import create_app
from api.bell import Bell
from api.evidence.room import EvidenceRoom
from api.ingest import Heard
from api.pages import mount
from api.pieces import FOLDER
from api.store import Store
from streams.bus.memory_control import MemoryControl
from streams.commands import (
    Mask,
    Masked,
    Replay,
    Replayed,
    Tried,
    Try,
    View,
    decode_command,
)
from streams.drawing import Still, Taken
from streams.messages import encode
from streams.pictures import Pictures
from streams.reports import HealthReport
from tests.api.matrix_world import FOREIGN, OWN, REASON, WORKER
from tests.api.served import DAY, report, serving, sqlite_url, watching
from tests.api.viewing import FakeWorker

ROLES = dict(access.ROLES)
STILL = Taken(ok=True, ts=DAY, width=1, height=1, jpeg=b64encode(b"plain"), view="AZ")


def walk(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Kind, method and path of each route that answers by itself."""
    for route in routes:
        path = prefix + getattr(route, "path", "")
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from walk(included.routes, path + route.include_context.prefix)
            continue
        below = getattr(route, "routes", None)
        if isinstance(route, WebSocketRoute):
            yield "websocket", "GET", path
        elif below is None:
            for method in sorted((getattr(route, "methods", None) or {"GET"}) - {"HEAD"}):
                yield "http", method, path
        elif not below:
            # an application that is no router of ours: its files, or its socket
            yield "mount", "", path
        yield from walk(below or (), path)


def _named(path: str) -> str:
    """Without the version of the pages' library."""
    return re.sub(r"(/_nicegui/)[0-9.]+(?=/)", r"\1{version}", path)


def said() -> HealthReport:
    """What the worker reports, which has a problem of its own."""
    return report(time.time(), OWN, FOREIGN, worker=WORKER, problem=REASON)


class Answering(FakeWorker):
    """A worker that makes pictures, says of every address that it works, replays nothing that it
    kept, and masks nothing."""

    def obey(self) -> None:
        good = encode(Tried(ok=True, code=None, message="it works", width=640, height=360))
        while not self.stop.is_set():
            for command in self.control.take(self.name, wait_s=0.05):
                wanted = decode_command(command.body)
                if isinstance(wanted, View):
                    self.pictures.lease(wanted.camera)
                if isinstance(wanted, Try):
                    self.control.answer(command.id, good)
                if isinstance(wanted, Replay):
                    self.control.answer(command.id, encode(Replayed(ok=True)))
                if isinstance(wanted, Still):
                    self.control.answer(command.id, encode(STILL))
                if isinstance(wanted, Mask):
                    self.control.answer(command.id, encode(Masked(ok=False, message="no")))


class Reporting:
    """An ingest that has just heard of both cameras, whenever it is asked."""

    running = True
    problem = None
    newer = None

    @property
    def workers(self) -> tuple[Heard, ...]:
        return (Heard(said(), time.monotonic()),)


def change(wanted: dict[str, Any]) -> None:
    """Have rows of the table of paths need something else ("gone" takes a row out, None opens it),
    and roles include other permissions; everything else is as it was."""
    needs = dict(wanted["rules"])
    rows = []
    for number, rule in enumerate(access.RULES):
        need = needs.get(number, rule.needs)
        if need != "gone":
            rows.append(replace(rule, needs=None if need is None else Permission(need)))
    access.TABLE = access.Table(rows)  # type: ignore[misc]
    for role, permissions in {**ROLES, **wanted["roles"]}.items():
        access.ROLES[Role(role)] = frozenset(map(Permission, permissions))  # type: ignore[index]


def main() -> None:
    folder = Path(sys.argv[1])
    bell, control, ingest = Bell(), MemoryControl(), Reporting()
    with Store.open(sqlite_url(folder)) as store, watching(control, lambda: ingest.workers) as hub:
        store.cameras.save(said())
        worker = Answering(control, WORKER, (OWN, FOREIGN), 20, Pictures(control))
        worker.pictures.start()
        for run in (worker.obey, worker.look):
            threading.Thread(target=run, daemon=True).start()
        room = EvidenceRoom.open(store, folder, {})
        door = create_app(
            store, bell, ingest, control, hub, room,
            everywhere=False, pieces=folder / FOLDER, pages=mount,
        )  # fmt: skip
        inner: Any = door.inner
        with serving(door) as address:
            found = {
                "port": int(address.rpartition(":")[2]),
                "routes": sorted({(k, m, _named(path)) for k, m, path in walk(inner.routes)}),
                "described": inner.openapi_schema or inner.openapi(),
            }
            print(json.dumps(found), flush=True)
            for line in sys.stdin:
                change(json.loads(line))
                inner.state.services.keys.forget()
                print(line.strip(), flush=True)
            bell.close()
        worker.stop.set()
        worker.pictures.stop()
