"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from api.times import read_iso

ConfigOption: TypeAlias = Annotated[
    Path, typer.Option("--config", "-c", help="The city's cameras, YAML.", metavar="CITY")
]
DataOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Where spool and database lie; MATAKOTA_DATA by default."),
]
ClipArgument: TypeAlias = Annotated[
    Path, typer.Argument(help="The recorded video.", metavar="CLIP")
]
SceneOption: TypeAlias = Annotated[Path, typer.Option(help="Lines, zones and rules, YAML.")]
ModelOption: TypeAlias = Annotated[
    str, typer.Option(help="A name from 'matakota models list', an ONNX file, or motion.")
]
ProviderOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="What runs the model, an onnxruntime provider; may be repeated."),
]
GateOption: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--gate/--no-gate",
        help="Whether the model is asked only where the picture shows something new; by default "
        "what the scene says.",
    ),
]
FpsOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Frames to analyse per second of the clip; all by default.")
]
SourceFpsOption: TypeAlias = Annotated[
    str | None, typer.Option(help="The clip's true frame rate, where its header is wrong.")
]
StartOption: TypeAlias = Annotated[
    str, typer.Option(help="When the clip was recorded, ISO 8601, with its offset from UTC.")
]
EPOCH: Final = "1970-01-01T00:00:00Z"


def time_of(option: str, text: str | None) -> float | None:
    """UTC seconds of what an option says. Raises BadParameter."""
    try:
        return None if text is None else read_iso(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from None
