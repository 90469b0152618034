"""What the environment says: where data lies, which database, Redis and API to use."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from streams.keeper import DEFAULT_KEEP_H, MAX_KEEP_H
from vision.errors import ConfigError

DATA_VARIABLE = "MATAKOTA_DATA"
DATABASE_VARIABLE = "MATAKOTA_DATABASE_URL"
REDIS_VARIABLE = "MATAKOTA_REDIS_URL"
API_VARIABLE = "MATAKOTA_API_URL"
API_KEY_VARIABLE = "MATAKOTA_API_KEY"
KEEP_TRACKS_VARIABLE = "MATAKOTA_KEEP_TRACKS_H"
SQLITE = "sqlite:///"
DATABASE_FILE = "matakota.db"
PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Settings:
    """``data`` is an absolute folder that exists; ``redis_url`` is None where none is named, and so
    are the API's ``api_url`` and the worker's ``api_key`` for it. What may hold a
    password is never shown."""

    data: Path
    database_url: str = field(repr=False)
    redis_url: str | None = field(repr=False)
    api_url: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    keep_tracks: str | None = None
    """For how many hours a worker keeps tracks, as it was written."""

    @classmethod
    def read(cls, environ: Mapping[str, str], data: Path | None) -> Self:
        """The settings in ``environ``, where an empty variable counts as none; ``data`` wins over
        its variable. The data folder is created for its owner alone. Raises ConfigError."""
        folder = _data_folder(environ) if data is None else Path(os.path.expanduser(data))
        folder = Path(os.path.abspath(folder))
        try:
            folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"the data folder {folder} cannot be used ({(error.strerror or 'error').lower()}); "
                f"name another with --data or {DATA_VARIABLE}"
            ) from None
        return cls(
            data=folder,
            database_url=environ.get(DATABASE_VARIABLE) or f"{SQLITE}{folder / DATABASE_FILE}",
            redis_url=environ.get(REDIS_VARIABLE) or None,
            api_url=environ.get(API_VARIABLE) or None,
            api_key=environ.get(API_KEY_VARIABLE) or None,
            keep_tracks=environ.get(KEEP_TRACKS_VARIABLE) or None,
        )

    def redis(self) -> str:
        """The address of Redis. Raises ConfigError where none is named."""
        if self.redis_url is None:
            raise ConfigError(
                f"no Redis is named: set {REDIS_VARIABLE}, such as redis://127.0.0.1:6379/0, or "
                "run 'matakota up', which brings its own"
            )
        return self.redis_url

    def keep_tracks_h(self) -> float:
        """For how many hours a worker keeps tracks, 0 for not at all. Raises ConfigError."""
        if self.keep_tracks is None:
            return DEFAULT_KEEP_H
        try:
            hours = float(self.keep_tracks)
        except ValueError:
            hours = math.nan
        if not 0 <= hours <= MAX_KEEP_H:
            raise ConfigError(
                f"{KEEP_TRACKS_VARIABLE} is {self.keep_tracks[:40]!a}, but tracks are kept for 0 "
                f"to {MAX_KEEP_H:g} hours"
            )
        return hours


def _data_folder(environ: Mapping[str, str]) -> Path:
    named = environ.get(DATA_VARIABLE)
    if named:
        return Path(os.path.expanduser(named))
    base = Path(environ.get("XDG_DATA_HOME", ""))
    # the XDG specification says to ignore a relative path
    if not base.is_absolute():
        home = os.path.expanduser("~")
        if home == "~":
            raise ConfigError(
                f"there is no home folder for data: name a folder with --data or {DATA_VARIABLE}"
            )
        base = Path(home) / ".local" / "share"
    return base / "matakota"
