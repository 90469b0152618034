"""What is known of one item of evidence, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from streams.evidenceform import Form
from vision.types import JsonValue

ItemState: TypeAlias = Literal["stored", "missing", "deleted"]
CopyState: TypeAlias = Literal["ready", "none", "failed"]
NO_HASH: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Kept:
    """One part as it is kept: its bytes and their sha256, in hex."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Item:
    """Evidence of one form of one alert. ``why`` says in one sentence why it is missing, or what it
    was deleted for. ``from_ts`` to ``to_ts`` (UTC seconds) is what it covers, None where it is
    missing. ``original`` and ``boxes`` are None where nothing was ever stored, ``copied`` where
    there is no masked copy; ``copy_why`` then says why, if that was tried, and
    ``copy_failed_at`` when (UTC seconds, the store's clock). ``hold`` spares it from every
    deletion. ``place`` is where its files lie, without the name of the part."""

    alert: str
    form: Form
    camera: str
    kind: str
    state: ItemState
    why: str | None
    from_ts: float | None
    to_ts: float | None
    revision: int | None
    media: str | None
    note: str | None
    place: str | None
    original: Kept | None
    boxes: Kept | None
    copy_place: str | None
    copied: Kept | None
    copy_why: str | None
    copy_failed_at: float | None
    stored_at: float | None
    changed_at: float
    removed: bool
    hold: bool

    @property
    def bytes(self) -> int:
        """Of all its parts."""
        return sum(part.size for part in (self.original, self.boxes, self.copied) if part)

    @property
    def sha256(self) -> str | None:
        """Of the original, in hex."""
        return None if self.original is None else self.original.sha256

    @property
    def copy(self) -> CopyState:
        """Whether there is a masked copy, or the last try to make one failed."""
        if self.copied is not None:
            return "ready"
        return "none" if self.copy_why is None else "failed"

    def told(self) -> dict[str, JsonValue]:
        """What the chain says of it: all that must never change while it is stored."""
        original, boxes = self.original, self.boxes
        return {
            "alert": self.alert,
            "form": self.form,
            "camera": self.camera,
            "kind": self.kind,
            "from": self.from_ts,
            "to": self.to_ts,
            "revision": self.revision,
            "media": self.media,
            "note": self.note,
            "place": self.place,
            "original": None if original is None else [original.size, original.sha256],
            "boxes": None if boxes is None else [boxes.size, boxes.sha256],
        }

    def buried(self) -> dict[str, JsonValue]:
        """What its tombstone says of it."""
        return {
            "alert": self.alert,
            "form": self.form,
            "camera": self.camera,
            "from": self.from_ts,
            "to": self.to_ts,
            "sha256": self.sha256,
        }
