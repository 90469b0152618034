"""Evidence as a worker sends it, of made-up bytes or of a real clip."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import av
import cv2
import httpx
import numpy as np

from api.store import Wanted
from streams.evidenceform import CONTENT_TYPE, Form, Head, Part, PartName
from tests.api.served import DAY, Api, add_key

V1: Final = "/api/v1"
JPEG: Final = b"\xff\xd8 the picture " + bytes(range(256)) * 40 + b"\xff\xd9"
BOXES: Final = b'{"schema": 1, "boxes": []}'
COPY: Final = b"\xff\xd8 the masked picture " + bytes(range(256)) * 20 + b"\xff\xd9"
RATE: Final = 10


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def head(
    alert: str = "a", form: Form = "snapshot", camera: str = "plaza", *,
    parts: dict[PartName, bytes] | None = None, **more: Any,
) -> Head:  # fmt: skip
    """The line before these parts: original and boxes, unless told otherwise."""
    parts = {"original": JPEG, "boxes": BOXES} if parts is None else parts
    media = "image/jpeg" if form == "snapshot" else "video/mp4"
    values: dict[str, Any] = {"from": DAY, "to": DAY, "revision": 1, "media": media} | more
    return Head.model_validate({
        "schema": 1, "alert": alert, "camera": camera, "form": form,
        "copy_why": None, "note": None,
        "parts": [
            Part(name=name, size=len(body), sha256=sha(body)) for name, body in parts.items()
        ],
        **values,
    })  # fmt: skip


def packed(*args: Any, parts: dict[PartName, bytes] | None = None, **more: Any) -> bytes:
    """The whole body."""
    parts = {"original": JPEG, "boxes": BOXES} if parts is None else parts
    return head(*args, parts=parts, **more).encode() + b"".join(parts.values())


def post(
    client: httpx.Client, body: Any, path: str = "snapshot", *, alert: str = "a", **more: Any
) -> httpx.Response:
    """Send a body, or the pieces of one, as evidence of an alert."""
    headers = {"content-type": CONTENT_TYPE}
    url = f"{V1}/alerts/{alert}/evidence/{path}"
    return client.post(url, content=body, headers=headers, **more)


@contextmanager
def worker_of(served: Api, name: str = "worker-1", **more: Any) -> Iterator[httpx.Client]:
    """A client with a worker's key of this name."""
    key = add_key(served.store, name, worker=True, **more)
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=served.client.base_url, headers=headers) as client:
        yield client


def get(client: httpx.Client, path: str, *, alert: str = "a", **headers: str) -> httpx.Response:
    return client.get(f"{V1}/alerts/{alert}/evidence/{path}", headers=headers)


def clip(seconds: float = 4.0, size: tuple[int, int] = (160, 90)) -> bytes:
    """A real MP4 with H.264, its index first, that gets brighter."""
    width, height = size
    with TemporaryDirectory() as folder:
        file = Path(folder) / "clip.mp4"
        with av.open(str(file), "w", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=RATE, options={"g": str(RATE)})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for number in range(int(seconds * RATE)):
                image = np.full((height, width, 3), 40 + 4 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            container.mux(stream.encode(None))
        return file.read_bytes()


def picture(size: tuple[int, int] = (160, 90)) -> bytes:
    """A real JPEG."""
    width, height = size
    good, found = cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8))
    assert good
    return found.tobytes()


def items(served: Api, name: str = "a") -> list[dict[str, Any]]:
    answer = served.client.get(f"{V1}/alerts/{name}/evidence")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def traces(served: Api) -> list[tuple[str, str, str, Any]]:
    entries = served.store.audit.find(Wanted(action="evidence"), limit=100).entries
    return [(each.actor, each.action, each.object, each.after) for each in entries]
