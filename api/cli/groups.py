"""``matakota groups``: groups of cameras, which people and machine keys are given."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from api.cli.options import DataOption
from api.cli.stored import CameraOption, cameras_of, group_of, opened
from api.cli.tables import print_rows
from api.store import Actor

HEAD: Final = ("name", "cameras")

app = typer.Typer(no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="How people call it, such as the harbour.")],
    camera: CameraOption = None,
    data: DataOption = None,
) -> None:
    """Add a group. Cameras may be named that are configured later."""
    with opened(data) as store:
        made = store.groups.add(name, cameras_of(store, camera), Actor.command())
    typer.echo(f"group {made.name} has {_number(len(made.cameras))}")


@app.command("list")
def list_groups(data: DataOption = None) -> None:
    """Show every group with its cameras."""
    with opened(data) as store:
        found = store.groups.all()
    print_rows(HEAD, ((group.name, ", ".join(sorted(group.cameras)) or "-") for group in found))


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="Name of the group.")], data: DataOption = None
) -> None:
    """Remove a group. Whoever saw cameras by it alone sees them no more, within seconds."""
    with opened(data) as store:
        found = group_of(store, name)
        store.groups.remove(found.id, Actor.command())
    typer.echo(f"group {found.name} is removed")


def _number(cameras: int) -> str:
    return "1 camera" if cameras == 1 else f"{cameras} cameras"
