"""What ``matakota bench`` is asked to measure: which clip, what is drawn on it, which input."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from models.manifest import SIZE_STEP
from models.zoo import VerifiedModel, cache_folder, resolve
from streams import samples
from streams.evaluation.overhead import Counts, Subject
from streams.files import inspect_clip
from streams.scenefile import load_scene, scene_of
from vision.detect import fit_input
from vision.errors import MatakotaError
from vision.scene import Scene

DEFAULT_SAMPLE: Final = "plaza"
BENCHED: Final = "nanodet_g_int8"
"""What the promise about an analysed frame is made of; what runs by default is another matter."""
MAX_SIDE: Final = 4096
_INPUT = re.compile(r"(\d{2,4})x(\d{2,4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """A clip as the options name it, None for the packaged one, and everything that goes with
    it. ``gate`` None is as the scene says."""

    clip: Path | None
    scene: Path | None
    fps: Fraction | None
    source_fps: Fraction | None
    input_text: str | None
    long_side: int | None
    gate: bool | None


@dataclass(frozen=True, slots=True)
class Found:
    """A subject, and how its clip, scene and size are called."""

    subject: Subject
    clip: str
    scene: str
    size: tuple[int, int]


def found(asked: Asked, model: str) -> Found:
    """What ``asked`` means. Raises SampleError, ClipError, SceneError, and MatakotaError for an
    input that no model takes."""
    path, drawn, source_fps = _sample() if asked.clip is None else (asked.clip, None, None)
    source_fps = asked.source_fps or source_fps
    info = inspect_clip(path, source_fps)
    size = (info.width, info.height)
    file = asked.scene or drawn
    scene = _line_in_the_middle(size) if file is None else load_scene(file, default_frame_size=size)
    scene.scale_from(size)
    subject = Subject(
        clip=path,
        scene=scene if asked.gate is None else replace(scene, gate=asked.gate),
        model=model,
        fps=asked.fps,
        source_fps=source_fps,
        input_size=input_size(asked.input_text, asked.long_side, size),
    )
    return Found(subject, path.name, "one line" if file is None else file.name, size)


def verified(name: str) -> VerifiedModel:
    """The model of that name."""
    return resolve(name, cache=cache_folder(os.environ))


def input_size(
    text: str | None, long_side: int | None, picture: tuple[int, int]
) -> tuple[int, int] | None:
    """The model's input (h, w) for a ``picture`` (w, h), None for its usual one. Raises
    MatakotaError."""
    if text is not None and long_side is not None:
        raise MatakotaError(
            "--input and --long-side both say how large the input is: leave one out"
        )
    if long_side is not None:
        return fit_input(picture, long_side)
    if text is None:
        return None
    sides = _INPUT.fullmatch(text)
    height, width = (int(side) for side in sides.groups()) if sides else (0, 0)
    if not all(0 < side <= MAX_SIDE and side % SIZE_STEP == 0 for side in (height, width)):
        raise MatakotaError(
            f"--input {text} is no input: write height x width, multiples of {SIZE_STEP} up to "
            f"{MAX_SIDE}, such as 256x416"
        )
    return height, width


def in_words(counts: Counts) -> str:
    """What was counted, in a line."""
    said = [
        f"{line}: "
        + ", ".join(
            f"{sum(classes.values())} {direction}" + (f" ({_classes(classes)})" if classes else "")
            for direction, classes in by.items()
        )
        for line, by in counts.items()
    ]
    return "; ".join(said) or "nothing is drawn that counts"


def _classes(classes: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(classes.items()))


def _sample() -> tuple[Path, Path | None, Fraction | None]:
    sample = samples.known(DEFAULT_SAMPLE)
    path = samples.verified(sample, samples.Places.of(os.environ))
    scene = None if sample.scene is None else samples.folder() / sample.scene
    rate = None if sample.source_fps is None else Fraction(sample.source_fps)
    return path, scene, rate


def _line_in_the_middle(size: tuple[int, int]) -> Scene:
    w, h = size
    return scene_of(
        {
            "frame_size": [w, h],
            "lines": [{"name": "middle", "points": [[w // 2, 0], [w // 2, h - 1]]}],
        },
        "the line in the middle",
    )
