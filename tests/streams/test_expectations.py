"""What a clip must show, and the verdict; mistakes are in ``test_expectations_mistakes.py``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.analysis import Counts, Summary
from streams.expectations import (
    COUNT_FIELDS,
    EVENT_FIELDS,
    EVERYTHING,
    TOP_FIELDS,
    CountExpectation,
    EventExpectation,
    Expectations,
    load_expectations,
)
from streams.scenefile import load_scene
from tests.needs import REPO
from vision.errors import ExpectationError
from vision.scene import Line, RuleConfig, Scene, Zone
from vision.types import Event

START = 1_769_817_600.0
LINE = np.array([[0.0, 100.0], [640.0, 100.0]])
SQUARE = np.array([[0.0, 0.0], [99.0, 0.0], [99.0, 99.0]])
SCENE = Scene(
    (640, 360),
    classes=("person", "car"),
    lines=(Line("road", LINE, "north", "south"), Line("path", LINE + 50)),
    zones=(Zone("yard", SQUARE), Zone("lawn", SQUARE)),
    rules=(
        RuleConfig("night", "intrusion", "yard", ("person",), None),
        RuleConfig("bench", "loitering", "lawn", ("person",), None),
    ),
)
ANY_CLASS = Scene(SCENE.frame_size, lines=SCENE.lines)
COUNTS: Counts = {
    "road": {"north": {"person": 3, "car": 10}, "south": {}},
    "path": {"forward": {"person": 1}, "backward": {}},
}


def load(tmp_path: Path, text: str, scene: Scene = SCENE) -> Expectations:
    path = tmp_path / "expect.yaml"
    path.write_text(text, "utf-8")
    return load_expectations(path, scene)


def event(
    kind: str = "intrusion",
    rule: str = "night",
    place: str = "yard",
    *,
    start: float = 1.0,
    raised: float = 2.0,
    end: float | None = 5.0,
) -> Event:
    return Event(
        id=f"{kind} {rule} {place} {start} {raised} {end}",
        kind=kind,
        rule=rule,
        camera_id="cam",
        place=place,
        start_ts=START + start,
        raised_ts=START + raised,
        end_ts=None if end is None else START + end,
        track_ids=(1,),
        score=0.5,
        details={},
    )


def verdict(tmp_path: Path, text: str, *events: Event, scene: Scene = SCENE) -> list[str]:
    found = load(tmp_path, text, scene)
    return found.differences(Summary(100, 100, COUNTS, events), START)


# --- good files ---------------------------------------------------------------------------------


def test_everything_that_a_file_can_say(tmp_path: Path) -> None:
    text = """\
counts:
  - {line: road, direction: north, class: car, count: 12, tolerance: 1}
  - {line: path, direction: backward, count: 0}
events:
  - {kind: intrusion, rule: night, zone: yard, start_s: [0, 1], raised_s: [1, 2], end_s: [3, 4.5],
     count: 2, tolerance: 1}
  - {line: road, none: true}
  - {}
