"""Messages for programs: CloudEvents by HTTP, signed as the Standard Webhooks specification 1.0.0
says (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import httpx

from api.alerting.secrets import signing_key
from api.delivery.addresses import (
    Ip,
    Network,
    RefusedAddressError,
    Resolve,
    Target,
    look_up,
    parse_url,
    target_of,
)
from api.delivery.payload import CONTENT_TYPE
from api.delivery.schedule import retry_after
from api.delivery.sender import STOPPED
from api.store.letters import Answer, Letter

TIMEOUT_S: Final = 15.0
"""From the first connection to the head of the answer; the specification says 15 to 30 s."""
MAX_IPS: Final = 4
GONE: Final = 410


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The header that proves where a message comes from: HMAC-SHA256 of its name, the time of the
    try (UTC seconds) and its body."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class WebhookSender:
    """One webhook. ``body`` writes a letter, ``clock`` gives UTC seconds, ``resolve`` the addresses
    of a name; ``trusted`` says whose certificates are believed, those that Python knows where it
    is None. Raises ConfigError where the address or the secret is none."""

    def __init__(
        self,
        url: str,
        secret: str,
        body: Callable[[Letter], bytes],
        *,
        networks: Sequence[Network],
        clock: Callable[[], float] = time.time,
        resolve: Resolve = look_up,
        timeout_s: float = TIMEOUT_S,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._url = parse_url(url)
        self._key = signing_key(secret)
        self._body = body
        self._networks = tuple(networks)
        self._clock = clock
        self._resolve = resolve
        self._timeout_s = timeout_s
        self._ssl = trusted
        self._lock = threading.Lock()
        self._closed = False
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[Answer]] | None = None

    def __repr__(self) -> str:
        return f"WebhookSender({self._url.host})"

    def send(self, letter: Letter) -> Answer:
        host = self._url.host
        try:
            target = target_of(self._url, self._networks, self._resolve)
        except RefusedAddressError as error:
            return Answer(False, str(error))
        except OSError:
            return Answer(False, f"the name {host} is not known: check it, and the DNS")
        body = self._body(letter)
        try:
            # all of it has one end: a client's own time-outs begin anew with every byte
            return asyncio.run(self._bounded(target, letter, body))
        except asyncio.CancelledError:
            return STOPPED
        except TimeoutError:
            return Answer(False, f"{host} does not answer within {self._timeout_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Answer(False, f"{host} cannot be reached ({type(error).__name__})")

    def close(self) -> None:
        """End a try that runs."""
        with self._lock:
            self._closed = True
            if self._running is not None:
                loop, task = self._running
                loop.call_soon_threadsafe(task.cancel)

    async def _bounded(self, target: Target, letter: Letter, body: bytes) -> Answer:
        task = asyncio.create_task(self._post(target, letter, body))
        with self._lock:
            if self._closed:
                task.cancel()
            self._running = asyncio.get_running_loop(), task
        try:
            async with asyncio.timeout(self._timeout_s):
                return await task
        finally:
            with self._lock:
                self._running = None

    async def _post(self, target: Target, letter: Letter, body: bytes) -> Answer:
        timestamp = int(self._clock())
        headers = {
            "Host": target.url.netloc.decode("ascii"),
            "Content-Type": CONTENT_TYPE,
            "User-Agent": "matakota",
            # the specification's names; nothing of the answer's body is read
            "webhook-id": letter.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._key, letter.id, timestamp, body),
        }
        # proxies of the environment would take the messages elsewhere
        async with httpx.AsyncClient(
            timeout=self._timeout_s, trust_env=False, follow_redirects=False, verify=self._trusted()
        ) as client:
            ips = target.ips[:MAX_IPS]
            for ip in ips:
                try:
                    return await self._post_to(client, target.url, ip, headers, body)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    if ip == ips[-1]:
                        raise
        raise httpx.ConnectError("no address")

    async def _post_to(
        self,
        client: httpx.AsyncClient,
        url: httpx.URL,
        ip: Ip,
        headers: dict[str, str],
        body: bytes,
    ) -> Answer:
        # connected to is what was looked at; the certificate is still that of the name
        name = {"sni_hostname": url.host}
        pinned = url.copy_with(host=str(ip))
        async with client.stream(
            "POST", pinned, content=body, headers=headers, extensions=name
        ) as answer:
            return self._read(answer)

    def _trusted(self) -> ssl.SSLContext | bool:
        """Whose certificates are believed; read once, which takes long, where it is needed."""
        if self._url.scheme != "https":
            return False
        if self._ssl is None:
            self._ssl = httpx.create_ssl_context()
        return self._ssl

    def _read(self, answer: httpx.Response) -> Answer:
        status, host = answer.status_code, self._url.host
        if answer.is_success:
            return Answer(True, "", status)
        wait_s = retry_after(answer.headers.get("Retry-After", ""), self._clock())
        if status == GONE:
            why = f"{host} answers 410, which says that it wants no messages any more"
            return Answer(False, why, status, final=True)
        if answer.is_redirect:
            why = f"{host} answers {status} and names another address, which is not followed"
        else:
            why = f"{host} answers {status}"
        return Answer(False, why, status, retry_after_s=wait_s)
