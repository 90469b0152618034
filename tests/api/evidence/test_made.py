"""Evidence between a real worker's sender and masker and the real API: what the first look has made
is no more what the camera sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import av
import numpy as np

from streams.apiclient import ApiClient
from streams.commands import Mask, decode_command
from streams.evidenceboxes import encode_boxes
from streams.evidencecopies import copy_made
from streams.messages import encode
from tests.api.evidence.packing import V1, get, packed, post
from tests.api.served import Api, add_key, wait_until
from tests.streams.test_maskingprocess import ELSEWHERE, HEAD, START_TS, film, standing
from vision.types import Image

GUARD_S = 60.0


@contextmanager
def worker(served: Api, folder: Path) -> Iterator[None]:
    """One that masks what it is asked for, with a worker's key."""
    stop = threading.Event()
    key = add_key(served.store, "worker-1", cameras=["plaza"], worker=True)
    client = ApiClient(str(served.client.base_url).rstrip("/"), key)

    def work() -> None:
        while not stop.is_set():
            for command in served.control.take("w", wait_s=0.05):
                wanted = decode_command(command.body)
                assert isinstance(wanted, Mask)
                masked = copy_made(wanted, client, folder, stop)
                served.control.answer(command.id, encode(masked))
        client.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(GUARD_S)


def pictures(body: bytes) -> list[Image]:
    with av.open(BytesIO(body)) as container:
        return [np.asarray(f.to_ndarray(format="bgr24")) for f in container.decode(video=0)]


def test_the_first_look_masks_what_a_camera_sent(served: Api, tmp_path: Path) -> None:
    original = film(tmp_path / "film.mp4", count=10).read_bytes()
    span = {"from": START_TS, "to": START_TS + 1}
    boxes = encode_boxes(standing(-1, 2))
    body = packed("a", "clip", parts={"original": original, "boxes": boxes}, **span)
    assert post(served.client, body, "clip").status_code == 201
    (tmp_path / "masking").mkdir()
    with worker(served, tmp_path / "masking"):
        wait_until(lambda: get(served.client, "clip/copy").status_code != 202, GUARD_S)
    found = get(served.client, "clip/copy")
    assert found.status_code == 200, found.text
    assert found.headers["content-type"] == "video/mp4"
    before, after = pictures(original)[0], pictures(found.content)[0]
    change = np.abs(before.astype(int) - after.astype(int))
    assert change[HEAD].mean() > 2 * change[ELSEWHERE].mean()
    (item,) = served.client.get(f"{V1}/alerts/a/evidence").json()["items"]
    assert item["copy"] == "ready"
