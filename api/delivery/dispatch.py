"""What sends on one channel: a letter at a time, as often as the channel takes them, again where it
failed. Each channel has a thread of its own, so that a slow one keeps nobody else waiting."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, NamedTuple, Protocol

import structlog

from api.delivery.schedule import again_at, paused_until
from api.delivery.sender import STOPPED, Sender
from api.store.letters import Answer, Letter
from api.store.notices import ChannelState, Needed
from api.trouble import Trouble
from vision.errors import StoreError

IDLE_S: Final = 0.5
"""So long nobody looks for what is new where nothing is due before."""
SHORT_S: Final = 0.05
"""The same where what was due need not be sent any more."""
LEASE_S: Final = 120.0
"""Longer than any try takes; only a process that died leaves one to its end."""
DROP_EVERY: Final = 50
"""After so many tries what is too old is removed, which takes longer than to keep one."""
MINUTE_S: Final = 60.0
JOIN_S: Final = 2.0
_FAULTS: Final = (
    ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError,
)  # fmt: skip

log = structlog.get_logger()


class Outbox(Protocol):
    """What a channel asks of ``Notices``."""

    def claim(self, channel: str, needed: Needed, *, by: str, lease_s: float) -> Letter | None: ...

    def settle(
        self,
        letter: Letter,
        answer: Answer,
        *,
        took_s: float,
        again_at: float | None,
        paused_until: float,
        drop: bool,
    ) -> bool: ...

    def next_due(self, channel: str) -> float | None: ...

    def channels(self, names: Sequence[str]) -> list[ChannelState]: ...


class _Tried(NamedTuple):
    letter: Letter
    answer: Answer
    took_s: float
    again_at: float | None
    paused_until: float


class ChannelRunner:
    """Sends on ``channel`` for ``by``, at most ``per_minute`` letters within any minute. ``needed``
    gives what knows, as the settings are now, whether a letter is still to be sent. ``clock`` gives
    UTC seconds, ``monotonic`` seconds of a clock that never jumps."""

    def __init__(
        self,
        channel: str,
        outbox: Outbox,
        sender: Sender,
        needed: Callable[[], Needed],
        *,
        by: str,
        per_minute: int,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        rng: Random | None = None,
    ) -> None:
        self.channel = channel
        self.sender = sender
        self._outbox = outbox
        self._needed = needed
        self._by = by
        self._clock = clock
        self._monotonic = monotonic
        self._rng = Random() if rng is None else rng
        self._sent: deque[float] = deque(maxlen=per_minute)
        self._failures: int | None = None
        self._unsettled: _Tried | None = None
        # a process that never lives long removes too
        self._since_drop = DROP_EVERY

    def step(self) -> float:
        """Send at most one letter; after so many seconds there may be more to do. Raises
        StoreError, after which it can be called again: nothing is forgotten or sent twice."""
        if self._unsettled is not None:
            self._settle(self._unsettled)
        if self._failures is None:
            self._failures = self._outbox.channels([self.channel])[0].failures
        full_s = self._full_s()
        if full_s > 0:
            return min(full_s, IDLE_S)
        letter = self._outbox.claim(self.channel, self._needed(), by=self._by, lease_s=LEASE_S)
        if letter is None:
            return self._idle_s()
        began_s = self._monotonic()
        self._sent.append(began_s)
        answer = self._send(letter)
        now = self._clock()
        took_s = max(self._monotonic() - began_s, 0.0)
        if answer == STOPPED:
            tried = _Tried(letter, answer, took_s, again_at=now, paused_until=0.0)
        else:
            again = again_at(letter, answer, now=now, rng=self._rng)
            pause = paused_until(
                answer, failures=self._failures, again_at=again, now=now, rng=self._rng
            )
            tried = _Tried(letter, answer, took_s, again, pause)
        self._failures = 0 if answer.ok else self._failures + 1
        self._settle(tried)
        self._say(tried)
        return 0.0

    def _idle_s(self) -> float:
        """How long it is until there may be something to send, where nothing was."""
        due = self._outbox.next_due(self.channel)
        wait_s = IDLE_S if due is None else due - self._clock()
        return min(wait_s, IDLE_S) if wait_s > 0 else SHORT_S

    def _full_s(self) -> float:
        """How long it is until one more letter is within what the channel takes."""
        if len(self._sent) < (self._sent.maxlen or 1):
            return 0.0
        return self._sent[0] + MINUTE_S - self._monotonic()

    def _send(self, letter: Letter) -> Answer:
        try:
            return self.sender.send(letter)
        except _FAULTS as error:
            # one letter that cannot be written keeps neither the others waiting nor the process
            # from starting
            log.exception("a message could not be written", channel=self.channel, id=letter.id)
            return Answer(
                False,
                f"the message could not be written ({type(error).__name__}): see the notifier's "
                "log",
            )

    def _settle(self, tried: _Tried) -> None:
        self._unsettled = tried
        drop = self._since_drop >= DROP_EVERY
        more = self._outbox.settle(
            tried.letter,
            tried.answer,
            took_s=tried.took_s,
            again_at=tried.again_at,
            paused_until=tried.paused_until,
            drop=drop,
        )
        self._unsettled = None
        if not more:
            self._since_drop = 1 if drop else self._since_drop + 1

    def _say(self, tried: _Tried) -> None:
        letter, answer = tried.letter, tried.answer
        told = log.bind(channel=self.channel, id=letter.id, what=letter.what)
        if answer.ok:
            told.info("message delivered", alerts=len(letter.alerts), tries=letter.attempt + 1)
        elif tried.again_at is None:
            told.error("message given up", why=answer.why, tries=letter.attempt + 1)
        else:
            wait_s = round(tried.again_at - self._clock(), 1)
            told.warning("message not delivered", why=answer.why, again_in_s=wait_s)


class Dispatcher:
    """A thread that runs a channel, between ``start`` and ``stop``."""

    def __init__(self, runner: ChannelRunner) -> None:
        self._runner = runner
        self._stopping = threading.Event()
        name = f"channel {runner.channel}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._trouble = Trouble(
            f"{name} waits for the store", f"{name} has the store again", self._stopping
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread within seconds. What it was sending then may be sent again."""
        self._stopping.set()
        self._runner.sender.close()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                wait_s = self._runner.step()
            except StoreError as error:
                self._trouble.wait(error)
            else:
                self._trouble.end()
                self._stopping.wait(wait_s)
