"""Which bytes of something a player asks for (RFC 9110, one range at a time)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ONE: Final = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Piece:
    """``length`` bytes from ``start``, of ``whole``; ``partial`` where a range was asked for."""

    start: int
    length: int
    whole: int
    partial: bool = True

    @property
    def said(self) -> str:
        """As ``Content-Range`` says it."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.whole}"


def wanted_piece(asked: str | None, if_range: str | None, etag: str, whole: int) -> Piece | None:
    """What the headers ``Range`` and ``If-Range`` ask for of what has this ``etag`` and ``whole``
    bytes. What cannot be read, or names several ranges, asks for all; None is a range that lies
    beyond the end."""
    everything = Piece(0, whole, whole, partial=False)
    found = None if asked is None else _ONE.fullmatch(asked.strip())
    if found is None or if_range not in {None, etag}:
        return everything
    first, last = found[1], found[2]
    if not first and not last:
        return everything
    if not first:
        # so many from the end
        length = min(int(last), whole)
        return Piece(whole - length, length, whole) if length else None
    start = int(first)
    end = min(int(last), whole - 1) if last else whole - 1
    if last and int(last) < start:
        return everything
    return Piece(start, end - start + 1, whole) if start < whole else None
