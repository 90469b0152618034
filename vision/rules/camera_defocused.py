"""The picture is out of focus."""

from __future__ import annotations

from vision.rules.base import CameraRule, CameraSettings
from vision.types import Fault


class CameraDefocused(CameraRule):
    kind = "camera_defocused"
    Settings = CameraSettings

    def why(self, fault: Fault) -> str:
        sharp = fault.measured.get("sharpness_share")
        left = f", with {sharp:.0%} of the sharpness" if isinstance(sharp, float) else ""
        return f"the picture is out of focus{left}"
