"""The access matrix: for each way in that there is, what each caller is answered, by a table that
people have reviewed. ``python -m tests.api.matrix --write`` adds the rows that the table lacks and
takes out those whose way is gone; what is to be answered is for a person to say."""

from __future__ import annotations

import csv
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlencode

from api.auth import form_token
from api.store import Store
from streams.evidenceform import CONTENT_TYPE
from tests.api.command import environment
from tests.api.evidence.packing import JPEG, packed
from tests.api.matrix_fork import Forked, forked
from tests.api.matrix_rows import Row, rows
from tests.api.matrix_world import (
    ABSENT,
    ALERTS,
    CHANNEL,
    COPIED,
    FOREIGN,
    INSIDERS,
    LIMITED,
    NONE,
    OWN,
    REASON,
    SENT,
    TABLE_CALLERS,
    WORKER,
    World,
    scene,
)
from tests.api.served import sqlite_url
from tests.needs import REPO

TABLE: Final = Path(__file__).with_name("access_matrix.csv")
GUARD_S: Final = 60
UNSAID: Final = "?"
OBJECTS: Final = {"own": OWN, "foreign": FOREIGN, "absent": ABSENT, "-": ""}
SPAN: Final = {"from": "2026-01-31T00:00:00Z", "to": "2026-01-31T01:00:00Z"}
UNMASKED: Final = ("/evidence/{form}/original", "/evidence/{form}/material")
"""What gives out what a camera sent."""
EARLIER: Final = {"from": "2020-01-31T00:00:00Z", "to": "2020-01-31T01:00:00Z"}
"""When nothing was seen that could be deleted."""
_SOCKET_IO: Final = "socket.io/?EIO=4&transport=websocket"
FILES: Final = {
    "/docs/files/{file:path}": "/docs/files/swagger-ui.css",
    "/door/{file}": "/door/forms.css",
    "/room/_nicegui/{version}/static/{file:path}": "/room/_nicegui/{version}/static/nicegui.js",
    "/room/_nicegui_ws/{rest:path}": f"/room/_nicegui_ws/{_SOCKET_IO}",
}
"""A file, or the socket, that there is at a path which stands for many."""
FORMS: Final = {
    "/login": {"name": "nobody N", "password": "wrong N"},
    "/people": {"name": "made N", "role": "viewer", "link": "1"},
    "/people/{user}": {"role": "viewer"},
    "/people/{user}/remove": {"confirm": "1"},
    "/groups": {"name": "made N", "cameras": OWN},
    "/groups/{group}": {"name": "made N", "cameras": OWN},
    "/groups/{group}/remove": {"confirm": "1"},
    "/keys": {"name": "made-N", "kind": "worker", "cameras": OWN},
    "/language": {"language": "en", "back": "/account"},
    "/theme": {"theme": "light", "back": "/account"},
    "/validation/{piece}/count": {"n-0-0": "1", "confirm": "1"},
    "/silences": {"cameras": OWN, "reason": "made N", "length": "1h"},
}
"""What a form sends that is taken; others send nothing but their token."""
ACTS: Final[Mapping[str, Mapping[str, str | int]]] = {
    "assign": {"to": "the administrator", "edit": 0},
    "resolve": {"outcome": "false", "edit": 0},
    "reopen": {"edit": 1},
    "merge": {"into": ALERTS[OWN], "edit": 0},
}
"""What is done about one alert, and what is sent with it."""
CHANGING: Final = re.compile(
    r'"position":\d+|new-\d+|silence .\d+|name="token" value="\w+"|/validation/\d+|'
    r"\d{4}-\d\d-\d\dT[\d:.]+Z"
)
ENDING: Final = ("/leave", "/account/", "/people/", "/enter")
"""Where sessions may be ended, also that of who asks."""
TELLING: Final = ("/readyz", "/api/v1/cameras/try")
"""What says which worker it is about: to this machine, and to whoever may name one."""
SYSTEM: Final = ("/audit", "/api/v1/audit", "/people", "/groups", "/keys")
"""What tells of the whole system to whoever may see it, and of no camera's pictures or alerts."""


Table = dict[Row, dict[str, str]]


