"""The camera on which the work of an analysed frame is measured: a junction where the model's
answer is drawn, with as many objects as asked for, so that everything but decoding and inference
is as in the field.

The answer has what a small model's has on a street: for each object some boxes of about the same
place and classes of its kind, faint boxes of what is none, and next to nothing everywhere else.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.evaluation.stages import MeasuredSession, Stopwatch
from vision.detect import ClassGroup, Detector, DetectorSpec, Session
from vision.picture import Planes
from vision.pipeline import Pipeline, Step
from vision.rules.registry import kinds
from vision.scene import Line, Movement, RuleConfig, Scene, Zone
from vision.track import TrackerSettings
from vision.types import FloatArray, Frame

SIZE: Final = (1280, 720)
INPUT: Final = (256, 416)
"""The model's input (h, w) px, of which the picture fills the upper 234 rows."""
FRAME_RATE: Final = 10.0
WARM_UP: Final = 60
"""Pictures before the measured ones, until the tracks are there."""
PICTURES: Final = 100
ROUNDS: Final = 5
PROMISED_MS: Final = {20: 1.2, 100: 4.0}
"""Objects in the picture, and the most CPU milliseconds that all but decoding and inference may
take."""
CLASSES: Final = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    *(f"thing {n}" for n in range(9, 80)),
)  # fmt: skip
"""As many as COCO has, the usual ones at the same numbers."""
LOOKED_FOR: Final = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
SHARES: Final = {"person": 0.35, "motorcycle": 0.2, "car": 0.35, "truck": 0.07, "bus": 0.03}
RIVALS: Final = {"car": "truck", "truck": "car", "bus": "truck", "motorcycle": "bicycle"}
"""What the model half takes each for."""
ANCHORS: Final = 2184
"""Places of an input of ``INPUT`` at strides of 8, 16 and 32."""
PER_OBJECT: Final = 6
"""Boxes of one object over the least score: as in nanodet_g on the plaza and the road."""
FAINT: Final = 0.8
"""So many boxes of what is none for each object, most of them below the score that counts."""
MISSED: Final = 0.04
STANDS: Final = 0.25
"""Part of the objects that stand still."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What the model finds in one picture: ``rows`` (84, k) of its output at ``columns`` (k,)."""

    columns: NDArray[np.intp]
    rows: FloatArray


