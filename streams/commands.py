"""What the API asks of a worker, and what it gets: the wire schema of the control path, as JSON.

A command that has expired is never seen. A worker leaves out what it cannot read: commands of a
newer version are asked again, in vain, until it is updated.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from streams.health import Code
from streams.messages import MessageError, Name

LEASE_S: Final = 10.0
"""A worker makes pictures of a camera for so long after the last wish to view it."""
RENEW_S: Final = 3.0
"""How often a viewer says so."""
MAX_PICTURE_BYTES: Final = 4 << 20
END_TS: Final = 253_402_300_800
"""The end of the year 9999, UTC seconds."""

_HEAD: Final = struct.Struct(">cdHH")
_VERSION: Final = b"\x01"


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class View(_Body):
    """Somebody views ``camera``: make pictures of it for ``LEASE_S`` from now on."""

    type: Literal["view"] = "view"
    camera: Name


class Follow(_Body):
    """The configuration has changed: take it now."""

    type: Literal["follow"] = "follow"


class Try(_Body):
    """Get one picture from an address, with the login of that name, within ``timeout_s``."""

    type: Literal["try"] = "try"
    source: Annotated[str, Field(min_length=1, max_length=2000)]
    login: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    timeout_s: Annotated[float, Field(ge=1, le=30)] = 10.0


class Tried(_Body):
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
        try:
            return Tried.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise MessageError(f"the answer is unknown here: {first['msg']}") from None


AnyCommand: TypeAlias = Annotated[View | Follow | Try, Field(discriminator="type")]
_ADAPTER: TypeAdapter[View | Follow | Try] = TypeAdapter(AnyCommand)


def decode_command(body: str) -> View | Follow | Try:
    """The command in ``body``. Raises MessageError for anything that does not fit."""
    try:
        return _ADAPTER.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise MessageError(f"the command is unknown here: {first['msg']}") from None


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
