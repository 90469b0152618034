"""``matakota analyse`` on three seconds of the plaza: what each option changes, and what not."""

from __future__ import annotations

import csv
import os
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml

from api import cli
from streams.samples import folder
from streams.synthetic import Scene as Road
from streams.video import VideoWriter
from tests.api.bad_inputs import EXPECT, FRAMES, SCENE
from tests.api.command import Ran, matakota
from tests.needs import REPO

GOOD = ("analyse", "clip.mp4", "--scene", "scene.yaml")
RATE = 7


@pytest.fixture(scope="module")
def plain(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The clip with no option but the scene, from a home that was empty."""
    home = tmp_path_factory.mktemp("home")
    ran = matakota(*GOOD, folder=inputs, variables={"XDG_CACHE_HOME": str(home)}, fresh=True)
    assert ran.code == 0, ran.err
    assert os.listdir(home) == [], "a run leaves nothing behind in the user's folders"
    return ran


def kinds(records: list[dict[str, Any]]) -> list[str]:
    return [record["type"] for record in records]


def without(records: list[dict[str, Any]], *fields: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k not in fields} for record in records]


def test_standard_output_is_json_lines_and_a_last_summary(plain: Ran) -> None:
    assert plain.said == []
    assert plain.out.endswith(b"\n")
    found = kinds(plain.records)
    assert found.index("summary") == len(found) - 1
    assert {"crossing", "event"} <= set(found)
    summary = plain.records[-1]
    assert (summary["frames"], summary["analysed"]) == (FRAMES, FRAMES)
    crossings = [record for record in plain.records if record["type"] == "crossing"]
    counted = sum(n for by in summary["counts"]["square"].values() for n in by.values())
    assert counted == len(crossings) > 0
    assert summary["events"] == found.count("event")
    length = FRAMES / RATE
    assert all(0 <= crossing["offset_s"] <= length for crossing in crossings)
    assert {crossing["camera"] for crossing in crossings} == {"clip"}


def test_out_holds_the_same_bytes_twice(plain: Ran, inputs: Path, tmp_path: Path) -> None:
    ran = matakota(*GOOD, "--out", tmp_path / "a.jsonl", folder=inputs)
    assert (ran.code, ran.out) == (0, b"")
    assert (tmp_path / "a.jsonl").read_bytes() == plain.out
    assert os.listdir(tmp_path) == ["a.jsonl"]


def test_fps_analyses_fewer_frames(inputs: Path) -> None:
    ran = matakota(*GOOD, "--fps", "3.5", folder=inputs)
    summary = ran.records[-1]
    assert (ran.code, summary["frames"], summary["analysed"]) == (0, FRAMES, (FRAMES + 1) // 2)


@pytest.mark.parametrize(
    ("start", "ts", "warned"),
    [
        ("2026-01-31T07:00+08:00", 1769814000, False),
        ("2026-01-30 23:00", 1769814000, True),
    ],
)
def test_start_moves_the_clock_and_no_offset(
    start: str, ts: int, warned: bool, plain: Ran, inputs: Path
) -> None:
    ran = matakota(*GOOD, "--start", start, folder=inputs)
    assert ran.code == 0, ran.err
    assert without(ran.records, "ts", "id") == without(plain.records, "ts", "id")
    moved = [record["ts"] for record in ran.records[:-1]]
    assert moved == pytest.approx([r["ts"] + ts for r in plain.records[:-1]], abs=0.0015)
    assert ("names no offset from UTC" in ran.err) is warned


def test_source_fps_replaces_the_clock_of_the_file(plain: Ran, inputs: Path) -> None:
    true = matakota(*GOOD, "--source-fps", "7", "--fps", "30000/1001", folder=inputs)
    assert true.out == plain.out
    slow = matakota(*GOOD, "--source-fps", "3.5", folder=inputs)
    (before,) = [r for r in plain.records if r["type"] == "crossing"]
    (after,) = [r for r in slow.records if r["type"] == "crossing"]
    # a tracker that knows other times may place the crossing a frame away
    assert after["offset_s"] == pytest.approx(2 * before["offset_s"], abs=1 / 3.5)


@pytest.mark.parametrize(
    ("options", "pictures", "suffix"),
    [((), FRAMES, "mp4"), (("--fps", "3.5"), (FRAMES + 1) // 2, "mkv")],
)
def test_video_shows_every_analysed_frame(
    options: tuple[str, ...], pictures: int, suffix: str, plain: Ran, inputs: Path, tmp_path: Path
) -> None:
    film = tmp_path / f"film.{suffix}"
    ran = matakota(*GOOD, *options, "--video", film, folder=inputs)
    assert ran.records[-1]["analysed"] == pictures, ran.err
    assert options or ran.out == plain.out, "drawing changes no result"
    with av.open(str(film)) as container:
        (stream,) = container.streams.video
        shown = [
            (picture.time, picture.width, picture.height) for picture in container.decode(stream)
        ]
        assert container.duration is not None
        seconds = container.duration / av.time_base
    step = FRAMES / RATE / pictures
    assert {(w, h) for _, w, h in shown} == {(768, 576)}
    assert [t for t, _, _ in shown] == pytest.approx(
        [i * (1 if not options else 2) / RATE for i in range(pictures)], abs=0.002
    )
    assert seconds == pytest.approx(FRAMES / RATE, abs=step)
    assert os.listdir(tmp_path) == [film.name]


def test_tracks_are_tables_of_whole_tracks(plain: Ran, inputs: Path, tmp_path: Path) -> None:
    ran = matakota(*GOOD, "--tracks", tmp_path / "tracks.csv", folder=inputs)
    assert (ran.code, ran.out) == (0, plain.out), "writing them changes no result"
    with (tmp_path / "tracks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["camera"] for row in rows} == {"clip"}
    of_track: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        of_track.setdefault(row["track_id"], []).append(row)
    crossed = {str(record["track_id"]) for record in ran.records if record["type"] == "crossing"}
    assert crossed
    assert crossed <= set(of_track)
    for track in of_track.values():
        offsets = [float(row["offset_s"]) for row in track]
        assert np.diff(offsets) == pytest.approx(1 / RATE, abs=0.002), "no picture is left out"
        assert (track[0]["seen"], track[-1]["seen"]) == ("1", "1")
        assert len({row["class"] for row in track}) == 1
        assert all(float(row["right"]) > float(row["left"]) for row in track)


def test_expectations_that_are_met(plain: Ran, inputs: Path) -> None:
    ran = matakota(*GOOD, "--expect", "expect.yaml", folder=inputs)
    assert (ran.code, ran.said, ran.out) == (0, [], plain.out)
    assert "as expected" in ran.err


def test_expectations_that_are_not_met(plain: Ran, inputs: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        EXPECT.replace("count: 1", "count: 9")
        + "events:\n  - {kind: intrusion, zone: crossroads, start_s: [90, 99]}\n"
    )
    out = tmp_path / "out.jsonl"
    ran = matakota(*GOOD, "--expect", wrong, "--out", out, folder=inputs)
    assert ran.code == 1
    counted = plain.records[-1]["counts"]["square"]["westbound"].get("person", 0)
    nothing = "expected at least one, found none"
    assert ran.said == [
        f"{wrong}: line 'square' westbound, of all classes: expected 9 within 1, counted {counted}",
        f"{wrong}: event 'intrusion' at 'crossroads' start 90 to 99 s: {nothing}",
    ]
    assert out.read_bytes() == plain.out


def test_a_scene_drawn_on_a_larger_picture_counts_the_same(
    plain: Ran, inputs: Path, tmp_path: Path
) -> None:
    scene = yaml.safe_load(SCENE)
    scene["frame_size"] = [1536, 1152]
    for drawn, points in (("lines", "points"), ("zones", "polygon")):
        scene[drawn][0][points] = [[2 * x, 2 * y] for x, y in scene[drawn][0][points]]
    (tmp_path / "large.yaml").write_text(yaml.safe_dump(scene))
    ran = matakota("analyse", "clip.mp4", "--scene", tmp_path / "large.yaml", folder=inputs)
    assert ran.code == 0, ran.err
    assert ran.records[-1] == plain.records[-1]
    for large, small in zip(ran.records[:-1], plain.records[:-1], strict=True):
        if large["type"] == "crossing":
            assert (large["x"], large["y"]) == pytest.approx(
                (2 * small["x"], 2 * small["y"]), abs=0.2
            )


def test_what_cannot_work_is_warned_about(inputs: Path, tmp_path: Path) -> None:
    scene = tmp_path / "edge.yaml"
    scene.write_text(SCENE.replace("[[560, 0], [560, 575]]", "[[0, 576], [768, 576]]"))
    ran = matakota("analyse", "clip.mp4", "--scene", scene, folder=inputs)
    assert (ran.code, ran.said) == (0, [])
    assert "line 'square' runs along the bottom edge" in ran.err
    quiet = matakota("--log-level", "error", "analyse", "clip.mp4", "--scene", scene, folder=inputs)
    assert (quiet.code, quiet.err, quiet.out) == (0, "", ran.out)


def test_a_reader_that_has_enough_is_no_failure(inputs: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        ran = matakota(*GOOD, folder=inputs, stdout=write)
    finally:
        os.close(write)
    assert (ran.code, ran.said) == (0, [])


def test_the_first_line_alone_can_be_read(plain: Ran, inputs: Path, tmp_path: Path) -> None:
    """What ``| head -n 1`` does with output that is larger than a pipe."""
    read, write = os.pipe()
    head = subprocess.Popen(["head", "-n", "1"], stdin=read, stdout=subprocess.PIPE)
    os.close(read)
    try:
        ran = matakota("scene", "schema", folder=inputs, stdout=write)
    finally:
        os.close(write)
    first, _ = head.communicate()
    assert (ran.code, ran.said, first) == (0, [], b"{\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--help",), ("analyse", "scene", "models", "samples", "--version")),
        (("analyse", "--help"), ("--scene", "--model", "--source-fps", "--expect", "--video")),
        (("samples", "--help"), ("list", "pull", "path")),
    ],
)
def test_help_says_what_there_is(
    arguments: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    ran = matakota(*arguments, folder=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    text = ran.out.decode()
    assert text.startswith("Usage: matakota")
    assert [word for word in words if word not in text] == []


def test_the_list_of_commands_loads_none_and_says_what_each_module_is(tmp_path: Path) -> None:
    seen = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    ran = matakota("--help", folder=tmp_path, first=seen, fresh=True)
    loaded = {name.removeprefix("api.cli.") for name in ran.err.split() if "api.cli." in name}
    known = {path.stem for path in (REPO / "api" / "cli").glob("*.py")}
    listed = set(cli._COMMANDS)
    assert loaded.isdisjoint(listed), "they take seconds"
    assert listed <= known
    text = " ".join(ran.out.decode().split())
    assert [said for name, said in cli._COMMANDS.items() if f"{name} {said}" not in text] == []


def test_version_is_that_of_the_installed_package(tmp_path: Path) -> None:
    info = tmp_path / "matakota-9.8.7.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: matakota\nVersion: 9.8.7\n")
    first = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    ran = matakota("--version", folder=tmp_path, first=first, fresh=True)
    assert (ran.code, ran.out, ran.err) == (0, b"matakota 9.8.7\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("analyze",), "No such command 'analyze'. Did you mean 'analyse'?"),
        ((*GOOD, "--sorce-fps", "7"), "No such option: --sorce-fps"),
    ],
)
def test_a_misspelt_call_is_refused(arguments: tuple[str, ...], words: str, inputs: Path) -> None:
    ran = matakota(*arguments, folder=inputs)
    assert (ran.code, ran.out) == (2, b"")
    (sentence,) = ran.said
    assert sentence.startswith(f"matakota: {words}")


def test_motion_needs_no_model(tmp_path: Path) -> None:
    road = Road((320, 180), 0)
    with VideoWriter(tmp_path / "road.mp4", size=(320, 180), rate=Fraction(8)) as film:
        for index in range(80):
            film.write(road.render(index / 8), index / 8)
        film.commit()
    scene = folder() / "scenes/synthetic.yaml"
    call = ("analyse", "road.mp4", "--scene", scene, "--model", "motion")
    first, again = (matakota(*call, folder=tmp_path) for _ in range(2))
    assert (first.code, first.said, first.out) == (0, [], again.out)
    counts = first.records[-1]["counts"]["road"]
    assert counts["towards"]["moving"] >= 1
    assert counts["away"]["moving"] >= 1
    refused = matakota(*call[:3], folder() / "scenes/plaza.yaml", *call[4:], folder=tmp_path)
    assert refused.code == 2
