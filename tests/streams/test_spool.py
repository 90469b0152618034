"""The spool: what was put is sent until it is confirmed, and a new worker knows the rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.messages import decode
from streams.spool import MAX_BATCH_BYTES, Spool
from tests.streams.statements import alert, counts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    with Spool(path) as made:
        yield made


def keys(spool: Spool, limit: int = 1000) -> list[str]:
    return [message.key for message in spool.unsent(limit)]


def send(spool: Spool, limit: int = 1000) -> list[str]:
    messages = spool.unsent(limit)
    spool.sent(messages)
    return [message.key for message in messages]


# --- what is put, sent and confirmed


def test_messages_come_out_as_they_went_in(spool: Spool) -> None:
    spool.put([alert(1), counts()])
    spool.put([alert(1, version=2, state="closed")])
    found = spool.unsent(10)
    assert [decode(message.body) for message in found] == [
        alert(1),
        counts(),
        alert(1, version=2, state="closed"),
    ]
    assert [message.key for message in found] == [
        "alert:a1:1",
        counts().key,
        "alert:a1:2",
    ]
    assert [message.seq for message in found] == [1, 2, 3]
    assert spool.waiting == 3
    assert spool.in_flight == 0


def test_what_was_sent_is_not_sent_again_until_it_is_overdue(spool: Spool) -> None:
    spool.put([alert(i) for i in range(5)])
    assert send(spool, 2) == ["alert:a0:1", "alert:a1:1"]
    assert (spool.waiting, spool.in_flight) == (5, 2)
    assert send(spool, 2) == ["alert:a2:1", "alert:a3:1"]
    assert spool.resend_older_than(60, probes=9) == 0
    assert send(spool) == ["alert:a4:1"]
    assert keys(spool) == []
    assert spool.resend_older_than(0, probes=2) == 2
    spool.put([alert(9)])
    assert send(spool) == ["alert:a0:1", "alert:a1:1", "alert:a9:1"]
    assert keys(spool) == []


def test_confirmed_messages_are_forgotten(spool: Spool, path: Path) -> None:
    spool.put([alert(i) for i in range(4)])
    send(spool)
    spool.confirm(["alert:a1:1", "alert:a1:1", "alert:unknown:7", ""])
    assert (spool.waiting, spool.in_flight) == (3, 3)
    spool.confirm([])
    # confirmed before it went again
    spool.resend_older_than(0, probes=9)
    spool.confirm(["alert:a0:1"])
    assert keys(spool) == ["alert:a2:1", "alert:a3:1"]
    spool.close()
    with Spool(path) as again:
        assert (again.waiting, keys(again)) == (2, ["alert:a2:1", "alert:a3:1"])


def test_alerts_that_nobody_confirmed(spool: Spool) -> None:
    spool.put([alert(i) for i in range(3)])
    spool.put([counts(), alert(0, version=2)])
    everything = ["alert:a0:1", "alert:a1:1", "alert:a2:1", "alert:a0:2"]

    def unconfirmed(limit: int = 10, after: int = 0) -> list[str]:
        return [m.key for m in spool.unconfirmed_alerts(limit, after=after)]

    assert unconfirmed() == everything
    send(spool, 2)
    assert unconfirmed() == everything, "sent or not"
    assert unconfirmed(limit=2) == everything[:2]
    assert unconfirmed(after=2) == everything[2:]
    (first, *_) = spool.unconfirmed_alerts(1)
    assert abs(first.spooled_ts - time.time()) < 60
    spool.confirm(["alert:a1:1"])
    assert unconfirmed() == ["alert:a0:1", "alert:a2:1", "alert:a0:2"]


def test_what_was_confirmed_otherwise_tells_nothing_of_what_was_sent(spool: Spool) -> None:
    spool.put([counts(), alert(1), alert(2)])
    for _ in range(3):
        send(spool, 1)
        time.sleep(0.001)
    spool.confirm(["alert:a1:1"], over_bus=False)
    assert spool.resend_older_than(0, probes=0) == 0
    spool.confirm(["alert:a2:1"])
    assert spool.resend_older_than(0, probes=0) == 1


def test_many_keys_at_once(spool: Spool) -> None:
    spool.put([alert(i) for i in range(1203)])
    sent = send(spool, 2000)
    assert len(sent) == 1203
    spool.confirm(sent[:-1])
    assert spool.waiting == 1


def test_one_that_was_overtaken_is_lost_the_others_wait_for_a_probe(spool: Spool) -> None:
    spool.put([alert(i) for i in range(10)])
    for _ in range(5):
        send(spool, 2)
    # the store is gone: a few go again, not all
    assert spool.resend_older_than(0, probes=3) == 3
    assert send(spool) == ["alert:a0:1", "alert:a1:1", "alert:a2:1"]
    # one of them is confirmed, so everything that was sent before it is lost
    spool.confirm(["alert:a1:1"])
    assert spool.resend_older_than(0, probes=0) == 7
    assert keys(spool) == [f"alert:a{i}:1" for i in range(3, 10)]


def test_the_same_key_is_put_once(spool: Spool) -> None:
    spool.put([alert(1), alert(1)])
    spool.put([alert(1), alert(2)])
    assert spool.waiting == 2
    assert keys(spool) == ["alert:a1:1", "alert:a2:1"]


def test_a_batch_has_a_size(spool: Spool) -> None:
    big = {"why": "x" * 200_000}
    spool.put([alert(i, details=big) for i in range(12)])
    found = spool.unsent(100)
    assert 1 < len(found) < 12
    assert sum(len(message.body) for message in found) <= MAX_BATCH_BYTES
    spool.put([alert("huge", details={"why": "x" * (2 * MAX_BATCH_BYTES)})])
    sizes = []
    while messages := spool.unsent(100):
        spool.sent(messages)
        sizes.append(len(messages))
    assert sum(sizes) == 13
    assert sizes[-1] == 1


def test_putting_wakes_up(spool: Spool) -> None:
    assert not spool.fresh.is_set()
    spool.put([alert(1)])
    assert spool.fresh.is_set()


# --- what a worker that is started anew must know


def test_open_alerts_go_with_their_messages(spool: Spool, path: Path) -> None:
    spool.put([alert(1), alert(2), alert(3, state="closed")])
    spool.put([alert(1, version=2, state="closed"), alert(2, version=2, score=0.9)])
    spool.put([])
    spool.confirm(["alert:a2:1", "alert:a2:2"])
    spool.close()
    with Spool(path) as again:
        assert [decode(body) for body in again.open_alerts()] == [alert(2, version=2, score=0.9)]
        again.put([alert(2, version=3, state="closed")])
        assert again.open_alerts() == []


def test_bins_are_kept_alone_or_with_messages(spool: Spool, path: Path) -> None:
    spool.keep_bins("cam1", "old")
    spool.keep_bins("cam1", "new")
    spool.put([counts()], bins={"cam2": "with it"})
    spool.close()
    with Spool(path) as again:
        assert again.kept_bins() == {"cam1": "new", "cam2": "with it"}
        assert again.waiting == 1


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["put", "send", "confirm", "resend", "restart"]), st.integers(0, 5)
        ),
        max_size=30,
    )
)
@settings(max_examples=25)
def test_whatever_happens_everything_unconfirmed_is_sent(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("spool") / "s.db"
    spool = Spool(path)
    waiting: dict[str, None] = {}
    sent: set[str] = set()
    for i, (step, n) in enumerate(steps):
        if step == "put":
            messages = [alert(f"{i}.{k}") for k in range(n)]
            spool.put(messages)
            waiting.update((message.key, None) for message in messages)
        elif step == "send":
            sent.update(send(spool, n))
        elif step == "confirm":
            some = sorted(sent)[:n]
            spool.confirm(some)
            for key in some:
                sent.discard(key)
                waiting.pop(key)
        elif step == "resend":
            spool.resend_older_than(0, probes=n)
        else:
            spool.close()
            spool = Spool(path)
        assert spool.waiting == len(waiting)
        assert set(keys(spool)) | sent >= set(waiting)
        assert set(keys(spool)) <= set(waiting)
    spool.close()
    with Spool(path) as again:
        assert keys(again) == list(waiting)


def test_many_threads_put_at_once(spool: Spool) -> None:
    def put(name: int) -> None:
        for i in range(20):
            spool.put([alert(f"{name}-{i}")])

    threads = [threading.Thread(target=put, args=(n,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    confirmed = 0
    while any(thread.is_alive() for thread in threads):
        some = send(spool, 5)
        spool.confirm(some)
        confirmed += len(some)
    assert spool.waiting == 80 - confirmed
    assert len(keys(spool)) == spool.waiting
