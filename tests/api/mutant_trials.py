"""Tries the code without some of its guards: whether the access matrix finds it, and by what. What
found it the last time is tried first; where it finds nothing, everything is.
``python -m tests.api.mutant_trials`` writes down what finds each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from tests.api import matrix_contents, matrix_endings, matrix_handling
from tests.api.matrix import Running, Table, judge, read_table, running
from tests.api.matrix_rows import Row
from tests.api.mutants import Mutant, without

HINTS: Final = Path(__file__).with_name("mutant_hints.json")
CHECKS: Final = {
    check.__name__: check
    for check in (*matrix_contents.CHECKS, *matrix_handling.CHECKS, *matrix_endings.CHECKS)
}
FAULTS: Final = "faults"
AT_ONCE: Final = 4
"""Most of the time of what is decided late goes into waiting for what does not end."""
LATE: Final = ("api/feed.py", "api/known.py", "api/pages/", "api/pictures.py", "api/wall.py")
"""What is decided there is decided while something is open."""


class Complaint(NamedTuple):
    """``by`` is the name of a check, or the cell of the table."""

    by: str
    said: str


def cell(row: Row, caller: str) -> str:
    return f"{' '.join(row)} as {caller}"


def read_hints() -> dict[str, str]:
    """What found the code without its guards the last time, by their names."""
    found: dict[str, str] = json.loads(HINTS.read_text(encoding="utf-8"))
    return found


def named(guards: Sequence[Mutant]) -> str:
    return " + ".join(sorted(guard.name for guard in guards))


def hinted(served: Running, table: Table, by: str) -> Iterator[Complaint]:
    """What one check, or one cell of the table, finds; nothing where there is none of the name."""
    if by in CHECKS:
        yield from (Complaint(by, said) for said in CHECKS[by](served))
        return
    for row, cells in table.items():
        for caller in cells:
            if cell(row, caller) == by:
                asked = judge(served, table, row.__eq__, [caller])
                yield from (Complaint(by, said) for said in asked)


def complaints(served: Running, table: Table, path: str, hint: str | None) -> Iterator[Complaint]:
    """What the matrix finds, first where it did the last time, then where it most likely does for a
    guard of this file."""
    if hint is not None:
        yield from hinted(served, table, hint)
    late = path.startswith(LATE)
    if not late:
        yield from _judged(served, table)
    for name, check in CHECKS.items():
        yield from (Complaint(name, said) for said in check(served))
    if late:
        yield from _judged(served, table)
    if served.faults:
        yield Complaint(FAULTS, served.faults)


def _judged(served: Running, table: Table) -> Iterator[Complaint]:
    for said in judge(served, table):
        yield Complaint(said.partition(": ")[0], said)


def first_complaint(
    table: Table, guards: Sequence[Mutant], hints: Mapping[str, str]
) -> Complaint | None:
    """What finds the code without these guards; None where nothing does."""
    with TemporaryDirectory() as name, running(tree=without(Path(name), *guards)) as served:
        hint = hints.get(named(guards))
        return next(complaints(served, table, guards[0].path, hint), None)


class Trials:
    """Tries several at once, in the order in which they are given."""

    def __init__(self, table: Table, wanted: Sequence[Sequence[Mutant]]) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        hints = read_hints()
        self._found: dict[str, Future[Complaint | None]] = {
            named(guards): self._pool.submit(first_complaint, table, guards, hints)
            for guards in wanted
        }

    def found(self, guards: Sequence[Mutant]) -> Complaint | None:
        return self._found[named(guards)].result()

    def end(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def main() -> None:
    from tests.api.test_access_mutations import GUARDS, both

    table = read_table()
    wanted: Sequence[Sequence[Mutant]] = [*((guard,) for guard in GUARDS), *both()]
    trials = Trials(table, wanted)
    hints = {}
    for guards in wanted:
        complaint = trials.found(guards)
        print(named(guards), "->", complaint.by if complaint else "NOTHING", flush=True)
        if complaint is not None and complaint.by != FAULTS:
            hints[named(guards)] = complaint.by
    text = json.dumps(dict(sorted(hints.items())), indent=1, ensure_ascii=False)
    HINTS.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit("python -m tests.api.mutant_trials")
    main()
