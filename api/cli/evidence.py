"""``matakota evidence``: what alerts are proved by is verified, listed, held and deleted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from api.cli.options import DataOption, time_of
from api.cli.stored import cameras_of
from api.cli.tables import plain, print_rows, shown
from api.evidence.room import EvidenceRoom
from api.store import Actor, Store
from api.store.evidence_items import Item
from streams.settings import Settings

HEAD: Final = ("alert", "form", "camera", "from", "to", "bytes", "copy", "held")
LIMIT: Final = 1000
MAX_REASON_CHARS: Final = 500

app = typer.Typer(no_args_is_help=True)

JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]
AlertArgument: TypeAlias = Annotated[str, typer.Argument(help="Id of the alert.", metavar="ALERT")]
ReasonOption: TypeAlias = Annotated[
    str, typer.Option(help="Why, in one sentence; it is kept.", metavar="TEXT")
]
FROM_HELP: Final = "What shows this moment or a later one, ISO 8601 with offset."
TO_HELP: Final = "What shows a moment before this one."


@contextmanager
def _room(data: Path | None) -> Iterator[tuple[Store, EvidenceRoom]]:
    """The store and the room of this machine's settings."""
    settings = Settings.read(os.environ, data)
    with Store.open(settings.database_url) as store:
        yield store, EvidenceRoom.open(store, settings.data, os.environ)


@app.command()
def verify(as_json: JsonOption = False, data: DataOption = None) -> None:
    """Compare all that is kept with the chain of what was stored and deleted, and that with its
    heads outside the database. Exit code 1 if something is wrong."""
    with _room(data) as (_, room):
        report = room.verify()
    if as_json:
        said = {
            "ok": report.ok,
            "items": report.items,
            "files": report.files,
            "entries": report.entries,
            "findings": [
                {"alert": each.alert, "form": each.form, "what": each.what, "bad": each.bad}
                for each in report.findings
            ],
        }
        typer.echo(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        for finding in report.findings:
            typer.echo(plain(str(finding)))
        verdict = "all is as it was stored" if report.ok else "not all is as it was stored"
        typer.echo(
            f"{report.items} items, {report.files} files and {report.entries} entries of the "
            f"chain: {verdict}"
        )
    if not report.ok:
        raise typer.Exit(1)


@app.command("list")
def list_evidence(
    camera: Annotated[str | None, typer.Option(help="Only this camera's.", metavar="ID")] = None,
    from_: Annotated[str | None, typer.Option("--from", help=FROM_HELP)] = None,
    to: Annotated[str | None, typer.Option(help=TO_HELP)] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show what is stored, the oldest first, at most 1000 items."""
    from_ts, to_ts = time_of("--from", from_), time_of("--to", to)
    with _room(data) as (_, room):
        found = room.find(camera, from_ts, to_ts, LIMIT + 1)
    if as_json:
        typer.echo(json.dumps([_said(item) for item in found[:LIMIT]], indent=2))
        return
    print_rows(HEAD, [_row(item) for item in found[:LIMIT]])
    if len(found) > LIMIT:
        typer.echo("and more: name a --camera, or a time with --from and --to")


@app.command()
def delete(
    camera: Annotated[str, typer.Option(help="The camera's id.", metavar="ID")],
    from_: Annotated[str, typer.Option("--from", help=FROM_HELP)],
    to: Annotated[str, typer.Option(help=TO_HELP)],
    reason: ReasonOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: DataOption = None,
) -> None:
    """Delete what a camera's evidence shows of a time, for good; a signed tombstone and the record
    say that it was, why and by whom. What is held stays."""
    said, from_ts, to_ts = _reason(reason), time_of("--from", from_), time_of("--to", to)
    if from_ts is None or to_ts is None or from_ts >= to_ts:
        raise typer.BadParameter("--from must lie before --to")
    with _room(data) as (store, room):
        (name,) = cameras_of(store, [camera])
        if not yes:
            there = len(room.find(name, from_ts, to_ts, LIMIT + 1))
            number = f"more than {LIMIT}" if there > LIMIT else str(there)
            typer.confirm(f"{number} items of {name} show that time. Delete them?", abort=True)
        done = room.delete(name, from_ts, to_ts, said, Actor.command())
    typer.echo(f"{done.deleted} deleted, {done.spared} spared because they are held")


@app.command()
def hold(alert: AlertArgument, reason: ReasonOption, data: DataOption = None) -> None:
    """Spare an alert's evidence, also what is still to come, from every deletion."""
    with _room(data) as (_, room):
        done = room.hold(alert, _reason(reason), Actor.command())
    typer.echo(f"alert {plain(alert)} {'is held' if done else 'was held already'}")


@app.command()
def release(alert: AlertArgument, reason: ReasonOption, data: DataOption = None) -> None:
    """End that: the evidence goes when it is old enough."""
    with _room(data) as (_, room):
        done = room.release(alert, _reason(reason), Actor.command())
    typer.echo(f"alert {plain(alert)} {'is held no more' if done else 'was not held'}")


def _reason(text: str) -> str:
    said = " ".join(text.split())
    if not 0 < len(said) <= MAX_REASON_CHARS or not said.isprintable():
        raise typer.BadParameter(f"--reason: write why, in 1 to {MAX_REASON_CHARS} characters")
    return said


def _row(item: Item) -> tuple[str, ...]:
    return (
        plain(item.alert), item.form, plain(item.camera), shown(item.from_ts), shown(item.to_ts),
        str(item.bytes), item.copy, "held" if item.hold else "-",
    )  # fmt: skip


def _said(item: Item) -> dict[str, str | int | bool | None]:
    return {
        "alert": item.alert,
        "form": item.form,
        "camera": item.camera,
        "kind": item.kind,
        "from": shown(item.from_ts),
        "to": shown(item.to_ts),
        "bytes": item.bytes,
        "sha256": item.sha256,
        "copy": item.copy,
        "hold": item.hold,
    }
