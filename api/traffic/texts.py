"""A report as texts, line by line: CSV, and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Final

from api import spreadsheet
from api.times import iso, local
from api.traffic.table import COLUMNS, Value, beside, rows
from api.traffic.values import Report

PIECE: Final = 1000
"""Rows that are sent at once."""
NOTE: Final = "#"
"""What a line of a CSV begins with that is none of the table's."""


def csv_pieces(report: Report) -> Iterator[str]:
    """The method, each line of it behind a ``NOTE``, then the table; a gap is an empty cell."""
    # in a cell of its own: with a name in it, it might be put between quotes
    notes = ((NOTE, *each) for each in report.method)
    # a line break within a cell would end the note
    yield spreadsheet.lines(
        [spreadsheet.plain(" ".join(cell.split())) for cell in note] for note in notes
    )
    yield spreadsheet.lines([[column.name for column in COLUMNS]])
    for piece in _pieces(rows(report)):
        yield spreadsheet.lines(map(_cell, row) for row in piece)


def json_pieces(report: Report) -> Iterator[str]:
    """One object, each bin in a line of its own."""
    head = {
        "made": iso(report.made_ts),
        "from": iso(report.wanted.from_ts),
        "from_wita": local(report.wanted.from_ts).isoformat(),
        "to": iso(report.wanted.to_ts),
        "to_wita": local(report.wanted.to_ts).isoformat(),
        "seconds": report.wanted.seconds,
    } | beside(report)
    yield _json(head)[:-1] + ', "bins": [\n'
    names = [column.name for column in COLUMNS]
    between = ""
    for piece in _pieces(rows(report)):
        objects = (_json(dict(zip(names, row, strict=True))) for row in piece)
        yield between + ",\n".join(objects)
        between = ",\n"
    yield "\n]}\n"


def _pieces(found: Iterator[list[Value]]) -> Iterator[list[list[Value]]]:
    while piece := list(islice(found, PIECE)):
        yield piece


def _plain(cell: str) -> str:
    # what follows a line break would begin a line, and might pass for a note
    return spreadsheet.plain(" ".join(cell.splitlines()))


def _cell(value: Value) -> str:
    match value:
        case str():
            return _plain(value)
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return iso(value.timestamp())
        case _:
            return str(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=lambda moment: iso(moment.timestamp()))
