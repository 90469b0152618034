"""Fixtures and profiles that every test folder shares."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx._transports.default as transports
import pytest
import redis
from hypothesis import HealthCheck, settings

import streams.detector
from streams.valkey import EmbeddedValkey
from tests.needs import REPO, in_ci, need
from tests.remembered import remembering
from vision.errors import ServiceError

# A busy machine is slow, not wrong: no deadline anywhere. The same examples in every CI run, and
# half as many as at home, where they are others each time.
settings.register_profile("home", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=50,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if in_ci() else "home")


LONGEST: Final = (
    "faults/test_chain.py",
    "streams/evaluation/test_paste.py",
    "streams/evaluation/test_counts_baseline.py",
    "streams/evaluation/test_changes.py",
    "streams/evaluation/test_incidents_baseline.py",
    "api/test_counts.py",
    "faults/test_alarms.py",
    "api/test_schemathesis.py",
    "faults/test_live.py",
    "faults/test_trouble.py",
    "streams/test_quiet.py",
    "streams/test_motion.py",
    "streams/test_falls.py",
    "vision/rules/test_contract.py",
    "api/test_access_mutations.py",
    "faults/test_configuration.py",
    "api/test_demo_command.py",
    "vision/test_oracle_properties.py",
)
"""Files that take long are begun first, so that no worker is left alone with one at the end."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Each worker of long tests would read all other files as well, for nothing."""
    if config.option.markexpr != "long" or not collection_path.name.startswith("test_"):
        return None
    return "mark.long" not in collection_path.read_text(encoding="utf-8") or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {REPO / "tests" / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


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
    return _of_the_run(tmp_path_factory) / "clips"


def _of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all processes of this run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture
def remembered(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are not asked again about a picture that they were asked about in this run."""
    folder = _of_the_run(tmp_path_factory) / "detections"
    folder.mkdir(exist_ok=True)
    build = streams.detector._build

    def built(model: Any, *how: Any, **more: Any) -> Any:
        return remembering(build(model, *how, **more), model.entry.sha256, folder)

    monkeypatch.setattr(streams.detector, "_build", built)


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
