"""Two incident kinds of every shape, a good scene file, and pieces to make bad ones from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import pytest

from streams.scenefile import load_scene
from vision.errors import SceneError
from vision.rules.base import Rule
from vision.scene import RuleConfig, Scene
from vision.types import Event, Tracked


@dataclass(frozen=True, slots=True)
class DwellSettings:
    """Settings of every type that a scene file can hold."""

    dwell_s: float = field(default=30.0, metadata={"help": "Seconds in the zone."})
    people: int = 1
    loud: bool = False
    note: str = "none"
    mode: Literal["foot", "box"] = "foot"
    hours: tuple[str, ...] = ()
    band_px: tuple[float, float] = (0.0, 1.0)
    speed_kmh: float | None = None

    def __post_init__(self) -> None:
        if not self.dwell_s > 0:
            raise ValueError(f"dwell_s is more than 0 seconds,\nnot {self.dwell_s}")
        if self.people < 1 and self.loud:
            raise ValueError("an empty room makes no noise")


class Dwell(Rule):
    """Someone stays in a zone."""

    kind = "dwell"
    place = "zone"
    classes = ("person", "dog")
    Settings: ClassVar[type[Any]] = DwellSettings

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        return []


@dataclass(frozen=True, slots=True)
class PassSettings:
    direction: str = "backward"


class Pass(Rule):
    kind = "pass"
    place = "line"
    classes = ("car",)
    Settings: ClassVar[type[Any]] = PassSettings

    @classmethod
    def check(cls, config: RuleConfig, scene: Scene) -> None:
        line = scene.line(config.place)
        if config.settings.direction not in (line.forward, line.backward):
            raise ValueError(f"direction is {line.forward} or {line.backward}")

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        return []


KINDS: MappingProxyType[str, type[Rule]] = MappingProxyType({"dwell": Dwell, "pass": Pass})

GOOD = """\
frame_size: [640, 352]
classes: [person, car]
lines:
  - name: road
    points: [[0, 260], [640, 352]]
    forward: north
    backward: south
  - {name: path, points: [[.5, 1e2], [20.25, 300]]}
zones:
  - name: gate
    polygon:
      - [0, 0]
      - [640, 0]
      - [640, 352]
      - [0, 0]
rules:
  - kind: dwell
    zone: gate
  - name: slow
    kind: dwell
    zone: gate
    classes: [car]
    dwell_s: 12
    people: 2
    loud: true
    note: "22:00"
    mode: box
    hours: [a, b]
    band_px: [3, 4.5]
    speed_kmh: null
  - kind: pass
    line: road
    direction: south
"""

HEAD = "frame_size: [640, 352]\n"
LINE = HEAD + "lines:\n  - name: road\n    points: [[0, 9], [640, 9]]\n"
ZONE = HEAD + "zones:\n  - name: gate\n    polygon: [[0, 0], [9, 0], [9, 9]]\n"
RULE = ZONE + "rules:\n  - kind: dwell\n    zone: gate\n"
MOVEMENT = (
    HEAD
    + """\
zones:
  - {name: north, polygon: [[0, 0], [99, 0], [99, 99]]}
  - {name: south, polygon: [[0, 200], [99, 200], [99, 299]]}
movements:
  - name: junction
    entries: [north, south]
    exits: [south]
"""
)


def load(tmp_path: Path, text: str | bytes, **more: Any) -> Scene:
    path = tmp_path / "scene.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_scene(path, kinds=KINDS, **more)


def problem(tmp_path: Path, text: str | bytes, **more: Any) -> str:
    """The error's one line, from the file's name on."""
    with pytest.raises(SceneError) as caught:
        load(tmp_path, text, **more)
    message = str(caught.value)
    assert message.isprintable(), "one line without control characters"
    assert message.startswith(str(tmp_path))
    return message.removeprefix(f"{tmp_path}/")


def points(text: str) -> str:
    """A scene with one line, drawn so."""
    return LINE.replace("[[0, 9], [640, 9]]", text)


def polygon(text: str) -> str:
    """A scene with one zone, drawn so."""
    return ZONE.replace("[[0, 0], [9, 0], [9, 9]]", text)
