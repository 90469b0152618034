"""``matakota keys``: the machine keys that open the API, and what else opens it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from api.auth import NAME, new_token
from api.cli.options import DataOption
from api.store import Key, Store
from api.times import iso
from streams.settings import Settings
from vision.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke what opens the API.")

HEAD = ("id", "kind", "name", "created", "last used", "expires", "revoked")


@contextmanager
def _store(data: Path | None) -> Iterator[Store]:
    with Store.open(Settings.read(os.environ, data).database_url) as store:
        yield store


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who gets it, such as the control room.")],
    data: DataOption = None,
) -> None:
    """Make a key and print it. It is shown this once: only its hash is kept."""
    if NAME.fullmatch(name) is None:
        raise ConfigError(f"{name!a} is no name: use up to 63 letters, digits, '.', '_' and '-'")
    token = new_token()
    with _store(data) as store:
        store.keys.add(token.id, name, token.hash)
    typer.echo(token.reveal())


@app.command("list")
def list_keys(data: DataOption = None) -> None:
    """Show every key, session and link, without its secret."""
    with _store(data) as store:
        kept = store.keys.all()
    rows = [HEAD, *((key.id, key.kind, key.name, *map(_shown, _times(key))) for key in kept)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


@app.command()
def revoke(
    key: Annotated[
        str, typer.Argument(help="Its id, or the name of a machine key.", metavar="ID|NAME")
    ],
    data: DataOption = None,
) -> None:
    """End a key, session or link. A server that runs refuses it within seconds."""
    with _store(data) as store:
        ended = store.keys.revoke(key)
    typer.echo(f"{ended.name} ({ended.id}) is revoked")


def _times(key: Key) -> tuple[float | None, ...]:
    return key.created_at, key.last_used_at, key.expires_at, key.revoked_at


def _shown(ts: float | None) -> str:
    return "-" if ts is None else iso(ts)
