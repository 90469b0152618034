"""A picture of any shape in a model's input, undistorted, and where it lies there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.picture import Picture, picture_of
from vision.types import FloatArray, Image


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a picture lies in the model's input: input = picture * ``ratio`` + (left, top), with
    a ratio (x, y) for each axis, as its sides are rounded to whole pixels."""

    ratio: tuple[float, float]
    left: int
    top: int


def letterbox(
    shown: Picture | Image, size: tuple[int, int], pad_value: int, centred: bool
) -> tuple[Image, Letterbox]:
    """A picture, or (h, w, 3) BGR, resized without distortion into ``size`` (h, w), BGR, and where
    it lies."""
    picture = picture_of(shown)
    place, (w, h) = _placed(picture.size, size, centred)
    canvas = np.full((*size, 3), pad_value, np.uint8)
    canvas[place.top : place.top + h, place.left : place.left + w] = picture.scaled((w, h))
    return canvas, place


def _placed(
    shown: tuple[int, int], size: tuple[int, int], centred: bool
) -> tuple[Letterbox, tuple[int, int]]:
    """Where a picture of the size ``shown`` (w, h) lies in an input of ``size`` (h, w), and its
    size (w, h) there."""
    height, width = size
    ratio = min(height / shown[1], width / shown[0])
    h = min(height, max(1, round(shown[1] * ratio)))
    w = min(width, max(1, round(shown[0] * ratio)))
    top, left = ((height - h) // 2, (width - w) // 2) if centred else (0, 0)
    return Letterbox((w / shown[0], h / shown[1]), left, top), (w, h)


def fill(
    row: FloatArray,
    picture: Picture,
    pad_value: int,
    scale: float,
    *,
    rgb: bool,
    centred: bool,
) -> Letterbox:
    """Write the same, times ``scale``, into ``row`` (3, h, w): red, green and blue, or the other
    way round. The picture in full size is not made."""
    place, (w, h) = _placed(picture.size, (row.shape[1], row.shape[2]), centred)
    rows, columns = slice(place.top, place.top + h), slice(place.left, place.left + w)
    around = (
        row[:, : rows.start], row[:, rows.stop :], row[:, :, : columns.start],
        row[:, :, columns.stop :],
    )  # fmt: skip
    for edge in around:
        edge[...] = pad_value * np.float32(scale)
    picture.fill(row[:, rows, columns], scale, rgb=rgb)
    return place
