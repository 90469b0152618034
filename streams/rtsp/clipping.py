"""Clips of a camera's own packets, cut from its ring without being encoded anew.

Who reads the packets, which a camera wrote, and puts them into a file is a process of its own
(``streams.rtsp.cutting``). This is the worker's side of it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.rtsp.forkserver import CUT, ForkServerError
from streams.rtsp.ring import Ring
from vision.errors import EvidenceError

CUT_S = 20.0
MAX_CLIP_S = 120.0
MAX_ANSWER_BYTES = 1 << 12
MAX_TEXT = 500
MEDIA: Final = ("video/mp4", "video/quicktime")
"""MP4 for H.264, H.265 and MPEG-4 part 2; QuickTime for Motion JPEG, which no MP4 player takes."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What a clip really covers: the capture times (UTC seconds) of its first and its last
    picture; ``note`` is one sentence on what is missing of what was wished, None where nothing
    is; ``media`` is its media type."""

    from_ts: float
    to_ts: float
    note: str | None
    media: str


def cut(ring: Ring, from_ts: float, to_ts: float, path: Path) -> Clip:
    """Write what the camera sent from ``from_ts`` to ``to_ts`` (UTC seconds) to ``path``, which
    must not exist yet.

    It begins with the latest key frame at or before ``from_ts`` and ends with the first picture
    at or after ``to_ts``: ask some two seconds after that, since packets take a while. Takes up to
    ``CUT_S`` seconds. Raises EvidenceError, and then leaves no file.
    """
    if not 0 <= to_ts - from_ts <= MAX_CLIP_S:
        raise ValueError(f"a clip has 0 to {MAX_CLIP_S:g} s, not {to_ts - from_ts}")
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EvidenceError(
            f"the clip cannot be written to {path.parent} ({error.strerror}): see the folder"
        ) from error
    with contextlib.ExitStack() as undo:
        undo.callback(path.unlink, missing_ok=True)
        try:
            clip = _cut(ring, from_ts, to_ts, file)
        finally:
            os.close(file)
        undo.pop_all()
    return clip


def _cut(ring: Ring, from_ts: float, to_ts: float, file: int) -> Clip:
    try:
        with contextlib.ExitStack() as held:
            ours, theirs = socket.socketpair()
            held.enter_context(ours)
            with theirs, ring.held() as books:
                child = ring.forkserver.spawn((theirs.fileno(), file, *books), CUT)
            held.callback(child.end)
            ours.sendall(json.dumps([from_ts, to_ts]).encode() + b"\n")
            return _understood(_answer(ours))
    except ForkServerError as error:
        raise EvidenceError(f"no clip can be cut now: {error}") from error
    except OSError as error:
        raise _failed((error.strerror or "its process says nothing").lower()) from error


def _answer(channel: socket.socket) -> bytes:
    """All that it says before it ends. Raises OSError."""
    end, answer = time.monotonic() + CUT_S, b""
    while len(answer) <= MAX_ANSWER_BYTES:
        channel.settimeout(max(1e-3, end - time.monotonic()))
        data = channel.recv(MAX_ANSWER_BYTES)
        if not data:
            break
        answer += data
    return answer


def _understood(answer: bytes) -> Clip:
    """What a process says that has read whatever a camera sent."""
    if not answer:
        raise _failed("its process ended")
    try:
        if len(answer) > MAX_ANSWER_BYTES:
            raise ValueError("too long")
        said = json.loads(answer)
        if "error" in said:
            raise EvidenceError(_text(said["error"]))
        clip = Clip(
            float(said["from"]),
            float(said["to"]),
            None if said["note"] is None else _text(said["note"]),
            MEDIA[MEDIA.index(said["media"])],
        )
        if not 0 <= clip.from_ts <= clip.to_ts < math.inf:
            raise ValueError("times out of order")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _failed("its process speaks nonsense") from error
    return clip


def _text(said: object) -> str:
    if not (isinstance(said, str) and said.strip() and said.isprintable()) or len(said) > MAX_TEXT:
        raise ValueError("no text")
    return said


def _failed(why: str) -> EvidenceError:
    return EvidenceError(f"the camera's packets cannot be made into a clip ({why}): try again")
