"""One message to one channel, and what came of sending it."""

from __future__ import annotations

from dataclasses import dataclass

from api.store.alerts import StoredAlert


@dataclass(frozen=True, slots=True)
class Letter:
    """``id`` names the message for ever, however often it is sent; ``notice`` is its row.
    ``alerts`` are as they are now: one, those of a digest, or none for a test. ``what`` is why it
    is sent (``opened``, ``severity:LEVEL``, ``closed``, ``escalated:N``, ``test:ID``),
    ``attempt`` how often it was tried before, ``created_at`` when it was decided on."""

    id: str
    notice: int
    channel: str
    what: str
    alerts: tuple[StoredAlert, ...]
    urgent: bool
    attempt: int
    created_at: float

    @property
    def digest(self) -> bool:
        return len(self.alerts) > 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a try: ``status`` as HTTP says it, if it did; ``why`` one sentence without any
    secret. After ``retry_after_s`` it may be tried again at the earliest, and never where it
    ``is_final``."""

    ok: bool
    why: str
    status: int | None = None
    retry_after_s: float | None = None
    final: bool = False
