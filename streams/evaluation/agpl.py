"""Ultralytics' tracker, measured in a process of its own: ``python -m streams.evaluation.agpl``.

Ultralytics is AGPL-3.0 and no part of the program: nothing of ours imports this module. It is run
as a child that takes a number of objects and of rounds and prints CPU milliseconds a picture of
``BYTETracker`` at its default settings (docs/decisions/0014-peers.md).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from streams.evaluation.cost import SIZE, milliseconds, moving


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


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
