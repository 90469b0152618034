"""Records of a whole clip: a clip that is made here, and a model that finds its painted blocks."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import typer
from av.video.stream import VideoStream

from api.cli.analyse import analyse as command
from streams.analysis import (
    Record,
    Summary,
    analyse,
    crossing_record,
    event_record,
    json_line,
    late_record,
    summary_record,
)
from streams.files import ClipSource
from tests.needs import REPO
from tests.vision.painted import CLASSES, SETTINGS, Blocks, detector, paint
from vision.errors import ClipError
from vision.pipeline import Pipeline, Step
from vision.rules.intrusion import Settings as Intrusion
from vision.rules.line_crossing import Settings as LineCrossing
from vision.scene import Line, RuleConfig, Scene, Zone
from vision.types import Crossing, Event, Frame, Late

RATE = 10
START_TS = 1_769_817_600.0
GATE = Line("gate", np.array([[160.0, 191.0], [160.0, 0.0]]), forward="in", backward="out")
QUIET = Line("quiet", np.array([[0.0, 20.0], [320.0, 20.0]]))
LEFT = Zone("left", np.array([[40.0, 60.0], [120.0, 60.0], [120.0, 190.0], [40.0, 190.0]]))
RIGHT = Zone("right", np.array([[200.0, 60.0], [320.0, 60.0], [320.0, 190.0], [200.0, 190.0]]))
SCENE = Scene(
    (320, 192),
    lines=(GATE, QUIET),
    zones=(LEFT, RIGHT),
    rules=(
        RuleConfig("keep out left", "intrusion", "left", CLASSES, Intrusion()),
        RuleConfig("keep out right", "intrusion", "right", CLASSES, Intrusion()),
        RuleConfig("gate", "line_crossing", "gate", ("person",), LineCrossing()),
    ),
)


def blocks(t: float) -> Blocks:
    """A person goes from the left zone to the right one, past the gate at 2 s, and stays there; a
    truck comes later and stands in the left zone."""
    found = {"person": (min(40 + 60 * t, 260), 120.0)}
    return {**found, "truck": (80.0, 180.0)} if t >= 3.5 else found


def hidden(t: float) -> Blocks:
    """A person whom something hides for 1.2 s while it passes the gate, and a car that comes out
    of a garage 20 px past it."""
    found: dict[str, tuple[float, float]] = {}
    if not 1.5 <= t < 2.7:
        found["person"] = (40 + 60 * t, 120.0)
    return {**found, "car": (180 + 40 * (t - 1), 180.0)} if t >= 1 else found


def painted(path: Path, blocks: Callable[[float], Blocks], seconds: int) -> Path:
    """A clip of ten frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "10"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for i in range(seconds * RATE):
            frame = av.VideoFrame.from_ndarray(paint(blocks(i / RATE)), format="bgr24")
            frame.time_base, frame.pts = Fraction(1, RATE), i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted(tmp_path_factory.mktemp("clips") / "square.mp4", blocks, 6)


def told(
    clip: Path, scene: Scene = SCENE, *, start_ts: float = START_TS, **picking: Any
) -> tuple[list[Record], Summary]:
    records: list[Record] = []
    source = ClipSource(clip, camera_id="square", start_ts=start_ts, **picking)
    camera = Pipeline(scene, detector(), SETTINGS)
    return records, analyse(source, camera, start_ts=start_ts, write=records.append)


def test_records_come_when_they_are_final_and_the_summary_last(clip: Path) -> None:
    records, summary = told(clip)
    told_of = [(record["type"], record.get("rule"), record.get("class")) for record in records]
    assert told_of == [
        ("crossing", None, "person"),
        ("event", "gate", None),
        # raised before the crossing, and held in case that it goes on
        ("event", "keep out left", None),
        # open at the end, in the order in which they were raised
        ("event", "keep out right", None),
        ("event", "keep out left", None),
        ("summary", None, None),
    ]
    assert len({record["id"] for record in records if record["type"] == "event"}) == 4
    ends = [record["end_offset_s"] for record in records if record["type"] == "event"]
    assert ends[0] == pytest.approx(2.0, abs=0.1)
    assert ends[1] == pytest.approx(80 / 60, abs=0.1)
    assert ends[2:] == [None, None]
    assert records[-1] == {
        "type": "summary",
        "frames": 60,
        "analysed": 60,
        "counts": {
            "gate": {"in": {"person": 1}, "out": {}},
            "quiet": {"forward": {}, "backward": {}},
        },
        "late": {"gate": {"in": 0, "out": 0}, "quiet": {"forward": 0, "backward": 0}},
        "events": 4,
    }
    assert (summary.frames, summary.analysed, len(summary.events)) == (60, 60, 4)
    assert [event.rule for event in summary.events] == [
        "keep out left",
        "gate",
        "keep out right",
        "keep out left",
    ]