only: true
"""
    assert load(tmp_path, text) == Expectations(
        counts=(
            CountExpectation("road", "north", "car", 12, 1),
            CountExpectation("path", "backward", None, 0, 0),
        ),
        events=(
            EventExpectation("intrusion", "night", "yard", (0, 1), (1, 2), (3, 4.5), 2, 1),
            EventExpectation(None, None, "road", EVERYTHING, EVERYTHING, None, 0, 0),
            EventExpectation(None, None, None, EVERYTHING, EVERYTHING, None, None, 0),
        ),
        only=True,
    )


@pytest.mark.parametrize(
    ("text", "only"),
    [("counts: []", False), ("events: []\nonly: true", True), ("events: []\nonly: false", False)],
)
def test_short_files(text: str, only: bool, tmp_path: Path) -> None:
    assert load(tmp_path, text) == Expectations((), (), only)


def test_a_scene_without_classes_takes_any_class(tmp_path: Path) -> None:
    text = "counts: [{line: road, direction: north, class: bentor, count: 1}]"
    assert load(tmp_path, text, ANY_CLASS).counts[0].class_name == "bentor"


# --- the verdict on counts ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "difference"),
    [
        ("class: person, count: 3", None),
        ("class: person, count: 4", "person: expected 4, counted 3"),
        ("class: person, count: 2", "person: expected 2, counted 3"),
        ("class: person, count: 4, tolerance: 1", None),
        ("class: person, count: 2, tolerance: 1", None),
        ("class: person, count: 5, tolerance: 1", "person: expected 5 within 1, counted 3"),
        ("count: 13", None),
        ("count: 12", "of all classes: expected 12, counted 13"),
        ("count: 10, tolerance: 3", None),
        ("count: 10, tolerance: 2", "of all classes: expected 10 within 2, counted 13"),
    ],
)
def test_counts(fields: str, difference: str | None, tmp_path: Path) -> None:
    found = verdict(tmp_path, f"counts: [{{line: road, direction: north, {fields}}}]")
    assert found == ([] if difference is None else [f"line 'road' north, {difference}"])


def test_what_was_never_counted_is_zero(tmp_path: Path) -> None:
    text = "counts: [{line: road, direction: south, count: %d}]"
    assert verdict(tmp_path, text % 0) == []
    assert verdict(tmp_path, text % 1) == [
        "line 'road' south, of all classes: expected 1, counted 0"
    ]


# --- the verdict on events ----------------------------------------------------------------------

THREE = (
    event(start=1.0, raised=2.0, end=5.0),
    event(start=10.0, raised=12.0, end=None),
    event("loitering", "bench", "lawn", start=3.0, raised=9.0, end=20.0),
)


@pytest.mark.parametrize(
    ("fields", "difference"),
    [
        ("", None),
        ("kind: intrusion", None),
        ("kind: line_crossing", "event 'line_crossing': expected at least one, found none"),
        ("kind: intrusion, count: 2", None),
        ("kind: intrusion, count: 1", "event 'intrusion': expected 1, found 2"),
        ("kind: intrusion, count: 1, tolerance: 1", None),
        ("kind: intrusion, count: 4, tolerance: 1", "event 'intrusion': expected 4 within 1, fou"),
        ("kind: intrusion, count: 0", "event 'intrusion': expected none, found 2"),
        ("kind: intrusion, none: true", "event 'intrusion': expected none, found 2"),
        ("kind: intrusion, none: false", None),
        ("kind: line_crossing, none: true", None),
        ("rule: bench, count: 1", None),
        ("rule: bench, kind: intrusion", "event 'intrusion' of rule 'bench': expected at least o"),
        ("zone: lawn, count: 1", None),
        ("zone: yard, none: true", "event at 'yard': expected none, found 2"),
        ("line: road", "event at 'road': expected at least one, found none"),
        # windows include both their ends
        ("kind: intrusion, start_s: [1, 1], count: 1", None),
        ("raised_s: [2, 9], count: 2", None),
        ("raised_s: [2.001, 8.999], none: true", None),
        ("start_s: [0, 5], raised_s: [8, 10], count: 1", None),
        ("start_s: [0, 5], raised_s: [12, 13]", "event start 0 to 5 s raised 12 to 13 s: expecte"),
        ("end_s: [5, 20], count: 2", None),
        # an open event has no end that could lie in a window
        ("end_s: [0, 999], count: 2", None),
        ("kind: intrusion, start_s: [9, 11], end_s: [0, 999]", "event 'intrusion' start 9 to 11 "),
        ("kind: intrusion, end_s: [6.5, 7]", "event 'intrusion' end 6.5 to 7 s: expected at leas"),
    ],
)
def test_events(fields: str, difference: str | None, tmp_path: Path) -> None:
    found = verdict(tmp_path, f"events: [{{{fields}}}]", *THREE)
    if difference is None:
        assert found == []
    else:
        (sentence,) = found
        assert sentence.startswith(difference)
        assert sentence.isprintable()


@pytest.mark.parametrize(
    ("text", "differences"),
    [
        ("events: [{kind: intrusion}, {kind: loitering}]\nonly: true", []),
        ("events: [{kind: intrusion}]", []),
        (
            "events: [{kind: intrusion}]\nonly: true",
            ["event 'loitering' of rule 'bench' at 9.0 s was not expected"],
        ),
        (
            "events: [{kind: intrusion, raised_s: [0, 3]}, {rule: bench}]\nonly: true",
            ["event 'intrusion' of rule 'night' at 12.0 s was not expected"],
        ),
        (
            "events: []\nonly: true",
            [
                "event 'intrusion' of rule 'night' at 2.0 s was not expected",
                "event 'intrusion' of rule 'night' at 12.0 s was not expected",
                "event 'loitering' of rule 'bench' at 9.0 s was not expected",
            ],
        ),
    ],
)
def test_only(text: str, differences: list[str], tmp_path: Path) -> None:
    assert verdict(tmp_path, text, *THREE) == differences


def test_every_difference_is_told_counts_first(tmp_path: Path) -> None:
    text = """\
