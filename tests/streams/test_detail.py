"""How closely a model looks: what a scene's ``detail`` makes of its input, and what that finds.

``tests/baselines/detail.json`` holds what was measured; a change may only improve on it.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.zoo import VerifiedModel
from streams.config import MOTION
from streams.detector import DETAILS, MAX_ZOOM, Detectors, input_size
from tests.needs import REPO
from tests.streams.madeup import entry, made_up_input, note_loads
from tests.streams.test_region import SLACK, VIEWS, found_by, measured
from vision.errors import DetectorError
from vision.scene import Detail, Region, Scene, Zone

BASELINE = json.loads((REPO / "tests/baselines/detail.json").read_text("utf-8"))
SIZE = (640, 360)
YARD = Zone("yard", np.array([[200.0, 100.0], [440.0, 100.0], [440.0, 130.0], [200.0, 130.0]]))
BOX = (160.0, 60.0, 320.0, 80.0)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What ``load_session`` was called with; no model is read."""
    return note_loads(monkeypatch)


def scene(**changes: Any) -> Scene:
    return Scene(**{"frame_size": SIZE, "classes": ("person",), "zones": (YARD,), **changes})


def models(**input_changes: Any) -> Detectors:
    made = entry(input=made_up_input(**input_changes))
    return Detectors(lambda name: VerifiedModel(made, b""))


@pytest.mark.parametrize(
    ("detail", "own", "region", "size", "chosen"),
    [
        # a longer side of 416 px becomes 640 and 832
        ("fine", (416, 416), None, (1920, 1080), (384, 640)),
        ("fine", (416, 416), None, (768, 576), (480, 640)),
        ("finest", (416, 416), None, (1920, 1080), (480, 832)),
        # one of 640 px becomes 960 and 1280, for a picture that stands too
        ("fine", (384, 640), None, (1080, 1920), (960, 544)),
        ("finest", (640, 640), None, (1920, 1080), (736, 1280)),
        # a small picture is enlarged by 2.5 at most, but never less than usual
        ("finest", (416, 416), None, (320, 180), (480, 800)),
        ("finest", (416, 416), None, (256, 256), (640, 640)),
        ("fine", (416, 416), None, (160, 90), (256, 416)),
        # and so is a region
        ("fine", (416, 416), BOX, SIZE, (160, 640)),
        ("finest", (416, 416), BOX, SIZE, (224, 800)),
        ("fine", (416, 416), (0, 0, 100, 60), SIZE, (160, 256)),
    ],
)
def test_the_models_input_follows_the_detail(
    detail: Detail,
    own: tuple[int, int],
    region: Region | None,
    size: tuple[int, int],
    chosen: tuple[int, int],
    loaded: list[Any],
) -> None:
    detectors = models(dynamic=True, height=own[0], width=own[1])
    for asked in ("model", "fused"):
        wanted = scene(detail=detail, region=region, detector=asked, frame_size=size)
        detectors.get("made_up", size, wanted)
    assert [call["input_size"] for call in loaded] == [chosen]


@pytest.mark.parametrize("region", [None, BOX, "auto"])
def test_what_cannot_look_closer_says_so(region: Region | None, loaded: list[Any]) -> None:
    wanted = scene(detail="fine", region=region)
    with pytest.raises(
        DetectorError, match=r"takes pictures of 320x416 .* leave 'detail: fine' out"
    ):
        models(dynamic=False).get("made_up", SIZE, wanted)
    with pytest.raises(DetectorError, match="'detail: fine' is about a model"):
        models().get(MOTION, SIZE, wanted)
    assert loaded == []


@given(
    w=st.integers(16, 4096),
    h=st.integers(16, 4096),
    own=st.integers(2, 40).map(lambda n: 32 * n),
    zoom=st.sampled_from([math.inf, MAX_ZOOM]),
)
def test_more_detail_is_never_a_smaller_input(w: int, h: int, own: int, zoom: float) -> None:
    taken = entry(input=made_up_input(dynamic=True, height=own, width=own))
    sizes = [input_size(taken, (w, h), zoom, detail) for detail in DETAILS]
    assert sizes == sorted(sizes)
    assert all(side % 32 == 0 for size in sizes for side in size)
    assert sizes[0] == input_size(taken, (w, h), zoom)


@pytest.mark.long
@pytest.mark.parametrize("name", BASELINE)
def test_people_who_are_small_are_found_by_looking_closer(name: str, shared: Path) -> None:
    view, known = VIEWS[name], BASELINE[name]
    scene = replace(view.scene(None), detail="fine")
    got = measured(view, found_by(scene, view.size), shared)
    print(json.dumps({name: {"fine": got}}))
    assert (got["input"], got["people"]) == (known["fine"]["input"], known["fine"]["people"])
    for figure in ("ap50", "recall"):
        assert got[figure] >= known["fine"][figure] - SLACK, "improve, or say why not"
        assert got[figure] > known["usual"][figure] + SLACK
