"""Parts as they arrive: cut out of one stream, counted and hashed before anything is kept."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator

from api.evidence.refusals import NoRoomError, UnfitError
from streams.evidenceform import Part


class Arriving:
    """``stream`` may be cut anyhow; all of it must arrive within ``limit_s``."""

    def __init__(self, stream: Iterable[bytes], limit_s: float) -> None:
        self._stream = iter(stream)
        self._rest = b""
        self._until = time.monotonic() + limit_s

    def part(self, part: Part) -> Iterator[bytes]:
        """The bytes of the next part. Raises UnfitError at their end where they are not those that
        were announced."""
        left, digest = part.size, hashlib.sha256()
        while left > 0:
            chunk = self._rest or self._next()
            if not chunk:
                raise UnfitError(f"the part {part.name} ends too early: send all of it")
            self._rest, chunk = chunk[left:], chunk[:left]
            left -= len(chunk)
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != part.sha256:
            raise UnfitError(f"the part {part.name} has another sha256 than its head says")

    def end(self) -> None:
        """Raises UnfitError where more arrives."""
        if self._rest or self._next():
            raise UnfitError("more was sent than the head says")

    def _next(self) -> bytes:
        """The next bytes; none at the end."""
        for chunk in self._stream:
            if time.monotonic() > self._until:
                raise NoRoomError("the evidence took too long to arrive: try again")
            if chunk:
                return chunk
        return b""
