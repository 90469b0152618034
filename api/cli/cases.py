"""``matakota cases``: alerts that were saved, tried again with a scene."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.replaycase import cases_in, run_case

app = typer.Typer(no_args_is_help=True)


@app.command()
def run(
    folder: Annotated[Path, typer.Argument(help="A case, or a folder of cases.")],
    scene: Annotated[
        Path | None, typer.Option(help="Lines, zones and rules, YAML; by default the case's own.")
    ] = None,
) -> None:
    """Replay what was kept of each alert, and say whether the scene tells of it: of a true alarm it
    has to, of a false one it must not. Exit code 1 where that does not hold."""
    outcomes = [(case, run_case(case, scene)) for case in cases_in(folder)]
    for case, outcome in outcomes:
        typer.echo(f"{case}: {'holds' if outcome.holds else 'FAILED'}: {outcome.said}")
    if not all(outcome.holds for _, outcome in outcomes):
        raise typer.Exit(1)
