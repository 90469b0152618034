"""A part of the chain stands still: how long it takes until somebody is told of that."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from api.alerting.settings import Alerting, Channel, Matcher, Route
from api.store import Actor, Store
from api.system import CHAIN_BROKEN, WATCHDOG_MISSING
from streams.settings import SQLITE
from tests.faults.living import START_S, Living
from tests.faults.receiver import SECRET, Receiver
from tests.waiting import wait_for

PARTS = ("worker", "API", "Valkey", "notifier", "watchdog")
PROMISED_S = 200.0
SETTLE_S = 30.0
"""Beats come every few seconds; whoever was never heard is not missed."""
PATIENCE_S = 900.0
CITY = "name: test\nfps: 1\ncameras: [{id: a, source: synthetic, model: motion}]\n"
CHANNEL = "siaga"


def alarms(folder: Path, parts: Sequence[str] = PARTS) -> dict[str, float]:
    """For each part: a whole system of its own in which that part is stopped by SIGSTOP, side by
    side with the others; seconds until the alarm channel was told."""
    with ExitStack() as stack:
        systems: dict[str, tuple[Living, Receiver]] = {}
        for part in parts:
            receiver = stack.enter_context(Receiver(CHANNEL))
            living = stack.enter_context(_system(folder / part.replace(" ", "-"), receiver))
            systems[part] = living, receiver
        for part, (living, _) in systems.items():
            wait_for(_whole(living), f"a canary arrives where the {part} is to be stopped", START_S)
        time.sleep(SETTLE_S)
        stopped_s = {}
        for part, (living, receiver) in systems.items():
            assert receiver.alerts == set(), f"false alarm: {receiver.alerts}"
            (pid,) = living.pids(part)
            os.kill(pid, signal.SIGSTOP)
            stopped_s[part] = time.monotonic()
            stack.callback(_go_on, pid)
        took_s: dict[str, float] = {}
        end_s = time.monotonic() + PATIENCE_S
        while len(took_s) < len(systems):
            missing = set(systems) - set(took_s)
            assert time.monotonic() < end_s, f"nobody was told that these stand still: {missing}"
            for part in missing:
                if systems[part][1].alerts:
                    took_s[part] = time.monotonic() - stopped_s[part]
            time.sleep(0.1)
    return {part: took_s[part] for part in parts}


def _system(folder: Path, receiver: Receiver) -> Living:
    """A system, not started yet, that tells ``receiver`` where something is wrong with itself."""
    folder.mkdir()
    (folder / "city.yaml").write_text(CITY, encoding="utf-8")
    data = folder / "data"
    data.mkdir(mode=0o700)
    secrets = folder / "secrets.yaml"
    secrets.touch(mode=0o600)
    secrets.write_text(f"{CHANNEL}: {{secret: {SECRET}}}\n", encoding="ascii")
    settings = Alerting(
        secrets=str(secrets),
        networks=("127.0.0.0/8",),
        channels=(Channel(name=CHANNEL, kind="webhook", url=receiver.url),),
        routes=(
            Route(
                name="itself",
                match=Matcher(kinds=(CHAIN_BROKEN, WATCHDOG_MISSING)),
                channels=(CHANNEL,),
            ),
        ),
        alarm=CHANNEL,
    )
    with Store.open(f"{SQLITE}{data / 'matakota.db'}") as store:
        store.alerting.apply(settings, Actor.command())
    return Living(folder)


def _whole(living: Living) -> Callable[[], bool]:
    """Whether a canary came all the way, and notifier and watchdog were heard."""
    address = f"{(living.folder / 'data' / 'matakota.db').as_uri()}?mode=ro"

    def whole() -> bool:
        with closing(sqlite3.connect(address, uri=True, timeout=20)) as database:
            sql = "SELECT (SELECT count(*) FROM canaries), (SELECT count(*) FROM beats)"
            canaries, beats = database.execute(sql).fetchone()
        return bool(canaries >= 1 and beats >= 2)

    return whole


def _go_on(pid: int) -> None:
    """Let it end with the others."""
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return
