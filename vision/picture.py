"""What a frame shows: colour pixels, or the planes of luma and chroma that decoders make.

What is made of planes is made at the size in which it is wanted, so that a model's input costs as
much as the input is large. The full-size colour picture is made when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = Literal["bt601", "bt709", "bt2020"]
"""Which weights of red, green and blue luma has: ITU-R BT.601, BT.709 or BT.2020."""
_WEIGHTS: Final[Mapping[Matrix, tuple[float, float]]] = MappingProxyType(
    {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
)
"""Those of red and blue."""
Yuv = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
_BLACK, _GREY = 16, 128
_BLUE, _RED = 0.492, 0.877
"""By what colour differences are multiplied in the YUV of analogue television, and OpenCV's."""


class Picture(Protocol):
    """Sizes are (w, h) px, boxes x, y, w, h px within the picture."""

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes."""
        ...

    @property
    def image(self) -> NDArray[np.uint8]:
        """(h, w, 3) BGR."""
        ...

    def scaled(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """(h, w, 3) BGR of that size, by linear interpolation."""
        ...

    def luma(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """(h, w) luma of that size, 0 black to 255 white, by linear interpolation."""
        ...

    def yuv(self, size: tuple[int, int]) -> Yuv:
        """Luma as above, 128 + 0.492 (B - Y) and 128 + 0.877 (R - Y), each (h, w) of that size, by
        averaging, so that noise goes."""
        ...

    def fill(self, planes: NDArray[np.float32], scale: float, *, rgb: bool) -> None:
        """Write its colours, times ``scale``, into ``planes`` (3, h, w) by linear interpolation:
        red, green and blue, or the other way round."""
        ...

    def crop(self, x: int, y: int, w: int, h: int) -> Picture:
        """That part of it; it shares its memory."""
        ...


def picture_of(shown: Picture | NDArray[np.uint8]) -> Picture:
    """``shown``, which may be pixels, (h, w, 3) uint8 BGR. Raises what ``Pixels`` raises."""
    return Pixels(shown) if isinstance(shown, np.ndarray) else shown


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """(h, w, 3) uint8 BGR. Raises ValueError for another shape or type."""

    image: NDArray[np.uint8]

    def __post_init__(self) -> None:
        shape, dtype = self.image.shape, self.image.dtype
        if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
            raise ValueError(f"a frame's image is (h, w, 3) uint8, not {shape} {dtype}")

    @property
    def size(self) -> tuple[int, int]:
        return self.image.shape[1], self.image.shape[0]

    @property
    def nbytes(self) -> int:
        return self.image.nbytes

    def scaled(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        return _resized(self.image, size)

    def luma(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        grey = cv2.cvtColor(_resized(self.image, size), cv2.COLOR_BGR2GRAY)
        return np.asarray(grey, np.uint8)

    def yuv(self, size: tuple[int, int]) -> Yuv:
        luma, blue, red = cv2.split(cv2.cvtColor(_averaged(self.image, size), cv2.COLOR_BGR2YUV))
        return np.asarray(luma, np.uint8), np.asarray(blue, np.uint8), np.asarray(red, np.uint8)

    def fill(self, planes: NDArray[np.float32], scale: float, *, rgb: bool) -> None:
        shown = self.scaled((planes.shape[2], planes.shape[1]))
        _spread(shown, planes[::-1] if rgb else planes, scale)

    def crop(self, x: int, y: int, w: int, h: int) -> Pixels:
        return Pixels(self.image[y : y + h, x : x + w])


@dataclass(frozen=True, eq=False)
class Planes:
    """Luma ``y`` (h, w) and chroma ``u``, ``v`` (ceil(h / 2), ceil(w / 2)), all uint8: 4:2:0.

    Values reach from 16 to 235 (chroma 240), or, with ``full_range``, from 0 to 255. Raises
    ValueError where shapes or types do not fit.
    """

    y: NDArray[np.uint8]
    u: NDArray[np.uint8]
    v: NDArray[np.uint8]
    matrix: Matrix = "bt601"
    full_range: bool = False

    def __post_init__(self) -> None:
        h, w = self.y.shape if self.y.ndim == 2 else (0, 0)
        half = (h + 1) // 2, (w + 1) // 2
        fits = h > 0 and w > 0 and self.u.shape == self.v.shape == half
        if not fits or {each.dtype for each in (self.y, self.u, self.v)} != {np.dtype(np.uint8)}:
            raise ValueError(
                "planes are y (h, w) and u, v of half its size, all uint8, not "
                f"{self.y.shape}, {self.u.shape}, {self.v.shape} {self.y.dtype}"
            )

    @property
    def size(self) -> tuple[int, int]:
        return self.y.shape[1], self.y.shape[0]

    @property
    def nbytes(self) -> int:
        made = self.image.nbytes if "image" in self.__dict__ else 0
        return self.y.nbytes + self.u.nbytes + self.v.nbytes + made

    @property
    def image(self) -> NDArray[np.uint8]:
        # before Python 3.12 functools' cached property has one lock for the pictures of all cameras
        if "image" not in self.__dict__:
            self.__dict__["image"] = self._coloured()
        made: NDArray[np.uint8] = self.__dict__["image"]
        return made

    def _coloured(self) -> NDArray[np.uint8]:
        h, w = self.y.shape
        if w % 2 or h % 2 or self.matrix != "bt601" or self.full_range:
            return self.scaled(self.size)
        # OpenCV knows this one kind in full size, which most cameras send
        planes = np.concatenate([plane.ravel() for plane in (self.y, self.u, self.v)])
        coded = planes.reshape(h * 3 // 2, w)
        return np.asarray(cv2.cvtColor(coded, cv2.COLOR_YUV2BGR_I420), np.uint8)

    def scaled(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        planes = cv2.merge([_resized(each, size) for each in (self.y, self.u, self.v)])
        return np.asarray(cv2.transform(planes, _TO_BGR[self.matrix, self.full_range]), np.uint8)

    def luma(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        return self._widened(_resized(self.y, size))

    def yuv(self, size: tuple[int, int]) -> Yuv:
        (red, blue), whole = _WEIGHTS[self.matrix], 1.0 if self.full_range else 255 / 224
        return (
            self._widened(_averaged(self.y, size)),
            _tinted(_averaged(self.u, size), 2 * (1 - blue) * whole * _BLUE),
            _tinted(_averaged(self.v, size), 2 * (1 - red) * whole * _RED),
        )

    def fill(self, planes: NDArray[np.float32], scale: float, *, rgb: bool) -> None:
        shown = self.scaled((planes.shape[2], planes.shape[1]))
        _spread(shown, planes[::-1] if rgb else planes, scale)

    def _widened(self, luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """``luma`` from 0 to 255."""
        return luma if self.full_range else _stretched(luma, 255 / 219, -_BLACK * 255 / 219)

    def crop(self, x: int, y: int, w: int, h: int) -> Planes:
        # at an odd border chroma lies half of its pixel aside, which nobody sees
        left, top = x // 2, y // 2
        half = np.s_[top : top + (h + 1) // 2, left : left + (w + 1) // 2]
        luma = self.y[y : y + h, x : x + w]
        return Planes(luma, self.u[half], self.v[half], self.matrix, self.full_range)


def _resized(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """``plane`` (h, w, …) in ``size`` (w, h)."""
    if (plane.shape[1], plane.shape[0]) == size:
        return plane
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _averaged(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The same by averaging."""
    if (plane.shape[1], plane.shape[0]) == size:
        return plane
    if plane.shape[1] > 2 * size[0]:
        # averaging four pixels each is fast, and so is picking those of twice the size
        plane = _resized(plane, (2 * size[0], 2 * size[1]))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)


