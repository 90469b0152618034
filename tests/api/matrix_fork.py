"""The servers of the access matrix, as forks of one process that has already imported all that they
need, but for the code that they try out: most of a start is imports."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock
from typing import Final, TextIO
from unittest.mock import patch

from tests.needs import REPO

# What a server imports of others; it works without this as well.
PRELOADED: Final = [
    "alembic.command", "authlib.oidc.core", "fastapi_offline", "httpx", "jinja2", "joserfc.jwt",
    "nicegui", "pwdlib.hashers.argon2", "pyotp", "segno", "sqlalchemy.dialects.sqlite.pysqlite",
    "structlog", "typer", "uvicorn.protocols.http.httptools_impl", "websockets.sync.client",
    "streams.bus.memory_control", "streams.citydocument", "streams.pictures", "streams.scenefile",
]  # fmt: skip
GUARD_S: Final = 60
_FORKS: Final = get_context("forkserver")
_STARTING: Final = Lock()


@dataclass(frozen=True)
class Forked:
    """A server's process, what it reads and what it says."""

    process: BaseProcess
    stdin: TextIO
    stdout: TextIO

    def end(self) -> None:
        """Have it end with its standard input, or else at once."""
        self.stdin.close()
        self.stdout.close()
        self.process.join(GUARD_S)
        self.process.kill()
        self.process.join()


def forked(tree: Path, folder: Path, log: Path, variables: Mapping[str, str]) -> Forked:
    """A server of the sources in ``tree`` that works in ``folder`` and writes what is wrong into
    ``log``."""
    _FORKS.set_forkserver_preload(PRELOADED)
    here, there = _FORKS.Pipe()
    process = _FORKS.Process(target=_begin, args=(tree, folder, log, dict(variables), there))
    main = sys.modules["__main__"]
    # a child would import what the tests were started with, and that may be the code
    with _STARTING, patch.multiple(main, create=True, __spec__=None, __file__=None):
        process.start()
    there.close()
    files = _files(here)
    here.close()
    return Forked(process, *files)


def _files(talk: Connection) -> tuple[TextIO, TextIO]:
    """What is written to one end and read from it."""
    return os.fdopen(os.dup(talk.fileno()), "w"), os.fdopen(os.dup(talk.fileno()), "r")


def _begin(
    tree: Path, folder: Path, log: Path, variables: Mapping[str, str], talk: Connection
) -> None:
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    with log.open("wb") as errors:
        os.dup2(errors.fileno(), 2)
    assert "api" not in sys.modules, "the code that is tried out is imported by each server itself"
    sys.path[:0] = dict.fromkeys((str(tree), str(REPO)))
    # the other end closes where the tests end, however they do
    sys.stdout, sys.stdin = _files(talk)
    talk.close()
    sys.argv = [__name__, str(folder)]
    from tests.api.matrix_server import main

    main()
