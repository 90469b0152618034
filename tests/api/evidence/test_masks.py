"""A masked copy is made when somebody first wants to see it, by a worker that is asked over the
bus."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.evidence import masks
from api.ingest import Heard
from api.store import Store
from streams.commands import Mask, Masked, decode_command
from streams.messages import encode
from tests.api.evidence.packing import COPY, V1, get, packed, post, worker_of
from tests.api.served import Api, alert, api, report, sqlite_url, wait_until
from vision.errors import BusGoneError

GUARD_S = 20.0
DONE = Masked(ok=True)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Api]:
    """An API with two pictures that nobody has masked, and a worker that is heard."""
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as running:
        store.record([alert("a"), alert("b")])
        for name in ("a", "b"):
            assert post(running.client, packed(name), alert=name).status_code == 201
        hear(running, "w")
        yield running


def hear(
    served: Api, *workers: str, cameras: Sequence[str] = ("plaza",), late_s: float = 0
) -> None:
    now_s = time.monotonic() - late_s
    served.ingest.workers = tuple(
        Heard(report(time.time(), *cameras, worker=worker), now_s) for worker in workers
    )


@contextmanager
def masking(
    served: Api, answer: Callable[[Mask], Masked | str | None], worker: str = "w"
) -> Iterator[list[Mask]]:
    """A worker that answers so."""
    stop, asked = threading.Event(), list[Mask]()

    def work() -> None:
        while not stop.is_set():
            for command in served.control.take(worker, wait_s=0.05):
                wanted = decode_command(command.body)
                assert isinstance(wanted, Mask)
                asked.append(wanted)
                said = answer(wanted)
                if said is not None:
                    text = said if isinstance(said, str) else encode(said)
                    served.control.answer(command.id, text)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        stop.set()
        thread.join(GUARD_S)


def send_copy(served: Api) -> Callable[[Mask], Masked]:
    def answer(wanted: Mask) -> Masked:
        body = packed(wanted.alert, wanted.form, wanted.camera, parts={"copy": COPY})
        with worker_of(served, f"worker-{wanted.alert}") as own:
            assert post(own, body, f"{wanted.form}/copy", alert=wanted.alert).is_success
        return DONE

    return answer


def look(served: Api, name: str = "a") -> httpx.Response:
    return get(served.client, "snapshot/copy", alert=name)


def settled(served: Api, name: str = "a") -> httpx.Response:
    """What is answered when it is not being made any more."""
    wait_until(lambda: look(served, name).status_code != 202, GUARD_S)
    return look(served, name)


def told(served: Api) -> tuple[Any, Any]:
    (item,) = served.client.get(f"{V1}/alerts/a/evidence").json()["items"]
    return item["copy"], item["copy_why"]


def test_the_first_look_has_it_made(served: Api) -> None:
    go, send = threading.Event(), send_copy(served)

    def answer(wanted: Mask) -> Masked:
        go.wait(GUARD_S)
        return send(wanted)

    with masking(served, answer) as asked:
        for _ in range(5):
            first = look(served)
            assert (first.status_code, first.json()) == (202, {"detail": masks.ASKED})
            assert int(first.headers["retry-after"]) > 0
        assert told(served) == ("asked", masks.ASKED)
        go.set()
        found = settled(served)
        assert (found.status_code, found.content) == (200, COPY)
    assert [(each.alert, each.camera, each.form) for each in asked] == [("a", "plaza", "snapshot")]
    assert told(served) == ("ready", None)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Masked(ok=False, message="the clip cannot be decoded"), "the clip cannot be decoded"),
        (DONE, masks.NOT_HERE),
        ("nonsense", masks.NOT_READABLE),
    ],
)
def test_what_failed_is_not_tried_again_at_once(
    served: Api, answer: Masked | str, why: str
) -> None:
    with masking(served, lambda _: answer) as asked:
        found = settled(served)
        assert (found.status_code, found.json()) == (404, {"detail": why})
        assert look(served).status_code == 404
        assert len(asked) == 1
        assert told(served) == ("failed", why)
        # another one is another matter
        assert settled(served, "b").status_code == 404
    assert [each.alert for each in asked] == ["a", "b"]


def test_after_a_while_it_is_tried_again(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "AGAIN_S", 0.05)
    answers = [Masked(ok=False, message="no")]
    send = send_copy(served)
    with masking(served, lambda wanted: answers.pop() if answers else send(wanted)) as asked:
        wait_until(lambda: look(served).status_code == 200, GUARD_S)
    assert len(asked) == 2
    assert told(served) == ("ready", None)


def test_a_worker_that_says_nothing(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "MASK_S", 1.0)
    monkeypatch.setattr(masks, "MORE_S", 0.1)
    with masking(served, lambda _: None):
        found = settled(served)
    assert (found.status_code, found.json()) == (404, {"detail": masks.NO_ANSWER})


def test_a_worker_that_is_busy_and_another_one(served: Api) -> None:
    busy = Masked(ok=False, busy=True, message="busy")
    hear(served, "w", "v")
    with (
        masking(served, lambda _: busy, "v") as first,
        masking(served, send_copy(served)) as second,
    ):
        assert settled(served).status_code == 200
        assert (len(first), len(second)) == (1, 1)
    hear(served, "v")
    with masking(served, lambda _: busy, "v"):
        assert settled(served, "b").json() == {"detail": masks.BUSY}
    # that says nothing of the picture
    (item,) = served.room.items("b")
    assert item.copy == "none"


def test_a_worker_in_trouble_of_its_own_and_another_one(served: Api) -> None:
    full = Masked(ok=False, own=True, message="this worker's disk is full")
    hear(served, "w", "v")
    with (
        masking(served, lambda _: full, "v") as first,
        masking(served, send_copy(served)) as second,
    ):
        assert settled(served).status_code == 200
        assert (len(first), len(second)) == (1, 1)
    hear(served, "v")
    with masking(served, lambda _: full, "v"):
        found = settled(served, "b")
    assert (found.status_code, found.json()) == (404, {"detail": full.message})
    # that says nothing of the picture
    (item,) = served.room.items("b")
    assert item.copy == "none"


def test_what_failed_is_paused_after_a_restart_too(
    served: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.room.copy_failed("a", "snapshot", "the clip cannot be decoded")
    with masking(served, send_copy(served)) as asked:
        found = look(served)
        assert (found.status_code, found.json()["detail"]) == (404, "the clip cannot be decoded")
        monkeypatch.setattr(masks, "AGAIN_S", 0.0)
        assert settled(served).status_code == 200
    assert len(asked) == 1


def test_at_the_end_nothing_is_kept_of_it(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    inner: Any = served.door.inner
    asking = inner.state.services.masks
    with masking(served, lambda _: None) as asked:
        assert look(served).status_code == 202
        wait_until(lambda: asked, GUARD_S)
        monkeypatch.setattr(asking, "_ended", lambda: True)
        wait_until(lambda: not asking._running, GUARD_S)
    (item,) = served.room.items("a")
    assert (item.copy, item.copy_failed_at) == ("none", None)
    assert asking.known("a", "snapshot") is None


def test_who_has_the_camera_is_asked_first(served: Api) -> None:
    hear(served, "a", cameras=())
    others = served.ingest.workers
    hear(served, "z")
    served.ingest.workers = (*others, *served.ingest.workers)
    with masking(served, send_copy(served), "z") as asked:
        assert settled(served).status_code == 200
    assert len(asked) == 1
    served.ingest.workers = others
    with masking(served, send_copy(served), "a") as asked:
        assert settled(served, "b").status_code == 200
    assert len(asked) == 1


def test_where_no_worker_is_heard(served: Api) -> None:
    for late_s, names in ((0, ()), (100, ("w",))):
        hear(served, *names, late_s=late_s)
        found = look(served)
        assert (found.status_code, found.json()) == (503, {"detail": masks.NOBODY})
        assert found.headers["retry-after"]
    hear(served, "w")
    with masking(served, send_copy(served)):
        assert settled(served).status_code == 200


def test_so_many_are_made_at_once(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "MAX_MASKS", 1)
    go, send = threading.Event(), send_copy(served)

    def answer(wanted: Mask) -> Masked:
        go.wait(GUARD_S)
        return send(wanted)

    with masking(served, answer):
        assert look(served).status_code == 202
        other = look(served, "b")
        assert (other.status_code, other.json()) == (503, {"detail": masks.BUSY})
        go.set()
        assert settled(served).status_code == 200
        wait_until(lambda: look(served, "b").status_code == 200, GUARD_S)


def test_a_bus_that_is_gone(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise BusGoneError("Redis does not answer: start it")

    monkeypatch.setattr(served.control, "send", fail)
    assert settled(served).json() == {"detail": "Redis does not answer: start it"}
    assert told(served)[0] == "failed"
    (item,) = served.room.items("a")
    assert item.copy == "none", "of the picture itself that says nothing"
