"""What is asked of a sign-in service over the network: every answer has an end in time and size,
no redirect leads elsewhere, and what was read is kept for a while."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeVar

import httpx

from api.oidc.token import SignInError, SignInGoneError

ASK_S: Final = 10.0
"""One answer of the service, to its last byte, may take this."""
MAX_BYTES: Final = 256 * 1024
FAILED_S: Final = 5.0
"""What could not be had is not asked for again before this."""
_PASSING: Final = 429

T = TypeVar("T")


class Web:
    """Asks one service. Everything raises SignInError."""

    def __init__(self) -> None:
        self._ssl: ssl.SSLContext | None = None

    async def ask(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> tuple[int, bytes]:
        """The status and the body of an answer, whatever it is."""
        if self._ssl is None:
            self._ssl = await asyncio.to_thread(httpx.create_ssl_context)
        # a packed answer has no end that is known beforehand
        headers = {"Accept-Encoding": "identity", **(headers or {})}
        body = bytearray()
        try:
            async with (
                asyncio.timeout(ASK_S),
                httpx.AsyncClient(verify=self._ssl, trust_env=False) as client,
                client.stream(method, address, headers=headers, content=content) as answer,
            ):
                async for piece in answer.aiter_raw():
                    body += piece
                    if len(body) > MAX_BYTES:
                        raise SignInError("the sign-in service's answer has no end")
                return answer.status_code, bytes(body)
        except TimeoutError:
            raise SignInGoneError("the sign-in service does not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise SignInGoneError(
                f"the sign-in service cannot be reached ({type(error).__name__})"
            ) from None

    async def read(self, address: str, headers: Mapping[str, str] | None = None) -> bytes:
        """The body of what is there, and not elsewhere."""
        status, body = await self.ask("GET", address, headers)
        check_gone(status)
        if status != 200:
            raise SignInError(
                f"the sign-in service answers {status}: is MATAKOTA_OIDC_ISSUER exactly its issuer?"
            )
        return body


class Kept(Generic[T]):
    """What was read once, for whoever asks within a time; only one reads at once."""

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._lock = asyncio.Lock()
        self._found: tuple[T, float] | None = None
        self._failed: tuple[SignInError, float] | None = None

    async def get(self, age_s: float) -> T:
        """What was read within ``age_s``, and else is read now."""
        async with self._lock:
            now_s = time.monotonic()
            if self._found is not None and now_s < self._found[1] + age_s:
                return self._found[0]
            if self._failed is not None and now_s < self._failed[1] + FAILED_S:
                error = self._failed[0]
                raise type(error)(str(error))
            try:
                found = await self._read()
            except SignInError as error:
                self._failed = error, time.monotonic()
                raise
            self._found = found, now_s
            return found


def check_gone(status: int) -> None:
    """Raise SignInGoneError where an answer says that another one may come later."""
    if status >= 500 or status == _PASSING:
        raise SignInGoneError(f"the sign-in service answers {status}")
