"""Things pasted into the pictures of a clip: a bag that somebody leaves, a person who stays.

A thing is drawn or cut out by code and laid into every picture from one moment to another. Whoever
is nearer to the camera hides it: the pixels within that person's box that differ from the clip's
empty view. So a clip in which nothing was ever left can show what it would look like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.picture import Pixels
from vision.types import FloatArray, Frame, Image

DIFFERS: Final = 24
"""A pixel that is farther from the empty view, of 255 in any channel, shows somebody."""
GROWN = 0.1
"""A person's box is grown by this part on each side: arms and feet reach out of it."""
SHADOW = 0.35
"""So much of the light a bag takes from the ground at its foot."""
SWAY_S = 3.0
"""Who stands sways by a pixel and back in this time."""

People = Callable[[Frame], FloatArray]
"""The boxes (n, 4) xyxy px of who is in a frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """``image`` (h, w, 3) uint8 BGR, and how far each pixel covers what is behind it: ``alpha``
    (h, w) float32 in 0..1; ``foot`` rows from the top is where it stands on the ground."""

    image: Image
    alpha: FloatArray
    foot: int


@dataclass(frozen=True, slots=True, eq=False)
class Pasted:
    """``thing`` stands with the middle of its foot at ``place`` (x, y) px from ``since_ts`` until
    ``until_ts``, UTC seconds. What ``sways`` is alive and never quite still."""

    thing: Thing
    place: tuple[float, float]
    since_ts: float
    until_ts: float = float("inf")
    sways: bool = False


def bag(size: tuple[int, int], colour: tuple[int, int, int], seed: int = 0) -> Thing:
    """A bag of ``size`` (w, h) px and ``colour`` (blue, green, red) with a handle, a lighter top,
    a grain, and a soft shadow on the ground around its foot."""
    w, h = size
    times = 8
    pad = max(2, round(0.35 * w))
    big = (times * (w + 2 * pad), times * (h + pad))
    alpha = np.zeros(big[::-1], np.uint8)
    left, right, bottom = times * pad, times * (pad + w) - 1, times * h - 1
    top = round(0.28 * bottom)
    cv2.ellipse(
        alpha, ((left + right) // 2, top), (round(0.25 * (right - left)), top - times // 2),
        0, 180, 360, 255, max(1, round(0.09 * bottom)),
    )  # fmt: skip
    cv2.rectangle(alpha, (left, top), (right, bottom), 255, -1)
    small = (w + 2 * pad, h + pad)
    cover = cv2.resize(alpha, small, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    grain = np.random.default_rng(seed).normal(0, 6, (small[1], small[0], 1))
    shade = np.linspace(1.12, 0.82, small[1], dtype=np.float32)[:, None, None]
    body = np.clip(np.array(colour, np.float32) * shade + grain, 0, 255)
    dark = np.zeros(small[::-1], np.float32)
    cv2.ellipse(
        dark, (pad + w // 2, h - 1), (w // 2 + pad // 2, max(1, pad // 2)), 0, 0, 360, 1, -1
    )
    dark = SHADOW * np.asarray(cv2.GaussianBlur(dark, (0, 0), max(0.6, pad / 5)), np.float32)
    # the bag stands upon its shadow
    both = cover + dark * (1 - cover)
    image = body * (cover / np.maximum(both, 1e-6))[..., None]
    return Thing(image.astype(np.uint8), both.astype(np.float32), h)


def cut_out(image: Image, empty: Image, box: NDArray[np.floating]) -> Thing:
    """Who stands in ``box`` (4,) px of ``image``: what differs there from the ``empty`` view."""
    x1, y1, x2, y2 = _within(box, image)
    mask = _somebody(image[y1:y2, x1:x2], empty[y1:y2, x1:x2]).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if len(stats) > 1:
        # not the feet of somebody else who looks into the box
        mask = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).view(np.uint8)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (3, 3), 0)
    foot = round(float(box[3])) - y1
    return Thing(image[y1:y2, x1:x2].copy(), np.asarray(soft, np.float32), foot)


def empty_view(images: Sequence[Image]) -> Image:
    """What is seen at each pixel most of the time: the median of ``images``, (h, w, 3)."""
    return np.asarray(np.median(np.stack(images), axis=0), np.uint8)


def box_at(path: NDArray[np.floating], ts: float) -> NDArray[np.float64]:
    """The box (4,) px at ``ts`` of somebody whose boxes are known: ``path`` (k, 5) of ts and xyxy,
    in order of time; between two it is interpolated, before and after the nearest holds."""
    return np.array([np.interp(ts, path[:, 0], side) for side in path[:, 1:].T], np.float64)


def beside(path: NDArray[np.floating], ts: float, widths: float = 0.6) -> tuple[float, float]:
    """Where somebody who goes along ``path`` (k, 5) puts something down at ``ts``: x, y px,
    ``widths`` of the box to the right of the feet's middle, to the left where it is negative."""
    x1, _, x2, y2 = box_at(path, ts).tolist()
    return (x1 + x2) / 2 + widths * (x2 - x1), y2


