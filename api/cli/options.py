"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

ConfigOption: TypeAlias = Annotated[
    Path, typer.Option("--config", "-c", help="The city's cameras, YAML.", metavar="CITY")
]
DataOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Where spool and database lie; MATAKOTA_DATA by default."),
]