events: [{kind: loitering, none: true}, {kind: intrusion, count: 5}]
counts: [{line: road, direction: south, count: 7}]
"""
    assert verdict(tmp_path, text, *THREE) == [
        "line 'road' south, of all classes: expected 7, counted 0",
        "event 'loitering': expected none, found 1",
        "event 'intrusion': expected 5, found 2",
    ]


@pytest.mark.parametrize("start_ts", [0.0, START, START + 0.1])
def test_a_time_copied_from_a_record_is_inside_its_window(start_ts: float, tmp_path: Path) -> None:
    """Records round to the millisecond: frame 85 of 7 a second is 12.142857 s, told as 12.143."""
    late = Event(
        "id", "intrusion", "night", "cam", "yard", start_ts + 85 / 7, start_ts + 86 / 7,
        start_ts + 0.1 + 87 / 7, (1,), 0.5, {},
    )  # fmt: skip
    text = "events: [{start_s: [12.143, 13], raised_s: [12, 12.286], end_s: [12.529, 12.529]}]"
    found = load(tmp_path, text)
    assert found.differences(Summary(1, 1, {}, (late,)), start_ts) == []


# --- docs/analyse.md ----------------------------------------------------------------------------

DOCS = (REPO / "docs" / "analyse.md").read_text("utf-8")


def documented(heading: str) -> list[str]:
    (text,) = re.findall(rf"^### {heading}\n(.*?)(?=^##)", DOCS, re.MULTILINE | re.DOTALL)
    return re.findall(r"^\| `(\w+)`", text, re.MULTILINE)


def test_the_documentation_has_every_field() -> None:
    assert sorted(documented("Counts")) == sorted(COUNT_FIELDS)
    assert sorted(documented("Events")) == sorted(EVENT_FIELDS)
    assert all(f"`{field}" in DOCS for field in TOP_FIELDS)


def test_the_example_of_the_documentation_is_valid(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    scene = load_scene(REPO / "samples" / "scenes" / "plaza.yaml")
    found = load(tmp_path, example, scene)
    assert (len(found.counts), len(found.events), found.only) == (2, 4, True)
    with pytest.raises(ExpectationError) as caught:
        load(tmp_path, example.replace("line: square", "line: sqare"), scene)
    assert str(caught.value).removeprefix(f"{tmp_path}/") in DOCS


def test_the_differences_in_the_documentation_are_real(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    scene = load_scene(REPO / "samples" / "scenes" / "plaza.yaml")
    rows: list[Any] = [
        ("loitering", "loitering@crossroads", "crossroads", 3.0, 15.571, 16.0),
        ("loitering", "loitering@crossroads", "crossroads", 6.0, 18.571, 21.429),
        ("intrusion", "intrusion@lawn", "lawn", 75.714, 76.714, 79.857),
        ("intrusion", "intrusion@lawn", "lawn", 79.429, 81.0, 83.286),
        ("intrusion", "intrusion@lawn", "lawn", 76.0, 77.0, 89.429),
        ("intrusion", "intrusion@lawn", "lawn", 94.429, 95.429, 102.286),
    ]
    events = tuple(event(*row[:3], start=row[3], raised=row[4], end=row[5]) for row in rows)
    counts: Counts = {"square": {"westbound": {"person": 19}, "eastbound": {"person": 15}}}
    found = load(tmp_path, example, scene).differences(Summary(795, 795, counts, events), START)
    assert len(found) == 2
    assert "".join(f"expect.yaml: {sentence}\n" for sentence in found) in DOCS
