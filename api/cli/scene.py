"""``matakota scene``: checks scene files and prints their JSON Schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from streams.scenefile import load_scene, scene_schema
from vision.scene_check import check_scene

app = typer.Typer(help="Check scene files and print their JSON Schema.", no_args_is_help=True)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Scene files, YAML.", metavar="FILE...")],
    frame_size: Annotated[
        str | None,
        typer.Option(help="Picture of files that name none, such as 640x352.", metavar="WxH"),
    ] = None,
) -> None:
    """Check scene files: the first mistake ends with exit code 2, warnings do not."""
    default = _size(frame_size) if frame_size is not None else None
    for path in files:
        scene = load_scene(path, default_frame_size=default)
        for warning in check_scene(scene):
            typer.echo(f"{path}: warning: {warning}")
        parts = (
            _number(len(scene.lines), "line"),
            _number(len(scene.zones), "zone"),
            _number(len(scene.movements), "movement"),
            _number(len(scene.rules), "rule"),
        )
        typer.echo(f"{path}: valid, {', '.join(parts)}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of scene files, for editors."""
    typer.echo(json.dumps(scene_schema(), indent=2, ensure_ascii=False))


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})", text)
    if match is None:
        raise typer.BadParameter(f"'{text}' is no picture size; write it as 640x352")
    return int(match[1]), int(match[2])


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
