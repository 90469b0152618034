"""Sheets of an Excel workbook. XlsxWriter lives here.

Every text is written as a text, so that none is run as a formula or followed as an address.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

import xlsxwriter

MAX_SHEETS: Final = 200
MAX_ROWS: Final = 1_048_000
"""Of one sheet; Excel itself ends a little later."""
MAX_SHEET_NAME: Final = 31
_NO_SHEET_NAME: Final = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
_TAKEN: Final = "history"
"""A name that Excel keeps for itself."""
_TITLE_ROW, _HEAD_ROW = 0, 1
_LINE_POINTS: Final = 15
_HEAD_POINTS: Final = 3 * _LINE_POINTS
_A4: Final = 9
_HATCHED: Final = 14
"""Excel's numbers of a paper, and of the pattern of thin stripes."""
_LOOKS: Final[Mapping[str, dict[str, Any]]] = {
    "": {"align": "left", "indent": 1},
    "title": {"bold": True, "font_size": 13},
    **{
        f"head_{at}": {
            "bold": True,
            "text_wrap": True,
            "bottom": 1,
            "bg_color": "#DDE3EA",
            "align": at,
            "indent": int(at == "left"),
        }
        for at in ("left", "center", "right")
    },
    "word": {"align": "center"},
    "time": {"num_format": "yyyy-mm-dd hh:mm", "align": "left", "indent": 1},
    "share": {"num_format": "0.0%"},
    "part": {"num_format": "0.0%", "bg_color": "#FFF1C9"},
    "one": {"num_format": "0.0"},
    "two": {"num_format": "0.00"},
    "whole": {"num_format": "0"},
    "wrap": {"text_wrap": True, "align": "left", "indent": 1},
    "gap": {"pattern": _HATCHED, "fg_color": "#9AA0A6", "bg_color": "#FFFFFF"},
}
_OPTIONS: Final = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


class Cell(NamedTuple):
    """``form`` is how it looks."""

    value: str | int | float | datetime | None
    form: str = ""


class Column(NamedTuple):
    """``width`` is in characters; texts stand at the left, words from a few in the middle."""

    name: str
    width: float
    at: Literal["left", "center", "right"] = "right"


class Book:
    """A workbook that is being written; ``made`` stands in it, and no clock is read."""

    def __init__(self, made: datetime) -> None:
        self._file = io.BytesIO()
        self._book = xlsxwriter.Workbook(self._file, _OPTIONS)
        created = made.astimezone(UTC).replace(tzinfo=None, microsecond=0)
        self._book.set_properties({"title": "Matakota", "created": created})
        self._forms = {
            name: self._book.add_format({"valign": "top"} | look) for name, look in _LOOKS.items()
        }

    def close(self) -> bytes:
        """The whole file, the same bytes for the same sheets."""
        self._book.close()
        return self._file.getvalue()

    def add(
        self,
        name: str,
        title: str,
        columns: Sequence[Column],
        rows: Iterable[Sequence[Cell]],
        fixed: int,
        *,
        filtered: bool = True,
    ) -> None:
        """A table whose head stays in sight, and with it the first ``fixed`` columns."""
        sheet = self._book.add_worksheet(name)
        sheet.write_string(_TITLE_ROW, 0, title, self._forms["title"])
        sheet.set_row(_HEAD_ROW, _HEAD_POINTS)
        for at, column in enumerate(columns):
            sheet.set_column(at, at, column.width)
            sheet.write_string(_HEAD_ROW, at, column.name, self._forms[f"head_{column.at}"])
        last = _HEAD_ROW
        for last, row in enumerate(rows, _HEAD_ROW + 1):
            for at, cell in enumerate(row):
                self._cell(sheet, last, at, cell)
            if any(cell.form == "wrap" for cell in row):
                # nobody makes a row as high as its text but Excel, and that not always
                sheet.set_row(last, _LINE_POINTS * _height(row, columns))
        sheet.freeze_panes(_HEAD_ROW + 1, fixed)
        if filtered:
            sheet.autofilter(_HEAD_ROW, 0, last, len(columns) - 1)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(_HEAD_ROW)
        sheet.set_footer("&L&A&R&P / &N")

    def _cell(self, sheet: Any, row: int, at: int, cell: Cell) -> None:
        form = self._forms[cell.form]
        match cell.value:
            case None:
                sheet.write_blank(row, at, None, form)
            case str() as text:
                sheet.write_string(row, at, text, form)
            case datetime() as moment:
                sheet.write_datetime(row, at, moment.replace(tzinfo=None), form)
            case number:
                sheet.write_number(row, at, number, form)


def _height(row: Sequence[Cell], columns: Sequence[Column]) -> int:
    """How many lines the longest text of a row takes."""
    return max(
        math.ceil((len(str(cell.value)) + 1) / column.width)
        for cell, column in zip(row, columns, strict=True)
    )


class SheetNames:
    """Names of sheets: no two are the same, and Excel takes each of them."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {name.casefold() for name in taken} | {_TAKEN}

    def of(self, camera: str, line: str) -> str:
        wished = _NO_SHEET_NAME.sub("_", f"{camera} {line}").strip("' ") or "_"
        name, n = _cut(wished, MAX_SHEET_NAME), 1
        while name.casefold() in self._taken:
            n += 1
            end = f" {n}"
            name = _cut(wished, MAX_SHEET_NAME - len(end)) + end
        self._taken.add(name.casefold())
        return name


def _cut(name: str, most: int) -> str:
    """So much of it as Excel counts, which is in UTF-16."""
    units = name.encode("utf-16-le")[: 2 * most]
    return units.decode("utf-16-le", "ignore").strip("' ")
