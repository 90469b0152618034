"""Pictures as cameras code them: luma and chroma of half the size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vision.picture import Planes

WEIGHTS = {
    "bt601": (0.299, 0.587, 0.114),
    "bt709": (0.2126, 0.7152, 0.0722),
    "bt2020": (0.2627, 0.678, 0.0593),
}


def coded(bgr: NDArray[np.uint8], matrix: str, full: bool) -> Planes:
    """What a camera sends of ``bgr`` (h, w, 3), by the definition of luma and colour difference."""
    blue, green, red = (bgr[..., i] / 255 for i in range(3))
    kr, kg, kb = WEIGHTS[matrix]
    luma = kr * red + kg * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    y = 255 * luma if full else 16 + 219 * luma
    span = 255 if full else 224
    half = np.s_[::2, ::2]
    planes = [y, (128 + span * cb)[half], (128 + span * cr)[half]]
    found = [np.clip(np.rint(each), 0, 255).astype(np.uint8) for each in planes]
    return Planes(*found, matrix=matrix, full_range=full)
