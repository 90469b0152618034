"""Tables for spreadsheets: comma-separated, and without what one would run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

_FORMULA: Final = re.compile(r"(^|;[\s\"']*)(?=[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])")
"""Where a spreadsheet may see the beginning of a formula: some take ``;`` for the end of a cell, as
in Bahasa Indonesia, and the wide signs for the others."""


def plain(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: such a one begins with an apostrophe."""
    return _FORMULA.sub(r"\1'", cell)


def lines(rows: Iterable[Iterable[str]]) -> str:
    """Rows of cells as lines of a CSV."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
