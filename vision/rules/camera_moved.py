"""The camera looks elsewhere: it was turned, zoomed or pushed."""

from __future__ import annotations

from vision.rules.base import CameraRule, CameraSettings
from vision.types import Fault


class CameraMoved(CameraRule):
    kind = "camera_moved"
    Settings = CameraSettings

    def why(self, fault: Fault) -> str:
        away = fault.measured.get("away_share")
        by = f" by {away:.1%} of its width" if isinstance(away, float) else ""
        return f"the view has moved{by}"
