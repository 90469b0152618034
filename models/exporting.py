"""An ONNX file and its entry from ultralytics' weights, made by a process that has ultralytics
(``models/export.py``) and tried here before it is kept."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from models.coco import COCO80
from models.errors import ExportError
from models.fields import Frozen
from models.manifest import (
    SIDECAR_MAX_BYTES,
    SIZE_STEP,
    ModelEntry,
    Side,
    sidecar_path,
)
from models.session import load_session
from models.targets import refusal
from models.zoo import VerifiedModel, resolve

AGPL = "AGPL-3.0"
"""What ultralytics puts its models under, and what is trained with it."""
CHILD_S = 1800
HEADER = "# Written by 'matakota models export'; the fields are explained in docs/models.md.\n"
INSTALL = (
    "pip install uv && uv pip install --python {0} --torch-backend cpu "
    "torch torchvision ultralytics-opencv-headless onnx"
)
"""Pip alone takes PyTorch for CUDA, several gigabytes."""
RIVALS = (
    (("car", "truck", "bus"), 0.75),
    (("bicycle", "motorcycle"), 0.9),
)
"""Classes that one object is taken for, and their containment, as in our own manifest."""
BLOCKED = ("outside the supported", "blocked during restricted")
"""What ultralytics says of a file that it refuses to load because code is in it."""
UNUSUAL_SHAPE = 192
"""A side of the rectangle at which a dynamic model is tried besides its own, px."""
_KEPT = re.compile(r"PATH|LANG|LC_\w+|LD_LIBRARY_PATH|TMPDIR|SYSTEMROOT|(OPENBLAS|OMP|MKL)_\w+")
"""Variables that the process gets: it may run what a stranger wrote, and ours hold passwords."""


class _Answer(Frozen):
    """What the process said; it is not trusted to have told the truth."""

    missing: str | None = None
    unsafe: str | None = None
    failed: str | None = None
    version: str = ""
    classes: Annotated[tuple[str, ...], Field(max_length=10_000)] = ()
    channels: int = 3
    height: Side = SIZE_STEP
    width: Side = SIZE_STEP
    dynamic: bool = False
    end_to_end: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be exported: ``weights`` is a .pt file, or a .yaml file or one's name in
    ultralytics; ``size`` (h, w) px is the default of a model that takes any. ``python`` is where
    ultralytics is installed. Unless ``trusted``, nothing in a file is run."""

    weights: str
    size: tuple[int, int] = (640, 640)
    licence: str = AGPL
    nms_free: bool = False
    trusted: bool = False
    python: str = field(default_factory=lambda: sys.executable)


@dataclass(frozen=True, slots=True)
class Exported:
    """A model that was written, and ``notes``: sentences about what was assumed."""

    path: Path
    entry: ModelEntry
    notes: tuple[str, ...]


def export(wish: Wish, out: Path, *, overwrite: bool = False) -> Exported:
    """Write ``out`` and its sidecar. Raises ExportError, BadModel for a model that does not run
    as its entry says, or ManifestError for one that no entry can describe; then nothing is
    written."""
    _check(wish, out, overwrite)
    with tempfile.TemporaryDirectory(prefix="matakota-export-") as name:
        folder = Path(name)
        origin = _provide(wish.weights, folder)
        answer = _ask(wish, folder)
        stage = folder / "made" / out.name
        stage.parent.mkdir()
        (folder / "model.onnx").rename(stage)
        fields, notes = _entry(wish, answer, origin, stage)
        text = yaml.safe_dump(fields, sort_keys=False, default_flow_style=None, width=100)
        sidecar_path(stage).write_text(HEADER + text, "utf-8")
        verified = resolve(str(stage), cache=folder)
        entry = _tried(verified)
        try:
            _keep(stage, out)
        except OSError as error:
            raise ExportError(f"{out} cannot be written: {error.strerror}") from error
    return Exported(out, entry, tuple(notes))


def _keep(stage: Path, out: Path) -> None:
    """Put the file and its sidecar in their places, or leave there what was there."""
    files = {each: _hidden(each, "part") for each in (out, sidecar_path(out))}
    old = _hidden(out, "old")
    with contextlib.ExitStack() as stack:
        for source, part in zip((stage, sidecar_path(stage)), files.values(), strict=True):
            stack.callback(part.unlink, missing_ok=True)
            shutil.copyfile(source, part)
        if out.exists():
            os.replace(out, old)
        try:
            for place, part in files.items():
                os.replace(part, place)
        except OSError:
            out.unlink(missing_ok=True)
            if old.exists():
                os.replace(old, out)
            raise
        old.unlink(missing_ok=True)


def _hidden(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name}.{what}-{os.getpid()}")


def _check(wish: Wish, out: Path, overwrite: bool) -> None:
    if Path(wish.weights).suffix not in {".pt", ".yaml", ".yml"}:
        raise ExportError(
            f"{wish.weights} is neither a .pt file nor the .yaml of an untrained model: only "
            "ultralytics' models are exported; an .onnx file needs nothing but a sidecar "
            "(docs/models.md)"
        )
    if any(side % SIZE_STEP for side in wish.size):
        h, w = wish.size
        raise ExportError(f"{h}x{w} does not do: a side is a multiple of {SIZE_STEP} px")
    if why := refusal(out, (out, sidecar_path(out)), overwrite=overwrite):
        raise ExportError(why)


