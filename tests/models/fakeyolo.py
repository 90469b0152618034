"""A stand-in for ultralytics and PyTorch, as files on the path of the process that exports.

Weights are JSON, which says what the stand-in does.
"""

from __future__ import annotations

from pathlib import Path

_ULTRALYTICS = """
import json, os, socket
from pathlib import Path
from types import SimpleNamespace

import onnx
from onnx import TensorProto, helper, numpy_helper
import numpy as np

__version__ = "8.4.0"


class YOLO:
    def __init__(self, weights):
        path = Path(weights)
        self.told = told = json.loads(path.read_text()) if path.exists() else {}
        if "raises" in told:
            raise TypeError(told["raises"])
        if told.get("dies"):
            os._exit(3)
        if told.get("connects"):
            socket.getaddrinfo("localhost", 80)
        self.task = told.get("task", "detect")
        self.model = SimpleNamespace(stride=told.get("stride", [8.0, 16.0, 32.0]))

    def export(self, **wanted):
        if "note" in self.told:
            note = {"wanted": wanted, "variables": dict(os.environ), "here": os.getcwd()}
            Path(self.told["note"]).write_text(json.dumps(note))
        names = self.told.get("names", [str(i) for i in range(80)])
        ends = wanted.get("nms") is False
        shape = self.told.get("shape", [1, 50, 6] if ends else [1, 4 + len(names), 10])
        sides = ["height", "width"] if wanted["dynamic"] else wanted["imgsz"]
        made = helper.make_model(
            helper.make_graph(
                [
                    helper.make_node("ReduceMax", ["images"], ["peak"], keepdims=0),
                    helper.make_node("Expand", ["peak", "shape"], ["output0"]),
                ],
                "fake",
                [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *sides])],
                [helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)],
                [numpy_helper.from_array(np.array(shape, np.int64), "shape")],
            ),
            opset_imports=[helper.make_opsetid("", wanted["opset"])],
        )
        made.ir_version = 8
        stated = {
            "names": dict(enumerate(names)), "imgsz": wanted["imgsz"], "end2end": ends,
            "channels": self.told.get("channels", 3),
        }
        for key, value in stated.items():
            made.metadata_props.add(key=key, value=str(value))
        onnx.save(made, "made.onnx")
        return "made.onnx"
"""
_TORCH = """
__version__ = "2.6"


def manual_seed(seed):
    pass
"""
_TASKS = """
import os


class _SafeLoad:
    SUPPORTED = {supported}


SAFE_LOAD = os.environ["ULTRALYTICS_SAFE_LOAD"] == "true"
"""


def write(folder: Path, supported: bool = True) -> Path:
    """The stand-in's files in ``folder``; ``supported``: it can load without running anything."""
    (folder / "ultralytics/nn").mkdir(parents=True)
    (folder / "ultralytics/__init__.py").write_text(_ULTRALYTICS)
    (folder / "ultralytics/nn/__init__.py").touch()
    (folder / "ultralytics/nn/tasks.py").write_text(_TASKS.format(supported=supported))
    (folder / "torch.py").write_text(_TORCH)
    return folder
