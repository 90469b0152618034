"""What an administrator drew on one camera: lines, zones and the rules that watch them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vision.calibration import Calibration
from vision.errors import SceneError
from vision.geometry import Outline
from vision.schedule import Schedule
from vision.types import Severity

SHAPE_TOLERANCE = 0.01
"""Relative difference of aspect ratios up to which two pictures have the same shape: encoders
round sizes to even numbers."""

DetectorKind: TypeAlias = Literal["model", "motion", "fused"]
Detail: TypeAlias = Literal["usual", "fine", "finest"]
"""How closely the model looks at a picture: the more, the smaller what it finds, and the dearer."""
Region: TypeAlias = "tuple[float, float, float, float] | Literal['auto']"
"""x, y, width, height px of the part of the picture that is analysed, or ``auto``: what the lines
and zones need."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A counting line: ``points`` (2, 2) float64 px. ``forward`` and ``backward`` are the user's
    names; forward is from the left-hand to the right-hand side of someone who walks from the
    first point to the second, as seen in the picture."""

    name: str
    points: NDArray[np.float64]
    forward: str = "forward"
    backward: str = "backward"


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """A polygon: ``polygon`` (k, 2) float64 px, k >= 3, simple (its edges do not cross)."""

    name: str
    polygon: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Movement:
    """A turning-movement (origin-destination) count, such as a junction: ``entries`` and ``exits``
    are names of zones; one zone may be both, an arm of the junction."""

    name: str
    entries: tuple[str, ...]
    exits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleConfig:
    """One rule of a scene: ``kind`` is a name in ``vision.rules``, ``place`` the name of a line
    or zone, "" for the camera as a whole, ``classes`` what it looks at, ``settings`` that kind's
    frozen ``Settings``.

    ``severity`` and ``cooldown_s`` are None where the kind's own hold; ``schedule`` is None for a
    rule that always watches; one that is not ``enabled`` never does.
    """

    name: str
    kind: str
    place: str
    classes: tuple[str, ...]
    settings: Any
    severity: Severity | None = None
    cooldown_s: float | None = None
    schedule: Schedule | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Preset:
    """Another view of a camera that turns: ``view`` is how it looks (the text of a ``View``),
    ``scene`` what is drawn on it."""

    name: str
    view: str
    scene: Scene


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything drawn on one camera, in the pixels of a picture of ``frame_size`` (w, h).

    ``classes`` are the detector classes that this scene uses; an empty tuple means the
    detector's own choice. ``stretch`` says that streams of another shape show the same view.
    ``detector`` says what finds objects: the camera's model, what moves, or both; ``detail`` how
    closely the model looks; with ``gate`` it is asked only where the picture shows something new.
    ``region`` is the part of the picture that is analysed, None for all of it. ``view`` is how the
    camera's own view looks (the text of a ``View``), None where it is learnt; ``presets`` are its
    other views. ``calibration`` says where the ground is, None where nobody measured it.
    Lines, zones, movements and rules have names of their own over all views.
    """

    frame_size: tuple[int, int]
    classes: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    zones: tuple[Zone, ...] = ()
    rules: tuple[RuleConfig, ...] = ()
    stretch: bool = False
    movements: tuple[Movement, ...] = ()
    detector: DetectorKind = "model"
    gate: bool = True
    region: Region | None = None
    view: str | None = None
    presets: tuple[Preset, ...] = ()
    calibration: Calibration | None = None
    detail: Detail = "usual"

    @property
    def views(self) -> dict[str, Scene]:
        """What is drawn on each view, by its name; the camera's own is ""."""
        return {"": self} | {preset.name: preset.scene for preset in self.presets}

    @property
    def counted(self) -> tuple[Line | Movement, ...]:
        """What is counted by name on this view."""
        return (*self.lines, *self.movements)

    def line(self, name: str) -> Line:
        """The line of that name; raises StopIteration."""
        return next(line for line in self.lines if line.name == name)

    def zone(self, name: str) -> Zone:
        """The zone of that name; raises StopIteration."""
        return next(zone for zone in self.zones if zone.name == name)

    def inside(self, zone: str, point: NDArray[np.floating]) -> bool:
        """Is the ``point`` (2,) in the zone of that name? Feet at the picture's edge are cut off
        or estimated beyond it, so a point outside the picture counts as on its edge, inside."""
        x, y = point.tolist()
        right, bottom = self._last
        return self._outlines[zone].holds(min(max(x, 0.0), right), min(max(y, 0.0), bottom))

    @cached_property
    def _last(self) -> tuple[float, float]:
        w, h = self.frame_size
        return math.nextafter(w, 0.0), math.nextafter(h, 0.0)

    @cached_property
    def _outlines(self) -> dict[str, Outline]:
        return {zone.name: Outline(zone.polygon) for zone in self.zones}

    def scale_from(self, frame_size: tuple[int, int]) -> tuple[float, float]:
        """Factors (x, y) that take a frame's pixels to the scene's.

        Raises SceneError when the frame has another shape and ``stretch`` is not set.
        """
        (w, h), (fw, fh) = self.frame_size, frame_size
        if not self.stretch and abs((w * fh) / (h * fw) - 1) > SHAPE_TOLERANCE:
            raise SceneError(
                f"the scene is drawn on a picture of {w}x{h}, but the frames are {fw}x{fh}, which "
                "is another shape: draw it on this camera's picture, or set 'stretch: true' if the "
                "stream is anamorphic"
            )
        return w / fw, h / fh
