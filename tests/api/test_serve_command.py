"""``matakota serve`` and ``matakota keys`` as processes of their own."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import structlog

from api.bell import Bell
from api.cli import run
from api.cli.serve import DoorServer
from api.door import Door, Receive, Scope, Send
from api.ingest import Ingest
from api.known import KnownKeys
from api.store import Store, database
from streams.bus import RedisBus
from streams.messages import encode
from tests.api.command import environment, matakota, python
from tests.api.served import add_key, alert, report, sqlite_url, wait_until

NOBODY = "redis://user:geheim@127.0.0.1:1/0"
GUARD_S = 50
PROXY = ("--trusted-proxy", "10.0.0.7")
ADDRESS = re.compile(r"serving +address=(\S+)")


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    address: str
    log: Path

    def end(self, signum: int = signal.SIGTERM) -> int:
        self.process.send_signal(signum)
        return self.process.wait(GUARD_S)


@contextmanager
def serve(folder: Path, redis_url: str, *arguments: str) -> Iterator[Server]:
    log = folder / "serve.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*python(), "--log-level", "debug", "serve", "--port", "0", *arguments],
            cwd=folder,
            env=environment(folder, MATAKOTA_DATA=str(folder), MATAKOTA_REDIS_URL=redis_url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    try:
        wait_until(lambda: ADDRESS.search(log.read_text()) or process.poll() is not None, GUARD_S)
        found = ADDRESS.search(log.read_text())
        assert found, log.read_text()
        yield Server(process, found[1], log)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def create(folder: Path) -> str:
    with Store.open(sqlite_url(folder)) as store:
        return add_key(store)


def test_alerts_come_through_and_keys_open_and_close(tmp_path: Path, valkey: str) -> None:
    key = create(tmp_path)
    bus = RedisBus(valkey)
    with serve(tmp_path, valkey) as server, httpx.Client(base_url=server.address) as client:
        assert client.get("/api/v1/alerts").status_code == 401
        client.headers["x-api-key"] = key
        bus.report("w", encode(report(time.time(), "plaza")), ttl_s=60)
        bus.publish("w", [(alert("a").key, encode(alert("a")))])
        wait_until(lambda: client.get("/api/v1/alerts").json()["alerts"], GUARD_S)
        assert bus.take_receipts("w", wait_s=GUARD_S) == ["alert:a:1"]
        wait_until(lambda: client.get("/readyz").status_code == 200, GUARD_S)
        (camera,) = client.get("/api/v1/cameras").json()["cameras"]
        assert (camera["id"], camera["state"]) == ("plaza", "live")
        # keys are made and ended while it runs
        data = {"MATAKOTA_DATA": str(tmp_path)}
        options = ("--scope", "alerts:read", "--every-camera")
        made = matakota("keys", "create", "other", *options, folder=tmp_path, variables=data)
        assert (made.code, made.err) == (0, "")
        other = made.out.decode().strip()
        assert client.get("/api/v1/alerts", headers={"x-api-key": other}).status_code == 200
        revoked = matakota("keys", "revoke", "other", folder=tmp_path, variables=data)
        assert revoked.code == 0
        headers = {"x-api-key": other}
        wait_until(
            lambda: client.get("/api/v1/alerts", headers=headers).status_code == 401, GUARD_S
        )
        assert server.end() == 143
    bus.close()
    said = server.log.read_text()
    assert key not in said
    assert other not in said


def test_it_ends_with_streams_open(tmp_path: Path) -> None:
    key = create(tmp_path)
    with serve(tmp_path, NOBODY) as server, httpx.Client(timeout=GUARD_S) as client:
        headers = {"x-api-key": key}
        url = f"{server.address}/api/v1/alerts/stream"
        with client.stream("GET", url, headers=headers) as response:
            lines = response.iter_lines()
            assert next(lines)
            # one that does not even read
            port = httpx.URL(server.address).port
            with socket.create_connection(("127.0.0.1", port)) as idle:
                idle.sendall(b"GET /healthz HTTP/1.1\r\n")
                assert server.end() == 143
            assert not [line for line in lines if line.startswith("data")]
        with pytest.raises(httpx.ConnectError):
            client.get(server.address)


def test_a_redis_that_is_gone_is_said_and_survived(tmp_path: Path) -> None:
    key = create(tmp_path)
    with serve(tmp_path, NOBODY) as server, httpx.Client(base_url=server.address) as client:
        wait_until(lambda: client.get("/readyz").json()["bus"] != "ok", GUARD_S)
        body = client.get("/readyz").json()
        assert body["bus"].startswith("redis://127.0.0.1:1/0 does not answer")
        client.headers["x-api-key"] = key
        content = json.dumps(
            {"id": "x", "camera": "c", "kind": "k", "start": "2026-01-31T07:00:00Z"}
        )
        assert client.post("/api/v1/alerts", content=content).status_code == 201
        assert server.end(signal.SIGINT) == 130
    for text in (json.dumps(body), server.log.read_text()):
        assert "geheim" not in text


def test_kill_and_start_again_lose_nothing(tmp_path: Path) -> None:
    key = create(tmp_path)
    with serve(tmp_path, NOBODY) as server:
        content = json.dumps(
            {"id": "x", "camera": "c", "kind": "k", "start": "2026-01-31T07:00:00Z"}
        )
        with httpx.Client(base_url=server.address, headers={"x-api-key": key}) as client:
            assert client.post("/api/v1/alerts", content=content).status_code == 201
            server.end(signal.SIGKILL)
    with serve(tmp_path, NOBODY) as server:
        found = httpx.get(f"{server.address}/api/v1/alerts", headers={"x-api-key": key}).json()
    assert [a["id"] for a in found["alerts"]] == ["x"]


def test_a_busy_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        named = {"MATAKOTA_DATA": str(tmp_path), "MATAKOTA_REDIS_URL": NOBODY}
        done = matakota("serve", "--port", port, folder=tmp_path, variables=named)
    assert (done.code, done.out) == (2, b"")
    (said,) = done.said
    assert said.startswith(
        f"matakota: cannot listen at 127.0.0.1 port {port} (address already in use): choose "
    )


@pytest.fixture
def inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str]]]:
    """``serve`` in this process: its exit code and what it says."""

    def call(*arguments: str, **variables: str) -> tuple[int, str]:
        named = {"MATAKOTA_DATA": str(tmp_path), "MATAKOTA_REDIS_URL": NOBODY} | variables
        for name, value in named.items():
            monkeypatch.setenv(name, value)
        code = run(["serve", "--port", "0", *arguments])
        return code, capsys.readouterr().err

    yield call
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["--host", "203.0.113.9", *PROXY], {}, "cannot listen at 203.0.113.9"),
        (["--host", "a..b"], {}, "cannot listen at a..b"),
        (["--port", "70000"], {}, "Invalid value for '--port'"),
        (["--data", "/dev/null"], {}, "the data folder /dev/null cannot be used"),
        ([], {"MATAKOTA_REDIS_URL": ""}, "run 'matakota up'"),
        ([], {"MATAKOTA_REDIS_URL": "http://u:geheim@h"}, "neither redis:// nor rediss://"),
        ([], {"MATAKOTA_DATABASE_URL": "oracle://u:geheim@h"}, "is no address of a database"),
        ([], {"MATAKOTA_DATABASE_URL": "sqlite:////dev/null/x"}, "cannot be opened"),
        ([], {"MATAKOTA_OIDC_CLIENT_ID": "a"}, "a sign-in service is named, but MATAKOTA_OIDC_"),
    ],
)
def test_what_is_refused_at_the_start(
    inside: Callable[..., tuple[int, str]],
    arguments: list[str],
    variables: dict[str, str],
    said: str,
) -> None:
    code, err = inside(*arguments, **variables)
    assert code == 2
    assert err.startswith("matakota: ")
    assert err.count("\n") == 1
    assert said in err
    assert "geheim" not in err


def test_a_redis_that_evicts_is_refused(
    inside: Callable[..., tuple[int, str]], valkey: str
) -> None:
    bus = RedisBus(valkey)
    bus.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        code, err = inside(MATAKOTA_REDIS_URL=valkey)
    finally:
        bus.redis.config_set("maxmemory-policy", "noeviction")
        bus.close()
    assert code == 2
    assert "evicts by 'allkeys-lru'" in err


def test_a_database_that_others_hold_is_worth_another_start(
    inside: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_MS", 50)
    other = sqlite3.connect(tmp_path / "matakota.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    code, err = inside()
    other.close()
    assert code == 1
    assert "another process holds it" in err


def test_an_ingest_that_breaks_down_ends_it(
    inside: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: Ingest) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(Ingest, "_loop", broken)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    code, err = inside()
    assert code == 1
    assert "the API broke down" in err


def test_nothing_runs_beside_the_pages_before_they_have_started(tmp_path: Path) -> None:
    """NiceGUI looks through all objects of its process when it starts, which breaks what another
    thread is making at that moment."""
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        seen.append("pages")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def begin() -> None:
        seen.append("parts")
        server.should_exit = True

    with (
        Store.open(sqlite_url(tmp_path)) as store,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        door = Door(app, KnownKeys(store.keys), everywhere=False)
        server = DoorServer(door, Bell(), None, begin)
        server.run(sockets=[listener])
    assert seen == ["pages", "parts"]
