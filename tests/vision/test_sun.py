"""How high the sun stands, against worked examples, and what light that is."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from vision.sun import light, sun_elevation

MAKASSAR = (-5.1354, 119.4238)
MEEUS_TS = datetime(1992, 10, 13, tzinfo=UTC).timestamp()


def test_declination_and_equation_of_time_of_a_published_example() -> None:
    """J. Meeus, *Astronomical Algorithms*, 2nd ed., examples 25.a and 28.a: on 13 October 1992 at
    0h the sun's declination is -7.78507 degrees and the equation of time +3.427489 degrees."""
    # over the pole the sun stands as high as its declination
    assert sun_elevation(MEEUS_TS, 90, 0) == pytest.approx(-7.78507, abs=0.005)
    # and overhead where it is noon by the sun
    assert sun_elevation(MEEUS_TS, -7.78507, 180 - 3.427489) == pytest.approx(90, abs=0.02)


@pytest.mark.parametrize("month", range(1, 13))
def test_a_day_at_makassar(month: int) -> None:
    """Six degrees from the equator a day has about twelve hours, and each twilight a good twenty
    minutes."""
    midnight_ts = datetime(2026, month, 15, tzinfo=UTC).timestamp() - 8 * 3600
    minutes = [light(midnight_ts + 60 * i, *MAKASSAR) for i in range(1440)]
    assert minutes.count("day") == pytest.approx(12 * 60 + 7, abs=20)
    assert minutes.count("dusk") == pytest.approx(2 * 22, abs=4)
    order = [minutes[0]] + [b for a, b in pairwise(minutes) if a != b]
    assert order == ["night", "dusk", "day", "dusk", "night"]
    # the sun is highest between half past eleven and half past twelve
    highest = max(range(1440), key=lambda i: sun_elevation(midnight_ts + 60 * i, *MAKASSAR))
    assert abs(highest - 12 * 60) <= 30


def test_far_north_it_does_not_set_in_june() -> None:
    june_ts = datetime(2026, 6, 21, tzinfo=UTC).timestamp()
    assert {light(june_ts + 3600 * i, 78.2, 15.6) for i in range(24)} == {"day"}
    assert {light(june_ts + 3600 * i, -78.2, 15.6) for i in range(24)} == {"night"}
