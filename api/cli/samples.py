"""``matakota samples``: the clips to try things on, and how to get those that do not ship."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams import samples
from vision.errors import SampleError

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_samples() -> None:
    """Show every sample clip, its licence, and where it lies on this machine."""
    places = samples.Places.of(os.environ)
    table = Table(box=None, pad_edge=False)
    for column in ("name", "MB", "licence", "what", "where"):
        table.add_column(column, no_wrap=column == "name", overflow="fold")
    for sample in samples.load_samples().values():
        path = samples.find(sample, places)
        table.add_row(
            sample.name,
            f"{sample.size / 1e6:.1f}",
            escape(sample.licence),
            escape(sample.title),
            escape(str(path)) if path else "not here; 'samples pull' fetches it",
        )
    Console().print(table)


@app.command()
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names from the list; all of them by default.")
    ] = None,
) -> None:
    """Fetch sample clips over https, each checked against the manifest's sha256."""
    places = samples.Places.of(os.environ)
    wanted = [samples.known(name) for name in names or samples.load_samples()]
    for sample in wanted:
        typer.echo(f"{sample.name}: verified, at {samples.pull(sample, places)}")


@app.command()
def path(
    name: Annotated[str, typer.Argument(help="A name from the list.")],
    part: Annotated[
        str, typer.Option(help="What to print the path of: clip, scene or expect.")
    ] = "clip",
) -> None:
    """Print where a sample's clip, scene or expectations lie, for use in other commands."""
    sample = samples.known(name)
    if part == "clip":
        typer.echo(samples.verified(sample, samples.Places.of(os.environ)))
        return
    relative = {"scene": sample.scene, "expect": sample.expect}.get(part)
    if relative is None:
        raise SampleError(f"sample '{name}' has no '{part}': ask for clip, scene or expect")
    typer.echo(samples.folder() / relative)