def test_offsets_count_from_the_first_frame(clip: Path) -> None:
    records, _ = told(clip)
    crossing = records[0]
    assert crossing["offset_s"] == pytest.approx(2.0, abs=0.1)
    assert crossing["ts"] == pytest.approx(START_TS + 2.0, abs=0.1)
    early, _ = told(clip, start_ts=0.0)
    assert [record.get("raised_offset_s") for record in early] == [
        record.get("raised_offset_s") for record in records
    ]
    assert early[0]["ts"] == early[0]["offset_s"] == crossing["offset_s"]


def test_the_same_clip_gives_the_same_bytes(clip: Path) -> None:
    first, again = ("".join(map(json_line, told(clip)[0])) for _ in range(2))
    assert first == again
    assert len(first.splitlines()) == 6


def test_fewer_frames_say_the_same(clip: Path) -> None:
    records, summary = told(clip, fps=Fraction(5))
    assert (summary.frames, summary.analysed) == (60, 30)
    assert records[-1]["counts"] == told(clip)[0][-1]["counts"]
    assert [record["type"] for record in records] == ["crossing", *["event"] * 4, "summary"]


def test_a_broken_track_is_joined_and_who_came_late_is_said(tmp_path: Path) -> None:
    path = painted(tmp_path / "hidden.mp4", hidden, 5)
    records, summary = told(path, Scene((320, 192), lines=(GATE,)))
    late, crossing, last = records
    assert (crossing["type"], crossing["class"], crossing["direction"]) == (
        "crossing",
        "person",
        "in",
    )
    assert crossing["offset_s"] == pytest.approx(2.0, abs=0.1)
    assert crossing["joined"] != crossing["track_id"]
    assert str(crossing["why"]).startswith(f"track {crossing['joined']} ended 0.6 s and ")
    assert (late["type"], late["class"], late["direction"]) == ("late", "car", "in")
    assert (late["offset_s"], late["x"]) == pytest.approx((1.0, 180), abs=1)
    assert last["counts"] == {"gate": {"in": {"person": 1}, "out": {}}}
    assert last["late"] == summary.late == {"gate": {"in": 1, "out": 0}}


def test_a_clip_in_which_nothing_happens_has_a_summary(clip: Path) -> None:
    records, summary = told(clip, Scene((320, 192), lines=(QUIET,)))
    assert records == [summary_record(summary)]
    assert summary.counts == {"quiet": {"forward": {}, "backward": {}}}


def test_whoever_looks_on_sees_each_frame_with_its_open_events(clip: Path) -> None:
    seen: list[tuple[int, list[str]]] = []

    def look(frame: Frame, step: Step, events: Sequence[Event]) -> None:
        assert frame.index == step.tracked.index
        seen.append((frame.index, [event.rule for event in events]))

    source = ClipSource(clip, camera_id="square", start_ts=START_TS)
    analyse(
        source,
        Pipeline(SCENE, detector(), SETTINGS),
        start_ts=START_TS,
        write=lambda record: None,
        seen=look,
    )
    assert [index for index, _ in seen] == list(range(60))
    opened = [rules for _, rules in seen]
    # a crossing is a moment and never open
    assert opened[0] == []
    assert opened[10] == ["keep out left"]
    # over since second 1.4, and it may still go on
    assert opened[30] == ["keep out left"]
    assert opened[-1] == ["keep out left", "keep out right", "keep out left"]


def test_a_clip_that_breaks_off_has_no_summary(clip: Path, tmp_path: Path) -> None:
    class Breaking(ClipSource):
        def _read(self, from_ts: float) -> Any:
            yield from (frame for _, frame in zip(range(30), super()._read(from_ts), strict=False))
            raise ClipError("broken")

    records: list[Record] = []
    source = Breaking(clip, camera_id="square", start_ts=START_TS)
    with pytest.raises(ClipError):
        analyse(
            source,
            Pipeline(SCENE, detector(), SETTINGS),
            start_ts=START_TS,
            write=records.append,
        )
    # who was in the left zone may have come back
    assert [record["type"] for record in records] == ["crossing", "event"]


# --- one record at a time -----------------------------------------------------------------------

CROSSING = Crossing(
    camera_id="square",
    line="gate",
    direction="in",
    class_name="person",
    track_id=7,
    ts=START_TS + 12.142857,
    x=160.04999,
    y=119.951,
)
JOINED = dataclasses.replace(CROSSING, joined=3, why="track 3 ended 0.4 s before the line")
LATE = Late("square", "gate", "in", "person", 8, START_TS + 3.00051, 165.04999, 119.951)
EVENT = Event(
    id="0123456789abcdef0123",
    kind="intrusion",
    rule="keep out",
    camera_id="square",
    place="left",
    start_ts=START_TS + 1.00049,
    raised_ts=START_TS + 1.51,
    end_ts=START_TS + 2.33333,
    track_ids=(7,),
    score=0.612,
    details={"why": "person inside 'left' for 0.5 s", "foot_px": [1.5, 2.5]},
)


