"""The picture is so dark that little is left of the view."""

from __future__ import annotations

from vision.rules.base import CameraRule, CameraSettings
from vision.types import Fault


class CameraDark(CameraRule):
    kind = "camera_dark"
    Settings = CameraSettings

    def why(self, fault: Fault) -> str:
        light = fault.measured.get("light_share")
        left = f", with {light:.0%} of its light" if isinstance(light, float) else ""
        return f"the picture is dark{left}"
