"""The hub of live pictures when the bus is gone, and its end."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from structlog.testing import capture_logs

from api import live
from api.live import Hub, Viewer
from streams.bus.memory_control import MemoryControl
from tests.api.hub import newest, picture, run, show, until, views
from tests.api.served import wait_until, watching
from tests.api.viewing import GUARD_S, hearing
from vision.errors import BusError


class Gone(MemoryControl):
    """A bus that is gone for as long as a test wants."""

    gone = False
    refused = 0

    def send(self, worker: str, body: str, *, ttl_s: float) -> str:
        self._there()
        return super().send(worker, body, ttl_s=ttl_s)

    def _read(self, *asked: Any) -> tuple[str, bytes] | None:
        self._there()
        return super()._read(*asked)

    def _there(self) -> None:
        if self.gone:
            self.refused += 1
            raise BusError("the bus is gone")


def test_a_bus_that_is_gone_is_said_once_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RENEW_S", 0.05)
    monkeypatch.setattr("api.trouble.FIRST_DELAY_S", 0.02)
    bus = Gone()

    async def story(hub: Hub, control: MemoryControl) -> None:
        with hub.watch("plaza") as viewer:
            await asyncio.to_thread(show, control, "plaza", 1)
            await newest(viewer)
            bus.gone = True
            await until(lambda: bus.refused >= 6)
            bus.gone = False
            views(control)
            await until(lambda: views(control))
            await asyncio.to_thread(show, control, "plaza", 2)
            await until(lambda: hub._viewed["plaza"].newest.picture == picture(2))

    with capture_logs() as logs:
        run(story, control=bus)
    said = [line["event"] for line in logs if line["log_level"] == "warning"]
    assert sorted(said) == ["no live pictures come", "workers are not told what is viewed"]


# --- beginning and end


def test_it_ends_at_once_whatever_it_waits_for() -> None:
    for watched in ((), ("plaza",)):
        control = MemoryControl()

        async def story(hub: Hub, cameras: tuple[str, ...] = watched) -> None:
            with hub.watch(*cameras):
                await asyncio.sleep(0.1)
                hub.stop()

        hub = Hub(control, hearing("plaza"), on_death=lambda: pytest.fail("it was asked to end"))
        hub.start()
        asyncio.run(story(hub))
        assert not any(thread.is_alive() for thread in hub._threads)
        control.close()


def test_one_that_never_began_is_stopped() -> None:
    Hub(MemoryControl(), tuple).stop()


def test_a_thread_that_dies_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    died = threading.Event()
    said: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: said.append(args.exc_value))
    hub = Hub(MemoryControl(), lambda: 1 / 0, on_death=died.set)
    hub.start()

    async def story() -> None:
        with hub.watch("plaza"):
            await until(died.is_set)

    asyncio.run(story())
    hub.stop()
    wait_until(lambda: said, GUARD_S)
    assert isinstance(said[0], ZeroDivisionError)


def test_a_loop_that_has_ended_is_no_mistake() -> None:
    control = MemoryControl()
    with watching(control, hearing("plaza")) as hub:

        async def leave_without_a_word() -> None:
            Viewer(hub).wish(["plaza"])

        asyncio.run(leave_without_a_word())
        show(control, "plaza", 1)
        wait_until(lambda: hub._viewed["plaza"].newest is not None, GUARD_S)
        show(control, "plaza", 2)
        wait_until(lambda: hub._viewed["plaza"].newest.picture == picture(2), GUARD_S)
    control.close()
