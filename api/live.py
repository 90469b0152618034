"""Live pictures on their way to whoever views them.

Workers make pictures of a camera only while they are told that it is viewed, which one thread does
as long as it has viewers. Another thread takes the pictures and keeps the newest of each camera; a
viewer gets what is newest when it is ready, so that a slow one skips and holds up nobody.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from api.ingest import Heard
from api.trouble import Trouble
from streams.bus import Control
from streams.commands import RENEW_S, Picture, View
from streams.health import State
from streams.messages import MessageError, encode
from streams.reports import CameraReport
from vision.errors import BusError, ServiceError

MAX_WATCHED: Final = 4000
"""Cameras that are viewed at the same time, each as often as it is."""
RECENT_S: Final = 2.0
"""A new viewer gets the last picture at once where it is no older."""
NOBODY_S: Final = 0.5
"""How soon a worker is looked for again for a camera that none has."""
AGAIN_S: Final = 1.0
"""However often viewers come and go, a worker is told of one camera no more often."""
INDEX_S: Final = 0.5
"""Reports come once a second."""
WAIT_S: Final = 0.25
AGAIN: Final = "live pictures: Redis answers again"
JOIN_S: Final = 2.0
TOO_MANY: Final = (
    "so many live pictures are viewed that no more can be: close some pages, or ask again later"
)

log = structlog.get_logger()


class CrowdedError(ServiceError):
    """As many cameras are viewed as can be."""

    passing = True


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as it came: ``number`` rises with each, ``at_s`` is when (monotonic), and how old
    it was then (seconds)."""

    camera: str
    number: int
    picture: Picture
    at_s: float
    aged_s: float

    @property
    def age_s(self) -> float:
        """How old it is now, seconds."""
        return self.aged_s + time.monotonic() - self.at_s


@dataclass(frozen=True, slots=True)
class Seen:
    """A camera as a worker reported it last. Clocks of hosts need not agree."""

    report: CameraReport
    heard: Heard

    @property
    def since_s(self) -> float:
        """Since when nothing newer was heard of it, seconds."""
        return time.monotonic() - self.heard.at_s

    @property
    def age_s(self) -> float | None:
        """How old the last picture is that was analysed, seconds; None where there was none."""
        last_ts = self.report.last_frame_ts
        return None if last_ts is None else max(0.0, self.late_s(last_ts))

    def late_s(self, ts: float) -> float:
        """How long ago ``ts`` is by the clock of that worker, seconds: it was so late at its last
        report, and time went on."""
        return self.heard.report.ts - ts + self.since_s


@dataclass(slots=True, eq=False)
class _Viewed:
    """One camera that somebody views; ``due_s`` is when its worker is to be told again."""

    viewers: set[Viewer] = field(default_factory=set)
    newest: Shown | None = None
    due_s: float = 0.0


