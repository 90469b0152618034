"""The watchdog: sees whether canaries arrive, and alarms where they do not, past everything that
may be broken.

One thread asks the store, the other judges and alarms, so that a store that never answers holds up
nothing. What the alarm needs is kept in a file, since the store may be what is gone.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from api.alerting.settings import Alerting, Channel
from api.delivery.sender import Sender
from api.store import Store
from api.system import CHAIN, CHAIN_BROKEN, chain_broken, watchdog_letter
from api.watching import PERIODS, WATCHDOG, Alarm, Judge, Periods, Saying, Seen
from vision.errors import BrokenError, MatakotaError, StoreError

PRIVATE: Final = 0o600
JOIN_S: Final = 2.0
SLOW_LOOKS: Final = 3
"""A store that takes longer than so many looks gives no answer."""

log = structlog.get_logger()


class Kept(BaseModel):
    """What the alarm needs without the store: its channel, where its secret is, in which networks
    it may lie, and since when (UTC seconds) somebody knows of a broken chain, None for not."""

    model_config = ConfigDict(frozen=True)

    channel: Channel | None = None
    secrets: str | None = None
    networks: tuple[str, ...] = ()
    broken_since: float | None = None


def read_kept(path: Path) -> Kept:
    """What was kept; nothing where there is none, or where it cannot be read, which is logged."""
    try:
        return Kept.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Kept()
    except (OSError, ValidationError) as error:
        log.error("what the watchdog kept cannot be read", file=str(path), why=type(error).__name__)
        return Kept()


def write_kept(path: Path, kept: Kept) -> None:
    """Keep it for this user alone, all of it or not at all. Raises OSError."""
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(kept.model_dump_json().encode())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


class Watchdog:
    """``open_store`` opens the store, ``sender`` what sends on the kept channel (raises
    MatakotaError where it cannot), ``path`` is the file of what is kept. ``clock`` gives UTC
    seconds."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        sender: Callable[[Kept], Sender],
        path: Path,
        *,
        periods: Periods = PERIODS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._open_store = open_store
        self._sender = sender
        self._path = path
        self._periods = periods
        self._clock = clock
        self._kept = read_kept(path)
        self._judge = Judge(periods)
        self._alarm = Alarm(periods, alarmed=self._kept.broken_since is not None)
        self._run = secrets.token_hex(4)
        self._stopping = threading.Event()
        self._asking = threading.Thread(target=self._ask, name="store", daemon=True)
        self._answer: tuple[Seen, float] = Seen(), time.monotonic()
        self._broken: Mapping[str, str] = {}
        self._began_s = time.monotonic()
        self._was_broken = False
        self._stated: frozenset[str] | None = None
        self._settings: Alerting | None = None
        self._configuration = 0, False
        self._keeping = threading.Lock()
        self._said: str | None = None

    def run(self, stopping: threading.Event) -> None:
        """Watch until ``stopping`` is set."""
        self._began_s = time.monotonic()
        self._answer = Seen(), self._began_s
        self._asking.start()
        try:
            while not stopping.is_set():
                if not self._asking.is_alive():
                    raise BrokenError("the watchdog broke down: start it again, and see its log")
                self._step()
                stopping.wait(self._periods.look / 5)
        finally:
            self._stopping.set()
            self._asking.join(JOIN_S)

    # --- what is judged, and said

    def _step(self) -> None:
        now_s, now = time.monotonic(), self._clock()
        seen, at_s = self._answer
        if now_s - at_s > SLOW_LOOKS * self._periods.look:
            seen = Seen(trouble="it takes too long to answer")
        broken = self._judge.broken(seen, now_s, now)
        if broken.keys() != self._broken.keys():
            for part in sorted(broken.keys() - self._broken.keys()):
                log.error("the chain is broken", why=broken[part])
            if not broken:
                log.info("the chain works again")
        self._broken = broken
        self._was_broken |= bool(broken)
        if not broken and not self._settled:
            # a new process knows of nothing yet, be it good or bad
            return
        saying = self._alarm.due(broken, now_s)
        if saying is not None:
            accepted = self._tell(saying, now)
            jitter = random.random()
            self._alarm.tried(saying, accepted=accepted, now_s=time.monotonic(), jitter=jitter)
            if accepted:
                self._remember(now if saying.kind == "alarm" else None)

    @property
    def _settled(self) -> bool:
        return self._was_broken or time.monotonic() - self._began_s >= self._periods.canary

    def _tell(self, saying: Saying, now: float) -> bool:
        kept = self._kept
        if kept.channel is None:
            log.error(
                "nobody can be told that the chain is broken: name an alarm channel with 'alarm:' "
                "in the alerting file",
                why="; ".join(saying.whys),
            )
            # said in the log, and again after a while
            return True
        letter = watchdog_letter(
            saying.kind,
            saying.whys,
            letter=f"watchdog:{self._run}:{saying.number}",
            channel=kept.channel.name,
            began=kept.broken_since or now,
            now=now,
        )
        try:
            sender = self._sender(kept)
        except MatakotaError as error:
            self._complain(kept.channel.name, str(error))
            return False
        try:
            answer = sender.send(letter)
        finally:
            sender.close()
        if answer.ok:
            log.info("the alarm channel was told", channel=kept.channel.name, what=saying.kind)
            self._said = None
        else:
            self._complain(kept.channel.name, answer.why)
        return answer.ok

    def _complain(self, channel: str, why: str) -> None:
        if why != self._said:
            log.error("the alarm channel cannot be told", channel=channel, why=why)
        self._said = why

    def _remember(self, broken_since: float | None) -> None:
        if broken_since is None or self._kept.broken_since is None:
            self._keep(broken_since=broken_since)

    def _keep(self, **changed: object) -> None:
        with self._keeping:
            self._kept = self._kept.model_copy(update=changed)
            try:
                write_kept(self._path, self._kept)
            except OSError as error:
                why = (error.strerror or "error").lower()
                log.error("what the watchdog needs cannot be kept", file=str(self._path), why=why)

    # --- what is asked

    def _ask(self) -> None:
        store: Store | None = None
        try:
            while not self._stopping.is_set():
                try:
                    store = store or self._open_store()
                    self._answer = self._look(store), time.monotonic()
                except StoreError as error:
                    self._answer = Seen(trouble=str(error)), time.monotonic()
                self._stopping.wait(self._periods.look)
        finally:
            if store is not None:
                store.close()

    def _look(self, store: Store) -> Seen:
        store.canaries.beat(WATCHDOG)
        settings = store.alerting.current().settings
        if settings != self._settings:
            self._settings = settings
            channel = None if settings.alarm is None else settings.channel(settings.alarm)
            self._keep(
                channel=channel if channel is not None and channel.enabled else None,
                secrets=settings.secrets,
                networks=settings.networks,
            )
        self._state(store)
        number = store.configuration.number()
        if number != self._configuration[0]:
            self._configuration = number, bool(store.configuration.cameras())
        return Seen(
            canaries={each.worker: each.arrived_at for each in store.canaries.last()},
            beats=store.canaries.beats(),
            cameras=self._configuration[1],
        )

    def _state(self, store: Store) -> None:
        """Say it in the store too, where whoever looks at the pages sees it."""
        broken = self._broken
        if broken and frozenset(broken) != self._stated:
            store.wrongs.state(chain_broken(list(broken.values())))
            self._stated = frozenset(broken)
        elif not broken and self._stated != frozenset() and self._settled:
            store.wrongs.end(CHAIN_BROKEN, CHAIN, "it works again")
            self._stated = frozenset()
