"""Makes docs/images/incidents/*.jpg anew: one moment of each incident kind, as `analyse --video`
draws it, on the plaza clip; its pictures are spoilt, or a bag is put into them, where a kind needs
that.

Run by `make images`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from api.cli.analyse import DEFAULT_MODEL, Artist
from models.zoo import cache_folder, resolve
from streams import samples
from streams.detector import Detectors
from streams.evaluation.changes import FAULTS, changed
from streams.evaluation.paste import Pasted, bag, empty_view, paste
from streams.files import ClipSource
from vision.rules.registry import kinds
from vision.scene import Line, RuleConfig, Scene, Zone
from vision.types import Event, FloatArray, Frame, Track

FOLDER = Path(__file__).with_name("incidents")
WIDTH = 560
SHOWN_S = 2.5
"""A picture shows what is so long after the event was raised."""
BAG, PLACE, PASSES_S = bag((24, 20), (28, 26, 30)), (441.0, 299.0), 25.0
"""What somebody who passes leaves there, or takes: its foot, px, and when."""


@dataclass(frozen=True)
class Shot:
    """What is drawn, from which second of the clip it is played, and how its pictures differ."""

    zone: tuple[tuple[float, float], ...] = ()
    settings: dict[str, Any] | None = None
    start_s: float = 0.0
    change: str = ""
    bag_s: tuple[float, float] | None = None


SQUARE = ((330.0, 200.0), (600.0, 200.0), (640.0, 420.0), (300.0, 420.0))
SHOTS = {
    "abandoned_object": Shot(SQUARE, start_s=11, bag_s=(PASSES_S, 1e9)),
    "crowd_density": Shot(
        ((420, 90), (767, 90), (767, 420), (420, 420)),
        {"enter_count": 5, "leave_count": 3, "enter_s": 5.0},
        50,
    ),
    "crowd": Shot(
        ((420, 90), (767, 90), (767, 420), (420, 420)), {"enter_count": 5, "leave_count": 3}, 50
    ),
    "intrusion": Shot(((0, 330), (250, 400), (400, 576), (0, 576)), start_s=70),
    "line_crossing": Shot(start_s=10),
    "loitering": Shot(SQUARE, {"dwell_s": 12.5, "radius_px": 25.0}),
    "pedestrian_on_road": Shot(
        ((560, 270), (768, 270), (768, 470), (620, 400), (500, 330)), start_s=10
    ),
    "removed_object": Shot(SQUARE, start_s=11, bag_s=(0, PASSES_S)),
    **{f"camera_{fault}": Shot(start_s=30, change=change) for change, fault in FAULTS.items()},
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    sample = samples.known("plaza")
    path = samples.folder() / sample.file
    with ClipSource(path, camera_id=sample.name, source_fps=Fraction(7)) as clip:
        frames = list(clip.frames())
    detectors = Detectors(lambda name: resolve(name, cache=cache_folder(os.environ)))
    for kind, shot in sorted(SHOTS.items()):
        picture = _taken(kind, shot, frames, detectors)
        target = FOLDER / f"{kind}.jpg"
        small = cv2.resize(picture, (WIDTH, WIDTH * 3 // 4), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(target), small, [cv2.IMWRITE_JPEG_QUALITY, 82])
        print(f"{target} shows an event of '{kind}'")


def _taken(kind: str, shot: Shot, frames: list[Frame], detectors: Detectors) -> Any:
    """The picture of the first event of ``kind``, (h, w, 3)."""
    scene = _scene(kind, shot, frames[0].size)
    pipeline = detectors.pipeline(DEFAULT_MODEL, scene.frame_size, scene)
    artist = Artist(scene, pipeline)
    open_: dict[str, Event] = {}
    raised: Event | None = None
    people: list[Track] = []
    for frame in _film(shot, frames, people):
        step = pipeline.step(frame)
        people[:] = step.tracked.tracks
        for event in step.events:
            open_[event.id] = event
            if event.kind == kind and raised is None:
                raised = event
        # a crossing is a moment: it is shown as open for as long as it is looked at
        shown = [replace(e, end_ts=None) for e in open_.values() if e.kind == kind]
        if raised is not None and frame.ts >= raised.raised_ts + SHOWN_S:
            return artist.picture(frame, step, shown)
    raise SystemExit(f"nothing of kind '{kind}' happens: correct its shot")


def _film(shot: Shot, frames: list[Frame], people: list[Track]) -> Iterator[Frame]:
    """The frames of ``shot``; ``people`` are those who are followed when the next one is made."""
    film: Iterable[Frame] = (frame for frame in frames if frame.ts >= shot.start_s)
    if shot.change:
        yield from changed(film, shot.change, 6, 30, edge="reflect")  # type: ignore[arg-type]
    elif shot.bag_s is not None:
        since_s, until_s = shot.bag_s
        left = Pasted(BAG, PLACE, since_s, until_s)
        empty = empty_view([frame.image for frame in frames[::20]])

        def boxes(_: Frame) -> FloatArray:
            return np.array([track.box for track in people], np.float32).reshape(-1, 4)

        yield from paste(film, [left], empty=empty, people=boxes)
    else:
        yield from film


def _scene(kind: str, shot: Shot, size: tuple[int, int]) -> Scene:
    rule = kinds()[kind]
    settings = rule.Settings(**(shot.settings or {}))
    if rule.place == "camera":
        return Scene(size, ("person",), rules=(RuleConfig(kind, kind, "", (), settings),))
    config = RuleConfig(kind, kind, "here", ("person",), settings)
    if rule.place == "line":
        line = Line("here", np.array([[560.0, 80.0], [560.0, 575.0]]), "westbound", "eastbound")
        return Scene(size, ("person",), lines=(line,), rules=(config,))
    zone = Zone("here", np.array(shot.zone, np.float64))
    return Scene(size, ("person",), zones=(zone,), rules=(config,))


if __name__ == "__main__":
    main()
