"""Decoded pictures as the planes that nearly all decoders make, 4:2:0 and 8 bits.

Nothing is converted for those; what a decoder makes otherwise becomes them here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, VideoReformatter
from numpy.typing import NDArray

if TYPE_CHECKING:
    # OpenCV with it, which decoder processes do without
    from vision.picture import Matrix

FULL_RANGE: Final = "yuvj420p"
FORMATS: Final = ("yuv420p", FULL_RANGE)
MATRICES: Final[Mapping[int, Matrix]] = MappingProxyType(
    {1: "bt709", 7: "bt709", 9: "bt2020", 10: "bt2020"}
)
"""H.273's numbers of matrices (table 4). SMPTE 240M is next to BT.709, and what is not said is
BT.601 to FFmpeg too."""


@dataclass(frozen=True, slots=True, eq=False)
class Planar:
    """Luma (h, w) and both chromas (ceil(h / 2), ceil(w / 2)), all uint8 in the decoder's memory,
    and what they mean, as in ``vision.picture.Planes``."""

    planes: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
    matrix: Matrix
    full_range: bool


def planar(picture: VideoFrame, converter: VideoReformatter) -> Planar:
    """The planes of ``picture``; ``converter`` makes them where they are of another kind."""
    if picture.format.name not in FORMATS:
        picture = converter.reformat(picture, format=FORMATS[0], threads=1)
    w, h = picture.width, picture.height
    half = (w + 1) // 2, (h + 1) // 2
    y, u, v = picture.planes
    return Planar(
        (_pixels(y, w, h), _pixels(u, *half), _pixels(v, *half)),
        MATRICES.get(picture.colorspace, "bt601"),
        picture.format.name == FULL_RANGE or picture.color_range == ColorRange.JPEG,
    )


def _pixels(plane: VideoPlane, width: int, height: int) -> NDArray[np.uint8]:
    """(h, w) without what pads its rows."""
    rows = np.frombuffer(memoryview(plane), np.uint8)[: height * plane.line_size]
    return rows.reshape(height, plane.line_size)[:, :width]
