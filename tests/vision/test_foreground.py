"""What moves: painted vehicles on a painted road, noise, light, waiting, and any frame rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.errors import DetectorError
from vision.foreground import LEARN_S, MELT_S, MotionDetector
from vision.types import Detections, Frame, Image

SIZE = (640, 360)
LEARNT_S = LEARN_S + 1.0
"""By then the road is known at every rate of these tests."""
WHITE = (230, 230, 230)
Painter = Callable[[Image, float], Image]


def road(size: tuple[int, int] = SIZE, seed: int = 0) -> Image:
    """An empty road: grey with a coarse grain."""
    w, h = size
    grain = np.random.default_rng(seed).normal(100, 12, (h // 8 + 1, w // 8 + 1, 3))
    smooth = cv2.resize(grain.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return np.clip(smooth, 0, 255).astype(np.uint8)


def block(
    image: Image, x: float, y: float, w: int = 80, h: int = 50, colour: tuple[int, ...] = WHITE
) -> Image:
    """A vehicle: a rectangle whose top left corner is at x, y."""
    cv2.rectangle(image, (round(x), round(y)), (round(x) + w - 1, round(y) + h - 1), colour, -1)
    return image


def film(
    paint: Painter, *, fps: float = 10, end_s: float = 6.0, noise: float = 0.0, start_s: float = 0.0
) -> Iterator[Frame]:
    """Pictures of the road from ``start_s`` on, each painted upon, with noise."""
    empty = road()
    grains = np.random.default_rng(1).normal(0, noise, (7 if noise else 0, *empty.shape))
    for index in range(round(end_s * fps)):
        t = index / fps
        image = paint(empty.copy(), t)
        if noise:
            image = np.clip(image + grains[index * 3 % 7], 0, 255).astype(np.uint8)
        yield Frame("c", index, start_s + t, image)


def watch(frames: Iterator[Frame]) -> dict[float, Detections]:
    """What is found, by time."""
    detector = MotionDetector()
    return {frame.ts: detector.find(frame) for frame in frames}


def passing(speed: float = 100.0, colour: tuple[int, ...] = WHITE) -> Painter:
    """A vehicle that comes once the road is known."""

    def paint(image: Image, t: float) -> Image:
        if t < LEARNT_S:
            return image
        return block(image, (t - LEARNT_S) * speed, 150, colour=colour)

    return paint


def overlap(a: np.ndarray, b: tuple[float, ...]) -> float:
    """IoU of two boxes."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    common = max(0.0, w) * max(0.0, h)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


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
        elif 0 < x < SIZE[0] - 80:
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


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.3, 1.8])
@pytest.mark.parametrize("gradual", [False, True])
def test_another_light_is_nothing_and_vehicles_are_found_after_it(
    factor: float, gradual: bool
) -> None:
    change_s, come_s = 4.0, 8.0

    def paint(image: Image, t: float) -> Image:
        if t >= come_s:
            block(image, (t - come_s) * 100, 150)
        share = min(1.0, max(0.0, t - change_s)) if gradual else float(t >= change_s)
        return np.clip(image * (1 + (factor - 1) * share), 0, 255).astype(np.uint8)

    found = watch(film(paint, end_s=12))
    assert not any(len(d) for t, d in found.items() if t < come_s)
    later = [len(d) for t, d in found.items() if t > come_s + 0.5]
    assert later
    assert set(later) == {1}


def test_another_view_is_nothing_until_it_is_learnt() -> None:
    # as light as the road, and nowhere like it
    stripes = np.indices(SIZE[::-1]).sum(axis=0) // 40 % 2 * 100 + 50
    other = np.repeat(stripes[..., None], 3, axis=2).astype(np.uint8)

    def paint(image: Image, t: float) -> Image:
        if t >= 8:
            return block(other.copy(), (t - 8) * 100, 150)
        return image if t < 4 else other

    found = watch(film(paint, end_s=10))
    assert not any(len(d) for t, d in found.items() if t < 8)
    assert any(len(d) for t, d in found.items() if t > 8.5)


@pytest.mark.parametrize("fps", [5, 25])
@pytest.mark.parametrize(("pause_s", "seen"), [(0.2, True), (15.0, False)])
def test_the_road_follows_in_its_time_at_any_frame_rate(
    fps: int, pause_s: float, seen: bool
) -> None:
    # Neither step is an object by itself; together they are, while the first is still known.
    def paint(image: Image, t: float) -> Image:
        part = image[:120, :200]
        part += np.uint8(12 * (t >= LEARNT_S) + 20 * (t >= LEARNT_S + pause_s - 0.01))
        return image

    found = watch(film(paint, fps=fps, end_s=LEARNT_S + pause_s + 0.3))
    assert any(map(len, found.values())) is seen


def test_exposure_that_follows_a_vehicle_hides_it_not() -> None:
    def paint(image: Image, t: float) -> Image:
        image = passing()(image, t)
        darker = 1 - 0.25 * min(1.0, max(0.0, t - LEARNT_S))
        return (image * darker).astype(np.uint8)

    found = watch(film(paint, end_s=LEARNT_S + 4))
    assert {len(d) for t, d in found.items() if t > LEARNT_S + 0.1} == {1}


@pytest.mark.parametrize("fps", [4, 10])
def test_who_stands_melts_after_the_stated_time_and_no_sooner(fps: int) -> None:
    def paint(image: Image, t: float) -> Image:
        return block(image, 200, 150) if t >= LEARNT_S else image

    found = watch(film(paint, fps=fps, end_s=LEARNT_S + MELT_S + 3))
    stood = {t - LEARNT_S: len(d) for t, d in found.items() if t >= LEARNT_S}
    assert all(n == 1 for since_s, n in stood.items() if since_s < MELT_S - 0.5)
    assert all(n == 0 for since_s, n in stood.items() if since_s > MELT_S + 0.5)


def test_a_gap_melts_nothing() -> None:
    detector = MotionDetector()
    for frame in film(passing(), end_s=LEARNT_S + 1):
        found = detector.find(frame)
    assert len(found) == 1
    for later in (1, 2, 3):
        ts = frame.ts + 10 * MELT_S + later / 10
        assert len(detector.find(Frame("c", frame.index + later, ts, frame.image))) == 1


@settings(max_examples=15)
@given(
    fps=st.sampled_from([4, 5, 8, 12, 25]),
    speed=st.floats(20, 200),
    start_s=st.sampled_from([0.0, 1.7e9]),
)
def test_the_frame_rate_and_the_hour_change_nothing(fps: int, speed: float, start_s: float) -> None:
    for t, found in watch(film(passing(speed), fps=fps, start_s=start_s)).items():
        x = (t - start_s - LEARNT_S) * speed
        if -1e-6 <= x < SIZE[0] - 80:
            assert len(found) == 1
            assert overlap(found.xyxy[0], (x, 150, x + 80, 200)) > 0.8
        elif x < 0:
            assert len(found) == 0


def test_vehicles_that_pass_while_the_road_is_learnt_leave_nothing_behind() -> None:
    found = watch(film(lambda image, t: block(image, t * 300, 150), end_s=5))
    assert {len(d) for t, d in found.items() if t > LEARNT_S} == {0}


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
    assert MotionDetector().wanted == MotionDetector(["vehicle"]).wanted == ("vehicle",)
    with pytest.raises(DetectorError, match="class 'car': motion finds 'vehicle' alone"):
        MotionDetector(["car"])
