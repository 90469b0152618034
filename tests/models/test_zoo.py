"""From a name or path to bytes: only what was hashed is handed out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from models import zoo
from models.errors import ManifestError, MissingWeights, UnknownModel, WrongHash
from models.manifest import ModelEntry
from models.zoo import VerifiedModel, cache_folder, is_present, load_manifest, resolve, resolve_all
from tests.models.test_manifest import MEASURED

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


@pytest.mark.parametrize("sums", [True, False])
def test_a_quantised_model_runs_what_the_processor_computes_rightly(
    sums: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "sums_byte_products", lambda: sums)
    entry = load_manifest()["nanodet_g_int8"]
    assert isinstance(entry, ModelEntry)
    assert entry.reduced is not None
    model = resolve("nanodet_g_int8", cache=tmp_path)
    wanted = entry.sha256 if sums else entry.reduced.sha256
    assert hashlib.sha256(model.content).hexdigest() == wanted
    for reduced, sha256 in ((False, entry.sha256), (True, entry.reduced.sha256)):
        asked = resolve("nanodet_g_int8", cache=tmp_path, reduced=reduced)
        assert hashlib.sha256(asked.content).hexdigest() == sha256
        # either file is known wherever it lies
        (tmp_path / "copy.onnx").write_bytes(asked.content)
        assert resolve(str(tmp_path / "copy.onnx"), cache=tmp_path, reduced=reduced).entry is entry
    # a model of one file has no other
    own = resolve("nanodet_g", cache=tmp_path)
    assert resolve("nanodet_g", cache=tmp_path, reduced=True) == own


@pytest.mark.parametrize("sums", [True, False])
def test_a_copied_quantised_file_runs_only_where_it_is_computed_rightly(
    sums: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "sums_byte_products", lambda: sums)
    own, second = (
        resolve("nanodet_g_int8", cache=tmp_path, reduced=each).content for each in (False, True)
    )
    path, beside = tmp_path / "copy.onnx", tmp_path / "nanodet_g_int8.reduced.onnx"
    path.write_bytes(own)
    if sums:
        assert resolve(str(path), cache=tmp_path).content == own
        assert [model.content for _, model in resolve_all(str(path), cache=tmp_path)] == [own]
    else:
        for look in (resolve, resolve_all):
            with pytest.raises(MissingWeights, match="name the model 'nanodet_g_int8' instead"):
                look(str(path), cache=tmp_path)
    beside.write_bytes(second)
    assert resolve(str(path), cache=tmp_path).content == (own if sums else second)
    assert [each.content for _, each in resolve_all(str(path), cache=tmp_path)] == [own, second]
    # weights of seven bits do on every processor
    assert resolve(str(beside), cache=tmp_path).content == second
    (told,) = resolve_all(str(beside), cache=tmp_path)
    assert (told[0].file, told[1].content) == (beside.name, second)
    beside.write_bytes(own)
    if not sums:
        with pytest.raises(WrongHash, match="nanodet_g_int8 as stated"):
            resolve(str(path), cache=tmp_path)


def test_the_second_file_of_a_sidecar_lies_beside_it_and_is_hashed(
    save_model: Save, tmp_path: Path
) -> None:
    other = b"seven bits"
    stated = {
        "file": "model.reduced.onnx",
        "sha256": hashlib.sha256(other).hexdigest(),
        "size": len(other),
    }
    path = save_model(b"content", reduced=stated, quantised=MEASURED)
    with pytest.raises(MissingWeights, match=r"model\.reduced\.onnx cannot be read"):
        resolve(str(path), cache=tmp_path, reduced=True)
    (tmp_path / "model.reduced.onnx").write_bytes(other)
    assert resolve(str(path), cache=tmp_path, reduced=True).content == other
    assert resolve(str(path), cache=tmp_path, reduced=False).content == b"content"
    (tmp_path / "model.reduced.onnx").write_bytes(b"eight bits")
    with pytest.raises(WrongHash, match=r"model\.reduced\.onnx is not model as stated"):
        resolve(str(path), cache=tmp_path, reduced=True)


@pytest.mark.parametrize("name", ["yolo", "", "nanodet_g "])
def test_an_unknown_name_lists_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="nanodet_g, nanodet_g_int8, yolox_nano"):
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
