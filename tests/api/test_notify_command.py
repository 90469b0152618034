"""``matakota notify`` and ``matakota watch`` as processes of their own."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog

from api.alerting.settings import Alerting, Channel, Route
from api.cli import run
from api.store import Store, Wanted
from api.watching import NOTIFIER, WATCHDOG
from tests.api.command import environment, python
from tests.api.served import TESTER, alert, sqlite_url
from tests.waiting import wait_for

GUARD_S = 50
"""Ten times what an end may take."""
SECRET = "whsec_" + base64.b64encode(b"not a secret of anybody at all").decode()
QUICK = (
    "import dataclasses, api.watching as w, api.watchdog as d\n"
    "p = dataclasses.replace(w.PERIODS, look=0.1, beat=1.5, store=1.5, canary=2.0, retry=0.1)\n"
    "d.Watchdog.__init__.__kwdefaults__['periods'] = p"
)


class Receiver:
    """A webhook on this machine that notes what it is told."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        events = self.events

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                events.append(json.loads(self.rfile.read(length)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def store(tmp_path: Path, receiver: Receiver) -> Iterator[Store]:
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text(f"kendali: {{secret: {SECRET}}}\n", encoding="utf-8")
    secrets.chmod(0o600)
    channel = Channel(name="kendali", kind="webhook", url=receiver.url)
    settings = Alerting(
        secrets=str(secrets),
        networks=("127.0.0.0/8",),
        channels=(channel,),
        routes=(Route(name="all", channels=("kendali",)),),
        alarm="kendali",
    )
    with Store.open(sqlite_url(tmp_path)) as opened:
        opened.alerting.apply(settings, TESTER)
        yield opened


@contextmanager
def process(
    folder: Path, command: str, first: str = "", **variables: str
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The command, and the file of its log."""
    log = folder / f"{command}.log"
    with log.open("wb") as stderr:
        started = subprocess.Popen(
            [*python(first), command],
            cwd=folder,
            env=environment(folder, MATAKOTA_DATA=str(folder), **variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    try:
        yield started, log
    finally:
        if started.poll() is None:
            started.kill()
        started.communicate()
    assert "Traceback" not in log.read_text(encoding="utf-8")


def end(started: subprocess.Popen[bytes], signum: int = signal.SIGTERM) -> int:
    started.send_signal(signum)
    return started.wait(GUARD_S)


def test_it_tells_and_ends(tmp_path: Path, store: Store, receiver: Receiver) -> None:
    with process(tmp_path, "notify") as (notify, log):
        wait_for(lambda: store.canaries.beats().get(NOTIFIER), "it beats")
        store.record([alert("a")])
        wait_for(lambda: receiver.events, "it is told")
        assert end(notify) == 143
    (event,) = receiver.events
    assert (event["type"], event["subject"]) == ("id.matakota.alert.opened.v1", "a")
    assert SECRET not in log.read_text()
    # what is told is not told again by the next one
    with process(tmp_path, "notify") as (notify, log):
        store.record([alert("b")])
        wait_for(lambda: len(receiver.events) == 2, "the next one")
        assert end(notify, signal.SIGINT) == 130
    assert [event["subject"] for event in receiver.events] == ["a", "b"]


def test_it_waits_for_a_database(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    gone = "postgresql://u:geheim@127.0.0.1:1/db"
    with process(tmp_path, "notify", MATAKOTA_DATABASE_URL=gone) as (notify, log):
        wait_for(lambda: "the database is waited for" in log.read_text(), "it says so")
        assert notify.poll() is None
        assert end(notify) == 143
    assert "geheim" not in log.read_text()


def test_the_watchdog_alarms_past_everything(
    tmp_path: Path, store: Store, receiver: Receiver
) -> None:
    """No notifier is there, which it tells by itself; then one is."""
    with process(tmp_path, "watch", QUICK) as (watch, log):
        wait_for(lambda: receiver.events, "it alarms")
        event = receiver.events[0]
        assert event["type"] == "id.matakota.alert.opened.v1"
        assert event["data"]["kind"] == "chain_broken"
        assert event["data"]["severity"] == "critical"
        assert "the notifier was not heard" in event["data"]["details"]["why"]
        assert store.canaries.beats()[WATCHDOG]
        stopping = threading.Event()

        def beat() -> None:
            while not stopping.wait(0.1):
                store.canaries.beat(NOTIFIER)

        thread = threading.Thread(target=beat)
        thread.start()
        try:
            wait_for(lambda: len(receiver.events) == 2, "all is well again")
        finally:
            stopping.set()
            thread.join()
        assert receiver.events[1]["type"] == "id.matakota.alert.closed.v1"
        assert end(watch) == 143
    assert SECRET not in log.read_text()


@pytest.fixture
def watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """``watch`` in this process, where it ends by itself."""
    monkeypatch.setenv("MATAKOTA_DATA", str(tmp_path))
    monkeypatch.delenv("MATAKOTA_DATABASE_URL", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["watch", *arguments])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


def test_a_worker_that_is_gone_for_good(
    watch: Callable[..., tuple[int, str, str]], store: Store
) -> None:
    for worker in ("w1", "w2"):
        store.canaries.arrived(worker, 1, {})
    assert watch("--forget", "w1") == (0, "worker w1 is not expected any more\n", "")
    assert [canary.worker for canary in store.canaries.last()] == ["w2"]
    code, _, said = watch("--forget", "w1")
    assert code == 2
    assert "nothing of a worker 'w1' is expected: those there are: w2" in said
    (entry,) = store.audit.find(Wanted(action="worker"), limit=9).entries
    assert (entry.action, entry.object) == ("worker.forgotten", "w1")
