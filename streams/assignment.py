"""What one camera of a worker is to do: where its pictures come from, and how they are analysed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from streams.config import CameraConfig, Credential, Network
from streams.detector import Detectors
from streams.scenefile import scene_of
from vision.errors import DetectorError, SceneError
from vision.pipeline import Pipeline
from vision.scene import Scene
from vision.scene_check import check_scene

Size: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Assignment:
    """One camera of the configuration, with its login (None where it has none, or where nobody
    here knows it) and the networks in which its address may lie."""

    config: CameraConfig
    credential: Credential | None
    networks: tuple[Network, ...]

    @property
    def way(self) -> object:
        """What its pictures depend on: while this is the same, its connection stays."""
        config = self.config
        if config.synthetic:
            return config.source, config.fps
        return config.source, config.fps, config.login, self.credential, self.networks

    @property
    def analysis(self) -> object:
        """What its analysis depends on."""
        return self.config.scene, self.config.revision, self.config.model


class Build(Protocol):
    """Makes the pipeline for pictures of ``size`` (w, h), where ``view`` is how the camera's own
    view looked before, None where that is not known."""

    def __call__(self, size: Size, view: str | None = None) -> Pipeline: ...


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """How a camera's pictures are analysed: ``classes`` are what is looked for, ``pipeline``
    builds what does so, and ``sight`` is how it looks at pictures of a size (w, h), None where it
    looks at all in one way. Without a scene the camera itself is watched."""

    scene: Scene | None = None
    revision: int = 0
    classes: tuple[str, ...] = ()
    pipeline: Build | None = None
    sight: Callable[[Size], object] | None = None

    def goes_on(self, before: Size | None, now: Size) -> bool:
        """Whether a pipeline that has seen pictures of one size may see those of the other."""
        if self.sight is None or before is None or before == now:
            return True
        return self.sight(before) == self.sight(now)


def analysis_of(config: CameraConfig, detectors: Detectors) -> tuple[Analysis, list[str]]:
    """The analysis of a camera, loaded and tried, and warnings about its scene, a sentence each.
    Raises SceneError, DetectorError or ModelError where it cannot work."""
    if config.scene is None:
        return Analysis(pipeline=Pipeline.of_camera), []
    label = f"scene of {config.id}"
    scene = scene_of(dict(config.scene), label)

    def pipeline(size: Size, view: str | None = None) -> Pipeline:
        scene.scale_from(size)
        return detectors.pipeline(config.model, size, scene, view)

    try:
        classes = pipeline(scene.frame_size).wanted
    except (SceneError, DetectorError) as error:
        raise type(error)(f"{label}: {error}") from None

    def sight(size: Size) -> object:
        return detectors.sight(config.model, size, scene)

    return Analysis(scene, config.revision, classes, pipeline, sight), check_scene(scene)
