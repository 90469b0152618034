"""``matakota alerts``: exports alerts in the shapes of other programs, prints their JSON Schema."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from api.cli.options import DataOption
from api.cli.stored import opened
from api.standards.alert_schema import alert_schema
from api.standards.shapes import PIECE, SHAPES, Format
from api.times import read_iso

app = typer.Typer(no_args_is_help=True)


@app.command()
def export(
    shape: Annotated[
        Format, typer.Option("--format", help="CloudEvents, or ONVIF events as JSON or XML.")
    ] = "cloudevents",
    from_: Annotated[
        str | None,
        typer.Option("--from", help="Only those that began then or later, ISO 8601 with offset."),
    ] = None,
    to: Annotated[str | None, typer.Option(help="Only those that began before.")] = None,
    camera: Annotated[str | None, typer.Option(help="Only this camera's.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    data: DataOption = None,
) -> None:
    """Write alerts to standard output, those that began last first, as they are now."""
    from_ts, to_ts = _time("--from", from_), _time("--to", to)
    chosen = SHAPES[shape]
    with opened(data) as store:
        sys.stdout.write(chosen.head)
        before: tuple[float, str] | None = None
        while True:
            page = store.alerts.find(
                only=None,
                camera=camera,
                kind=kind,
                from_ts=from_ts,
                to_ts=to_ts,
                before=before,
                limit=PIECE,
            )
            sys.stdout.write(chosen.lines(page.alerts))
            if not page.more:
                break
            before = page.alerts[-1].start_ts, page.alerts[-1].id
        sys.stdout.write(chosen.tail)


@app.command()
def schema() -> None:
    """Print the JSON Schema of an alert, for whoever reads what is sent or exported."""
    typer.echo(json.dumps(alert_schema(), indent=2, ensure_ascii=False))


def _time(option: str, text: str | None) -> float | None:
    try:
        return None if text is None else read_iso(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from None
