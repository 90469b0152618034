"""Live pictures for people, made only of cameras that somebody views.

Who views a camera says so again and again; each time its lease goes on for a while. Cameras offer
what they analysed; of each only the newest waits, so that neither a viewer nor the bus can slow
the analysis down.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import cv2
import structlog

from streams.bus import Control
from streams.commands import LEASE_S, Picture
from streams.config import WITA
from streams.stills import smaller
from vision.draw import draw
from vision.errors import BusError
from vision.scene import Scene
from vision.types import Event, Frame, Tracked

MAX_FPS: Final = 10.0
MAX_SIDE_PX: Final = 960
"""Larger pictures are made smaller before anything is drawn, which is cheaper and stays legible."""
JPEG_QUALITY: Final = 78
UNSEEN_S: Final = 3.0
"""A lease ends when nobody got its pictures for so long, nor asked for them again."""
MAX_LEASES: Final = 4096
LOOK_S: Final = 1.0
"""How often leases are looked through for those that ended."""
FIRST_DELAY_S: Final = 0.2
MAX_DELAY_S: Final = 5.0
JOIN_S: Final = 1.0
"""A command to a bus that hangs may take longer."""
UNDRAWABLE: Final = (cv2.error, ArithmeticError, LookupError, MemoryError, ValueError)
"""What a picture, or what is to be drawn on it, may cause. Anything else ends the thread, and the
worker with it, which is started anew."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Offer:
    """What a camera saw, as it was analysed."""

    frame: Frame
    tracked: Tracked | None
    scene: Scene | None
    counts: Mapping[str, Mapping[str, int]]
    events: Sequence[Event]


class Viewing(Protocol):
    """Who may want to see pictures of cameras. Neither call waits for anything."""

    def wanted(self, camera: str) -> bool: ...

    def offer(self, camera: str, offer: Offer) -> None: ...


@dataclass(slots=True)
class _Lease:
    """Who views a camera; times are monotonic."""

    until_s: float
    seen_s: float
    due_s: float = 0.0
    waiting: Offer | None = None
    failed: bool = False


