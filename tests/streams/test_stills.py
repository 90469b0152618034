"""A picture as it is, and how a view looks, of a camera that somebody draws on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from streams.bus.memory_control import MemoryControl
from streams.commands import decode_command
from streams.drawing import Still, Taken
from streams.health import State
from streams.messages import encode
from streams.pictures import Offer, Pictures
from streams.stills import BUSY, take_still
from tests.streams.test_pictures import TS, scene, tracked
from tests.streams.test_presets import drawn as structured
from tests.streams.workers import Running, camera, drawn, quick
from tests.waiting import PATIENCE_S
from vision.types import Frame, Image
from vision.views import View


@contextmanager
def looking(pictures: Pictures, image: Callable[[int], Image]) -> Iterator[None]:
    """A camera that analyses 20 pictures a second, on which a scene is drawn."""
    stop = threading.Event()

    def work() -> None:
        for index in range(100_000):
            if stop.wait(0.05):
                return
            if pictures.wanted("plaza"):
                frame = Frame("plaza", index, TS + index * 0.25, image(index))
                pictures.offer("plaza", Offer(frame, tracked(), scene(), {}, ()))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)


def taken(image: Callable[[int], Image], **more: object) -> Taken:
    wanted = Still.model_validate({"camera": "plaza"} | more)
    assert decode_command(encode(wanted)) == wanted
    pictures = Pictures(MemoryControl())
    with looking(pictures, image):
        found = take_still(wanted, pictures, threading.Event())
    assert not pictures.wanted("plaza"), "nobody waits any more"
    assert Taken.of(encode(found)) == found
    return found


def plain(width: int = 640, height: int = 352) -> Image:
    return np.full((height, width, 3), 120, np.uint8)


def test_nothing_is_drawn_on_it() -> None:
    found = taken(lambda _: plain())
    assert (found.ok, found.width, found.height) == (True, 640, 352)
    assert found.ts is not None
    assert found.ts >= TS
    image = cv2.imdecode(np.frombuffer(found.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert int(image.max()) - int(image.min()) <= 2


def test_a_large_one_is_made_smaller() -> None:
    found = taken(lambda _: plain(3840, 2160))
    assert (found.width, found.height) == (1920, 1080)


def test_how_its_view_looks() -> None:
    home = structured(1)
    found = taken(lambda index: structured(9) if index % 5 == 4 else home, view=True)
    assert found.ok, found.message
    # who passes is not in it
    assert found.view == View.of([home]).text


def test_a_wall_has_no_view() -> None:
    found = taken(lambda _: plain(), view=True)
    assert not found.ok
    assert "too little texture" in found.message


def test_where_no_picture_comes() -> None:
    pictures = Pictures(MemoryControl())
    found = take_still(Still(camera="plaza", timeout_s=1), pictures, threading.Event())
    assert (found.ok, found.message[:38]) == (False, "no picture was analysed within 1 s: se")
    stop = threading.Event()
    stop.set()
    begun_s = time.monotonic()
    assert not take_still(Still(camera="plaza", timeout_s=30), pictures, stop).ok
    assert time.monotonic() - begun_s < 30


def test_several_at_once_have_the_same_picture() -> None:
    pictures, found = Pictures(MemoryControl()), list[Taken]()

    def take() -> None:
        found.append(take_still(Still(camera="plaza"), pictures, threading.Event()))

    threads = [threading.Thread(target=take) for _ in range(3)]
    with looking(pictures, lambda _: plain()):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert [each.ok for each in found] == [True] * 3


def test_a_worker_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    with Running(tmp_path) as running:
        running.configure(drawn(camera("a"), 1))
        running.until("a", state=State.LIVE, revision=1)

        def send(name: str, timeout_s: float) -> str:
            wanted = Still(camera=name, timeout_s=timeout_s)
            return running.control.send("w", encode(wanted), ttl_s=PATIENCE_S)

        def answer(command: str) -> Taken:
            body = running.control.answered(command, wait_s=PATIENCE_S)
            assert body is not None
            return Taken.of(body)

        still = answer(send("a", 10))
        assert still.ok
        # the size stands in the report once a picture was analysed
        running.until("a", width=still.width, height=still.height)
        # of no camera none comes, and no more wait for one than may
        waiting = [send("none", 2) for _ in range(5)]
        said = [answer(command) for command in waiting]
        assert [each.ok for each in said] == [False] * 5
        assert [each.busy for each in said].count(True) == 1
        assert BUSY in said
