"""A room of evidence for each test, alone or served; nothing waits for heads that nobody writes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.store import Store
from tests.api.evidence.kept import World, fill, open_world
from tests.api.evidence.packing import BOXES, COPY, JPEG, packed, post, worker_of
from tests.api.served import Api, add_user, alert, api, person, sqlite_url


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.evidence.verifying.HEADS_WAIT_S", 0.0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield from open_world(tmp_path)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a room with some 20 items lies, which nobody has open."""
    folder = tmp_path_factory.mktemp("evidence")
    for world in open_world(folder):
        fill(world)
    return folder


@pytest.fixture
def filled(template: Path, tmp_path: Path) -> Iterator[World]:
    """That room, a copy of its own."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    yield from open_world(tmp_path)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Api]:
    """An API with one alert of ``plaza`` and one of ``road``."""
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as running:
        store.record([alert("a"), alert("b", camera="road")])
        yield running


@pytest.fixture
def worker(served: Api) -> Iterator[httpx.Client]:
    with worker_of(served) as client:
        yield client


@pytest.fixture
def administrator(served: Api) -> Iterator[httpx.Client]:
    with person(served, add_user(served.store, "petugas")) as client:
        yield client


@pytest.fixture
def shown(served: Api) -> Api:
    """One with a picture and its copy."""
    parts: dict[Any, bytes] = {"original": JPEG, "boxes": BOXES, "copy": COPY}
    assert post(served.client, packed(parts=parts)).status_code == 201
    return served
