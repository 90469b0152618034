"""What comes before the body of a request has an end, whoever sends it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from api.bell import Bell
from api.cli.head import MAX_HEAD_BYTES
from api.i18n import chosen
from api.store import Store
from tests.api.served import FakeIngest, application, serving, sqlite_url

CHUNK = b"a" * (1 << 16)
START = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
SHORT = START + b"\r\n"
GUARD_S = 10.0
"""What is not bounded takes minutes."""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("heads")
    with (
        Store.open(sqlite_url(folder)) as store,
        serving(application(store, Bell(), FakeIngest())) as address,
    ):
        yield int(address.rpartition(":")[2])


def answered(port: int, *pieces: bytes) -> bytes:
    """The status that comes for what is sent in pieces; nothing where the server hung up first."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        with suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.01)
        with suppress(ConnectionError):
            return connection.recv(1 << 16)[9:12]
    return b""


@pytest.mark.parametrize(
    ("pieces", "statuses"),
    [
        ((SHORT,), {b"200"}),
        ((SHORT, SHORT), {b"200"}),
        ((START + b"X: " + CHUNK[: MAX_HEAD_BYTES // 2] + b"\r\n\r\n",), {b"200"}),
        ((START, b"X: ", *[CHUNK] * 16, b"\r\n\r\n"), {b"400", b""}),
        ((b"GET /", *[CHUNK] * 16, b" HTTP/1.1\r\nHost: x\r\n\r\n"), {b"400", b""}),
        ((START, *[b"A: b\r\n" * 4096] * 8, b"\r\n"), {b"400", b""}),
        # what follows the head is bounded by who reads it
        ((b"POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", *[CHUNK] * 8),
         {b"401"}),
    ],
)  # fmt: skip
def test_a_head_has_an_end(port: int, pieces: tuple[bytes, ...], statuses: set[bytes]) -> None:
    assert answered(port, *pieces) in statuses
    assert answered(port, SHORT) == b"200"


@pytest.mark.parametrize(
    ("accepts", "language"),
    [
        ("en" + " " * 300_000 + "x", "id"),
        ("en" + " " * 300_000 + ";q=1x", "id"),
        (" " * 300_000 + "1", "id"),
        (" en ; q=0.5 , id;q=0.4", "en"),
        ("en-" + "x" * 300_000, "id"),
        ("en," + "x," * 300_000, "en"),
    ],
)
def test_nobody_waits_for_an_endless_language(accepts: str, language: str) -> None:
    began = time.perf_counter()
    assert chosen(None, None, accepts) == language
    assert time.perf_counter() - began < GUARD_S


def test_nor_does_a_page(port: int) -> None:
    head = b"GET /login HTTP/1.1\r\nHost: x\r\nAccept-Language: en" + b" " * 60_000 + b"x\r\n\r\n"
    began = time.perf_counter()
    for _ in range(10):
        assert answered(port, head) == b"200"
    assert time.perf_counter() - began < GUARD_S
