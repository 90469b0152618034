"""A model and what moves, together: what the model does not know is still seen while it moves.

The model says what things are; motion adds what no box of the model explains, as ``moving``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from vision.detect import Finder, Look, look
from vision.errors import DetectorError
from vision.foreground import MOVING, MotionDetector
from vision.geometry import areas, intersections, iou
from vision.types import BoolArray, Detections, FloatArray, Frame, IntArray

ANY_GROUP: Final = -1
"""In ``group_of``: a class that fits every group, and says nothing of what the object is."""
EXPLAINED = 0.5
"""A blob of which the model's boxes cover this part, or that covers this part of one, is theirs:
a blob has its object's shadow and hides what is under the threshold."""
FITS_IOU = 0.5
"""A box that overlaps a blob by so much fits it."""


class FusedFinder:
    """Finds what ``model`` finds, and what moves besides.

    ``classes`` and ``wanted`` are the model's and ``moving``, whose group is ``ANY_GROUP``: a
    track may be a car in one frame and only move in the next, and stays a car. Boxes of the model
    from ``birth`` on explain what moves there; those from ``match`` on do so where they fit it.
    Fainter ones explain nothing. Both are scores of the model, as in its ``TrackerSettings``,
    which fit its boxes and those of ``moving`` alike. Raises DetectorError where the model has a
    class ``moving`` itself.
    """

    def __init__(
        self, model: Finder, motion: MotionDetector, *, match: float = 0.3, birth: float = 0.4
    ) -> None:
        if MOVING in model.classes:
            raise DetectorError(
                f"the model has a class '{MOVING}' of its own: rename it, or use the model alone"
            )
        self._model = model
        self._motion = motion
        self._match = match
        self._birth = birth
        self.classes = (*model.classes, MOVING)
        self.wanted = (*model.wanted, MOVING)
        self.group_of: IntArray = np.append(model.group_of, ANY_GROUP).astype(np.int32)

    def find(self, frame: Frame) -> Detections:
        """The model's detections, as they are, then what moves besides, the largest first, all in
        the frame's own pixels."""
        return self.look(frame).found

    def look(self, frame: Frame) -> Look:
        """The same, and the model's bystanders, who explain nothing."""
        seen = look(self._model, frame)
        return Look(self._joined(seen.found, self._motion.find(frame)), seen.bystanders)

    def _joined(self, found: Detections, moving: Detections) -> Detections:
        if not len(moving):
            return found
        fits = (iou(found.xyxy, moving.xyxy) >= FITS_IOU).any(axis=1)
        telling = (found.score >= self._birth) | (fits & (found.score >= self._match))
        besides = moving.select(~_explained(moving.xyxy, found.xyxy[telling]))
        class_id = np.full(len(besides), len(self._model.classes), np.int32)
        return Detections(
            np.concatenate([found.xyxy, besides.xyxy]),
            np.concatenate([found.score, besides.score]),
            np.concatenate([found.class_id, class_id]),
        )


def _explained(blobs: FloatArray, boxes: FloatArray) -> BoolArray:
    """Which of ``blobs`` (n, 4) are objects of ``boxes`` (m, 4): a mask (n,)."""
    if not len(boxes):
        return np.zeros(len(blobs), np.bool_)
    common = intersections(blobs, boxes)
    one = common / np.maximum(np.minimum(areas(blobs)[:, None], areas(boxes)[None, :]), 1e-9)
    # several boxes together may cover a blob that none of them covers alone
    together = common.sum(axis=1) / np.maximum(areas(blobs), 1e-9)
    return np.asarray((one >= EXPLAINED).any(axis=1) | (together >= EXPLAINED))
