"""Copies that the API asks for: fetched, made, posted, or a sentence why not."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest

from streams.commands import Mask, Masked
from streams.evidence import Evidence
from streams.evidenceboxes import encode_boxes
from streams.evidenceform import Form, Head, Part
from streams.evidenceposting import STORED
from streams.evidencewaiting import UNWRITABLE
from tests.streams.evidenceapi import COPY, MATERIAL, EvidenceApi, evidence_api
from tests.streams.servers import free_port
from tests.streams.test_maskingprocess import START_TS, film, noise, pictures, standing

WANTED = Mask(alert="a1", camera="room1", form="clip")


@pytest.fixture
def api() -> Iterator[EvidenceApi]:
    with evidence_api() as found:
        yield found


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return film(tmp_path_factory.mktemp("films") / "film.mp4", count=10).read_bytes()


def material(
    original: bytes,
    alert: str = "a1",
    *,
    parts: int = 2,
    form: Form = "clip",
    media: Literal["image/jpeg", "video/mp4"] = "video/mp4",
) -> bytes:
    contents = {"original": original, "boxes": encode_boxes(standing(-1, 2))}
    told = [
        Part(name, len(body), hashlib.sha256(body).hexdigest())  # type: ignore[arg-type]
        for name, body in contents.items()
    ][:parts]
    head = Head(
        alert=alert, camera="room1", form=form, from_ts=START_TS, to_ts=START_TS + 1,
        revision=1, media=media, parts=tuple(told),
    )  # fmt: skip
    return head.encode() + b"".join([*contents.values()][:parts])


def masked(folder: Path, api: EvidenceApi, wanted: Mask = WANTED) -> Masked:
    evidence = Evidence(folder / "evidence", api.connect)
    answer = evidence.mask(wanted, threading.Event())
    assert not list((folder / "evidence").iterdir()), "nothing is left behind"
    return answer


def test_a_copy_is_made_and_posted(tmp_path: Path, api: EvidenceApi, original: bytes) -> None:
    api.material = material(original)
    assert masked(tmp_path, api) == Masked(ok=True)
    item = api.copies["a1", "clip"]
    assert (item.head.camera, item.head.from_ts) == ("room1", START_TS)
    assert list(item.parts) == ["copy"]
    (tmp_path / "copy.mp4").write_bytes(item.parts["copy"])
    assert pictures(tmp_path / "copy.mp4")


def test_a_picture_is_copied_too(tmp_path: Path, api: EvidenceApi) -> None:
    jpeg = cv2.imencode(".jpg", noise(1))[1].tobytes()
    api.material = material(jpeg, form="snapshot", media="image/jpeg")
    wanted = Mask(alert="a1", camera="room1", form="snapshot")
    assert masked(tmp_path, api, wanted) == Masked(ok=True)
    item = api.copies["a1", "snapshot"]
    assert item.head.media == "image/jpeg"
    assert cv2.imdecode(np.frombuffer(item.parts["copy"], np.uint8), cv2.IMREAD_COLOR) is not None


@pytest.mark.parametrize(
    ("what", "status", "why"),
    [
        (MATERIAL, 404, "has no such evidence"),
        (MATERIAL, 410, "was deleted"),
        (MATERIAL, 401, "refuses the key"),
        (COPY, 507, "no room for the copy"),
        (COPY, 410, "was deleted"),
        (COPY, 500, "status 500"),
    ],
)
def test_an_api_that_says_no(
    tmp_path: Path, api: EvidenceApi, original: bytes, what: str, status: int, why: str
) -> None:
    assert status not in STORED
    api.material = material(original)
    api.answers = {what: deque([status])}
    answer = masked(tmp_path, api)
    assert not answer.ok
    assert why in answer.message


def test_material_that_is_not_what_it_says(
    tmp_path: Path, api: EvidenceApi, original: bytes
) -> None:
    damaged = bytearray(material(original))
    damaged[-100] ^= 1
    for body, why in (
        (material(original, "a2"), "of another alert"),
        (material(original, parts=1), "has no boxes"),
        (bytes(damaged), "boxes came damaged"),
        (material(original)[:-10], "boxes came damaged"),
        (material(b"no video"), "cannot be masked"),
        (b"welcome", "does not fit"),
    ):
        api.material = body
        answer = masked(tmp_path, api)
        assert not answer.ok
        assert why in answer.message
    assert api.copies == {}


def test_no_api_and_no_room(tmp_path: Path, api: EvidenceApi) -> None:
    gone = EvidenceApi(url=f"http://127.0.0.1:{free_port()}")
    assert "does not answer" in masked(tmp_path, gone).message
    (tmp_path / "file").write_text("this is a file")
    answer = Evidence(tmp_path / "file" / "evidence", api.connect).mask(WANTED, threading.Event())
    assert not answer.ok
    assert UNWRITABLE in answer.message