class Drawn:
    """A session that gives its answers one after the other, whatever it is shown."""

    def __init__(self, answers: Sequence[Answer], seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self._nothing = random.exponential(0.006, (4 + len(CLASSES), ANCHORS)).astype(np.float32)
        np.minimum(self._nothing, 0.1, out=self._nothing)
        self._nothing[:4] = 20
        self._out = self._nothing.copy()
        self._answers = answers
        self._next = 0

    def run(self, batch: FloatArray) -> list[FloatArray]:
        """The next answer (1, 84, N), for a batch of one."""
        del batch
        if self._next:
            before = self._answers[self._next - 1].columns
            self._out[:, before] = self._nothing[:, before]
        answer = self._answers[self._next]
        self._out[:, answer.columns] = answer.rows
        self._next += 1
        return [self._out[None]]


def answers(objects: int, pictures: int, seed: int = 0) -> tuple[Answer, ...]:
    """``objects`` that drive, ride, walk or stand about a picture of ``SIZE``; who goes out of it
    comes in on the other side."""
    random = np.random.default_rng(seed)
    names = random.choice(list(SHARES), objects, p=list(SHARES.values()))
    number = np.array([CLASSES.index(name) for name in names])
    rival = np.array([CLASSES.index(RIVALS.get(name, name)) for name in names])
    walks = names == "person"
    sides = np.where(
        walks[:, None],
        random.uniform((14, 36), (24, 64), (objects, 2)),
        random.uniform((32, 28), (72, 60), (objects, 2)),
    )
    size = np.array(SIZE, np.float64)
    place = random.uniform(0, size, (objects, 2))
    pace = np.where(walks, random.uniform(10, 30, objects), random.uniform(50, 160, objects))
    pace[random.random(objects) < STANDS] = 0
    # along the one road or the other, or a little aslant
    way = random.choice(4, objects) * np.pi / 2 + random.normal(0, 0.1, objects)
    speed = pace[:, None] * np.stack([np.cos(way), np.sin(way)], 1)
    clear = random.uniform(0.55, 0.9, objects)
    found = []
    for _ in range(pictures):
        place = (place + speed / FRAME_RATE) % size
        seen = np.flatnonzero(random.random(objects) >= MISSED)
        score = np.clip(clear[seen] + random.normal(0, 0.05, len(seen)), 0.31, 0.97)
        faint = int(random.poisson(FAINT * objects))
        things = _Things(
            np.concatenate([place[seen], random.uniform(0, size, (faint, 2))]),
            np.concatenate([sides[seen], random.uniform(15, 70, (faint, 2))]),
            np.concatenate([number[seen], random.choice(number, faint)]),
            np.concatenate([rival[seen], random.choice(number, faint)]),
            np.concatenate([score, random.uniform(0.1, 0.32, faint)]),
        )
        found.append(things.answer(random))
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Things:
    """All that the model sees in one picture: centres and ``sides`` (n, 2) px, the ``number`` of
    its class and of its ``rival`` (n,), and its best ``score`` (n,)."""

    place: NDArray[np.float64]
    sides: NDArray[np.float64]
    number: NDArray[np.intp]
    rival: NDArray[np.intp]
    score: NDArray[np.float64]

    def answer(self, random: np.random.Generator) -> Answer:
        n, scale = len(self.score), INPUT[1] / SIZE[0]
        times = PER_OBJECT + random.integers(-2, 3, n)
        which = np.repeat(np.arange(n), times)[:ANCHORS]
        first = np.concatenate([[True], which[1:] != which[:-1]])
        noise = np.where(first[:, None], 0.02, 0.08) * random.normal(0, 1, (len(which), 4))
        rows = random.exponential(0.01, (4 + len(CLASSES), len(which)))
        mean = np.sqrt(self.sides.prod(axis=1))[which, None]
        rows[:2] = (scale * (self.place[which] + noise[:, :2] * mean)).T
        rows[2:4] = (scale * self.sides[which] * (1 + noise[:, 2:])).T
        score = self.score[which] * np.where(first, 1, random.uniform(0.3, 0.97, len(which)))
        at = np.arange(len(which))
        rows[4 + self.rival[which], at] = score * random.uniform(0.1, 0.8, len(which))
        rows[4 + self.number[which], at] = score
        columns = random.choice(ANCHORS, len(which), replace=False)
        return Answer(columns, rows.astype(np.float32))


def junction() -> Scene:
    """Two lines, a movement between four arms, and six rules of different sorts."""
    w, h = SIZE
    arms = {
        "north": [[480, 0], [800, 0], [800, 160], [480, 160]],
        "south": [[480, 560], [800, 560], [800, h], [480, h]],
        "west": [[0, 220], [300, 220], [300, 500], [0, 500]],
        "east": [[980, 220], [w, 220], [w, 500], [980, 500]],
    }
    drawn = {
        **arms,
        "road": [[0, 220], [w, 220], [w, 500], [0, 500]],
        "lane": [[0, 370], [w, 370], [w, 500], [0, 500]],
        "corner": [[820, 520], [w, 520], [w, h], [820, h]],
    }
    vehicles = ("car", "motorcycle", "bus", "truck")
    rules = {
        "intrusion": ("corner", ("person",)),
        "pedestrian_on_road": ("road", ("person",)),
        "wrong_way": ("lane", vehicles),
        "stopped_vehicle": ("road", vehicles),
        "congestion": ("road", vehicles),
        "line_crossing": ("bar", vehicles),
    }
    return Scene(
        SIZE,
        classes=LOOKED_FOR,
        lines=(
            Line("gate", np.array([[400.0, h - 1], [400.0, 0]]), "eastbound", "westbound"),
            Line("bar", np.array([[0.0, 360.0], [w - 1, 360.0]]), "southbound", "northbound"),
        ),
        zones=tuple(Zone(name, np.array(points, np.float64)) for name, points in drawn.items()),
        movements=(Movement("junction", tuple(arms), tuple(arms)),),
        rules=tuple(
            RuleConfig(kind, kind, place, classes, kinds()[kind].Settings())
            for kind, (place, classes) in rules.items()
        ),
    )


SPEC: Final = DetectorSpec(
    input_size=INPUT,
    rgb=True,
    scale=1 / 255,
    pad_value=0,
    centred=False,
    layout="yolov8",
    classes=CLASSES,
    min_score=0.15,
    nms_iou=0.5,
    groups=(
        ClassGroup(("car", "truck", "bus"), iou=0.5, containment=0.75),
        ClassGroup(("bicycle", "motorcycle"), iou=0.5, containment=0.9),
    ),
)
SCORES: Final = TrackerSettings(low=0.15, match=0.3, birth=0.4)


class Camera:
    """The junction with ``objects`` on it, for so many ``pictures``; ``watch`` takes the time of
    each stage."""

    def __init__(
        self,
        objects: int,
        pictures: int = WARM_UP + PICTURES,
        drawn: Sequence[Answer] | None = None,
        watch: Stopwatch | None = None,
    ) -> None:
        session: Session = Drawn(answers(objects, pictures) if drawn is None else drawn)
        if watch is not None:
            session = measured = MeasuredSession(session, (1, 3, *INPUT))
            measured.watch = watch
        detector = Detector(SPEC, session, LOOKED_FOR)
        self.pipeline = Pipeline(
            junction(), detector, SCORES, laps=None if watch is None else watch.stage
        )
        self._street = Street()
        self._index = 0

    def frame(self) -> Frame:
        """The next one, as it comes from a decoder."""
        index, self._index = self._index, self._index + 1
        return Frame("junction", index, index / FRAME_RATE, self._street.picture(index))

    def step(self) -> Step:
        """Take the next picture."""
        return self.pipeline.step(self.frame())


class Street:
    """Pictures of one view, sharp and light, none of which is like another."""

    def __init__(self, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        w, h = SIZE
        blocks = random.integers(50, 200, (h // 40, w // 40), np.uint8)
        self._view = blocks.repeat(40, axis=0).repeat(40, axis=1)
        self._noise = random.integers(0, 6, (h, w), np.uint8)
        self._grey = np.full((h // 2, w // 2), 128, np.uint8)

    def picture(self, index: int) -> Planes:
        noisy = self._view + np.roll(self._noise, 7 * index, axis=0)
        return Planes(noisy, self._grey, self._grey)


def around_ms(objects: int, rounds: int = ROUNDS) -> dict[str, float]:
    """CPU milliseconds a picture by stage, the medians of ``rounds`` means over the pictures after
    the warm-up, each with a fresh camera. Nothing is decoded, and no model runs."""
    drawn = answers(objects, WARM_UP + PICTURES)
    passes = []
    for _ in range(rounds):
        watch = Stopwatch(time.thread_time)
        camera = Camera(objects, drawn=drawn, watch=watch)
        for k in range(WARM_UP + PICTURES):
            frame = camera.frame()
            if k == WARM_UP:
                watch.reset()
            watch.go()
            camera.pipeline.step(frame)
            watch.lap("loop")
        passes.append(watch.spent | {"inference": 0.0})
    return {
        stage: 1000 * statistics.median(spent[stage] for spent in passes) / PICTURES
        for stage in passes[0]
    }
