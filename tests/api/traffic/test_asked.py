"""What stands in the address of the traffic page, whoever wrote it."""

from __future__ import annotations

from datetime import date

import pytest

from api.traffic.asked import FIRST_DAY, Asked, asked_of, midnight_of
from streams.messages import MAX_NAME_CHARS
from tests.browser.conftest import HOSTILE

TODAY = date(2026, 2, 3)


@pytest.mark.parametrize(
    "asked",
    [
        Asked(TODAY),
        Asked(date(2026, 1, 31), camera="port", line="gate", direction="in", against="week"),
        Asked(date(2026, 1, 31), camera=HOSTILE, line="a&b=c", other="\u202e +%"),
        Asked(date(2026, 1, 31), junction="Simpang Contoh", against="yesterday"),
    ],
)
def test_an_address_reads_as_what_wrote_it(asked: Asked) -> None:
    assert asked_of(asked.address(), TODAY) == asked


@pytest.mark.parametrize(
    ("query", "day", "dated"),
    [
        ("", TODAY, False),
        ("day=soon", TODAY, False),
        ("day=2026-02-30", TODAY, False),
        ("day=9999-12-31", TODAY, True),
        ("day=0001-01-01", FIRST_DAY, True),
        ("&".join(f"x{i}=1" for i in range(50)), TODAY, False),
    ],
)
def test_a_day_that_is_none_is_today(query: str, day: date, dated: bool) -> None:
    found = asked_of(query, TODAY)
    assert (found.day, found.dated) == (day, dated)


def test_what_makes_no_sense_is_left_out() -> None:
    found = asked_of("?camera=a%00b&against=year&junction=j&line=" + "x" * 5000, TODAY)
    assert (found.camera, found.against, found.junction) == ("ab", "", "")
    assert len(found.line) == MAX_NAME_CHARS


def test_days_are_those_of_the_city() -> None:
    assert midnight_of(date(2026, 1, 31)) == 1_769_788_800  # 2026-01-30T16:00:00Z
    assert Asked(TODAY, against="week").shift_s == 7 * 86_400
    assert Asked(TODAY).shift_s == 0
