"""Tables on standard output, whose rows stay rows also where nobody says how wide a line may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import typer
from rich.console import Console
from rich.table import Table

from api.times import iso

WIDTH = 120
"""Columns at least: pipes and files have no width, and 80 break every row of numbers."""


def print_table(table: Table) -> None:
    """Print it on standard output."""
    Console(width=max(Console().width, WIDTH)).print(table)


def print_rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns as wide as they have to be."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def plain(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)


def shown(ts: float | None) -> str:
    """A time (UTC seconds) in a column."""
    return "-" if ts is None else iso(ts)
