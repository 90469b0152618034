"""Other trackers on the same boxes: the one home of roboflow's ``trackers``.

Each runs at its default settings, with the true frame rate. BoT-SORT runs without its camera
motion, which needs pictures; none of them looks at appearance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.evaluation.cost import FRAME_RATE, ROUNDS, milliseconds, moving
from streams.evaluation.mot import Rows, Sequence
from vision.errors import MatakotaError
from vision.types import Detections

PEERS = ("sort", "bytetrack", "ocsort", "botsort")


class Peer:
    """A fresh peer, one of ``PEERS``, for ``frame_rate`` pictures a second.

    Raises MatakotaError where roboflow's trackers is not installed.
    """

    def __init__(self, name: str, frame_rate: float) -> None:
        self._supervision, trackers = _packages()
        kinds = {
            "sort": trackers.SORTTracker,
            "bytetrack": trackers.ByteTrackTracker,
            "ocsort": trackers.OCSORTTracker,
            "botsort": trackers.BoTSORTTracker,
        }
        blind = {"enable_cmc": False} if name == "botsort" else {}
        self.update: Callable[[Any], Any] = kinds[name](frame_rate=frame_rate, **blind).update
        """Takes and returns supervision's detections."""

    def wrap(self, found: Detections) -> Any:
        """``found`` as supervision has them."""
        return self._supervision.Detections(
            xyxy=found.xyxy, confidence=found.score, class_id=found.class_id
        )


class LinePeer:
    """Roboflow's ByteTrack and supervision's line from one point (px) to another, each at its
    defaults, for ``frame_rate`` pictures a second. Raises as ``Peer``."""

    def __init__(
        self, line: tuple[tuple[float, float], tuple[float, float]], frame_rate: float
    ) -> None:
        self._supervision, _ = _packages()
        self._tracker = Peer("bytetrack", frame_rate)
        start, end = (self._supervision.Point(*point) for point in line)
        self._line = self._supervision.LineZone(start=start, end=end)

    def take(self, result: Any) -> None:
        """What Ultralytics found in the next picture."""
        found = self._supervision.Detections.from_ultralytics(result)
        tracked = self._tracker.update(found)
        self._line.trigger(tracked[tracked.tracker_id >= 0])

    @property
    def counts(self) -> tuple[int, int]:
        """How many passed in and out."""
        return self._line.in_count, self._line.out_count


def track(name: str, sequence: Sequence) -> Rows:
    """Run the peer ``name`` over the detections of ``sequence``; its rows are the boxes to which
    it gave an identity. Raises MatakotaError where roboflow's trackers is not installed."""
    peer = Peer(name, sequence.frame_rate)
    frames, ids, boxes = list[int](), list[int](), list[NDArray[np.floating]]()
    for frame, found in enumerate(sequence.detections, 1):
        result = peer.update(peer.wrap(found))
        known = np.flatnonzero(result.tracker_id >= 0)
        frames += [frame] * len(known)
        ids += result.tracker_id[known].tolist()
        boxes += list(result.xyxy[known])
    return Rows.of(frames, ids, boxes)


def cost(name: str, objects: int, rounds: int = ROUNDS) -> float:
    """CPU milliseconds a picture of the peer ``name``, its input prepared beforehand.

    Raises MatakotaError where roboflow's trackers is not installed.
    """
    maker = Peer(name, FRAME_RATE)
    pictures = [maker.wrap(found) for found in moving(objects)]
    return milliseconds(lambda: Peer(name, FRAME_RATE).update, pictures, rounds)


def _packages() -> tuple[Any, Any]:
    try:
        import supervision
        import trackers
    except ImportError as error:
        raise MatakotaError(
            "roboflow's trackers is not installed: run 'make setup', or "
            "'pip install supervision' and 'pip install --no-deps trackers'"
        ) from error
    return supervision, trackers
