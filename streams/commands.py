"""What the API asks of a worker, and what it gets: the wire schema of the control path, as JSON.

A command that has expired is never seen. A worker leaves out what it cannot read: commands of a
newer version are asked again, in vain, until it is updated.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import (
    Base64Bytes,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from streams.commandform import Body, first_of, read_answer
from streams.drawing import Check, Passed, Silent, Still
from streams.evidenceform import AlertId, Form
from streams.health import Code
from streams.messages import END_TS, MessageError, Name, Ts
from vision.types import Severity

LEASE_S: Final = 10.0
"""A worker makes pictures of a camera for so long after the last wish to view it."""
RENEW_S: Final = 3.0
"""How often a viewer says so."""
MAX_PICTURE_BYTES: Final = 4 << 20
MAX_COMMAND_CHARS: Final = 1 << 20
"""A scene may be a part of it."""
MAX_SPAN_S: Final = 24 * 3600.0
MAX_REPLAY_S: Final = 600.0
MAX_MASK_S: Final = 600.0
MAX_CLOSINGS: Final = 50
MAX_TRACK_IDS: Final = 200
MAX_TRACKS_S: Final = 3600.0
MAX_TRACKS_BYTES: Final = 4 << 20

_HEAD: Final = struct.Struct(">cdHH")
_VERSION: Final = b"\x01"


class View(Body):
    """Somebody views ``camera``: make pictures of it for ``LEASE_S`` from now on."""

    type: Literal["view"] = "view"
    camera: Name


class Follow(Body):
    """The configuration has changed: take it now."""

    type: Literal["follow"] = "follow"


class Try(Body):
    """Get one picture from an address, with the login of that name, within ``timeout_s``."""

    type: Literal["try"] = "try"
    source: Annotated[str, Field(min_length=1, max_length=2000)]
    login: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    timeout_s: Annotated[float, Field(ge=1, le=30)] = 10.0


class Replay(Body):
    """Run the tracks of ``camera`` that are kept of this time (UTC seconds) through the rules of
    ``scene``, a document, or of the camera's own, within ``timeout_s``. With ``explain``, say also
    why rules were silent, and who passed which line."""

    type: Literal["replay"] = "replay"
    camera: Name
    from_ts: Ts
    to_ts: Ts
    scene: dict[str, JsonValue] | None = None
    timeout_s: Annotated[float, Field(ge=1, le=MAX_REPLAY_S)] = 60.0
    explain: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Replay:
        if not 0 < self.to_ts - self.from_ts <= MAX_SPAN_S:
            raise ValueError("a replay is of more than 0 and up to 24 hours")
        return self


class Mask(Body):
    """Make the masked copy of an item of evidence that the API has, and post it, within
    ``timeout_s``."""

    type: Literal["mask"] = "mask"
    alert: AlertId
    camera: Name
    form: Form
    timeout_s: Annotated[float, Field(ge=1, le=MAX_MASK_S)] = 120.0


class Masked(Body):
    """What came of it: ``message`` says why there is no copy. A worker that is ``busy`` did not
    try at all; where the trouble is its ``own`` and not the item's, another one may do it."""

    ok: bool
    message: str = ""
    busy: bool = False
    own: bool = False

    @staticmethod
    def of(body: str) -> Masked:
        """The answer in ``body``. Raises MessageError for anything that does not fit."""
        return read_answer(Masked, body)


class ReplayedEvent(Body):
    """One incident as ``Event`` tells of it, without why."""

    id: str
    kind: str
    rule: str
    place: str
    start_ts: Ts
    raised_ts: Ts
    end_ts: Ts | None
    track_ids: tuple[int, ...]
    score: float
    severity: Severity


class NotReplayed(Body):
    """A rule that was left out, or a part of what it needs, and ``why``; both names are empty
    where it is about all of them."""

    rule: str
    kind: str
    why: str


class Replayed(Body):
    """What came of a replay: ``message`` says why there is none. ``events`` were raised in the time
    that was asked for, in that order, and ``more`` are left out, as there would be too many.
    ``pictures`` were replayed, the first and the last of the time at ``first_ts`` and ``last_ts``;
    ``reached_ts`` is where it had to stop, None where it came to the end. ``damaged`` blocks could
    not be read. Rules that are ``silent`` raised nothing, and ``passed`` lines were crossed, where
    it was asked for that. A worker that is ``busy`` did not replay at all."""

    ok: bool
    message: str = ""
    busy: bool = False
    events: tuple[ReplayedEvent, ...] = ()
    more: int = 0
    pictures: int = 0
    first_ts: Ts | None = None
    last_ts: Ts | None = None
    reached_ts: Ts | None = None
    left_out: tuple[NotReplayed, ...] = ()
    damaged: int = 0
    silent: tuple[Silent, ...] = ()
    passed: tuple[Passed, ...] = ()

    @staticmethod
    def of(body: str) -> Replayed:
        """The answer in ``body``. Raises MessageError for anything that does not fit."""
        return read_answer(Replayed, body)


class Closing(Body):
    """An alert that people closed as a true or as a false alarm, and when it was (UTC seconds)."""

    alert: Annotated[str, Field(min_length=1, max_length=80)]
    true_alarm: bool
    start_ts: Ts
    raised_ts: Ts
    end_ts: Ts | None
    track_ids: Annotated[tuple[int, ...], Field(max_length=MAX_TRACK_IDS)]


