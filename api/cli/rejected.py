"""``matakota rejected``: messages that were put aside are seen, stored after all, or forgotten."""

from __future__ import annotations

import json
from typing import Annotated, Final

import typer

from api.cli.options import DataOption
from api.cli.stored import opened
from api.cli.tables import print_rows, shown
from api.store import Actor, Store
from api.store.rejected import DeadLetter
from streams.messages import AlertMessage, CountsMessage, MessageError, decode
from vision.errors import ConfigError

app = typer.Typer(no_args_is_help=True)

HEAD: Final = ("id", "put aside", "why", "message")
SHOWN_CHARS: Final = 80

LettersArgument = Annotated[
    list[int] | None, typer.Argument(help="Ids, as 'list' shows them.", metavar="ID…")
]
AllOption = Annotated[bool, typer.Option("--all", help="All of them.")]


@app.command("list")
def list_rejected(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, with the whole message.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Show the messages that were put aside, the oldest first, and why."""
    with opened(data) as store:
        letters = store.rejected.all()
    if not as_json:
        print_rows(HEAD, [_row(letter) for letter in letters])
        return
    for letter in letters:
        said = {
            "id": letter.id,
            "rejected_at": shown(letter.rejected_at),
            "reason": letter.reason,
            "entry": letter.entry,
            "body": letter.body,
        }
        typer.echo(json.dumps(said, ensure_ascii=False))


@app.command()
def replay(
    letters: LettersArgument = None, every: AllOption = False, data: DataOption = None
) -> None:
    """Read messages again and store them. Exit code 1 if one of them still cannot be."""
    with opened(data) as store:
        read = dict[int, AlertMessage | CountsMessage]()
        failed = dict[int, str]()
        for letter in _wanted(store, letters, every):
            try:
                read[letter.id] = decode(letter.body)
            except MessageError as error:
                failed[letter.id] = str(error)
        done = store.rejected.store(read, Actor.command())
        failed |= done.failed
        left = store.rejected.count()
    for number in done.stored:
        typer.echo(f"{number} is stored: {read[number].key}")
    for number, why in sorted(failed.items()):
        typer.echo(f"matakota: {number} still cannot be stored: {why}", err=True)
    typer.echo(f"{len(done.stored)} stored, {left} left")
    if failed:
        raise typer.Exit(1)


@app.command()
def drop(
    letters: LettersArgument = None, every: AllOption = False, data: DataOption = None
) -> None:
    """Forget messages for good; the record says which, and why they were put aside."""
    with opened(data) as store:
        wanted = [letter.id for letter in _wanted(store, letters, every)]
        gone = store.rejected.drop(wanted, Actor.command())
        left = store.rejected.count()
    typer.echo(f"{len(gone)} dropped, {left} left")


def _wanted(store: Store, letters: list[int] | None, every: bool) -> list[DeadLetter]:
    """Those that are named. Raises ConfigError where there is no such, or none is named."""
    if bool(letters) == every:
        raise ConfigError("say which messages: give their ids, or --all, and not both")
    there = {letter.id: letter for letter in store.rejected.all()}
    missing = [str(number) for number in letters or () if number not in there]
    if missing:
        raise ConfigError(
            f"no message with the id {', '.join(missing)} was put aside: see 'matakota rejected "
            "list'"
        )
    return [there[number] for number in dict.fromkeys(letters or there)]


def _row(letter: DeadLetter) -> tuple[str, ...]:
    return (str(letter.id), shown(letter.rejected_at), _short(letter.reason), _short(letter.body))


def _short(text: str) -> str:
    """The beginning in one line, without what a terminal would obey."""
    plain = "".join(char if char.isprintable() else "?" for char in text[: SHOWN_CHARS + 1])
    return plain if len(plain) <= SHOWN_CHARS else f"{plain[: SHOWN_CHARS - 1]}…"
