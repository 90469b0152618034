"""Something covers the camera's view."""

from __future__ import annotations

from vision.rules.base import CameraRule, CameraSettings
from vision.types import Fault


class CameraCovered(CameraRule):
    kind = "camera_covered"
    Settings = CameraSettings

    def why(self, fault: Fault) -> str:
        seen = fault.measured.get("seen_share")
        left = f", {seen:.0%} of the view is left" if isinstance(seen, float) else ""
        return f"the view is covered{left}"
