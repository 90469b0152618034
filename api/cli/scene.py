"""``matakota scene``: checks scene files, prints their JSON Schema, tells how a view looks."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import typer

from api.cli.analyse import frame_rate
from api.cli.explain import clip_time
from streams.explaining import check_length
from streams.files import ClipSource
from streams.scenefile import load_scene, scene_schema
from streams.stills import LOOKED_S, LOOKS_A_SECOND
from vision.errors import ClipError
from vision.scene_check import check_scene
from vision.views import View

app = typer.Typer(no_args_is_help=True)


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
            *([_number(len(scene.presets), "preset")] if scene.presets else []),
        )
        typer.echo(f"{path}: valid, {', '.join(parts)}")


@app.command()
def view(
    clip: Annotated[Path, typer.Argument(help="A recording of the view.")],
    at: Annotated[
        str, typer.Option(help="When the view is seen, such as 12.5, 00:12 or 1:02:03.")
    ] = "0",
    source_fps: Annotated[
        str | None, typer.Option(help="The clip's frame rate, where its own times are wrong.")
    ] = None,
) -> None:
    """Print how a camera's view looks, for 'view:' in a scene file: from two seconds of a clip."""
    at_s = clip_time(at)
    source = ClipSource(
        clip,
        camera_id=clip.stem,
        source_fps=frame_rate("--source-fps", source_fps),
        fps=Fraction(LOOKS_A_SECOND),
    )
    check_length(source, at_s)
    with source:
        seen = (frame for frame in source.frames() if frame.ts >= at_s)
        pictures = [frame.picture for frame in takewhile(lambda f: f.ts <= at_s + LOOKED_S, seen)]
    try:
        text = View.of(pictures).text
    except ValueError as problem:
        raise ClipError(f"{clip} at {at}: {problem}: choose another time") from None
    typer.echo(text)


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
