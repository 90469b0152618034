"""``matakota link``: a way in for a person's browser."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from api.cli.options import DataOption
from api.sessions import new_link
from api.store import Store
from streams.settings import Settings


def link(
    host: Annotated[str, typer.Option(help="Where the browser reaches the server.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Where the browser reaches the server.", min=1, max=65535)
    ] = 8080,
    data: DataOption = None,
) -> None:
    """Print a link that opens the pages as administrator, once, within an hour. The server need
    not run; one that does knows it at once."""
    with Store.open(Settings.read(os.environ, data).database_url) as store:
        typer.echo(new_link(store, host, port))
