"""``GET /api/v1/chain`` over a real socket."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from api.store import Store
from streams.messages import Hops
from tests.api.served import Api, alert, api, sqlite_url

CHAIN = "/api/v1/chain"


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path_factory.mktemp("chain"))) as store, api(store) as running:
        now = time.time()
        real, made = alert("real"), alert("made", synthetic=True)
        hops = {
            real.key: Hops(spooled_ts=now, published_ts=now + 0.25),
            made.key: Hops(spooled_ts=now, published_ts=now + 0.75),
        }
        store.record([real, made], hops)
        yield running


def test_every_hop_is_told_in_order(shared_api: Api) -> None:
    answer = shared_api.client.get(CHAIN).json()
    assert answer["minutes"] == 60
    ways = [(hop["start"], hop["end"], hop["count"]) for hop in answer["hops"]]
    assert ways == [
        ("captured", "detected", 0), ("detected", "spooled", 0), ("spooled", "published", 1),
        ("published", "stored", 1), ("stored", "delivered", 0), ("captured", "delivered", 0),
    ]  # fmt: skip
    took = answer["hops"][2]
    assert (took["p50"], took["p95"], took["max"], took["negative"]) == (0.25, 0.25, 0.25, 0)
    # the message is said to be published after it was stored
    assert answer["hops"][3]["negative"] == 1
    assert answer["hops"][0]["p50"] is None


def test_what_no_camera_saw_is_told_where_it_is_asked_for(shared_api: Api) -> None:
    answer = shared_api.client.get(CHAIN, params={"synthetic": True, "minutes": 5}).json()
    assert answer["minutes"] == 5
    assert (answer["hops"][2]["count"], answer["hops"][2]["max"]) == (2, 0.75)


@pytest.mark.parametrize("query", ["minutes=0", "minutes=10081", "minutes=x", "odd=1"])
def test_what_is_wrong_is_said(shared_api: Api, query: str) -> None:
    answer = shared_api.client.get(f"{CHAIN}?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"]