def _provide(weights: str, folder: Path) -> str:
    """Copy ``weights`` into ``folder``, and say in words what they are."""
    path = Path(weights)
    if path.suffix != ".pt" and not path.exists():
        return f"Untrained {path.name} of ultralytics"
    try:
        shutil.copyfile(path, folder / path.name)
    except OSError as error:
        raise ExportError(f"{path} cannot be read ({error.strerror}): check the path") from error
    with (folder / path.name).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{'' if path.suffix == '.pt' else 'Untrained '}{path.name} (sha256 {sha256})"


def _ask(wish: Wish, folder: Path) -> _Answer:
    """What the process answered that wrote model.onnx into ``folder``."""
    height, width = wish.size
    job = {
        "weights": Path(wish.weights).name, "height": height, "width": width,
        "nms_free": wish.nms_free, "trusted": wish.trusted,
    }  # fmt: skip
    # it starts in another folder, and what it is called may be relative to this one
    python = os.path.abspath(shutil.which(wish.python) or wish.python)
    try:
        ran = subprocess.run(
            [python, "-P", str(Path(__file__).with_name("export.py")), dumps(job)],
            cwd=folder,
            env=_variables(os.environ, folder, wish),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CHILD_S,
            check=False,
        )
    except OSError as error:
        raise ExportError(f"{wish.python} does not start: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ExportError(f"{wish.weights}: the export took more than {CHILD_S} s") from error
    answer = _read(folder / "answer.json")
    if answer is None:
        last = (ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"])[-1]
        raise ExportError(f"{wish.weights}: the export ended without an answer ({last})")
    if why := _refused(wish, answer):
        raise ExportError(why)
    return answer


def _variables(ours: Mapping[str, str], folder: Path, wish: Wish) -> dict[str, str]:
    """The environment of the process: it keeps its settings in ``folder``, fetches and installs
    nothing, and loads what it knows alone unless it is told that the weights are trusted."""
    kept = {name: value for name, value in ours.items() if _KEPT.fullmatch(name)}
    if wish.python == sys.executable and "PYTHONPATH" in ours:
        kept["PYTHONPATH"] = ours["PYTHONPATH"]
    own = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "YOLO_CONFIG_DIR", "MPLCONFIGDIR"), str(folder))
    return {
        **kept,
        **own,
        # what 'pip install --user' put there is found where it was
        "PYTHONUSERBASE": site.getuserbase(),
        "CUDA_VISIBLE_DEVICES": "",
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_VERBOSE": "false",
        "ULTRALYTICS_SAFE_LOAD": "false" if wish.trusted else "true",
    }


def _read(path: Path) -> _Answer | None:
    try:
        with path.open("rb") as file:
            return _Answer.model_validate_json(file.read(SIDECAR_MAX_BYTES + 1))
    except (OSError, ValidationError):
        return None


def _refused(wish: Wish, answer: _Answer) -> str | None:
    """Why there is no model, in one sentence; None where there is one."""
    if answer.missing is not None:
        return (
            f"{wish.python} has no {answer.missing}: name the Python that has it with --python, or "
            f"install what exports models: {INSTALL.format(wish.python)}"
        )
    trust = (
        "loading it can run any code that whoever made it put there (a .pt file is a pickle): add "
        "--trust only where you know where it comes from"
    )
    if answer.unsafe is not None:
        return f"{answer.unsafe} cannot load {wish.weights} without running what is in it; {trust}"
    if answer.failed is not None:
        if not wish.trusted and any(words in answer.failed for words in BLOCKED):
            return f"{wish.weights} holds more than the layers of a model; {trust}"
        return f"{wish.weights} was not exported ({answer.failed.replace('ERROR ❌️ ', '')})"
    if answer.channels != 3:
        return f"{wish.weights} takes pictures of {answer.channels} channels, not of three"
    return None


def _entry(
    wish: Wish, answer: _Answer, origin: str, file: Path
) -> tuple[dict[str, Any], list[str]]:
    """The fields of the sidecar, and what was assumed in them."""
    notes = []
    classes: Sequence[str] = answer.classes
    if classes == tuple(str(number) for number in range(len(COCO80))):
        classes = COCO80
        notes.append("its 80 classes have numbers for names: they are called as those of COCO")
    if wish.licence == AGPL:
        notes.append(
            f"licence {AGPL}, as ultralytics states for its models and for what is trained with "
            "it: whoever has another says so with --licence"
        )
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    fields: dict[str, Any] = {
        "sha256": sha256,
        "size": file.stat().st_size,
        "licence": wish.licence,
        "source": f"{origin}, exported with ultralytics {answer.version}",
        "input": {
            "height": answer.height,
            "width": answer.width,
            "dynamic": answer.dynamic,
            "colour": "rgb",
            "scale": 1 / 255,
            "padding": {"value": 114, "align": "centre"},
        },
        "layout": "end_to_end" if answer.end_to_end else "yolov8",
        "classes": "coco80" if tuple(classes) == COCO80 else list(classes),
        "thresholds": {"low": 0.1, "match": 0.25, "birth": 0.4},
        "nms": {"iou": 0.5},
    }
    groups = [
        ([name for name in names if name in classes], containment) for names, containment in RIVALS
    ]
    together = [
        {"classes": names, "iou": 0.5, "containment": containment}
        for names, containment in groups
        if len(names) > 1
    ]
    return fields | ({"count_as_one": together} if together else {}), notes


def _tried(model: VerifiedModel) -> ModelEntry:
    """The entry of a model that ran at its own size and, where it takes any, at another."""
    entry = model.entry
    assert isinstance(entry, ModelEntry)  # noqa: S101 - a sidecar without a task is one
    load_session(model)
    if entry.input.dynamic:
        load_session(model, input_size=(UNUSUAL_SHAPE, entry.input.width))
    return entry
