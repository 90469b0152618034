"""The cameras' logins, as the worker knows them: a file that may change at any time."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeAlias

import structlog

from streams.config import Credential, load_credentials
from vision.errors import ConfigError

log = structlog.get_logger()

_Mark: TypeAlias = tuple[int, int, int, int]


class Logins:
    """The logins in the credentials file, of which ``hide`` hears every password before anybody
    else. Used by one thread, but for ``known``."""

    def __init__(self, hide: Callable[[Collection[str]], None]) -> None:
        self._hide = hide
        self._read: tuple[Path | None, _Mark | None] = None, None
        self.known: Mapping[str, Credential] = {}
        self.problem: str | None = None
        """Why the file cannot be used, one sentence, or None."""

    def look(self, path: Path | None) -> bool:
        """Read the file where it is another one than before, or has changed; whether there are
        other logins now. One that cannot be read any more changes nothing: it may be in the
        middle of being written."""
        now = path, None if path is None else _mark(path)
        before, self._read = self._read, now
        if now == before:
            return False
        found: Mapping[str, Credential] = {}
        self.problem = None
        try:
            if path is not None:
                found = load_credentials(path)
        except (ConfigError, OSError) as error:
            self.problem = f"the logins cannot be read: {error}"
            log.warning("the logins cannot be read", why=str(error))
            if path == before[0]:
                return False
        self._hide([login.password for login in found.values()])
        changed, self.known = found != self.known, found
        return changed


def _mark(path: Path) -> _Mark | None:
    """What is another one after each change of a file or of who may read it; None for no file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
