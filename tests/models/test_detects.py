"""The real weights on real pictures, where the folder ../shared is there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.coco import COCO17
from models.session import load_poses, load_session
from models.zoo import VerifiedModel, load_manifest, resolve
from streams import samples

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
PLAZA = samples.folder() / samples.known("plaza").file


def picture(clip: Path) -> Bytes:
    """The clip's 31st picture, (h, w, 3) BGR."""
    capture = cv2.VideoCapture(str(clip))
    capture.set(cv2.CAP_PROP_POS_FRAMES, 30)
    read, image = capture.read()
    capture.release()
    assert read
    return np.asarray(image, np.uint8)


def square(image: Bytes, size: int = 256) -> Bytes:
    """A picture as (1, size, size, 3), RGB, out of proportion."""
    return np.ascontiguousarray(cv2.resize(image, (size, size))[None, ..., ::-1])


def frame(clip: Path, height: int, width: int) -> Floats:
    """The clip's 31st picture as (1, 3, height, width), RGB 0..1, at the top left."""
    image = picture(clip)
    scale = min(height / image.shape[0], width / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale)
    canvas = np.zeros((height, width, 3), np.float32)
    canvas[: small.shape[0], : small.shape[1]] = small[:height, :width, ::-1]
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None] / 255)


@pytest.mark.parametrize(("height", "width"), [(416, 416), (256, 416), (320, 416)])
def test_the_embedded_model_finds_the_people_of_a_street(
    shared: Path, tmp_path: Path, height: int, width: int
) -> None:
    session = load_session(resolve("nanodet_g", cache=tmp_path), input_size=(height, width))
    (output,) = session.run(frame(shared / "clips" / "TUD-Campus.mp4", height, width))
    scores = output[0, 4:]
    best = scores.max(axis=0) > 0.5
    assert set(scores[:, best].argmax(axis=0)) == {0}, "people, and nothing else"
    centres, sizes = output[0, :2, best], output[0, 2:4, best]
    assert (centres > 0).all()
    assert (centres < [width, height]).all()
    # people stand: their boxes are higher than wide
    assert (sizes[:, 1] > sizes[:, 0]).all()


def test_the_rebuilt_model_equals_the_reference_conversion(shared: Path, tmp_path: Path) -> None:
    ours = resolve("nanodet_g", cache=tmp_path)
    content = (shared / "models" / "nanodet_g_416.onnx").read_bytes()
    reference = load_session(VerifiedModel(ours.entry, content))
    session = load_session(ours)
    pictures = [np.random.default_rng(3).random((1, 3, 416, 416), np.float32)]
    pictures += [
        frame(shared / "clips" / name, 416, 416) for name in ("plaza_vtest.avi", "TUD-Campus.mp4")
    ]
    for picture in pictures:
        (expected,), (found,) = reference.run(picture), session.run(picture)
        np.testing.assert_allclose(found[:, :4], expected[:, :4], atol=0.01)
        np.testing.assert_allclose(found[:, 4:], expected[:, 4:], atol=1e-4)


def test_poses_equal_those_of_the_reference_conversion(shared: Path, tmp_path: Path) -> None:
    ours = resolve("movenet_multipose", cache=tmp_path)
    content = (shared / "models" / "movenet_multipose_256.onnx").read_bytes()
    reference, session = load_poses(VerifiedModel(ours.entry, content)), load_poses(ours)
    plaza, street = picture(PLAZA), picture(shared / "clips" / "TUD-Campus.mp4")
    noise = np.random.default_rng(3).integers(0, 256, (256, 256, 3), np.uint8)
    parts = [plaza, plaza[:288, 384:], plaza[288:, :384], street, street[100:, :300], noise]
    images = np.concatenate([square(part) for part in parts])
    # half precision has 11 bits; both have the same halves, and differ by rounding alone
    np.testing.assert_allclose(session.run(images), reference.run(images), atol=2**-11)


def test_poses_stand_upright_where_people_do(shared: Path, tmp_path: Path) -> None:
    session = load_poses(resolve("movenet_multipose", cache=tmp_path))
    (people,) = session.run(square(picture(shared / "clips" / "TUD-Campus.mp4")))
    sure = people[people[:, -1] > 0.3]
    assert len(sure) >= 3
    points = sure[:, :51].reshape(-1, 17, 3)
    y = {name: points[:, index, 0] for index, name in enumerate(COCO17)}
    assert (y["nose"] < y["left_hip"]).all()
    assert (y["left_hip"] < y["left_ankle"]).all()
    top, left, bottom, right = sure[:, 51:55].T
    assert (bottom > top).all()
    assert (right > left).all()
    inside = (points[..., 1] > left[:, None] - 0.05) & (points[..., 1] < right[:, None] + 0.05)
    assert inside.mean() > 0.9


def test_yolox_is_what_the_manifest_says(shared: Path, tmp_path: Path) -> None:
    path = shared / "models" / "yolox_nano.onnx"
    entry = load_manifest()["yolox_nano"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256
    model = resolve(str(path), cache=tmp_path)
    assert model.entry == entry
    assert load_session(model).output_shapes == ((1, 3549, 85),)
