"""The files that a traffic report is given as."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from api.times import local
from api.traffic.texts import csv_pieces, json_pieces
from api.traffic.values import Report
from vision.errors import MatakotaError

Format: TypeAlias = Literal["csv", "xlsx", "parquet", "json"]
INTERVALS: Final[Mapping[str, int]] = {
    "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "1d": 86_400,
}  # fmt: skip
Length: TypeAlias = Literal["1m", "5m", "15m", "1h", "1d"]


class NotInstalledError(MatakotaError):
    """What makes a file is not there."""


class Shape(NamedTuple):
    """``pieces`` are the file's bytes in order; what is ``binary`` no terminal shows."""

    media: str
    binary: bool
    pieces: Callable[[Report], Iterator[bytes]]


# each library takes long to load, and only whoever asks for its format needs it
def _workbook(report: Report) -> Iterator[bytes]:
    from api.traffic.workbook import workbook

    yield workbook(report)


def _parquet(report: Report) -> Iterator[bytes]:
    try:
        from api.traffic.parquet import parquet
    except ModuleNotFoundError:
        raise NotInstalledError(
            "Parquet needs the package polars, which is not installed here: install "
            "'matakota[parquet]', or ask for csv, xlsx or json"
        ) from None
    yield parquet(report)


FORMATS: Final[Mapping[Format, Shape]] = {
    "csv": Shape("text/csv; charset=utf-8", False, lambda it: map(str.encode, csv_pieces(it))),
    "xlsx": Shape(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", True, _workbook
    ),
    "parquet": Shape("application/vnd.apache.parquet", True, _parquet),
    "json": Shape("application/json", False, lambda it: map(str.encode, json_pieces(it))),
}


def file_name(report: Report, shape: Format) -> str:
    """What it is called where it is kept: by its first day, and the last if that is another."""
    days = dict.fromkeys(
        f"{local(ts):%Y-%m-%d}" for ts in (report.wanted.from_ts, report.wanted.to_ts - 1)
    )
    return f"matakota-counts-{'-to-'.join(days)}.{shape}"
