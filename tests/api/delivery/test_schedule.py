"""When what failed is sent again: the promised schedules, with jitter, and what servers ask for."""

from __future__ import annotations

from random import Random

import pytest

from api.delivery.schedule import (
    JITTER,
    MAX_RETRY_AFTER_S,
    STANDARD_S,
    URGENT_S,
    again_at,
    paused_until,
    retry_after,
)
from api.store.letters import Answer
from tests.api.delivery.receiver import letter, stored
from tests.api.served import DAY

NO = Answer(False, "it answers 500", 500)
HOUR_S = 3600.0


def waits(*, urgent: bool, answer: Answer = NO) -> list[float]:
    """What a letter waits for before each try."""
    found: list[float] = []
    while True:
        tried = letter(stored(), urgent=urgent, attempt=len(found))
        due = again_at(tried, answer, now=DAY, rng=Random(7))
        if due is None:
            return found
        found.append(due - DAY)


def test_the_promised_waits_are_kept() -> None:
    standard = [5, 300, 1800, 2 * HOUR_S, 5 * HOUR_S, 10 * HOUR_S, 14 * HOUR_S, 20 * HOUR_S, 86_400]
    urgent = [1, 2, 5, 10, 30, 60, 120, 300, 900, 1800, *(23 * [HOUR_S])]
    assert [*STANDARD_S[1:]] == standard
    assert [*URGENT_S[1:]] == urgent
    assert sum(URGENT_S) <= 24 * HOUR_S
    for is_urgent, promised in ((False, standard), (True, urgent)):
        found = waits(urgent=is_urgent)
        assert len(found) == len(promised)
        assert all(
            wait <= got <= wait * (1 + JITTER) for wait, got in zip(promised, found, strict=True)
        )


def test_what_failed_together_comes_apart() -> None:
    rng = Random(1)
    times = {again_at(letter(stored()), NO, now=DAY, rng=rng) for _ in range(20)}
    assert len(times) == 20


@pytest.mark.parametrize(
    ("answer", "least"),
    [
        (Answer(False, "", 503, retry_after_s=90), 90),
        (Answer(False, "", 503, retry_after_s=1), 5),
        (Answer(False, "", 503, retry_after_s=1e9), MAX_RETRY_AFTER_S),
        (Answer(False, "", 503, retry_after_s=-5), 5),
    ],
)
def test_what_a_server_asks_for_is_the_least(answer: Answer, least: float) -> None:
    due = again_at(letter(stored()), answer, now=DAY, rng=Random(1))
    assert due is not None
    assert DAY + least <= due <= DAY + max(least, 5.5)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (Answer(True, "", 200), "opened"),
        (Answer(False, "gone", 410, final=True), "opened"),
        (NO, "test:1"),
    ],
)
def test_some_answers_are_the_last(answer: Answer, what: str) -> None:
    assert again_at(letter(stored(), what=what), answer, now=DAY, rng=Random(1)) is None


def pause(answer: Answer, failures: int, again_s: float | None = None) -> float:
    again = None if again_s is None else DAY + again_s
    rested = paused_until(answer, failures=failures, again_at=again, now=DAY, rng=Random(1))
    return rested - DAY


def test_a_channel_rests_longer_with_each_failure_and_never_for_long() -> None:
    rests = [pause(NO, failures) for failures in range(12)]
    promised = [1, 2, 4, 8, 16, 32, *(6 * [60])]
    assert all(
        wait * (1 - JITTER) <= got <= wait for wait, got in zip(promised, rests, strict=True)
    )
    assert pause(NO, 10, again_s=1.0) == 1.0, "it is there when what failed is due again"
    assert pause(NO, 2000) <= 60
    assert pause(Answer(True, "", 200), 3) == -DAY, "and at once when something arrived"


def test_a_channel_that_has_too_much_rests_as_long_as_it_says() -> None:
    assert pause(Answer(False, "", 429, retry_after_s=1200), 0, again_s=1200) == 1200
    assert pause(Answer(False, "", 429, retry_after_s=1e9), 0) == MAX_RETRY_AFTER_S
    assert pause(Answer(False, "", 429), 0) <= 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Sat, 31 Jan 2026 00:01:00 GMT", 60.0),
        ("Fri, 30 Jan 2026 23:00:00 GMT", 0.0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 40, None),
        ("٣", None),
        ("Sat, 31 Jan 99999 00:01:00 GMT", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after(text, DAY) == seconds
