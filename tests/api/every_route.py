"""The whole application with its pages, served by a process of its own: NiceGUI can be mounted once
in a process. Says its port and all its routes in one line, and ends with its standard input. Its
arguments are a folder and, where its store is to be slow, seconds."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from starlette.routing import WebSocketRoute

from api.bell import Bell
from api.pages import mount
from api.store import Alerts, Store
from tests.api.served import FakeIngest, application, serving, sqlite_url


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
    folder = Path(sys.argv[1])
    bell = Bell()
    if len(sys.argv) > 2:
        _slow_down(float(sys.argv[2]))
    with Store.open(sqlite_url(folder)) as store:
        door = application(store, bell, FakeIngest(), pages=mount)
        inner: Any = door.inner
        with serving(door) as address:
            found = {"port": int(address.rpartition(":")[2]), "routes": list(walk(inner.routes))}
            print(json.dumps(found), flush=True)
            sys.stdin.read()
            bell.close()
