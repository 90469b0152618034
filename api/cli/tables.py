"""Tables on standard output, whose rows stay rows also where nobody says how wide a line may be."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

WIDTH = 120
"""Columns at least: pipes and files have no width, and 80 break every row of numbers."""


def print_table(table: Table) -> None:
    """Print it on standard output."""
    Console(width=max(Console().width, WIDTH)).print(table)
