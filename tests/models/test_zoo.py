"""From a name or path to bytes: only what was hashed is handed out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from models import zoo
from models.errors import ManifestError, MissingWeights, UnknownModel, WrongHash
from models.zoo import VerifiedModel, cache_folder, is_present, load_manifest, resolve

Save = Callable[..., Path]


def test_the_embedded_model_is_there_and_whole(tmp_path: Path) -> None:
    model = resolve("nanodet_g", cache=tmp_path)
    assert model.entry is load_manifest()["nanodet_g"]
    assert len(model.content) == model.entry.size <= 8_000_000
    assert is_present(model.entry, tmp_path)
    assert repr(model) == f"VerifiedModel(nanodet_g, {model.entry.size} bytes)"


def test_a_model_that_was_not_pulled_says_how(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"matakota models pull yolox_nano.*yolox_nano\.onnx"):
        resolve("yolox_nano", cache=tmp_path)
    assert not is_present(load_manifest()["yolox_nano"], tmp_path)


def test_a_file_in_the_cache_is_hashed(tmp_path: Path) -> None:
    (tmp_path / "yolox_nano.onnx").write_bytes(b"something else")
    stated = load_manifest()["yolox_nano"].sha256
    with pytest.raises(WrongHash, match=f"expected sha256 {stated}, found [0-9a-f]{{64}}"):
        resolve("yolox_nano", cache=tmp_path)


def test_a_larger_file_than_stated_is_refused(tmp_path: Path) -> None:
    size = load_manifest()["yolox_nano"].size
    (tmp_path / "yolox_nano.onnx").write_bytes(bytes(size + 1))
    with pytest.raises(WrongHash, match=f"larger than the stated {size} bytes"):
        resolve("yolox_nano", cache=tmp_path)


@pytest.mark.parametrize("name", ["yolo", "", "nanodet_g "])
def test_an_unknown_name_lists_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="nanodet_g, yolox_nano"):
        resolve(name, cache=tmp_path)


def test_a_file_with_its_sidecar_is_accepted(save_model: Save, tmp_path: Path) -> None:
    path = save_model(b"content")
    model = resolve(str(path), cache=tmp_path)
    assert model.content == b"content"
    assert model.entry.name == "model"
    assert model.entry.classes == ("car", "bus", "person")


def test_a_sidecar_with_another_hash_is_refused(save_model: Save, tmp_path: Path) -> None:
    path = save_model(b"content", sha256="1" * 64)
    with pytest.raises(WrongHash, match=f"expected sha256 {'1' * 64}, found"):
        resolve(str(path), cache=tmp_path)


def test_a_sidecar_that_is_wrong_names_file_and_field(save_model: Save, tmp_path: Path) -> None:
    path = save_model(b"content", layout="yolov9")
    with pytest.raises(ManifestError, match=r"model\.onnx\.yaml: layout is 'yolov9'"):
        resolve(str(path), cache=tmp_path)


def test_a_sidecar_of_another_file_is_refused(save_model: Save, tmp_path: Path) -> None:
    path = save_model(b"content", file="other.onnx")
    with pytest.raises(ManifestError, match=r"speaks of model\.onnx"):
        resolve(str(path), cache=tmp_path)


def test_a_sidecar_that_is_no_text_is_refused(save_model: Save, tmp_path: Path) -> None:
    path = save_model(b"content")
    path.with_name("model.onnx.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match="cannot be read as text"):
        resolve(str(path), cache=tmp_path)


def test_a_file_that_nothing_describes_says_what_to_write(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(UnknownModel, match=r"write .*notes\.txt\.yaml with sha256 2cf24d.*size 5"):
        resolve(str(path), cache=tmp_path)


def test_a_file_is_known_by_its_hash_wherever_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "renamed.onnx"
    path.write_bytes(resolve("nanodet_g", cache=tmp_path).content)
    assert resolve(str(path), cache=tmp_path).entry.name == "nanodet_g"


def test_a_path_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"gone\.onnx cannot be read \(No such file"):
        resolve(str(tmp_path / "gone.onnx"), cache=tmp_path)
    with pytest.raises(MissingWeights, match="check the path"):
        resolve(str(tmp_path), cache=tmp_path)


def test_verify_gives_the_model_only_for_its_own_bytes(tmp_path: Path) -> None:
    model = resolve("nanodet_g", cache=tmp_path)
    assert zoo.verify(model.entry, model.content, "here") == model
    with pytest.raises(WrongHash, match="here is not nanodet_g as stated"):
        zoo.verify(model.entry, model.content[:-1], "here")
    assert isinstance(model, VerifiedModel)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"MATAKOTA_MODELS": "/data/models"}, Path("/data/models")),
        ({"XDG_CACHE_HOME": "/cache"}, Path("/cache/matakota/models")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/matakota/models"),
        ({"MATAKOTA_MODELS": ""}, Path.home() / ".cache/matakota/models"),
    ],
)
def test_the_cache_folder_follows_the_environment(
    environment: dict[str, str], expected: Path
) -> None:
    assert cache_folder(environment) == expected
