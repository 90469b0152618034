"""Options of commands that print a link: where a person's browser reaches the server."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias

import typer

from api.links import base_address
from vision.errors import ConfigError

HostOption: TypeAlias = Annotated[str, typer.Option(help="Where the browser reaches the server.")]
PortOption: TypeAlias = Annotated[
    int, typer.Option(help="Where the browser reaches the server.", min=1, max=65535)
]
BaseOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="MATAKOTA_BASE_URL",
        help="The same in one, such as https://city.example; with it, no --host and --port.",
    ),
]
HOST: Final = "127.0.0.1"
PORT: Final = 8080
_BASE: Final = re.compile(
    r"https?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?", re.ASCII
)


def base_of(base: str | None, host: str, port: int) -> str:
    """Where a link leads. Raises ConfigError for what is no address."""
    if base is None:
        return base_address(host, port)
    plain = base.removesuffix("/")
    if _BASE.fullmatch(plain) is None:
        raise ConfigError(
            f"--base {base!a} is no address of a server: write one such as https://city.example or "
            "https://10.0.0.7:8443, without a path"
        )
    return plain
