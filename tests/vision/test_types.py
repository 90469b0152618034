"""What the central types refuse, and what they let through."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from vision.types import Detections, Event, Frame, Track, Tracked

BOXES = np.array([[0, 0, 10, 20], [5, 5, 15, 25], [9, 9, 10, 10]], np.float32)
SCORES = np.array([0.9, 0.5, 0.1], np.float32)
CLASSES = np.array([0, 2, 1], np.int32)


def detections(**changes: Any) -> Detections:
    return Detections(**{"xyxy": BOXES, "score": SCORES, "class_id": CLASSES, **changes})


def track(**changes: Any) -> Track:
    fields: dict[str, Any] = {
        "id": 7,
        "class_name": "car",
        "class_share": 1.0,
        "score": 0.8,
        "first_ts": 100.0,
        "last_ts": 101.0,
        "box": np.array([0, 0, 10, 20], np.float32),
        "path": np.array([[4, 18, 0], [5, 20, 1]], np.float32),
        "sizes": np.array([[10, 20], [10, 20]], np.float32),
    }
    return Track(**{**fields, **changes})


def event(**changes: Any) -> Event:
    fields: dict[str, Any] = {
        "id": "a1",
        "kind": "intrusion",
        "rule": "gate",
        "camera_id": "c",
        "place": "yard",
        "start_ts": 10.0,
        "raised_ts": 12.0,
        "end_ts": None,
        "track_ids": (1,),
        "score": 0.5,
        "details": {},
    }
    return Event(**{**fields, **changes})


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 6), np.uint8),  # no colour axis
        np.zeros((4, 6, 1), np.uint8),  # grey
        np.zeros((4, 6, 4), np.uint8),  # with transparency
        np.zeros((3, 4, 6), np.uint8),  # planes first
        np.zeros((0, 6, 3), np.uint8),  # no rows
        np.zeros((4, 0, 3), np.uint8),  # no columns
        np.zeros((4, 6, 3), np.float32),  # other numbers
        np.zeros((1, 4, 6, 3), np.uint8),  # a batch
    ],
)
def test_a_frame_refuses_what_is_no_picture(image: Any) -> None:
    with pytest.raises(ValueError, match=r"\(h, w, 3\) uint8"):
        Frame("c", 0, 0.0, image)


@pytest.mark.parametrize(
    ("index", "ts"), [(-1, 0.0), (0, float("nan")), (0, float("inf")), (3, float("-inf"))]
)
def test_a_frame_refuses_a_time_that_is_none(index: int, ts: float) -> None:
    with pytest.raises(ValueError, match="finite ts and an index from 0"):
        Frame("c", index, ts, np.zeros((4, 6, 3), np.uint8))


def test_a_frame_tells_its_width_first() -> None:
    assert Frame("c", 0, 0.0, np.zeros((4, 6, 3), np.uint8)).size == (6, 4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"xyxy": BOXES[:2]}, "not "),  # one box short
        ({"xyxy": BOXES[:, :3]}, r"xyxy \(n, 4\)"),
        ({"xyxy": BOXES.ravel()}, r"xyxy \(n, 4\)"),
        ({"score": SCORES[:2]}, r"score \(n,\)"),
        ({"score": SCORES[:, None]}, r"score \(n,\)"),
        ({"score": np.array(0.5, np.float32)}, r"score \(n,\)"),
        ({"class_id": CLASSES[:1]}, r"class_id \(n,\)"),
        ({"xyxy": BOXES.astype(np.float64)}, "float64, float32, int32"),
        ({"score": SCORES.astype(np.float16)}, "float32, float16, int32"),
        ({"class_id": CLASSES.astype(np.int64)}, "float32, float32, int64"),
        ({"xyxy": BOXES * np.float32("nan")}, "not finite"),
        ({"xyxy": BOXES + np.float32("inf")}, "not finite"),
        ({"score": SCORES + np.float32("nan")}, "not finite"),
    ],
)
def test_detections_refuse_what_does_not_fit(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        detections(**changes)


def test_detections_are_selected_by_mask_and_by_index() -> None:
    some = detections().select(np.array([True, False, True]))
    assert some.class_id.tolist() == [0, 1]
    turned = detections().select(np.array([2, 0]))
    assert turned.xyxy.tolist() == [BOXES[2].tolist(), BOXES[0].tolist()]
    assert turned.score.tolist() == [SCORES[2], SCORES[0]]
    assert len(detections().select(np.zeros(0, np.intp))) == 0


def test_no_detections() -> None:
    none = Detections.empty()
    assert len(none) == 0
    assert none.xyxy.shape == (0, 4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": -1}, "not -1: unconfirmed boxes are no tracks"),
        ({"box": np.zeros((1, 4), np.float32)}, r"box \(4,\)"),
        ({"box": np.zeros(3, np.float32)}, r"box \(4,\)"),
        ({"path": np.zeros((2, 2), np.float32)}, r"path \(k, 3\)"),
        ({"path": np.zeros(3, np.float32)}, r"path \(k, 3\)"),
        ({"path": np.zeros((0, 3), np.float32)}, "at least one point"),
        ({"last_ts": 99.0}, "does not end before it starts"),
    ],
)
def test_a_track_refuses_what_does_not_fit(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        track(**changes)


def test_a_track_stands_where_its_path_ends() -> None:
    assert track().foot == (5.0, 20.0)
    assert track(first_ts=101.0).last_ts == 101.0


@pytest.mark.parametrize("ids", [[1, 2], [1, 2, 3, 4], [[1, 2, 3]]])
def test_tracked_names_every_detection(ids: Any) -> None:
    with pytest.raises(ValueError, match=r"track_id is \(3,\)"):
        Tracked("c", 0, 0.0, ("car",), detections(), np.array(ids, np.int32), (), ())


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"raised_ts": 9.9},  # raised before it began
        {"end_ts": 9.9},  # over before it began
        {"start_ts": float("nan")},
    ],
)
def test_an_event_keeps_the_order_of_time(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an event"):
        event(**changes)
    # an incident may be over before its rule has fired
    assert event(end_ts=11.0).end_ts == 11.0


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Frame("c", 0, 0.0, np.zeros((4, 6, 3), np.uint8)), "ts"),
        (detections(), "score"),
        (track(), "id"),
        (event(), "end_ts"),
    ],
)
def test_values_are_frozen(value: Any, name: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, 1)
