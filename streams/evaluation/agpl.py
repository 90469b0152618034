"""Ultralytics, measured in a process of its own: ``python -m streams.evaluation.agpl``.

Ultralytics is AGPL-3.0 and no part of the program: nothing of ours imports this module
(docs/decisions/0014-peers.md). It is run as a child that prints what it found:

- ``tracker OBJECTS ROUNDS``: CPU milliseconds a picture of ``BYTETracker`` at its defaults;
- ``counter ORDER`` and ``supervision ORDER``: a whole clip through Ultralytics'
  ``ObjectCounter``, or through its detector, roboflow's ByteTrack and supervision's ``LineZone``;
  ORDER is the JSON of ``streams.evaluation.wholes.Order``, the answer one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streams.evaluation.cost import SIZE, milliseconds, moving
from streams.evaluation.peers import LinePeer
from streams.evaluation.wholes import WARM_UP, Order
from vision.types import Image


def main(objects: int, rounds: int) -> None:
    """Measure and print; raises ImportError where ultralytics or what it needs is missing."""
    from ultralytics.engine.results import Boxes
    from ultralytics.trackers.byte_tracker import BYTETracker
    from ultralytics.utils import YAML, IterableSimpleNamespace
    from ultralytics.utils.checks import check_yaml

    settings = IterableSimpleNamespace(**YAML.load(check_yaml("bytetrack.yaml")))
    pictures = []
    for found in moving(objects):
        columns = (found.xyxy, found.score[:, None], found.class_id[:, None].astype(np.float32))
        pictures.append(Boxes(np.concatenate(columns, axis=1), SIZE[::-1]))

    def start() -> Callable[[Any], object]:
        update: Callable[[Any], object] = BYTETracker(settings).update
        return update

    print(milliseconds(start, pictures, rounds))  # noqa: T201 - its result, for whoever started it


def whole(kind: str, order: Order) -> None:
    """Run a whole clip and print what it cost and counted."""
    if order.one_thread:
        # every pool of threads has as many as there are cores to run on
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        model = _described(order, Path(folder))
        runs = {"counter": _counter, "supervision": _supervision}
        step, counts = runs[kind](model, order)
        frames, began_s = 0, 0.0
        for image in _images(order.clip):
            # the first ones load the model
            if frames == WARM_UP:
                began_s = time.process_time()
            step(image)
            frames += 1
        spent_s = time.process_time() - began_s
    if frames <= WARM_UP:
        sys.exit(f"the clip has {frames} pictures, of which the first {WARM_UP} are not measured")
    said = {
        "ms": 1000 * spent_s / (frames - WARM_UP),
        "frames": frames,
        "counts": counts(),
        "threads": len(os.sched_getaffinity(0)),
    }
    print(json.dumps(said))  # noqa: T201 - its result, for whoever started it


def _counter(model: Path, order: Order) -> tuple[Callable[[Image], object], Callable[[], Any]]:
    from ultralytics import solutions

    counter = solutions.ObjectCounter(
        model=str(model),
        region=[tuple(map(int, point)) for point in order.line],
        classes=list(order.classes),
        imgsz=order.long_side,
        show=False,
    )
    return counter.process, lambda: [counter.in_count, counter.out_count]


def _supervision(model: Path, order: Order) -> tuple[Callable[[Image], object], Callable[[], Any]]:
    from ultralytics import YOLO

    detector, line = YOLO(str(model), task="detect"), LinePeer(order.line, order.rate)

    def step(image: Image) -> None:
        found = detector.predict(
            image, imgsz=order.long_side, classes=list(order.classes), verbose=False
        )
        line.take(found[0])

    return step, lambda: line.counts


def _described(order: Order, folder: Path) -> Path:
    """A copy of the model that says of itself what Ultralytics' own exports do; the weights are
    the same."""
    import onnx

    model = onnx.load(order.model)
    for value in (model.graph.input[0], model.graph.output[0]):
        # so that pictures keep their shape, as ours do
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(
        model,
        {
            "task": "detect",
            "stride": "32",
            "batch": "1",
            "imgsz": str([order.long_side, order.long_side]),
            "names": str(dict(enumerate(order.names))),
        },
    )
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def _images(clip: str) -> Iterator[Image]:
    """The pictures of a clip, as Ultralytics reads them."""
    from ultralytics.data.loaders import LoadImagesAndVideos

    for _, images, _ in LoadImagesAndVideos(clip):
        yield from images


if __name__ == "__main__":
    if sys.argv[1] == "tracker":
        main(int(sys.argv[2]), int(sys.argv[3]))
    else:
        whole(sys.argv[1], Order.of(sys.argv[2]))
