"""The whole application with its pages, served by a process of its own: NiceGUI can be mounted once
in a process. Says its port and all its routes in one line, and ends with its standard input. Its
arguments are a folder, the seconds by which its store is slow, a port that was used before, and for
how many seconds longer than any other its worker counts as heard."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from starlette.routing import WebSocketRoute

from api.bell import Bell
from api.ingest import Heard
from api.pages import mount
from api.pieces import FOLDER
from api.store import Alerts, Store
from tests.api.served import FakeIngest, application, report, serving, sqlite_url


def walk(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Kind and path of each route, those of routers and of applications below others too."""
    for route in routes:
        path = prefix + getattr(route, "path", "")
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from walk(included.routes, path + route.include_context.prefix)
            continue
        below = getattr(route, "routes", None)
        if isinstance(route, WebSocketRoute):
            yield "socket", path
        else:
            yield "http" if below is None else "mount", path
        yield from walk(below or (), path)


def _slow_down(seconds: float) -> None:
    ask = Alerts.position

    def slow(alerts: Alerts) -> int:
        time.sleep(seconds)
        return ask(alerts)

    Alerts.position = slow  # type: ignore[method-assign]


def main() -> None:
    folder, slow_s, port, heard_s = [*sys.argv[1:], *["0"] * 3][:4]
    bell = Bell()
    if float(slow_s):
        _slow_down(float(slow_s))
    with Store.open(sqlite_url(Path(folder))) as store:
        ingest = FakeIngest(workers=(Heard(report(), time.monotonic() + float(heard_s)),))
        door = application(store, bell, ingest, pieces=Path(folder) / FOLDER, pages=mount)
        inner: Any = door.inner
        with serving(door, int(port)) as address:
            found = {"port": int(address.rpartition(":")[2]), "routes": list(walk(inner.routes))}
            print(json.dumps(found), flush=True)
            sys.stdin.read()
            bell.close()
