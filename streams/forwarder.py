"""From the spool to the bus, and back with the receipts: a message leaves the spool when the
store has it, not when Redis took it. While the bus takes nothing, alerts go to the API itself."""

from __future__ import annotations

import random
import threading
import time

import structlog

from streams.bus import Bus
from streams.fallback import AFTER_S, Fallback
from streams.posting import Poster
from streams.spool import Spool
from vision.errors import BusError, SpoolError

BATCH = 256
RESEND_S = 10.0
MAX_RESEND_S = 60.0
PROBES = 16
FIRST_DELAY_S = 0.2
MAX_DELAY_S = 5.0
NEAR_S = 0.05
"""How often receipts are looked for just after something was sent."""
FAR_S = 1.0
"""How often otherwise; what is put is sent at once all the same."""
JOIN_S = 1.0
"""Beyond the time for draining. A command to a bus that hangs may take longer."""

log = structlog.get_logger()


class Forwarder:
    """A thread that sends what ``worker`` spooled, in order, and forgets what is confirmed.

    Where no receipt comes within ``resend_s``, messages go again, ever less often while none
    comes at all. A bus or a spool that fails is tried again, with back-off and jitter. Where the
    bus fails for ``post_after_s``, ``poster`` posts the alerts meanwhile, if there is one.
    """

    def __init__(
        self,
        spool: Spool,
        bus: Bus,
        worker: str,
        *,
        resend_s: float = RESEND_S,
        poster: Poster | None = None,
        post_after_s: float = AFTER_S,
    ) -> None:
        self._fallback = Fallback(spool, poster, worker, after_s=post_after_s)
        self._spool = spool
        self._bus = bus
        self._worker = worker
        self._resend_s = self._patience_s = resend_s
        self._checked = False
        self._sent_s = 0.0
        self._confirmed: list[str] = []
        self._problem: str | None = None
        self._stopping = threading.Event()
        self._until_s = 0.0
        self._thread = threading.Thread(target=self._run, name="forwarder", daemon=True)

    @property
    def problem(self) -> str | None:
        """What keeps messages from being sent now, one sentence, or None."""
        if not self.alive:
            return "the forwarder broke down: restart the worker, and see its log"
        return self._problem

    @property
    def alive(self) -> bool:
        """False where the thread ended by itself, without ``stop``: nothing is sent any more."""
        ended = self._thread.ident is not None and not self._thread.is_alive()
        return self._stopping.is_set() or not ended

    def start(self) -> None:
        """Send until ``stop``. Messages of an earlier run that were not confirmed go again."""
        self._thread.start()

    def stop(self, drain_s: float) -> None:
        """End the thread as soon as everything is confirmed, or after ``drain_s`` (seconds). What
        is left stays in the spool.

        Returns within a second more, also where the bus hangs; then the thread is left behind. It
        ends with its command, does not keep the process, and what it does to a closed spool or bus
        has no effect."""
        self._until_s = time.monotonic() + drain_s
        self._stopping.set()
        self._spool.fresh.set()
        if self._thread.ident is not None:
            self._thread.join(drain_s + JOIN_S)
            if self._thread.is_alive():
                log.warning("the bus hangs and is left", worker=self._worker)

    def _run(self) -> None:
        try:
            self._loop()
        finally:
            self._fallback.close()

    def _loop(self) -> None:
        delay_s = FIRST_DELAY_S
        while not self._over():
            began_s = time.monotonic()
            try:
                busy = self._step()
            except (BusError, SpoolError) as error:
                if isinstance(error, BusError):
                    self._fallback.bus_failed(began_s)
                self._failed(str(error))
                self._pause(random.uniform(delay_s / 2, delay_s))
                delay_s = min(2 * delay_s, MAX_DELAY_S)
                continue
            delay_s = FIRST_DELAY_S
            self._fallback.bus_works()
            if self._problem is not None:
                log.info("messages are sent again", worker=self._worker)
            self._problem = None
            if not busy:
                self._rest()

    def _step(self) -> bool:
        """Send a batch and take receipts; whether there may be more to do at once."""
        if not self._checked:
            self._bus.check()
            self._checked = True
        self._spool.fresh.clear()
        if self._spool.resend_older_than(self._patience_s, probes=PROBES):
            self._patience_s = min(2 * self._patience_s, max(MAX_RESEND_S, self._resend_s))
        messages = self._spool.unsent(BATCH)
        if messages:
            self._bus.publish(
                self._worker,
                [(m.key, m.body) for m in messages],
                spooled={m.key: m.spooled_ts for m in messages},
            )
            self._spool.sent(messages)
            self._sent_s = time.monotonic()
        # kept until they are written: a disk may be full
        if not self._confirmed:
            self._confirmed = self._bus.take_receipts(self._worker, wait_s=0.0)
        if not self._confirmed:
            return len(messages) == BATCH
        self._spool.confirm(self._confirmed)
        self._confirmed = []
        self._patience_s = self._resend_s
        return True

    def _failed(self, why: str) -> None:
        if self._problem is None:
            log.warning("messages wait in the spool", worker=self._worker, why=why)
        self._problem = why
        self._checked = False

    def _pause(self, wait_s: float) -> None:
        """Leave the bus alone for so long, at most for the time that is left while stopping; what
        has to be posted is, at once."""
        until_s = time.monotonic() + wait_s
        while not self._over() and (left_s := until_s - time.monotonic()) > 0:
            self._spool.fresh.clear()
            idle_s = self._fallback.step()
            # looked at after 'clear', or the end would be slept through
            if self._stopping.is_set():
                left_s = min(left_s, self._until_s - time.monotonic())
            self._spool.fresh.wait(max(0.0, min(left_s, idle_s)))

    def _rest(self) -> None:
        """Until something is put, or it is time to look for receipts."""
        near = self._spool.in_flight > 0 and time.monotonic() - self._sent_s < FAR_S
        hurried = near or self._stopping.is_set()
        self._spool.fresh.wait(NEAR_S if hurried else min(FAR_S, self._resend_s))

    def _over(self) -> bool:
        if not self._stopping.is_set():
            return False
        return self._spool.waiting == 0 or time.monotonic() >= self._until_s
