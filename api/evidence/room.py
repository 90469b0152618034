"""The room where evidence is kept: the one way to it for routes and commands."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final, Self

import structlog

from api.evidence.arriving import Arriving
from api.evidence.files import Files
from api.evidence.heads import Heads, HeadsError
from api.evidence.leaving import PARTS, PIECE, RETENTION, Leaving
from api.evidence.refusals import (
    DamagedError,
    DeletedError,
    KeyGoneError,
    NoItemError,
    NoRoomError,
    UnavailableError,
    UnfitError,
)
from api.evidence.settings import EvidenceSettings
from api.evidence.signing import KeyFile
from api.evidence.values import Chunks, Deleted, Opened, Packed, Swept, Taken
from api.evidence.verifying import Report, verify
from api.i18n import N_
from api.store import Actor, Store
from api.store.evidence import Kinds
from api.store.evidence_items import Item, Kept
from api.store.evidence_rows import check_same
from api.times import EPOCH
from streams.evidenceform import Form, Head, PartName
from vision.errors import EvidenceError, StoreError

RESERVE_BYTES: Final = 512 << 20
"""So much of a disk is left to the database."""
UPLOAD_S: Final = 1800.0
"""No upload takes longer; what is older by half is a leftover."""
NOT_NOW: Final = N_("the server has no room for it now; it waits at its worker")
COPIES: Final[Mapping[Form, str]] = {"snapshot": "image/jpeg", "clip": "video/mp4"}

__all__ = ["Chunks", "Deleted", "EvidenceRoom", "Opened", "Packed", "Swept", "Taken"]

log = structlog.get_logger()


class EvidenceRoom:
    """Takes, shows and lets go evidence. For any thread; every method may wait for disk or network,
    so that routes call it from a thread of their own.

    Raises the errors of ``api.evidence.refusals`` and, from the database, StoreError."""

    def __init__(
        self,
        store: Store,
        files: Files,
        heads: Path,
        key: Path,
        *,
        keep: Kinds,
        max_bytes: int,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self._rows = store.evidence
        self._files = files
        self._heads = Heads(heads, store.evidence)
        self._key = KeyFile(key)
        self._keep = keep
        self._max_bytes = max_bytes
        self._reserve_bytes = reserve_bytes
        self._leaving = Leaving(
            store.evidence, files, self._key, self._catch_up,
            max_bytes=max_bytes, reserve_bytes=reserve_bytes,
        )  # fmt: skip
        self._problem: str | None = None
        self._staying: str | None = None

    @classmethod
    def open(cls, store: Store, data: Path, environ: Mapping[str, str]) -> Self:
        """The room of this machine's settings: ``data`` is the data folder, ``environ`` may name
        other places and limits. Raises ConfigError."""
        settings = EvidenceSettings.read(environ, data)
        files = Files.open(settings.url, settings.incoming)
        return cls(
            store, files, settings.heads, settings.key,
            keep=settings.keep, max_bytes=settings.max_bytes,
        )  # fmt: skip

    def take(self, head: Head, parts: Iterable[bytes]) -> Taken:
        """Keep original and boxes (and the copy, if it came along) of an item; ``parts`` are the
        bytes after the head's line, cut anyhow. Sent again, nothing changes: where the same
        original is there already, ``parts`` is not read. Raises NoAlertError, UnfitError,
        OtherOriginalError, DeletedError, and NoRoomError or UnavailableError, which stand at its
        alert until it is sent again."""
        sent = {part.name: part for part in head.parts}
        if not {"original", "boxes"} <= sent.keys():
            raise UnfitError("evidence needs its original and its boxes: send both")
        sha256 = sent["original"].sha256
        known = self._rows.expect(head)
        if known is not None and known.state != "missing":
            check_same(known, sha256)
            return Taken(sha256, created=False)
        self._rows.turn_away(head)
        try:
            self._begin_heads()
            place = self._fill(head, parts, originals=True)
        except (NoRoomError, UnavailableError):
            with suppress(EvidenceError, StoreError):
                self._rows.miss(head.alert, head.camera, head.form, NOT_NOW)
            raise
        try:
            created = self._rows.keep(head, place, self._key)
        except EvidenceError:
            # after an error of the store it may be kept all the same
            self._clear(place)
            raise
        if not created:
            self._clear(place)
        self._catch_up()
        return Taken(sha256, created)

    def take_copy(self, head: Head, parts: Iterable[bytes]) -> Taken:
        """Keep the masked copy of an item that is stored; the first one stays. Raises NoAlertError,
        NoItemError, UnfitError, DeletedError, NoRoomError."""
        if [part.name for part in head.parts] != ["copy"]:
            raise UnfitError("a copy is sent alone: leave the other parts out")
        item = self._stored(self._rows.expect(head), head.alert, head.form)
        if item.copied is not None:
            return Taken(item.copied.sha256, created=False)
        place = self._fill(head, parts, originals=False)
        copied = Kept(head.parts[0].size, head.parts[0].sha256)
        try:
            kept = self._rows.keep_copy(head.alert, head.form, copied, place)
        except EvidenceError:
            self._clear(place)
            raise
        if kept.copy_place != place:
            self._clear(place)
        assert kept.copied is not None  # noqa: S101 - it was kept or is there
        return Taken(kept.copied.sha256, kept.copy_place == place)

    def missing(self, alert: str, camera: str, form: Form, why: str) -> None:
        """Say of an item that it could not be made (yet); one that came stays. Raises
        NoAlertError, UnfitError."""
        self._rows.miss(alert, camera, form, why)

    def copy_failed(self, alert: str, form: Form, why: str) -> None:
        """Say of a stored item that its copy could not be made: ``Item.copy_why`` and
        ``copy_failed_at``. One that has a copy, or is gone, stays as it is."""
        self._rows.copy_failed(alert, form, why)

    def items(self, alert: str) -> tuple[Item, ...]:
        """All that is known of an alert's evidence: snapshot, then clip. Whether there is such an
        alert, and who may see its camera, the caller asks first."""
        return self._rows.of_alert(alert)

    def read(self, alert: str, form: Form, part: PartName) -> Opened:
        """Open a part. Raises NoItemError (also for a copy that there is not yet), DeletedError,
        DamagedError, UnavailableError."""
        item = self._stored(self._rows.get(alert, form), alert, form)
        kept = {"original": item.original, "boxes": item.boxes, "copy": item.copied}[part]
        if kept is None:
            raise NoItemError(f"there is no {part} of the {form} of alert {alert!a} yet")
        name = f"{item.copy_place if part == 'copy' else item.place}.{part}"
        try:
            if self._files.size(name) != kept.size:
                raise DamagedError(
                    f"the {part} of the {form} of alert {alert!a} is not as long as it was: see "
                    "'matakota evidence verify'"
                )
        except DamagedError:
            if part != "copy":
                raise
            self._forget_copy(item)
            raise NoItemError(f"the copy of the {form} of alert {alert!a} is gone") from None
        media = {"original": item.media or "", "boxes": "application/json", "copy": COPIES[form]}
        return Opened(kept.size, media[part], kept.sha256, partial(self._chunks, item, part, kept))

    def material(self, alert: str, form: Form) -> Packed:
        """What a worker needs to make the copy: original and boxes. Raises as ``read``."""
        item = self._stored(self._rows.get(alert, form), alert, form)
        opened = {name: self.read(alert, form, name) for name in PARTS[:2]}
        said = {
            "schema": 1, "alert": alert, "camera": item.camera, "form": form,
            "from": item.from_ts, "to": item.to_ts, "revision": item.revision,
            "media": item.media, "copy_why": None, "note": item.note,
            "parts": [[name, part.size, part.sha256] for name, part in opened.items()],
        }  # fmt: skip
        chunks = (chunk for part in opened.values() for chunk in part.chunks())
        return Packed(Head.decode(json.dumps(said).encode("ascii")), chunks)

    def find(
        self, camera: str | None, from_ts: float | None, to_ts: float | None, limit: int = 1000
    ) -> tuple[Item, ...]:
        """Stored items that show a moment of [from_ts, to_ts), the oldest first; None for any
        camera or time, at most ``limit``."""
        return self._rows.find(camera, from_ts, to_ts, limit)

    def delete(self, camera: str, from_ts: float, to_ts: float, reason: str, by: Actor) -> Deleted:
        """Delete all that is stored of a camera and shows a moment of [from_ts, to_ts), but for
        what is held; what comes later of it, up to now, is not kept. Each leaves a signed tombstone
        and a line in the record. Raises KeyGoneError."""
        # before anything goes, so that nothing of it is stored meanwhile
        self._rows.delete_span(camera, from_ts, to_ts, reason)
        total = spared = 0
        while True:
            # what is held stays in front of those that are found
            found = self._rows.find(camera, from_ts, to_ts, spared + PIECE)
            free = [item for item in found if not item.hold]
            if not free and len(found) < spared + PIECE:
                return Deleted(total, len(found))
            total += self._leaving.let_go(free, reason, by)
            spared = len(found) - len(free)

    def hold(self, alert: str, reason: str, by: Actor) -> bool:
        """Spare an alert's evidence, also what is still to come, from every deletion; False where
        it is held already. Raises NoAlertError."""
        self._begin_heads()
        done = self._rows.hold(alert, reason, by, self._key)
        self._catch_up()
        return done

    def release(self, alert: str, reason: str, by: Actor) -> bool:
        """End that; False where it is not held."""
        done = self._rows.release(alert, reason, by, self._key)
        self._catch_up()
        return done

    def sweep(self, now: float) -> Swept:
        """Delete what is older than it may be kept (``now`` is UTC seconds), then the oldest until
        budget and disk have room again, and clear away what interrupted uploads and deletions
        left. Alerts stay. Call it at the start and then every few minutes. Raises KeyGoneError,
        NoRoomError."""
        self._catch_up()
        leftovers = self._files.clear_incoming(2 * UPLOAD_S)
        for upload in self._rows.uploads(now - 2 * UPLOAD_S):
            self._clear(upload.place)
            leftovers += 1
        leftovers += self._leaving.remove_rest()
        self._staying = self._leaving.staying(now)
        old = 0
        while found := self._rows.older(now, self._keep, PIECE):
            gone = self._leaving.let_go(found, "it was kept for as long as it may be", RETENTION)
            old += gone
            if gone == 0:
                break
        return Swept(old, self._leaving.free_room(0, None), leftovers)

    def verify(self) -> Report:
        """Look at everything: chain, heads, rows, files, signatures. Changes nothing."""
        return verify(self._rows, self._files, self._heads, self._key)

    @property
    def problem(self) -> str | None:
        """What is wrong with the heads outside the database, or that what is deleted does not go,
        one sentence; None if nothing is."""
        return self._problem or self._staying

    def _chunks(
        self, item: Item, part: PartName, kept: Kept, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """The bytes of a part; all but the last piece of one that is read whole and has changed,
        which then raises DamagedError."""
        name = f"{item.copy_place if part == 'copy' else item.place}.{part}"
        whole = offset == 0 and (length is None or length >= kept.size)
        digest, held = hashlib.sha256(), b""
        with closing(self._files.read(name, offset, length)) as pieces:
            for piece in pieces:
                digest.update(piece)
                if held:
                    yield held
                held = piece
        if whole and digest.hexdigest() != kept.sha256:
            log.error("a part of evidence is not what was stored", file=name)
            if part == "copy":
                self._forget_copy(item)
            raise DamagedError(
                f"the {part} of the {item.form} of alert {item.alert!a} was changed: see "
                "'matakota evidence verify'"
            )
        yield held

    def _forget_copy(self, item: Item) -> None:
        """Another one can be made of the original."""
        self._files.remove(f"{item.copy_place}.copy")
        self._rows.forget_copy(item)

    def _fill(self, head: Head, parts: Iterable[bytes], *, originals: bool) -> str:
        """Write the parts, whole and as the head says; the place where they lie then. For them go
        copies and, where ``originals`` may, whatever is older."""
        size = sum(part.size for part in head.parts)
        try:
            self._leaving.free_room(size, head.from_ts, originals=originals)
        except KeyGoneError as error:
            raise NoRoomError(f"no room can be made: {error}") from None
        day = EPOCH + timedelta(seconds=head.from_ts)
        place = f"{day:%Y-%m-%d}/{secrets.token_hex(12)}"
        free = self._files.free()
        if free is not None and free - size < self._reserve_bytes:
            raise NoRoomError(f"the disk of {self._files.label} is nearly full: free some space")
        if not self._rows.begin(place, size, self._max_bytes):
            raise NoRoomError(
                "as much evidence is kept as may be: raise MATAKOTA_EVIDENCE_MAX_GB, or let some go"
            )
        with ExitStack() as undo:
            undo.callback(self._clear, place)
            arriving = Arriving(parts, UPLOAD_S)
            for part in head.parts:
                self._files.write(f"{place}.{part.name}", arriving.part(part))
            arriving.end()
            undo.pop_all()
        return place

    def _clear(self, place: str) -> None:
        """Take away what was written there; what cannot be now is swept later."""
        try:
            for part in PARTS:
                self._files.remove(f"{place}.{part}")
            self._rows.give_up(place)
        except (EvidenceError, StoreError) as error:
            log.warning("an interrupted upload is cleared away later", why=str(error))

    def _begin_heads(self) -> None:
        if self._rows.head() is None:
            self._heads.begin()

    def _catch_up(self) -> None:
        """Keep the chain's new heads outside the database; what cannot be now is later."""
        found: str | None = None
        try:
            self._heads.catch_up()
        except HeadsError as error:
            found = str(error)
        if found is not None and found != self._problem:
            log.error("the heads of the chain of evidence are not kept", why=found)
        self._problem = found

    def _stored(self, item: Item | None, alert: str, form: Form) -> Item:
        if item is None or item.state == "missing":
            raise NoItemError(f"there is no {form} of alert {alert!a}")
        if item.state == "deleted":
            raise DeletedError(f"the {form} of alert {alert!a} was deleted: {item.why}")
        return item
