"""What shows an alert: the picture that a rule fired on, and the 20 s around it as the camera sent
them. Alerts wait for none of it.

Cameras hand over what they saw and go on. A thread makes pictures and clips of it; they wait in a
folder of the worker's data (``evidencewaiting``), from which another one posts them to the API
(``evidenceposting``). What cannot be made is said, and why.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import structlog

from streams.apiclient import ApiClient
from streams.commands import Mask, Masked
from streams.evidenceboxes import Memory, encode_boxes
from streams.evidencecopies import copy_made
from streams.evidenceform import MAX_PART_BYTES, MAX_SENTENCE_CHARS, Form, Head, PartName
from streams.evidenceposting import EvidencePoster
from streams.evidencewaiting import MAX_BYTES, Missing, Waiting
from streams.incidents import Seen
from streams.maskingprocess import JPEG_QUALITY, jpeg_of, masked
from streams.pictures import Offer, clock_of
from streams.rtsp.clipping import cut
from streams.rtsp.ring import Ring
from vision.draw import draw
from vision.errors import EvidenceError, MatakotaError
from vision.masking import CARRY_S, GAP_S, Masking
from vision.types import Event, Image, Tracked

AROUND_S: Final = 10.0
"""A clip begins so long before the alert was raised, and ends so long after it."""
MARGIN_S: Final = 2.0
"""Packets, and boxes of who is there at the end, take a while to come."""
BOXES_S: Final = CARRY_S + GAP_S
"""So much more than the clip's own time its boxes are of."""
ORIGINAL_QUALITY: Final = 90
MAX_RAISED: Final = 1024
MAX_FRAME_BYTES: Final = 256 << 20
"""Of pictures that wait to be made into snapshots."""
MAX_CLIPS: Final = 128
"""Clips that wait for their time."""
MAX_REFUSED: Final = 20_000
FORGET_S: Final = 60.0
LOOK_S: Final = 1.0
JOIN_S: Final = 2.0

