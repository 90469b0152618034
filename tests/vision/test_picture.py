"""Planes show what their colours show, in any size."""

from __future__ import annotations

from typing import Any, get_args

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vision.coding import WEIGHTS, coded
from vision.picture import Matrix, Pixels, Planes

MATRICES = get_args(Matrix)
COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (119, 119, 119),
    "red": (40, 30, 220),
    "green": (60, 200, 50),
    "blue": (210, 70, 40),
}


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("name", COLOURS)
def test_a_colour_comes_back(name: str, matrix: str, full: bool) -> None:
    bgr = np.full((30, 44, 3), COLOURS[name], np.uint8)
    planes = coded(bgr, matrix, full)
    assert planes.size == (44, 30)
    assert np.abs(planes.image.astype(int) - bgr).max() <= 3
    assert np.abs(planes.scaled((20, 10)).astype(int) - bgr[0, 0]).max() <= 3
    luma = np.dot(WEIGHTS[matrix], COLOURS[name][::-1])
    assert np.abs(planes.luma((20, 10)).astype(int) - luma).max() <= 2


def test_the_picture_in_full_size_is_made_once_and_counted() -> None:
    planes = coded(np.full((6, 8, 3), 90, np.uint8), "bt601", full=False)
    assert planes.nbytes == 6 * 8 * 3 // 2
    planes.scaled((4, 2))
    planes.luma((4, 2))
    assert planes.nbytes == 6 * 8 * 3 // 2
    assert planes.image is planes.image
    assert planes.nbytes == 6 * 8 * 3 // 2 + 6 * 8 * 3


def scenery(size: tuple[int, int], seed: int, levels: tuple[int, int] = (60, 200)) -> Any:
    """A smooth picture, since finer colour than that of two pixels is not coded."""
    small = np.random.default_rng(seed).integers(*levels, (4, 5, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("size", [(416, 234), (160, 96), (101, 57)])
@pytest.mark.parametrize("rgb", [False, True])
def test_a_models_input_is_that_of_the_colours(
    size: tuple[int, int], matrix: str, full: bool, rgb: bool
) -> None:
    bgr = scenery((640, 360), 4)
    found, expected = (np.full((3, size[1] + 2, size[0]), 7, np.float32) for _ in range(2))
    coded(bgr, matrix, full).fill(found[:, 1:-1], 1 / 255, rgb=rgb)
    Pixels(bgr).fill(expected[:, 1:-1], 1 / 255, rgb=rgb)
    off = np.abs(found - expected) * 255
    assert off.max() < 4.5
    assert off.mean() < 1
    assert (found[:, [0, -1]] == 7).all()
    order = [2, 1, 0] if rgb else [0, 1, 2]
    known = np.asarray(cv2.resize(bgr, size), np.float32).transpose(2, 0, 1)[order]
    assert np.array_equal(expected[:, 1:-1], known * np.float32(1 / 255))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("size", [(640, 360), (320, 180), (300, 170), (150, 90), (800, 450)])
def test_luma_and_chroma_are_those_of_the_colours(size: tuple[int, int], full: bool) -> None:
    bgr = scenery((640, 360), 5)
    for now, known in zip(coded(bgr, "bt601", full).yuv(size), Pixels(bgr).yuv(size), strict=True):
        assert now.shape == known.shape == size[::-1]
        off = np.abs(now.astype(int) - known)
        assert off.max() < 4.5
        assert off.mean() < 1.2


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("name", COLOURS)
def test_chroma_is_as_strong_whatever_the_coding(name: str, matrix: str, full: bool) -> None:
    blue, _, red = COLOURS[name]
    bgr = np.full((30, 44, 3), COLOURS[name], np.uint8)
    luma, first, second = coded(bgr, matrix, full).yuv((22, 15))
    y = np.dot(WEIGHTS[matrix], COLOURS[name][::-1])
    assert luma == pytest.approx(np.full_like(luma, 0) + y, abs=2)
    for plane, expected in ((first, 0.492 * (blue - y)), (second, 0.877 * (red - y))):
        assert np.abs(plane.astype(float) - min(255, max(0, 128 + expected))).max() <= 3


def test_planes_in_somebodys_memory_are_not_written_upon() -> None:
    given_planes = coded(scenery((64, 48), 6), "bt601", full=True)
    kept = [plane.copy() for plane in (given_planes.y, given_planes.u, given_planes.v)]
    for plane in (given_planes.y, given_planes.u, given_planes.v):
        plane.flags.writeable = False
    given_planes.luma((64, 48))
    given_planes.yuv((64, 48))
    given_planes.fill(np.zeros((3, 48, 64), np.float32), 1.0, rgb=True)
    assert all(map(np.array_equal, (given_planes.y, given_planes.u, given_planes.v), kept))


@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.data(),
)  # fmt: skip
def test_a_crop_shows_that_part(w: int, h: int, seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    # smooth, as half of a chroma pixel is not seen
    small = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
    bgr = np.asarray(cv2.resize(small, (w, h)), np.uint8)
    x, y = data.draw(st.integers(0, w - 1)), data.draw(st.integers(0, h - 1))
    box = x, y, data.draw(st.integers(1, w - x)), data.draw(st.integers(1, h - y))
    for picture in (Pixels(bgr), coded(bgr, "bt709", full=True)):
        part = picture.crop(*box)
        assert part.size == box[2:]
        whole = picture.luma(picture.size)[y : y + box[3], x : x + box[2]]
        assert np.array_equal(part.luma(part.size), whole)
        own = picture.image[y : y + box[3], x : x + box[2]]
        assert part.image.shape == own.shape
        steps = (
            np.abs(np.diff(bgr.astype(int), axis=0)).max(initial=0),
            np.abs(np.diff(bgr.astype(int), axis=1)).max(initial=0),
        )
        assert np.abs(part.image.astype(int) - own).max() <= 6 + 3 * max(steps)


@pytest.mark.parametrize(
    "shapes", [((4, 6), (2, 3), (2, 2)), ((5, 7), (2, 3), (2, 3)), ((4, 6, 3), (2, 3), (2, 3))]
)
def test_planes_that_do_not_fit_are_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="planes are y"):
        Planes(*(np.zeros(shape, np.uint8) for shape in shapes))


def test_pixels_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(h, w, 3\) uint8"):
        Pixels(np.zeros((4, 6), np.uint8))