class Viewer:
    """Somebody who views cameras, in one event loop. Holds no picture: it gets the newest that it
    has not had."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.loop = asyncio.get_running_loop()
        self.something = asyncio.Event()
        # by camera, the number of the last picture that it had; in the order of their turns
        self.had: dict[str, int] = {}

    def wish(self, cameras: Collection[str]) -> None:
        """View these from now on and no others. Raises CrowdedError where there are too many."""
        self._hub._wish(self, cameras)

    def wake(self) -> None:
        """Have ``next`` look anew, for whatever reason."""
        self.something.set()

    async def next(self, timeout_s: float) -> Shown | None:
        """The newest picture of the next camera in turn that has one. None after ``timeout_s``, or
        sooner where it was woken."""
        # what comes from now on wakes it
        self.something.clear()
        shown = self._hub._newest(self)
        if shown is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self.something.wait()
            shown = self._hub._newest(self)
        return shown


class Hub:
    """Two threads, between ``start`` and ``stop``, for all viewers of this process.

    ``workers`` gives those that are heard now. ``on_death`` is called where a thread ends without
    being asked to.
    """

    def __init__(
        self,
        control: Control,
        workers: Callable[[], Sequence[Heard]],
        *,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self._control = control
        self._workers = workers
        self._on_death = on_death
        self._changed = threading.Condition()
        self._viewed: dict[str, _Viewed] = {}
        self._told: dict[str, float] = {}
        self._watched = 0
        self._numbers = 0
        self._index: Mapping[str, Sequence[Seen]] = {}
        self._index_s = -math.inf
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(loop,), name=f"hub: {name}", daemon=True)
            for name, loop in (("pictures", self._take), ("wishes", self._tell))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads within a second or so."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(JOIN_S)

    @property
    def room(self) -> int:
        """So many cameras more can be viewed now."""
        return MAX_WATCHED - self._watched

    @contextmanager
    def watch(self, *cameras: str) -> Iterator[Viewer]:
        """View cameras, from within an event loop. Raises CrowdedError where too many are."""
        viewer = Viewer(self)
        viewer.wish(cameras)
        try:
            yield viewer
        finally:
            viewer.wish(())

    def seen(self, camera: str) -> Seen | None:
        """How ``camera`` is by the last report of its worker; None where nobody has it."""
        found = self._seen().get(camera, ())
        return max(
            found,
            key=lambda each: (each.report.state is State.LIVE, each.heard.at_s),
            default=None,
        )

    # --- what viewers ask, each for itself

    def _wish(self, viewer: Viewer, cameras: Collection[str]) -> None:
        wanted = dict.fromkeys(cameras)
        now_s = time.monotonic()
        with self._changed:
            if len(wanted) > max(len(viewer.had), MAX_WATCHED - self._watched + len(viewer.had)):
                raise CrowdedError(TOO_MANY)
            self._watched += len(wanted) - len(viewer.had)
            for camera in [camera for camera in viewer.had if camera not in wanted]:
                del viewer.had[camera]
                viewed = self._viewed[camera]
                viewed.viewers.discard(viewer)
                if not viewed.viewers:
                    del self._viewed[camera]
            for camera in wanted:
                if camera not in viewer.had:
                    viewed = self._viewed.setdefault(
                        camera, _Viewed(due_s=self._told.get(camera, -math.inf) + AGAIN_S)
                    )
                    viewed.viewers.add(viewer)
                    newest = viewed.newest
                    old = newest is not None and now_s - newest.at_s > RECENT_S
                    viewer.had[camera] = newest.number if newest is not None and old else 0
            self._changed.notify_all()
        viewer.wake()

    def _newest(self, viewer: Viewer) -> Shown | None:
        with self._changed:
            for camera, had in viewer.had.items():
                newest = self._viewed[camera].newest
                if newest is not None and newest.number > had:
                    # to the end: others have their turn before its next one
                    del viewer.had[camera]
                    viewer.had[camera] = newest.number
                    return newest
        return None

    # --- the threads

    def _run(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        finally:
            if not self._stopping.is_set():
                self._on_death()

    def _take(self) -> None:
        """Take pictures of what is viewed, while anything is."""
        pictures = self._control.pictures()
        trouble = Trouble("no live pictures come", AGAIN, self._stopping)
        followed: frozenset[str] = frozenset()
        try:
            while not self._stopping.is_set():
                with self._changed:
                    viewed = frozenset(self._viewed)
                if viewed != followed:
                    pictures.follow(viewed)
                    followed = viewed
                if not viewed:
                    pictures.close()
                    self._wait_for_viewers()
                    continue
                try:
                    found = pictures.next(wait_s=WAIT_S)
                except BusError as error:
                    trouble.wait(error)
                    continue
                trouble.end()
                if found is not None:
                    self._keep(*found)
        finally:
            pictures.close()

    def _wait_for_viewers(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping.is_set() or self._viewed)

    def _keep(self, camera: str, body: bytes) -> None:
        try:
            picture = Picture.decode(body)
        except MessageError as error:
            # a worker of another version would say it many times a second
            log.debug("picture left out", camera=camera, why=str(error))
            return
        late_s = [seen.late_s(picture.ts) for seen in self._seen().get(camera, ())]
        aged_s = max(0.0, min(late_s, default=0.0))
        with self._changed:
            viewed = self._viewed.get(camera)
            if viewed is None:
                return
            self._numbers += 1
            viewed.newest = Shown(camera, self._numbers, picture, time.monotonic(), aged_s)
            wake: defaultdict[asyncio.AbstractEventLoop, list[Viewer]] = defaultdict(list)
            for viewer in viewed.viewers:
                wake[viewer.loop].append(viewer)
        for loop, viewers in wake.items():
            # a loop that has ended has nobody who waits
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_wake, viewers)

    def _tell(self) -> None:
        """Tell workers again and again what is viewed, while anything is."""
        trouble = Trouble("workers are not told what is viewed", AGAIN, self._stopping)
        while not self._stopping.is_set():
            with self._changed:
                now_s = time.monotonic()
                due = [camera for camera, each in self._viewed.items() if each.due_s <= now_s]
                if not due:
                    next_s = min((each.due_s for each in self._viewed.values()), default=None)
                    self._changed.wait(None if next_s is None else next_s - now_s)
                    continue
            try:
                for camera in due:
                    self._tell_of(camera)
            except BusError as error:
                trouble.wait(error)
            else:
                trouble.end()

    def _tell_of(self, camera: str) -> None:
        workers = {seen.heard.report.worker for seen in self._seen().get(camera, ())}
        with self._changed:
            viewed = self._viewed.get(camera)
        # whoever left meanwhile is not spoken of any more
        if viewed is None or self._stopping.is_set():
            return
        for worker in sorted(workers):
            self._control.send(worker, encode(View(camera=camera)), ttl_s=RENEW_S)
        now_s = time.monotonic()
        viewed.due_s = now_s + (RENEW_S if workers else NOBODY_S)
        with self._changed:
            told = {each: at_s for each, at_s in self._told.items() if at_s + AGAIN_S > now_s}
            self._told = told | {camera: now_s}

    def _seen(self) -> Mapping[str, Sequence[Seen]]:
        """Who has which camera, as it was within ``INDEX_S``."""
        now_s = time.monotonic()
        if now_s >= self._index_s + INDEX_S:
            index: defaultdict[str, list[Seen]] = defaultdict(list)
            for heard in self._workers():
                for report in heard.report.cameras:
                    index[report.camera].append(Seen(report, heard))
            self._index, self._index_s = dict(index), now_s
        return self._index


def _wake(viewers: Sequence[Viewer]) -> None:
    for viewer in viewers:
        viewer.wake()
