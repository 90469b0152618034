"""The picture stands still: the camera sends the same one again and again."""

from __future__ import annotations

from vision.rules.base import CameraRule, CameraSettings
from vision.types import Fault


class CameraFrozen(CameraRule):
    kind = "camera_frozen"
    Settings = CameraSettings

    def why(self, fault: Fault) -> str:
        repeats = fault.measured.get("repeats_s")
        for_s = f" for {repeats:.1f} s" if isinstance(repeats, float) else ""
        return f"the picture repeats itself{for_s}"
