"""From the picture to the model's input and back, and which classes come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.detect import ClassGroup, Detector, DetectorSpec, fit_input
from vision.errors import DetectorError
from vision.letterbox import letterbox
from vision.types import Image

CLASSES = ("person", "car", "bus", "truck")
SPEC = DetectorSpec(
    input_size=(64, 96),
    rgb=True,
    scale=1.0,
    pad_value=0,
    centred=False,
    layout="yolov8",
    classes=CLASSES,
    min_score=0.25,
    nms_iou=0.5,
    groups=(ClassGroup(("car", "bus", "truck"), 0.5, 0.75),),
)


class Answers:
    """A session that remembers its batches and answers from them."""

    def __init__(self, answer: Callable[[Any], list[Any]]) -> None:
        self.batches: list[Any] = []
        self._answer = answer

    def run(self, batch: Any) -> list[Any]:
        self.batches.append(batch.copy())
        return self._answer(batch)


def row(x1: float, y1: float, x2: float, y2: float, **scores: float) -> list[float]:
    """One box of the yolov8 layout: the corners, in input px, and scores by class."""
    centred = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
    return centred + [scores.get(name, 0.0) for name in CLASSES]


def always(*rows: list[float]) -> Answers:
    """The same rows for every picture."""
    out = np.array(rows, np.float32).reshape(-1, 4 + len(CLASSES)).T
    return Answers(lambda batch: [np.stack([out] * len(batch))])


def grey(width: int, height: int, value: int = 200) -> Image:
    return np.full((height, width, 3), value, np.uint8)


def extent(canvas: Any, pad: int) -> tuple[int, int, int, int]:
    """Where the picture lies in the input: x1, y1, x2, y2, looked for pixel by pixel."""
    ys, xs = np.nonzero((canvas != pad).any(axis=-1))
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


FITS = [
    ((768, 576), (320, 416)),  # 4:3 → 312 rows, rounded up to 320
    ((1920, 1080), (256, 416)),  # 16:9 → 234 rows
    ((640, 352), (256, 416)),  # 229 rows
    ((1080, 1920), (416, 256)),  # upright
    ((576, 768), (416, 320)),
    ((500, 500), (416, 416)),  # square
    ((320, 320), (416, 416)),  # enlarged
    ((1300, 800), (256, 416)),  # exactly 256 rows: nothing to round
    ((4000, 30), (32, 416)),  # a strip: never less than one stride
    ((30, 4000), (416, 32)),
]


@pytest.mark.parametrize(("frame", "size"), FITS)
def test_the_input_that_fits_a_picture(frame: tuple[int, int], size: tuple[int, int]) -> None:
    assert fit_input(frame, 416) == size


@given(w=st.integers(16, 4000), h=st.integers(16, 4000), stride=st.sampled_from([16, 32, 64]))
def test_an_input_holds_its_picture_with_less_than_a_stride_to_spare(
    w: int, h: int, stride: int
) -> None:
    height, width = fit_input((w, h), 640, stride)
    assert height % stride == width % stride == 0
    assert max(height, width) == 640
    ratio = 640 / max(w, h)
    for side, wanted in ((height, h * ratio), (width, w * ratio)):
        assert side >= wanted - 0.5
        assert side - wanted < stride + 0.5


PLACES = [
    # picture (w, h), input (h, w), where it lies at the top left and in the middle
    ((192, 128), (64, 96), (0, 0, 96, 64), (0, 0, 96, 64)),  # the same shape
    ((100, 100), (64, 96), (0, 0, 64, 64), (16, 0, 80, 64)),  # narrower: bars left and right
    ((192, 64), (64, 96), (0, 0, 96, 32), (0, 16, 96, 48)),  # flatter: bars above and below
    ((24, 16), (64, 96), (0, 0, 96, 64), (0, 0, 96, 64)),  # enlarged
    ((1920, 1080), (256, 416), (0, 0, 416, 234), (0, 11, 416, 245)),
    ((9600, 20), (64, 96), (0, 0, 96, 1), (0, 31, 96, 32)),  # a line of pixels stays one
]


@pytest.mark.parametrize(("picture", "size", "corner", "middle"), PLACES)
@pytest.mark.parametrize("pad", [0, 114, 255])
def test_where_a_picture_lies(
    picture: tuple[int, int], size: tuple[int, int], corner: Any, middle: Any, pad: int
) -> None:
    for centred, place in ((False, corner), (True, middle)):
        canvas, _ = letterbox(grey(*picture), size, pad, centred)
        assert canvas.shape == (*size, 3)
        assert canvas.dtype == np.uint8
        assert extent(canvas, pad) == place
        x1, y1, x2, y2 = place
        # nothing but the picture inside, nothing but padding outside
        assert (canvas[y1:y2, x1:x2] == 200).all()
        assert (canvas == 200).all(axis=2).sum() == (x2 - x1) * (y2 - y1)
        assert (canvas == pad).all(axis=2).sum() == size[0] * size[1] - (x2 - x1) * (y2 - y1)


def test_the_picture_is_not_turned_or_mirrored() -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    image[:32, :48] = (255, 0, 0)
    image[:32, 48:] = (0, 255, 0)
    image[32:, :48] = (0, 0, 255)
    canvas, _ = letterbox(image, (64, 96), 0, False)
    assert (canvas == image).all()


def comes_back(picture: tuple[int, int], size: tuple[int, int], centred: bool) -> float:
    """How far off, in px of the picture, a box comes back that the model saw where it lies."""
    w, h = picture
    wanted = np.array([0.1 * w, 0.2 * h, 0.95 * w, h], np.float64)

    def see(batch: Any) -> list[Any]:
        x1, y1, x2, y2 = extent(batch[0].transpose(1, 2, 0), 0)
        across, down = (x2 - x1) / w, (y2 - y1) / h
        seen = wanted * ([across, down] * 2) + [x1, y1, x1, y1]
        return [np.array(row(*seen, person=0.9), np.float32)[None, :, None]]

    spec = replace(SPEC, input_size=size, centred=centred)
    (found,) = Detector(spec, Answers(see), ["person"]).detect([grey(w, h)])
    assert len(found) == 1
    return float(np.abs(found.xyxy[0] - wanted).max())


REAL_SIZES = [
    (352, 288), (640, 352), (640, 480), (704, 576), (768, 576), (1280, 720), (1366, 768),
    (1920, 1080), (2304, 1296), (2560, 1920), (2592, 1944), (2688, 1520), (3840, 2160),
    (1080, 1920), (33, 2001), (2001, 33), (100, 100),
]  # fmt: skip


@pytest.mark.parametrize("picture", REAL_SIZES)
@pytest.mark.parametrize("centred", [False, True])
def test_a_box_comes_back_within_a_pixel(picture: tuple[int, int], centred: bool) -> None:
    for size in (fit_input(picture, 416), (416, 416), (64, 96)):
        assert comes_back(picture, size, centred) < 1


@given(w=st.integers(16, 3000), h=st.integers(16, 3000), centred=st.booleans())
def test_a_box_of_any_picture_comes_back(w: int, h: int, centred: bool) -> None:
    assert comes_back((w, h), fit_input((w, h), 416), centred) < 1


@pytest.mark.parametrize(
    ("rgb", "scale", "pad", "inside", "outside"),
    [
        (False, 1.0, 114, (10, 120, 250), 114),  # BGR as it comes: YOLOX
        (True, 1.0, 0, (250, 120, 10), 0),
        (True, 1 / 255, 0, (250 / 255, 120 / 255, 10 / 255), 0),
        (False, 1 / 255, 114, (10 / 255, 120 / 255, 250 / 255), 114 / 255),  # padding is scaled
    ],
)
def test_what_the_model_gets_to_see(
    rgb: bool, scale: float, pad: int, inside: tuple[float, ...], outside: float
) -> None:
    spec = replace(SPEC, rgb=rgb, scale=scale, pad_value=pad, centred=True)
    image = np.empty((100, 100, 3), np.uint8)
    image[:] = (10, 120, 250)  # a red, blue first
    session = always()
    Detector(spec, session, ["person"]).detect([image, image])
    (batch,) = session.batches
    assert batch.shape == (2, 3, 64, 96)
    assert batch.dtype == np.float32
    for picture in batch:
        np.testing.assert_allclose(picture[:, 30, 40], inside, rtol=1e-6)
        np.testing.assert_allclose(picture[:, 30, [15, 80]], outside, rtol=1e-6)
        np.testing.assert_allclose(picture[:, :, 16:80].min(axis=(1, 2)), inside, rtol=1e-6)


def test_a_batch_keeps_its_pictures_apart() -> None:
    """Two pictures of two shapes: each gets its own boxes, in its own pixels."""

    def answer(batch: Any) -> list[Any]:
        rows = [row(10, 10, 20, 30, person=0.9), row(10, 10, 20, 30, car=0.8)]
        return [np.array(rows, np.float32)[:, :, None]]

    detector = Detector(SPEC, Answers(answer), ["person", "car"])
    first, second = detector.detect([grey(192, 128), grey(960, 640)])
    np.testing.assert_allclose(first.xyxy, [[20, 20, 40, 60]], atol=1e-4)
    np.testing.assert_allclose(second.xyxy, [[100, 100, 200, 300]], atol=1e-3)
    assert [detector.classes[found.class_id[0]] for found in (first, second)] == ["person", "car"]


def test_boxes_end_at_the_edge_of_the_picture() -> None:
    rows = [
        row(-20, -20, 10, 10, person=0.9),  # over the top left corner
        row(70, 40, 200, 200, person=0.8),  # over the lower right corner
        row(-50, 10, -5, 30, person=0.7),  # left of the picture
        row(10, 64, 20, 90, person=0.6),  # below it
        row(40, 20, 40, 30, person=0.6),  # without width
        row(50, 30, 45, 20, person=0.6),  # inside out
    ]
    (found,) = Detector(SPEC, always(*rows), ["person"]).detect([grey(96, 64)])
    assert found.xyxy.tolist() == [[0, 0, 10, 10], [70, 40, 96, 64]]


def names(detector: Detector, found: Any) -> list[str]:
    return [detector.classes[i] for i in found.class_id]


RESTRICTED = [
    # wanted, one box's scores, what is reported
    (["car"], {"car": 0.6, "truck": 0.8}, ("truck", 0.8)),  # a lorry is no car
    (["car"], {"car": 0.8, "truck": 0.6}, ("car", 0.8)),
    (["car"], {"bus": 0.7}, ("bus", 0.7)),  # a rival alone
    (["car"], {"person": 0.9}, None),  # neither wanted nor a rival
    (["car"], {"person": 0.9, "car": 0.5}, ("car", 0.5)),  # a person is no rival of a car
    (["person"], {"car": 0.9}, None),
    (["person"], {"person": 0.3, "car": 0.9}, ("person", 0.3)),
    (["person", "car"], {"person": 0.3, "car": 0.9}, ("car", 0.9)),
    (["person"], {"person": 0.25}, ("person", 0.25)),  # the lowest score is in
    (["person"], {"person": 0.2}, None),
]


@pytest.mark.parametrize(("wanted", "scores", "reported"), RESTRICTED)
def test_only_wanted_classes_and_their_rivals_are_reported(
    wanted: list[str], scores: dict[str, float], reported: tuple[str, float] | None
) -> None:
    detector = Detector(SPEC, always(row(10, 10, 30, 40, **scores)), wanted)
    (found,) = detector.detect([grey(96, 64)])
    expected = [] if reported is None else [reported]
    assert list(zip(names(detector, found), found.score.tolist(), strict=True)) == [
        (name, pytest.approx(score)) for name, score in expected
    ]


def test_rivals_of_the_wanted_classes_are_known_by_name() -> None:
    assert Detector(SPEC, always(), ["car"]).classes == ("car", "bus", "truck")
    assert Detector(SPEC, always(), ["person"]).classes == ("person",)
    assert Detector(SPEC, always(), ["truck", "person"]).classes == CLASSES
    group = Detector(SPEC, always(), ["truck", "person"]).group_of
    assert group[1] == group[2] == group[3] != group[0]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (
            ["bicycle"],
            "'bicycle': it knows person, car, bus, truck: choose one of these, or name .*",
        ),
        (["car", "Person"], r"'Person': did you mean 'person'\?"),
    ],
)
def test_a_class_that_the_model_does_not_know_is_refused(
    wanted: Sequence[str], sentence: str
) -> None:
    with pytest.raises(DetectorError, match=f"does not know the class {sentence}$") as caught:
        Detector(SPEC, always(), wanted)
    assert "\n" not in str(caught.value)