def paste(
    frames: Iterable[Frame], things: Sequence[Pasted], *, empty: Image, people: People
) -> Iterator[Frame]:
    """``frames`` with ``things`` in them, the farthest first, behind the ``people`` who stand
    nearer to the camera. ``empty`` is the empty view of the clip, of the frames' size."""
    order = sorted(things, key=lambda each: each.place[1])
    for frame in frames:
        shown = [each for each in order if each.since_ts <= frame.ts < each.until_ts]
        if not shown:
            yield frame
            continue
        image = frame.image.copy()
        boxes = people(frame)
        for each in shown:
            _lay(image, each, frame, boxes, empty)
        yield replace(frame, picture=Pixels(image))


def _lay(image: Image, each: Pasted, frame: Frame, boxes: FloatArray, empty: Image) -> None:
    thing = each.thing
    h, w = thing.alpha.shape
    swing = np.sin(2 * np.pi * (frame.ts - each.since_ts) / SWAY_S) if each.sways else 0.0
    x, y = round(each.place[0] - w / 2 + swing), round(each.place[1]) - thing.foot
    left, top = max(0, x), max(0, y)
    right, bottom = min(image.shape[1], x + w), min(image.shape[0], y + h)
    if left >= right or top >= bottom:
        return
    own = np.s_[top - y : bottom - y, left - x : right - x]
    where = np.s_[top:bottom, left:right]
    alpha = thing.alpha[own].copy()
    for box in boxes[boxes[:, 3] > each.place[1]]:
        x1, y1, x2, y2 = _within(box, image)
        hidden = np.zeros(image.shape[:2], np.bool_)
        hidden[y1:y2, x1:x2] = _somebody(frame.image[y1:y2, x1:x2], empty[y1:y2, x1:x2])
        alpha[hidden[where]] = 0
    mixed = image[where] + alpha[..., None] * (thing.image[own].astype(np.float32) - image[where])
    image[where] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _within(box: NDArray[np.floating], image: Image) -> tuple[int, int, int, int]:
    """Whole px of ``box`` (4,), grown, within ``image``."""
    h, w = image.shape[:2]
    x1, y1, x2, y2 = box.tolist()
    more_x, more_y = GROWN * (x2 - x1), GROWN * (y2 - y1)
    return (
        max(0, int(x1 - more_x)),
        max(0, int(y1 - more_y)),
        min(w, int(np.ceil(x2 + more_x))),
        min(h, int(np.ceil(y2 + 0.5 * more_y))),
    )


def _somebody(image: Image, empty: Image) -> NDArray[np.bool_]:
    """Where (h, w) ``image`` differs from the ``empty`` view, holes closed."""
    if image.size == 0:
        return np.zeros(image.shape[:2], np.bool_)
    differs = (cv2.absdiff(image, empty).max(axis=2) > DIFFERS).astype(np.uint8)
    closed = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.asarray(opened > 0)
