"""A second opinion on what was reported: something slower looks at the picture once more.

No alert waits for it and none is taken back by it. An opinion that comes adds its words to the
alert, and where it doubts what was reported it lowers the severity by one step.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Protocol, Self, TypeAlias

import cv2
import numpy as np
import structlog

from streams.messages import AlertMessage
from vision.errors import OpinionError
from vision.types import Event, Frame, Image, JsonValue, Severity

Verdict: TypeAlias = Literal["confirmed", "doubted", "unsure"]

KEY: Final = "opinion"
"""Under this key of an alert's details the opinion stands."""
MAX_WAITING: Final = 32
"""Questions that wait; of more, the oldest are not asked."""
MAX_AGE_S: Final = 60.0
"""What waited longer is not asked any more: staff have seen the alert by then."""
MAX_ANSWERS: Final = 256
MAX_WORDS_CHARS: Final = 300
AROUND: Final = 0.5
"""So much of the box's sides is shown around it: what lies there is a part of the answer."""
PICTURE_PX: Final = 640
"""Longest side of the picture that is shown: whole ones of large cameras would fill the memory
while they wait."""
LEAST_PX: Final = 96
"""The crop's sides are at least this, px of the picture."""
JOIN_S: Final = 2.0
_LOWER: Final[dict[Severity, Severity]] = {
    "critical": "high",
    "high": "medium",
    "medium": "low",
    "low": "low",
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody else thinks of a report: ``words`` are his own, ``by`` is his name."""

    verdict: Verdict
    words: str
    by: str

    def __post_init__(self) -> None:
        if len(self.words) > MAX_WORDS_CHARS:
            raise ValueError(f"words has {len(self.words)} characters, more than {MAX_WORDS_CHARS}")


class Adviser(Protocol):
    """Whoever gives opinions. Used by one thread."""

    def ask(self, crop: Image, event: Event) -> Opinion:
        """His opinion on ``event``, whose place ``crop`` (h, w, 3) BGR shows. Takes seconds.
        Raises OpinionError."""


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    event: Event
    crop: Image
    since_s: float


class Opinions:
    """Asks one adviser about the events of all cameras, one after another, in a thread of its own.
    Used by many threads; none of them waits. Runs inside ``with``.

    ``kinds`` are the incident kinds that he is asked about, None for all.
    """

    def __init__(self, adviser: Adviser, kinds: Collection[str] | None = None) -> None:
        self._adviser = adviser
        self._kinds = None if kinds is None else frozenset(kinds)
        self._waiting: deque[_Question] = deque(maxlen=MAX_WAITING)
        self._answers: deque[tuple[str, str, Opinion]] = deque(maxlen=MAX_ANSWERS)
        self._come = threading.Condition()
        self._stopped = False
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="opinions", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._come:
            self._stopped = True
            self._come.notify()
        # who is asked may take longer; the thread ends with the process
        self._thread.join(JOIN_S)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def offer(self, frame: Frame, event: Event, size: tuple[int, int] | None = None) -> bool:
        """Ask about ``event``, as ``frame`` shows it; whether that will be done. Its places are px
        of a picture of ``size`` (w, h), by default the frame's own."""
        if self._kinds is not None and event.kind not in self._kinds:
            return False
        question = _Question(event, crop_of(frame.image, event, size), time.monotonic())
        with self._come:
            self._waiting.append(question)
            self._come.notify()
        return True

    def take(self, camera_id: str) -> list[tuple[str, Opinion]]:
        """The opinions that came on events of a camera, by the event's id, each once."""
        if not self._answers:
            return []
        with self._come:
            found = [(each[1], each[2]) for each in self._answers if each[0] == camera_id]
            kept = [each for each in self._answers if each[0] != camera_id]
            self._answers = deque(kept, maxlen=MAX_ANSWERS)
        return found

    def _run(self) -> None:
        while True:
            with self._come:
                self._come.wait_for(lambda: self._stopped or self._waiting)
                if self._stopped:
                    return
                question = self._waiting.popleft()
            if time.monotonic() - question.since_s <= MAX_AGE_S:
                self._ask(question)

    def _ask(self, question: _Question) -> None:
        event = question.event
        try:
            opinion = self._adviser.ask(question.crop, event)
        except OpinionError as error:
            # said once, not for every alert
            if not self._failed:
                log.warning("no second opinion", camera=event.camera_id, why=str(error))
            self._failed = True
            return
        self._failed = False
        with self._come:
            self._answers.append((event.camera_id, event.id, opinion))


def crop_of(image: Image, event: Event, size: tuple[int, int] | None = None) -> Image:
    """The part of ``image`` (h, w, 3) where ``event`` happens, with something around it, as a copy
    of ``PICTURE_PX`` at most; all of it where the event has no place of its own. Its places are px
    of a picture of ``size`` (w, h), by default those of ``image``."""
    box = event.details.get("box_px") or event.details.get("members_px")
    h, w = image.shape[:2]
    if not isinstance(box, list) or len(box) != 4:
        return _small(image, PICTURE_PX)
    x1, y1, x2, y2 = (float(side) for side in box if isinstance(side, int | float))
    drawn_w, drawn_h = size or (w, h)
    x1, y1, x2, y2 = x1 * w / drawn_w, y1 * h / drawn_h, x2 * w / drawn_w, y2 * h / drawn_h
    more_x = max(AROUND * (x2 - x1), (LEAST_PX - (x2 - x1)) / 2)
    more_y = max(AROUND * (y2 - y1), (LEAST_PX - (y2 - y1)) / 2)
    left, right = np.clip([x1 - more_x, x2 + more_x], 0, w).astype(int).tolist()
    top, bottom = np.clip([y1 - more_y, y2 + more_y], 0, h).astype(int).tolist()
    if right <= left or bottom <= top:
        return _small(image, PICTURE_PX)
    return _small(image[top:bottom, left:right], PICTURE_PX)


def _small(image: Image, longest_px: int) -> Image:
    """A copy of ``image`` (h, w, 3), at most so many px long."""
    h, w = image.shape[:2]
    scale = longest_px / max(h, w)
    if scale >= 1:
        return image.copy()
    size = max(1, round(w * scale)), max(1, round(h * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg_of(crop: Image, longest_px: int, quality: int = 85) -> bytes:
    """``crop`` as JPEG, at most so many px long. Raises OpinionError."""
    small = _small(crop, longest_px)
    done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise OpinionError("the picture could not be made a JPEG for a second opinion")
    return data.tobytes()


def advised(message: AlertMessage, opinion: Opinion) -> AlertMessage:
    """The next statement of ``message``: with the ``opinion``, and lower where that doubts it."""
    said: dict[str, JsonValue] = {
        "verdict": opinion.verdict,
        "words": opinion.words,
        "by": opinion.by,
    }
    return _with(message, said).model_copy(update={"version": message.version + 1})


def carried(known: AlertMessage, message: AlertMessage) -> AlertMessage:
    """``message``, the next statement after ``known``, with the opinion that stands there."""
    said = known.details.get(KEY)
    if not isinstance(said, dict):
        return message
    if KEY in message.details and message.severity == known.severity:
        # what was handed to a later pipeline holds it already; a rule that fires again is not lower
        return message
    return _with(message, said)


def _with(message: AlertMessage, said: Mapping[str, JsonValue]) -> AlertMessage:
    doubted = said.get("verdict") == "doubted"
    return message.model_copy(
        update={
            "severity": _LOWER[message.severity] if doubted else message.severity,
            "details": {**message.details, KEY: dict(said)},
        }
    )
