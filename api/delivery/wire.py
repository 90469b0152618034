"""One event loop and what is connected in it, kept from message to message: to make both anew takes
longer than to send one."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import httpx

KEPT_S: Final = 5.0
"""So long a connection is used again after the last message."""
MAX_REST_DIGITS: Final = 4
"""Of the length of an answer that is read to its end, after which its connection is free again."""
REST_S: Final = 0.05
_CONNECTS: Final = "connection.connect_tcp.started"


class Wire:
    """Posts for one thread, and knows no proxies, cookies or redirects. ``close`` may be called by
    any thread. ``trusted`` gives whose certificates are believed."""

    def __init__(self, trusted: Callable[[], ssl.SSLContext | bool]) -> None:
        self._trusted = trusted
        self._lock = threading.Lock()
        self._closed = False
        self._used = False
        self._runner: asyncio.Runner | None = None
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[httpx.Response]] | None = None

    def post(
        self,
        urls: Sequence[httpx.URL],
        headers: Mapping[str, str],
        body: bytes,
        *,
        name: str,
        timeout_s: float,
    ) -> httpx.Response | None:
        """The head of what the first of ``urls`` that can be connected to answers, by the
        certificate of ``name``; None once this is closed. Raises TimeoutError, and what httpx
        does."""
        with self._lock:
            if self._closed:
                return None
            self._used = True
        try:
            if self._runner is None:
                self._runner = asyncio.Runner()
            return self._runner.run(self._bounded(urls, headers, body, name, timeout_s))
        except asyncio.CancelledError:
            return None
        finally:
            self._leave()

    def close(self) -> None:
        """End what runs, and every later post."""
        with self._lock:
            self._closed = True
            used = self._used
            if self._running is not None:
                loop, task = self._running
                loop.call_soon_threadsafe(task.cancel)
        # a loop is closed by whom it runs for
        if not used:
            self._end()

    def _leave(self) -> None:
        with self._lock:
            self._used = False
            closed = self._closed
        if closed:
            self._end()

    def _end(self) -> None:
        with self._lock:
            runner, self._runner = self._runner, None
        if runner is not None:
            with runner:
                if self._transport is not None:
                    runner.run(self._transport.aclose())

    async def _bounded(
        self,
        urls: Sequence[httpx.URL],
        headers: Mapping[str, str],
        body: bytes,
        name: str,
        timeout_s: float,
    ) -> httpx.Response:
        task = asyncio.create_task(self._first(urls, headers, body, name))
        with self._lock:
            if self._closed:
                task.cancel()
            self._running = asyncio.get_running_loop(), task
        try:
            # all of it has one end: httpx's own time-outs begin anew with every byte
            async with asyncio.timeout(timeout_s):
                answer = await task
        finally:
            with self._lock:
                self._running = None
        await _let_go(answer)
        return answer

    async def _first(
        self, urls: Sequence[httpx.URL], headers: Mapping[str, str], body: bytes, name: str
    ) -> httpx.Response:
        for url in urls:
            try:
                return await self._answer(url, headers, body, name)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if url is urls[-1]:
                    raise
        raise httpx.ConnectError("no address")

    async def _answer(
        self, url: httpx.URL, headers: Mapping[str, str], body: bytes, name: str
    ) -> httpx.Response:
        kept = True

        async def note(event: str, _: object) -> None:
            nonlocal kept
            kept = kept and event != _CONNECTS

        more = {"sni_hostname": name, "trace": note}
        request = httpx.Request("POST", url, headers=headers, content=body, extensions=more)
        transport = self._connected()
        try:
            return await transport.handle_async_request(request)
        except (httpx.ReadError, httpx.RemoteProtocolError):
            if not kept:
                raise
        # the other side was about to close what had been kept, which says nothing of the message
        return await transport.handle_async_request(request)

    def _connected(self) -> httpx.AsyncHTTPTransport:
        if self._transport is None:
            # proxies of the environment would take the messages elsewhere
            self._transport = httpx.AsyncHTTPTransport(
                verify=self._trusted(),
                trust_env=False,
                limits=httpx.Limits(max_keepalive_connections=1, keepalive_expiry=KEPT_S),
            )
        return self._transport


async def _let_go(answer: httpx.Response) -> None:
    """Make the connection free, or close it where that takes longer: the head said everything."""
    length = answer.headers.get("Content-Length", "0" if answer.status_code == 204 else "")
    try:
        try:
            if length.isdecimal() and len(length) <= MAX_REST_DIGITS:
                async with asyncio.timeout(REST_S):
                    async for _ in answer.aiter_raw():
                        pass
        finally:
            await answer.aclose()
    except (httpx.HTTPError, OSError):
        return
