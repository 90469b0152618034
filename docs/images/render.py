"""Makes docs/images/plaza.jpg anew: the plaza clip, analysed and drawn as `analyse --video` does.

Run by `make images`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import cv2

from api.cli.analyse import DEFAULT_MODEL, Artist
from models.zoo import cache_folder, resolve
from streams import samples
from streams.analysis import Record, analyse
from streams.detector import Detectors
from streams.files import ClipSource
from streams.scenefile import load_scene
from vision.pipeline import Step
from vision.types import Event, Frame

SHOWN = 690
"""The frame that shows the most at once: a crossing, a crowd behind a pole, and an intrusion."""
TARGET = Path(__file__).with_name("plaza.jpg")


class _Taken(Exception):  # noqa: N818
    """The picture is taken; the rest of the clip does not matter."""


def main() -> None:
    sample = samples.known("plaza")
    clip = ClipSource(samples.folder() / sample.file, camera_id=sample.name)
    scene = load_scene(samples.folder() / str(sample.scene))
    detectors = Detectors(lambda name: resolve(name, cache=cache_folder(os.environ)))
    size = (clip.info.width, clip.info.height)
    pipeline = detectors.pipeline(DEFAULT_MODEL, size, scene)
    artist = Artist(scene, pipeline)

    def seen(frame: Frame, step: Step, events: Sequence[Event]) -> None:
        if frame.index == SHOWN:
            picture = artist.picture(frame, step, events)
            cv2.imwrite(str(TARGET), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
            raise _Taken

    records: list[Record] = []
    try:
        analyse(clip, pipeline, start_ts=0.0, write=records.append, seen=seen)
    except _Taken:
        print(f"{TARGET} shows frame {SHOWN}")


if __name__ == "__main__":
    main()
