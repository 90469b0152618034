"""The whole system as processes of its own, looked at from outside: its log, its API, /proc."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, Self

import httpx

from api.access import SCOPES
from tests.api.command import environment
from tests.needs import REPO
from tests.nursery import nursery
from tests.waiting import wait_for

START_S = 100
CLEAN_END_S = 100
MARK = "MATAKOTA_TEST_MARK"
ADMINISTRATOR = "administrator"
LINK = re.compile(r"http://\S+/enter\?link=\S+")
SPOOLED = re.compile(r"alert spooled\b.*?\bid=(\S+).*?\bversion=(\d+)")
COMMANDS = tuple(f"api.cli.{name}" for name in ("cameras", "config", "keys", "link", "up", "users"))
"""What is called again and again."""
ROLES = {
    "API": (" serve ",),
    "worker": (" worker ",),
    "notifier": (" notify ",),
    "watchdog": (" watch ",),
    "Valkey": ("valkey-server", "redis-server"),
    "fork server": ("streams.rtsp.forked",),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Living:
    """``matakota up`` in ``folder`` for the city in ``folder/city.yaml``, with the log of all its
    processes in ``log``. Leaving ends it, by force where it must be."""

    def __init__(self, folder: Path, *, log_level: str = "info", **variables: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "up.log"
        self._mark = uuid.uuid4().hex
        self._variables = environment(folder, **{MARK: self._mark, **variables})
        self._level = log_level
        self._key = ""
        self._users: set[str] = set()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        try:
            wait_for(self.ready, f"the system is ready; {self.log}", START_S)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "api", *arguments]

    def start(self) -> None:
        """Start ``matakota up``; returns at once."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(
                    "--log-level", self._level, "up", "-c", "city.yaml",
                    "--port", str(self.port), "--data", str(self.folder / "data"),
                ),
                cwd=self.folder,
                env={**self._variables, "PYTHONPATH": str(REPO)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another of our commands, in the same folder with the same data."""
        with TemporaryFile() as out, TemporaryFile() as err, Path(os.devnull).open() as nothing:
            forked = nursery(*COMMANDS).start(
                "api.cli:main", arguments,
                folder=self.folder,
                variables={**self._variables, "MATAKOTA_DATA": str(self.folder / "data")},
                files=(nothing, out, err),
            )  # fmt: skip
            try:
                code = forked.wait(100)
            finally:
                forked.kill()
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode("utf-8"))
        return subprocess.CompletedProcess(arguments, code, *said)

    def ready(self) -> bool:
        """Whether ``/readyz`` says so. Raises where the system ended instead."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.address}/readyz").status_code == 200
        return False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """With a machine key for everything that one may do, made at first use."""
        if not self._key:
            scopes = [part for scope in SCOPES for part in ("--scope", scope)]
            made = self.run("keys", "create", "test", "--every-camera", *scopes)
            assert made.returncode == 0, made.stderr
            self._key = made.stdout.strip()
        return {"Authorization": f"Bearer {self._key}"}

    def link(self, user: str = ADMINISTRATOR, role: str = "administrator", *more: str) -> str:
        """A new one-time link for a user, who is added at first use: with this role, and what else
        'matakota users add' is told."""
        if user not in self._users:
            made = self.run("users", "add", user, "--role", role, *more)
            assert made.returncode == 0, made.stderr
            self._users.add(user)
        made = self.run("link", user, "--port", str(self.port))
        assert made.returncode == 0, made.stderr
        found = LINK.search(made.stdout)
        assert found is not None, made.stdout
        return found[0]

    def get(self, path: str, **query: str | int | float) -> Any:
        """The answer of the API, asked again while it is being started."""
        end_s = time.monotonic() + 100
        while True:
            try:
                answer = httpx.get(
                    f"{self.address}{path}", params=query, headers=self.headers, timeout=20
                )
            except httpx.TransportError:
                assert time.monotonic() < end_s, "the API does not answer"
                time.sleep(0.1)
            else:
                assert answer.status_code == 200, answer.text
                return answer.json()

    def alerts(self, **query: str | int) -> list[dict[str, Any]]:
        """All alerts that fit, through all pages."""
        found: list[dict[str, Any]] = []
        page = self.get("/api/v1/alerts", limit=1000, **query)
        found += page["alerts"]
        while page["next"]:
            page = self.get("/api/v1/alerts", limit=1000, cursor=page["next"], **query)
            found += page["alerts"]
        return found

    def passed(self, camera: str) -> Counter[str]:
        """How many passed any line of the camera in the last hour, by direction."""
        since = datetime.now(UTC) - timedelta(hours=1)
        query = {"camera": camera, "interval": "5m", "from": since.isoformat()}
        found: Counter[str] = Counter()
        for row in self.get("/api/v1/counts", **query)["counts"]:
            found[row["direction"]] += row["count"] or 0
        return found

    def cameras(self) -> dict[str, dict[str, Any]]:
        return {entry["id"]: entry for entry in self.get("/api/v1/cameras")["cameras"]}

    def spooled(self) -> dict[str, int]:
        """The ledger: alerts that the log says are spooled, with their highest version."""
        found: dict[str, int] = {}
        text = self.log.read_text(encoding="utf-8", errors="replace")
        for line in text[: text.rfind("\n") + 1].splitlines():
            if match := SPOOLED.search(line):
                found[match[1]] = max(found.get(match[1], 0), int(match[2]))
        return found

    def waiting(self) -> int:
        """Messages in the worker's spool that no receipt confirmed yet."""
        with closing(
            sqlite3.connect(f"{self.spool.as_uri()}?mode=ro", uri=True, timeout=20)
        ) as database:
            return int(database.execute("SELECT count(*) FROM outbox").fetchone()[0])

    @property
    def spool(self) -> Path:
        (found,) = (self.folder / "data").glob("spool-*.db")
        return found

    # --- processes

    def processes(self) -> dict[int, str]:
        """Process id to command line of everything that belongs to this run: it carries the mark,
        or works in the run's folder (Valkey writes its title over its environment)."""
        mark, folder = f"{MARK}={self._mark}".encode(), f"{self.folder}/"
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with suppress(OSError):
                works_here = f"{os.readlink(entry / 'cwd')}/".startswith(folder)
                if works_here or mark in (entry / "environ").read_bytes():
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if line:
                        found[int(entry.name)] = line
        return found

    def pids(self, role: str) -> list[int]:
        return [
            pid
            for pid, line in self.processes().items()
            if any(part in f"{line} " for part in ROLES[role]) and " up " not in line
        ]

    def variable(self, role: str, name: str) -> str | None:
        """An environment variable of a process of that role, None where there is neither."""
        for pid in self.pids(role):
            with suppress(OSError):
                for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    if entry.startswith(f"{name}=".encode()):
                        return entry.partition(b"=")[2].decode()
        return None

    def kill(self, role: str) -> bool:
        """kill -9 one process of that role, if there is one."""
        for pid in self.pids(role)[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def terminate(self) -> int:
        """SIGTERM to the whole, and its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(CLEAN_END_S)

    def _end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def lines_of_events(response: httpx.Response) -> Iterator[dict[str, str]]:
    """Server-sent events as a plain client reads them: field to value, one dict an event."""
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if not line:
            # without data there is nothing to dispatch (a comment, "retry")
            if "data" in event:
                yield event
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            event[name] = event.get(name, "") + value.removeprefix(" ")
