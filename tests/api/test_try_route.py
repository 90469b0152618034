"""Addresses that are tried over HTTP, by a worker that answers or does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from api import tries
from streams.commander import BUSY
from streams.commands import Tried, Try, decode_command
from streams.messages import encode
from tests.api.served import Api, report, wait_until
from tests.api.viewing import (
    GUARD_S,
    PREFIX,
    hear,
)


@contextmanager
def trying(
    served: Api, answer: Callable[[Try], str | None], worker: str = "w"
) -> Iterator[list[Try]]:
    """A worker that answers so."""
    stop, asked = threading.Event(), list[Try]()

    def work() -> None:
        while not stop.is_set():
            for command in served.control.take(worker, wait_s=0.05):
                wanted = decode_command(command.body)
                assert isinstance(wanted, Try)
                asked.append(wanted)
                if (said := answer(wanted)) is not None:
                    served.control.answer(command.id, said)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        stop.set()
        thread.join(GUARD_S)


def ask(served: Api, **asked: Any) -> httpx.Response:
    return served.client.post(
        f"{PREFIX}/cameras/try", json={"source": "rtsp://10.0.0.7/stream1", **asked}
    )


def test_a_worker_tries_an_address(served: Api) -> None:
    good = Tried(ok=True, code=None, message="it shows 640x360", width=640, height=360)
    bad = Tried(ok=False, code="unauthorized", message="the camera refuses the login")
    with trying(served, lambda wanted: encode(good if wanted.login else bad)) as asked:
        response = ask(served, login="gate", timeout_seconds=3)
        assert response.status_code == 200
        assert response.json() == {
            "ok": True, "code": None, "message": "it shows 640x360", "width": 640, "height": 360,
            "worker": "w",
        }  # fmt: skip
        response = ask(served)
        assert response.status_code == 200
        assert response.json()["code"] == "unauthorized"
        assert response.json()["ok"] is False
    assert [(a.source, a.login, a.timeout_s) for a in asked] == [
        ("rtsp://10.0.0.7/stream1", "gate", 3.0),
        ("rtsp://10.0.0.7/stream1", None, 10.0),
    ]


def test_the_worker_that_is_named_tries_it(served: Api) -> None:
    now = time.time()
    hear(served, report(now, "plaza", "road", worker="a"), report(now, "gate", worker="b"))
    good = encode(Tried(ok=True, code=None, message="it works"))
    with trying(served, lambda _: good, "a") as first, trying(served, lambda _: good, "b") as other:
        assert ask(served, worker="a").json()["worker"] == "a"
        assert ask(served).json()["worker"] == "b", "it has fewer cameras"
        assert (len(first), len(other)) == (1, 1)
        response = ask(served, worker="c")
        assert response.status_code == 503
        assert "that worker is not heard" in response.json()["detail"]
    hear(served, report(now, "plaza"), late_s=100)
    response = ask(served)
    assert response.status_code == 503
    assert "no worker is heard" in response.json()["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "http://10.0.0.7/"},
        {"source": "rtsp://user:CANARY@10.0.0.7/"},
        {"source": "synthetic"},
        {"source": ""},
        {"source": "rtsp://" + "x" * 3000},
        {"source": None},
        {"login": ""},
        {"worker": ""},
        {"timeout_seconds": 0},
        {"timeout_seconds": 31},
        {"more": 1},
    ],
    ids=range(11),
)
def test_wrong_wishes_reach_nobody(steady: Api, wrong: dict[str, Any]) -> None:
    with trying(steady, lambda _: None) as asked:
        response = ask(steady, **wrong)
        assert response.status_code == 422
        detail = response.json()["detail"]
        assert detail
        assert "CANARY" not in response.text
        time.sleep(0.1)
        assert asked == []


def test_a_worker_that_says_nothing_or_nonsense(
    served: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "MORE_S", 0.1)
    response = ask(served, timeout_seconds=1)
    assert response.status_code == 504
    assert "did not answer" in response.json()["detail"]
    served.control.take("w", wait_s=0)
    for nonsense in ("", "{}", '{"ok": 1}', "\x00"):
        with trying(served, lambda _, said=nonsense: said):
            response = ask(served)
            assert response.status_code == 504
            assert "cannot be read" in response.json()["detail"]


def test_so_many_are_tried_at_most_and_the_end_waits_for_none(
    served: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries.Tries, "most", 2)
    codes: list[int] = []
    with trying(served, lambda _: None) as asked:
        threads = [
            threading.Thread(
                target=lambda: codes.append(ask(served, timeout_seconds=20).status_code)
            )
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(asked) == 2, GUARD_S)
        response = ask(served)
        assert response.status_code == 503
        assert response.headers["retry-after"]
        assert "try this one again later" in response.json()["detail"]
        served.bell.close()
        for thread in threads:
            thread.join(GUARD_S / 2)
        assert codes == [504, 504]


def test_a_worker_that_is_busy_has_not_tried(served: Api) -> None:
    with trying(served, lambda _: encode(BUSY)):
        response = ask(served)
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert response.json()["detail"] == BUSY.message


def test_a_bus_that_is_gone_is_said(served: Api) -> None:
    served.control.close()
    response = ask(served)
    assert response.status_code == 503
    assert "closed" in response.json()["detail"]
