"""What the zoo knows about a model: the manifest that ships with the program, and sidecars."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args
from urllib.parse import urlsplit

import yaml
from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from models.coco import COCO17, COCO80
from models.errors import ManifestError
from models.fields import NAME, FileName, FileSize, Frozen, Sha256, Share
from models.quantised import QuantisedRecord, Reduced

SIDECAR_MAX_BYTES = 2**20
SIZE_STEP = 32
"""A dynamic model takes every height and width that is a multiple of this, px."""

Layout: TypeAlias = Literal["yolov8", "end_to_end", "yolox", "detr"]
PoseLayout: TypeAlias = Literal["movenet_multipose"]
ColourOrder: TypeAlias = Literal["rgb", "bgr"]
Align: TypeAlias = Literal["top_left", "centre"]
ClassScores: TypeAlias = Literal["softmax", "sigmoid", "probabilities"]
DetrScores: TypeAlias = Literal["sigmoid", "softmax", "probabilities"]
Side: TypeAlias = Annotated[int, Field(gt=0, le=8192)]


class Padding(Frozen):
    """How a picture that does not fill the input is placed: ``value`` (0..255, before scaling)
    fills the rest."""

    value: Annotated[int, Field(ge=0, le=255)]
    align: Align


class Input(Frozen):
    """The picture that the model takes: px, colour order, and the factor on values 0..255.

    ``dynamic``: any height and width that are multiples of 32; ``height`` and ``width`` are then
    the default.
    """

    height: Side
    width: Side
    dynamic: bool = False
    colour: ColourOrder
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    padding: Padding


class PoseInput(Frozen):
    """The picture that a pose model takes: px, and red, green, blue of 0..255."""

    height: Side
    width: Side
    colour: Literal["rgb"]


class Thresholds(Frozen):
    """Scores: ``low`` keeps a known track alive, ``match`` counts as seen, ``birth`` starts one."""

    low: Share
    match: Share
    birth: Share

    @model_validator(mode="after")
    def _ascending(self) -> Thresholds:
        if not self.low <= self.match <= self.birth:
            raise ValueError("low, match and birth must ascend")
        return self


class Nms(Frozen):
    """Two boxes of one class that overlap by more than ``iou`` are one object."""

    iou: Share


class CountAsOne(Frozen):
    """Classes that compete: of two boxes that overlap by ``iou``, or of which one lies inside the
    other by ``containment``, only the better one stays, whatever its class."""

    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    iou: Share
    containment: Share


def _expand_classes(value: object) -> object:
    if value == "coco80":
        return COCO80
    if isinstance(value, str):
        raise ValueError(f"'{value}' is no list of names; the only shorthand is coco80")
    return value


def _expand_keypoints(value: object) -> object:
    if value == "coco17":
        return COCO17
    if isinstance(value, str):
        raise ValueError(f"'{value}' is no list of names; the only shorthand is coco17")
    return value


class Entry(Frozen):
    """What is known of any model: where its bytes are and what they must be.

    ``file`` is relative to the package's weights (in a sidecar: the file beside it), ``address``
    an https address; a manifest entry has exactly one of them. ``size`` is in bytes.
    """

    name: Annotated[str, Field(pattern=NAME)]
    file: FileName | None = None
    address: str | None = None
    sha256: Sha256
    size: FileSize
    licence: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]

    @field_validator("address")
    @classmethod
    def _https_only(cls, address: str | None) -> str | None:
        if address is not None:
            parts = urlsplit(address)
            if parts.scheme != "https" or not parts.hostname or parts.username is not None:
                raise ValueError("an address starts with https://, names a host and holds no login")
        return address

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.address is None):
            raise ValueError("state either file or address")
        return self


class ModelEntry(Entry):
    """A model that finds objects, and how to talk to it.

    ``rename`` maps the model's own names of classes to those that scenes and rules use. Once it is
    validated, ``classes`` holds the latter, in the model's order; ``count_as_one`` speaks of them.
    ``quantised`` tells of a model with INT8 convolutions, ``reduced`` where its second file is.
    """

    task: Literal["detect"] = "detect"
    reduced: Reduced | None = None
    quantised: QuantisedRecord | None = None
    input: Input
    layout: Layout
    scores: DetrScores | None = None
    rename: Mapping[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    classes: Annotated[tuple[str, ...], BeforeValidator(_expand_classes), Field(min_length=1)]
    thresholds: Thresholds
    nms: Nms
    count_as_one: tuple[CountAsOne, ...] = ()

    @field_validator("classes")
    @classmethod
    def _renamed(cls, classes: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        rename: Mapping[str, str] = info.data.get("rename", {})
        for name in rename:
            if name not in classes:
                near = difflib.get_close_matches(name, classes, n=1)
                hint = f": did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"rename names {name!r}, which is not in classes{hint}")
        renamed = tuple(rename.get(name, name) for name in classes)
        for name in rename.values():
            if renamed.count(name) > 1:
                raise ValueError(f"rename leaves two classes that are called {name!r}")
        return renamed

    @model_validator(mode="after")
    def _consistent(self) -> ModelEntry:
        if (self.layout == "detr") != (self.scores is not None):
            raise ValueError(
                "scores (sigmoid, softmax or probabilities) goes with layout detr, and only with it"
            )
        if (self.reduced is None) != (self.quantised is None):
            raise ValueError("reduced and quantised go together")
        if self.reduced is not None and self.address is not None:
            raise ValueError("reduced lies beside file: it does not go with address")
        if self.reduced is not None and self.reduced.file == self.file:
            raise ValueError("reduced names the same file as file")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes names a class twice")
        strangers = sorted({c for g in self.count_as_one for c in g.classes} - set(self.classes))
        if strangers:
            raise ValueError(f"count_as_one names {strangers[0]!r}, which is not in classes")
        size = (self.input.height, self.input.width)
        if self.input.dynamic and any(side % SIZE_STEP for side in size):
            raise ValueError(f"a dynamic input's height and width are multiples of {SIZE_STEP}")
        return self


class PoseEntry(Entry):
    """A model that finds poses of people and no objects: it has no classes, thresholds or nms.

    ``keypoints`` are the names of its points in the order in which it returns them.
    """

    task: Literal["pose"]
    input: PoseInput
    layout: PoseLayout
    keypoints: Annotated[tuple[str, ...], BeforeValidator(_expand_keypoints)]

    @model_validator(mode="before")
    @classmethod
    def _no_objects(cls, fields: dict[str, object]) -> dict[str, object]:
        for name in fields:
            if name in ModelEntry.model_fields and name not in cls.model_fields:
                raise ValueError(f"{name} is for a model that finds objects, not for task pose")
        return fields

    @model_validator(mode="after")
    def _consistent(self) -> PoseEntry:
        if self.keypoints != COCO17:
            raise ValueError(f"layout {self.layout} has the keypoints coco17, in their order")
        return self


class ClassifyEntry(Entry):
    """A model that tells what one picture shows as a whole: a score for each of ``classes``.

    ``confirms`` names, for a kind of incident, the classes that confirm a report of it.
    """

    task: Literal["classify"]
    input: Input
    scores: ClassScores
    classes: Annotated[tuple[str, ...], BeforeValidator(_expand_classes), Field(min_length=2)]
    confirms: Annotated[Mapping[str, tuple[str, ...]], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> ClassifyEntry:
        if self.input.dynamic:
            raise ValueError("a model of task classify has an input of one size: dynamic is false")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes names a class twice")
        for kind, names in self.confirms.items():
            strangers = [name for name in names if name not in self.classes]
            if strangers or not names:
                stranger = repr(strangers[0]) if strangers else "nothing"
                raise ValueError(f"confirms.{kind} names {stranger}, which is not in classes")
        return self


AnyEntry: TypeAlias = ModelEntry | PoseEntry | ClassifyEntry

_KINDS: Mapping[str, type[AnyEntry]] = MappingProxyType(
    {"detect": ModelEntry, "pose": PoseEntry, "classify": ClassifyEntry}
)


@cache
def load_manifest() -> Mapping[str, AnyEntry]:
    """The models that this program knows, by name, in the manifest's order.

    Raises ManifestError naming the field that is wrong.
    """
    text = resources.files("models").joinpath("manifest.yaml").read_text("utf-8")
    return parse_manifest(text, "models/manifest.yaml")


def parse_manifest(text: str, place: str) -> Mapping[str, AnyEntry]:
    """Entries from YAML ``models: {name: {...}}``; ``place`` names the file in errors."""
    document = _mapping(text, place)
    models = document.get("models")
    if set(document) != {"models"} or not isinstance(models, dict):
        raise ManifestError(f"{place}: the file holds one mapping named 'models', nothing else")
    return MappingProxyType(
        {
            str(name): _entry(raw, {"name": name}, f"{place}: models.{name}")
            for name, raw in models.items()
        }
    )


def read_sidecar(model: Path) -> AnyEntry | None:
    """The entry in ``FILE.yaml`` beside a model file, None when there is no such file.

    ``name`` and ``file`` may be left out: they are the model's own. Raises ManifestError.
    """
    path = sidecar_path(model)
    try:
        with path.open("rb") as file:
            content = file.read(SIDECAR_MAX_BYTES + 1)
        text = content.decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read as text: {error}") from error
    if len(content) > SIDECAR_MAX_BYTES:
        raise ManifestError(f"{path} is larger than {SIDECAR_MAX_BYTES} bytes: it is no sidecar")
    entry = _entry(_mapping(text, str(path)), {"name": model.stem, "file": model.name}, str(path))
    if entry.file != model.name:
        raise ManifestError(f"{path}: file is '{entry.file}', but a sidecar speaks of {model.name}")
    return entry


def sidecar_path(model: Path) -> Path:
    """Where a model file's own entry is looked for: ``model.onnx.yaml`` for ``model.onnx``."""
    return model.with_name(f"{model.name}.yaml")


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets the last of two equal keys win in silence; a manifest must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    problem=f"line {line} states '{key.value}' a second time"
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _mapping(text: str, place: str) -> dict[str, Any]:
    try:
        document = yaml.load(text, _UniqueKeys)  # noqa: S506  a subclass of SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        raise ManifestError(f"{place} is not valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ManifestError(f"{place} is nested too deeply") from error
    if not isinstance(document, dict):
        raise ManifestError(f"{place} holds no mapping of fields")
    return document


