"""The API as a worker reaches it by HTTP: its address, its key, and limits in time and size."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias
from urllib.parse import urlsplit

import httpx

from streams.settings import API_KEY_VARIABLE, API_VARIABLE
from vision.errors import ConfigError, PostingError

CONNECT_S: Final = 3.0
MAX_ANSWER_BYTES: Final = 1 << 20
CHUNK_BYTES: Final = 1 << 18
WORKERS_KEY: Final = "--worker --every-camera"
_LOGIN: Final = frozenset({401, 403})

Body: TypeAlias = bytes | Path
"""A file is read while it is sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is empty where it was written to a file; ``retry_s`` is after how many seconds to
    ask again, None where the API does not say."""

    status: int
    body: bytes
    retry_s: float | None = None


class ApiClient:
    """The API at ``url``, with a worker's ``key``, which no text of it shows.

    The address is https, or http for an API on this very machine: else the key could be read on its
    way. Raises ConfigError for any other address, and for a key that cannot be sent. ``needs`` is
    what makes a key that will do, as 'matakota keys create' takes it. Used by one thread.
    """

    def __init__(
        self, url: str, key: str, *, connect_s: float = CONNECT_S, needs: str = WORKERS_KEY
    ) -> None:
        self.url = _address(url)
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ConfigError(
                f"{API_KEY_VARIABLE} holds a character that cannot be sent: copy the key again"
            )
        self._key = key
        self._needs = needs
        self._timeout = httpx.Timeout(None, connect=connect_s)
        self._runner: asyncio.Runner | None = None
        self._client: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"ApiClient({self.url})"

    def ask(
        self,
        method: str,
        path: str,
        *,
        limit_s: float,
        body: Body = b"",
        content_type: str = "application/json",
        into: BinaryIO | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """The answer to a request, whole within ``limit_s`` seconds. The body of a 200 goes to the
        file ``into``, where there is one. Raises PostingError where none comes, where it has more
        than ``max_bytes``, where it leads elsewhere or refuses the key; and OSError for what is
        wrong with the files."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        asked = self._answer(method, path, body, content_type, into, max_bytes)
        try:
            return self._runner.run(_within(asked, limit_s))
        except (httpx.HTTPError, TimeoutError) as error:
            untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
            raise PostingError(
                f"the certificate of the API at {self.url} is not trusted: name it as its "
                "certificate does, and give this machine that authority"
                if untrusted
                else f"the API at {self.url} does not answer ({type(error).__name__}): is it "
                f"running, and is {API_VARIABLE} right?"
            ) from None

    def close(self) -> None:
        """Let go of the connection; another request may open one again."""
        if self._runner is not None:
            if self._client is not None:
                self._runner.run(self._client.aclose())
                self._client = None
            self._runner.close()
            self._runner = None

    async def _answer(
        self,
        method: str,
        path: str,
        body: Body,
        content_type: str,
        into: BinaryIO | None,
        max_bytes: int,
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": content_type}
        content: bytes | AsyncIterator[bytes]
        if isinstance(body, Path):
            headers["Content-Length"] = str(body.stat().st_size)
            content = _read(body)
        else:
            content = body
        url = self.url + path
        async with self._connected().stream(
            method, url, content=content, headers=headers
        ) as response:
            self._judge(response.status_code)
            taken = into if response.status_code == httpx.codes.OK else None
            found = await self._take(response, taken, max_bytes)
            return Answer(response.status_code, found, _retry_s(response))

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                # the system's authorities, so that a city's own can be among them
                verify=ssl.create_default_context(),
                timeout=self._timeout,
                trust_env=False,
            )
        return self._client

    def _judge(self, status: int) -> None:
        if status in _LOGIN:
            raise PostingError(
                f"the API at {self.url} refuses the key (status {status}): make another with "
                f"'matakota keys create NAME {self._needs}' and set {API_KEY_VARIABLE}"
            )
        if 300 <= status < 400:
            raise PostingError(
                f"the API at {self.url} sends us elsewhere (status {status}), where no key is "
                f"sent: write in {API_VARIABLE} where it is"
            )

    async def _take(self, response: httpx.Response, into: BinaryIO | None, max_bytes: int) -> bytes:
        body, number = bytearray(), 0
        async for part in response.aiter_bytes():
            number += len(part)
            if number > max_bytes:
                raise PostingError(f"the API at {self.url} answers without end")
            if into is None:
                body += part
            else:
                into.write(part)
        return bytes(body)


async def _within(asked: Coroutine[None, None, Answer], limit_s: float) -> Answer:
    # the client's own time-outs would begin anew with every byte that comes
    async with asyncio.timeout(limit_s):
        return await asked


def _retry_s(response: httpx.Response) -> float | None:
    # it may be a date, which would take their clock for ours
    said = response.headers.get("Retry-After", "")
    return float(said) if re.fullmatch(r"[0-9]{1,6}", said) else None


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(CHUNK_BYTES):
            yield part


def _address(url: str) -> str:
    """The address without a slash at its end. Raises ConfigError, which never repeats a login."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        # as it is looked up, which is no place to find out
        host.encode("idna")
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        host, port = "", None
    if (
        not host
        or port == 0
        or not (url.isascii() and url.isprintable())
        or " " in url
        or parts.scheme not in ("http", "https")
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise ConfigError(
            f"{API_VARIABLE} is no address of an API: write https://HOST:PORT, and the key in "
            f"{API_KEY_VARIABLE}"
        )
    if parts.scheme == "http" and not _is_this_machine(host):
        raise ConfigError(
            f"{API_VARIABLE} is http:// to another machine, where the key could be read on its "
            "way: write https://"
        )
    return url.rstrip("/")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
