"""How quickly a database answers that holds a year of counts: what ``matakota bench --store``
measures."""

from __future__ import annotations

import math
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.progress import Progress
from rich.table import Table

from api.cli.tables import print_table
from api.store import Store
from api.store.trials import WEEK_S, fill, midnight_before
from streams.settings import SQLITE
from vision.bins import Interval

PROMISED_MS: Final = 300.0
"""The most that 95 of 100 answers may take."""
QUARTER_S, DAY_S = 900, 86_400
LAST_TS: Final = 1_767_225_600
"""The made-up counts end about here: 2026-01-01."""
PATTERNS: Final = 24
"""So many different weeks there are; all others repeat them."""
JUNCTION: Final = 4
LINES: Final = {"north": ("in", "out"), "south": ("in", "out")}
SHARES: Final = {"motorcycle": 0.62, "car": 0.29, "truck": 0.06, "bus": 0.02, "person": 0.01}
BUSY: Final = ((7.5, 1.6, 1.0), (12.5, 3.0, 0.55), (17.5, 2.0, 1.0), (21.0, 2.5, 0.3))
"""Hours of the day about which traffic gathers, how widely, and how much of it."""
OUTAGES: Final = 0.004
"""Part of the quarters of an hour in which a camera begins to be away for an hour."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What was asked, and how long the answers took, in milliseconds."""

    question: str
    took_ms: tuple[float, ...]

    def at(self, share: float) -> float:
        """So long this part of them took at most."""
        return float(np.quantile(self.took_ms, share))


def measure(cameras: int, weeks: int, rounds: int, folder: Path | None) -> dict[str, object]:
    """Fill a database, ask it ``rounds`` times each, and show what it took; the figures."""
    dice = random.Random(1)
    names = [f"cam-{nth:04}" for nth in range(cameras)]
    first_ts = midnight_before(LAST_TS - weeks * WEEK_S)
    with tempfile.TemporaryDirectory(prefix="matakota-bench-", dir=folder) as place:
        file = Path(place) / "matakota.db"
        began_s = time.perf_counter()
        with Progress(transient=True) as progress:
            task = progress.add_task("filling", total=None)
            rows = fill(
                f"{SQLITE}{file}",
                names,
                [_week(np.random.default_rng(nth)) for nth in range(PATTERNS)],
                first_ts=first_ts,
                number=weeks,
                done=lambda n: progress.update(task, description=f"filling: {n:,} rows"),
            )
        filled_s = time.perf_counter() - began_s
        size_mb = sum(each.stat().st_size for each in file.parent.iterdir()) / 1e6
        with Store.open(f"{SQLITE}{file}") as store:
            found = _ask(store, names, first_ts, weeks, rounds, dice)
    quarters = cameras * weeks * WEEK_S // QUARTER_S
    _show(found, rows, quarters, size_mb, filled_s)
    return {
        "rows": rows,
        "size_mb": round(size_mb),
        "answers_ms": {
            each.question: {"p50": round(each.at(0.5), 2), "p95": round(each.at(0.95), 2)}
            for each in found
        },
        "promised_p95_ms": PROMISED_MS,
    }


def _ask(
    store: Store, names: Sequence[str], first_ts: int, weeks: int, rounds: int, dice: random.Random
) -> list[Answers]:
    days = weeks * 7

    def span(cameras: int, length: int, seconds: int) -> Callable[[], None]:
        def ask() -> None:
            from_ts = first_ts + DAY_S * dice.randrange(max(1, days - length + 1))
            for camera in dice.sample(names, min(cameras, len(names))):
                store.counts.intervals(
                    camera, from_ts=from_ts, to_ts=from_ts + length * DAY_S, seconds=seconds
                )

        return ask

    def page() -> None:
        """What the page of traffic asks of a junction, beside the same day a week before."""
        store.counts.stated(frozenset(names))
        begin = first_ts + DAY_S * dice.randrange(7, max(8, days))
        for camera in dice.sample(names, min(JUNCTION, len(names))):
            for from_ts in (begin, begin - WEEK_S):
                store.counts.intervals(
                    camera, from_ts=from_ts, to_ts=from_ts + DAY_S, seconds=QUARTER_S
                )

    questions = {
        "a day of one camera, by 15 minutes": span(1, 1, QUARTER_S),
        "a week of one camera, by 15 minutes": span(1, 7, QUARTER_S),
        "a year of one camera, by days": span(1, days, DAY_S),
        f"a day of a junction of {JUNCTION} cameras, by 15 minutes": span(JUNCTION, 1, QUARTER_S),
        f"the page of traffic at a junction of {JUNCTION} cameras, beside a week before": page,
        "the list of cameras, with since when and until when": lambda: _listed(store),
    }
    return [
        Answers(question, tuple(_took_ms(ask) for _ in range(rounds)))
        for question, ask in questions.items()
    ]


def _listed(store: Store) -> None:
    store.counts.stated()


def _took_ms(ask: Callable[[], None]) -> float:
    began_s = time.perf_counter()
    ask()
    return 1000 * (time.perf_counter() - began_s)


def _week(dice: np.random.Generator) -> list[Interval]:
    """A week of quarters of an hour at one camera, the first at 0: two peaks a day, less of them
    at its end, and an hour now and then in which nobody watched."""
    most = float(dice.uniform(20, 400))
    away_until = -1
    found = []
    for nth in range(WEEK_S // QUARTER_S):
        hour, day = nth % 96 / 4, nth // 96
        if dice.random() < OUTAGES:
            away_until = nth + 4
        if nth < away_until:
            continue
        share = 0.03 + sum(
            part * math.exp(-(((hour - about) / wide) ** 2)) for about, wide, part in BUSY
        )
        mean = most * min(share, 1.0) * (0.7 if day >= 5 else 1.0)
        counts = {
            (line, way, name): int(dice.poisson(mean * of / 2))
            for line, ways in LINES.items()
            for way in ways
            for name, of in SHARES.items()
        }
        found.append(
            Interval(
                camera_id="",
                start_ts=float(nth * QUARTER_S),
                seconds=QUARTER_S,
                revision=1,
                version=0,
                observed_s=QUARTER_S - round(float(dice.exponential(2.0)), 3),
                frames=int(dice.integers(4300, 4500)),
                lines=LINES,
                classes=tuple(SHARES),
                counts={key: count for key, count in counts.items() if count},
                occupied={line: round(min(800.0, mean * 0.6), 3) for line in LINES},
                synthetic=True,
            )
        )
    return found


def _show(
    found: Sequence[Answers], rows: int, quarters: int, size_mb: float, filled_s: float
) -> None:
    table = Table(
        box=None,
        pad_edge=False,
        title=f"{rows:,} rows, of {quarters:,} quarters of an hour; {size_mb:,.0f} MB, filled in "
        f"{filled_s:.0f} s",
        title_justify="left",
    )
    table.add_column("question", overflow="fold")
    table.add_column("p50 ms", justify="right", no_wrap=True)
    table.add_column("p95 ms", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for each in found:
        said = f"promised: at most {PROMISED_MS:.0f}"
        table.add_row(each.question, f"{each.at(0.5):.1f}", f"{each.at(0.95):.1f}", said)
    print_table(table)
