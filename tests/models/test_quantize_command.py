"""``matakota models quantize`` from the outside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from typer.testing import CliRunner, Result

from api.cli import models_quantize as command
from api.cli.models import app
from models.errors import BadModel, BuildError, LossyModel
from models.manifest import ModelEntry
from models.quantize import QuantisedFiles, quantise
from models.session import load_session
from models.zoo import known, resolve, stated
from streams import samples
from streams.evaluation.quantised import inputs
from tests.api.bad_inputs import FRAMES, PLAZA, cut
from tests.models.convolved import convolved
from vision.errors import ClipError, MatakotaError, OutputError

Call = Callable[..., Result]
Save = Callable[..., Path]
INPUT: dict[str, Any] = {
    "height": 64,
    "width": 96,
    "dynamic": True,
    "colour": "rgb",
    "scale": 1 / 255,
    "padding": {"value": 0, "align": "top_left"},
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("quantize") / "clip.mp4"
    cut(PLAZA, path, FRAMES)
    return path


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("MATAKOTA_MODELS", str(tmp_path / "zoo"))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


def test_a_file_of_ones_own_becomes_two_and_their_entry(
    call: Call, save_model: Save, clip: Path, tmp_path: Path
) -> None:
    path = save_model(convolved(), input=INPUT, rename={"person": "orang"})
    # a model of chance weights finds nothing to compare
    said = "nothing was found to compare on clip.mp4: name clips that show more with --check"
    error = call("quantize", path, clip, "--check", clip).exception
    assert isinstance(error, LossyModel)
    assert said in str(error)
    assert not list(tmp_path.glob("model_int8*"))
    result = call("quantize", path, clip, "--check", clip, "--keep")
    assert result.exit_code == 0, result.output
    assert f"written all the same: {said}" in result.stdout
    assert "2 convolutions of model are INT8" in result.stdout
    assert "0 boxes" in result.stdout
    assert "these are few: name clips under --check" in result.stdout
    assert {each.name for each in tmp_path.glob("model_int8*")} == {
        "model_int8.onnx", "model_int8.reduced.onnx", "model_int8.onnx.yaml",
    }  # fmt: skip
    for reduced, name in ((False, "model_int8.onnx"), (True, "model_int8.reduced.onnx")):
        model = resolve("model_int8.onnx", cache=tmp_path, reduced=reduced)
        assert model.content == (tmp_path / name).read_bytes()
        assert load_session(model, input_size=(64, 64)).output_shapes == ((1, 7, 16 * 16),)
    entry = model.entry
    assert isinstance(entry, ModelEntry)
    assert entry.quantised is not None
    assert entry.quantised.source == "model"
    assert entry.quantised.sha256 == hashlib.sha256(convolved()).hexdigest()
    assert entry.quantised.calibrated_on.clips == ("clip.mp4",)
    assert entry.quantised.calibrated_on.pictures == FRAMES
    assert entry.quantised.agreement.f1 == {"int8": 1.0, "reduced": 1.0}
    assert entry.classes == ("car", "bus", "orang"), "renamed, whatever the file calls them"
    said = call("verify", "model_int8.onnx").stdout
    assert all(each.sha256 in said for each in stated(entry))


@pytest.fixture
def lossy(save_model: Save, make_graph: Callable[..., bytes], monkeypatch: Any) -> Path:
    """A model that finds something in any picture, whose quantised files find nothing."""
    model = onnx.load_model_from_string(make_graph())
    model.graph.node[1].op_type = "ReduceMin"
    blind = model.SerializeToString()
    monkeypatch.setattr(command, "quantise", lambda *_: QuantisedFiles(blind, blind, 1, 1))
    return save_model(make_graph(), input={**INPUT, "dynamic": False, "scale": 0.2})


@pytest.fixture
def same(save_model: Save, make_graph: Callable[..., bytes], monkeypatch: Any) -> Path:
    """A model that finds something in any picture, and whose quantised files find the same."""
    content = make_graph()
    monkeypatch.setattr(command, "quantise", lambda *_: QuantisedFiles(content, content, 1, 1))
    return save_model(content, input={**INPUT, "dynamic": False, "scale": 0.2})


def test_a_model_that_loses_more_than_a_point_is_not_written(
    call: Call, lossy: Path, clip: Path, tmp_path: Path
) -> None:
    error = call("quantize", lossy, clip, "--check", clip).exception
    assert isinstance(error, LossyModel)
    assert "nothing is written: int8 loses 100.0 points of F1 against model" in str(error)
    assert f"{FRAMES} pictures of clip.mp4" in str(error)
    assert "add --keep" in str(error)
    assert "\n" not in str(error)
    assert not list(tmp_path.glob("*int8*"))
    result = call("quantize", lossy, clip, "--check", clip, "--keep", "--out", "mine.onnx")
    assert result.exit_code == 0, result.output
    assert "written all the same: int8 loses" in result.stdout
    assert len(list(tmp_path.glob("mine*"))) == 3


@pytest.mark.parametrize("name", ["mine.onnx", "mine.reduced.onnx", "mine.onnx.yaml"])
def test_what_is_there_is_replaced_on_request(
    call: Call, same: Path, clip: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"of somebody")
    arguments = ("quantize", same, clip, "--check", clip, "--out", "mine.onnx")
    error = call(*arguments).exception
    assert isinstance(error, BuildError)
    assert str(error) == f"{name} is there already: name another --out, or add --overwrite"
    assert (tmp_path / name).read_bytes() == b"of somebody"
    result = call(*arguments, "--overwrite")
    assert result.exit_code == 0, result.output
    assert "written all the same" not in result.stdout
    assert len(list(tmp_path.glob("mine*"))) == 3
    assert resolve("mine.onnx", cache=tmp_path, reduced=False).content == same.read_bytes()


def test_what_cannot_be_is_one_line(
    call: Call, save_model: Save, make_graph: Callable[..., bytes], clip: Path, tmp_path: Path
) -> None:
    path = save_model(make_graph())
    cases: list[tuple[tuple[Any, ...], type[Exception], str]] = [
        (("movenet_multipose", clip), BadModel, "finds no objects: only a detector"),
        ((path, clip, "--out", "mine.bin"), BuildError, "mine.bin is no name of a model"),
        ((path, clip, "--out", "my own.onnx"), BuildError, "my own.onnx is no name of a model"),
        ((path, clip, "--out", "gone/a.onnx"), BuildError, "there is no folder gone; create it"),
        ((path, clip, "--out", path), OutputError, "would overwrite"),
        ((path, clip, "--truth", "other=x"), MatakotaError, "write CLIP=DIR"),
        ((path, clip, "--check", clip), BuildError, "no convolution that can be quantised"),
    ]
    for arguments, kind, said in cases:
        error = call("quantize", *arguments).exception
        assert isinstance(error, kind), (arguments, error)
        assert said in str(error)
        assert "\n" not in str(error)
    save_model(convolved(), input=INPUT)
    error = call("quantize", path, tmp_path / "gone.mp4", "--check", clip).exception
    assert isinstance(error, ClipError)
    assert not list(tmp_path.glob("*int8*"))


@pytest.mark.long
def test_the_shipped_files_are_made_by_their_command() -> None:
    entry = known("nanodet_g")
    assert isinstance(entry, ModelEntry)
    plaza = samples.folder() / samples.known("plaza").file
    pictures = inputs(entry, plaza, command.CALIBRATION_PICTURES)
    made = quantise("nanodet_g", resolve("nanodet_g", cache=plaza.parent).content, pictures)
    own, second = stated(known("nanodet_g_int8"))
    assert hashlib.sha256(made.content).hexdigest() == own.sha256
    assert hashlib.sha256(made.reduced).hexdigest() == second.sha256
