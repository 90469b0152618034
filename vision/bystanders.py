"""Who is in a picture besides those that a scene looks for: to be hidden in evidence, and for
nothing else. No tracker, counter or rule ever hears of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Part: TypeAlias = tuple[float, float, float, float]
"""A part of a picture: x1, y1, x2, y2."""


@dataclass(frozen=True, slots=True, eq=False)
class Bystanders:
    """Boxes ``xyxy`` (n, 4) float32 px and the class of each in ``names``.

    ``classes`` are those that were looked for besides the finder's own, found or not. ``within``
    is the part of the picture that was looked at, in px: None for all of it, and one without area
    where nobody looked. Raises ValueError where names and boxes do not fit.
    """

    classes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    xyxy: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    within: Part | None = None

    def __post_init__(self) -> None:
        n = len(self.names)
        if self.xyxy.shape != (n, 4) or self.xyxy.dtype != np.float32:
            raise ValueError(f"{n} bystanders have boxes ({n}, 4) float32, not {self.xyxy.shape}")

    def __len__(self) -> int:
        return len(self.names)

    def joined(self, names: Sequence[str], xyxy: NDArray[np.float32]) -> Bystanders:
        """These and those of ``names``, in ``xyxy`` (n, 4) px."""
        both = np.concatenate([self.xyxy, xyxy])
        return replace(self, names=(*self.names, *names), xyxy=both)

    def scaled(self, x: float, y: float) -> Bystanders:
        """The same in px of a picture that is ``x`` times as wide and ``y`` times as high."""
        by = np.array([x, y, x, y], np.float32)
        within = self.within
        if within is not None:
            within = within[0] * x, within[1] * y, within[2] * x, within[3] * y
        return replace(self, xyxy=self.xyxy * by, within=within)


NO_ONE = Bystanders()
UNSEEN = Bystanders(within=(0.0, 0.0, 0.0, 0.0))
"""Of a picture that nobody looked at."""
