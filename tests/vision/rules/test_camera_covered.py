"""``camera_covered``: from the picture's fault to an incident."""

from __future__ import annotations

from tests.vision.rules.scenarios import T0, Scenario, Spoilt, rule
from tests.vision.rules.spoilt import when
from vision.rules.camera_covered import CameraCovered
from vision.types import Fault

SCENARIO = Scenario(spoilt=(Spoilt("covered", 2, 8), Spoilt("covered", 12, 16)), until=20)

test_when = when("covered")


def test_why() -> None:
    watcher = rule("camera_covered", classes=())
    assert isinstance(watcher, CameraCovered)
    fault = Fault("covered", T0, 1.0, {"seen_share": 0.12})
    assert watcher.why(fault) == "the view is covered, 12% of the view is left"
    assert watcher.why(Fault("covered", T0, 1.0, {})) == "the view is covered"
