"""What the list of cameras says of the pictures that are analysed."""

from __future__ import annotations

from typing import Any

import pytest

from api.cameras import CameraOut
from api.i18n import texts
from api.pages.cameras import picture_of


@pytest.mark.parametrize(
    ("more", "en", "id_"),
    [
        ({}, "", ""),
        ({"width": 1280, "height": 720}, "1280×720", "1280×720"),
        ({"width": 1280, "height": 720, "stream": "main"}, "1280×720", "1280×720"),
        (
            {"width": 640, "height": 360, "stream": "sub"},
            "640×360, sub-stream",
            "640×360, aliran kecil (sub-stream)",
        ),
    ],
)
def test_which_stream_is_analysed(more: dict[str, Any], en: str, id_: str) -> None:
    values: dict[str, Any] = {
        "id": "a", "name": "A", "source": "rtsp", "state": "live", "code": None, "message": "",
        "since": None, "last_frame": None, "width": None, "height": None, "analysed": 0,
        "dropped": 0, "connects": 0, "detections": 0, "crossings": 0, "revision": 0,
        "worker": None, "age_seconds": None,
    }  # fmt: skip
    camera = CameraOut(**(values | more))
    assert picture_of(camera, texts("en")) == en
    assert picture_of(camera, texts("id")) == id_
