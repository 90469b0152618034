"""What the loops need of a source, recorded or live."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Literal, Protocol, Self

from streams.health import Health
from streams.rtsp.ring import Ring
from vision.types import Frame


class Source(Protocol):
    """Frames of one camera while the context is open; leaving it releases whatever it holds, also
    in the middle. ``ts`` (UTC seconds) of its frames never runs backwards."""

    @property
    def camera_id(self) -> str: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class RecordedSource(Source, Protocol):
    """``frames`` yields BGR frames, oldest first, and ends when the recording does."""

    def frames(self) -> Iterator[Frame]: ...


class LiveSource(Source, Protocol):
    """``next`` waits up to ``timeout_s`` seconds for the newest frame that was not handed out yet
    and returns None where none came; what was due and never asked for in time is counted as
    ``dropped``. It never raises for what a camera does: ``health`` says how the camera is, and
    the source tries again by itself. ``connects`` counts attempts that brought a picture. ``ring``
    holds the latest packets of a camera that sends such and whose packets are kept. ``stream`` is
    which of a camera's streams the latest picture came from, None for a rendered
    camera and before the first picture."""

    def next(self, timeout_s: float) -> Frame | None: ...

    @property
    def health(self) -> Health: ...

    @property
    def dropped(self) -> int: ...

    @property
    def connects(self) -> int: ...

    @property
    def ring(self) -> Ring | None: ...

    @property
    def stream(self) -> Literal["main", "sub"] | None: ...