class _Newest:
    """Somebody who follows a camera's pictures as they are: the newest waits, none that was had
    already."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None

    def put(self, frame: Frame) -> None:
        with self._changed:
            self._frame = frame
            self._changed.notify()

    def next(self, wait_s: float) -> Frame | None:
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None, wait_s)
            frame, self._frame = self._frame, None
            return frame


class Pictures:
    """A thread that draws, encodes and shows what is viewed, between ``start`` and ``stop``."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._changed = threading.Condition()
        # in the order of their turns
        self._leases: dict[str, _Lease] = {}
        self._followers: dict[str, tuple[_Newest, ...]] = {}
        self._made = 0
        self._lost = False
        self._resume_s = 0.0
        self._delay_s = FIRST_DELAY_S
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)

    @property
    def made(self) -> int:
        """JPEGs encoded since the start."""
        return self._made

    @property
    def alive(self) -> bool:
        """False where the thread ended by itself, without ``stop``."""
        ended = self._thread.ident is not None and not self._thread.is_alive()
        return self._stopping.is_set() or not ended

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread within a second; one that waits for a bus that hangs is left behind."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)

    def lease(self, camera: str) -> None:
        """Make pictures of ``camera`` for ``LEASE_S`` from now on."""
        now_s = time.monotonic()
        with self._changed:
            lease = self._leases.get(camera)
            if lease is not None:
                lease.until_s, lease.seen_s = now_s + LEASE_S, now_s
            elif len(self._leases) < MAX_LEASES:
                self._leases[camera] = _Lease(now_s + LEASE_S, now_s)
                self._changed.notify_all()

    def wanted(self, camera: str) -> bool:
        """Whether a picture of ``camera`` is to be offered now; costs next to nothing."""
        if camera in self._followers:
            return True
        lease = self._leases.get(camera)
        return lease is not None and lease.due_s <= time.monotonic() < lease.until_s

    @contextmanager
    def following(self, camera: str) -> Iterator[Callable[[float], Frame | None]]:
        """What waits so many seconds for the next picture of ``camera`` as it is; whoever is slow
        misses some."""
        newest = _Newest()
        with self._changed:
            self._followers[camera] = (*self._followers.get(camera, ()), newest)
        try:
            yield newest.next
        finally:
            with self._changed:
                others = tuple(each for each in self._followers[camera] if each is not newest)
                self._followers[camera] = others
                if not others:
                    del self._followers[camera]

    def offer(self, camera: str, offer: Offer) -> None:
        """Show this, unless something newer comes before its turn. Waits for nothing."""
        with self._changed:
            for each in self._followers.get(camera, ()):
                each.put(offer.frame)
            lease, now_s = self._leases.get(camera), time.monotonic()
            # while somebody follows, those come too that are not due
            if lease is not None and (lease.due_s <= now_s or lease.waiting is not None):
                lease.waiting = offer
                # a little less, or a camera that gives just as many would lose every second one
                lease.due_s = now_s + 0.9 / MAX_FPS
                self._changed.notify_all()

    def _run(self) -> None:
        while not self._stopping.is_set():
            turn = self._next()
            if turn is not None:
                self._make(*turn)

    def _next(self) -> tuple[str, _Lease, Offer] | None:
        """What is to be made now, each camera in its turn; None where there was nothing for a
        while."""
        with self._changed:
            now_s = time.monotonic()
            self._forget(now_s)
            if now_s >= self._resume_s:
                for camera, lease in self._leases.items():
                    if lease.waiting is not None:
                        offer, lease.waiting = lease.waiting, None
                        self._leases[camera] = self._leases.pop(camera)
                        return camera, lease, offer
            wait_s = min(LOOK_S, self._resume_s - now_s) if now_s < self._resume_s else LOOK_S
            if not self._stopping.is_set():
                self._changed.wait(wait_s if self._leases else None)
            return None

    def _forget(self, now_s: float) -> None:
        over = [camera for camera, lease in self._leases.items() if now_s >= lease.until_s]
        for camera in over:
            del self._leases[camera]

    def _make(self, camera: str, lease: _Lease, offer: Offer) -> None:
        """One camera's turn: a picture that cannot be drawn is left out."""
        try:
            picture = _picture(offer)
        except UNDRAWABLE:
            if not lease.failed:
                lease.failed = True
                log.exception("a picture could not be made", camera=camera)
            return
        self._made += 1
        try:
            viewers = self._control.show(camera, picture.encode())
        except BusError as error:
            self._failed(str(error))
            return
        if self._lost:
            log.info("pictures are shown again")
        self._lost, self._delay_s = False, FIRST_DELAY_S
        now_s = time.monotonic()
        with self._changed:
            if viewers:
                lease.seen_s = now_s
            elif now_s - lease.seen_s >= UNSEEN_S:
                lease.until_s = now_s

    def _failed(self, why: str) -> None:
        if not self._lost and not self._stopping.is_set():
            log.warning("pictures are not shown", why=why)
        self._lost = True
        self._resume_s = time.monotonic() + random.uniform(self._delay_s / 2, self._delay_s)
        self._delay_s = min(2 * self._delay_s, MAX_DELAY_S)


def clock_of(ts: float) -> str:
    """The city's time of ``ts`` (UTC seconds), as it stands in a picture."""
    return f"{(_EPOCH + timedelta(seconds=ts)).astimezone(WITA):%H:%M:%S}"


def _picture(offer: Offer) -> Picture:
    ts = offer.frame.ts
    image = smaller(offer.frame.image, MAX_SIDE_PX)
    if offer.tracked is not None and offer.scene is not None:
        image = draw(
            image,
            offer.tracked,
            offer.scene,
            counts=offer.counts,
            events=offer.events,
            clock=clock_of(ts),
        )
    encoded, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded:
        raise ValueError(f"OpenCV encodes no JPEG of a picture of the shape {image.shape}")
    return Picture(ts, image.shape[1], image.shape[0], jpeg.tobytes())
