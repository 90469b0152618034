"""Evidence as people are shown it: copies for players, originals with a trace, and what those who
answer for it do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from api.access import Role
from api.evidence import transfer
from api.evidence.files import Files
from api.evidence.refusals import DamagedError
from api.store import Rights
from streams.evidenceform import CONTENT_TYPE, Head
from tests.api.evidence.packing import BOXES, COPY, JPEG, V1, get, items, packed, post, traces
from tests.api.served import DAY, TESTER, Api, add_user, alert, person, wait_until
from vision.errors import StoreGoneError

GUARD_S = 20.0


def test_a_player_asks_for_some_bytes(shown: Api) -> None:
    whole = get(shown.client, "snapshot/copy")
    assert whole.headers["accept-ranges"] == "bytes"
    assert "content-range" not in whole.headers
    tag = whole.headers["etag"]
    size = len(COPY)
    for asked, start, end in (
        ("bytes=0-", 0, size - 1), ("bytes=3-9", 3, 9), ("bytes=-7", size - 7, size - 1)
    ):  # fmt: skip
        for more in ({}, {"if-range": tag}):
            answer = get(shown.client, "snapshot/copy", range=asked, **more)
            assert answer.status_code == 206
            assert answer.headers["content-range"] == f"bytes {start}-{end}/{size}"
            assert answer.content == COPY[start : end + 1]
    beyond = get(shown.client, "snapshot/copy", range=f"bytes={size}-")
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{size}"
    other = get(shown.client, "snapshot/copy", range="bytes=3-9", **{"if-range": '"other"'})
    assert (other.status_code, other.content) == (200, COPY)


def test_an_original_leaves_a_trace(shown: Api, administrator: httpx.Client) -> None:
    answer = get(administrator, "snapshot/original")
    assert (answer.status_code, answer.content) == (200, JPEG)
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-disposition"] == 'attachment; filename="a-snapshot-original.jpg"'
    assert traces(shown) == [("petugas", "evidence.original", "a", {"form": "snapshot"})]
    assert get(administrator, "clip/original").status_code == 404
    assert len(traces(shown)) == 1, "what there is not is given to nobody"


def test_material_for_a_worker_leaves_a_trace(shown: Api, worker: httpx.Client) -> None:
    answer = get(worker, "snapshot/material")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == CONTENT_TYPE
    line, _, rest = answer.content.partition(b"\n")
    found = Head.decode(line + b"\n")
    assert [part.name for part in found.parts] == ["original", "boxes"]
    assert rest == JPEG + BOXES
    assert traces(shown) == [("worker-1", "evidence.material", "a", {"form": "snapshot"})]


@pytest.mark.parametrize("what", ["original", "material"])
def test_without_a_trace_not_a_byte(
    shown: Api,
    administrator: httpx.Client,
    worker: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise StoreGoneError("the database does not answer")

    monkeypatch.setattr(shown.store.audit, "add", fail)
    answer = get(administrator if what == "original" else worker, f"snapshot/{what}")
    assert answer.status_code == 503
    assert JPEG[:20] not in answer.content
    assert answer.json()["detail"] == "the database does not answer"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ANALYST])
def test_who_may_see_what(shown: Api, role: Role) -> None:
    user = add_user(shown.store, "room1", role, cameras=["plaza"])
    with person(shown, user) as client:
        sees = 403 if role is Role.ANALYST else 200
        assert get(client, "snapshot/copy").status_code == sees
        assert client.get(f"{V1}/alerts/a/evidence").status_code == sees
        for path in ("snapshot/original", "snapshot/material"):
            answer = get(client, path)
            assert answer.status_code == 403
            assert JPEG[:20] not in answer.content
        for path in ("alerts/a/hold", "alerts/a/release", "evidence/delete"):
            assert client.post(f"{V1}/{path}", json={"reason": "x"}).status_code == 403
        assert client.get(f"{V1}/evidence").status_code == 403
    assert traces(shown) == []


def test_no_key_sees_an_original(
    shown: Api, administrator: httpx.Client, worker: httpx.Client
) -> None:
    """Whatever its scopes are: who looks is a person, and who masks is a worker."""
    for client in (shown.client, administrator):
        assert get(client, "snapshot/material").status_code == 403
        body = packed(parts={"copy": COPY})
        assert post(client, body, "snapshot/copy").status_code == 403
    assert traces(shown) == []
    assert get(worker, "snapshot/original").status_code == 403
    assert get(shown.client, "snapshot/original").status_code == 403
    assert shown.client.get(f"{V1}/evidence").status_code == 403


def test_what_is_damaged_is_not_shown(
    shown: Api, administrator: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise DamagedError("the picture is not what was stored")

    monkeypatch.setattr(shown.room, "read", fail)
    for path in ("snapshot/copy", "snapshot/original"):
        assert get(administrator, path).status_code == 404
    assert traces(shown) == []


def test_a_right_that_ends_ends_what_is_sent(shown: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "CHECK_S", -1.0)
    monkeypatch.setattr("api.known.CACHE_S", 0.0)
    assert get(shown.client, "snapshot/copy").status_code == 200
    user = add_user(shown.store, "room1", Role.VIEWER, cameras=["plaza"])
    with person(shown, user) as client:
        lookup: Callable[..., Any] = shown.room.read

        def read(*args: Any) -> Any:
            found = lookup(*args)
            shown.store.people.change(user, Rights(Role.ANALYST), TESTER)
            return found

        monkeypatch.setattr(shown.room, "read", read)
        with pytest.raises(httpx.RemoteProtocolError):
            get(client, "snapshot/copy")


# --- who answers for it


def test_found_held_deleted(shown: Api, administrator: httpx.Client, worker: httpx.Client) -> None:
    span = {"from": "2026-01-31T00:00:00Z", "to": "2026-01-31T01:00:00Z"}
    found = administrator.get(f"{V1}/evidence", params={"camera": "plaza", **span}).json()
    assert [(each["alert"], each["form"]) for each in found["items"]] == [("a", "snapshot")]
    assert found["more"] is False
    assert administrator.get(f"{V1}/evidence", params={"camera": "road"}).json()["items"] == []
    wish = {"camera": "plaza", **span, "reason": "they asked for it"}
    assert administrator.post(f"{V1}/alerts/a/hold", json={"reason": "court"}).status_code == 204
    assert items(shown)[0]["hold"] is True
    kept = administrator.post(f"{V1}/evidence/delete", json=wish)
    assert kept.json() == {"deleted": 0, "spared": 1}
    assert administrator.post(f"{V1}/alerts/a/release", json={"reason": "over"}).status_code == 204
    gone = administrator.post(f"{V1}/evidence/delete", json=wish)
    assert gone.json() == {"deleted": 1, "spared": 0}
    (item,) = items(shown)
    assert (item["state"], item["why"]) == ("deleted", "they asked for it")
    for path in ("snapshot/copy", "snapshot/original"):
        assert get(administrator, path).status_code == 410
    assert get(worker, "snapshot/material").status_code == 410
    assert post(shown.client, packed()).status_code == 410
    assert {actor for actor, _, _, _ in traces(shown)} == {"petugas"}


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"camera": "plaza", "from": "2026-01-31T00:00:00Z", "to": "2026-01-31T01:00:00Z"},
        {"camera": "plaza", "from": "2026-01-31T01:00:00Z", "to": "2026-01-31T01:00:00Z",
         "reason": "x"},
        {"camera": "plaza", "from": "2026-01-31T00:00:00Z", "to": "2026-01-31T01:00:00Z",
         "reason": ""},
        {"from": "2026-01-31T00:00:00Z", "to": "2026-01-31T01:00:00Z", "reason": "x"},
    ],
)  # fmt: skip
def test_what_is_deleted_is_said_whole(
    shown: Api, administrator: httpx.Client, wish: dict[str, str]
) -> None:
    assert administrator.post(f"{V1}/evidence/delete", json=wish).status_code == 422
    assert items(shown)[0]["state"] == "stored"


def test_heads_that_are_not_kept_are_said(shown: Api, tmp_path: Path) -> None:
    answer = shown.client.get("/readyz").json()
    assert answer["evidence"] == "ok"
    # whoever takes the file away takes what proves that nothing is missing
    heads = shown.room._heads._path
    heads.rename(tmp_path / "elsewhere")
    shown.store.record([alert("c")])
    assert post(shown.client, packed("c"), alert="c").status_code == 201
    answer = shown.client.get("/readyz").json()
    assert str(heads) in answer["evidence"]
    assert answer["ready"] is False
    (tmp_path / "elsewhere").rename(heads)
    shown.room.sweep(DAY)
    assert shown.client.get("/readyz").json()["evidence"] == "ok"


def change(world: Api, part: str) -> None:
    """Another file of the same length."""
    (file,) = Path(world.room._files.label).rglob(f"*.{part}")
    file.write_bytes(b"\0" + file.read_bytes()[1:])


def read_into(came: list[bytes], client: httpx.Client, path: str) -> None:
    with client.stream("GET", f"{V1}/alerts/a/evidence/{path}") as answer:
        came.extend(answer.iter_raw())


def test_what_was_changed_at_equal_length_is_not_given_out(
    shown: Api, administrator: httpx.Client, worker: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.evidence.files.CHUNK", 4000)
    change(shown, "original")
    for client, path in ((administrator, "snapshot/original"), (worker, "snapshot/material")):
        came = list[bytes]()
        with structlog.testing.capture_logs() as logs, pytest.raises(httpx.RemoteProtocolError):
            read_into(came, client, path)
        assert JPEG[-100:] not in b"".join(came)
        (said,) = [each for each in logs if each["log_level"] == "error"]
        assert said["file"].endswith(".original")
    assert items(shown)[0]["state"] == "stored"


def test_a_copy_that_was_changed_is_made_anew(shown: Api, worker: httpx.Client) -> None:
    change(shown, "copy")
    with pytest.raises(httpx.RemoteProtocolError):
        get(shown.client, "snapshot/copy")
    assert items(shown)[0]["copy"] == "none"
    assert get(shown.client, "snapshot/copy").status_code == 202
    assert post(worker, packed(parts={"copy": COPY}), "snapshot/copy").status_code == 201
    assert get(shown.client, "snapshot/copy").content == COPY


def test_a_silent_storage_leaves_the_others_alone(
    shown: Api, administrator: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "WAIT_S", 0.2)
    go, waiting, size = threading.Event(), list[str](), Files.size

    def silent(files: Files, name: str) -> int:
        waiting.append(name)
        go.wait(GUARD_S)
        return size(files, name)

    monkeypatch.setattr(Files, "size", silent)
    with ThreadPoolExecutor(transfer.MAX_READING) as pool:
        first = [
            pool.submit(get, shown.client, "snapshot/copy") for _ in range(transfer.MAX_READING)
        ]
        wait_until(lambda: len(waiting) == transfer.MAX_READING, GUARD_S)
        late = get(administrator, "snapshot/original")
        assert (late.status_code, late.json()["detail"]) == (503, transfer.SILENT)
        assert late.headers["retry-after"]
        assert len(waiting) == transfer.MAX_READING
        assert items(shown)[0]["state"] == "stored"
        go.set()
        assert {each.result().status_code for each in first} == {200}
    assert get(administrator, "snapshot/original").content == JPEG
