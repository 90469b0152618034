"""What was stated, kept outside the system, and what became of it: the judge of the faults."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from streams.messages import SYSTEM_CAMERA

SHOWN = 5
"""So many ids of each kind of loss are named."""


class Ledger:
    """The file ``path``: a line ``ID VERSION`` for each statement that was durable when it was
    written. Each line is one write at the end of the file, which no kill undoes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, stated: Iterable[tuple[str, int]]) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            for name, version in stated:
                os.write(descriptor, f"{name} {version}\n".encode("ascii"))
        finally:
            os.close(descriptor)

    def read(self) -> dict[str, int]:
        """The highest version of each id; a last line that is cut short is none."""
        try:
            text = self.path.read_text(encoding="ascii")
        except FileNotFoundError:
            return {}
        found: dict[str, int] = {}
        for line in text[: text.rfind("\n") + 1].splitlines():
            name, version = line.split()
            found[name] = max(found.get(name, 0), int(version))
        return found


@dataclass(frozen=True)
class Row:
    """An alert as it is stored; ``about`` is what it is about, whatever its id."""

    id: str
    version: int
    state: str
    about: str


def rows(database: Path) -> list[Row]:
    """Every alert in an SQLite database but those about the program, read beside the system."""
    sql = "SELECT id, version, state, details ->> '$.number' FROM alerts WHERE camera != ?"
    return [Row(*row) for row in _ask(database, sql, SYSTEM_CAMERA)]


def undelivered(database: Path) -> int:
    """Notices that are still to be sent, and alerts that are still to be decided on."""
    sql = (
        "SELECT (SELECT count(*) FROM notices WHERE state IN ('waiting', 'held'))"
        " + (SELECT position FROM feed) - coalesce((SELECT max(position) FROM routing), 0)"
    )
    ((number,),) = _ask(database, sql)
    return int(number)


def waiting(spool: Path) -> int:
    """Messages in a spool that no receipt confirmed yet; 0 where there is no spool yet."""
    if not spool.exists():
        return 0
    ((number,),) = _ask(spool, "SELECT count(*) FROM outbox")
    return int(number)


def _ask(database: Path, sql: str, *values: str) -> list[tuple[Any, ...]]:
    address = f"{database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=20)) as connection:
        return connection.execute(sql, values).fetchall()


@dataclass(frozen=True)
class Verdict:
    """How often each promise was broken: alerts of the ledger that are ``lost`` or stored as they
    were before (``old``); ``unknown`` ones, which nobody stated; those stored ``twice``, be it
    under two ids; alerts of which a channel was never told (``untold``, over all channels); and
    messages that were repeated under ``other_ids``. ``examples`` are some of their ids."""

    stated: int
    stored: int
    lost: int
    old: int
    unknown: int
    twice: int
    untold: int
    other_ids: int
    examples: tuple[str, ...]

    @property
    def broken(self) -> int:
        """0 where every promise was kept."""
        return self.lost + self.old + self.unknown + self.twice + self.untold + self.other_ids


Told: TypeAlias = Mapping[str, Mapping[tuple[str, str], Mapping[str, int]]]
"""What each channel received: (alert, what) to how often each message id came."""


def judge(stated: Mapping[str, int], stored: Iterable[Row], told: Told) -> Verdict:
    """Compare the ledger with the store and with what the channels received."""
    known = list(stored)
    versions = {row.id: row.version for row in known}
    abouts = Counter(row.about for row in known)
    lost = [name for name in stated if name not in versions]
    old = [name for name, version in stated.items() if versions.get(name, version) < version]
    unknown = [row.id for row in known if row.id not in stated]
    twice = [row.id for row in known if abouts[row.about] > 1]
    untold, other = [], []
    for channel, messages in told.items():
        heard = {alert for alert, _ in messages}
        untold += [f"{channel}/{name}" for name in stated if name not in heard]
        other += [f"{channel}/{alert}/{what}" for (alert, what), ids in messages.items()
                  if len(ids) > 1]  # fmt: skip
    groups = {"lost": lost, "old": old, "unknown": unknown, "twice": twice, "untold": untold,
              "other ids": other}  # fmt: skip
    return Verdict(
        stated=len(stated),
        stored=len(known),
        lost=len(lost),
        old=len(old),
        unknown=len(unknown),
        twice=len(known) - len(abouts),
        untold=len(untold),
        other_ids=len(other),
        examples=tuple(f"{what}: {name}" for what, some in groups.items() for name in some[:SHOWN]),
    )
