"""Who was where lately, in memory, so that evidence can be masked; and how that is written.

Tracks that are kept for a day may be switched off, and masking may not: so each camera's last
pictures are remembered here in any case.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streams.evidenceform import MAX_PART_BYTES
from streams.messages import Ts
from vision.bystanders import Part
from vision.errors import EvidenceError
from vision.kept import Kept, kept_of
from vision.masking import PERSON, Sight
from vision.types import FloatArray, Tracked

MEMORY_S: Final = 60.0
"""A clip reaches back 10 s and is cut 12 s later; the rest is for those that wait."""
MAX_PICTURES: Final = 2000
MAX_ROWS: Final = 50_000
"""Of one camera."""
MAX_PAST: Final = 32
"""Places of a track before it was first told of."""
FORGET_S: Final = 300.0
"""A camera of which nothing came for so long is forgotten."""
RUN: Final = 1 << 32
"""Tracks of two runs have other numbers."""
DECIMALS: Final = 5
"""Of a share of the picture: less than a pixel."""
NOWHERE: Final[Part] = (0.0, 0.0, 0.0, 0.0)
"""The part of a picture that was looked at where none was."""
TROUBLE: Final = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
"""What packing may cause; it costs boxes, and the camera goes on."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is known of a time: ``persons`` says whether they were looked for whenever anybody
    was."""

    sights: tuple[Sight, ...]
    persons: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """One analysed picture, and the boxes in it that nobody follows. ``within`` is what was looked
    at, as in ``Sight``, and ``persons`` whether they were looked for there."""

    kept: Kept
    run: int
    loose: FloatArray
    names: tuple[str, ...]
    persons: bool
    within: Part | None

    @property
    def looked(self) -> bool:
        """Whether any of it was looked at."""
        part = self.within
        return part is None or (part[0] < part[2] and part[1] < part[3])


@dataclass(slots=True, eq=False)
class _Camera:
    run: int = 0
    number: int = 0
    rows: int = 0
    heard_s: float = 0.0
    known: frozenset[int] = frozenset()
    view: str | None = None
    pictures: deque[_Picture] = field(default_factory=deque)


class Memory:
    """The last ``MEMORY_S`` of every camera. Used by many threads; nothing in it waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cameras: dict[str, _Camera] = {}

    def saw(
        self, tracked: Tracked, *, frame_size: tuple[int, int], looked_for: tuple[str, ...]
    ) -> None:
        """Remember one step of a camera, in px of a picture of ``frame_size``. Called by its own
        thread alone."""
        with self._lock:
            camera = self._cameras.setdefault(tracked.camera_id, _Camera())
        if camera.view != tracked.quality.view:
            # another view has a tracker, and numbers, of its own
            self._cut(camera)
            camera.view = tracked.quality.view
        try:
            kept = kept_of(
                tracked,
                frame_size=frame_size,
                looked_for=looked_for,
                known=camera.known,
                run=0.0,
                number=camera.number,
            )
            # nobody follows them, or as something that the scene does not look for
            free = ~np.isin(tracked.track_id, kept.rows.id)
            found, besides = tracked.detections, tracked.bystanders
            names = tuple(tracked.classes[i] for i in found.class_id[free].tolist())
            picture = _Picture(
                kept,
                camera.run,
                np.concatenate([found.xyxy[free], besides.xyxy]),
                (*names, *besides.names),
                PERSON in looked_for or PERSON in besides.classes,
                _shares(besides.within, frame_size),
            )
        except TROUBLE:
            # a picture without boxes is hidden whole
            self._cut(camera)
            return
        with self._lock:
            camera.known = frozenset(kept.rows.id.tolist())
            camera.number += 1
            camera.heard_s = time.monotonic()
            camera.pictures.append(picture)
            camera.rows += _rows(picture)
            while camera.pictures and (
                camera.pictures[0].kept.ts < kept.ts - MEMORY_S
                or len(camera.pictures) > MAX_PICTURES
                or camera.rows > MAX_ROWS
            ):
                camera.rows -= _rows(camera.pictures.popleft())

    def cut(self, camera_id: str) -> None:
        """What comes next of the camera does not go on with what was: its tracks are others."""
        with self._lock:
            camera = self._cameras.get(camera_id)
        if camera is not None:
            self._cut(camera)

    def between(self, camera_id: str, from_ts: float, to_ts: float) -> Seen:
        """What was seen from ``from_ts`` to ``to_ts`` (UTC seconds), as far as it is remembered."""
        with self._lock:
            camera = self._cameras.get(camera_id)
            pictures = [*camera.pictures] if camera is not None else []
        # what is told of later may have been there earlier
        sights = [
            sight
            for picture in pictures
            for sight in _sights(picture)
            if from_ts <= sight.ts <= to_ts
        ]
        within = [each for each in pictures if from_ts <= each.kept.ts <= to_ts]
        persons = bool(within) and all(each.persons for each in within if each.looked)
        return Seen(tuple(sights), persons)

    def forget(self) -> None:
        """Forget cameras that are gone."""
        now_s = time.monotonic()
        with self._lock:
            gone = [i for i, each in self._cameras.items() if now_s - each.heard_s > FORGET_S]
            for camera_id in gone:
                del self._cameras[camera_id]

    def _cut(self, camera: _Camera) -> None:
        camera.run += 1
        camera.known = frozenset()


