"""How many cameras hold: the search for it, and whose CPU time is whose."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.evaluation import capacity, playing
from streams.evaluation.capacity import (
    Load,
    Setting,
    largest,
    loads,
    process_cpu_s,
    session_cpu_s,
)
from streams.video import VideoWriter
from tests.needs import REPO
from vision.errors import ServiceError

GOOD = Load(4, 10.0, 200, 199, 2.0, 0.5, 0.1)


@given(st.integers(1, 60), st.integers(0, 80))
def test_the_largest_number_that_holds_is_found(most: int, carries: int) -> None:
    asked: list[int] = []

    def measure(number: int) -> Load:
        asked.append(number)
        return replace(GOOD, cameras=number, analysed=200 if number <= carries else 100)

    found = largest(most, measure)
    holding = [each.cameras for each in found if each.holds]
    assert max(holding, default=0) == min(most, carries)
    assert len(asked) == len(set(asked)) <= 2 + most.bit_length()
    assert all(1 <= number <= most for number in asked)


def test_what_holds() -> None:
    assert GOOD.holds
    assert GOOD.skipped == pytest.approx(0.005)
    assert GOOD.core_share == pytest.approx(0.05)
    assert not replace(GOOD, analysed=198).holds
    assert not replace(GOOD, problem="3 of 4 cameras are live").holds
    assert not replace(GOOD, due=0, analysed=0).holds


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_cpu_time_of_processes() -> None:
    assert 0 < process_cpu_s(os.getpid()) <= session_cpu_s(os.getsid(0)) + 1
    assert process_cpu_s(1 << 30) == 0
    assert session_cpu_s(1 << 30) == 0


def test_every_second_camera_is_still() -> None:
    names = playing.camera_names(5)
    assert len(set(names)) == 5
    assert [name.startswith("still") for name in names] == [False, True, False, True, False]


def test_a_moving_camera_keeps_the_pace_of_its_clip(tmp_path: Path) -> None:
    """Each picture is shown as long as the clip shows it, and after the last comes the first."""
    clip, rate = tmp_path / "clip.mp4", 10
    with VideoWriter(clip, size=(64, 48), rate=Fraction(rate)) as film:
        for nth in range(5):
            film.write(np.full((48, 64, 3), 50 * nth, np.uint8), nth / rate)
        film.commit()
    shown = [round(image.mean() / 50) for image in islice(playing._moving(clip), 17)]
    assert shown == [int(nth * rate / playing.RATE) % 5 for nth in range(17)]


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_cameras_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """One moves and one is still, at one picture a second and without a model."""
    setting = Setting(
        model="motion",
        fps=1.0,
        scene={"frame_size": list(playing.SIZE), "classes": ["moving"]},
        clip=REPO / "samples/clips/plaza.mp4",
        seconds=2.0,
    )
    monkeypatch.setattr(capacity, "SETTLE_S", 0.5)
    with loads(2, setting) as load:
        found = load(2)
    assert found.problem is None
    assert (found.cameras, found.seconds) == (2, pytest.approx(2.0, abs=1))
    assert found.due >= found.analysed > 0
    assert found.worker_s > 0
    assert found.core_share == found.worker_s / found.seconds / 2


def test_a_simulator_that_makes_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "GRACE_S", 0.1)
    clip = REPO / "samples/clips/plaza.mp4"
    with (
        pytest.raises(ServiceError, match="had nothing to play within 0 s"),
        capacity._simulator(1, tmp_path, clip, made_s=0.01),
    ):
        pass


def test_no_two_pictures_of_a_still_scene_are_equal() -> None:
    random = np.random.default_rng(0)
    image = next(playing._still(REPO / "samples/clips/plaza.mp4"))
    assert image.shape == (*playing.SIZE[::-1], 3)
    first, second = (playing._noisy(image, random) for _ in range(2))
    assert (first != second).any()
    assert np.abs(first.astype(int) - second).mean() < 4
