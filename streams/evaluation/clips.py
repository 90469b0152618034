"""What the entries of every list of clips say alike: which clip, its scene, model and rates."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal, NoReturn, TypeAlias

import yaml

from streams import samples
from streams.files import ClipInfo, inspect_clip
from streams.scenefile import load_scene
from streams.yamlfile import Item, quoted
from vision.errors import SceneError
from vision.scene import Scene

PLACES = ("clip", "sample", "local")
"""Where a clip is: a file, one of the samples, or a file of the folder with clips of one's own."""
MAX_FPS = 1000
FULL: Final = "full"
ONNX: Final = ".onnx"
"""What ends so is the path of a model, and no name."""

Rate: TypeAlias = "Fraction | Literal['full']"
"""Frames to analyse a second of the clip, ``full`` for every one."""

_QUOTIENT = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class OpenedClip:
    """A clip that is here. ``source_fps`` is its true rate where the header is wrong, which
    ``info`` has."""

    path: Path
    info: ClipInfo
    source_fps: Fraction | None


class Entry:
    """One entry of a list. ``path`` is where its clip lies, None where it does not; ``name`` is
    what it is called."""

    def __init__(
        self,
        item: Item,
        folder: Path,
        places: samples.Places,
        known: Collection[str],
    ) -> None:
        self.item = item
        self._folder = folder
        self._places = places
        self.fields = fields = item.mapping()
        item.refuse_unknown(fields, known)
        allowed = [place for place in PLACES if place in known]
        if sum(place in fields for place in allowed) != 1:
            ways = {"clip": "FILE", "sample": "NAME", "local": "FILE"}
            said = [f"'{place}: {ways[place]}'" for place in allowed]
            item.fail(f"one clip is needed; write either {' or '.join(said)}")
        self._sample = _sample(fields["sample"]) if "sample" in fields else None
        self.path = self._found()
        named = self._sample.name if self._sample is not None else self._wanted().stem
        self.name = fields["name"].text() if "name" in fields else named

    def fail_missing(self) -> NoReturn:
        """Say how to get the clip, which is not here."""
        if self._sample is not None:
            self.fields["sample"].fail(
                f"the clip of sample '{self._sample.name}' is not on this machine; run 'matakota "
                f"samples pull {self._sample.name}', or leave it out with --skip-missing"
            )
        if "local" in self.fields:
            self.fields["local"].fail(
                f"there is no {self._wanted()} in the folder of {samples.MIRROR_VARIABLE}; name a "
                "folder that holds it, or leave it out with --skip-missing"
            )
        self.fields["clip"].fail(
            f"there is no clip {self._wanted()}; correct the path, or leave it out with "
            "--skip-missing"
        )

    def opened(self) -> OpenedClip:
        """What the clip holds. Raises SampleError or ClipError, ExpectationError where it is not
        here."""
        path, sample = self.path, self._sample
        if path is None:
            self.fail_missing()
        source_fps = read_rate(self.fields["source_fps"]) if "source_fps" in self.fields else None
        if sample is not None:
            path = samples.verified(sample, self._places)
            if source_fps is None and sample.source_fps is not None:
                source_fps = Fraction(sample.source_fps)
        return OpenedClip(path, inspect_clip(path, source_fps), source_fps)

    def scene(self, size: tuple[int, int]) -> tuple[Path, Scene] | None:
        """What is drawn on the clip's pictures of ``size`` (w, h) px, and in which file; None
        where none is named."""
        if "scene" in self.fields:
            item, path = self.fields["scene"], self.file("scene")
        elif self._sample is not None and self._sample.scene is not None:
            item, path = self.item, samples.folder() / self._sample.scene
        else:
            return None
        scene = load_scene(path, default_frame_size=size)
        try:
            scene.scale_from(size)
        except SceneError as error:
            item.fail(str(error))
        return path, scene

    def fail_without_scene(self) -> NoReturn:
        """Say that a scene is needed."""
        self.item.fail("field 'scene' is missing; add 'scene: FILE'")

    def model(self, default: str) -> str:
        """A name, or the path of an ONNX file."""
        if "model" not in self.fields:
            return default
        text = self.fields["model"].path()
        return str(self._folder / text) if text.endswith(ONNX) else text

    def rate(self, default: Rate) -> Rate:
        """Frames to analyse a second."""
        if "fps" not in self.fields:
            return default
        item = self.fields["fps"]
        return FULL if _written(item) == FULL else read_rate(item)

    def file(self, field: str) -> Path:
        """The file that a field names, relative to the list's folder."""
        return self._folder / self.fields[field].path()

    def _found(self) -> Path | None:
        if self._sample is not None:
            return samples.find(self._sample, self._places)
        if "clip" in self.fields:
            return wanted if (wanted := self._wanted()).exists() else None
        bases = [base for base in (self._places.mirror, self._places.cache) if base is not None]
        found = (base / self._wanted() for base in bases)
        return next((path for path in found if path.is_file()), None)

    def _wanted(self) -> Path:
        return Path(self.fields["local"].path()) if "local" in self.fields else self.file("clip")


def entries(
    top: Item,
    folder: Path,
    places: samples.Places,
    known: Collection[str],
    *,
    example: str,
    skip_missing: bool,
) -> tuple[list[Entry], list[str]]:
    """The entries of ``clips`` whose clip is here, and the names of the others. Fails where two
    have one name, none is here, or, unless ``skip_missing``, where one is not."""
    fields = top.mapping()
    top.refuse_unknown(fields, ("clips",))
    names: dict[str, int] = {}
    here: list[Entry] = []
    skipped: list[str] = []
    for item in top.required(fields, "clips", example).items():
        entry = Entry(item, folder, places, known)
        if entry.name in names:
            item.fail(
                f"{quoted(entry.name)} is listed in line {names[entry.name]} already; give one of "
                "the two another 'name'"
            )
        names[entry.name] = item.line
        if entry.path is not None:
            here.append(entry)
        elif skip_missing:
            skipped.append(entry.name)
        else:
            entry.fail_missing()
    if not here:
        top.fail(
            f"none of its clips is here: {', '.join(skipped)}; get one of them"
            if skipped
            else "no clip is listed; add one to 'clips:'"
        )
    return here, skipped


def read_rate(item: Item) -> Fraction:
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


def rate_name(rate: Rate) -> str:
    """A frame rate as tables and files name it."""
    return rate if isinstance(rate, str) else f"{float(rate):g}"


def _sample(item: Item) -> samples.Sample:
    name, known = item.text(), samples.load_samples()
    if name not in known:
        item.fail(f"there is no sample {quoted(name)}; choose among {', '.join(known)}")
    return known[name]


def _written(item: Item) -> str:
    return str(item.node.value) if isinstance(item.node, yaml.ScalarNode) else ""
