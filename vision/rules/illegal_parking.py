"""A vehicle is parked where none may."""

from __future__ import annotations

from dataclasses import dataclass, field

from vision.rules.stopping import StoppingRule, StoppingSettings
from vision.thresholds import Threshold


@dataclass(frozen=True, slots=True)
class Settings(StoppingSettings):
    still_s: float = field(
        default=60.0, metadata={"help": "Seconds that it must stand before it is parked."}
    )
    queue_max_s: float = field(
        default=180.0,
        metadata={"help": "What has stood for longer waits in no queue, and is no neighbour."},
    )


class IllegalParking(StoppingRule):
    kind = "illegal_parking"
    severity = "low"
    thresholds = (
        Threshold("still_s", low=5, high=3600, step=10),
        Threshold("alone_s", low=0, high=300, step=5),
    )
    Settings = Settings
