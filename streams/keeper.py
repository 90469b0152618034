"""A worker's memory of tracks: what was in each analysed picture, for a day or as long as asked.

They are positions of people, so files are their owner's alone and go by age. Each camera has a
folder of segments of ten minutes, each segment blocks of half a minute (``trackblocks``). Cameras
hand over what they saw and wait for nothing; a thread writes. What cannot be written is dropped
and counted, and nothing else notices.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from streams.trackblocks import Block, BlockError, blocks, encode
from vision.kept import Kept, kept_of
from vision.types import Tracked

FOLDER: Final = "tracks"
DEFAULT_KEEP_H: Final = 24.0
MAX_KEEP_H: Final = 31 * 24.0
MAX_BYTES: Final = 4 << 30
"""All segments of a worker together; the oldest go first."""
FREE_BYTES: Final = 64 << 20
"""So much of the disk is left to those who need it more: spool and database."""
SEGMENT_S: Final = 600
BLOCK_S: Final = 30.0
MAX_PICTURES: Final = 2000
MAX_ROWS: Final = 50_000
MAX_WAITING: Final = 256
"""Blocks that wait to be written; more than that and the oldest are dropped."""
SWEEP_S: Final = 60.0
JOIN_S: Final = 2.0
MAX_SEGMENT_BYTES: Final = 256 << 20
"""A larger file is none of ours."""
SUFFIX: Final = ".tracks"

TROUBLE: Final = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
"""What packing may cause; it costs tracks, and neither the camera nor the worker."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_NAME: Final = re.compile(rf"(\d{{1,12}}){re.escape(SUFFIX)}", re.ASCII)
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

log = structlog.get_logger()


def folder_of(folder: Path, camera: str) -> Path:
    """Where the segments of ``camera`` lie: under its id, or a hash of one that is no file name."""
    if _PLAIN.fullmatch(camera):
        return folder / camera
    return folder / f"~{hashlib.sha256(camera.encode()).hexdigest()[:40]}"


@dataclass(slots=True, eq=False)
class _Camera:
    """What a camera handed over and nobody wrote yet. ``known`` are the ids of its last picture."""

    run: float
    pictures: list[Kept] = field(default_factory=list)
    number: int = 0
    rows: int = 0
    known: frozenset[int] = frozenset()


