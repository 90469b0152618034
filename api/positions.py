"""Which cameras are near another one: by where they stand, then by the site to which they belong.
Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Protocol

from api.alerting.settings import Site
from streams.config import Position

EARTH_M: Final = 6_371_008.8
"""The mean radius of the Earth (IUGG)."""


class Placed(Protocol):
    """A camera that may stand somewhere."""

    @property
    def id(self) -> str: ...

    @property
    def position(self) -> Position | None: ...


def distance_m(one: Position, other: Position) -> float:
    """Metres from one position to another one, along the ground, by the haversine formula."""
    latitude, longitude = map(math.radians, one)
    latitude_2, longitude_2 = map(math.radians, other)
    share = (
        math.sin((latitude_2 - latitude) / 2) ** 2
        + math.cos(latitude) * math.cos(latitude_2) * math.sin((longitude_2 - longitude) / 2) ** 2
    )
    # of opposite points rounding may make it more than all
    return 2 * EARTH_M * math.asin(math.sqrt(min(1.0, share)))


def neighbours(
    camera: str, cameras: Iterable[Placed], sites: Iterable[Site], limit: int
) -> list[str]:
    """The ids of up to ``limit`` other ones of these ``cameras``: those that stand nearest first,
    then those of the same site of which nobody said where they stand, in their order. Where
    nobody said so of the camera itself, those of its site alone. One that is not among the
    cameras has none."""
    there = {each.id: each.position for each in cameras}
    if camera not in there:
        return []
    own = there.pop(camera)
    near: list[str] = []
    if own is not None:
        far = {name: distance_m(own, at) for name, at in there.items() if at is not None}
        near = sorted(far, key=lambda name: (far[name], name))
    mates = [name for site in sites if camera in site.cameras for name in site.cameras]
    beside = [name for name in dict.fromkeys(mates) if name in there and name not in near]
    return [*near, *beside][: max(0, limit)]