@dataclass(frozen=True)
class Answer:
    """What came: of a stream only its head, for it has no end."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Running:
    """A served application, its store, and the process that serves it."""

    world: World
    routes: list[tuple[str, str, str]]
    described: dict[str, Any]
    process: Forked
    log: Path
    kept: dict[str, HTTPConnection] = field(default_factory=dict)
    number: int = 0

    @property
    def port(self) -> int:
        return self.world.port

    def change(
        self,
        rules: Sequence[tuple[int, str | None]] = (),
        roles: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Have rows of the table of paths need something else, and roles include other
        permissions, from the next answer on; all else is as it is in the code."""
        line = json.dumps({"rules": list(rules), "roles": dict(roles or {})})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == line

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """One answer; ``path`` goes as it is."""
        kept = self.kept.pop("one", None)
        if kept is not None:
            try:
                return self._send(kept, method, path, headers, body)
            except (ConnectionError, HTTPException):
                # the server has closed what was used too long ago
                kept.close()
        fresh = HTTPConnection("127.0.0.1", self.port, timeout=GUARD_S)
        return self._send(fresh, method, path, headers, body)

    def _send(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Answer:
        connection.request(method, path, body=body, headers=dict(headers))
        found, keep = _read(connection.getresponse())
        if keep and found.status < 500:
            self.kept["one"] = connection
        else:
            connection.close()
        return found

    def upgrade(self, path: str, headers: Mapping[str, str]) -> Answer:
        """The status with which a WebSocket is answered."""
        asked = {
            "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
            "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }  # fmt: skip
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=GUARD_S)) as connection:
            connection.request("GET", path, headers=asked | dict(headers))
            with connection.getresponse() as answer:
                return Answer(answer.status)

    def ask(self, row: Row, caller: str, object: str | None = None) -> Answer:  # noqa: A002
        """What the caller is answered."""
        path, body, more = self._filled(row, OBJECTS[object or row.object])
        headers = dict(self.world.held[caller]) | more
        if row.kind == "http" and row.method == "GET":
            # browsers name the origin of what they send, not of what they read
            headers.pop("origin", None)
        link = self.world.link_of(caller, new=row.path == "/enter")
        if link:
            path += ("&" if "?" in path else "?") + f"link={link}"
            # its own page's form is made of the link itself
            own = row.path == "/enter"
            headers |= {"x-csrf-token": form_token(link)} if own else {}
        if row.kind == "websocket":
            return self.upgrade(path, headers)
        answer = self.send(row.method, path, headers, body)
        if row.path.startswith(ENDING) and answer.status not in {401, 403}:
            self.world.again(caller)
        return answer

    @property
    def faults(self) -> str:
        """What the server wrote of errors that nobody caught."""
        said = self.log.read_text(encoding="utf-8", errors="replace")
        return said[said.find("Traceback") :] if "Traceback" in said else ""

    def _filled(self, row: Row, camera: str) -> tuple[str, bytes | None, dict[str, str]]:
        """The path, the body and more headers."""
        path = FILES.get(row.path, row.path)
        values = {"camera": camera, "alert_id": ALERTS.get(camera, ""), "channel": CHANNEL,
                  "path": "x.js", "version": version("nicegui"), "form": "snapshot",
                  "piece": str(self.world.pieces.get(camera, NONE)),
                  **dict.fromkeys(("file", "rest", "key", "name", "change"), "x")}  # fmt: skip
        if "{" in path and not path.startswith("/room"):
            values |= self.spare(row)
        if (act := row.path.rpartition("/")[2]) in ACTS:
            values["alert_id"] = self.world.alert_at(int(ACTS[act]["edit"]), camera)
        if "{silence}" in path:
            values["silence"] = str(self.world.silence(camera))
        path = re.sub(r"{(\w+)(?::\w+)?}", lambda found: values[found[1]], path)
        formats = {"/api/v1/alerts/export": "cloudevents", "/api/v1/counts/export": "csv"}
        query = {"format": formats[path]} if path in formats else {}
        if camera and "{" not in row.path and row.method == "GET":
            query["camera"] = camera
        if row.path.startswith("/api/v1/counts"):
            query |= {"camera": camera or OWN} | SPAN
        elif "/precision" in row.path:
            query |= SPAN
        if row.path.endswith("/suggestion"):
            query = {"camera": camera or OWN, "rule": "intrusion"}
        if query:
            path += f"?{urlencode(query)}"
        if row.method == "GET":
            return path, None, {}
        if not row.path.startswith("/api/"):
            self.number += 1
            fields = FORMS.get(row.path, {})
            sent = {name: value.replace("N", str(self.number)) for name, value in fields.items()}
            form = {"content-type": "application/x-www-form-urlencoded"}
            return path, urlencode(sent).encode(), form
        self.number += 1
        if row.path.endswith(("/evidence/{form}", "/evidence/{form}/copy")):
            parts = COPIED if row.path.endswith("/copy") else SENT
            body = packed(values["alert_id"], "snapshot", camera, parts=parts)
            return path, body, {"content-type": CONTENT_TYPE}
        given = json.dumps(self._given(row, camera))
        return path, given.encode(), {"content-type": "application/json"}

    def _given(self, row: Row, camera: str) -> Mapping[str, Any]:
        """What is sent to a path of the API."""
        seen = {"camera": camera, "kind": "intrusion", "start": SPAN["from"]}
        match row.path.removeprefix("/api/v1/"):
            case "alerts":
                return {"id": f"new-{self.number}", **seen}
            case "alerts/by-hand":
                return seen
            case "alerts/acknowledge":
                return {"ids": [ALERTS[OWN]]}
            case "silences":
                end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
                return {"match": {"cameras": [camera]}, "reason": "made", "end": end}
            case "cameras/try":
                return {"source": "rtsp://10.0.0.7/stream1"}
            case "evidence/delete":
                return {"camera": camera, **EARLIER, "reason": "made"}
            case "cameras/{camera}/scene":
                return {"base": 0, "scene": scene(camera)}
            case "cameras/{camera}/scene/check":
                return {"scene": scene(camera)}
            case path if path.endswith("/missing"):
                return {"camera": camera, "why": "made"}
            case path if path.endswith(("/hold", "/release")):
                return {"reason": "made"}
            case path:
                return ACTS.get(path.rpartition("/")[2], {})

    def spare(self, row: Row) -> dict[str, str]:
        """Somebody or something that may be changed or removed, new for each row."""
        name = f"{row.method} {row.path}"
        if name not in self.world.spare:
            self.world.spare[name] = json.dumps(self.world.renew())
        found: dict[str, str] = json.loads(self.world.spare[name])
        return found


