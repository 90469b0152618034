"""What the commands about people, groups and keys share: the store, and names turned into what
they stand for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

import structlog
import typer
from pydantic import TypeAdapter, ValidationError

from api.store import GoneError, Group, Store, User
from streams.messages import Name
from streams.settings import Settings
from vision.errors import ConfigError

CameraOption: TypeAlias = Annotated[
    list[str] | None, typer.Option(help="Id of a camera; may be repeated.", metavar="ID")
]
GroupOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Name of a group of cameras; may be repeated.", metavar="NAME"),
]
EveryCameraOption: TypeAlias = Annotated[
    bool, typer.Option("--every-camera", help="Every camera, also those to come.")
]
_NAME = TypeAdapter[str](Name)

log = structlog.get_logger()


@contextmanager
def opened(data: Path | None) -> Iterator[Store]:
    """The store of this machine's settings."""
    with Store.open(Settings.read(os.environ, data).database_url) as store:
        yield store


def user_of(store: Store, name: str) -> User:
    """Raises GoneError."""
    found = store.people.named(name)
    if found is None:
        raise GoneError("user", ascii(name))
    return found


def group_of(store: Store, name: str) -> Group:
    """Raises GoneError."""
    found = store.groups.named(name)
    if found is None:
        raise GoneError("group", ascii(name))
    return found


def cameras_of(store: Store, names: Iterable[str] | None) -> tuple[str, ...]:
    """The ids as they are given, each once; says which of them is no camera yet. Raises
    ConfigError for what cannot be an id."""
    found = tuple(dict.fromkeys(names or ()))
    for name in found:
        try:
            _NAME.validate_python(name)
        except ValidationError:
            raise ConfigError(
                f"--camera {name[:40]!a} is no id: 'matakota config show' shows those there are"
            ) from None
        if not store.cameras.known(name):
            log.warning("there is no such camera yet", camera=name)
    return found
