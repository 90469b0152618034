"""What a camera's analysis may want of its sub-stream, for tests."""

from __future__ import annotations

from dataclasses import dataclass

from streams.rtsp.substream import Size


@dataclass
class Wanted:
    """A wish as it is told; pictures whose longer side is below ``least`` px do not do."""

    setting: str = "auto"
    drawn: Size | None = (1280, 720)
    stretch: bool = False
    least: int = 0

    def __call__(self) -> Wanted:
        return self

    def misfit(self, size: Size) -> str:
        return "too few pixels" if max(size) < self.least else ""
