"""``camera_frozen``: from the picture's fault to an incident."""

from __future__ import annotations

from tests.vision.rules.scenarios import T0, Scenario, Spoilt, rule
from tests.vision.rules.spoilt import when
from vision.rules.camera_frozen import CameraFrozen
from vision.types import Fault

SCENARIO = Scenario(spoilt=(Spoilt("frozen", 2, 8), Spoilt("frozen", 12, 16)), until=20)

test_when = when("frozen")


def test_why() -> None:
    watcher = rule("camera_frozen", classes=())
    assert isinstance(watcher, CameraFrozen)
    fault = Fault("frozen", T0, 1.0, {"repeats_s": 2.5})
    assert watcher.why(fault) == "the picture repeats itself for 2.5 s"
    assert watcher.why(Fault("frozen", T0, 1.0, {})) == "the picture repeats itself"
