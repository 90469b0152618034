"""What the room of evidence answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from streams.evidenceform import Head


@dataclass(frozen=True, slots=True)
class Taken:
    """What is kept now: the sha256 of the original (of the copy, for a copy), in hex, and whether
    it was ``created`` by this, or was there already."""

    sha256: str
    created: bool


class Chunks(Protocol):
    """Reads ``length`` bytes from ``offset`` on (all that follow, for None), in pieces. Raises
    UnavailableError, and before the last piece DamagedError where all of them are read and are not
    those that were stored."""

    def __call__(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A part that can be read: ``size`` bytes of the type ``media``, with their ``sha256``."""

    size: int
    media: str
    sha256: str
    chunks: Chunks


class Packed(NamedTuple):
    """A packing that can be sent: its head and the bytes of its parts in their order."""

    head: Head
    chunks: Iterator[bytes]

    @property
    def size(self) -> int:
        """Bytes of the whole: the line and the parts."""
        return len(self.head.encode()) + sum(part.size for part in self.head.parts)


class Deleted(NamedTuple):
    """How many items were deleted, and how many were spared because they are held."""

    deleted: int
    spared: int


class Swept(NamedTuple):
    """How many items went because of their age, how many for room, and how many interrupted uploads
    or leftovers of deleted items were cleared away."""

    old: int
    for_room: int
    leftovers: int
