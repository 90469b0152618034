"""``camera_moved``: from the picture's fault to an incident."""

from __future__ import annotations

from tests.vision.rules.scenarios import T0, Scenario, Spoilt, rule
from tests.vision.rules.spoilt import when
from vision.rules.camera_moved import CameraMoved
from vision.types import Fault

SCENARIO = Scenario(spoilt=(Spoilt("moved", 2, 8), Spoilt("moved", 12, 16)), until=20)

test_when = when("moved")


def test_why() -> None:
    watcher = rule("camera_moved", classes=())
    assert isinstance(watcher, CameraMoved)
    fault = Fault("moved", T0, 1.0, {"away_share": 0.083, "seen_share": 0.1})
    assert watcher.why(fault) == "the view has moved by 8.3% of its width"
    assert watcher.why(Fault("moved", T0, 1.0, {})) == "the view has moved"
