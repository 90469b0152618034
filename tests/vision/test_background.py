"""What is no object: light, shadow, leaves, what has gone, and what has stood for long."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from tests.vision.painted import (
    FILM_SIZE,
    LEARNT_S,
    WHITE,
    Painter,
    block,
    film,
    overlap,
    passing,
    road,
    watch,
)
from vision.background import GHOST_S, LEARN_S, MELT_S
from vision.foreground import MotionDetector
from vision.types import Frame, Image

GREY = (160, 160, 160)


def shaded(image: Image, x: float, y: float, w: int, h: int, to: float) -> Image:
    """A shadow, or a patch of light: what lies there, its texture included, times ``to``."""
    rows = slice(max(0, round(y)), max(0, round(y) + h))
    part = image[rows, max(0, round(x)) : max(0, round(x) + w)]
    part[:] = np.clip(part * to, 0, 255).astype(np.uint8)
    return image


def inverted(image: Image) -> Image:
    return np.asarray(255 - image, np.uint8)


def one_channel(image: Image) -> Image:
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2)


@pytest.mark.parametrize("fps", [5, 12])
@pytest.mark.parametrize("to", [0.45, 0.6, 0.8])
def test_a_shadow_is_not_part_of_what_casts_it(to: float, fps: int) -> None:
    def paint(image: Image, t: float) -> Image:
        if t < LEARNT_S:
            return image
        x = (t - LEARNT_S) * 100
        shaded(image, x, 200, 80, 40, to)
        return block(image, x, 150)

    seen = 0
    for t, found in watch(film(paint, fps=fps, end_s=LEARNT_S + 5, noise=2)).items():
        x = (t - LEARNT_S) * 100
        if 20 < x < FILM_SIZE[0] - 80:
            assert len(found) == 1
            assert overlap(found.xyxy[0], (x, 150, x + 80, 200)) > 0.8
            seen += 1
    assert seen >= 4 * fps


@pytest.mark.parametrize("to", [0.45, 0.7, 1.25])
def test_a_shadow_or_a_patch_of_light_alone_is_nothing(to: float) -> None:
    def paint(image: Image, t: float) -> Image:
        return image if t < LEARNT_S else shaded(image, (t - LEARNT_S) * 150, 100, 150, 120, to)

    found = watch(film(paint, end_s=LEARNT_S + 5, noise=2))
    assert not any(map(len, found.values()))


@pytest.mark.parametrize("fps", [5, 12])
@pytest.mark.parametrize("to", [0.5, 1.5])
def test_clouds_that_leave_half_the_picture_in_the_sun_are_nothing(to: float, fps: int) -> None:
    def paint(image: Image, t: float) -> Image:
        share = min(1.0, max(0.0, (t - LEARNT_S) / 2))
        # not all the way down, or more than half of the picture would change
        return shaded(image, 200, 150, 440, 210, 1 + (to - 1) * share)

    found = watch(film(paint, fps=fps, end_s=LEARNT_S + 5, noise=2))
    assert not any(map(len, found.values()))


@pytest.mark.parametrize("shadow", [True, False])
def test_a_shadow_keeps_the_grain_and_a_vehicle_as_dark_does_not(shadow: bool) -> None:
    def paint(image: Image, t: float) -> Image:
        rough = np.clip(100.0 + 3 * (image - 100.0), 0, 255).astype(np.uint8)
        x = (t - LEARNT_S) * 100
        if x < 0:
            return rough
        if shadow:
            return shaded(rough, x, 150, 80, 50, 0.55)
        return block(rough, x, 150, colour=(55, 55, 55))

    found = watch(film(paint, end_s=LEARNT_S + 4))
    assert {len(d) for t, d in found.items() if t > LEARNT_S + 1} == {0 if shadow else 1}


@pytest.mark.parametrize("noise", [0.0, 6.0])
def test_a_red_vehicle_as_light_as_the_road_is_seen(noise: float) -> None:
    red = (40, 40, 240)
    luma = cv2.cvtColor(np.full((1, 1, 3), red, np.uint8), cv2.COLOR_BGR2GRAY)
    assert abs(int(luma[0, 0]) - 100) < 5
    found = watch(film(passing(colour=red), end_s=LEARNT_S + 4, noise=noise))
    for t, detections in found.items():
        if t > LEARNT_S + 0.5:
            x = (t - LEARNT_S) * 100
            assert len(detections) == 1
            assert overlap(detections.xyxy[0], (x, 150, x + 80, 200)) > 0.8


@pytest.mark.parametrize("camera", [inverted, one_channel])
def test_thermal_and_grey_cameras(camera: Callable[[Image], Image]) -> None:
    def paint(image: Image, t: float) -> Image:
        return camera(passing()(image, t))

    for t, found in watch(film(paint, end_s=LEARNT_S + 5, noise=4)).items():
        x = (t - LEARNT_S) * 100
        assert len(found) == (1 if x >= 0 else 0), t
        if x >= 0:
            assert overlap(found.xyxy[0], (x, 150, x + 80, 200)) > 0.8


def test_leaves_that_sway_are_nothing() -> None:
    leaves = np.random.default_rng(3).integers(0, 255, (140, 240, 1), np.uint8)
    leaves = cv2.GaussianBlur(np.repeat(leaves, 3, axis=2), (0, 0), 1.5)

    def paint(image: Image, t: float) -> Image:
        # by two pixels to each side, about once in a second
        shift = round(2 * np.sin(7 * t))
        image[20:140, 300:500] = leaves[10:130, 20 + shift : 220 + shift]
        return image

    found = watch(film(paint, end_s=LEARNT_S + 6, noise=3))
    assert not any(map(len, found.values()))


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.3, 1.8])
@pytest.mark.parametrize("gradual", [False, True])
def test_another_exposure_is_nothing_and_vehicles_are_found_after_it(
    factor: float, gradual: bool
) -> None:
    change_s, come_s = 3.0, 6.0

    def paint(image: Image, t: float) -> Image:
        if t >= come_s:
            block(image, (t - come_s) * 100, 150)
        share = min(1.0, max(0.0, t - change_s)) if gradual else float(t >= change_s)
        return np.clip(image * (1 + (factor - 1) * share), 0, 255).astype(np.uint8)

    found = watch(film(paint, end_s=9))
    assert not any(len(d) for t, d in found.items() if t < come_s)
    later = [len(d) for t, d in found.items() if t > come_s + 0.5]
    assert later
    assert set(later) == {1}


def test_exposure_that_bends_the_greys_is_nothing() -> None:
    ramp = np.linspace(20, 235, FILM_SIZE[0], dtype=np.uint8)[None, :, None]
    grey = np.broadcast_to(ramp, (FILM_SIZE[1], FILM_SIZE[0], 3)).copy()

    def paint(image: Image, t: float) -> Image:
        gamma = 1.0 if t < LEARNT_S else 0.75
        return np.asarray(np.rint(255 * (grey / 255) ** gamma), np.uint8)

    assert not any(map(len, watch(film(paint, end_s=LEARNT_S + 2)).values()))


def test_exposure_that_follows_a_vehicle_hides_it_not() -> None:
    def paint(image: Image, t: float) -> Image:
        image = passing()(image, t)
        darker = 1 - 0.5 * min(1.0, max(0.0, t - LEARNT_S))
        return (image * darker).astype(np.uint8)

    found = watch(film(paint, end_s=LEARNT_S + 4))
    assert {len(d) for t, d in found.items() if t > LEARNT_S + 0.2} == {1}


def test_another_view_is_nothing_until_it_is_learnt() -> None:
    # as light as the road, and nowhere like it
    stripes = np.indices(FILM_SIZE[::-1]).sum(axis=0) // 40 % 2 * 100 + 50
    other = np.repeat(stripes[..., None], 3, axis=2).astype(np.uint8)

    def paint(image: Image, t: float) -> Image:
        if t >= 6:
            return block(other.copy(), (t - 6) * 100, 150)
        return image if t < 4 else other

    found = watch(film(paint, end_s=8))
    assert not any(len(d) for t, d in found.items() if t < 6)
    assert any(len(d) for t, d in found.items() if t > 6.5)


def leaving(away_s: float, colour: tuple[int, ...]) -> Painter:
    """A vehicle that stands there from the beginning and drives away."""

    def paint(image: Image, t: float) -> Image:
        return block(image, 200 + max(0.0, t - away_s) * 150, 150, colour=colour)

    return paint


@pytest.mark.parametrize("fps", [5, 12])
@pytest.mark.parametrize("colour", [WHITE, (30, 30, 30), (40, 40, 180)])
def test_what_has_gone_leaves_no_ghost(colour: tuple[int, ...], fps: int) -> None:
    away_s = LEARNT_S
    found = watch(film(leaving(away_s, colour), fps=fps, end_s=away_s + 3.5, noise=2))
    place = (200.0, 150.0, 280.0, 200.0)
    for t, detections in found.items():
        there = [box for box in detections.xyxy if overlap(box, place) > 0.3]
        if t < away_s or t > away_s + GHOST_S + 1.2:
            assert not there, t
        x = 200 + (t - away_s) * 150
        if t > away_s + GHOST_S + 1.2 and x < FILM_SIZE[0] - 80:
            assert len(detections) == 1
            assert overlap(detections.xyxy[0], (x, 150, x + 80, 200)) > 0.8


@pytest.mark.parametrize("speed", [60, 300])
def test_who_passes_while_the_view_is_learnt_leaves_nothing_behind(speed: float) -> None:
    def paint(image: Image, t: float) -> Image:
        return block(image, t * speed - 40, 150)

    found = watch(film(paint, end_s=LEARN_S + 5, noise=2))
    for t, detections in found.items():
        if t > LEARN_S + 80 / speed + GHOST_S + 1:
            x = t * speed - 40
            assert len(detections) == (1 if x < FILM_SIZE[0] - 5 else 0), t


@pytest.mark.parametrize("fps", [4, 10])
def test_who_stands_melts_after_the_stated_time_and_no_sooner(fps: int) -> None:
    come_s, leave_s = LEARNT_S, LEARNT_S + MELT_S + 3

    def paint(image: Image, t: float) -> Image:
        return block(image, 200, 150, colour=GREY) if come_s <= t < leave_s else image

    found = watch(film(paint, fps=fps, end_s=leave_s + 3))
    stood = {t - come_s: len(d) for t, d in found.items() if come_s <= t < leave_s}
    assert all(n == 1 for since_s, n in stood.items() if since_s < MELT_S - 0.5)
    assert all(n == 0 for since_s, n in stood.items() if since_s > MELT_S + 0.5)
    # what melted and leaves is a ghost as any other
    assert not any(len(d) for t, d in found.items() if t > leave_s + GHOST_S + 0.8)


def test_a_gap_melts_nothing() -> None:
    detector = MotionDetector()
    for frame in film(passing(), end_s=LEARNT_S + 1):
        found = detector.find(frame)
    assert len(found) == 1
    for later in (1, 2, 3):
        ts = frame.ts + 10 * MELT_S + later / 10
        assert len(detector.find(Frame("c", frame.index + later, ts, frame.image))) == 1


def test_the_same_pictures_give_the_same_boxes() -> None:
    one, other = (watch(film(passing(), end_s=LEARNT_S + 2, noise=6)) for _ in range(2))
    assert one.keys() == other.keys()
    for t in one:
        assert np.array_equal(one[t].xyxy, other[t].xyxy)
        assert np.array_equal(one[t].score, other[t].score)


def test_a_view_without_any_grain_or_light() -> None:
    for level in (0, 128, 255):
        blank = np.full_like(road(), level)
        assert not any(map(len, watch(film(lambda _, t, blank=blank: blank)).values()))  # type: ignore[misc]
