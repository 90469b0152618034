"""``matakota alerts``: exports alerts in the shapes of other programs, prints their JSON Schema,
how often rules were right and what would have made them so, and saves one to be tried again."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from api.cli.casing import save
from api.cli.options import DataOption, time_of
from api.cli.replaying import NoAnswerError, answered, reached
from api.cli.stored import CameraOption, cameras_of, opened
from api.cli.tables import plain, print_rows
from api.i18n import texts
from api.learning import DAY_S, DAYS, MAX_DAYS, Judged, span
from api.precision import PrecisionOut
from api.standards.alert_schema import alert_schema
from api.standards.shapes import PIECE, SHAPES, Format
from api.suggestion import DAYS as SUGGESTION_DAYS
from api.suggestion import NOBODY_CLOSED, Asked, SuggestionOut, sentences, wanted
from streams.commands import MAX_REPLAY_S, Suggested

HEAD: Final = (
    "camera", "kind", "rule", "alerts", "true", "false", "not judged", "precision", "95 % within",
)  # fmt: skip

TRIED: Final = ("setting", "value", "true kept", "false gone", "later", "")

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


@app.command()
def suggest(
    camera: Annotated[str, typer.Argument(help="Id of the camera.")],
    rule: Annotated[str, typer.Argument(help="Name of the rule, as its alerts have it.")],
    days: Annotated[
        int, typer.Option(min=1, max=MAX_DAYS, help="Alerts raised in the last so many days.")
    ] = SUGGESTION_DAYS,
    as_json: Annotated[bool, typer.Option("--json", help="As the API gives it.")] = False,
    timeout: Annotated[
        float, typer.Option(help="Seconds that the worker may take.", min=1, max=MAX_REPLAY_S)
    ] = 300.0,
    data: DataOption = None,
) -> None:
    """Say which threshold of a rule would have left out its false alarms and kept its true ones, by
    trying it on what the camera's worker keeps. Changes nothing. Exit code 1 where no value is
    suggested."""
    now = time.time()
    looked = span(now - days * DAY_S, now, now)
    with opened(data) as store:
        cameras_of(store, [camera])
        closings = store.precision.closings(looked, camera, rule)
    found = NOBODY_CLOSED
    if (command := wanted(camera, rule, closings, timeout)) is not None:
        with reached(data) as (bus, control):
            found = Suggested.of(answered(command, timeout, bus, control))
    if found.busy:
        raise NoAnswerError(found.message)
    asked = Asked(camera, rule, looked, closings, found)
    if as_json:
        typer.echo(SuggestionOut.of(asked).model_dump_json(by_alias=True, indent=2))
    else:
        _show(asked)
    if found.best is None:
        raise typer.Exit(1)


@app.command()
def case(
    alert: Annotated[str, typer.Argument(help="Id of an alert that was closed.")],
    folder: Annotated[Path, typer.Argument(help="A new folder for the case.")],
    data: DataOption = None,
) -> None:
    """Save an alert as a case that is replayed without video, worker and bus: its scene, what is
    kept of where people and vehicles were, and whether it is to be told. 'matakota cases run' then
    says whether another scene tells of it."""
    with opened(data) as store:
        outcome, clip = save(alert, folder, store, data)
    typer.echo(f"{folder}: {outcome.said}{'; with its clip' if clip else ''}")
    if not outcome.holds:
        typer.echo(
            f"it fails until the scene changes: matakota cases run {folder} --scene NEW.yaml"
        )


def _show(asked: Asked) -> None:
    found = asked.found
    for line in sentences(asked, texts("en")) if found.ok else [found.message]:
        typer.echo(plain(line))
    if found.tried:
        rows = [
            (
                each.setting,
                f"{each.value:g}",
                f"{each.true_kept} of {found.true_alarms}",
                f"{each.false_gone} of {found.false_alarms}",
                f"{each.later_s:g} s",
                "suggested" if each == found.best else "",
            )
            for each in found.tried
        ]
        typer.echo()
        print_rows(TRIED, rows)


def _row(row: Judged) -> tuple[str, ...]:
    share, interval = row.precision, row.interval
    return (
        *map(plain, (row.camera, row.kind, row.rule)),
        str(row.alerts),
        str(row.true_alarms),
        str(row.false_alarms),
        str(row.unjudged),
        "-" if share is None else f"{share:.0%}",
        "-" if interval is None else f"{interval.low:.0%} to {interval.high:.0%}",
    )