def _entry(raw: object, defaults: Mapping[str, object], place: str) -> AnyEntry:
    if not isinstance(raw, dict):
        raise ManifestError(f"{place} holds no mapping of fields")
    task = raw.get("task", "detect")
    if not isinstance(task, str) or task not in _KINDS:
        raise ManifestError(f"{place}: {_unknown('task', task, ', '.join(_KINDS))}")
    if task == "detect" and raw.get("layout") in get_args(PoseLayout):
        raise ManifestError(f"{place}: layout {raw['layout']} goes with 'task: pose'")
    try:
        return _KINDS[task].model_validate({**defaults, **raw})
    except ValidationError as error:
        raise ManifestError(f"{place}: {_first_problem(error)}; see docs/models.md") from error


def _first_problem(error: ValidationError) -> str:
    """One line for the first problem, in the words of the file rather than of the validator."""
    problems = error.errors(include_url=False)
    problem = problems[0]
    field = ".".join(str(part) for part in problem["loc"])
    match problem["type"]:
        case "literal_error":
            known = problem["ctx"]["expected"].replace(" or ", ", ").replace("'", "")
            text = _unknown(field, problem["input"], known)
        case "extra_forbidden":
            text = f"{field} is no known field"
        case "missing":
            text = f"{field} is missing"
        case "value_error":
            text = f"{field}: {problem['ctx']['error']}" if field else str(problem["ctx"]["error"])
        case _:
            text = f"{field} is wrong: {problem['msg']}"
    more = len(problems) - 1
    return f"{text} (and {more} more)" if more else text


def _unknown(field: str, given: object, known: str) -> str:
    # only short text is shown: aliases can make a small file's value immense
    shown = repr(given[:40]) if isinstance(given, str) else f"a {type(given).__name__}"
    return f"{field} is {shown}, which is unknown: the known ones are {known}"
