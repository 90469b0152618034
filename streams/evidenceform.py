"""How evidence of an alert goes from worker to API and back: one line of JSON, then its parts.

An item is what shows one alert in one form. Its parts are the ``original``, as the camera sent it;
``boxes``, which say where somebody is in it; and a ``copy`` in which nobody can be recognised. They
follow the line in its order, with nothing between them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streams.messages import NO_NUL, Name, Ts
from vision.errors import EvidenceError

Form: TypeAlias = Literal["snapshot", "clip"]
PartName: TypeAlias = Literal["original", "boxes", "copy"]
FORMS: Final[tuple[Form, ...]] = ("snapshot", "clip")
MEDIA: Final[Mapping[Form, tuple[str, ...]]] = {
    "snapshot": ("image/jpeg",),
    "clip": ("video/mp4", "video/quicktime"),
}
"""Of originals: QuickTime is for Motion JPEG, which no MP4 player takes. Copies are JPEG or MP4."""
CONTENT_TYPE: Final = "application/x-matakota-evidence"
SCHEMA: Final = 1
MAX_HEAD_BYTES: Final = 1 << 16
"""With the end of the line."""
MAX_PART_BYTES: Final[Mapping[PartName, int]] = {
    "original": 256 << 20,
    "boxes": 16 << 20,
    "copy": 256 << 20,
}
MAX_SENTENCE_CHARS: Final = 500
_ORDER: Final[tuple[PartName, ...]] = ("original", "boxes", "copy")

AlertId: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,80}$")]
Sentence: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=MAX_SENTENCE_CHARS, pattern=NO_NUL)
]


class Part(NamedTuple):
    """A part of ``size`` bytes, whose SHA-256 is ``sha256``, hexadecimal."""

    name: PartName
    size: Annotated[int, Field(ge=1, le=max(MAX_PART_BYTES.values()))]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Head(BaseModel):
    """The line before the parts. ``from_ts`` and ``to_ts`` (UTC seconds) are what the item covers;
    ``note`` says why that is less than it should be, ``copy_why`` why there is no copy."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_version: Annotated[Literal[1], Field(alias="schema")] = SCHEMA
    alert: AlertId
    camera: Name
    form: Form
    from_ts: Annotated[Ts, Field(alias="from")]
    to_ts: Annotated[Ts, Field(alias="to")]
    revision: Annotated[int, Field(ge=0, lt=1 << 31)]
    media: Literal["image/jpeg", "video/mp4", "video/quicktime"]
    copy_why: Sentence | None = None
    note: Sentence | None = None
    parts: Annotated[tuple[Part, ...], Field(min_length=1, max_length=len(_ORDER))]

    @model_validator(mode="after")
    def _fits(self) -> Head:
        if self.to_ts < self.from_ts:
            raise ValueError("an item ends no earlier than it begins")
        if self.media not in MEDIA[self.form]:
            raise ValueError(f"a {self.form} is {' or '.join(MEDIA[self.form])}")
        places = [_ORDER.index(part.name) for part in self.parts]
        if any(after <= before for before, after in pairwise(places)):
            raise ValueError("the parts are original, boxes, copy, each once")
        for part in self.parts:
            if part.size > MAX_PART_BYTES[part.name]:
                raise ValueError(f"the part {part.name} has {part.size} bytes, which is too many")
        return self

    @property
    def size(self) -> int:
        """Bytes of all parts together."""
        return sum(part.size for part in self.parts)

    def part(self, name: PartName) -> Part | None:
        """The part of that name, None where there is none."""
        return next((part for part in self.parts if part.name == name), None)

    def encode(self) -> bytes:
        """The line, ASCII, with its end."""
        document = self.model_dump(mode="json", by_alias=True)
        return json.dumps(document, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"

    @staticmethod
    def decode(line: bytes) -> Head:
        """The head in ``line``, with or without its end. Raises EvidenceError for anything that
        does not fit."""
        if len(line) > MAX_HEAD_BYTES:
            raise EvidenceError(f"the first line of evidence has at most {MAX_HEAD_BYTES} bytes")
        try:
            return Head.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(each) for each in first["loc"])
            raise EvidenceError(
                f"the first line of evidence does not fit: {place or 'it'}: {first['msg']}"
            ) from None