class Suggest(Body):
    """Try the ``rule`` of ``camera`` at stricter thresholds on the tracks that are kept of the time
    around these alerts of it, within ``timeout_s``."""

    type: Literal["suggest"] = "suggest"
    camera: Name
    rule: Name
    closings: Annotated[tuple[Closing, ...], Field(max_length=MAX_CLOSINGS)]
    timeout_s: Annotated[float, Field(ge=1, le=MAX_REPLAY_S)] = 60.0


class TriedValue(Body):
    """What a ``value`` of a ``setting`` would have done: so many of the true alarms would still
    have been told of, the latest of them ``later_s`` later, and so many of the false ones not."""

    setting: str
    value: float
    true_kept: int
    false_gone: int
    later_s: float


class NotTried(Body):
    """An alert on which nothing could be tried: its tracks are ``gone``, or ``cut`` off before it
    was over; the rule is ``quiet`` there as it is drawn now; or there was no ``time`` left."""

    alert: str
    true_alarm: bool
    why: Literal["gone", "cut", "quiet", "time"]


class Suggested(Body):
    """What came of it, or, in ``refused`` and as a sentence in ``message``, why nothing did: there
    is no such ``camera`` or ``rule`` here, the rule looks at ``more`` than tracks or has ``no
    thresholds``, nothing is ``kept``, the ``scene`` is wrong, or the worker is ``busy`` with
    others. ``now`` are the rule's thresholds as they are. ``tried`` are stricter values on
    ``true_alarms`` and ``false_alarms``, the least strict of each setting first, and ``not_tried``
    the alerts beyond them. ``best`` leaves out the most false alarms and loses no true one.
    ``why_none`` says why there is none: ``nothing`` leaves out a false alarm, each that does
    ``costs`` a true one, no false alarm could be tried (``unknown``), or not each true one was in
    ``time``."""

    ok: bool
    message: str = ""
    refused: Literal["camera", "rule", "more", "no thresholds", "kept", "scene", "busy"] | None = (
        None
    )
    kind: str = ""
    now: dict[str, float] = Field(default_factory=dict)
    true_alarms: int = 0
    false_alarms: int = 0
    tried: tuple[TriedValue, ...] = ()
    not_tried: tuple[NotTried, ...] = ()
    best: TriedValue | None = None
    why_none: Literal["nothing", "costs", "unknown", "time"] | None = None

    @property
    def busy(self) -> bool:
        return self.refused == "busy"

    @staticmethod
    def of(body: str) -> Suggested:
        """The answer in ``body``. Raises MessageError for anything that does not fit."""
        return read_answer(Suggested, body)


class Tracks(Body):
    """Give the tracks of ``camera`` that are kept of this time (UTC seconds)."""

    type: Literal["tracks"] = "tracks"
    camera: Name
    from_ts: Ts
    to_ts: Ts

    @model_validator(mode="after")
    def _fits(self) -> Tracks:
        if not 0 < self.to_ts - self.from_ts <= MAX_TRACKS_S:
            raise ValueError("tracks are given of more than 0 and up to 60 minutes")
        return self


class Given(Body):
    """Kept tracks: ``blocks`` as they stand in a segment, base64; or why there are none. A worker
    that is ``busy`` did not look."""

    ok: bool
    message: str = ""
    busy: bool = False
    blocks: Annotated[Base64Bytes, Field(max_length=MAX_TRACKS_BYTES)] = b""

    @staticmethod
    def of(body: str) -> Given:
        """The answer in ``body``. Raises MessageError for anything that does not fit."""
        return read_answer(Given, body)


class Tried(Body):
    """What came of a try: ``message`` says it for people. Width and height in px. A worker that is
    ``busy`` did not try at all."""

    ok: bool
    code: Code | None
    message: str
    busy: bool = False
    width: int | None = None
    height: int | None = None

    @staticmethod
    def of(body: str) -> Tried:
        """The answer in ``body``. Raises MessageError for anything that does not fit."""
        return read_answer(Tried, body)


AnyCommand: TypeAlias = View | Follow | Try | Replay | Suggest | Tracks | Mask | Still | Check
_ADAPTER: TypeAdapter[AnyCommand] = TypeAdapter(Annotated[AnyCommand, Field(discriminator="type")])


def decode_command(body: str) -> AnyCommand:
    """The command in ``body``. Raises MessageError for anything that does not fit."""
    if len(body) > MAX_COMMAND_CHARS:
        raise MessageError(f"a command has at most {MAX_COMMAND_CHARS} characters")
    try:
        return _ADAPTER.validate_json(body)
    except ValidationError as error:
        raise MessageError(f"the command is unknown here: {first_of(error)}") from None


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a camera with what was drawn on it: ``ts`` of its capture (UTC seconds),
    size in px and JPEG bytes."""

    ts: float
    width: int
    height: int
    jpeg: bytes

    def encode(self) -> bytes:
        return _HEAD.pack(_VERSION, self.ts, self.width, self.height) + self.jpeg

    @staticmethod
    def decode(body: bytes) -> Picture:
        """Raises MessageError for anything that ``encode`` did not give."""
        if not _HEAD.size < len(body) <= MAX_PICTURE_BYTES or body[:1] != _VERSION:
            raise MessageError(f"this is no picture, but {len(body)} bytes of something else")
        _, ts, width, height = _HEAD.unpack_from(body)
        if not (0 <= ts < END_TS and width and height):
            raise MessageError(f"this is no picture: it says {width}x{height} px at {ts}")
        return Picture(ts, width, height, body[_HEAD.size :])
