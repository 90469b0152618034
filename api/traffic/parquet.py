"""A report as a Parquet file. Polars lives here."""

from __future__ import annotations

import io
import json
from typing import Final

import polars as pl

from api.traffic.table import COLUMNS, Kind, beside, rows
from api.traffic.values import Report

METADATA: Final = "matakota"
"""Under which name the file holds all but the bins, as JSON."""
_TYPES: Final[dict[Kind, pl.DataType]] = {
    "text": pl.String(),
    "word": pl.Categorical(),
    "time": pl.Datetime("ms", "UTC"),
    "whole": pl.Int64(),
    "number": pl.Float64(),
    "truth": pl.Boolean(),
}


def parquet(report: Report) -> bytes:
    """The whole file."""
    frame = pl.DataFrame(
        list(rows(report)),
        schema={column.name: _TYPES[column.kind] for column in COLUMNS},
        orient="row",
    )
    file = io.BytesIO()
    frame.write_parquet(file, metadata={METADATA: json.dumps(beside(report), ensure_ascii=False)})
    return file.getvalue()
