"""What a worker tells a decoder process to do, and what both keep to."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Final

MAX_PIXELS: Final = 8192 * 4352
"""8K with a margin: above it a picture is refused before memory is taken for it."""
MAX_LINE_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Order:
    """What a decoder is to do. ``fps`` None is every picture; ``index`` is that of the next
    picture; ``not_before`` (UTC seconds) is the time of the last one."""

    path: str
    secure: bool
    user: str | None
    password: str | None = field(repr=False)
    fps: float | None
    index: int
    not_before: float

    def line(self) -> bytes:
        """The order as it goes over the channel."""
        return json.dumps(asdict(self)).encode() + b"\n"
