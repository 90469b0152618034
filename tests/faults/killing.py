"""kill -9 at random, by a plan that its seed gives: 10,000 alerts, none lost, none twice."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.chain import Chain
from tests.faults.ledger import Verdict

ROLES = ("worker", "API", "notifier", "Valkey")
SEED_VARIABLE = "MATAKOTA_TEST_SEED"
FLUSH = "FLUSHALL"
EARLY = 0.35
"""This share of the kills follows so soon on the one before that what was killed still starts."""
EARLY_S = 0.6
MIN_BYTES = 1 << 30
FAILS = 0.003
"""This share of the messages is refused once; each time the channel rests for a second."""
LAST_S = 5.0
"""Alerts are stated until so long after the last kill."""


@dataclass(frozen=True)
class Act:
    """``what`` is killed (or all of Redis flushed) ``after_s`` seconds after the act before."""

    after_s: float
    what: str


@dataclass(frozen=True)
class Killed:
    """What was done, by role, and what came of it. ``repeated`` messages came more than once."""

    seed: int
    kills: dict[str, int]
    verdict: Verdict
    repeated: int
    wrong: int
    seconds: float
    said: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Whether every promise was kept, and no process broke by itself."""
        return not (self.verdict.broken or self.wrong or self.said)


def seed_of_run() -> int:
    """The seed that the environment names, or another one each time."""
    return int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(1 << 32))


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is one: kill -9 takes nothing from the system's own memory, so
    that what is written there survives it as on a disk. It stays where the block fails."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder made in it is private
    enough = memory.is_dir() and shutil.disk_usage(memory).free >= MIN_BYTES
    folder = Path(tempfile.mkdtemp(prefix="matakota-faults-", dir=memory if enough else None))
    yield folder
    shutil.rmtree(folder)


def plan(
    seed: int, *, kills: int, flushes: int, pause_s: float, roles: tuple[str, ...] = ROLES
) -> list[Act]:
    """Each role ``kills`` times and ``flushes`` of Redis in random order, one each ``pause_s``
    seconds on average. The same seed gives the same plan."""
    chance = random.Random(seed)
    what = [role for role in roles for _ in range(kills)] + [FLUSH] * flushes
    chance.shuffle(what)
    late_s = (pause_s - EARLY * EARLY_S / 2) / (1 - EARLY)
    return [
        Act(
            chance.uniform(0, EARLY_S)
            if chance.random() < EARLY
            else chance.uniform(0.5 * late_s, 1.5 * late_s),
            each,
        )
        for each in what
    ]


def killing(
    folder: Path,
    *,
    seed: int,
    kills: int,
    flushes: int,
    alerts: int,
    pause_s: float,
    drain_s: float,
    notify: bool = True,
) -> Killed:
    """Follow the plan while ``alerts`` are stated, then let everything arrive, which may take
    ``drain_s`` seconds."""
    roles = ROLES if notify else tuple(role for role in ROLES if role != "notifier")
    acts = plan(seed, kills=kills, flushes=flushes, pause_s=pause_s, roles=roles)
    took_s = sum(act.after_s for act in acts) + LAST_S
    began_s = time.monotonic()
    with Chain(
        folder, alerts=alerts, rate=alerts / took_s, seed=seed, fails=FAILS, notify=notify
    ) as chain:
        for act in acts:
            chain.wait(act.after_s)
            if act.what == FLUSH:
                chain.flush()
            else:
                chain.kill(act.what)
        verdict = chain.finish(drain_s)
        return Killed(
            seed=seed,
            kills=dict(chain.kills),
            verdict=verdict,
            repeated=sum(each.repeated for each in chain.receivers),
            wrong=sum(len(each.wrong) for each in chain.receivers),
            seconds=time.monotonic() - began_s,
            said=chain.tracebacks(),
        )