BUSY: Final = "more alerts came at once than evidence can be made of"
NO_PICTURE: Final = (
    "no picture shows it: it is about the camera itself, or came after its last picture"
)
NO_PACKETS: Final = "this camera's packets are not kept"
SYNTHETIC: Final = "a synthetic camera has no packets that a clip could be cut from"
ENDED: Final = "the worker ended before the clip was cut"
BROKEN: Final = "it could not be made: see the worker's log"
UNSEEN: Final = "Persons were not looked for in all of this time, so all of the copy is hidden."
TROUBLE: Final = (
    MatakotaError, cv2.error, ArithmeticError, LookupError, MemoryError, OSError, ValueError,
)  # fmt: skip
"""What one picture or clip may cause. Anything else ends the thread, and the worker with it, which
is started anew."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class _Raised:
    """An alert of ``camera`` that nobody made anything of yet."""

    camera: str
    event: Event
    offer: Offer | None
    seen: Seen
    ring: Ring | None
    due_s: float


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """What all snapshots of one picture have in common; ``hidden`` is None where it could not be
    masked."""

    offer: Offer
    original: bytes
    boxes: bytes
    hidden: Image | None
    note: str | None


class Evidence:
    """Makes and posts evidence between ``start`` and ``stop``. What waits lies in ``folder``, in up
    to ``max_bytes``; ``connect`` makes a client of the API for one thread. Used by many threads; no
    call of a camera waits for anything."""

    def __init__(
        self,
        folder: Path,
        connect: Callable[[], ApiClient],
        *,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connect = connect
        self._memory = Memory()
        self._waiting = Waiting(folder, max_bytes=max_bytes, clock=clock)
        self._poster = EvidencePoster(self._waiting, connect)
        self._changed = threading.Condition()
        self._raised: deque[_Raised] = deque()
        self._clips: deque[_Raised] = deque()
        self._refused: deque[tuple[str, str, tuple[Form, ...]]] = deque(maxlen=MAX_REFUSED)
        self._shown: _Shown | None = None
        self._forget_s = time.monotonic() + FORGET_S
        self._cuts = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)

    @property
    def problem(self) -> str | None:
        """Why this worker keeps no evidence, one sentence, or None. What the API does not take is
        no trouble of the worker's."""
        return self._waiting.problem

    @property
    def alive(self) -> bool:
        """False where a thread ended by itself, without ``stop``."""
        ended = self._thread.ident is not None and not self._thread.is_alive()
        return self._stopping.is_set() or (not ended and self._poster.alive)

    def start(self) -> None:
        """Go on with what an earlier run left."""
        self._waiting.open()
        self._thread.start()
        self._poster.start()

    def stop(self) -> None:
        """Make the pictures that were handed over and end within seconds. Clips whose time is not
        over are never cut; the next run says so."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)
        self._poster.stop()

    # --- what cameras hand over

    def keep(
        self, tracked: Tracked, *, frame_size: tuple[int, int], looked_for: tuple[str, ...]
    ) -> None:
        """Remember for a minute who was where, as ``Keeper.keep`` does for longer."""
        self._memory.saw(tracked, frame_size=frame_size, looked_for=looked_for)

    def cut(self, camera: str) -> None:
        """What comes next of ``camera`` does not go on with what was."""
        self._memory.cut(camera)

    def raised(
        self,
        camera: str,
        events: Sequence[Event],
        offer: Offer | None,
        seen: Seen,
        ring: Ring | None,
        now_ts: float,
    ) -> None:
        """Alerts were stated for the first time, on the picture in ``offer`` where there is one, at
        ``now_ts`` by the camera's own times (UTC seconds). ``ring`` has its packets."""
        now_s = time.monotonic()
        with self._changed:
            size = 0 if offer is None else offer.frame.picture.nbytes
            held = self._held_bytes()
            for event in events:
                after_s = min(max(0.0, event.raised_ts - now_ts), AROUND_S) + AROUND_S + MARGIN_S
                # one picture may show several
                new = not self._raised or self._raised[-1].offer is not offer
                over = held + size * new > MAX_FRAME_BYTES
                if len(self._raised) >= MAX_RAISED or (over and self._raised):
                    self._refused.append((event.id, camera, ("snapshot", "clip")))
                    continue
                held += size * new
                self._raised.append(_Raised(camera, event, offer, seen, ring, now_s + after_s))
            self._changed.notify_all()

    def mask(self, wanted: Mask, stop: threading.Event) -> Masked:
        """Make the copy of an item that the API has, and post it. Never raises for what is wrong
        with it: the answer says that. Ends with ``stop``."""
        try:
            self._waiting.check()
        except EvidenceError as error:
            return Masked(ok=False, own=True, message=f"it cannot be masked now: {error}")
        api = self._connect()
        try:
            return copy_made(wanted, api, self._waiting.folder, stop)
        finally:
            api.close()

    # --- the thread

    def _run(self) -> None:
        while True:
            raised, clip = self._next()
            if raised is not None:
                self._snapshot(raised)
                self._expect_clip(raised)
            self._refuse()
            if clip is not None and not self._stopping.is_set():
                self._clip(clip)
            if raised is None:
                self._shown = None
                if self._stopping.is_set():
                    return
            if time.monotonic() >= self._forget_s:
                self._forget_s = time.monotonic() + FORGET_S
                self._memory.forget()

    def _next(self) -> tuple[_Raised | None, _Raised | None]:
        """An alert that is new and a clip that is due, as far as there are any."""
        with self._changed:
            if not (self._raised or self._refused or self._stopping.is_set()):
                wait_s = LOOK_S
                if self._clips:
                    wait_s = min(wait_s, max(0.0, self._clips[0].due_s - time.monotonic()))
                self._changed.wait(wait_s)
            raised = clip = None
            if self._raised:
                raised = self._raised.popleft()
            if self._clips and self._clips[0].due_s <= time.monotonic():
                clip = self._clips.popleft()
            return raised, clip

    def _held_bytes(self) -> int:
        """Of the pictures that wait, which grow when others ask for them in full colour."""
        offers = {id(each.offer): each.offer for each in self._raised if each.offer is not None}
        return sum(offer.frame.picture.nbytes for offer in offers.values())

    def _refuse(self) -> None:
        with self._changed:
            refused = [*self._refused]
            self._refused.clear()
        for alert, camera, forms in refused:
            for form in forms:
                self._miss(alert, camera, form, BUSY)

    def _miss(self, alert: str, camera: str, form: Form, why: str, *, held: bool = False) -> None:
        why = why[:MAX_SENTENCE_CHARS] or BROKEN
        self._waiting.put_missing(
            Missing(alert=alert, camera=camera, form=form, why=why), held=held
        )

    def _guarded(self, raised: _Raised, form: Form, make: Callable[[_Raised], None]) -> None:
        """One item, whose trouble is its own."""
        try:
            make(raised)
        except EvidenceError as error:
            self._miss(raised.event.id, raised.camera, form, str(error))
        except TROUBLE:
            log.exception("evidence could not be made", camera=raised.camera, form=form)
            self._miss(raised.event.id, raised.camera, form, BROKEN)

    def _head(
        self,
        raised: _Raised,
        form: Form,
        media: str,
        from_ts: float,
        to_ts: float,
        note: str | None,
    ) -> Head:
        return Head.model_construct(
            alert=raised.event.id,
            camera=raised.camera,
            form=form,
            media=media,
            from_ts=from_ts,
            to_ts=to_ts,
            revision=raised.seen.revision,
            copy_why=None,
            note=note,
            parts=(),
        )

    # --- snapshots

    def _snapshot(self, raised: _Raised) -> None:
        self._guarded(raised, "snapshot", self._make_snapshot)

    def _make_snapshot(self, raised: _Raised) -> None:
        if raised.offer is None:
            raise EvidenceError(NO_PICTURE)
        shown = self._shown
        if shown is None or shown.offer is not raised.offer:
            shown = self._shown = self._look(raised.camera, raised.offer)
        ts = shown.offer.frame.ts
        parts: dict[PartName, bytes | Path] = {"original": shown.original, "boxes": shown.boxes}
        head = self._head(raised, "snapshot", "image/jpeg", ts, ts, shown.note)
        try:
            parts["copy"] = _copy(shown, raised.event)
        except TROUBLE:
            log.exception("a picture could not be masked", camera=raised.camera)
            head = head.model_copy(update={"copy_why": BROKEN})
        self._waiting.put_item(head, parts)

    def _look(self, camera: str, offer: Offer) -> _Shown:
        self._waiting.check()
        frame = offer.frame
        known = self._memory.between(camera, frame.ts - BOXES_S, frame.ts)
        original, boxes = jpeg_of(frame.image, ORIGINAL_QUALITY), encode_boxes(known.sights)
        hidden = None
        try:
            hidden = masked(frame.image, Masking(known.sights), frame.ts)
        except TROUBLE:
            log.exception("a picture could not be masked", camera=camera)
        return _Shown(offer, original, boxes, hidden, None if known.persons else UNSEEN)

    # --- clips

    def _expect_clip(self, raised: _Raised) -> None:
        """Cut a clip when its time is over; until then a file says that it was not."""
        alert, camera = raised.event.id, raised.camera
        if raised.seen.synthetic or raised.ring is None:
            self._miss(alert, camera, "clip", SYNTHETIC if raised.seen.synthetic else NO_PACKETS)
        elif len(self._clips) >= MAX_CLIPS:
            self._miss(alert, camera, "clip", BUSY)
        else:
            self._miss(alert, camera, "clip", ENDED, held=True)
            # the picture is not needed any more
            self._clips.append(replace(raised, offer=None))

    def _clip(self, raised: _Raised) -> None:
        self._guarded(raised, "clip", self._make_clip)

    def _make_clip(self, raised: _Raised) -> None:
        if raised.ring is None:
            raise EvidenceError(NO_PACKETS)
        self._waiting.check()
        self._cuts += 1
        path = self._waiting.folder / f"cut-{self._cuts}.mp4"
        at_ts = raised.event.raised_ts
        path.unlink(missing_ok=True)
        try:
            clip = cut(raised.ring, at_ts - AROUND_S, at_ts + AROUND_S, path)
            if path.stat().st_size > MAX_PART_BYTES["original"]:
                most = MAX_PART_BYTES["original"] >> 20
                raise EvidenceError(f"the clip has more than {most} MiB: lower the camera's rate")
            known = self._memory.between(
                raised.camera, clip.from_ts - BOXES_S, clip.to_ts + BOXES_S
            )
            said = " ".join(filter(None, [clip.note, None if known.persons else UNSEEN]))
            note = said[:MAX_SENTENCE_CHARS] or None
            head = self._head(raised, "clip", clip.media, clip.from_ts, clip.to_ts, note)
            boxes = encode_boxes(known.sights)
            self._waiting.put_item(head, {"original": path, "boxes": boxes})
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _copy(shown: _Shown, event: Event) -> bytes:
    """The hidden picture with the reason of ``event`` drawn on it, as JPEG."""
    offer, image = shown.offer, shown.hidden
    if image is None:
        raise EvidenceError(BROKEN)
    if offer.scene is not None and offer.tracked is not None:
        image = draw(
            image,
            offer.tracked,
            offer.scene,
            counts=offer.counts,
            events=[replace(event, end_ts=None)],
            clock=clock_of(offer.frame.ts),
        )
    return jpeg_of(image, JPEG_QUALITY)
