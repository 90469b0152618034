"""Films that stand still for most of the time, made of clips: a street on which things happen a
fifth of the time, with the noise of a sensor and the key frames of an encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from streams.files import ClipSource
from streams.video import VideoWriter
from vision.types import Image

ENCODING = {"crf": "22", "preset": "veryfast", "bf": "0"}
GRAINS = 11


@dataclass(frozen=True, slots=True)
class Span:
    """A clip from ``from_s`` to ``to_s``, forth and back until it has lasted for ``lasts_s``; one
    picture where both are the same."""

    from_s: float
    to_s: float
    lasts_s: float


def with_pauses(*walks: float, pause_s: float) -> list[Span]:
    """A clip with a pause of ``pause_s`` after each of its times ``walks``."""
    found, begin = [], 0.0
    for end in walks:
        found += [Span(begin, end, end - begin), Span(end, end, pause_s)]
        begin = end
    return found


def film(
    clip: Path, to: Path, spans: Sequence[Span], *, noise: float, rate: Fraction | None = None
) -> Path:
    """The ``spans`` of ``clip``, one after another, with grain of ``noise`` levels, at ``to``.
    ``rate`` is the clip's true one where its header is wrong."""
    with ClipSource(clip, camera_id="c", source_fps=rate) as source:
        fps, size = source.info.rate, (source.info.width, source.info.height)
        last_s = max(span.to_s for span in spans)
        pictures = []
        for frame in source.frames():
            if frame.ts > last_s + 1 / fps:
                break
            pictures.append(frame.image)
    random = np.random.default_rng(5)
    grains = [
        random.normal(0, noise, (*size[::-1], 1)).round().astype(np.int16) for _ in range(GRAINS)
    ]
    with VideoWriter(to, size=size, rate=fps, encoding=ENCODING) as video:
        for number, image in enumerate(_played(pictures, spans, float(fps))):
            grain = np.roll(grains[number % GRAINS], 31 * number, axis=(0, 1))
            video.write(np.clip(image + grain, 0, 255).astype(np.uint8), number / float(fps))
        video.finish()
        video.commit()
    return to


def _played(pictures: Sequence[Image], spans: Sequence[Span], fps: float) -> Iterator[Image]:
    for span in spans:
        first, last = round(span.from_s * fps), round(span.to_s * fps)
        there = pictures[first : max(last, first + 1)]
        yield from islice(cycle([*there, *there[-2:0:-1]]), round(span.lasts_s * fps))
