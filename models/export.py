"""Drives ultralytics, in a process of its own: ``python -P models/export.py JOB``.

Ultralytics is AGPL-3.0 and brings PyTorch. Nothing of ours imports this module, and it imports
nothing of ours, so that the Python that runs it may be of another environment
(``models.exporting`` starts it). JOB is JSON, the arguments of ``export``; what came of it is
written into the current folder.
"""

from __future__ import annotations

import ast
import json
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

ANSWER = "answer.json"
MODEL = "model.onnx"
OPSET = 17
"""What every onnxruntime of the last years takes, and PyTorch's exporter knows best."""
SIZE_STEP = 32
"""A dynamic model has to take every height and width that is a multiple of this, px."""
SEED = 0
"""An untrained model has the same weights whenever it is made."""


def export(weights: str, height: int, width: int, nms_free: bool, trusted: bool) -> dict[str, Any]:
    """Write ``MODEL`` from ``weights``, a .pt file here, or the .yaml of an untrained model here
    or of ultralytics' own, and tell what it is.

    Unless ``trusted``, nothing in a file is run: ``{"unsafe": version}`` where these versions
    cannot promise that. ``{"missing": name}`` names a package that is not installed.
    """
    try:
        import onnx
        import torch
        from ultralytics import YOLO, __version__
        from ultralytics.nn import tasks
    except ImportError as error:
        return {"missing": error.name or str(error)}
    restricted = getattr(tasks, "SAFE_LOAD", False) and tasks._SafeLoad.SUPPORTED
    if not trusted and not restricted and Path(weights).exists():
        return {"unsafe": f"ultralytics {__version__} with torch {torch.__version__}"}
    torch.manual_seed(SEED)
    model = YOLO(weights)
    if model.task != "detect":
        return {"failed": f"its task is {model.task}, and only models that detect are exported"}
    dynamic = SIZE_STEP % int(max(model.model.stride)) == 0
    head = {"nms": False} if nms_free else {}
    written = model.export(
        format="onnx", imgsz=[height, width], dynamic=dynamic, simplify=False, opset=OPSET,
        device="cpu", verbose=False, **head,
    )  # fmt: skip
    Path(written).rename(MODEL)
    stated = {each.key: each.value for each in onnx.load(MODEL).metadata_props}
    names = ast.literal_eval(stated["names"])
    size = ast.literal_eval(stated["imgsz"])
    return {
        "version": __version__,
        "classes": [str(names[number]) for number in range(len(names))],
        "channels": int(stated.get("channels", 3)),
        "height": size[0],
        "width": size[1],
        "dynamic": dynamic,
        "end_to_end": stated.get("end2end") == "True",
    }


def _tell(answer: dict[str, Any]) -> None:
    Path(ANSWER).write_text(json.dumps(answer), "utf-8")


def _tell_of_failure(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    _tell({"failed": f"{kind.__name__}: {' '.join(str(error).split())}"})
    traceback.print_exception(kind, error, trace)


def _stay_offline(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"}:
        raise OSError("an export connects to nothing")


if __name__ == "__main__":
    sys.excepthook = _tell_of_failure
    sys.addaudithook(_stay_offline)
    _tell(export(**json.loads(sys.argv[1])))
