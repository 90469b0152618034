"""``matakota models export``, with a stand-in for ultralytics in the process that exports."""

from __future__ import annotations

import ast
import errno
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.cli import models as command
from models.coco import COCO80
from models.errors import BadModel, ExportError, ManifestError
from models.export import ANSWER, MODEL
from models.exporting import INSTALL
from models.manifest import CountAsOne, ModelEntry
from models.session import load_session
from models.zoo import resolve
from tests.models import fakeyolo
from tests.needs import REPO

NAMES = ["person", "car", "truck"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, where ultralytics seems to be installed."""
    monkeypatch.setenv("PYTHONPATH", str(fakeyolo.write(tmp_path / "site")))
    monkeypatch.setenv("MATAKOTA_DATABASE_URL", "postgresql://secret@here")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("MATAKOTA_EXPORT_PYTHON", raising=False)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def call(folder: Path) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(command.app, ["export", *arguments])


def weights(folder: Path, name: str = "mine.pt", **told: Any) -> str:
    (folder / name).write_text(json.dumps({"names": NAMES, **told}))
    return name


def entry_of(folder: Path, name: str) -> ModelEntry:
    """The entry that the file's sidecar holds, once its bytes are verified."""
    entry = resolve(name, cache=folder).entry
    assert isinstance(entry, ModelEntry)
    return entry


def test_weights_become_a_file_that_describes_itself(
    call: Callable[..., Result], folder: Path
) -> None:
    told = call(weights(folder, note=str(folder / "note.json")), "--licence", "bought")
    assert told.exit_code == 0, told.exception
    entry = entry_of(folder, "mine.onnx")
    sha256 = hashlib.sha256((folder / "mine.pt").read_bytes()).hexdigest()
    assert entry.source == f"mine.pt (sha256 {sha256}), exported with ultralytics 8.4.0"
    assert (entry.name, entry.layout, entry.licence) == ("mine", "yolov8", "bought")
    assert entry.classes == tuple(NAMES)
    assert entry.count_as_one == (CountAsOne(classes=("car", "truck"), iou=0.5, containment=0.75),)
    given = entry.input
    assert (given.height, given.width, given.dynamic, given.colour) == (640, 640, True, "rgb")
    assert (given.scale, given.padding.value, given.padding.align) == (1 / 255, 114, "centre")
    assert f"sha256 {entry.sha256}" in told.stdout
    assert "layout yolov8, 3 classes, input any size, 640x640 by default" in told.stdout
    assert "AGPL" not in told.stdout
    size = load_session(resolve("mine.onnx", cache=folder), input_size=(256, 416)).input_shape
    assert size == (1, 3, 256, 416)
    assert "mine.onnx: as stated" in CliRunner().invoke(command.app, ["verify", "mine.onnx"]).stdout

    note = json.loads((folder / "note.json").read_text())
    assert note["wanted"] == {
        "format": "onnx", "imgsz": [640, 640], "dynamic": True, "simplify": False, "opset": 17,
        "device": "cpu", "verbose": False,
    }  # fmt: skip
    variables = note["variables"]
    assert variables["YOLO_OFFLINE"] == variables["ULTRALYTICS_SAFE_LOAD"] == "true"
    assert variables["YOLO_AUTOINSTALL"] == "false"
    assert variables["HOME"] == variables["YOLO_CONFIG_DIR"] == note["here"]
    assert not [name for name in variables if name.startswith("MATAKOTA")], "it may be a stranger's"
    assert not Path(note["here"]).exists()


def test_an_untrained_model_is_called_after_coco(call: Callable[..., Result], folder: Path) -> None:
    told = call("yolo11n.yaml", "--size", "384x640", "--out", "untrained.onnx")
    assert told.exit_code == 0, told.exception
    entry = entry_of(folder, "untrained.onnx")
    assert entry.classes == COCO80
    assert "they are called as those of COCO" in told.stdout
    assert entry.source.startswith("Untrained yolo11n.yaml of ultralytics")
    assert (entry.input.height, entry.input.width) == (384, 640)
    assert entry.licence == "AGPL-3.0"
    assert "licence AGPL-3.0, as ultralytics states" in told.stdout
    assert [group.classes for group in entry.count_as_one] == [
        ("car", "truck", "bus"),
        ("bicycle", "motorcycle"),
    ]


def test_a_head_without_nms(call: Callable[..., Result], folder: Path) -> None:
    assert call(weights(folder), "--nms-free").exit_code == 0
    assert entry_of(folder, "mine.onnx").layout == "end_to_end"


def test_a_coarse_model_has_one_size(call: Callable[..., Result], folder: Path) -> None:
    told = call(weights(folder, names=["person"], stride=[8.0, 64.0]), "--size", "128")
    assert told.exit_code == 0, told.exception
    entry = entry_of(folder, "mine.onnx")
    assert not entry.input.dynamic
    assert entry.count_as_one == ()
    assert "1 classes, input 128x128 only" in told.stdout


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"task": "segment"}, "mine.pt was not exported (its task is segment, and only models"),
        ({"channels": 4}, "mine.pt takes pictures of 4 channels, not of three"),
        ({"raises": "it is\nbroken"}, "mine.pt was not exported (TypeError: it is broken)"),
        ({"raises": "types outside the supported format"}, "add --trust only where you know"),
        ({"connects": True}, "mine.pt was not exported (OSError: an export connects to nothing)"),
        ({"dies": True}, "mine.pt: the export ended without an answer (exit code 3)"),
    ],
)
def test_what_the_process_cannot_do_is_one_sentence(
    call: Callable[..., Result], folder: Path, told: dict[str, Any], message: str
) -> None:
    error = call(weights(folder, **told)).exception
    assert isinstance(error, ExportError)
    assert message in str(error)
    assert "\n" not in str(error)
    assert [path.name for path in folder.iterdir()] == ["mine.pt"]


