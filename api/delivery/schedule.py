"""When a message that failed is sent again, and how long its channel rests. Pure functions."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from random import Random
from typing import Final

from api.store.letters import Answer, Letter

MINUTE_S: Final = 60.0
HOUR_S: Final = 3600.0
STANDARD_S: Final = (
    0.0, 5.0, 5 * MINUTE_S, 30 * MINUTE_S, 2 * HOUR_S, 5 * HOUR_S, 10 * HOUR_S, 14 * HOUR_S,
    20 * HOUR_S, 24 * HOUR_S,
)  # fmt: skip
"""The wait before each try: the example of the Standard Webhooks specification 1.0.0, under
"Deliverability and reliability", three days in all."""
URGENT_S: Final = (
    0.0, 1.0, 2.0, 5.0, 10.0, 30.0, MINUTE_S, 2 * MINUTE_S, 5 * MINUTE_S, 15 * MINUTE_S,
    30 * MINUTE_S, *(23 * (HOUR_S,)),
)  # fmt: skip
"""The same for what is urgent: faster, and for a day."""
JITTER: Final = 0.1
"""Waits are longer by up to this part of them, so that what failed together comes apart."""
MAX_RETRY_AFTER_S: Final = 24 * HOUR_S
MAX_PAUSE_S: Final = 60.0
TOO_MANY: Final = 429
_DOUBLINGS: Final = 6


def again_at(letter: Letter, answer: Answer, *, now: float, rng: Random) -> float | None:
    """When a letter whose try ended ``now`` with ``answer`` is due again; None for never. A test
    is sent once: whoever asked for it looks at what comes of it."""
    waits_s = URGENT_S if letter.urgent else STANDARD_S
    tries = letter.attempt + 1
    if answer.ok or answer.final or tries >= len(waits_s) or letter.what.startswith("test:"):
        return None
    wait_s = waits_s[tries] * (1 + JITTER * rng.random())
    return now + max(wait_s, _bounded(answer.retry_after_s))


def paused_until(
    answer: Answer, *, failures: int, again_at: float | None, now: float, rng: Random
) -> float:
    """Until when nothing is sent on a channel after a try; ``failures`` in a row came before. It
    rests longer with each, but is there when the letter that failed is due again."""
    if answer.ok:
        return 0.0
    if answer.status == TOO_MANY and answer.retry_after_s is not None:
        return now + _bounded(answer.retry_after_s)
    pause_s = min(2.0 ** min(failures, _DOUBLINGS), MAX_PAUSE_S) * (1 - JITTER * rng.random())
    return now + pause_s if again_at is None else min(now + pause_s, again_at)


def retry_after(text: str, now: float) -> float | None:
    """The seconds that a ``Retry-After`` header asks for, which are a number or a date (RFC 9110,
    10.2.3); None for anything else."""
    said = text.strip()
    if said.isascii() and said.isdigit() and len(said) < 10:
        return float(said)
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment.timestamp() - now, 0.0)


def _bounded(seconds: float | None) -> float:
    return 0.0 if seconds is None else min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
