"""A classifier as a second opinion, with models made for the test."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

import api.cli.opinions as command
from models.errors import BadModel, ManifestError
from models.manifest import ClassifyEntry
from models.session import load_classifier
from models.zoo import VerifiedModel, resolve
from streams.opinionclassifier import ClassifierAdviser
from streams.opinions import Opinion
from tests.streams.test_opinions import event
from vision.errors import ConfigError, OpinionError

CLASSES = ["fire", "smoke", "street"]
CONFIRMS = {"smoke_fire": ["fire", "smoke"]}


def graph(classes: int = 3, image: tuple[int, ...] = (1, 3, 32, 48)) -> bytes:
    """Gives the mean of red, green and blue, each times ten, and nothing for more classes."""
    spread = np.zeros((3, classes), np.float32)
    spread[: min(3, classes), : min(3, classes)] = 10 * np.eye(min(3, classes))
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "spread"], ["scores"]),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, image)],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, classes))],
            [numpy_helper.from_array(spread, "spread")],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    model.ir_version = 9
    return bytes(model.SerializeToString())


def fields(content: bytes, **changes: Any) -> dict[str, Any]:
    return {
        "name": "tiny",
        "file": "tiny.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "licence": "CC0-1.0",
        "source": "made for the test",
        "task": "classify",
        "input": {
            "height": 32,
            "width": 48,
            "colour": "rgb",
            "scale": 1 / 255,
            "padding": {"value": 0, "align": "top_left"},
        },
        "scores": "softmax",
        "classes": CLASSES,
        "confirms": CONFIRMS,
        **changes,
    }


def adviser(**changes: Any) -> ClassifierAdviser:
    content = graph()
    entry = ClassifyEntry.model_validate(fields(content, **changes))
    return ClassifierAdviser.of(VerifiedModel(entry, content))


def picture(blue: int, green: int, red: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.full((64, 96, 3), (blue, green, red), np.uint8)


@pytest.mark.parametrize(
    ("colour", "scores", "verdict", "words"),
    [
        ((0, 0, 255), "softmax", "confirmed", "fire 100%, fire or smoke 100%"),
        ((255, 0, 0), "softmax", "doubted", "street 100%, fire or smoke 0%"),
        ((153, 0, 128), "softmax", "unsure", "street 73%, fire or smoke 27%"),
        # each class by itself: none is one half
        ((0, 0, 0), "sigmoid", "confirmed", "fire 50%, fire or smoke 50%"),
        ((255, 0, 0), "sigmoid", "confirmed", "street 100%, fire or smoke 50%"),
    ],
)
def test_what_it_thinks(
    colour: tuple[int, int, int], scores: str, verdict: str, words: str
) -> None:
    found = adviser(scores=scores).ask(picture(*colour), event(kind="smoke_fire"))
    assert found == Opinion(verdict, words, "tiny")  # type: ignore[arg-type]


def test_colours_are_in_the_order_of_the_entry() -> None:
    shown = fields(b"")["input"] | {"colour": "bgr"}
    found = adviser(input=shown).ask(picture(0, 0, 255), event(kind="smoke_fire"))
    assert found.words.startswith("street")


def test_other_kinds_are_not_its_business() -> None:
    with pytest.raises(OpinionError, match="knows nothing of crowd"):
        adviser().ask(picture(0, 0, 0), event(kind="crowd"))


@pytest.mark.parametrize(
    ("content", "changes", "said"),
    [
        (graph(4), {}, "3 classes"),
        (graph(image=(1, 3, 64, 64)), {}, "its entry says"),
        (b"nothing", {}, "does not load"),
    ],
)
def test_a_model_that_is_another_is_refused(
    content: bytes, changes: dict[str, Any], said: str
) -> None:
    entry = ClassifyEntry.model_validate(fields(content, **changes))
    with pytest.raises(BadModel, match=said):
        load_classifier(VerifiedModel(entry, content))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"confirms": {"smoke_fire": ["flood"]}}, "'flood', which is not in classes"),
        ({"confirms": {"smoke_fire": []}}, "nothing, which is not in classes"),
        ({"confirms": {}}, "confirms"),
        ({"classes": ["fire", "fire", "smoke"]}, "twice"),
        ({"input": fields(b"")["input"] | {"dynamic": True}}, "one size"),
        ({"layout": "yolov8"}, "layout is no known field"),
    ],
)
def test_mistakes_of_its_entry(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    model = written(tmp_path, **changes)
    with pytest.raises(ManifestError, match=said):
        resolve(str(model), cache=tmp_path)


def written(folder: Path, **changes: Any) -> Path:
    """The model as a file, with its entry beside it."""
    content = graph()
    model = folder / "tiny.onnx"
    model.write_bytes(content)
    (folder / "tiny.onnx.yaml").write_text(yaml.safe_dump(fields(content, **changes)))
    return model


def test_the_environment_names_it(tmp_path: Path) -> None:
    environ = {"MATAKOTA_OPINION_MODEL": str(written(tmp_path))}
    opinions = command.opinions_of(environ)
    assert opinions is not None
    assert opinions._kinds == {"smoke_fire"}
    with pytest.raises(ConfigError, match=r"_MODEL: no model.*set MATAKOTA_OPINION_URL as well"):
        command.opinions_of({"MATAKOTA_OPINION_MODEL": "looker"})
    with pytest.raises(ConfigError, match="'crowd', of which"):
        command.opinions_of(environ | {"MATAKOTA_OPINION_KINDS": "crowd"})
    written(tmp_path, confirms={"flood": ["street"]})
    with pytest.raises(ConfigError, match="'flood', which is no kind"):
        command.opinions_of(environ)
