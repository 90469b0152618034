"""What the zoo knows about a model: the manifest that ships with the program, and sidecars."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from models.coco import COCO80
from models.errors import ManifestError

MODEL_MAX_BYTES = 2 * 2**30
SIDECAR_MAX_BYTES = 2**20
SIZE_STEP = 32
"""A dynamic model takes every height and width that is a multiple of this, px."""

Layout: TypeAlias = Literal["yolov8", "end_to_end", "yolox", "detr"]
ColourOrder: TypeAlias = Literal["rgb", "bgr"]
Align: TypeAlias = Literal["top_left", "centre"]
DetrScores: TypeAlias = Literal["sigmoid", "softmax", "probabilities"]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Side: TypeAlias = Annotated[int, Field(gt=0, le=8192)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Padding(_Frozen):
    """How a picture that does not fill the input is placed: ``value`` (0..255, before scaling)
    fills the rest."""

    value: Annotated[int, Field(ge=0, le=255)]
    align: Align


class Input(_Frozen):
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


class Thresholds(_Frozen):
    """Scores: ``low`` keeps a known track alive, ``match`` counts as seen, ``birth`` starts one."""

    low: Share
    match: Share
    birth: Share

    @model_validator(mode="after")
    def _ascending(self) -> Thresholds:
        if not self.low <= self.match <= self.birth:
            raise ValueError("low, match and birth must ascend")
        return self


class Nms(_Frozen):
    """Two boxes of one class that overlap by more than ``iou`` are one object."""

    iou: Share


class CountAsOne(_Frozen):
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


class ModelEntry(_Frozen):
    """One model: where its bytes are, what they must be, and how to talk to it.

    ``file`` is relative to the package's weights (in a sidecar: the file beside it), ``address``
    an https address; a manifest entry has exactly one of them. ``size`` is in bytes.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][^/\\\x00]*$")] | None = None
    address: str | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(gt=0, le=MODEL_MAX_BYTES)]
    licence: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    input: Input
    layout: Layout
    scores: DetrScores | None = None
    classes: Annotated[tuple[str, ...], BeforeValidator(_expand_classes), Field(min_length=1)]
    thresholds: Thresholds
    nms: Nms
    count_as_one: tuple[CountAsOne, ...] = ()

    @field_validator("address")
    @classmethod
    def _https_only(cls, address: str | None) -> str | None:
        if address is not None:
            parts = urlsplit(address)
            if parts.scheme != "https" or not parts.hostname or parts.username is not None:
                raise ValueError("an address starts with https://, names a host and holds no login")
        return address

    @model_validator(mode="after")
    def _consistent(self) -> ModelEntry:
        if (self.file is None) == (self.address is None):
            raise ValueError("state either file or address")
        if (self.layout == "detr") != (self.scores is not None):
            raise ValueError(
                "scores (sigmoid, softmax or probabilities) goes with layout detr, and only with it"
            )
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes names a class twice")
        strangers = sorted({c for g in self.count_as_one for c in g.classes} - set(self.classes))
        if strangers:
            raise ValueError(f"count_as_one names {strangers[0]!r}, which is not in classes")
        size = (self.input.height, self.input.width)
        if self.input.dynamic and any(side % SIZE_STEP for side in size):
            raise ValueError(f"a dynamic input's height and width are multiples of {SIZE_STEP}")
        return self


@cache
def load_manifest() -> Mapping[str, ModelEntry]:
    """The models that this program knows, by name, in the manifest's order.

    Raises ManifestError naming the field that is wrong.
    """
    text = resources.files("models").joinpath("manifest.yaml").read_text("utf-8")
    return parse_manifest(text, "models/manifest.yaml")


def parse_manifest(text: str, place: str) -> Mapping[str, ModelEntry]:
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


def read_sidecar(model: Path) -> ModelEntry | None:
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


def _entry(raw: object, defaults: Mapping[str, object], place: str) -> ModelEntry:
    if not isinstance(raw, dict):
        raise ManifestError(f"{place} holds no mapping of fields")
    try:
        return ModelEntry.model_validate({**defaults, **raw})
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
            # only short text is shown: aliases can make a small file's value immense
            given = problem["input"]
            shown = repr(given[:40]) if isinstance(given, str) else f"a {type(given).__name__}"
            text = f"{field} is {shown}, which is unknown: the known ones are {known}"
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
