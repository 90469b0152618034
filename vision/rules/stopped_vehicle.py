"""A vehicle stands where others drive, and not because they all wait."""

from __future__ import annotations

from vision.rules.stopping import StoppingRule, StoppingSettings
from vision.thresholds import Threshold


class StoppedVehicle(StoppingRule):
    kind = "stopped_vehicle"
    severity = "medium"
    thresholds = (
        Threshold("still_s", low=1, high=600, step=2),
        Threshold("alone_s", low=0, high=300, step=2),
    )
    Settings = StoppingSettings
