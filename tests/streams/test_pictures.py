"""Live pictures of a worker: made while somebody views them, of the newest that there is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import pytest
from structlog.testing import capture_logs

from streams.bus.control import Pictures as Followed
from streams.bus.memory_control import MemoryControl
from streams.commands import Picture
from streams.pictures import MAX_FPS, MAX_LEASES, MAX_SIDE_PX, Offer, Pictures
from streams.scenefile import scene_of
from tests.streams.servers import until
from vision.draw import ALERT
from vision.errors import BusError
from vision.scene import Scene
from vision.types import Detections, Event, Frame, Track, Tracked

GUARD_S = 20
TS = 1_769_817_600.0
"""2026-01-31T00:00:00Z, 08:00:00 in Makassar."""
SIZE = (640, 352)
NO_COUNTS: Mapping[str, Mapping[str, int]] = {}


def frame(value: int = 120, camera: str = "plaza", size: tuple[int, int] = SIZE) -> Frame:
    return Frame(camera, 0, TS, np.full((size[1], size[0], 3), value, np.uint8))


def scene() -> Scene:
    line = {"name": "gate", "points": [[100, 300], [500, 300]], "forward": "in", "backward": "out"}
    return scene_of({"frame_size": list(SIZE), "lines": [line], "classes": ["person"]}, "test")


def tracked(*tracks: Track) -> Tracked:
    none = Detections.empty()
    return Tracked("plaza", 0, TS, ("person",), none, np.zeros(0, np.int32), tracks, ())


def event() -> Event:
    return Event("e", "intrusion", "r", "plaza", "gate", TS - 5, TS - 5, None, (), 1.0, {})


@contextmanager
def making(control: Any) -> Iterator[Pictures]:
    pictures = Pictures(control)
    pictures.start()
    try:
        yield pictures
    finally:
        pictures.stop()
        assert pictures.alive


@contextmanager
def following(control: MemoryControl, *cameras: str) -> Iterator[Followed]:
    followed = control.pictures()
    followed.follow(cameras)
    yield followed
    followed.close()


@pytest.fixture
def control() -> Iterator[MemoryControl]:
    made = MemoryControl()
    yield made
    made.close()


@pytest.fixture
def pictures(control: MemoryControl) -> Iterator[Pictures]:
    with making(control) as made:
        yield made


def offer(pictures: Pictures, one: Frame, camera: str = "plaza") -> None:
    pictures.offer(camera, Offer(one, None, None, NO_COUNTS, ()))


def shown(followed: Followed) -> tuple[str, Picture]:
    found = followed.next(wait_s=GUARD_S)
    assert found is not None
    return found[0], Picture.decode(found[1])


def image(picture: Picture) -> np.ndarray[Any, Any]:
    decoded = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (picture.height, picture.width, 3)
    return decoded


# --- what is shown


def test_without_a_scene_it_is_the_picture_itself(
    control: MemoryControl, pictures: Pictures
) -> None:
    pictures.lease("plaza")
    with following(control, "plaza") as followed:
        offer(pictures, frame(77))
        camera, picture = shown(followed)
    assert (camera, picture.ts, picture.width, picture.height) == ("plaza", TS, *SIZE)
    assert np.abs(image(picture).astype(int) - 77).max() <= 2
    assert pictures.made == 1


def test_the_scene_is_drawn_with_what_was_seen(control: MemoryControl, pictures: Pictures) -> None:
    box = np.array([200, 100, 260, 220], np.float32)
    path = np.array([[230, 220, 0]], np.float32)
    person = Track(7, "person", 1.0, 0.9, TS, TS, box, path, np.array([[60, 120]], np.float32))
    pictures.lease("plaza")
    with following(control, "plaza") as followed:
        pictures.offer(
            "plaza", Offer(frame(), tracked(person), scene(), {"gate": {"in": 3}}, [event()])
        )
        seen = image(shown(followed)[1]).astype(int)
    assert np.abs(seen[90:230, 190:270] - 120).max() > 60, "the box"
    red = np.abs(seen[295:306, 150:450] - np.array(ALERT)).sum(axis=2) < 60
    assert red.any(), "the line of an open event is red"


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((960, 540), (960, 540)),
        ((1920, 1080), (960, 540)),
        ((2592, 1944), (960, 720)),
        ((1080, 1920), (540, 960)),
        ((5000, 2), (960, 1)),
        ((16, 16), (16, 16)),
    ],
)
def test_large_pictures_are_made_smaller(
    control: MemoryControl,
    pictures: Pictures,
    size: tuple[int, int],
    wanted: tuple[int, int],
) -> None:
    pictures.lease("plaza")
    with following(control, "plaza") as followed:
        offer(pictures, frame(size=size))
        picture = shown(followed)[1]
    assert (picture.width, picture.height) == wanted
    assert max(wanted) <= MAX_SIDE_PX
    image(picture)


def test_the_clock_is_the_citys(control: MemoryControl, pictures: Pictures) -> None:
    drawn = []

    def spy(image: Any, *_: Any, clock: str, **__: Any) -> Any:
        drawn.append(clock)
        return image

    with pytest.MonkeyPatch.context() as patch, following(control, "plaza") as followed:
        patch.setattr("streams.pictures.draw", spy)
        pictures.lease("plaza")
        pictures.offer("plaza", Offer(frame(), tracked(), scene(), NO_COUNTS, ()))
        shown(followed)
    assert drawn == ["08:00:00"]


# --- who views


def test_nothing_is_made_that_nobody_views(control: MemoryControl, pictures: Pictures) -> None:
    assert not pictures.wanted("plaza")
    with following(control, "plaza", "road") as followed:
        offer(pictures, frame())
        pictures.lease("road")
        assert not pictures.wanted("plaza")
        assert pictures.wanted("road")
        assert followed.next(wait_s=0.3) is None
    assert pictures.made == 0


def test_after_the_last_wish_nothing_is_made(
    control: MemoryControl, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.pictures.LEASE_S", 0.6)
    monkeypatch.setattr("streams.pictures.LOOK_S", 0.05)
    with following(control, "plaza"):
        for _ in range(4):
            pictures.lease("plaza")
            time.sleep(0.2)
            assert pictures.wanted("plaza"), "a wish goes on with the lease"
            offer(pictures, frame())
        until(lambda: not pictures._leases, GUARD_S, "the lease ends, and nothing is kept of it")
        made = pictures.made
        assert 1 <= made <= 4
        for _ in range(20):
            assert not pictures.wanted("plaza")
            offer(pictures, frame())
            time.sleep(0.01)
        assert pictures.made == made


def test_pictures_that_nobody_gets_are_made_no_more(
    control: MemoryControl, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.pictures.UNSEEN_S", 0.3)
    monkeypatch.setattr("streams.pictures.LEASE_S", 1000.0)
    pictures.lease("plaza")
    with following(control, "plaza") as followed:
        for _ in range(5):
            offer(pictures, frame())
            shown(followed)
            time.sleep(0.15)
        assert pictures.wanted("plaza")

    def ended() -> bool:
        offer(pictures, frame())
        time.sleep(0.05)
        return not pictures.wanted("plaza") and "plaza" not in pictures._leases

    until(ended, GUARD_S, "its lease ends long before its time")
    pictures.lease("plaza")
    assert pictures.wanted("plaza"), "until somebody asks again"


def test_so_many_pictures_a_second_at_most(pictures: Pictures) -> None:
    pictures.lease("plaza")
    taken = 0
    until_s = time.monotonic() + 0.5
    while time.monotonic() < until_s:
        if pictures.wanted("plaza"):
            offer(pictures, frame())
            taken += 1
        time.sleep(0.001)
    assert 1 <= taken <= 6


def test_whoever_follows_does_not_make_more_of_them(control: MemoryControl) -> None:
    begun_s = time.monotonic()
    with making(control) as pictures, pictures.following("plaza"):
        pictures.lease("plaza")
        for _ in range(40):
            offer(pictures, frame())
            time.sleep(0.005)
        assert pictures.made <= 1 + MAX_FPS * (time.monotonic() - begun_s) / 0.9


def test_of_many_offers_the_newest_is_made(control: MemoryControl) -> None:
    pictures = Pictures(control)
    pictures.lease("plaza")
    for value in range(10, 110, 10):
        offer(pictures, frame(value))
    with following(control, "plaza") as followed:
        pictures.start()
        assert abs(int(image(shown(followed)[1])[0, 0, 0]) - 100) <= 2
        assert followed.next(wait_s=0.3) is None
    pictures.stop()
    assert pictures.made == 1


def test_every_camera_has_its_turn(control: MemoryControl, pictures: Pictures) -> None:
    cameras = [f"c{n}" for n in range(8)]
    for camera in cameras:
        pictures.lease(camera)
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            for camera in cameras:
                offer(pictures, frame(camera=camera), camera)

    thread = threading.Thread(target=busy, daemon=True)
    with following(control, *cameras) as followed:
        thread.start()
        try:
            seen = [shown(followed)[0] for _ in range(40)]
        finally:
            stop.set()
            thread.join(GUARD_S)
    assert min(seen.count(camera) for camera in cameras) >= 3


def test_leases_are_bounded(pictures: Pictures) -> None:
    for n in range(MAX_LEASES + 10):
        pictures.lease(f"c{n}")
    assert pictures.wanted(f"c{MAX_LEASES - 1}")
    assert not pictures.wanted(f"c{MAX_LEASES + 1}")


# --- trouble


class Gone(MemoryControl):
    """A bus that is gone for as long as a test wants, and one that hangs."""

    gone = hangs = False
    calls = 0

    def show(self, camera: str, picture: bytes) -> int:
        self.calls += 1
        while self.hangs:
            time.sleep(0.01)
        if self.gone:
            raise BusError("the bus is gone")
        return super().show(camera, picture)


def test_a_bus_that_is_gone_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.pictures.FIRST_DELAY_S", 0.02)
    control = Gone()
    with capture_logs() as logs, making(control) as pictures:
        pictures._delay_s = 0.02
        pictures.lease("plaza")
        control.gone = True

        def lost(times: int) -> bool:
            offer(pictures, frame())
            return control.calls >= times

        until(lambda: lost(3), GUARD_S, "it is tried again")
        assert pictures.made - control.calls <= 1, "nothing is made in vain meanwhile"
        control.gone = False
        with following(control, "plaza") as followed:
            until(lambda: lost(10_000) or followed.next(wait_s=0.01), GUARD_S, "they go on")
    said = [line["event"] for line in logs]
    assert said == ["pictures are not shown", "pictures are shown again"]
    control.close()


def test_a_bus_that_hangs_holds_up_neither_cameras_nor_the_end() -> None:
    control = Gone()
    pictures = Pictures(control)
    pictures.start()
    pictures.lease("plaza")
    control.hangs = True
    offer(pictures, frame())
    until(lambda: control.calls, GUARD_S, "it hangs")
    started_s = time.monotonic()
    for _ in range(1000):
        pictures.wanted("plaza")
        offer(pictures, frame())
    pictures.stop()
    assert time.monotonic() - started_s < GUARD_S
    control.hangs = False
    pictures._thread.join(GUARD_S)
    assert not pictures._thread.is_alive()
    control.close()


def test_a_picture_that_cannot_be_drawn_ends_nothing(
    control: MemoryControl, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise IndexError("a bug")

    monkeypatch.setattr("streams.pictures.draw", broken)
    pictures.lease("plaza")
    pictures.lease("road")
    with capture_logs() as logs, following(control, "plaza", "road") as followed:
        for _ in range(3):
            until(lambda: pictures.wanted("road"), GUARD_S, "it is due")
            pictures.offer("plaza", Offer(frame(), tracked(), scene(), NO_COUNTS, ()))
            offer(pictures, frame(), "road")
            assert shown(followed)[0] == "road"
    assert [line["camera"] for line in logs] == ["plaza"]
    assert pictures.alive
    assert pictures.made == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_our_own_is_not_hidden(
    control: MemoryControl, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise TypeError("a bug")

    monkeypatch.setattr("streams.pictures.draw", broken)
    pictures.lease("plaza")
    pictures.offer("plaza", Offer(frame(), tracked(), scene(), NO_COUNTS, ()))
    pictures._thread.join(GUARD_S)
    assert not pictures.alive


def test_a_thread_that_died_is_known() -> None:
    control = MemoryControl()
    pictures = Pictures(control)
    assert pictures.alive

    def dies() -> None:
        return

    pictures._thread = threading.Thread(target=dies)
    pictures.start()
    pictures._thread.join(GUARD_S)
    assert not pictures.alive
    control.close()
