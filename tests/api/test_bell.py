"""The bell is rung by any thread, also by a signal's handler in the middle of its own work."""

from __future__ import annotations

import asyncio
import threading

from api.bell import Bell

GUARD_S = 20.0


def test_closing_from_a_handler_waits_for_nobody() -> None:
    bell = Bell()

    def interrupted() -> None:
        # as when a signal comes while this thread takes the next ring
        with bell._lock:
            bell.close()

    thread = threading.Thread(target=interrupted, daemon=True)
    thread.start()
    thread.join(GUARD_S)
    assert not thread.is_alive()
    assert bell.closed


def test_a_ring_wakes_who_took_it_before() -> None:
    async def wait() -> None:
        bell = Bell()
        first = bell.next()
        assert bell.next() is first
        threading.Thread(target=bell.ring).start()
        await asyncio.wait_for(first.wait(), GUARD_S)
        assert bell.next() is not first
        assert not bell.next().is_set()

    asyncio.run(wait())


def test_a_loop_that_has_ended_is_no_mistake() -> None:
    bell = Bell()

    async def take() -> None:
        bell.next()

    asyncio.run(take())
    bell.ring()
