"""Evidence over HTTP, as workers send it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import httpx
import pytest

from api.evidence import transfer
from api.evidence.refusals import NoRoomError
from streams.evidenceform import CONTENT_TYPE, MAX_HEAD_BYTES, MAX_PART_BYTES
from tests.api.evidence.packing import (
    BOXES,
    COPY,
    JPEG,
    V1,
    get,
    head,
    items,
    packed,
    post,
    sha,
    traces,
    worker_of,
)
from tests.api.served import (
    DAY,
    Api,
    add_key,
    alert,
    wait_until,
)
from vision.errors import StoreGoneError

GUARD_S = 20.0


def test_evidence_is_sent_and_told_of(served: Api) -> None:
    assert items(served) == []
    answer = post(served.client, packed(to=DAY + 1, note="the camera was away"))
    assert (answer.status_code, answer.json()) == (201, {"sha256": sha(JPEG)})
    assert items(served) == [{
        "form": "snapshot", "camera": "plaza", "state": "stored", "why": None,
        "from": "2026-01-31T00:00:00.000Z", "to": "2026-01-31T00:00:01.000Z",
        "bytes": len(JPEG) + len(BOXES), "sha256": sha(JPEG), "note": "the camera was away",
        "copy": "none", "copy_why": None, "hold": False,
    }]  # fmt: skip
    again = post(served.client, packed(to=DAY + 1, note="the camera was away"))
    assert (again.status_code, again.json()) == (200, {"sha256": sha(JPEG)})
    other = post(served.client, packed(parts={"original": b"another", "boxes": BOXES}))
    assert other.status_code == 409
    assert items(served)[0]["sha256"] == sha(JPEG)


def test_a_copy_comes_along_or_later(served: Api, worker: httpx.Client) -> None:
    early = post(worker, packed(parts={"copy": COPY}), "snapshot/copy")
    assert early.status_code == 404
    assert post(served.client, packed()).status_code == 201
    answer = post(worker, packed(parts={"copy": COPY}), "snapshot/copy")
    assert (answer.status_code, answer.json()) == (201, {"sha256": sha(COPY)})
    assert post(worker, packed(parts={"copy": COPY}), "snapshot/copy").status_code == 200
    parts: dict[Any, bytes] = {"original": JPEG, "boxes": BOXES, "copy": COPY}
    assert post(served.client, packed("b", camera="road", parts=parts), alert="b").is_success
    for name in ("a", "b"):
        assert items(served, name)[0]["copy"] == "ready"
        shown = get(served.client, "snapshot/copy", alert=name)
        assert (shown.status_code, shown.content) == (200, COPY)
        assert shown.headers["content-type"] == "image/jpeg"
        assert shown.headers["x-content-type-options"] == "nosniff"
        assert shown.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    ("body", "path", "status"),
    [
        (packed(camera="road"), "snapshot", 404),
        (packed("b"), "snapshot", 422),
        (packed(), "clip", 422),
        (packed(), "picture", 422),
        (packed()[:-1], "snapshot", 422),
        (packed() + b"x", "snapshot", 422),
        (packed()[:-1] + b"x", "snapshot", 422),
        (packed(parts={"original": JPEG}), "snapshot", 422),
        (packed(parts={"copy": COPY}), "snapshot", 422),
        (packed(), "snapshot/copy", 422),
        (b"", "snapshot", 422),
        (b"\n" + packed(), "snapshot", 422),
        (b"{}\n", "snapshot", 422),
        (b"x" * (MAX_HEAD_BYTES + 1000), "snapshot", 413),
        (b"\xff" * 100 + b"\n", "snapshot", 422),
    ],
)
def test_what_does_not_fit_is_refused(
    served: Api, worker: httpx.Client, body: bytes, path: str, status: int
) -> None:
    answer = post(worker, body, path)
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True), answer.text
    assert items(served) == []
    # and nothing of it is in the way of the right one
    assert post(served.client, packed()).status_code == 201


def test_what_is_too_large_is_refused_before_it_is_sent(served: Api) -> None:
    line = head().encode().replace(b"%d," % len(JPEG), b"%d," % (MAX_PART_BYTES["original"] + 1))
    assert line != head().encode()
    answer = post(served.client, line)
    assert answer.status_code == 422
    assert items(served) == []


def test_an_alert_that_there_is_not_yet(served: Api) -> None:
    answer = post(served.client, packed("later"), alert="later")
    assert answer.status_code == 404
    said = answer.json()["detail"]
    served.store.record([alert("later")])
    assert post(served.client, packed("later"), alert="later").status_code == 201
    none = served.client.get(f"{V1}/alerts/never/evidence").json()["detail"]
    assert none == said.replace("later", "never")


def test_a_key_of_another_camera_hears_of_nothing(served: Api) -> None:
    post(served.client, packed("b", camera="road"), alert="b")
    headers = {"authorization": f"Bearer {add_key(served.store, 'jaga', cameras=['plaza'])}"}
    with (
        httpx.Client(base_url=served.client.base_url, headers=headers) as other,
        worker_of(served, cameras=["plaza"]) as worker,
    ):
        for name in ("b", "never"):
            asked = [
                post(other, packed(name, camera="road"), alert=name),
                post(other, packed(name, camera="plaza"), alert=name),
                post(worker, packed(name, camera="road", parts={"copy": COPY}), "snapshot/copy",
                     alert=name),
                get(other, "snapshot/copy", alert=name),
                get(worker, "snapshot/material", alert=name),
                other.get(f"{V1}/alerts/{name}/evidence"),
                other.post(f"{V1}/alerts/{name}/evidence/clip/missing",
                           json={"camera": "road", "why": "no disk"}),
            ]  # fmt: skip
            assert {answer.status_code for answer in asked} == {404}
            (detail,) = {answer.json()["detail"].replace(name, "x") for answer in asked}
            assert detail.startswith("there is no alert")
    assert traces(served) == []


def test_why_there_is_none(served: Api) -> None:
    why = "the camera sends no packets"
    said = served.client.post(
        f"{V1}/alerts/a/evidence/clip/missing", json={"camera": "plaza", "why": why}
    )
    assert said.status_code == 204
    (item,) = items(served)
    assert (item["form"], item["state"], item["why"], item["from"]) == (
        "clip",
        "missing",
        why,
        None,
    )
    assert get(served.client, "clip/copy").status_code == 404
    other = {"camera": "road", "why": why}
    path = f"{V1}/alerts/a/evidence/clip/missing"
    assert served.client.post(path, json=other).status_code == 404
    assert served.client.post(path, json={"camera": "plaza", "why": ""}).status_code == 422
    assert (
        served.client.post(path, json={"camera": "plaza", "why": "x" * 70_000}).status_code == 413
    )


def test_an_upload_that_stops_half_way(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "STALLED_S", 0.5)
    body = packed()

    def ended(rest: bytes, *, close: bool) -> bytes:
        """What is answered to a body of which only so much comes."""
        raw = socket.create_connection(("127.0.0.1", served.client.base_url.port))
        with closing(raw):
            raw.sendall(
                f"POST {V1}/alerts/a/evidence/snapshot HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {served.key}\r\nContent-Type: {CONTENT_TYPE}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + rest
            )
            if close:
                return b""
            raw.settimeout(GUARD_S)
            with suppress(TimeoutError):
                return raw.recv(4096)
        return b""

    line = body.index(b"\n") + 1
    for sent in (0, 10, line, line + 100, len(body) - 1):
        assert b" 408 " in ended(body[:sent], close=False)
        ended(body[:sent], close=True)
    wait_until(lambda: post(served.client, b"").status_code == 422, GUARD_S)
    assert items(served) == []
    assert post(served.client, body).status_code == 201


def test_so_many_at_once_and_no_more(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MAX_UPLOADS", 1)
    body, go = packed(), threading.Event()
    inner: Any = served.door.inner
    intake = inner.state.services.intake

    def slowly() -> Iterator[bytes]:
        yield body[:100]
        go.wait(GUARD_S)
        yield body[100:]

    answers: list[int] = []
    with httpx.Client(base_url=served.client.base_url, headers=served.client.headers) as other:
        thread = threading.Thread(target=lambda: answers.append(post(other, slowly()).status_code))
        thread.start()
        wait_until(lambda: intake._running, GUARD_S)
        other_one = post(served.client, body)
        assert other_one.status_code == 503
        assert other_one.headers["retry-after"]
        go.set()
        thread.join(GUARD_S)
    assert answers == [201]
    assert post(served.client, body).status_code == 200


@pytest.mark.parametrize("error", [NoRoomError("the disk is full: make room"), None])
def test_a_room_that_cannot(
    served: Api, monkeypatch: pytest.MonkeyPatch, error: NoRoomError | None
) -> None:
    def fail(*_: Any) -> Any:
        raise error or StoreGoneError("the database does not answer")

    monkeypatch.setattr(served.room, "take", fail)
    answer = post(served.client, packed())
    assert answer.status_code == (507 if error else 503)
    assert answer.headers["retry-after"]
