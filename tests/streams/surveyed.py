"""Films of a road by a camera that stands still, and surveys of them without a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from models.zoo import VerifiedModel
from streams.config import MOTION
from streams.detector import Detectors
from streams.scenefile import load_scene
from streams.survey import Manifest, Survey, begin, counted, finish, held, read
from streams.surveyfiles import recordings
from streams.surveying import Job, look_through
from streams.video import VideoWriter
from tests.vision.painted import block, road
from vision.types import Image

SIZE = (320, 180)
FPS = 4
T0 = 1_769_814_020.0
"""20 s into a minute."""
CAR = (48, 30)
SPEED = 60.0
"""px/s; a car is in sight for 6 s and passes the middle after 3."""
SCENE = """
frame_size: [320, 180]
detector: motion
lines:
  - {name: road, points: [[160, 0], [160, 179]], forward: west, backward: east}
"""
MOVED = SCENE.replace("160", "220")

Cars = Sequence[tuple[float, str]]
"""When each comes into sight, seconds, and where it goes: east or west."""


def film(
    path: Path,
    seconds: float,
    cars: Cars = (),
    spoilt: Callable[[Image, float], Image] = lambda image, _: image,
) -> Path:
    """A film of the road, grainy as those of real cameras are; ``spoilt`` makes of a picture and
    its second what the camera shows."""
    empty = road(SIZE).astype(np.int16)
    grains = np.random.default_rng(2).normal(0, 3, (5, *empty.shape)).astype(np.int16)
    with VideoWriter(path, size=SIZE, rate=Fraction(FPS)) as writer:
        for index in range(round(seconds * FPS)):
            t = index / FPS
            image = np.clip(empty + grains[index % 5], 0, 255).astype(np.uint8)
            for since_s, where in cars:
                way = SPEED * (t - since_s) - CAR[0]
                block(image, way if where == "east" else SIZE[0] - CAR[0] - way, 90, *CAR)
            writer.write(spoilt(image, t), t)
        writer.finish()
        writer.commit()
    return path


def manifest(
    paths: Sequence[Path], scene: Path, *, starts: Sequence[float] = (T0,), gaps: bool = False
) -> Manifest:
    """A survey of parts of a minute, with little before and after each."""
    drawn = load_scene(scene, default_frame_size=SIZE)
    return Manifest(
        program="1",
        camera="gate",
        files=tuple(each.file for each in recordings(paths, starts, None, whole=not gaps)),
        scene_sha256="of the scene",
        model=MOTION,
        model_sha256="",
        providers=(),
        fps=None,
        source_fps=None,
        picture_size=SIZE,
        frame_size=drawn.frame_size,
        looked_for=("moving",),
        groups={"moving": 0},
        seen=None,
        chunk_s=60,
        lead_s=8.0,
        tail_s=4.0,
    )


def surveyed(
    folder: Path,
    paths: Sequence[Path],
    scene: Path,
    *,
    starts: Sequence[float] = (T0,),
    told: Callable[[float], None] = lambda _: None,
    gaps: bool = False,
) -> Survey:
    """A survey of the files at ``paths``, in this process."""
    planned = manifest(paths, scene, starts=starts, gaps=gaps)
    with held(folder):
        begin(folder, planned, scene.read_bytes())
        for number, path in enumerate(paths):
            job = Job(
                folder=folder, number=number, path=path, model=MOTION, cache=folder, gaps=gaps
            )
            look_through(job, Detectors(_none), told)
        parts = [part for number in range(len(paths)) for part in planned.chunks(number)]
        found = [each for each in (counted(folder, part) for part in parts) if each is not None]
        assert len(found) == len(parts)
        finish(folder, found)
    return read(folder)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a survey."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _none(name: str) -> VerifiedModel:
    raise AssertionError(f"the model {name} was asked for")
