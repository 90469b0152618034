"""``matakota keys``: the machine keys that open the API, and what else opens it."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from api.access import SCOPES
from api.auth import NAME, new_token
from api.cli.options import DataOption
from api.cli.stored import (
    CameraOption,
    EveryCameraOption,
    GroupOption,
    cameras_of,
    group_of,
    opened,
)
from api.cli.tables import print_rows, shown
from api.store import Actor, Grant, Key, Store
from vision.errors import ConfigError

app = typer.Typer(no_args_is_help=True)

HEAD: Final = (
    "id", "kind", "name", "scopes", "cameras", "created", "last used", "expires", "revoked",
)  # fmt: skip
_KINDS: Final = {"link": "link", "setup": "set-up link", "password": "password link"}


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who gets it, such as the control room.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"What it may: {', '.join(SCOPES)}; may be repeated.", metavar="SCOPE"),
    ] = None,
    worker: Annotated[
        bool, typer.Option("--worker", help="It is a worker's, which sends alerts.")
    ] = False,
    camera: CameraOption = None,
    group: GroupOption = None,
    every_camera: EveryCameraOption = False,
    data: DataOption = None,
) -> None:
    """Make a key and print it. It is shown this once: only its hash is kept."""
    if NAME.fullmatch(name) is None:
        raise ConfigError(f"{name!a} is no name: use up to 63 letters, digits, '.', '_' and '-'")
    if bool(scope) == worker:
        raise ConfigError(
            "say what the key is for: add --scope, such as --scope counts:read, or --worker, and "
            "not both"
        )
    if bool(camera or group) == every_camera:
        raise ConfigError(
            "say for which cameras the key is: add --camera or --group, or --every-camera, and not "
            "both"
        )
    token = new_token()
    with opened(data) as store:
        grant = Grant(
            scopes=tuple(scope or ()),
            worker=worker,
            every_camera=every_camera,
            cameras=cameras_of(store, camera),
            groups=tuple(group_of(store, each).id for each in group or ()),
        )
        store.keys.add(token.id, name, token.hash, grant, Actor.command())
    typer.echo(token.reveal())


@app.command("list")
def list_keys(data: DataOption = None) -> None:
    """Show every key, with what it may, and every session and link, with whose it is; no secret is
    shown."""
    with opened(data) as store:
        rows = [_row(store, key) for key in store.keys.all() if key.kind != "device"]
    print_rows(HEAD, rows)


@app.command()
def revoke(
    key: Annotated[
        str, typer.Argument(help="Its id, or the name of a machine key.", metavar="ID|NAME")
    ],
    data: DataOption = None,
) -> None:
    """End a key, session or link. A server that runs refuses it within seconds."""
    with opened(data) as store:
        ended = store.keys.revoke(key, Actor.command())
    typer.echo(f"{ended.name or 'the set-up link'} ({ended.id}) is revoked")


def _row(store: Store, key: Key) -> tuple[str, ...]:
    scopes, cameras = "-", "-"
    if key.kind == "key":
        named, groups = store.keys.granted(key.id)
        scopes = "worker" if key.worker else ",".join(key.scopes or ()) or "-"
        given = [*named, *(f"group {group}" for group in groups)]
        cameras = "every camera" if key.every_camera else ", ".join(given) or "-"
    return (
        key.id, _KINDS.get(key.kind, key.kind), key.name or "-", scopes, cameras,
        *map(shown, (key.created_at, key.last_used_at, key.expires_at, key.revoked_at)),
    )  # fmt: skip
