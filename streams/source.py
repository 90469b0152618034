"""What the loop needs of a source, recorded or live."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from vision.types import Frame


class Source(Protocol):
    """Frames of one camera, oldest first, while the context is open.

    ``frames`` yields BGR frames whose ``ts`` (UTC seconds) never runs backwards and ends when the
    source does; leaving the context releases whatever it holds, also in the middle.
    """

    @property
    def camera_id(self) -> str: ...

    def frames(self) -> Iterator[Frame]: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
