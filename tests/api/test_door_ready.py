"""What readiness says of what is wrong, and to whom."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from api.bell import Bell
from api.proxies import Proxies
from api.store import Store
from tests.api.served import TESTER, FakeIngest, add_key, application, sqlite_url
from tests.api.test_door import call, status
from vision.errors import BusError, StoreError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path_factory.mktemp("ready"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def key(store: Store) -> str:
    return add_key(store)


INSIDE = "Redis at 10.1.2.3 does not answer: look at it"


@pytest.mark.parametrize(
    ("peer", "headers", "told"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("192.0.2.1", {}, False),
        ("192.0.2.1", {b"x-api-key": "KEY"}, True),
        ("192.0.2.1", {b"Authorization": "Bearer KEY"}, True),
        ("192.0.2.1", {b"x-api-key": "mk_00000000_" + "0" * 64}, False),
        ("192.0.2.1", {b"x-api-key": "KEY", b"authorization": "Bearer KEY"}, False),
        ("192.0.2.1", {b"x-api-key": "REVOKED"}, False),
        ("192.0.2.1", {b"x-api-key": "NO_SCOPE"}, False),
        ("127.0.0.1", {b"x-api-key": "NO_SCOPE"}, True),
        # a proxy asks for somebody else
        ("10.0.0.7", {b"X-Forwarded-For": "192.0.2.1", b"X-Forwarded-Proto": "https"}, False),
        ("10.0.0.7", {b"X-Forwarded-For": "127.0.0.1", b"X-Forwarded-Proto": "https"}, False),
        ("192.0.2.1", {b"X-Forwarded-For": "127.0.0.1"}, False),
        ("127.0.0.1", {b"Host": "127.0.0.1:8080"}, True),
        ("127.0.0.1", {b"Host": "LocalHost"}, True),
        ("::1", {b"Host": "[::1]:8080"}, True),
        # a page of another site whose name was made to lead to this machine
        ("127.0.0.1", {b"Host": "rebound.example:8080"}, False),
        ("127.0.0.1", {b"Host": "rebound.example:8080", b"x-api-key": "KEY"}, True),
        ("127.0.0.1", {b"Host": "127.0.0.1.rebound.example"}, False),
        ("127.0.0.1", {b"Host": "10.1.2.3"}, False),
    ],
)
def test_readiness_gives_its_reasons_to_insiders(
    store: Store, key: str, peer: str, headers: dict[bytes, str], told: bool
) -> None:
    bell = Bell()
    ingest = FakeIngest(problem=BusError(INSIDE))
    proxies = Proxies.named(["10.0.0.7"])
    open_door = application(store, bell, ingest, everywhere=True, proxies=proxies)
    (given,) = headers.values() if len(headers) == 1 else ("",)
    if given == "REVOKED":
        revoked = add_key(store, "revoked-now")
        store.keys.revoke("revoked-now", TESTER)
        headers = {b"x-api-key": revoked}
    if given == "NO_SCOPE":
        number = len(store.keys.all())
        headers = {b"x-api-key": add_key(store, f"little-{number}", scopes=["alerts:read"])}
    scheme = "http" if peer in {"127.0.0.1", "::1", "10.0.0.7"} else "https"
    sent = call(
        open_door, "/readyz", client=(peer, 1), scheme=scheme,
        headers=[(n, v.replace("KEY", key).encode()) for n, v in headers.items()],
    )  # fmt: skip
    bell.close()
    body = json.loads(sent[1]["body"])
    assert status(sent) == 503
    assert body["store"] == body["ingest"] == "ok"
    assert (body["bus"] == INSIDE) == told
    if not told:
        assert body["bus"].startswith("Redis is not well")
        assert b"10.1.2.3" not in sent[1]["body"]


def test_readiness_says_that_the_keys_are_gone(
    store: Store, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise StoreError("the database 10.1.2.3 is gone")

    bell = Bell()
    open_door = application(store, bell, FakeIngest(), everywhere=True)
    monkeypatch.setattr(store.keys, "holder", gone)
    monkeypatch.setattr(store, "check", gone)
    sent = call(open_door, "/readyz", key=key, client=("192.0.2.1", 1), scheme="https")
    bell.close()
    assert status(sent) == 503
    assert json.loads(sent[1]["body"])["store"].startswith("the database is not well")
