"""Longer clips out of short ones, and what happens to cameras done to a part of them.

``loop`` plays a clip forth and back, ``backwards`` only back; ``changed`` pans, tilts, zooms,
covers, defocuses, freezes or darkens a span of it. The same frames give the same frames; times are
media time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from typing import Final, Literal, TypeAlias, get_args

import cv2
import numpy as np

from streams.files import ClipSource
from vision.errors import ClipError
from vision.picture import Pixels
from vision.types import FaultKind, Frame, Image

ChangeKind: TypeAlias = Literal["pan", "tilt", "zoom", "cover", "defocus", "freeze", "darken"]
"""What is done to the camera; the fault that it makes is ``FAULTS[kind]``."""
Edge: TypeAlias = Literal["window", "reflect", "wrap", "black"]
"""Where a view that pans or tilts gets what was outside the picture from: ``window`` shows a part
of the clip all the time, so that it can move to another real part; the others keep the picture
whole and fill its edge."""
Cover: TypeAlias = Literal["grey", "cloth"]

FAULTS: Final[dict[ChangeKind, FaultKind]] = {
    "pan": "moved",
    "tilt": "moved",
    "zoom": "moved",
    "cover": "covered",
    "defocus": "defocused",
    "freeze": "frozen",
    "darken": "dark",
}
STRENGTHS: Final[dict[ChangeKind, float]] = {
    "pan": 0.2,
    "tilt": 0.2,
    "zoom": 0.3,
    "cover": 1.0,
    "defocus": 0.008,
    "freeze": 1.0,
    "darken": 0.9,
}
"""How strong a change is unless told otherwise: ``pan`` and ``tilt`` parts of the picture's width
or height, ``zoom`` by how much larger all gets, ``cover`` the part that is covered, ``defocus``
the blur's standard deviation as a part of the width, ``darken`` the part of the light that is
gone; ``freeze`` has none."""
MOST: Final[dict[ChangeKind, float]] = {
    "pan": 1.0,
    "tilt": 1.0,
    "zoom": 4.0,
    "cover": 1.0,
    "defocus": 0.1,
    "freeze": 1.0,
    "darken": 1.0,
}
RAMPS_S: Final[dict[ChangeKind, float]] = {
    "pan": 1.0,
    "tilt": 1.0,
    "zoom": 1.0,
    "cover": 0.5,
    "defocus": 0.5,
    "freeze": 0.0,
    "darken": 0.5,
}
"""Seconds until it is done, as motors and hands take."""
MAX_HELD_BYTES = 1 << 30
SAME_S = 1e-6
GRAIN = 2.0
"""The noise of a sensor that looks at a cloth, standard deviation of 255."""


def loop(clip: ClipSource, seconds: float) -> Iterator[Frame]:
    """``clip`` forth and back for ``seconds`` of media time, as one film: ``index`` counts its
    frames from 0, ``ts`` goes on from that of the first one.

    A clip shorter than that is held in memory as it is picked. Raises ClipError where it cannot
    be read, or holds more than 1 GiB of pictures.
    """
    hold = clip.info.duration_s < seconds
    held: list[tuple[float, Image]] = []
    first_ts = 0.0
    index = 0
    for frame in clip.frames():
        if index == 0:
            first_ts = frame.ts
        t = frame.ts - first_ts
        if t >= seconds - SAME_S:
            return
        yield replace(frame, index=index)
        index += 1
        if hold:
            _hold(held, t, frame)
    if not held:
        return
    last_s = held[-1][0]
    there_and_back = held + [(2 * last_s - t, image) for t, image in reversed(held[1:-1])]
    round_s = 2 * last_s or clip.info.duration_s
    for turn in count():
        for t, image in there_and_back:
            if turn == 0 and t <= last_s:
                continue
            if turn * round_s + t >= seconds - SAME_S:
                return
            yield Frame(clip.camera_id, index, first_ts + turn * round_s + t, image)
            index += 1


def backwards(clip: ClipSource) -> Iterator[Frame]:
    """``clip`` from its last picked frame to its first: ``index`` counts them from 0, ``ts`` goes
    on from that of the clip's first one.

    All of it is held in memory as it is picked. Raises ClipError as ``loop`` does.
    """
    held: list[tuple[float, Image]] = []
    for frame in clip.frames():
        _hold(held, frame.ts, frame)
    first_ts, last_ts = (held[0][0], held[-1][0]) if held else (0.0, 0.0)
    for index in range(len(held)):
        ts, image = held.pop()
        yield Frame(clip.camera_id, index, first_ts + (last_ts - ts), image)


def _hold(held: list[tuple[float, Image]], t: float, frame: Frame) -> None:
    """Keep the picture of ``frame`` under the time ``t``; raises ClipError where all that is
    ``held`` is too much."""
    held.append((t, frame.image))
    if len(held) * frame.image.nbytes > MAX_HELD_BYTES:
        raise ClipError(
            f"the clip of '{frame.camera_id}' is too large to play backwards: pick fewer "
            "frames a second, or cut it"
        )


def changed(
    frames: Iterable[Frame],
    kind: ChangeKind,
    start_s: float,
    end_s: float,
    *,
    strength: float | None = None,
    ramp_s: float | None = None,
    edge: Edge = "window",
    cover: Cover = "grey",
) -> Iterator[Frame]:
    """``frames`` with a change that begins ``start_s`` and is all over ``end_s`` seconds after
    the first of them; its sizes stay.

    ``strength`` and ``ramp_s``, the seconds that it takes to come and again to go (0: a hard
    cut), are those of ``STRENGTHS`` and ``RAMPS_S`` unless told; a negative pan goes to the left,
    a negative tilt up. With the edge ``window`` the clip is shown enlarged all the time, so that
    both views are real, and a scene drawn on the clip does not fit it; a zoom never needs one.
    Raises ValueError for values that do not fit.
    """
    if kind not in get_args(ChangeKind):
        raise ValueError(f"a change is one of {', '.join(get_args(ChangeKind))}, not '{kind}'")
    strength = STRENGTHS[kind] if strength is None else strength
    ramp_s = RAMPS_S[kind] if ramp_s is None else ramp_s
    if not (0 <= start_s < end_s and 0 <= 2 * ramp_s <= end_s - start_s):
        raise ValueError(
            f"a change from {start_s:g} to {end_s:g} s has no room to come and go in {ramp_s:g} s"
        )
    if not 0 < abs(strength) <= MOST[kind] or (strength < 0 and kind not in ("pan", "tilt")):
        raise ValueError(f"{kind} has a strength above 0 and up to {MOST[kind]:g}, not {strength}")
    return _changed(frames, kind, start_s, end_s, strength, ramp_s, edge, cover)


def _changed(
    frames: Iterable[Frame],
    kind: ChangeKind,
    start_s: float,
    end_s: float,
    strength: float,
    ramp_s: float,
    edge: Edge,
    cover: Cover,
) -> Iterator[Frame]:
    first_ts: float | None = None
    frozen: Image | None = None
    for frame in frames:
        first_ts = frame.ts if first_ts is None else first_ts
        t = frame.ts - first_ts
        way = _way(t, start_s, end_s, ramp_s)
        inside = start_s <= t < end_s
        if kind == "freeze":
            frozen = (frame.image if frozen is None else frozen) if inside else None
            yield frame if frozen is None else replace(frame, picture=Pixels(frozen))
        elif kind in ("pan", "tilt"):
            across, down = (strength, 0.0) if kind == "pan" else (0.0, strength)
            yield replace(frame, picture=Pixels(_moved(frame.image, across, down, way, edge)))
        elif way == 0:
            yield frame
        else:
            yield replace(frame, picture=Pixels(_spoilt(frame, kind, strength, way, cover)))


def _way(t: float, start_s: float, end_s: float, ramp_s: float) -> float:
    """How far (0..1) a change has come at ``t`` seconds."""
    if not start_s <= t < end_s:
        return 0.0
    return 1.0 if ramp_s == 0 else min(1.0, (t - start_s) / ramp_s, (end_s - t) / ramp_s)


def _spoilt(frame: Frame, kind: ChangeKind, strength: float, way: float, cover: Cover) -> Image:
    """The picture of ``frame`` with the part ``way`` (0..1) of a change."""
    image = frame.image
    h, w = image.shape[:2]
    if kind == "zoom":
        larger = 1 + strength * way
        to = np.array([[larger, 0, (1 - larger) * (w - 1) / 2],
                       [0, larger, (1 - larger) * (h - 1) / 2]])  # fmt: skip
        return np.asarray(cv2.warpAffine(image, to, (w, h), flags=cv2.INTER_LINEAR), np.uint8)
    if kind == "defocus":
        sigma = max(strength * way * w, 0.1)
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    if kind == "darken":
        return np.asarray(cv2.convertScaleAbs(image, alpha=1 - strength * way), np.uint8)
    edge = round(w * strength * way)
    if edge == 0:
        return image
    covered = image.copy()
    covered[:, :edge] = _cloth(h, w, cover, frame.index)[:, w - edge :]
    return covered


def _cloth(h: int, w: int, cover: Cover, index: int) -> Image:
    """What covers the camera, (h, w, 3), with the noise of its sensor in picture ``index``."""
    plain = np.full((h, w), 96, np.float32)
    if cover == "cloth":
        coarse = np.random.default_rng(0).normal(0, 30, (h // 24 + 2, w // 24 + 2))
        plain += cv2.resize(coarse.astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
    plain += np.random.default_rng(index).normal(0, GRAIN, (h, w)).astype(np.float32)
    return np.repeat(np.clip(plain, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _moved(image: Image, across: float, down: float, way: float, edge: Edge) -> Image:
    """``image`` seen by a camera that has turned the part ``way`` (0..1) of its way, ``across``
    to the right and ``down``, parts of the picture's width and height."""
    h, w = image.shape[:2]
    if edge != "window":
        x, y = across * way * w, down * way * h
        if edge == "wrap":
            return np.roll(image, (-round(y), -round(x)), axis=(0, 1))
        border = cv2.BORDER_REFLECT if edge == "reflect" else cv2.BORDER_CONSTANT
        to = np.array([[1, 0, -x], [0, 1, -y]], np.float64)
        return np.asarray(cv2.warpAffine(image, to, (w, h), borderMode=border), np.uint8)
    # the window leaves as much room as the camera turns by, in units of itself
    part = 1 / (1 + max(abs(across), abs(down)))
    room_x, room_y = (1 - part) * w, (1 - part) * h
    x = _start(across, room_x) + across * way * part * w
    y = _start(down, room_y) + down * way * part * h
    to = np.array([[1 / part, 0, -x / part], [0, 1 / part, -y / part]])
    return np.asarray(cv2.warpAffine(image, to, (w, h), flags=cv2.INTER_LINEAR), np.uint8)


def _start(turn: float, room: float) -> float:
    """Where the window stands before the camera turns: at the far edge of where it turns to."""
    return room / 2 if turn == 0 else 0.0 if turn > 0 else room
