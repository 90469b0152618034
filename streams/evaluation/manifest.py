"""Which clips are counted and what truly passes on them, from a YAML file
(``docs/evaluation.md``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal, NoReturn, TypeAlias

import yaml

from streams import samples
from streams.expectations import CountExpectation, read_count
from streams.files import ClipInfo, inspect_clip
from streams.scenefile import load_scene
from streams.yamlfile import Item, quoted, read_yaml
from vision.errors import ExpectationError, SceneError
from vision.scene import Scene

CLIP_FIELDS = ("name", "clip", "sample", "scene", "model", "fps", "source_fps", "truth")
MAX_FPS = 1000
FULL: Final = "full"
ONNX: Final = ".onnx"
"""What ends so is the path of a model, and no name."""

Rate: TypeAlias = "Fraction | Literal['full']"
"""Frames to analyse a second of the clip, ``full`` for every one."""

_QUOTIENT = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class ListedClip:
    """One clip of a manifest. ``name`` is its own in the whole manifest; ``model`` a name or a
    path; ``source_fps`` the true frame rate where the header is wrong, which ``info`` has."""

    name: str
    path: Path
    info: ClipInfo
    scene_path: Path
    scene: Scene
    model: str
    rate: Rate
    source_fps: Fraction | None
    truth: tuple[CountExpectation, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read of it."""
        models = (Path(self.model),) if self.model.endswith(ONNX) else ()
        return self.path, self.scene_path, *models


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """What is to be counted; ``skipped`` are the names of the clips that are not here, ``files``
    all that is read: the manifest itself, clips, scenes, and models that are files."""

    clips: tuple[ListedClip, ...]
    skipped: tuple[str, ...]
    files: tuple[Path, ...]


def load_manifest(
    path: Path, places: samples.Places, *, default_model: str, skip_missing: bool = False
) -> Manifest:
    """The clips of a manifest. Files are relative to its folder; ``places`` are where samples
    may lie. Raises ExpectationError (one line with file, line, field and the next step), and what
    reading a scene, a clip or a sample raises."""
    top = read_yaml(path, ExpectationError)
    fields = top.mapping()
    top.refuse_unknown(fields, ("clips",))
    items = top.required(fields, "clips", "[{clip: FILE, scene: FILE, truth: […]}]").items()
    names: dict[str, int] = {}
    clips: list[ListedClip] = []
    skipped: list[str] = []
    for item in items:
        entry = _Entry(item, path.parent, places)
        if entry.name in names:
            item.fail(
                f"{quoted(entry.name)} is listed in line {names[entry.name]} already; give one of "
                "the two another 'name'"
            )
        names[entry.name] = item.line
        if entry.path is not None:
            clips.append(entry.read(entry.path, default_model))
        elif skip_missing:
            skipped.append(entry.name)
        else:
            entry.fail_missing()
    if not clips:
        top.fail(
            f"none of its clips is here: {', '.join(skipped)}; get one of them"
            if skipped
            else "no clip is listed; add one to 'clips:'"
        )
    files = [path, *(file for clip in clips for file in clip.files)]
    return Manifest(tuple(clips), tuple(skipped), tuple(files))


