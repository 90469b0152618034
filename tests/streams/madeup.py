"""A model that is made up, for tests in which nothing is detected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from models.manifest import ModelEntry
from models.zoo import VerifiedModel
from streams import detector as module

CLASSES = ("person", "car", "bus", "becak")


def entry(**changes: Any) -> ModelEntry:
    """A made-up model of a fixed size, changed."""
    fields: dict[str, Any] = {
        "name": "made_up",
        "file": "made_up.onnx",
        "sha256": "0" * 64,
        "size": 1000,
        "licence": "Apache-2.0",
        "source": "made by a test",
        "input": made_up_input(),
        "layout": "yolov8",
        "classes": CLASSES,
        "thresholds": {"low": 0.11, "match": 0.22, "birth": 0.33},
        "nms": {"iou": 0.44},
        "count_as_one": [{"classes": ["car", "bus"], "iou": 0.55, "containment": 0.66}],
    }
    return ModelEntry.model_validate({**fields, **changes})


def made_up_input(**changes: Any) -> dict[str, Any]:
    fields = {
        "height": 320,
        "width": 416,
        "dynamic": False,
        "colour": "bgr",
        "scale": 1.0,
        "padding": {"value": 114, "align": "centre"},
    }
    return {**fields, **changes}


class NoSession:
    def run(self, batch: Any) -> Sequence[Any]:
        raise AssertionError("nothing is detected in these tests")


def note_loads(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What ``load_session`` is called with; no model is read."""
    calls: list[dict[str, Any]] = []

    def load(model: VerifiedModel, **options: Any) -> NoSession:
        calls.append({"model": model, **options})
        return NoSession()

    monkeypatch.setattr(module, "load_session", load)
    return calls
