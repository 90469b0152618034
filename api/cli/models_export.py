"""``matakota models export``: ultralytics' weights as an ONNX file that describes itself."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from models.exporting import AGPL, Exported, Wish
from models.exporting import export as export_model
from models.manifest import sidecar_path


def export(
    weights: Annotated[
        str,
        typer.Argument(
            help="A .pt file, or the .yaml of an untrained model, such as yolo11n.yaml."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write the ONNX file; by default WEIGHTS.onnx here."),
    ] = None,
    size: Annotated[
        str,
        typer.Option(
            help="The input in px, a side or HEIGHTxWIDTH: the usual one of a model that takes any."
        ),
    ] = "640",
    licence: Annotated[str, typer.Option(help="The licence of the weights.")] = AGPL,
    nms_free: Annotated[
        bool,
        typer.Option("--nms-free", help="Use the head that needs no NMS (YOLO26, YOLOv10)."),
    ] = False,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Load weights that hold more than known layers: that runs code that is in them.",
        ),
    ] = False,
    python: Annotated[
        str,
        typer.Option(
            envvar="MATAKOTA_EXPORT_PYTHON",
            help="The Python in which ultralytics is; by default this one.",
            show_default=False,
        ),
    ] = sys.executable,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an ONNX file and its sidecar.")
    ] = False,
) -> None:
    """Make an ONNX file and its sidecar from weights of ultralytics (AGPL-3.0), in a process of
    its own that connects to nothing."""
    wish = Wish(weights, _size(size), licence, nms_free, trust, python)
    target = out or Path(f"{Path(weights).stem}.onnx")
    _say(export_model(wish, target, overwrite=overwrite))


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", text)
    if not found or not int(found[1]) or found[2] == "0":
        raise typer.BadParameter(f"{text} is neither a side, as 640, nor HEIGHTxWIDTH, as 384x640")
    return int(found[1]), int(found[2] or found[1])


def _say(exported: Exported) -> None:
    entry, path = exported.entry, exported.path
    shape = f"{entry.input.height}x{entry.input.width}"
    takes = f"any size, {shape} by default" if entry.input.dynamic else f"{shape} only"
    typer.echo(f"{path}: {entry.size} bytes, sha256 {entry.sha256}")
    typer.echo(
        f"{sidecar_path(path)}: layout {entry.layout}, {len(entry.classes)} classes, input {takes}"
    )
    for note in exported.notes:
        typer.echo(note)
