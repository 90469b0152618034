"""Whether a camera's smaller stream is wanted, and what it must show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from models.zoo import resolve
from streams.detector import Detectors
from streams.streamwish import WishOf, wish_of
from tests.streams.workers import camera

LINE = {"name": "gate", "points": [[640, 0], [640, 700]]}
ZONE = {"name": "yard", "polygon": [[100, 100], [1200, 100], [1200, 700]]}
RULE = {"kind": "intrusion", "zone": "yard"}
COUNTED: dict[str, Any] = {"frame_size": [1280, 720], "lines": [LINE]}
GUARDED: dict[str, Any] = {"frame_size": [1280, 720], "zones": [ZONE], "rules": [RULE]}


@pytest.fixture(scope="module")
def detectors() -> Detectors:
    return Detectors(lambda model: resolve(model, cache=None))


@pytest.mark.parametrize(
    ("scene", "more", "shows", "setting"),
    [
        (None, {}, True, "auto"),
        (COUNTED, {}, True, "auto"),
        # what is reported is to be shown as well as the camera can
        (GUARDED, {}, True, "off"),
        (GUARDED, {}, False, "auto"),
        (GUARDED | {"rules": [RULE | {"enabled": False}]}, {}, True, "auto"),
        (GUARDED, {"substream": "auto"}, True, "auto"),
        (GUARDED, {"substream": "/stream2"}, True, "/stream2"),
        (COUNTED, {"substream": "off"}, True, "off"),
        # whoever wants every picture wants those of the main stream
        (COUNTED, {"fps": None}, True, "off"),
        (COUNTED, {"fps": None, "substream": "auto"}, True, "auto"),
        ({"frame_size": [1280, 720], "lines": 7}, {"substream": "auto"}, True, "off"),
    ],
)
def test_what_is_wanted(
    scene: Any, more: dict[str, Any], shows: bool, setting: str, detectors: Detectors
) -> None:
    of = camera("a", "rtsp://127.0.0.1/stream1", scene=scene, model="nanodet_g", **more)
    assert wish_of(of, detectors, shows=shows).setting == setting


@pytest.mark.parametrize(
    ("scene", "model", "size", "fits"),
    [
        (COUNTED, "nanodet_g", (640, 360), True),
        (COUNTED, "nanodet_g", (416, 234), True),
        (COUNTED, "nanodet_g", (400, 226), False),
        (COUNTED, "nanodet_g", (320, 180), False),
        (COUNTED, "motion", (320, 180), True),
        (COUNTED, "motion", (240, 134), False),
        # a region shows few of its pixels
        (COUNTED | {"region": [0, 0, 640, 360]}, "nanodet_g", (640, 360), False),
        (COUNTED | {"region": [0, 0, 640, 360]}, "nanodet_g", (1280, 720), True),
        (COUNTED | {"region": [0, 0, 640, 360]}, "motion", (640, 360), True),
        # lines would lie elsewhere
        (COUNTED, "nanodet_g", (704, 576), False),
        (COUNTED | {"stretch": True}, "nanodet_g", (704, 576), True),
        (None, "nanodet_g", (320, 180), True),
        (COUNTED, "no-such-model", (640, 360), False),
    ],
)
def test_what_fits(
    scene: Any, model: str, size: tuple[int, int], fits: bool, detectors: Detectors
) -> None:
    of = camera("a", "rtsp://127.0.0.1/stream1", scene=scene, model=model)
    wish = wish_of(of, detectors, shows=True)
    assert (not wish.misfit(size)) is fits
    assert (not wish.misfit(size)) is fits


def test_who_names_it_decides_how_small_it_is(detectors: Detectors) -> None:
    of = camera("a", "rtsp://127.0.0.1/x", scene=COUNTED, model="nanodet_g", substream="/small")
    wish = wish_of(of, detectors, shows=True)
    assert wish.misfit((320, 180)) == ""
    assert wish.misfit((704, 576)) != ""


def test_it_follows_the_configuration(detectors: Detectors) -> None:
    of = camera("a", "rtsp://127.0.0.1/stream1", scene=COUNTED, model="nanodet_g")
    wish = WishOf(of, detectors, shows=True)
    assert wish() is wish()
    assert (wish().setting, wish().drawn, wish().stretch) == ("auto", (1280, 720), False)
    wish.config = replace(of, scene=GUARDED)
    assert wish().setting == "off"
    wish.config = replace(of, scene=None)
    assert (wish().setting, wish().drawn) == ("auto", None)
