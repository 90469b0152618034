"""``camera_defocused``: from the picture's fault to an incident."""

from __future__ import annotations

from tests.vision.rules.scenarios import T0, Scenario, Spoilt, rule
from tests.vision.rules.spoilt import when
from vision.rules.camera_defocused import CameraDefocused
from vision.types import Fault

SCENARIO = Scenario(spoilt=(Spoilt("defocused", 2, 8), Spoilt("defocused", 12, 16)), until=20)

test_when = when("defocused")


def test_why() -> None:
    watcher = rule("camera_defocused", classes=())
    assert isinstance(watcher, CameraDefocused)
    fault = Fault("defocused", T0, 1.0, {"sharpness_share": 0.21})
    assert watcher.why(fault) == "the picture is out of focus, with 21% of the sharpness"
    assert watcher.why(Fault("defocused", T0, 1.0, {})) == "the picture is out of focus"
