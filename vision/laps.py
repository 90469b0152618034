"""The stages of a step, told one by one to whoever measures them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

Stage: TypeAlias = Literal["quality", "detect", "track", "rules", "other"]
"""``detect`` is all that finds objects, ``rules`` counts and rules together, ``other`` what else is
observed because a rule asks for it."""
Laps: TypeAlias = Callable[[Stage], None]
"""Called with the name of a stage as soon as that is over; one may come more than once."""


def unmeasured(_stage: Stage) -> None:
    """Nobody measures."""
