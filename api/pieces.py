"""Where masked pieces of video lie that people count in, and how they go: pictures of a street are
kept no longer than somebody may count in them."""

from __future__ import annotations

from collections.abc import Collection, Generator
from pathlib import Path
from typing import Final

import structlog

from api.evidence.files import CHUNK
from api.evidence.refusals import UnavailableError
from api.store import Actor, Store

FOLDER: Final = "validation"
"""Of the data folder."""
SUFFIX: Final = ".mp4"
KEEP_DAYS: Final = 90.0
BEGUN_S: Final = 3600.0
"""A file that no piece has, and that is no older, may be about to become one."""
RETENTION: Final = Actor("command", "retention")

log = structlog.get_logger()


def path_of(folder: Path, sha256: str) -> Path:
    """Where the file of a piece is."""
    return folder / f"{sha256}{SUFFIX}"


def read(path: Path, offset: int, length: int) -> Generator[bytes]:
    """So many bytes of a file from ``offset`` on. Raises UnavailableError."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            while length > 0 and (chunk := file.read(min(CHUNK, length))):
                length -= len(chunk)
                yield chunk
    except OSError as error:
        why = (error.strerror or "error").lower()
        raise UnavailableError(f"the piece of video cannot be read ({why}): ask again") from None


def sweep(store: Store, folder: Path, now: float) -> None:
    """Let go the videos of pieces whose time is over by ``now`` (UTC seconds), and files that
    belong to none. What cannot be removed is said and tried again. Raises StoreError."""
    over = store.validations.expired(now)
    remove(store, folder, [piece.id for piece in over], RETENTION, now=now)


def remove(store: Store, folder: Path, pieces: Collection[int], by: Actor, *, now: float) -> None:
    """Let go the videos of these pieces; what was counted in them stays. Raises StoreError."""
    gone = store.validations.set_removed(pieces, by) if pieces else frozenset[str]()
    used = store.validations.files()
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if path.stem in used:
            continue
        try:
            if path.stem in gone or path.stat().st_mtime < now - BEGUN_S:
                path.unlink()
        except OSError as error:
            why = (error.strerror or "error").lower()
            log.warning("a piece of video cannot be removed", file=path.name, why=why)
