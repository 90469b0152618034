"""Pieces of video for tests that need some, with what a machine counted in them."""

from __future__ import annotations

from typing import Any

from api.store.validations import NewPiece
from tests.api.served import DAY


def piece(start_s: float = 0.0, **more: Any) -> NewPiece:
    """A piece of the line "gate" of the plaza that begins so many seconds into the day."""
    made: dict[str, Any] = {
        "camera": "plaza",
        "line": "gate",
        "from_ts": DAY + start_s,
        "seconds": 300,
        "revision": 1,
        "model": "a-model",
        "source": "plaza.mp4",
        "points": ((0.5, 0.1), (0.5, 0.9)),
        "directions": ("in", "out"),
        "classes": ("car", "motorcycle"),
        "machine": {("in", "car"): 9, ("out", "car"): 1, ("in", "motorcycle"): 30},
        "observed_s": 300.0,
        "width": 640,
        "height": 360,
        "size": 1000,
        "sha256": f"{int(start_s):064x}",
        "keep_until": DAY + 1e9,
    }
    return NewPiece(**{**made, **more})
