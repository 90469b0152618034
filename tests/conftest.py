"""Fixtures and profiles that every test folder shares."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx._transports.default as transports
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


def pytest_configure() -> None:
    """Whoever is started aside by a shell ignores Ctrl-C, and so would all that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def one_list_of_authorities() -> Iterator[None]:
    """Clients read the system's list of authorities when they are made, which takes longer than
    most of what they ask; here those that ask for the same list share it."""
    read = transports.create_ssl_context

    @cache
    def kept(verify: bool, trust_env: bool, *_named: str | None) -> ssl.SSLContext:
        return read(verify=verify, trust_env=trust_env)

    def shared_one(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        if cert is not None or not isinstance(verify, bool):
            return read(verify=verify, cert=cert, trust_env=trust_env)
        return kept(verify, trust_env, *map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transports, "create_ssl_context", shared_one)
        yield


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
def clip_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips that were encoded, for all processes of this run."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "clips"


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
