"""Masked copies, made when somebody first wants to see one: by a worker, which is asked over the
bus, since it has what decodes video."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from starlette.concurrency import run_in_threadpool

from api.evidence.room import EvidenceRoom
from api.i18n import N_
from api.ingest import Heard
from api.store.evidence_items import Item
from streams.bus import Control
from streams.commands import Mask, Masked
from streams.evidenceform import Form
from streams.health import State
from streams.messages import MessageError, encode
from vision.errors import BusError, EvidenceError, StoreError

MAX_MASKS: Final = 4
"""At the same moment, by all callers; a worker makes fewer."""
MAX_TRIED: Final = 3
"""So many workers are asked in turn where the ones before are busy, or in trouble themselves."""
MASK_S: Final = 120.0
MORE_S: Final = 3.0
"""A worker that answers does so within its time-out and this."""
SLICE_S: Final = 0.5
AGAIN_S: Final = 60.0
"""A copy that could not be made is not tried again before this."""
SOON_S: Final = 5.0
"""The same where nothing is wrong with it, but everybody is busy."""
HEARD_S: Final = 15.0
"""A worker that was not heard for so long is not asked."""
MAX_KEPT: Final = 1000
ASKED: Final = N_("the masked copy is being made: look again in a few seconds")
NOBODY: Final = N_(
    "no worker is heard that could mask it: start 'matakota worker', or check that it reaches Redis"
)
BUSY: Final = N_("so many copies are being masked that this one has to wait: look again soon")
NO_ANSWER: Final = N_("the worker that was to mask it did not answer in time: see its log")
NOT_READABLE: Final = N_(
    "the answer of the worker that was to mask it cannot be read here: use the same version on both"
)
NOT_HERE: Final = N_(
    "a worker says that it masked it, but no copy came: see its log, and whether this server has "
    "room"
)
_Name: TypeAlias = tuple[str, Form]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How it is with a copy that is not there, ``why`` for people, and after how many seconds it is
    worth looking again."""

    state: Literal["asked", "waits", "failed"]
    why: str
    again_s: float


class _Failed(NamedTuple):
    """Why no copy came, and whether that is to be kept with the item."""

    why: str
    of_item: bool = True


class Masks:
    """Asks workers for copies. Used within one event loop, but for ``known``; ``workers`` gives
    those that are heard now, ``ended`` says that all is to end."""

    def __init__(
        self,
        room: EvidenceRoom,
        control: Control,
        workers: Callable[[], Sequence[Heard]],
        ended: Callable[[], bool],
    ) -> None:
        self._room = room
        self._control = control
        self._workers = workers
        self._ended = ended
        self._running: dict[_Name, asyncio.Task[None]] = {}
        # why there is none, and until when that holds (monotonic seconds)
        self._failed: OrderedDict[_Name, tuple[str, float]] = OrderedDict()

    def known(self, alert: str, form: Form) -> Wanted | None:
        """How it is with a copy that somebody wanted lately; None where nobody did."""
        if (alert, form) in self._running:
            return Wanted("asked", ASKED, SOON_S)
        why, until_s = self._failed.get((alert, form), ("", 0.0))
        left_s = until_s - time.monotonic()
        return Wanted("failed", why, left_s) if left_s > 0 else None

    def want(self, item: Item) -> Wanted:
        """Have the copy of an item made that has none, unless that is under way or failed just
        now."""
        known = self.known(item.alert, item.form) or _paused(item)
        if known is not None:
            return known
        if len(self._running) >= MAX_MASKS:
            return Wanted("waits", BUSY, SOON_S)
        names = self._able(item.camera)
        if not names:
            return Wanted("waits", NOBODY, SOON_S)
        name = item.alert, item.form
        task = asyncio.create_task(self._make(item, names[:MAX_TRIED]))
        self._running[name] = task
        task.add_done_callback(lambda _: self._running.pop(name))
        return Wanted("asked", ASKED, SOON_S)

    def _able(self, camera: str) -> list[str]:
        """The workers that can be asked, who has the camera first, then who has least to do."""
        now_s = time.monotonic()
        fresh = [heard.report for heard in self._workers() if now_s - heard.at_s <= HEARD_S]
        having = {
            report.worker: each.state is State.LIVE
            for report in fresh
            for each in report.cameras
            if each.camera == camera
        }

        def turn(name: str, cameras: int) -> tuple[bool, bool, int, str]:
            return name not in having, not having.get(name, False), cameras, name

        return [
            report.worker for report in sorted(fresh, key=lambda r: turn(r.worker, len(r.cameras)))
        ]

    async def _make(self, item: Item, workers: Sequence[str]) -> None:
        name = item.alert, item.form
        try:
            failed = await self._tried(item, workers)
            if failed is None:
                self._failed.pop(name, None)
                return
            if self._ended():
                # what is given up at the end says nothing of the item
                return
            if failed.of_item:
                await run_in_threadpool(self._room.copy_failed, *name, failed.why)
        except (BusError, StoreError, EvidenceError) as error:
            # of the item itself that says nothing
            self._keep(name, str(error), SOON_S)
        else:
            self._keep(name, failed.why, SOON_S if failed.why == BUSY else AGAIN_S)

    async def _tried(self, item: Item, workers: Sequence[str]) -> _Failed | None:
        """Why no copy came of asking these workers; None where one did."""
        wanted = Mask(alert=item.alert, camera=item.camera, form=item.form, timeout_s=MASK_S)
        own: str | None = None
        for worker in workers:
            try:
                masked = await self._ask(worker, wanted)
            except MessageError:
                return _Failed(NOT_READABLE)
            if masked is None:
                return _Failed(NO_ANSWER)
            if masked.busy:
                own = BUSY
                continue
            if masked.own:
                own = own or masked.message
                continue
            if not masked.ok:
                return _Failed(masked.message)
            items = await run_in_threadpool(self._room.items, item.alert)
            came = any(each.form == item.form and each.copied is not None for each in items)
            return None if came else _Failed(NOT_HERE)
        return _Failed(own or BUSY, of_item=False)

    async def _ask(self, worker: str, wanted: Mask) -> Masked | None:
        """What ``worker`` says, or None where it says nothing in time. Raises BusError, or
        MessageError for an answer that is none."""
        until_s = time.monotonic() + wanted.timeout_s + MORE_S
        command = await run_in_threadpool(self._control.send, worker, encode(wanted), ttl_s=MORE_S)
        while not self._ended() and (left_s := until_s - time.monotonic()) > 0:
            body = await run_in_threadpool(
                self._control.answered, command, wait_s=min(left_s, SLICE_S)
            )
            if body is not None:
                return Masked.of(body)
        return None

    def _keep(self, name: _Name, why: str, again_s: float) -> None:
        self._failed[name] = why, time.monotonic() + again_s
        self._failed.move_to_end(name)
        while len(self._failed) > MAX_KEPT:
            self._failed.popitem(last=False)


def _paused(item: Item) -> Wanted | None:
    """How it is with a copy that failed just now, also where this was not running then."""
    if item.copy_why is None or item.copy_failed_at is None:
        return None
    left_s = item.copy_failed_at + AGAIN_S - time.time()
    return Wanted("failed", item.copy_why, left_s) if 0 < left_s <= AGAIN_S else None
