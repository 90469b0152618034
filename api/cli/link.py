"""``matakota link``: a way in for a person's browser."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.options import DataOption
from api.cli.reach import HOST, PORT, BaseOption, HostOption, PortOption, base_of
from api.cli.stored import opened, user_of
from api.links import new_link
from vision.errors import ConfigError


def link(
    name: Annotated[
        str | None, typer.Argument(help="Whom it lets in; nobody for the set-up.")
    ] = None,
    host: HostOption = HOST,
    port: PortOption = PORT,
    base: BaseOption = None,
    data: DataOption = None,
) -> None:
    """Print a link that works once, within an hour: it lets a user in as themselves, or, while
    nobody is an administrator yet, makes the first one. The server need not run; one that does
    knows it at once."""
    where = base_of(base, host, port)
    with opened(data) as store:
        if name is not None:
            typer.echo(new_link(store, where, user_of(store, name).id))
        elif store.people.has_administrator():
            raise ConfigError(
                "there is an administrator already: name a user whom the link is to let in; "
                "'matakota users list' shows them"
            )
        else:
            typer.echo(new_link(store, where, None, kind="setup"))
