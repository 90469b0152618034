"""Fixtures and profiles that every test folder shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, settings

from streams.valkey import EmbeddedValkey
from tests.needs import REPO, in_ci, need
from vision.errors import ServiceError

# A busy machine is slow, not wrong: no deadline anywhere, and the same examples in every CI run.
settings.register_profile("home", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if in_ci() else "home")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ``../shared`` beside the checkout: clips with ground truth, models.

    Not everything in it may be handed on, so a checkout without it is complete and skips.
    """
    folder = REPO.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs a folder ../shared with clips and models beside the checkout")
    return folder


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """A real Valkey for all tests of this process."""
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    try:
        server.start()
    except ServiceError as error:
        need(None, str(error))
    with server:
        yield server


@pytest.fixture
def valkey(valkey_server: EmbeddedValkey) -> str:
    """The address of a real Valkey that holds nothing."""
    valkey_server.start()
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url
