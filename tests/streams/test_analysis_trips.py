"""Trips in the records of a clip: a clip that is made here, with painted blocks in it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from streams.analysis import Record, Summary, analyse, json_line, summary_record, trip_record
from streams.files import ClipSource
from tests.needs import REPO
from tests.vision.painted import SETTINGS, detector, paint
from vision.movements import Balance
from vision.pipeline import Pipeline
from vision.scene import Movement, Scene, Zone
from vision.types import Trip

RATE = 10
START_TS = 1_769_817_600.0


def zone(name: str, x0: float, x1: float) -> Zone:
    return Zone(name, np.array([[x0, 60.0], [x1, 60.0], [x1, 190.0], [x0, 190.0]]))


SCENE = Scene(
    (320, 192),
    zones=(zone("west", 40, 110), zone("east", 210, 320)),
    movements=(Movement("street", ("west", "east"), ("west", "east")),),
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody goes from west to east and stays there; 5 s, ten frames a second."""
    path = tmp_path_factory.mktemp("clips") / "street.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "10"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for i in range(5 * RATE):
            image = paint({"person": (min(50 + 80 * i / RATE, 270), 120.0)})
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.time_base, frame.pts = Fraction(1, RATE), i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def told(clip: Path, scene: Scene, **picking: Any) -> tuple[list[Record], Summary]:
    records: list[Record] = []
    source = ClipSource(clip, camera_id="street", start_ts=START_TS, **picking)
    camera = Pipeline(scene, detector(), SETTINGS)
    return records, analyse(source, camera, start_ts=START_TS, write=records.append)


@pytest.mark.parametrize("fps", [None, Fraction(5)])
def test_a_trip_is_told_and_the_summary_has_its_matrix(clip: Path, fps: Fraction | None) -> None:
    (trip, summary), _ = told(clip, SCENE, fps=fps)
    assert trip["type"] == "trip"
    assert (trip["origin"], trip["destination"], trip["class"]) == ("west", "east", "person")
    assert trip["entered_offset_s"] == pytest.approx(60 / 80, abs=0.15)
    assert trip["offset_s"] == pytest.approx(160 / 80, abs=0.15)
    assert summary["movements"] == {
        "street": {
            "west": {"west": {}, "east": {"person": 1}, "unknown": {}},
            "east": {"west": {}, "east": {}, "unknown": {}},
            "unknown": {"west": {}, "east": {}, "unknown": {}},
        }
    }
    assert summary["balance"] == {
        "street": {
            "balanced": True,
            "trips": 1,
            "entered": {"west": 1, "east": 0, "unknown": 0},
            "left": {"west": 0, "east": 1, "unknown": 0},
            "inside": {"west": 0, "east": 0, "unknown": 0},
        }
    }


def test_a_scene_without_movements_says_nothing_of_them(clip: Path) -> None:
    records, _ = told(clip, replace(SCENE, movements=()))
    assert [record["type"] for record in records] == ["summary"]
    assert not {"movements", "balance"} & set(records[-1])


def test_a_matrix_that_does_not_agree_is_said() -> None:
    wrong = Balance({"unknown": 1}, {"unknown": 1}, {"unknown": 0}, 1, ("1 entered, but 0 began",))
    matrix: Any = {"unknown": {"unknown": {}}}
    summary: Any = summary_record(Summary(1, 1, {}, (), {}, {"street": matrix}, {"street": wrong}))
    assert summary["balance"]["street"]["balanced"] is False
    assert summary["balance"]["street"]["problems"] == ["1 entered, but 0 began"]


TRIP = Trip("street", "crossroads", None, "east", "car", 7, START_TS + 1.00049, START_TS + 2.5)


def test_the_fields_of_a_trip() -> None:
    assert list(trip_record(TRIP, START_TS).items()) == [
        ("type", "trip"),
        ("camera", "street"),
        ("movement", "crossroads"),
        ("origin", "unknown"),
        ("destination", "east"),
        ("class", "car"),
        ("track_id", 7),
        ("entered_ts", 1769817601.0),
        ("ts", 1769817602.5),
        ("entered_offset_s", 1.0),
        ("offset_s", 2.5),
    ]


def test_the_documentation_has_every_field_and_a_real_example() -> None:
    docs = (REPO / "docs/analyse.md").read_text("utf-8")
    (text,) = re.findall(r"^### A trip\n(.*?)(?=^##)", docs, re.MULTILINE | re.DOTALL)
    trip, summary = (
        json.loads(example) for example in re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    )
    record = trip_record(TRIP, START_TS)
    assert re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)[: len(record)] == list(record)
    assert list(trip) == list(record)
    assert set(summary) == {"movements", "balance"}
    assert list(summary["balance"]["arms"]) == ["balanced", "trips", "entered", "left", "inside"]
    assert json_line(record).count("\n") == 1
