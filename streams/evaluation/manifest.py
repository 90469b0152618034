"""Which clips are counted and what truly passes on them, from a YAML file
(``docs/evaluation.md``)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from streams import samples
from streams.evaluation.clips import FULL, ONNX, Entry, Rate, entries
from streams.expectations import CountExpectation, read_count
from streams.files import ClipInfo
from streams.yamlfile import Item, read_yaml
from vision.errors import ExpectationError
from vision.scene import Scene

CLIP_FIELDS = ("name", "clip", "sample", "scene", "model", "fps", "source_fps", "truth")
EXAMPLE = "[{clip: FILE, scene: FILE, truth: […]}]"


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
    here, skipped = entries(
        top, path.parent, places, CLIP_FIELDS, example=EXAMPLE, skip_missing=skip_missing
    )
    clips = [_clip(entry, default_model) for entry in here]
    files = [path, *(file for clip in clips for file in clip.files)]
    return Manifest(tuple(clips), tuple(skipped), tuple(files))


def _clip(entry: Entry, default_model: str) -> ListedClip:
    """Everything about the clip of ``entry``, which is here."""
    clip = entry.opened()
    drawn = entry.scene((clip.info.width, clip.info.height))
    if drawn is None:
        entry.fail_without_scene()
    scene_path, scene = drawn
    if not scene.lines:
        at = entry.fields.get("scene", entry.item)
        at.fail(f"{scene_path} has no line to count at; draw one in its 'lines'")
    example = "[{line: gate, direction: in, count: 12}]"
    truth = entry.item.required(entry.fields, "truth", example)
    return ListedClip(
        name=entry.name,
        path=clip.path,
        info=clip.info,
        scene_path=scene_path,
        scene=scene,
        model=entry.model(default_model),
        rate=entry.rate(FULL),
        source_fps=clip.source_fps,
        truth=_truth(truth, scene),
    )


def _truth(item: Item, scene: Scene) -> tuple[CountExpectation, ...]:
    """How many pass, each passage stated once, since they are summed up."""
    stated = item.items()
    if not stated:
        item.fail("nothing is stated; write what passes each line")
    before: dict[tuple[str, str], dict[str | None, int]] = {}
    found = []
    for entry in stated:
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