class Keeper:
    """Keeps tracks in ``folder`` for ``keep_h`` hours, 0 for none, in up to ``max_bytes``. Used by
    many threads; no call but ``flush`` and ``stop`` waits for the disk. ``clock`` says how old
    something is, UTC seconds."""

    def __init__(
        self,
        folder: Path,
        *,
        keep_h: float = DEFAULT_KEEP_H,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self._keep_s = 3600 * keep_h
        self._max_bytes = max_bytes
        self._clock = clock
        self._cameras: dict[str, _Camera] = {}
        self._waiting: deque[Sequence[Kept]] = deque()
        self._writing = self._stopping = False
        self._changed = threading.Condition()
        self._problem: str | None = None
        self._dropped = self._bytes = 0
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    @property
    def problem(self) -> str | None:
        """Why tracks are not kept, one sentence, or None."""
        return self._problem

    @property
    def dropped(self) -> int:
        """Pictures whose tracks could not be kept."""
        return self._dropped

    @property
    def alive(self) -> bool:
        """False where the thread ended by itself, without ``stop``."""
        ended = self._thread.ident is not None and not self._thread.is_alive()
        return self._stopping or not ended

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what was handed over, and end within ``JOIN_S``."""
        with self._changed:
            for camera in [*self._cameras]:
                self._hand_over(camera)
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)

    def keep(
        self, tracked: Tracked, *, frame_size: tuple[int, int], looked_for: tuple[str, ...]
    ) -> None:
        """Keep one step of a camera, in px of a picture of ``frame_size``, in which ``looked_for``
        were looked for. Called by its own thread alone."""
        if not self._keep_s:
            return
        with self._changed:
            camera = self._cameras.get(tracked.camera_id)
            if camera is None:
                camera = self._cameras[tracked.camera_id] = _Camera(tracked.ts)
            known, run, number = camera.known, camera.run, camera.number
        try:
            kept = kept_of(
                tracked,
                frame_size=frame_size,
                looked_for=looked_for,
                known=known,
                run=run,
                number=number,
            )
        except TROUBLE:
            # the camera goes on whatever becomes of its memory
            self._lose(1)
            self.cut(tracked.camera_id)
            return
        with self._changed:
            first = camera.pictures[0] if camera.pictures else kept
            over = kept.ts - first.ts >= BLOCK_S or kept.ts < first.ts
            if over or len(camera.pictures) >= MAX_PICTURES or camera.rows >= MAX_ROWS:
                self._queue(camera)
            camera.pictures.append(kept)
            camera.rows += len(kept.rows)
            camera.number += 1
            camera.known = frozenset(kept.rows.id.tolist())

    def cut(self, camera: str) -> None:
        """What comes next of ``camera`` does not go on with what was: its tracks are others."""
        with self._changed:
            self._hand_over(camera)

    def flush(self, camera: str, wait_s: float) -> None:
        """Write what ``camera`` handed over, so that it can be read; waits for up to ``wait_s``."""
        with self._changed:
            known = self._cameras.get(camera)
            if known is not None:
                self._queue(known)
            self._changed.wait_for(lambda: not (self._waiting or self._writing), wait_s)

    def _hand_over(self, camera: str) -> None:
        known = self._cameras.pop(camera, None)
        if known is not None:
            self._queue(known)

    def _queue(self, camera: _Camera) -> None:
        if camera.pictures:
            self._waiting.append(camera.pictures)
            camera.pictures, camera.rows = [], 0
        while len(self._waiting) > MAX_WAITING:
            self._dropped += len(self._waiting.popleft())
        self._changed.notify_all()

    def _lose(self, pictures: int) -> None:
        """What a bug or a lack of memory costs; whoever sees the log can tell which."""
        self._dropped += pictures
        log.exception("tracks cannot be packed", pictures=pictures)

    # --- the thread

    def _run(self) -> None:
        sweep_s = time.monotonic()
        while True:
            if time.monotonic() >= sweep_s or self._bytes > self._max_bytes:
                sweep_s = time.monotonic() + SWEEP_S
                self._sweep()
            with self._changed:
                self._changed.wait_for(
                    lambda: self._waiting or self._stopping, max(0.0, sweep_s - time.monotonic())
                )
                if not self._waiting:
                    if self._stopping:
                        return
                    continue
                pictures, self._writing = self._waiting.popleft(), True
            try:
                self._write(pictures)
            finally:
                with self._changed:
                    self._writing = False
                    self._changed.notify_all()

    def _write(self, pictures: Sequence[Kept]) -> None:
        try:
            block = encode(pictures)
        except TROUBLE:
            self._lose(len(pictures))
            return
        start = int(pictures[0].ts // SEGMENT_S * SEGMENT_S)
        folder = folder_of(self.folder, pictures[0].camera_id)
        try:
            self._make_folders(folder)
            _append(folder / f"{start}{SUFFIX}", block)
        except OSError as error:
            self._dropped += len(pictures)
            if self._problem is None:
                self._problem = _sentence(self.folder, error)
                log.warning("tracks are not kept", why=self._problem)
            return
        self._bytes += len(block)
        if self._problem is not None:
            log.info("tracks are kept again", dropped=self._dropped)
            self._problem = None

    def _make_folders(self, folder: Path) -> None:
        for each in (self.folder, folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
            if each.stat().st_mode & 0o077:
                each.chmod(0o700)
        disk = os.statvfs(self.folder)
        if disk.f_bavail * disk.f_frsize < FREE_BYTES:
            raise OSError(errno.ENOSPC, "")

    def _sweep(self) -> None:
        """Delete what is too old or, the oldest first, too much."""
        found, total = [], 0
        oldest_ts = self._clock() - self._keep_s - SEGMENT_S
        with suppress(OSError):
            for folder in self.folder.iterdir():
                for start, path in segments(folder):
                    with suppress(OSError):
                        size = path.stat().st_size
                        if not self._keep_s or start <= oldest_ts:
                            path.unlink()
                            continue
                        found.append((start, path, size))
                        total += size
                with suppress(OSError):
                    # one that is not empty stays
                    folder.rmdir()
        for _, path, size in sorted(found):
            if total <= self._max_bytes:
                break
            with suppress(OSError):
                path.unlink()
                total -= size
        self._bytes = total


def segments(folder: Path) -> list[tuple[int, Path]]:
    """The segments in a camera's folder and when each begins (UTC seconds), the oldest first."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = ((_NAME.fullmatch(name), name) for name in names)
    return sorted((int(match[1]), folder / name) for match, name in found if match is not None)


class Reading:
    """The pictures of ``camera`` from ``from_ts`` up to ``to_ts`` (UTC seconds) that are kept in
    ``folder``, in the order in which they were written. ``damaged`` counts blocks that could not
    be read so far."""

    def __init__(self, folder: Path, camera: str, from_ts: float, to_ts: float) -> None:
        self._folder = folder_of(folder, camera)
        self._camera = camera
        self._from_ts, self._to_ts = from_ts, to_ts
        self.damaged = 0

    def __iter__(self) -> Iterator[Kept]:
        for block in self.blocks():
            try:
                pictures = block.pictures()
            except BlockError:
                self.damaged += 1
                continue
            for kept in pictures:
                if kept.camera_id == self._camera and self._from_ts <= kept.ts <= self._to_ts:
                    yield kept

    def blocks(self) -> Iterator[Block]:
        """The blocks in which they stand."""
        for start, path in segments(self._folder):
            if start > self._to_ts or start + SEGMENT_S + BLOCK_S < self._from_ts:
                continue
            for block in blocks(self._bytes(path)):
                if block is None:
                    self.damaged += 1
                elif block.from_ts <= self._to_ts and block.to_ts >= self._from_ts:
                    yield block

    def _bytes(self, path: Path) -> bytes:
        try:
            if path.stat().st_size <= MAX_SEGMENT_BYTES:
                return path.read_bytes()
        except FileNotFoundError:
            # it went by age meanwhile
            return b""
        except OSError as error:
            log.warning("kept tracks cannot be read", file=path.name, why=error.strerror)
        self.damaged += 1
        return b""


def _append(path: Path, block: bytes) -> None:
    """Add a block to a file for its owner alone; on the disk when this returns, or not at all."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        try:
            if os.write(descriptor, block) < len(block):
                raise OSError(errno.ENOSPC, "")
            os.fdatasync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def _sentence(folder: Path, error: OSError) -> str:
    if error.errno in _FULL:
        return f"tracks are not kept because the disk of {folder} is nearly full: free some space"
    why = (error.strerror or str(error)).lower()
    return f"tracks are not kept because {folder} cannot be written ({why}): correct that"