def test_the_fields_of_a_crossing() -> None:
    assert list(crossing_record(CROSSING, START_TS).items()) == [
        ("type", "crossing"),
        ("camera", "square"),
        ("line", "gate"),
        ("direction", "in"),
        ("class", "person"),
        ("track_id", 7),
        ("ts", 1769817612.143),
        ("offset_s", 12.143),
        ("x", 160.0),
        ("y", 120.0),
    ]


def test_only_a_measured_crossing_says_how_fast() -> None:
    measured = dataclasses.replace(CROSSING, kmh=41.26)
    assert crossing_record(measured, START_TS)["kmh"] == 41.3


def test_only_a_joined_crossing_says_why() -> None:
    plain, joined = (list(crossing_record(each, START_TS).items()) for each in (CROSSING, JOINED))
    assert joined == [*plain, ("joined", 3), ("why", "track 3 ended 0.4 s before the line")]


def test_the_fields_of_who_came_late() -> None:
    assert list(late_record(LATE, START_TS).items()) == [
        ("type", "late"),
        ("camera", "square"),
        ("line", "gate"),
        ("direction", "in"),
        ("class", "person"),
        ("track_id", 8),
        ("ts", 1769817603.001),
        ("offset_s", 3.001),
        ("x", 165.0),
        ("y", 120.0),
    ]


def test_the_fields_of_an_event() -> None:
    assert list(event_record(EVENT, START_TS).items()) == [
        ("type", "event"),
        ("id", "0123456789abcdef0123"),
        ("camera", "square"),
        ("kind", "intrusion"),
        ("rule", "keep out"),
        ("zone", "left"),
        ("severity", "medium"),
        ("ts", 1769817601.51),
        ("start_offset_s", 1.0),
        ("raised_offset_s", 1.51),
        ("end_offset_s", 2.333),
        ("track_ids", [7]),
        ("score", 0.612),
        ("details", {"why": "person inside 'left' for 0.5 s", "foot_px": [1.5, 2.5]}),
    ]


def test_a_kind_that_watches_a_line_names_it_line() -> None:
    at_line = Event("id", "line_crossing", "r", "c", "gate", 1.0, 2.0, 1.0, (1,), 0.5, {})
    record = event_record(at_line, 0.0)
    assert record["line"] == "gate"
    assert "zone" not in record


def test_an_open_event_has_no_end() -> None:
    still = Event("id", "intrusion", "r", "c", "left", 1.0, 2.0, None, (1,), 0.5, {})
    assert event_record(still, 0.0)["end_offset_s"] is None


def test_a_summary_sorts_classes_and_keeps_the_order_of_lines() -> None:
    counts = {"z": {"in": {"truck": 1, "car": 2}, "out": {}}, "a": {"x": {}}}
    summary = Summary(9, 3, counts, (), {"z": {"in": 0, "out": 4}, "a": {"x": 1}})
    assert json_line(summary_record(summary)) == (
        '{"type": "summary", "frames": 9, "analysed": 3, "counts": {"z": {"in": {"car": 2, '
        '"truck": 1}, "out": {}}, "a": {"x": {}}}, "late": {"z": {"in": 0, "out": 4}, "a": '
        '{"x": 1}}, "events": 0}\n'
    )


def test_a_line_is_plain_json() -> None:
    assert json_line({"line": "jalan Ahmad Yani → pelabuhan"}) == (
        '{"line": "jalan Ahmad Yani → pelabuhan"}\n'
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_line({"x": float("nan")})


# --- docs/analyse.md ----------------------------------------------------------------------------

TYPERS_OWN = {"--install-completion", "--show-completion"}
DOCS = (REPO / "docs" / "analyse.md").read_text("utf-8")


def part(heading: str) -> str:
    (found,) = re.findall(rf"^##+ {heading}\n(.*?)(?=^##|\Z)", DOCS, re.MULTILINE | re.DOTALL)
    return str(found)


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


def test_the_documentation_has_every_option() -> None:
    app = typer.Typer()
    app.command()(command)
    parameters = typer.main.get_command(app).params
    options = {name for each in parameters for name in each.opts if name.startswith("--")}
    assert set(first_cells(part("Options"))) == options - {"--help"} - TYPERS_OWN
    assert "--scene" in options


@pytest.mark.parametrize(
    ("heading", "record"),
    [
        ("A crossing", crossing_record(CROSSING, START_TS)),
        ("A track that came late", late_record(LATE, START_TS)),
        ("An event", event_record(EVENT, START_TS)),
        ("The summary", summary_record(Summary(1, 1, {}, ()))),
    ],
)
def test_the_documentation_has_every_field_and_real_examples(heading: str, record: Record) -> None:
    text = part(heading)
    fields = [name for cell in first_cells(text) for name in cell.split(" or ")]
    assert [name for name in fields if name != "line" or "zone" not in record] == list(record)
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert list(json.loads(example)) == list(record)


def test_the_documentation_has_what_a_joined_crossing_says_besides() -> None:
    text = part("A joined crossing")
    record = crossing_record(JOINED, START_TS)
    assert first_cells(text) == list(record)[-2:]
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert list(json.loads(example)) == list(record)
