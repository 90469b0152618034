"""What moves: painted vehicles on a painted road, noise, shapes, colours, and any frame rate."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vision.painted import (
    FILM_SIZE,
    LEARNT_S,
    WHITE,
    block,
    film,
    overlap,
    passing,
    watch,
)
from vision.background import LEARN_S
from vision.errors import DetectorError
from vision.foreground import MotionDetector
from vision.types import Frame, Image


def test_an_empty_road_shows_nothing() -> None:
    assert not any(len(found) for found in watch(film(lambda image, t: image)).values())


@pytest.mark.parametrize("noise", [2.0, 6.0, 10.0])
def test_noise_is_nothing(noise: float) -> None:
    found = watch(film(lambda image, t: image, noise=noise, end_s=8))
    assert not any(map(len, found.values()))


@pytest.mark.parametrize("colour", [WHITE, (30, 30, 30), (40, 40, 180)])
@pytest.mark.parametrize("noise", [0.0, 10.0])
def test_a_vehicle_is_where_it_is(colour: tuple[int, ...], noise: float) -> None:
    found = watch(film(passing(colour=colour), noise=noise, end_s=8))
    seen = 0
    for t, detections in found.items():
        x = (t - LEARNT_S) * 100
        if t < LEARNT_S:
            assert len(detections) == 0
        elif 0 < x < FILM_SIZE[0] - 80:
            assert len(detections) == 1, t
            assert overlap(detections.xyxy[0], (x, 150, x + 80, 200)) > 0.85
            assert detections.score[0] > 0.9
            assert detections.class_id[0] == 0
            seen += 1
    assert seen > 40


def test_the_largest_comes_first_and_what_is_small_is_no_vehicle() -> None:
    def paint(image: Image, t: float) -> Image:
        if t < LEARNT_S:
            return image
        block(image, 40, 40, w=60, h=40)
        block(image, 300, 200, w=120, h=80)
        return block(image, 500, 60, w=12, h=12)

    *_, last = watch(film(paint)).values()
    assert len(last) == 2
    assert last.xyxy[:, 0].tolist() == pytest.approx([300, 40], abs=4)


def test_two_that_touch_at_a_corner_are_two() -> None:
    def paint(image: Image, t: float) -> Image:
        if t < LEARNT_S:
            return image
        block(image, 100, 100, w=90, h=60)
        return block(image, 180, 154, w=90, h=60)

    *_, last = watch(film(paint)).values()
    assert len(last) == 2
    for box in ((100, 100, 190, 160), (180, 154, 270, 214)):
        assert max(overlap(found, box) for found in last.xyxy) > 0.75


def test_one_that_is_no_rectangle_is_one() -> None:
    def paint(image: Image, t: float) -> Image:
        if t < LEARNT_S:
            return image
        # seen from the front, with its bonnet lower than its roof
        block(image, 200, 150, w=120, h=60)
        return block(image, 220, 110, w=70, h=40)

    *_, last = watch(film(paint)).values()
    assert len(last) == 1


@settings(max_examples=15)
@given(
    fps=st.sampled_from([4, 5, 8, 12, 25]),
    speed=st.floats(20, 200),
    start_s=st.sampled_from([0.0, 1.7e9]),
)
def test_the_frame_rate_and_the_hour_change_nothing(fps: int, speed: float, start_s: float) -> None:
    for t, found in watch(film(passing(speed), fps=fps, start_s=start_s)).items():
        x = (t - start_s - LEARNT_S) * speed
        if -1e-6 <= x < FILM_SIZE[0] - 80:
            assert len(found) == 1
            assert overlap(found.xyxy[0], (x, 150, x + 80, 200)) > 0.8
        elif x < 0:
            assert len(found) == 0


def test_another_size_is_learnt_anew() -> None:
    detector = MotionDetector()
    for frame in film(passing(), end_s=LEARNT_S + 1):
        found = detector.find(frame)
    assert len(found) == 1
    small = cv2.resize(frame.image, (320, 180))
    sizes = [
        len(detector.find(Frame("c", frame.index + i, frame.ts + i / 10, small)))
        for i in range(1, 40)
    ]
    assert sizes == [0] * 39


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (1920, 1080), (50, 2000), (321, 3)])
def test_any_size(size: tuple[int, int]) -> None:
    detector = MotionDetector()
    for index in range(40):
        image = np.full((size[1], size[0], 3), 90, np.uint8)
        if index > 35:
            image[: max(1, size[1] // 3), : max(1, size[0] // 3)] = 250
        found = detector.find(Frame("c", index, index / 10, image))
        assert (found.xyxy >= 0).all()
        assert (found.xyxy <= np.array(size * 2)).all()
        assert ((found.score > 0) & (found.score <= 1)).all()


def test_pictures_that_are_written_over_do_no_harm() -> None:
    detector = MotionDetector()
    buffer = np.zeros((180, 320, 3), np.uint8)
    for index in range(60):
        buffer[:] = 90 if index < 50 else 200
        if index in range(40, 50) or index == LEARN_S * 10:
            buffer[20:60, 20:90] = 220
        found = detector.find(Frame("c", index, index / 10, buffer))
        assert len(found) == (1 if 40 <= index < 50 else 0)
        buffer[:] = 0


def test_it_knows_vehicles_alone() -> None:
    assert MotionDetector().wanted == MotionDetector(["moving"]).wanted == ("moving",)
    with pytest.raises(DetectorError, match="class 'car': motion finds 'moving' alone"):
        MotionDetector(["car"])
