"""Cameras for a test of load, in a process of their own: ``python -m streams.evaluation.playing``.

It is told how many, where its clips may lie and which clip moves; it makes what they play, prints
the simulator's port and plays until its standard input ends. Every second camera shows a still
scene. Its CPU time is its own: nothing of it is a worker's.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, repeat
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import structlog

from streams.evaluation.cost import SEED
from streams.files import ClipSource
from streams.parentage import die_with_parent
from streams.simulator import Simulator, load_recording
from streams.video import VideoWriter
from vision.types import Image

SIZE: Final = (640, 360)
"""(w, h) px: a camera's second stream."""
RATE: Final = Fraction(15)
MOVING_S, STILL_S = 60, 20
"""So long what a camera plays is, before it begins again."""
NOISE: Final = 1.5
"""Standard deviation of a sensor's noise, of 255: no two pictures of a still scene are equal."""
GOLDEN: Final = 0.618
"""Cameras that play one clip are this part of it apart."""


def camera_names(number: int) -> list[str]:
    """The first one moves, the second is still, and so on."""
    return [f"{'still' if nth % 2 else 'moving'}-{nth:03}" for nth in range(number)]


def main(number: int, folder: Path, clip: Path, parent_pid: int) -> None:
    """Play until standard input ends."""
    die_with_parent(parent_pid)
    # standard output is for the port alone
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    make_moving(clip, folder / "moving.mp4")
    make_still(clip, folder / "still.mp4")
    moving, still = (
        load_recording(folder / name, folder / "recordings") for name in ("moving.mp4", "still.mp4")
    )
    names = camera_names(number)
    played = {name: still if name.startswith("still") else moving for name in names}
    offsets = {name: GOLDEN * nth * MOVING_S % MOVING_S for nth, name in enumerate(names)}
    with Simulator(played, offsets_s=offsets) as simulator:
        print(simulator.port, flush=True)  # noqa: T201 - its result, for whoever started it
        sys.stdin.read()


def make_moving(clip: Path, path: Path) -> None:
    """Make what a moving camera plays out of ``clip``. Raises what ``ClipSource`` and
    ``VideoWriter`` raise."""
    _make(path, _moving(clip), MOVING_S)


def make_still(clip: Path, path: Path) -> None:
    """The same of a still one."""
    _make(path, _still(clip), STILL_S)


def _make(path: Path, images: Iterator[Image], seconds: int) -> None:
    random = np.random.default_rng(SEED)
    with VideoWriter(path, size=SIZE, rate=RATE) as film:
        for nth, image in enumerate(islice(images, int(seconds * RATE))):
            film.write(_noisy(image, random), nth / float(RATE))
        film.commit()


def _moving(clip: Path) -> Iterator[Image]:
    """The clip at its own pace, over and over, in as many pictures a second as ours."""
    source = ClipSource(clip, camera_id="clip")
    ratio = source.info.rate / RATE
    shown = at = 0
    while True:
        # a long clip does not fit into memory: it is read again
        with source:
            for frame in source.frames():
                image = None
                while shown * ratio < at + 1:
                    image = _fitted(frame.image) if image is None else image
                    yield image
                    shown += 1
                at += 1


def _still(clip: Path) -> Iterator[Image]:
    """One picture of it, with whoever stands there."""
    source = ClipSource(clip, camera_id="clip")
    with source:
        image = _fitted(next(source.frames()).image)
    return repeat(image)


def _fitted(image: Image) -> Image:
    """The middle of a picture in the shape of ``SIZE``, at that size."""
    h, w = image.shape[:2]
    high = min(h, w * SIZE[1] // SIZE[0])
    top = (h - high) // 2
    small = cv2.resize(image[top : top + high], SIZE, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _noisy(image: Image, random: np.random.Generator) -> Image:
    noise = random.normal(0, NOISE, image.shape[:2])[..., None]
    return np.clip(image + noise, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), os.getppid())
