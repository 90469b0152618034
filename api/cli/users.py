"""``matakota users``: the people who may come in, and their way in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias

import typer

from api.access import Role
from api.cli.options import DataOption
from api.cli.reach import HOST, PORT, BaseOption, HostOption, PortOption, base_of
from api.cli.stored import EveryCameraOption, GroupOption, group_of, opened, user_of
from api.cli.tables import print_rows, shown
from api.links import PASSWORD_LINK_S, new_link
from api.store import Actor, Rights, Store, User

HEAD: Final = ("name", "role", "cameras", "signs in by", "code", "created", "disabled")
NameArgument: TypeAlias = Annotated[str, typer.Argument(help="Name of the user.")]

app = typer.Typer(no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="How the person is called here.")],
    role: Annotated[Role, typer.Option(help="What the person is.")],
    group: GroupOption = None,
    every_camera: EveryCameraOption = False,
    external: Annotated[
        str | None,
        typer.Option(help="How the person is called at the sign-in service.", metavar="NAME"),
    ] = None,
    host: HostOption = HOST,
    port: PortOption = PORT,
    base: BaseOption = None,
    data: DataOption = None,
) -> None:
    """Add a user, and print the link with which they choose a password, once, within 24 hours. An
    administrator sees every camera; anybody else those of their groups, or every one."""
    where = base_of(base, host, port)
    with opened(data) as store:
        groups = frozenset(group_of(store, each).id for each in group or ())
        every = every_camera or role is Role.ADMINISTRATOR
        rights = Rights(role, every, groups, external)
        user = store.people.add(name, rights, Actor.command())
        typer.echo(_link(store, where, user))


@app.command("list")
def list_users(data: DataOption = None) -> None:
    """Show every user, and what they may."""
    with opened(data) as store:
        found = store.people.all()
        groups = {group.id: group.name for group in store.groups.all()}
    print_rows(HEAD, (_row(user, groups) for user in found))


@app.command()
def link(
    name: NameArgument,
    host: HostOption = HOST,
    port: PortOption = PORT,
    base: BaseOption = None,
    data: DataOption = None,
) -> None:
    """Print a link with which a user chooses a new password, once, within 24 hours. Until then the
    old one stays; the link before this one works no more."""
    where = base_of(base, host, port)
    with opened(data) as store:
        typer.echo(_link(store, where, user_of(store, name)))


@app.command()
def disable(name: NameArgument, data: DataOption = None) -> None:
    """Keep a user out. Their sessions end within seconds."""
    with opened(data) as store:
        user = user_of(store, name)
        store.people.set_disabled(user.id, Actor.command(), disabled=True)
    typer.echo(f"{user.name} is disabled")


@app.command()
def enable(name: NameArgument, data: DataOption = None) -> None:
    """Let a user in again who was disabled."""
    with opened(data) as store:
        user = user_of(store, name)
        store.people.set_disabled(user.id, Actor.command(), disabled=False)
    typer.echo(f"{user.name} may come in")


@app.command("no-totp")
def no_totp(name: NameArgument, data: DataOption = None) -> None:
    """Ask a user for no code any more, as when their phone is lost."""
    with opened(data) as store:
        user = user_of(store, name)
        store.people.clear_totp(user.id, Actor.command())
    typer.echo(f"{user.name} is asked for no code any more")


def _link(store: Store, where: str, user: User) -> str:
    return new_link(store, where, user.id, kind="password", lasts_s=PASSWORD_LINK_S)


def _row(user: User, groups: Mapping[int, str]) -> tuple[str, ...]:
    every = user.every_camera or user.role is Role.ADMINISTRATOR
    named = sorted(groups[group] for group in user.groups if group in groups)
    ways = ["password"] if user.password is not None else []
    if user.external is not None:
        ways.append(f"sign-in service as {user.external}")
    return (
        user.name,
        user.role,
        "every camera" if every else ", ".join(named) or "-",
        ", ".join(ways) or "-",
        "yes" if user.totp_secret is not None else "-",
        shown(user.created_at),
        shown(user.disabled_at),
    )
