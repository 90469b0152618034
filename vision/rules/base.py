"""What a rule is, and how its events get their ids."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from vision.scene import RuleConfig, Scene
from vision.types import Event, JsonValue, Tracked


class Rule(ABC):
    """One incident kind watching one place of one camera.

    A subclass lives in ``vision/rules/<kind>.py`` and is found there by its ``kind``. ``Settings``
    is a frozen dataclass whose fields all have defaults and carry their unit in their name;
    it raises ValueError for a value that makes no sense, naming the field. ``place`` says what
    the rule is drawn on; ``classes`` are looked at when the scene's rule names none.
    """

    kind: ClassVar[str]
    place: ClassVar[Literal["zone", "line"]]
    classes: ClassVar[tuple[str, ...]]
    Settings: ClassVar[type[Any]]

    def __init__(self, config: RuleConfig) -> None:
        self.config = config

    @classmethod
    def check(cls, config: RuleConfig, scene: Scene) -> None:
        """Raise ValueError where the settings do not fit the scene (an unknown direction, say)."""

    @abstractmethod
    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        """Events that were raised or ended in this step. Reads ``tracked`` alone: its ``ts`` is
        the only clock, and state of a track goes when its id is in ``ended``."""

    def event(
        self,
        tracked: Tracked,
        *,
        track_ids: tuple[int, ...],
        start_ts: float,
        end_ts: float | None = None,
        score: float,
        details: Mapping[str, JsonValue],
    ) -> Event:
        """An event raised in this step, with its deterministic id."""
        who = ",".join(map(str, track_ids))
        key = f"{tracked.camera_id}|{self.config.name}|{self.config.place}|{start_ts:.3f}|{who}"
        return Event(
            id=hashlib.sha256(key.encode()).hexdigest()[:20],
            kind=self.kind,
            rule=self.config.name,
            camera_id=tracked.camera_id,
            place=self.config.place,
            start_ts=start_ts,
            raised_ts=max(tracked.ts, start_ts),
            end_ts=end_ts,
            track_ids=track_ids,
            score=score,
            details=details,
        )
