"""Messages for programs: CloudEvents by HTTP, signed as the Standard Webhooks specification 1.0.0
says (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import httpx

from api.alerting.secrets import signing_key
from api.delivery.addresses import (
    Network,
    RefusedAddressError,
    Resolve,
    look_up,
    parse_url,
    target_of,
)
from api.delivery.payload import CONTENT_TYPE
from api.delivery.schedule import retry_after
from api.delivery.sender import STOPPED
from api.delivery.wire import Wire
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


def _believed(scheme: str, trusted: ssl.SSLContext | None) -> ssl.SSLContext | bool:
    """Whose certificates are believed; to read those that Python knows takes long."""
    if scheme != "https":
        return False
    return httpx.create_ssl_context() if trusted is None else trusted


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
        self._wire = Wire(partial(_believed, self._url.scheme, trusted))

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
        # connected to is what was looked at; the certificate is still that of the name
        pinned = [target.url.copy_with(host=str(ip)) for ip in target.ips[:MAX_IPS]]
        body = self._body(letter)
        try:
            answer = self._wire.post(
                pinned, self._headers(letter, body), body, name=host, timeout_s=self._timeout_s
            )
        except TimeoutError:
            return Answer(False, f"{host} does not answer within {self._timeout_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Answer(False, f"{host} cannot be reached ({type(error).__name__})")
        return STOPPED if answer is None else self._read(answer)

    def close(self) -> None:
        """End a try that runs."""
        self._wire.close()

    def _headers(self, letter: Letter, body: bytes) -> dict[str, str]:
        timestamp = int(self._clock())
        return {
            "Host": self._url.netloc.decode("ascii"),
            "Accept": "*/*",
            "Content-Type": CONTENT_TYPE,
            "User-Agent": "matakota",
            # the specification's names; what the answer's body says is never looked at
            "webhook-id": letter.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._key, letter.id, timestamp, body),
        }

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
