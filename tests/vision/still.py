"""Pictures of a place where nothing happens, with the noise of a sensor, and somebody far away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.vision.painted import road
from vision.types import Image

SIZE = (768, 432)
Place = tuple[float, float]
"""x, y px."""
Film = Callable[[float], Image]
"""A picture of a place at a time, seconds."""
WALKER = (6, 13)
"""Width and height, px, of somebody far away."""
GRAINS = 7
RATE = 25.0
"""So often in a second the grain is another."""


def quiet(noise: float, size: tuple[int, int] = SIZE) -> Film:
    """An empty road with grain of ``noise`` levels, another one at each time."""
    empty = road(size).astype(np.int16)
    random = np.random.default_rng(2)
    grains = [
        random.normal(0, noise, (size[1], size[0], 1)).round().astype(np.int16)
        for _ in range(GRAINS if noise else 0)
    ]

    def at(t: float) -> Image:
        if not grains:
            return empty.astype(np.uint8)
        number = round(t * RATE)
        grain = np.roll(grains[number % GRAINS], 31 * number, axis=(0, 1))
        return np.clip(empty + grain, 0, 255).astype(np.uint8)

    return at


def walker(film: Film, place: Place, speed: Place, levels: int, *, from_s: float) -> Film:
    """``film`` in which somebody far away, so many ``levels`` lighter than the ground, steps to
    ``place`` and walks on with ``speed``, px a second."""
    w, h = WALKER

    def at(t: float) -> Image:
        image = film(t)
        if t < from_s:
            return image
        x, y = (p + v * (t - from_s) for p, v in zip(place, speed, strict=True))
        across, down = (_covered(start, side, n) for start, side, n in
                        ((x, w, image.shape[1]), (y, h, image.shape[0])))  # fmt: skip
        change = (levels * np.outer(down, across)).round().astype(np.int16)
        return np.clip(image + change[..., None], 0, 255).astype(np.uint8)

    return at


def _covered(start: float, side: float, n: int) -> np.ndarray:
    """Which part of each of ``n`` pixels lies in what begins at ``start`` and is ``side`` long."""
    pixels = np.arange(n)
    return np.clip(np.minimum(pixels + 1, start + side) - np.maximum(pixels, start), 0, 1)
