"""``make faults``: kill -9 of every part at random while alerts are stated, by a seed that repeats
the plan. Exit code 1 where a promise is broken."""

from __future__ import annotations

import argparse
import sys

from tests.faults.killing import Killed, killing, quick_folder, seed_of_run

PAUSE_S = 2.5
DRAIN_S = 240.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="of each part")
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--flushes", type=int, default=5, help="FLUSHALL of Redis")
    parser.add_argument("--pause", type=float, default=PAUSE_S, help="seconds between two, about")
    parser.add_argument("--seed", type=int, default=None, help="another one each time by default")
    told = parser.parse_args()
    seed = seed_of_run() if told.seed is None else told.seed
    print(f"seed {seed}", flush=True)
    try:
        with quick_folder() as folder:
            done = killing(
                folder,
                seed=seed,
                kills=told.kills,
                flushes=told.flushes,
                alerts=told.alerts,
                pause_s=told.pause,
                drain_s=DRAIN_S,
            )
            print(shown(done))
            assert done.kept
            assert done.verdict.stored == told.alerts
    except AssertionError as error:
        print(f"{error}\nlogs, ledger and database are in {folder}")
        return 1
    return 0


def shown(done: Killed) -> str:
    """What came of it, a line each."""
    verdict = done.verdict
    killed = ", ".join(f"{role} {number}" for role, number in sorted(done.kills.items()))
    alerts = (
        f"{verdict.stated} alerts stated, {verdict.stored} stored: {verdict.lost} lost, "
        f"{verdict.twice} twice, {verdict.old} outdated, {verdict.unknown} of nobody's"
    )
    channels = (
        f"both channels: {verdict.untold} untold, {verdict.other_ids} repeated under another id, "
        f"{done.repeated} repeated under the same, {done.wrong} with a wrong signature"
    )
    lines = f"killed: {killed}; {done.seconds:.0f} s", alerts, channels
    return "\n".join([*lines, *verdict.examples, *done.said])


if __name__ == "__main__":
    sys.exit(main())
