"""``matakota alerts``: exports alerts in the shapes of other programs, prints their JSON Schema and
how often rules were right."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated, Final

import typer

from api.cli.options import DataOption, time_of
from api.cli.stored import CameraOption, cameras_of, opened
from api.cli.tables import print_rows
from api.learning import DAY_S, DAYS, MAX_DAYS, Judged, span
from api.precision import PrecisionOut
from api.standards.alert_schema import alert_schema
from api.standards.shapes import PIECE, SHAPES, Format

HEAD: Final = (
    "camera", "kind", "rule", "alerts", "true", "false", "not judged", "precision", "95 % within",
)  # fmt: skip

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
    from_ts, to_ts = time_of("--from", from_), time_of("--to", to)
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


@app.command()
def precision(
    days: Annotated[
        int, typer.Option(min=1, max=MAX_DAYS, help="Alerts raised in the last so many days.")
    ] = DAYS,
    camera: CameraOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As the API gives it.")] = False,
    data: DataOption = None,
) -> None:
    """Show how often each rule was right, by what people closed its alerts as: first those that are
    wrong for certain, by the upper end of the 95 % Wilson interval."""
    now = time.time()
    looked = span(now - days * DAY_S, now, now)
    with opened(data) as store:
        found = store.precision.find(looked, only=frozenset(cameras_of(store, camera)) or None)
    if as_json:
        said = PrecisionOut.of(looked, found)
        typer.echo(said.model_dump_json(by_alias=True, indent=2))
        return
    print_rows(HEAD, [_row(row) for row in found.rows])
    if found.left_out:
        typer.echo(f"and {found.left_out} more, of fewer alerts: name a --camera")


def _row(row: Judged) -> tuple[str, ...]:
    share, interval = row.precision, row.interval
    return (
        *map(_plain, (row.camera, row.kind, row.rule)),
        str(row.alerts),
        str(row.true_alarms),
        str(row.false_alarms),
        str(row.unjudged),
        "-" if share is None else f"{share:.0%}",
        "-" if interval is None else f"{interval.low:.0%} to {interval.high:.0%}",
    )


def _plain(name: str) -> str:
    """Without what a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in name)