def _rows(picture: _Picture) -> int:
    return 1 + len(picture.kept.rows) + len(picture.loose)


def _shares(part: Part | None, size: tuple[int, int]) -> Part | None:
    """A ``part`` in px of a picture of ``size`` (w, h), in shares of it."""
    if part is None:
        return None
    x1, x2 = (min(max(x / size[0], 0.0), 1.0) for x in part[::2])
    y1, y2 = (min(max(y / size[1], 0.0), 1.0) for y in part[1::2])
    return x1, y1, x2, y2


def _sights(picture: _Picture) -> Iterator[Sight]:
    kept = picture.kept
    scale = np.tile(np.array(kept.frame_size, np.float32), 2)
    base = picture.run * RUN
    rows = kept.rows
    complete = kept.trusted and picture.persons and picture.looked
    ids = (*(base + i for i in rows.id.tolist()), *(-1 for _ in picture.names))
    boxes = np.concatenate([rows.xyxy, picture.loose]).reshape(-1, 4).astype(np.float32)
    names = (*kept.names, *picture.names)
    yield Sight(kept.ts, complete, ids, names, boxes / scale, picture.within)
    told = dict(
        zip(rows.id.tolist(), zip(kept.names, rows.first_ts.tolist(), strict=True), strict=True)
    )
    for past in kept.pasts:
        name, first_ts = told[past.id]
        points = zip(past.path[-MAX_PAST:].tolist(), past.sizes[-MAX_PAST:].tolist(), strict=True)
        for (x, y, age_s), (w, h) in points:
            box = np.array([[x - w / 2, y - h, x + w / 2, y]], np.float32)
            yield Sight(first_ts + age_s, False, (base + past.id,), (name,), box / scale)


def kept_sights(pictures: Iterable[Kept], within: Mapping[str, Part]) -> Iterator[Sight]:
    """What is known from tracks that a keeper wrote: no boxes but those of tracks. Persons are
    known where they were looked for, and in the part of each view's picture that ``within`` says,
    in shares of it; of another view nothing is."""
    before, run = (math.nan, ""), 0
    for kept in pictures:
        if (kept.run, kept.view) != before:
            # another run or view has a tracker, and numbers, of its own
            before, run = (kept.run, kept.view), run + 1
        loose = np.zeros((0, 4), np.float32)
        persons, part = PERSON in kept.looked_for, within.get(kept.view, NOWHERE)
        yield from _sights(_Picture(kept, run, loose, (), persons, part))


# --- as they are written


class _Boxes(BaseModel):
    """``pictures`` are time, whether it is complete, within what part (null: all of it), and of
    each box its track, the place of its class in ``classes``, and x1, y1, x2, y2; all in shares of
    the picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)] = 1
    classes: tuple[Annotated[str, Field(max_length=80)], ...]
    pictures: tuple[tuple[Ts, bool, _Within | None, tuple[_Row, ...]], ...]


_Inner = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Within = tuple[_Inner, _Inner, _Inner, _Inner]
_Share = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
_Row = tuple[
    Annotated[int, Field(ge=-1, lt=1 << 63)], Annotated[int, Field(ge=0)],
    _Share, _Share, _Share, _Share,
]  # fmt: skip
_Boxes.model_rebuild()


def encode_boxes(sights: Sequence[Sight]) -> bytes:
    """``sights`` as JSON. Raises EvidenceError where there are too many."""
    classes = {name: i for i, name in enumerate(dict.fromkeys(_names(sights)))}
    pictures = []
    for sight in sights:
        places = sight.xyxy.astype(np.float64).round(DECIMALS).tolist()
        rows = zip(sight.ids, sight.names, places, strict=True)
        boxes = [[number, classes[name], *place] for number, name, place in rows]
        within = None if sight.within is None else [round(x, DECIMALS) for x in sight.within]
        pictures.append([sight.ts, sight.complete, within, boxes])
    document = {"schema": 1, "classes": [*classes], "pictures": pictures}
    body = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    if len(body) > MAX_PART_BYTES["boxes"]:
        raise EvidenceError(f"there are more boxes than {MAX_PART_BYTES['boxes'] >> 20} MiB hold")
    return body


def decode_boxes(body: bytes) -> list[Sight]:
    """What ``encode_boxes`` wrote. Raises EvidenceError for anything else."""
    if len(body) > MAX_PART_BYTES["boxes"]:
        raise EvidenceError(f"boxes have at most {MAX_PART_BYTES['boxes'] >> 20} MiB")
    try:
        boxes = _Boxes.model_validate_json(body)
        return [
            Sight(
                ts,
                complete,
                tuple(row[0] for row in rows),
                tuple(boxes.classes[row[1]] for row in rows),
                np.array([row[2:] for row in rows], np.float32).reshape(-1, 4),
                within,
            )
            for ts, complete, within, rows in boxes.pictures
        ]
    except (ValidationError, IndexError):
        raise EvidenceError("the boxes cannot be read, so nothing can be masked by them") from None


def _names(sights: Iterable[Sight]) -> Iterator[str]:
    for sight in sights:
        yield from sight.names
