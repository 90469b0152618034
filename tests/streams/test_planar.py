"""What decoders make is handed on as it is, and what is not 4:2:0 of 8 bits becomes that."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from streams.files import ClipSource
from streams.planar import planar
from vision.picture import Planes

ODD = [(97, 65), (96, 64), (33, 2), (2, 33), (1, 1)]
BT601, BT709, BT2020, UNSAID = 6, 1, 9, 2
LIMITED, FULL = 1, 2


def values(size: tuple[int, int], seed: int = 0) -> list[NDArray[np.uint8]]:
    """The planes of a picture of noise."""
    (w, h), rng = size, np.random.default_rng(seed)
    half = (h + 1) // 2, (w + 1) // 2
    return [rng.integers(0, 256, shape, np.uint8) for shape in ((h, w), half, half)]


def framed(
    planes: list[NDArray[np.uint8]], matrix: int, colour_range: int, kind: str = "yuv420p"
) -> av.VideoFrame:
    h, w = planes[0].shape
    frame = av.VideoFrame(w, h, kind)
    for plane, told in zip(frame.planes, planes, strict=True):
        rows = np.full((plane.buffer_size // plane.line_size, plane.line_size), 77, np.uint8)
        rows[: told.shape[0], : told.shape[1]] = told
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_range = matrix, colour_range
    return frame


def shown(frame: av.VideoFrame) -> Planes:
    found = planar(frame, VideoReformatter())
    return Planes(*found.planes, found.matrix, found.full_range)


@pytest.mark.parametrize("size", ODD)
@pytest.mark.parametrize(
    ("kind", "matrix", "colour_range", "meant"),
    [
        ("yuv420p", BT601, LIMITED, ("bt601", False)),
        ("yuv420p", UNSAID, 0, ("bt601", False)),
        ("yuv420p", BT709, FULL, ("bt709", True)),
        ("yuv420p", BT2020, LIMITED, ("bt2020", False)),
        ("yuvj420p", BT709, 0, ("bt709", True)),
        ("yuvj420p", UNSAID, FULL, ("bt601", True)),
    ],
)
def test_planes_are_handed_on_as_they_are(
    size: tuple[int, int], kind: str, matrix: int, colour_range: int, meant: tuple[str, bool]
) -> None:
    told = values(size)
    found = planar(framed(told, matrix, colour_range, kind), VideoReformatter())
    assert all(map(np.array_equal, found.planes, told))
    assert (found.matrix, found.full_range) == meant


KINDS = [
    "yuv420p", "yuvj420p", "nv12", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv411p",
    "yuv420p10le", "p010le", "yuv422p10le", "gray", "gray10le", "rgb24", "gbrp", "pal8",
]  # fmt: skip


@pytest.mark.parametrize("matrix", [BT601, BT709, UNSAID])
@pytest.mark.parametrize("colour_range", [0, LIMITED, FULL])
@pytest.mark.parametrize("kind", KINDS)
def test_colours_of_every_kind_are_those_that_ffmpeg_shows(
    kind: str, matrix: int, colour_range: int
) -> None:
    bgr = np.full((34, 50, 3), (60, 90, 200), np.uint8)
    frame = av.VideoFrame.from_ndarray(bgr, format="bgr24").reformat(
        format="rgb8" if kind == "pal8" else kind
    )
    if kind == "pal8":
        indices = np.full((34, 50), 3, np.uint8)
        colours = np.tile(np.array([255, 200, 90, 60], np.uint8), (256, 1))
        frame = av.VideoFrame.from_ndarray((indices, colours), format="pal8")
    frame.colorspace, frame.color_range = matrix, colour_range
    expected = VideoReformatter().reformat(frame, format="bgr24").to_ndarray()[17, 25]
    found = shown(frame).image[17, 25]
    assert np.abs(found.astype(int) - expected).max() <= 3


@pytest.mark.parametrize("size", [(97, 65), (64, 48)])
@pytest.mark.parametrize(("matrix", "colour_range"), [(BT709, FULL), (BT601, LIMITED)])
def test_a_clip_gives_what_was_coded(
    size: tuple[int, int], matrix: int, colour_range: int, tmp_path: Path
) -> None:
    told = [values(size, seed) for seed in range(3)]
    path = tmp_path / "c.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=5)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = colour_range
        for i, planes in enumerate(told):
            frame = framed(planes, matrix, colour_range)
            frame.pts, frame.time_base = i, Fraction(1, 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    # what is kept is not written upon by what comes next
    with ClipSource(path, camera_id="cam") as source:
        found = [frame.picture for frame in source.frames()]
    assert len(found) == len(told)
    for picture, planes in zip(found, told, strict=True):
        assert isinstance(picture, Planes)
        assert all(map(np.array_equal, (picture.y, picture.u, picture.v), planes))
        assert picture.full_range is (colour_range == FULL)
        assert picture.matrix == {BT709: "bt709", BT601: "bt601"}[matrix]
