"""Makes docs/images/explain.jpg anew: one moment of the plaza clip, as `explain --picture` draws.

Run by `make images`.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

from api.cli.analyse import DEFAULT_MODEL
from api.cli.explain import annotated
from models.zoo import cache_folder, resolve
from streams import samples
from streams.detector import Detectors
from streams.explaining import explain
from streams.files import ClipSource
from streams.scenefile import load_scene

AT_S = 15.8
"""One has loitered for long enough, and others have not."""
TARGET = Path(__file__).with_name("explain.jpg")


def main() -> None:
    sample = samples.known("plaza")
    clip = ClipSource(samples.folder() / sample.file, camera_id=sample.name, source_fps=Fraction(7))
    scene = load_scene(samples.folder() / str(sample.scene))
    detectors = Detectors(lambda name: resolve(name, cache=cache_folder(os.environ)))
    size = (clip.info.width, clip.info.height)
    pipeline = detectors.pipeline(DEFAULT_MODEL, size, scene)
    TARGET.write_bytes(annotated(explain(clip, pipeline, at_s=AT_S, start_ts=0.0), ".jpg"))
    print(f"{TARGET} shows {AT_S} s")


if __name__ == "__main__":
    main()