class _Entry:
    """One entry of the list: ``path`` is where its clip lies, None where it does not."""

    def __init__(self, item: Item, folder: Path, places: samples.Places) -> None:
        self._item = item
        self._folder = folder
        self._places = places
        self._fields = fields = item.mapping()
        item.refuse_unknown(fields, CLIP_FIELDS)
        if ("clip" in fields) == ("sample" in fields):
            item.fail("one clip is needed; write either 'clip: FILE' or 'sample: NAME'")
        self._sample = _sample(fields["sample"]) if "sample" in fields else None
        self.path: Path | None
        if self._sample is not None:
            self.path = samples.find(self._sample, places)
            named = self._sample.name
        else:
            wanted = self._file("clip")
            self.path = wanted if wanted.exists() else None
            named = wanted.stem
        self.name = fields["name"].text() if "name" in fields else named

    def fail_missing(self) -> NoReturn:
        """Say how to get the clip, which is not here."""
        if self._sample is not None:
            self._fields["sample"].fail(
                f"the clip of sample '{self._sample.name}' is not on this machine; run 'matakota "
                f"samples pull {self._sample.name}', or leave it out with --skip-missing"
            )
        self._fields["clip"].fail(
            f"there is no clip {self._file('clip')}; correct the path, or leave it out with "
            "--skip-missing"
        )

    def read(self, path: Path, default_model: str) -> ListedClip:
        """Everything about the clip that lies at ``path``."""
        fields, sample = self._fields, self._sample
        source_fps = _rate(fields["source_fps"]) if "source_fps" in fields else None
        if sample is not None:
            path = samples.verified(sample, self._places)
            if source_fps is None and sample.source_fps is not None:
                source_fps = Fraction(sample.source_fps)
        info = inspect_clip(path, source_fps)
        scene_path, scene = self._scene((info.width, info.height))
        truth = self._item.required(fields, "truth", "[{line: gate, direction: in, count: 12}]")
        return ListedClip(
            name=self.name,
            path=path,
            info=info,
            scene_path=scene_path,
            scene=scene,
            model=_model(fields["model"], self._folder) if "model" in fields else default_model,
            rate=_rate_or_full(fields["fps"]) if "fps" in fields else FULL,
            source_fps=source_fps,
            truth=_truth(truth, scene),
        )

    def _scene(self, size: tuple[int, int]) -> tuple[Path, Scene]:
        """What is drawn on the clip's pictures of ``size`` (w, h) px, and in which file."""
        if "scene" in self._fields:
            item, path = self._fields["scene"], self._file("scene")
        elif self._sample is not None and self._sample.scene is not None:
            item, path = self._item, samples.folder() / self._sample.scene
        else:
            self._item.fail("field 'scene' is missing; add 'scene: FILE'")
        scene = load_scene(path, default_frame_size=size)
        try:
            scene.scale_from(size)
        except SceneError as error:
            item.fail(str(error))
        if not scene.lines:
            item.fail(f"{path} has no line to count at; draw one in its 'lines'")
        return path, scene

    def _file(self, field: str) -> Path:
        return self._folder / self._fields[field].path()


def _sample(item: Item) -> samples.Sample:
    name, known = item.text(), samples.load_samples()
    if name not in known:
        item.fail(f"there is no sample {quoted(name)}; choose among {', '.join(known)}")
    return known[name]


def _model(item: Item, folder: Path) -> str:
    """A name, or the path of an ONNX file."""
    text = item.path()
    return str(folder / text) if text.endswith(ONNX) else text


def _truth(item: Item, scene: Scene) -> tuple[CountExpectation, ...]:
    """How many pass, each passage stated once, since they are summed up."""
    entries = item.items()
    if not entries:
        item.fail("nothing is stated; write what passes each line")
    before: dict[tuple[str, str], dict[str | None, int]] = {}
    found = []
    for entry in entries:
        expected = read_count(entry, scene)
        same = before.setdefault((expected.line, expected.direction), {})
        wanted = expected.class_name
        if same and (wanted is None or wanted in same or None in same):
            entry.fail(
                f"line {next(iter(same.values()))} states the same passages already; write each "
                "class once, or all together"
            )
        same[wanted] = entry.line
        found.append(expected)
    return tuple(found)


def _rate_or_full(item: Item) -> Rate:
    return FULL if _written(item) == FULL else _rate(item)


def _rate(item: Item) -> Fraction:
    """Frames a second: 5, 29.97 or 30000/1001."""
    quotient = _QUOTIENT.fullmatch(_written(item))
    if quotient is None:
        rate = Fraction(str(item.number()))
    else:
        over, under = map(int, quotient.groups())
        rate = Fraction(over, under) if under else Fraction(0)
    if not 0 < rate <= MAX_FPS:
        item.fail(f"{item.shown} is no frame rate; write frames a second, up to {MAX_FPS}")
    return rate


def _written(item: Item) -> str:
    return str(item.node.value) if isinstance(item.node, yaml.ScalarNode) else ""


def rate_name(rate: Rate) -> str:
    """A frame rate as tables and files name it."""
    return rate if isinstance(rate, str) else f"{float(rate):g}"
