"""A vehicle stands where others drive, and not because they all wait."""

from __future__ import annotations

from vision.rules.stopping import StoppingRule, StoppingSettings


class StoppedVehicle(StoppingRule):
    kind = "stopped_vehicle"
    severity = "medium"
    Settings = StoppingSettings
