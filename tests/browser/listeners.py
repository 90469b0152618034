"""Clients of the page of alerts that draw nothing: each fetches the page, follows its socket and
the live pictures as a browser does, and keeps which alerts it was told. Drawing for thirty takes
more cores than a test machine has; what they ask of the server is the same."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import yaml
from websockets.asyncio.client import connect
from websockets.typing import Origin

from tests.waiting import wait_for

QUERY = re.compile(r"query: (\{.*?\}),$", re.MULTILINE)
ACK_S = 3.0
OPENED_S = 120.0


class Listener:
    """One such client. ``told`` is everything that looked like ``pattern`` in what came;
    ``pictures`` counts the live ones."""

    def __init__(self, address: str, cookie: str, pattern: re.Pattern[str], camera: str) -> None:
        self.told: set[str] = set()
        self.pictures = 0
        self.listening = False
        self._address, self._cookie, self._pattern = address, cookie, pattern
        self._camera = camera

    async def listen(self) -> None:
        """Until it is cancelled."""
        cookie = {"Cookie": self._cookie}
        async with httpx.AsyncClient(base_url=self._address, headers=cookie) as client:
            page = (await client.get("/room/", timeout=OPENED_S)).raise_for_status().text
        self._hear(page)
        found = QUERY.search(page)
        assert found is not None, page[:2000]
        query: dict[str, Any] = yaml.safe_load(found[1])
        query |= {"document_id": query["client_id"], "tab_id": query["client_id"]}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(query))
            group.create_task(self._look())

    async def _follow(self, query: dict[str, Any]) -> None:
        """The page's socket: Socket.IO 5 over Engine.IO 4."""
        said = {name: str(value).lower() for name, value in query.items()}
        said |= {"EIO": "4", "transport": "websocket"}
        async with self._connected(f"/room/_nicegui_ws/socket.io/?{urlencode(said)}") as socket:
            acknowledged_s = time.monotonic()
            async for message in socket:
                text = str(message)
                if text.startswith("0"):
                    await socket.send("40")
                elif text.startswith("40"):
                    self.listening = True
                elif text == "2":
                    await socket.send("3")
                elif text.startswith("42"):
                    name, *values = json.loads(text[2:])
                    assert name != "try_reconnect", text
                    self._hear(text)
                    for value in values:
                        if isinstance(value, dict) and "_id" in value:
                            query["next_message_id"] = value["_id"] + 1
                if time.monotonic() - acknowledged_s > ACK_S:
                    acknowledged_s = time.monotonic()
                    names = ("client_id", "next_message_id")
                    ack = ["ack", {each: query[each] for each in names}]
                    await socket.send(f"42{json.dumps(ack)}")

    async def _look(self) -> None:
        async with self._connected("/api/v1/live") as socket:
            await socket.send(json.dumps({"cameras": [self._camera]}))
            async for message in socket:
                self.pictures += isinstance(message, bytes)

    def _connected(self, path: str) -> connect:
        host = urlsplit(self._address).netloc
        return connect(
            f"ws://{host}{path}",
            additional_headers={"Cookie": self._cookie},
            origin=Origin(self._address),
            max_size=None,
        )

    def _hear(self, text: str) -> None:
        self.told.update(self._pattern.findall(text))


@contextmanager
def listening(
    address: str, cookie: str, number: int, *, pattern: re.Pattern[str], camera: str
) -> Iterator[Sequence[Listener]]:
    """So many clients, while the block lasts. Fails where one of them ended."""
    listeners = [Listener(address, cookie, pattern, camera) for _ in range(number)]
    loop = asyncio.new_event_loop()
    ended: list[BaseException | None] = []
    tasks: list[asyncio.Task[None]] = []

    def run() -> None:
        asyncio.set_event_loop(loop)
        tasks.extend(loop.create_task(each.listen()) for each in listeners)
        done = loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        ended.extend(each for each in done if not isinstance(each, asyncio.CancelledError))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        wait_for(
            lambda: ended or all(each.listening and each.pictures for each in listeners),
            "every client listens", OPENED_S,
        )  # fmt: skip
        yield listeners
    finally:
        with suppress(RuntimeError):  # they have ended, and their loop is closed
            loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])
        thread.join(OPENED_S)
        for error in ended:
            raise AssertionError("a client ended") from error
