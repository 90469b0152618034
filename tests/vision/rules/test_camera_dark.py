"""``camera_dark``: from the picture's fault to an incident."""

from __future__ import annotations

from tests.vision.rules.scenarios import T0, Scenario, Spoilt, rule
from tests.vision.rules.spoilt import when
from vision.rules.camera_dark import CameraDark
from vision.types import Fault

SCENARIO = Scenario(spoilt=(Spoilt("dark", 2, 8), Spoilt("dark", 12, 16)), until=20)

test_when = when("dark")


def test_why() -> None:
    watcher = rule("camera_dark", classes=())
    assert isinstance(watcher, CameraDark)
    fault = Fault("dark", T0, 1.0, {"light_share": 0.12, "contrast_share": 0.1})
    assert watcher.why(fault) == "the picture is dark, with 12% of its light"
    assert watcher.why(Fault("dark", T0, 1.0, {})) == "the picture is dark"