def test_code_in_weights_runs_only_where_they_are_trusted(
    call: Callable[..., Result], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(fakeyolo.write(tmp_path / "old", supported=False)))
    error = call(weights(folder)).exception
    assert isinstance(error, ExportError)
    assert "ultralytics 8.4.0 with torch 2.6 cannot load mine.pt without running" in str(error)
    assert call(weights(folder), "--trust").exit_code == 0
    assert call("yolo11n.yaml").exit_code == 0, "ultralytics' own file is not a stranger's"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine.onnx"], "neither a .pt file nor the .yaml of an untrained model"),
        (["gone.pt"], "gone.pt cannot be read (No such file"),
        (["mine.pt", "--size", "650"], "650x650 does not do: a side is a multiple of 32 px"),
        (
            ["mine.pt", "--out", "mine.bin"],
            "mine.bin is no name of a model: name a file with --out",
        ),
        (["mine.pt", "--out", "best (1).onnx"], "best (1).onnx is no name of a model"),
        (["mine.pt", "--out", "taken.onnx"], "taken.onnx.yaml is there already: name another"),
        (["mine.pt", "--out", "gone/mine.onnx"], "there is no folder gone; create it"),
        (["mine.pt", "--out", "folder.onnx"], "folder.onnx is a folder: name another --out"),
        (["mine.pt", "--python", "/gone/python"], "/gone/python does not start: No such file"),
    ],
)
def test_what_is_asked_wrongly(
    call: Callable[..., Result], folder: Path, arguments: list[str], message: str
) -> None:
    weights(folder)
    (folder / "taken.onnx.yaml").touch()
    (folder / "folder.onnx").mkdir()
    error = call(*arguments).exception
    assert isinstance(error, ExportError)
    assert message in str(error)


@pytest.mark.parametrize("size", ["x", "640x", "0", "640x0", "64000"])
def test_a_size_is_one_side_or_two(call: Callable[..., Result], folder: Path, size: str) -> None:
    assert call(weights(folder), "--size", size).exit_code == 2


def test_what_is_there_is_replaced_on_request(call: Callable[..., Result], folder: Path) -> None:
    assert call(weights(folder)).exit_code == 0
    assert call(weights(folder, names=["becak"]), "--overwrite").exit_code == 0
    assert entry_of(folder, "mine.onnx").classes == ("becak",)


def test_a_folder_is_looked_at_before_the_export(
    call: Callable[..., Result], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = folder / "note.json"
    mine = weights(folder, note=str(note))
    assert isinstance(call(mine, "--out", "gone/mine.onnx").exception, ExportError)
    monkeypatch.setattr(os, "access", lambda *_: False)
    error = call(mine).exception
    assert "mine.onnx cannot be written: you may not write into" in str(error)
    assert not note.exists(), "nothing was exported"


@pytest.mark.parametrize("before", [None, b"an older one"])
def test_both_files_are_kept_or_neither(
    call: Callable[..., Result], folder: Path, monkeypatch: pytest.MonkeyPatch, before: bytes | None
) -> None:
    mine = weights(folder)
    if before is not None:
        (folder / "mine.onnx").write_bytes(before)
    there = {path.name for path in folder.iterdir()}
    replace = os.replace

    def full(source: Path, place: Path) -> None:
        if place.name == "mine.onnx.yaml":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, place)

    monkeypatch.setattr(os, "replace", full)
    error = call(mine, "--overwrite").exception
    assert isinstance(error, ExportError)
    assert str(error) == "mine.onnx cannot be written: No space left on device"
    assert {path.name for path in folder.iterdir()} == there
    if before is not None:
        assert (folder / "mine.onnx").read_bytes() == before


def test_without_ultralytics_it_says_how_to_get_it(
    call: Callable[..., Result], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH")
    broken = folder.parent / "site/torch.py"
    broken.write_text("import no_such_module_here")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    error = call(weights(folder)).exception
    assert isinstance(error, ExportError)
    assert "has no no_such_module_here" in str(error)
    assert INSTALL.format(sys.executable) in str(error)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        # outputs that do not fit the names, and names that no entry can have
        ({"shape": [1, 9, 10]}, BadModel),
        ({"names": ["car", "car"]}, ManifestError),
    ],
)
def test_a_model_that_does_not_run_as_described_is_not_kept(
    call: Callable[..., Result], folder: Path, told: dict[str, Any], kind: type[Exception]
) -> None:
    assert isinstance(call(weights(folder, **told)).exception, kind)
    assert [path.name for path in folder.iterdir()] == ["mine.pt"]


def test_the_process_shares_nothing_with_the_program() -> None:
    text = (REPO / "models/export.py").read_text("utf-8")
    imported = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    ours = {"models", "streams", "vision", "api", "samples"}
    assert not [name for name in imported if (name or "").partition(".")[0] in ours]
    parent = (REPO / "models/exporting.py").read_text("utf-8")
    assert f'"{ANSWER}"' in parent
    assert f'"{MODEL}"' in parent


def test_nobody_imports_what_drives_ultralytics() -> None:
    for top in ("vision", "streams", "models", "api"):
        for path in (REPO / top).rglob("*.py"):
            text = path.read_text("utf-8")
            assert "models.export import" not in text, path
            assert "import models.export" not in text, path
