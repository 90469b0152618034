"""Who came from where and went where to: trips between a movement's entry and exit zones."""

from __future__ import annotations

from vision.scene import Movement, Scene
from vision.types import Tracked, Trip


class MovementCounter:
    """Trips of one movement. State of a track goes when its id is in ``Tracked.ended``."""

    def __init__(self, movement: Movement, scene: Scene) -> None:
        self.movement = movement
        self._scene = scene

    def update(self, tracked: Tracked) -> list[Trip]:  # noqa: ARG002
        """The trips that were over in this step, by track id."""
        return []

    def finish(self) -> list[Trip]:
        """The source has ended: the trips of those who are still in sight."""
        return []
