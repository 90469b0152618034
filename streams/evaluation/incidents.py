"""Looks through films with the pipeline and judges what it states (``findings``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from streams.detector import Detectors
from streams.evaluation.clips import Rate, rate_name
from streams.evaluation.counts import model_name
from streams.evaluation.films import Film
from streams.evaluation.findings import FilmRun, judged
from streams.evaluation.paste import People
from vision.errors import DetectorError, SceneError
from vision.pipeline import Pipeline
from vision.rules.registry import camera_rules, kinds, place_rules
from vision.scene import Scene
from vision.track import TrackerSettings
from vision.types import Detections, Event, FloatArray, Frame, IntArray

CAMERA_ONLY = "camera only"
"""What stands for a model's name where nobody is looked for."""


class Nobody:
    """Looks for people and finds none, where only the camera's own rules watch."""

    classes: tuple[str, ...] = ("person",)
    wanted: tuple[str, ...] = ("person",)

    @property
    def group_of(self) -> IntArray:
        return np.zeros(1, np.int32)

    def find(self, frame: Frame) -> Detections:
        del frame
        return Detections.empty()

    def boxes(self, frame: Frame) -> FloatArray:
        """Those of the people found, (0, 4)."""
        return self.find(frame).xyxy


class FilmEvaluation:
    """Looks through films with the pipeline of ``matakota analyse``; the same film and rate once.

    Building it loads every model and makes every pipeline, so that a wrong one is known before
    the work. ``rates`` are instead of the list's, None for those. Raises SceneError, DetectorError
    or what the model's loading raises.
    """

    def __init__(
        self, films: Sequence[Film], rates: Sequence[Rate | None], detectors: Detectors
    ) -> None:
        self._films = films
        self._rates = rates
        self._detectors = detectors
        for film in films:
            self._pipeline(film)

    def runs(self, started: Callable[[str], None]) -> Iterator[tuple[Rate | None, list[FilmRun]]]:
        """The runs at each rate, one of each film in the list's order. ``started`` gets the name
        of what is looked through next. Raises ClipError where a clip breaks off."""
        done: dict[tuple[str, Rate], FilmRun] = {}
        for rate in self._rates:
            found = []
            for film in self._films:
                key = film.name, rate or film.rate
                if key not in done:
                    started(f"{film.name}, {_watch(film)}, {rate_name(key[1])} fps")
                    done[key] = self._run(film, key[1])
                found.append(done[key])
            yield rate, found

    def _run(self, film: Film, rate: Rate) -> FilmRun:
        pipeline, people = self._pipeline(film), self._people(film)
        events: dict[str, Event] = {}
        analysed, unwatched_s = 0, 0.0
        first_ts = last_ts = step_s = 0.0
        for frame in film.frames(rate, people):
            step = pipeline.step(frame)
            if analysed == 0:
                first_ts = last_ts = frame.ts
            step_s, last_ts = frame.ts - last_ts, frame.ts
            unwatched_s += 0.0 if step.tracked.quality.trusted else step_s
            analysed += 1
            events |= {event.id: event for event in step.events}
        events |= {event.id: event for event in pipeline.finish().events}
        return FilmRun(
            film=film.name,
            watch=_watch(film),
            rate=rate_name(rate),
            analysed=analysed,
            footage_s=last_ts - first_ts + step_s,
            unwatched_s=unwatched_s,
            findings=judged(film.expected, list(events.values()), patience_of(film.scene)),
        )

    def _people(self, film: Film) -> People:
        """Who is in a picture of ``film``, as far as its model finds them."""
        if film.model is None:
            return Nobody().boxes
        size = film.info.width, film.info.height
        finder, _ = self._detectors.get(film.model, size, replace(film.scene, gate=False))
        return lambda frame: finder.find(frame).xyxy

    def _pipeline(self, film: Film) -> Pipeline:
        size = film.info.width, film.info.height
        if film.model is None:
            return Pipeline(film.scene, Nobody(), TrackerSettings(0.5, 0.5, 0.5))
        try:
            return self._detectors.pipeline(film.model, size, film.scene)
        except (SceneError, DetectorError) as error:
            raise type(error)(f"clip '{film.clip}': {error}") from None


def patience_of(scene: Scene) -> dict[str, float]:
    """How long the condition of each rule must hold before it raises an event, seconds, by the
    rule's name."""
    drawn = [rule for view in scene.views.values() for rule in place_rules(view)]
    rules = (*drawn, *camera_rules(scene))
    return {rule.name: kinds()[rule.kind](rule).patience_s for rule in rules}


def _watch(film: Film) -> str:
    return CAMERA_ONLY if film.model is None else model_name(film.model)
