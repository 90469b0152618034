"""What the analysis of a camera wants of its smaller stream.

It costs less to decode, and all that is seen comes from it, evidence too. So by default it is
taken only where no evidence of people is to be kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from models.errors import ModelError
from streams.config import SUBSTREAM_AUTO, SUBSTREAM_OFF, CameraConfig
from streams.detector import Detectors
from streams.scenefile import scene_of
from vision.errors import DetectorError, SceneError
from vision.rules.registry import place_rules
from vision.scene import Scene

Size: TypeAlias = tuple[int, int]
MAX_SIZES = 16
"""A hostile camera has many."""
TOO_SMALL = "has fewer pixels than what finds objects takes"


@dataclass(frozen=True, slots=True, eq=False)
class StreamWish:
    """The wish of a camera as it is configured: see ``streams.rtsp.choosing.Wish``."""

    setting: str
    model: str
    scene: Scene | None
    detectors: Detectors
    _known: dict[Size, str] = field(default_factory=dict, repr=False)

    @property
    def drawn(self) -> Size | None:
        return None if self.scene is None else self.scene.frame_size

    @property
    def stretch(self) -> bool:
        return self.scene is not None and self.scene.stretch

    def misfit(self, size: Size) -> str:
        """Why pictures of ``size`` (w, h) do not do, empty where they do."""
        if size not in self._known:
            if len(self._known) >= MAX_SIZES:
                self._known.clear()
            self._known[size] = self._misfit(size)
        return self._known[size]

    def _misfit(self, size: Size) -> str:
        if self.scene is None:
            return ""
        try:
            self.scene.scale_from(size)
            guessed = self.setting == SUBSTREAM_AUTO
            if not guessed or self.detectors.suffices(self.model, size, self.scene):
                return ""
        except (SceneError, DetectorError, ModelError) as error:
            return str(error)
        return f"{size[0]}x{size[1]} {TOO_SMALL}"


class WishOf:
    """The wish of a camera whose configuration changes; ``shows`` is whether pictures are kept to
    show what a rule reported. Set ``config`` in any thread."""

    def __init__(self, config: CameraConfig, detectors: Detectors, *, shows: bool) -> None:
        self.config = config
        self._detectors = detectors
        self._shows = shows
        self._made: tuple[CameraConfig, StreamWish] | None = None

    def __call__(self) -> StreamWish:
        config, made = self.config, self._made
        if made is None or made[0] is not config:
            self._made = made = config, wish_of(config, self._detectors, shows=self._shows)
        return made[1]


def wish_of(config: CameraConfig, detectors: Detectors, *, shows: bool) -> StreamWish:
    """What ``config`` wants. By default the sub-stream of a camera of which a rate is asked and
    whose scene has no rules, or whose incidents show nothing anyway."""
    scene, setting = None, config.substream
    if config.scene is not None:
        try:
            scene = scene_of(dict(config.scene), f"scene of {config.id}")
        except SceneError:
            # the loop says so; until then nothing is known of what is drawn
            setting = SUBSTREAM_OFF
    if setting is None:
        shown = shows and scene is not None and _has_rules(scene)
        setting = SUBSTREAM_OFF if shown or config.fps is None else SUBSTREAM_AUTO
    return StreamWish(setting, config.model, scene, detectors)


def _has_rules(scene: Scene) -> bool:
    """Whether something that happens in front of the camera is reported."""
    return any(rule.enabled for view in scene.views.values() for rule in place_rules(view))
