"""What whoever draws on a camera asks of its worker: a picture as it is and how its view looks,
whether a scene can be used, and of tracks that were kept, why a rule was silent and who passed a
line."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Base64Bytes, Field, JsonValue

from streams.commandform import Body, read_answer
from streams.messages import Name, Ts

MAX_STILL_BYTES: Final = 4 << 20
MAX_STILL_S: Final = 30.0


class Met(Body):
    """One thing that must be so before a rule fires, how it was, and how it must be."""

    what: str
    met: bool
    found: str
    needed: str


class Silent(Body):
    """A rule that raised nothing in the time that was asked for, and when it was nearest to it: at
    ``at_ts``, about the track ``track_id`` or the place as a whole (None). ``at_ts`` is None where
    there was nobody of whom it could have been. Where all ``conditions`` are met, what it saw was
    ``told`` before that time, and went on."""

    rule: str
    kind: str
    place: str
    at_ts: Ts | None = None
    track_id: int | None = None
    told: bool = False
    conditions: tuple[Met, ...] = ()


class Passed(Body):
    """How many of a class passed a line in a direction."""

    line: str
    direction: str
    class_name: str
    count: int


class Still(Body):
    """Give the next picture of ``camera`` as it is, without what is drawn on it; or, with ``view``,
    how the camera's view looks. Within ``timeout_s``."""

    type: Literal["still"] = "still"
    camera: Name
    view: bool = False
    timeout_s: Annotated[float, Field(ge=1, le=MAX_STILL_S)] = 10.0


class Taken(Body):
    """What came of it: a ``jpeg`` of ``width`` x ``height`` px that was taken at ``ts``, base64, or
    the text of a ``view``; ``message`` says why there is neither. A worker that is ``busy`` did not
    look."""

    ok: bool
    message: str = ""
    busy: bool = False
    ts: Ts | None = None
    width: int = 0
    height: int = 0
    jpeg: Annotated[Base64Bytes, Field(max_length=MAX_STILL_BYTES)] = b""
    view: str = ""

    @staticmethod
    def of(body: str) -> Taken:
        """The answer in ``body``. Raises MessageError for anything that does not fit."""
        return read_answer(Taken, body)


class Check(Body):
    """Say whether ``camera`` could be watched by ``scene``, a document, with the model that it has.
    Changes nothing, and is answered at once."""

    type: Literal["check"] = "check"
    camera: Name
    scene: dict[str, JsonValue]
    timeout_s: ClassVar[float] = 0.0


class Checked(Body):
    """What came of it: ``message`` says why the camera could not be. A worker that is ``busy`` with
    others, or lacks the camera or the model, cannot tell."""

    ok: bool
    message: str = ""
    busy: bool = False

    @staticmethod
    def of(body: str) -> Checked:
        """The answer in ``body``. Raises MessageError for anything that does not fit."""
        return read_answer(Checked, body)
