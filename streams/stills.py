"""A picture of a camera as it is, and how its view looks, for whoever draws on it."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol

import cv2

from streams.drawing import MAX_STILL_BYTES, Still, Taken
from vision.types import Frame, Image
from vision.views import Look, View

MAX_SIDE_PX: Final = 1920
"""Larger pictures are made smaller: nobody draws to the pixel of a larger one."""
JPEG_QUALITY: Final = 88
LOOKS_A_SECOND: Final = 4
LOOKED_S: Final = 2.0
"""People who pass in this time do not stay in the view: it is the median of its pictures."""
SLICE_S: Final = 0.5
NONE_CAME: Final = "no picture was analysed within {wait:g} s: see how the camera is"
TOO_PLAIN: Final = "{why}: turn the camera to what it is to watch, or wait for light"
TOO_LARGE: Final = "the picture takes too many bytes to be sent"
BUSY: Final = Taken(ok=False, busy=True, message="pictures are taken now: try again in a moment")


class Following(Protocol):
    """Where pictures come from, as they are analysed."""

    def following(self, camera: str) -> AbstractContextManager[Callable[[float], Frame | None]]: ...


def take_still(wanted: Still, pictures: Following, stop: threading.Event) -> Taken:
    """What comes of ``wanted``; ends with ``stop``. Never raises: the answer says what is wrong."""
    with pictures.following(wanted.camera) as following:
        frame = _next(following, time.monotonic() + wanted.timeout_s, stop)
        if frame is None:
            return Taken(ok=False, message=NONE_CAME.format(wait=wanted.timeout_s))
        return _viewed(frame, following, stop) if wanted.view else _still(frame)


def _next(
    following: Callable[[float], Frame | None], until_s: float, stop: threading.Event
) -> Frame | None:
    while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
        frame = following(min(left_s, SLICE_S))
        if frame is not None:
            return frame
    return None


def _still(frame: Frame) -> Taken:
    image = smaller(frame.image, MAX_SIDE_PX)
    encoded, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded or jpeg.size > MAX_STILL_BYTES:
        return Taken(ok=False, message=TOO_LARGE)
    height, width = image.shape[:2]
    return Taken(
        ok=True,
        ts=frame.ts,
        width=width,
        height=height,
        jpeg=base64.b64encode(jpeg.tobytes()),
    )


def _viewed(
    frame: Frame, following: Callable[[float], Frame | None], stop: threading.Event
) -> Taken:
    """How the view looks that ``frame`` is the first picture of."""
    until_s = time.monotonic() + LOOKED_S
    looks, last_ts = [Look.of(frame.picture)], frame.ts
    while (now := _next(following, until_s, stop)) is not None:
        if now.ts - last_ts >= 0.9 / LOOKS_A_SECOND:
            looks.append(Look.of(now.picture))
            last_ts = now.ts
    try:
        text = View.of_looks(looks).text
    except ValueError as problem:
        return Taken(ok=False, message=TOO_PLAIN.format(why=problem))
    return Taken(ok=True, ts=frame.ts, view=text)


def smaller(image: Image, side_px: int) -> Image:
    """The picture, with no side longer than that."""
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(image.dtype, copy=False)