def _tinted(chroma: NDArray[np.uint8], by: float) -> NDArray[np.uint8]:
    """``chroma`` with ``by`` times as much colour."""
    return _stretched(chroma, by, _GREY * (1 - by))


def _stretched(plane: NDArray[np.uint8], by: float, plus: float) -> NDArray[np.uint8]:
    # faster than a table
    return np.asarray(cv2.addWeighted(plane, by, plane, 0, plus), np.uint8)


def _spread(image: NDArray[np.uint8], planes: NDArray[np.float32], scale: float) -> None:
    """Write ``image`` (h, w, 3), times ``scale``, into ``planes`` (3, h, w)."""
    # twice as fast as from the transposed picture
    for channel, plane in zip(cv2.split(image), planes, strict=True):
        np.multiply(channel, np.float32(scale), out=plane)


def _to_bgr(matrix: Matrix, full_range: bool) -> NDArray[np.float32]:
    """(3, 4) from y, u, v to blue, green, red (ITU-R BT.601, 2.5)."""
    red, blue = _WEIGHTS[matrix]
    green = 1 - red - blue
    luma, chroma, black = (1.0, 1.0, 0) if full_range else (255 / 219, 255 / 224, _BLACK)
    rows = np.array(
        [
            [luma, 2 * (1 - blue) * chroma, 0],
            [
                luma,
                -2 * blue * (1 - blue) / green * chroma,
                -2 * red * (1 - red) / green * chroma,
            ],
            [luma, 0, 2 * (1 - red) * chroma],
        ]
    )
    shift = -rows @ np.array([black, _GREY, _GREY])
    return np.concatenate([rows, shift[:, None]], axis=1).astype(np.float32)


_TO_BGR: Final[Mapping[tuple[Matrix, bool], NDArray[np.float32]]] = MappingProxyType(
    {(matrix, full): _to_bgr(matrix, full) for matrix in _WEIGHTS for full in (False, True)}
)
