"""A clip of a yard whose tracker knows by heart what is seen in it: moments to be explained,
without a model."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from streams.explaining import Moment, explain
from streams.files import ClipSource
from streams.video import VideoWriter
from tests.vision.rules.scenarios import SCENE, T0, Walker, film
from vision.pipeline import Pipeline, Step
from vision.rules.base import Explanation
from vision.rules.registry import camera_rules, kinds
from vision.scene import RuleConfig, Scene
from vision.types import Event, Frame, Tracked
from vision.watch import Rules

FPS = 10
SECONDS = 8
IN_YARD = (300.0, 200.0)
NOBODY = [Walker(((SECONDS + 1.0, 0.0, 0.0), (SECONDS + 1.1, 0.0, 0.0)))]
"""Somebody comes when the clip is over."""


def config(kind: str = "intrusion", **more: Any) -> RuleConfig:
    """A rule on the yard or the gate, with its defaults and what is given."""
    made = kinds()[kind]
    place = {"zone": "yard", "line": "gate", "camera": ""}[made.place]
    given = {"name": f"{kind}@{place}", "classes": made.classes, "settings": made.Settings()} | more
    return RuleConfig(kind=kind, place=place, **given)


def scene(*rules: RuleConfig) -> Scene:
    return Scene(SCENE.frame_size, lines=SCENE.lines, zones=SCENE.zones, rules=rules)


class Played:
    """A pipeline whose tracker knows a film by heart; its rules are real."""

    def __init__(self, scene: Scene, steps: Sequence[Tracked]) -> None:
        self.scene = scene
        self._rules, self._camera = Rules(scene.rules), Rules(camera_rules(scene))
        self._steps = steps
        self._last = steps[0]
        self.counts = {"gate": {"in": {"person": 2, "car": 1}, "out": {}}}

    @property
    def open(self) -> tuple[Event, ...]:
        return (*self._camera.open, *self._rules.open)

    def step(self, frame: Frame) -> Step:
        self._last = self._steps[frame.index]
        assert self._last.ts == pytest.approx(frame.ts, abs=1e-6)
        watching = [self._camera, self._rules] if self._last.quality.trusted else [self._camera]
        events = [
            event
            for rules in watching
            for event in rules.state(rules.update(self._last, self.scene), frame.ts)
        ]
        return Step(self._last, events=tuple(events))

    def explain(self) -> list[Explanation]:
        own = self._camera.explain(self._last, self.scene)
        if not self._last.quality.trusted:
            return own
        return own + self._rules.explain(self._last, self.scene)


def yard_clip(path: Path) -> Path:
    """Pictures that grow brighter, written to ``path``."""
    with VideoWriter(path, size=(64, 48), rate=Fraction(FPS)) as writer:
        for index in range(FPS * SECONDS):
            writer.write(np.full((48, 64, 3), 2 * index, np.uint8), index / FPS)
        writer.finish()
        writer.commit()
    return path


def told(
    clip: Path, at_s: float, walkers: Sequence[Walker], *rules: RuleConfig, **more: Any
) -> Moment:
    """The moment ``at_s`` of the clip with these walkers and rules."""
    steps = film(walkers, fps=FPS, until=SECONDS + 1.0, **more)
    played = cast("Pipeline", Played(scene(*rules), steps))
    source = ClipSource(clip, camera_id="cam", start_ts=T0)
    return explain(source, played, at_s=at_s, start_ts=T0)
