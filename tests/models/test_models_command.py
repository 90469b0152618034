"""``matakota models`` from the outside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.cli import models as command
from models.errors import BuildError, PullError, WrongHash
from models.zoo import load_manifest, resolve


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("MATAKOTA_MODELS", str(tmp_path / "zoo"))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(command.app, arguments)


def test_list_shows_every_model_and_where_pulled_ones_go(call: Callable[..., Result]) -> None:
    result = call("list")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    both = ["Apache-2.0", "AND", "MIT"]
    assert ["nanodet_g", "7.6", *both, "objects", "yolov8", "yes"] in lines
    assert ["nanodet_g_int8", "7.8", *both, "objects", "yolov8", "yes"] in lines
    assert "Of nanodet_g_int8 this machine runs nanodet_g_int8." in result.stdout
    assert ["yolox_nano", "3.7", "Apache-2.0", "objects", "yolox", "no"] in lines
    assert ["movenet_multipose", "9.5", *both, "poses", "movenet_multipose", "yes"] in lines
    assert "zoo" in result.stdout


def test_verify_checks_what_is_present(call: Callable[..., Result]) -> None:
    result = call("verify")
    assert result.exit_code == 0
    for name in ("nanodet_g", "movenet_multipose"):
        assert load_manifest()[name].sha256 in result.stdout
    assert "yolox" not in result.stdout


def test_verify_refuses_another_file(call: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "yolox_nano.onnx").write_bytes(b"another")
    assert isinstance(call("verify").exception, WrongHash)
    assert isinstance(call("verify", "yolox_nano").exception, WrongHash)


def test_verify_takes_a_file_with_a_sidecar(
    call: Callable[..., Result], save_model: Callable[..., Path]
) -> None:
    path = save_model(b"content")
    result = call("verify", str(path))
    assert result.exit_code == 0
    assert "as stated, 7 bytes" in result.stdout


def test_verify_says_what_it_read_of_a_copy(call: Callable[..., Result], tmp_path: Path) -> None:
    content = resolve("nanodet_g_int8", cache=tmp_path, reduced=True).content
    (tmp_path / "copy.onnx").write_bytes(content)
    result = call("verify", "copy.onnx")
    sha256 = hashlib.sha256(content).hexdigest()
    assert result.stdout == (
        f"copy.onnx (nanodet_g_int8.reduced.onnx): as stated, {len(content)} bytes, "
        f"sha256 {sha256}\n"
    )


def test_pull_leaves_errors_to_the_edge(call: Callable[..., Result]) -> None:
    assert isinstance(call("pull", "nanodet_g").exception, PullError)


def test_build_compares_with_the_manifest(
    call: Callable[..., Result],
    tmp_path: Path,
    make_graph: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command, "build_model", lambda name, package: make_graph())
    assert isinstance(call("build", "nanodet_g").exception, WrongHash)
    assert (tmp_path / "nanodet_g.onnx").read_bytes() == make_graph()
    gone = call("build", "nanodet_g", "--out", str(tmp_path / "gone" / "x.onnx")).exception
    assert isinstance(gone, BuildError)
    assert "No such file" in str(gone)
