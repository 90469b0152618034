"""Capture times: right on a steady stream, calm under jitter, never backwards."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.rtsp.clock import AGREE_S, LATE_FOR_S, LATE_S, SLEW, WINDOW_S, CaptureClock

START = 1_700_000_000.0
STEP = 1 / 15
EXACT = 1e-5
"""Float64 holds today's time to a quarter of a microsecond."""


def stamps(
    arrivals: list[float], medias: list[float], cameras: list[float | None] | None = None
) -> list[float]:
    clock = CaptureClock()
    return [
        clock.stamp(arrival, media, camera)
        for arrival, media, camera in zip(
            arrivals, medias, cameras or [None] * len(arrivals), strict=True
        )
    ]


def test_a_steady_stream_is_stamped_as_it_comes() -> None:
    medias = [i * STEP for i in range(200)]
    arrivals = [START + media for media in medias]
    assert stamps(arrivals, medias) == pytest.approx(arrivals, abs=EXACT)


@given(st.lists(st.floats(0, 0.5), min_size=2, max_size=120))
def test_jitter_is_taken_off(jitter: list[float]) -> None:
    jitter[0] = 0.0
    medias = [i * STEP for i in range(len(jitter))]
    arrivals = [START + media + late for media, late in zip(medias, jitter, strict=True)]
    truth = [START + media for media in medias]
    # The window reaches back to the picture that was not late.
    assert stamps(arrivals, medias) == pytest.approx(truth, abs=EXACT)


@given(
    st.lists(st.tuples(st.floats(-5, 20), st.floats(-100, 100)), min_size=1, max_size=60),
    st.lists(st.one_of(st.none(), st.floats(-3, 3)), min_size=60, max_size=60),
)
def test_whatever_comes_time_never_runs_backwards_nor_ahead(
    steps: list[tuple[float, float]], skews: list[float | None]
) -> None:
    clock = CaptureClock(START - 10)
    arrival, media, latest = START, 0.0, START - 10
    for (passed, step), skew in zip(steps, skews, strict=False):
        arrival, media = arrival + passed, media + step
        ts = clock.stamp(arrival, media, None if skew is None else arrival + skew)
        assert ts >= latest
        assert ts <= max(latest, arrival + EXACT)
        latest = ts


@pytest.mark.parametrize("drift", [-200e-6, 200e-6])
def test_a_drifting_camera_is_followed(drift: float) -> None:
    medias = [i * STEP for i in range(15 * 3600)]
    arrivals = [START + media * (1 + drift) for media in medias]
    found = stamps(arrivals, medias)
    late = [arrival - ts for arrival, ts in zip(arrivals, found, strict=True)]
    assert max(late) < WINDOW_S * abs(drift) + 1e-3
    assert min(late) > -EXACT


def test_a_longer_way_is_followed_without_a_jump() -> None:
    medias = [i * STEP for i in range(1200)]
    arrivals = [START + media + (0.3 if i >= 300 else 0.0) for i, media in enumerate(medias)]
    found = stamps(arrivals, medias)
    for before, after in pairwise(found):
        assert (1 - SLEW) * STEP - EXACT <= after - before <= (1 + SLEW) * STEP + EXACT
    assert found[-1] == pytest.approx(arrivals[-1], abs=EXACT)


def test_pictures_that_waited_in_the_network_keep_their_time() -> None:
    medias = [i * STEP for i in range(300)]
    truth = [START + media for media in medias]
    # Nothing for 10 s, then all of it at once.
    arrivals = [max(t, START + 15) if t - START >= 5 else t for t in truth]
    assert stamps(arrivals, medias) == pytest.approx(truth, abs=EXACT)


@pytest.mark.parametrize("jump", [-3600.0, -0.5, 5.0, 86_400.0])
def test_a_new_origin_of_media_time_is_taken_at_once(jump: float) -> None:
    medias = [i * STEP + (jump if i >= 100 else 0.0) for i in range(200)]
    arrivals = [START + i * STEP for i in range(200)]
    assert stamps(arrivals, medias) == pytest.approx(arrivals, abs=EXACT)


def test_media_time_that_stood_still_is_given_up() -> None:
    # The camera paused for 30 s and its media time did not.
    medias = [i * STEP for i in range(200)]
    arrivals = [START + media + (30 if i >= 100 else 0) for i, media in enumerate(medias)]
    found = stamps(arrivals, medias)
    late = [arrival - ts for arrival, ts in zip(arrivals, found, strict=True)]
    until = int(100 + (LATE_FOR_S + 1) / STEP)
    assert max(late[until:]) < 0.1
    assert min(late) > -EXACT
    assert late[100] > LATE_S


@pytest.mark.parametrize("delay", [0.05, 0.4, 1.9])
def test_a_camera_clock_that_agrees_is_used(delay: float) -> None:
    truth = [START + i * STEP for i in range(100)]
    clock = CaptureClock()
    found = [clock.stamp(t + delay, i * STEP, t) for i, t in enumerate(truth)]
    assert found == pytest.approx(truth, abs=EXACT)
    assert not clock.skewed


@pytest.mark.parametrize("skew", [-365 * 86_400, -AGREE_S - 0.01, AGREE_S + 0.01, 1e9])
def test_a_camera_clock_that_does_not_agree_is_left_and_said(skew: float) -> None:
    arrivals = [START + i * STEP for i in range(100)]
    clock = CaptureClock()
    found = [clock.stamp(t, i * STEP, t + skew) for i, t in enumerate(arrivals)]
    assert found == pytest.approx(arrivals, abs=EXACT)
    assert clock.skewed


def test_a_camera_clock_that_is_ahead_makes_no_future() -> None:
    arrivals = [START + i * STEP for i in range(100)]
    clock = CaptureClock()
    found = [clock.stamp(t, i * STEP, t + 1.5) for i, t in enumerate(arrivals)]
    assert found == pytest.approx(arrivals, abs=EXACT)
    assert not clock.skewed


def test_a_clock_at_the_border_does_not_come_and_go() -> None:
    clock = CaptureClock()
    changes, before = 0, False
    for i in range(300):
        t = START + i * STEP
        clock.stamp(t, i * STEP, t - AGREE_S + (0.05 if i % 2 else -0.05))
        changes += clock.skewed != before
        before = clock.skewed
    assert changes == 1


def test_a_camera_that_is_set_right_is_used_again() -> None:
    clock = CaptureClock()
    for i in range(200):
        t = START + i * STEP
        clock.stamp(t + 0.1, i * STEP, t - (3600 if i < 100 else 0))
        assert clock.skewed == (i < 100)


def test_a_camera_clock_that_begins_later_makes_no_jump() -> None:
    clock = CaptureClock()
    found = [
        clock.stamp(START + i * STEP + 0.5, i * STEP, START + i * STEP if i >= 50 else None)
        for i in range(400)
    ]
    for before, after in pairwise(found):
        assert (1 - SLEW) * STEP - EXACT <= after - before <= (1 + SLEW) * STEP + EXACT
    assert found[-1] == pytest.approx(START + 399 * STEP, abs=EXACT)


def test_a_second_connection_goes_on_after_the_first() -> None:
    clock = CaptureClock(not_before=START + 1)
    assert clock.stamp(START, 0.0) == START + 1
    assert clock.stamp(START + 3, 3.0) == pytest.approx(START + 3)
