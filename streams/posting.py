"""A worker's alerts over HTTP, straight to the API: the way that is left when Redis is out."""

from __future__ import annotations

import asyncio
import json
import math
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import httpx

from streams.messages import AlertMessage
from streams.settings import API_KEY_VARIABLE, API_VARIABLE
from vision.errors import ConfigError, PostingError, PostRefusedError
from vision.types import JsonValue

PATH: Final = "/api/v1/alerts"
CONNECT_S: Final = 3.0
ANSWER_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 1 << 20
STORED: Final = frozenset({200, 201})
REFUSED: Final = frozenset({404, 413, 422})
"""It is about this alert, not about us: another one may be taken."""
_LOGIN: Final = frozenset({401, 403})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Poster:
    """Posts alerts to the API at ``url`` with a worker's ``key``, which no text of it shows.

    The address is https, or http for an API on this very machine: else the key could be read on its
    way. Raises ConfigError for any other address, and for a key that cannot be sent. Used by one
    thread.
    """

    def __init__(
        self, url: str, key: str, *, connect_s: float = CONNECT_S, answer_s: float = ANSWER_S
    ) -> None:
        self.url = _address(url)
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ConfigError(
                f"{API_KEY_VARIABLE} holds a character that cannot be sent: copy the key again"
            )
        self._key = key
        self._answer_s = answer_s
        self._timeout = httpx.Timeout(None, connect=connect_s)
        self._runner: asyncio.Runner | None = None
        self._client: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"Poster({self.url})"

    def post(self, message: AlertMessage, spooled_ts: float | None) -> None:
        """Return once the API has stored ``message``, which was spooled at ``spooled_ts`` (UTC
        seconds). Raises PostRefusedError where it takes no such alert, and PostingError where it
        takes none at all now, or does not answer in time."""
        body = json.dumps(posted(message, spooled_ts), allow_nan=False).encode()
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            answer = self._runner.run(self._answer(body))
        except (httpx.HTTPError, TimeoutError) as error:
            untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
            raise PostingError(
                f"the certificate of the API at {self.url} is not trusted: name it as its "
                "certificate does, and give this machine that authority"
                if untrusted
                else f"the API at {self.url} does not answer ({type(error).__name__}): is it "
                f"running, and is {API_VARIABLE} right?"
            ) from None
        if not _is_of(answer, message):
            # another server's 200 would lose the alert
            raise PostingError(f"what answers at {self.url} is no Matakota: correct {API_VARIABLE}")

    def close(self) -> None:
        """Let go of the connection; another alert may open one again."""
        if self._runner is not None:
            if self._client is not None:
                self._runner.run(self._client.aclose())
                self._client = None
            self._runner.close()
            self._runner = None

    async def _answer(self, body: bytes) -> bytes:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        # the client's own time-outs would begin anew with every byte that comes
        async with (
            asyncio.timeout(self._answer_s),
            self._connected().stream("POST", self.url, content=body, headers=headers) as response,
        ):
            self._judge(response.status_code)
            return await self._read(response)

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
        if status in STORED:
            return
        if status in REFUSED:
            raise PostRefusedError(f"the API does not take it (status {status})")
        if status in _LOGIN:
            raise PostingError(
                f"the API at {self.url} refuses the key (status {status}): make another with "
                f"'matakota keys create NAME --worker --every-camera' and set {API_KEY_VARIABLE}"
            )
        if 300 <= status < 400:
            raise PostingError(
                f"the API at {self.url} sends us elsewhere (status {status}), where no key is "
                f"sent: write in {API_VARIABLE} where it is"
            )
        raise PostingError(f"the API at {self.url} takes no alert now (status {status})")

    async def _read(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise PostingError(f"the API at {self.url} answers without end")
        return bytes(body)


def posted(message: AlertMessage, spooled_ts: float | None) -> dict[str, JsonValue]:
    """``message`` as the API takes it."""
    return {
        "id": message.id,
        "version": message.version,
        "camera": message.camera,
        "kind": message.kind,
        "rule": message.rule,
        "place": message.place,
        "severity": message.severity,
        "state": message.state,
        "start": _iso(message.start_ts),
        # rules may notice with a clock that was set back since
        "raised": _iso(max(message.start_ts, message.raised_ts)),
        "end": None if message.state == "open" else _iso(_end_ts(message)),
        "track_ids": list(message.track_ids),
        "score": message.score,
        "details": message.details,
        "revision": message.revision,
        "synthetic": message.synthetic,
        "detected": None if message.detected_ts is None else _iso(message.detected_ts),
        "spooled": None if spooled_ts is None else _iso(spooled_ts),
    }


def _end_ts(message: AlertMessage) -> float:
    return max(message.start_ts, message.start_ts if message.end_ts is None else message.end_ts)


def _iso(ts: float) -> str:
    """UTC, whole microseconds, always rounded down, so that the order of times stays."""
    return (_EPOCH + timedelta(microseconds=math.floor(ts * 1e6))).isoformat()


def _is_of(answer: bytes, message: AlertMessage) -> bool:
    """Whether an answer shows ``message``, or a later version of it, as it is stored."""
    try:
        found = json.loads(answer)
        return bool(found["id"] == message.id and found["version"] >= message.version)
    except (ValueError, LookupError, TypeError, RecursionError):
        return False


def _address(url: str) -> str:
    """The whole address to post to. Raises ConfigError, which never repeats a login."""
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
    return url.rstrip("/") + PATH


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