def _read(answer: HTTPResponse) -> tuple[Answer, bool]:
    headers = {name.lower(): value for name, value in answer.getheaders()}
    endless = headers.get("content-type", "").startswith(("text/event-stream", "multipart/"))
    if endless and answer.status == 200:
        answer.close()
        return Answer(answer.status, b"", headers), False
    return Answer(answer.status, answer.read(), headers), not answer.will_close


@contextmanager
def running(*, tree: Path = REPO) -> Iterator[Running]:
    """The application of a ``tree`` of sources, served with everything and everybody there."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "errors.txt"
        process = forked(tree, folder, log, environment(folder))
        try:
            line = process.stdout.readline()
            assert line, f"the server did not start: {log.read_text()[-2000:]}"
            said = json.loads(line)
            routes = [(kind, method, path) for kind, method, path in said["routes"]]
            with Store.open(sqlite_url(folder)) as store:
                world = World(store, folder, said["port"])
                world.fill()
                found = Running(world, routes, said["described"], process, log)
                yield found
                for connection in found.kept.values():
                    connection.close()
        finally:
            process.end()


# --- the table


def read_table() -> Table:
    with TABLE.open(encoding="utf-8", newline="") as file:
        table: Table = {}
        for line in csv.DictReader(file):
            row = Row(*(line[name] for name in Row._fields))
            assert row not in table, f"{row} is there twice"
            table[row] = {name: line.get(name, UNSAID) for name in TABLE_CALLERS}
        return table


def write_table(table: Table) -> None:
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*Row._fields, *TABLE_CALLERS])
        for row in sorted(table, key=lambda row: (row.path, row.method, row.kind, row.object)):
            writer.writerow([*row, *(table[row][name] for name in TABLE_CALLERS)])


def judge(
    running: Running,
    table: Table,
    only: Callable[[Row], bool] = lambda _: True,
    callers: Sequence[str] = TABLE_CALLERS,
) -> Iterator[str]:
    """Each answer that is not as the table has it, or says more than it may."""
    # administrators last, who remove what others try to
    order = sorted(callers, key=lambda name: name == "administrator")
    for row, cells in table.items():
        if only(row):
            for caller in order:
                yield from _cell(running, row, caller, cells[caller])


def _cell(running: Running, row: Row, caller: str, wanted: str) -> Iterator[str]:
    what = f"{' '.join(row)} as {caller}"
    try:
        answer = running.ask(row, caller)
    except (OSError, HTTPException) as error:
        yield f"{what}: {error!r}"
        return
    if str(answer.status) != wanted:
        yield f"{what}: {answer.status}, not {wanted}"
        return
    said = answer.body.decode("utf-8", "replace")
    if JPEG in answer.body and not row.path.endswith(UNMASKED):
        yield f"{what}: shows what is not masked"
    if caller not in INSIDERS and not row.path.startswith((*SYSTEM, *TELLING)):
        yield from (f"{what}: says {word}" for word in (WORKER, REASON) if word in said)
    if caller not in LIMITED:
        return
    if row.object == "foreign":
        # it must not even be told from one that does not exist
        absent = running.ask(row, caller, "absent")
        other = absent.body.decode("utf-8", "replace").replace(ABSENT, FOREIGN)
        if (absent.status, _plain(other)) != (answer.status, _plain(said)):
            yield f"{what}: {answer.status} {said[:200]}, but of none {absent.status} {other[:200]}"
    elif FOREIGN in said.lower() and not row.path.startswith(SYSTEM):
        yield f"{what}: says something of the foreign camera"


def _plain(text: str) -> str:
    """Without what differs each time."""
    return CHANGING.sub("", text)


def write() -> None:
    """Bring the rows of the table up to date; new cells are for a person to fill in."""
    known = read_table() if TABLE.exists() else {}
    with running() as served:
        wanted = rows(served.routes, served.described)
    table = {row: known.get(row, dict.fromkeys(TABLE_CALLERS, UNSAID)) for row in wanted}
    write_table(table)
    for row in [*(set(wanted) - set(known)), *(set(known) - set(wanted))]:
        print("new, fill in its cells:" if row in table else "taken out:", *row)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("python -m tests.api.matrix --write")
    write()
