"""Whatever fails between a rule and whoever is told: each alert of the ledger is stored once, and
every channel hears of it, under one id however often."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.disks import fill_up, small_disk
from tests.faults.chain import Chain
from tests.faults.killing import Killed, killing, plan, quick_folder, seed_of_run
from tests.faults.ledger import Row, Verdict, judge
from tests.faults.proxy import Mode

DRAIN_S = 300.0


def check(verdict: Verdict, alerts: int) -> None:
    print(verdict)
    assert verdict.broken == 0, verdict
    assert verdict.stated == verdict.stored == alerts


def check_killed(done: Killed, alerts: int) -> None:
    print(done)
    check(done.verdict, alerts)
    assert done.wrong == 0
    assert done.said == ()


def killed(kills: int, flushes: int, alerts: int, pause_s: float) -> Killed:
    seed = seed_of_run()
    print(f"seed {seed}")
    with quick_folder() as folder:
        return killing(
            folder, seed=seed, kills=kills, flushes=flushes, alerts=alerts, pause_s=pause_s,
            drain_s=DRAIN_S,
        )  # fmt: skip


def test_twenty_kills_lose_nothing() -> None:
    done = killed(kills=5, flushes=1, alerts=10_000, pause_s=5.0)
    assert sum(done.kills.values()) == 21
    check_killed(done, 10_000)


@pytest.mark.long
def test_a_hundred_kills_of_each_and_fifty_flushes_lose_none_of_ten_thousand() -> None:
    check_killed(killed(kills=100, flushes=50, alerts=10_000, pause_s=1.3), 10_000)


def test_a_seed_gives_one_plan() -> None:
    one, same, other = (plan(seed, kills=5, flushes=2, pause_s=2.0) for seed in (1, 1, 2))
    assert one == same != other
    assert sorted(act.what for act in one) == sorted(act.what for act in other)
    assert 1.0 < sum(act.after_s for act in plan(3, kills=100, flushes=0, pause_s=2.0)) / 400 < 3.0


# --- the judge itself must be able to say no

STATED = {"a": 3, "b": 3}
ROWS = (Row("a", 3, "closed", "0"), Row("b", 3, "closed", "1"))
TOLD = {"one": {("a", "opened"): {"m1": 2}, ("b", "opened"): {"m2": 1}}}


@pytest.mark.parametrize(
    ("rows", "told", "broken"),
    [
        (ROWS, TOLD, {}),
        (ROWS[:1], TOLD, {"lost": 1}),
        ((ROWS[0], Row("b", 2, "open", "1")), TOLD, {"old": 1}),
        ((*ROWS, Row("c", 1, "open", "2")), TOLD, {"unknown": 1}),
        ((*ROWS, Row("c", 1, "open", "1")), TOLD, {"unknown": 1, "twice": 1}),
        (ROWS, {"one": {("a", "opened"): {"m1": 1}}}, {"untold": 1}),
        (ROWS, {"one": {**TOLD["one"], ("a", "closed"): {"m3": 1, "m4": 1}}}, {"other_ids": 1}),
    ],
)
def test_the_judge(
    rows: tuple[Row, ...], told: dict[str, dict[tuple[str, str], dict[str, int]]],
    broken: dict[str, int],
) -> None:  # fmt: skip
    verdict = judge(STATED, rows, told)
    names = ("lost", "old", "unknown", "twice", "untold", "other_ids")
    assert {name: n for name in names if (n := getattr(verdict, name))} == broken
    assert bool(verdict.broken) == bool(broken)


# --- what is not killed, but does not do what it should

ALERTS, RATE = 400, 20.0


@contextmanager
def chain_of(folder: Path, alerts: int = ALERTS, **more: Path) -> Iterator[Chain]:
    """A chain that states for twenty seconds or so and has begun to."""
    with Chain(folder, alerts=alerts, rate=RATE, **more) as chain:
        chain.wait_for(lambda: chain.stored() > 10, "the first alerts are stored", 100)
        yield chain
        check(chain.finish(DRAIN_S), alerts)
        assert chain.tracebacks() == ()


def test_a_network_that_resets_stalls_and_refuses(tmp_path: Path) -> None:
    modes: tuple[Mode, ...] = ("reset", "stall", "refuse", "half-open")
    # twice as long as the modes take together
    with chain_of(tmp_path, 700) as chain:
        for mode in modes:
            before = len(chain.ledger.read())
            chain.redis.mode = mode
            chain.wait(2.5)
            assert len(chain.ledger.read()) > before
            chain.redis.mode = "open"
            chain.wait(1.5)


@pytest.mark.long
def test_alerts_come_by_another_way_while_redis_is_half_open(tmp_path: Path) -> None:
    with chain_of(tmp_path, 800) as chain:
        chain.redis.mode = "half-open"
        chain.wait(2)
        # what Redis had before is stored by now
        before = chain.stored()
        chain.wait_for(lambda: chain.stored() > before + 50, "alerts are posted", 50)
        chain.wait(18)
        chain.redis.mode = "open"


def test_a_notifier_that_stands_still_and_a_receiver_that_is_gone(tmp_path: Path) -> None:
    with chain_of(tmp_path) as chain:
        gone, here = chain.receivers
        chain.wait_for(lambda: len(gone.alerts) > 10, "the first alerts are told", 100)
        # for less than the five seconds after which something is tried again: what fails twice
        # waits for minutes
        chain.hooks[0].mode = "refuse"
        chain.wait(0.5)
        before, heard = len(gone.alerts), len(here.alerts)
        chain.wait_for(lambda: len(here.alerts) > heard + 10, "the other one is told", 100)
        assert len(gone.alerts) == before
        chain.hooks[0].mode = "open"
        chain.wait_for(lambda: len(gone.alerts) > before, "it is told again", 100)
        assert chain.signal("notifier", signal.SIGSTOP)
        chain.wait(4)
        assert chain.signal("notifier", signal.SIGCONT)


@pytest.mark.long
def test_a_receiver_that_takes_and_never_answers(tmp_path: Path) -> None:
    with chain_of(tmp_path, 800) as chain:
        slow, here = chain.receivers
        chain.wait_for(lambda: len(slow.alerts) > 10, "the first alerts are told", 100)
        chain.hooks[0].mode = "half-open"
        heard = len(here.alerts)
        chain.wait_for(lambda: len(here.alerts) > heard + 100, "the other one is told", 100)
        chain.hooks[0].mode = "open"


@pytest.mark.long
def test_redis_is_emptied_again_and_again(tmp_path: Path) -> None:
    with chain_of(tmp_path, 1500) as chain:
        for _ in range(50):
            chain.wait(1.2)
            chain.flush()


@pytest.mark.long
def test_the_disk_of_the_spool_is_full_for_a_while(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "spool", "12m") as disk,
        chain_of(tmp_path, spool=disk) as chain,
    ):
        # nothing leaves the spool meanwhile, so that it has to grow
        chain.redis.mode = "refuse"
        filler = fill_up(disk)
        chain.wait_for(lambda: "disk is full" in chain.said("worker"), "it is said", 100)
        chain.wait(3)
        # by then some are in memory, which a kill would lose: the ledger does not know them
        filler.unlink()
        chain.redis.mode = "open"


@pytest.mark.long
def test_the_disk_of_the_database_is_full_for_a_while(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "store", "32m") as disk,
        chain_of(tmp_path, database=disk) as chain,
    ):
        filler = fill_up(disk)
        chain.wait_for(lambda: "no space is left" in chain.said("API"), "it is said", 100)
        chain.wait(5)
        filler.unlink()
