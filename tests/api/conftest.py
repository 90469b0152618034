"""A folder with a short clip, its scene and everything that must be refused; a full disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.store import Store
from tests.api.bad_inputs import prepare
from tests.api.logins import Clock, World
from tests.api.served import DAY, Api, report, sqlite_url
from tests.api.viewing import cameras, hear
from tests.disks import fill_up, small_disk


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be read only: results go elsewhere."""
    folder = tmp_path_factory.mktemp("inputs")
    prepare(folder)
    return folder


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder whose disk has not a byte left."""
    with small_disk(tmp_path / "full", "64k") as folder:
        (folder / "old.jsonl").write_text("old")
        fill_up(folder)
        yield folder


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Api]:
    """An API with live pictures, and workers to be played by the test."""
    with cameras(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The same for all tests of a module."""
    with cameras(tmp_path_factory.mktemp("kept")) as running:
        yield running


@pytest.fixture
def steady(kept: Api) -> Api:
    """One that many tests ask, none of which changes it."""
    hear(kept, report(time.time(), "plaza", "road"))
    return kept


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A login of its own."""
    now = Clock(DAY)
    with Store.open(sqlite_url(tmp_path), clock=now) as store:
        yield World(store, now)
