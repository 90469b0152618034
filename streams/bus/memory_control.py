"""The control path inside one process, with Redis' own behaviour: for tests, and to try things
out."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from streams.bus.control import ANSWER_TTL_S, MAX_QUEUED, Command, Pictures
from vision.errors import BusError

MAX_UNREAD = 1000
"""Pictures that wait for a follower that takes none; Redis would end its connection."""


@dataclass(frozen=True, slots=True)
class _Expiring:
    """A text that is there until a monotonic time."""

    text: str
    until_s: float


class MemoryControl:
    """A ``Control`` that forgets everything with its process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = 0
        self._configuration = "", ""
        self._commands: dict[str, deque[tuple[str, _Expiring]]] = {}
        self._answers: dict[str, deque[_Expiring]] = {}
        self._followers: set[_MemoryPictures] = set()
        self._closed = False

    def configure(self, version: str, body: str) -> None:
        with self._changed:
            self._open()
            self._configuration = version, body

    def configuration(self, known: str) -> tuple[str, str] | None:
        with self._changed:
            self._open()
            version, body = self._configuration
            return None if version in {known, ""} or not body else (version, body)

    def configured(self) -> str:
        with self._changed:
            self._open()
            return self._configuration[0]

    def send(self, worker: str, body: str, *, ttl_s: float) -> str:
        with self._changed:
            self._open()
            self._numbers += 1
            command = f"{self._numbers:016x}"
            queue = self._commands.setdefault(worker, deque(maxlen=MAX_QUEUED))
            queue.append((command, _Expiring(body, time.monotonic() + ttl_s)))
            self._changed.notify_all()
            return command

    def take(self, worker: str, *, wait_s: float) -> list[Command]:
        until_s = time.monotonic() + wait_s
        with self._changed:
            while True:
                self._open()
                now_s = time.monotonic()
                queue = self._commands.pop(worker, ())
                found = [Command(i, kept.text) for i, kept in queue if kept.until_s > now_s]
                if found or now_s >= until_s:
                    return found
                self._changed.wait(until_s - now_s)

    def answer(self, command: str, body: str) -> None:
        now_s = time.monotonic()
        with self._changed:
            self._open()
            self._answers = {
                asked: kept for asked, kept in self._answers.items() if kept[-1].until_s > now_s
            }
            kept = self._answers.setdefault(command, deque(maxlen=MAX_QUEUED))
            kept.append(_Expiring(body, now_s + ANSWER_TTL_S))
            self._changed.notify_all()

    def answered(self, command: str, *, wait_s: float) -> str | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._answers.get(command), wait_s)
            self._open()
            kept = self._answers.get(command)
            if not kept:
                return None
            first = kept.popleft()
            if not kept:
                del self._answers[command]
            return first.text if first.until_s > time.monotonic() else None

    def show(self, camera: str, picture: bytes) -> int:
        with self._changed:
            self._open()
            following = [each for each in self._followers if camera in each.wanted]
            for each in following:
                each.unread.append((camera, picture))
            self._changed.notify_all()
            return len(following)

    def pictures(self) -> Pictures:
        return _MemoryPictures(self)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._followers.clear()
            self._changed.notify_all()

    def _open(self) -> None:
        if self._closed:
            raise BusError("the control path in memory is closed")

    def _follow(self, follower: _MemoryPictures, cameras: frozenset[str]) -> None:
        with self._changed:
            follower.wanted = cameras
            if cameras and not self._closed:
                self._followers.add(follower)
            else:
                self._followers.discard(follower)

    def _read(self, follower: _MemoryPictures, wait_s: float) -> tuple[str, bytes] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or follower.unread, wait_s)
            self._open()
            while follower.unread:
                camera, picture = follower.unread.popleft()
                if camera in follower.wanted:
                    return camera, picture
            return None


class _MemoryPictures:
    def __init__(self, control: MemoryControl) -> None:
        self._control = control
        self.wanted: frozenset[str] = frozenset()
        self.unread: deque[tuple[str, bytes]] = deque(maxlen=MAX_UNREAD)

    def follow(self, cameras: Collection[str]) -> None:
        self._control._follow(self, frozenset(cameras))

    def next(self, *, wait_s: float) -> tuple[str, bytes] | None:
        return self._control._read(self, wait_s)

    def close(self) -> None:
        self._control._follow(self, frozenset())
        self.unread.clear()
