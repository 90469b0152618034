"""``matakota models export`` with ultralytics itself, where the extra ``export`` is installed."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.errors import ExportError
from models.exporting import Wish, export
from models.session import load_session
from models.zoo import resolve
from streams.detector import build_detector
from vision.letterbox import letterbox
from vision.types import Frame

OUTPUTS = """
import sys
import numpy as np
import torch
from ultralytics import YOLO

torch.manual_seed(3)
model = YOLO("yolo11n.yaml")
for part in model.model.model[-1].cv3:
    part[-1].bias.data[:] = -1.0
model.model.names = dict(enumerate(["person", "car"] + [f"class {i}" for i in range(2, 80)]))
model.save("mine.pt")
net = YOLO("mine.pt").model.float().eval().fuse()
for path in sys.argv[1:]:
    with torch.no_grad():
        np.save(path + ".out.npy", net(torch.from_numpy(np.load(path)))[0].numpy())
"""


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The Python that has ultralytics, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    if other := os.environ.get("MATAKOTA_EXPORT_PYTHON"):
        return other
    missing = [name for name in ("torch", "ultralytics") if not importlib.util.find_spec(name)]
    if missing:
        pytest.skip(f"no {missing[0]}: the extra 'export' is not installed")
    return sys.executable


@pytest.mark.long
def test_an_untrained_model_runs_at_every_size(python: str, tmp_path: Path) -> None:
    made = export(Wish("yolo11n.yaml", python=python), tmp_path / "yolo11n.onnx")
    assert (made.entry.layout, made.entry.input.dynamic) == ("yolov8", True)
    model = resolve(str(made.path), cache=tmp_path)
    image = np.full((360, 640, 3), 90, np.uint8)
    for size, shape in (((640, 360), (384, 640)), ((640, 640), (640, 640))):
        detector = build_detector(model, frame_size=size, classes=("person",))
        assert detector.spec.input_size == shape
        detector.find(Frame("a", 0, 0.0, image))


@pytest.mark.long
def test_a_head_without_nms_runs(python: str, tmp_path: Path) -> None:
    made = export(Wish("yolo26n.yaml", nms_free=True, python=python), tmp_path / "y26.onnx")
    assert made.entry.layout == "end_to_end"


@pytest.mark.long
def test_what_it_computes_is_what_the_weights_compute(python: str, tmp_path: Path) -> None:
    image = np.random.default_rng(5).integers(0, 255, (90, 160, 3), np.uint8)
    sizes = ((384, 640), (640, 640), (192, 640))
    inputs = []
    for size in sizes:
        fitted = letterbox(image, size, 114, True)[0].transpose(2, 0, 1)
        inputs.append(fitted[None].astype(np.float32) / 255)
        np.save(tmp_path / f"{size[0]}.npy", inputs[-1])
    offline = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": "."}
    paths = [f"{size[0]}.npy" for size in sizes]
    subprocess.run([python, "-c", OUTPUTS, *paths], env={**os.environ, **offline}, check=True)
    made = export(Wish("mine.pt", python=python), tmp_path / "mine.onnx")
    assert made.entry.classes[:2] == ("person", "car")
    for size, given, path in zip(sizes, inputs, paths, strict=True):
        session = load_session(resolve(str(made.path), cache=tmp_path), input_size=size)
        [found] = session.run(given)
        true = np.load(f"{path}.out.npy")
        assert np.abs(found[:, :4] - true[:, :4]).max() < 0.01, "px"
        assert np.abs(found[:, 4:] - true[:, 4:]).max() < 1e-5


class Strange:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, ("run",))


@pytest.mark.long
def test_code_in_a_file_is_not_run(python: str, tmp_path: Path) -> None:
    (tmp_path / "strange.pt").write_bytes(pickle.dumps(Strange()))
    (tmp_path / "strange.yaml").write_text(
        "{nc: 1, activation: __import__('os').mkdir('run'), backbone: [[-1, 1, Conv, [16, 3, 2]]], "
        "head: [[[0], 1, Detect, [nc]]]}"
    )
    for name in ("strange.pt", "strange.yaml"):
        with pytest.raises(ExportError, match="add --trust only where you know"):
            export(Wish(name, python=python), tmp_path / "strange.onnx")
    assert not (tmp_path / "run").exists()
