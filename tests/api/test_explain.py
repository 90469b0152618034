"""``matakota explain``: why, and why not, as a table, as JSON and as a picture."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from api.cli.explain import clip_time, explain
from tests.api.bad_inputs import PLAZA
from tests.api.command import Ran, matakota
from tests.needs import REPO
from vision.errors import MatakotaError

SCENE = REPO / "samples" / "scenes" / "plaza.yaml"
STAYS_SINCE_S = 3.1
"""When the first of the plaza's two loiterers comes to stay, by the ground truth."""
AT_S = 11.2
"""Eight of the 12.5 seconds that loitering takes there, and a frame."""
LOITERER = (387.0, 258.0)
PLAZA_SIZE = (768, 576)
TYPERS_OWN = {"--install-completion", "--show-completion"}


@dataclass(frozen=True)
class Explained:
    ran: Ran
    record: dict[str, Any]
    picture: np.ndarray

    @property
    def text(self) -> str:
        return self.ran.out.decode()

    def rule(self, name: str) -> list[dict[str, Any]]:
        (rule,) = [each for each in self.record["rules"] if each["rule"] == name]
        return list(rule["explanations"])


def explained(
    folder: Path, clip: Path, scene: Path | str, *options: str, columns: int = 100
) -> Explained:
    picture, written = folder / "why.png", folder / "why.json"
    ran = matakota(
        "explain", clip, "--scene", scene, "--picture", picture, "--json", written, *options,
        folder=folder, variables={"COLUMNS": str(columns)},
    )  # fmt: skip
    assert (ran.code, ran.said) == (0, []), ran.err
    image = cv2.imread(str(picture))
    assert image is not None
    return Explained(ran, json.loads(written.read_text()), image)


@pytest.fixture(scope="module")
def plaza(tmp_path_factory: pytest.TempPathFactory) -> Explained:
    folder = tmp_path_factory.mktemp("plaza")
    return explained(folder, PLAZA, SCENE, "--source-fps", "7", "--at", f"0:{AT_S}")


def test_a_loiterer_who_has_not_stayed_for_long_enough(plaza: Explained) -> None:
    at_s = plaza.record["offset_s"]
    assert AT_S - 1 / 7 < at_s <= AT_S
    by_track = {track["track_id"]: track for track in plaza.record["tracks"]}
    nearest, *_ = explanations = plaza.rule("loitering@crossroads")
    foot = by_track[nearest["track_id"]]["foot_px"]
    assert np.hypot(*np.subtract(foot, LOITERER)) < 30, "the one of the ground truth comes first"
    assert (nearest["fires"], nearest["event_id"]) == (False, None)
    conditions = {c["what"]: c for c in nearest["conditions"]}
    assert {"class", "spot", "dwell"} <= set(conditions)
    assert [what for what, c in conditions.items() if not c["met"]] == ["dwell"]
    dwell = conditions["dwell"]
    assert dwell["needed"] == "12.5 s"
    # 3 s to and fro, as in the clip's expectations: the two hide each other at first
    assert float(dwell["found"].removesuffix(" s")) == pytest.approx(at_s - STAYS_SINCE_S, abs=3)
    assert {each["track_id"] for each in explanations} == set(by_track)
    lawn = [c for each in plaza.rule("intrusion@lawn") for c in each["conditions"]]
    assert {(c["met"], c["found"], c["needed"]) for c in lawn if c["what"] == "zone"} == {
        (False, "outside", "inside 'lawn'")
    }
    assert plaza.record["open"] == plaza.record["over"] == []


def test_the_table_says_the_same_in_a_hundred_columns(plaza: Explained) -> None:
    lines = plaza.text.splitlines()
    assert max(map(len, lines)) <= 100
    tracks = plaza.record["tracks"]
    assert lines[0] == (
        f"plaza at {plaza.record['offset_s']:.1f} s (frame {plaza.record['frame']}): "
        f"{len(tracks)} tracks, 0 open incidents"
    )
    nearest = plaza.rule("loitering@crossroads")[0]
    (found,) = [c["found"] for c in nearest["conditions"] if c["what"] == "dwell"]
    row = re.compile(rf"{nearest['track_id']} person +- +dwell +{found} +12\.5 s +class, spot")
    heading = lines.index("loitering@crossroads (loitering at zone 'crossroads')")
    assert re.split(r" {2,}", lines[heading + 1].strip()) == [
        "who", "event", "fails", "found", "needed", "met",
    ]  # fmt: skip
    assert row.match(lines[heading + 2])
    # all are outside the lawn: one row says so
    everyone = lines[lines.index("intrusion@lawn (intrusion at zone 'lawn')") + 2 : heading]
    numbers = re.findall(r"\d+", " ".join(line[:18] for line in everyone))
    assert set(map(int, numbers)) == {track["track_id"] for track in tracks}
    assert sum("outside" in line for line in everyone) == 1


def test_the_picture_shows_everybody_with_words(plaza: Explained) -> None:
    picture = plaza.picture
    assert picture.shape == (2 * PLAZA_SIZE[1], 2 * PLAZA_SIZE[0], 3), "enlarged for the words"
    # the panels' dark ground, which nothing in the plain picture has over such a width
    dark = (np.abs(picture.astype(int) - (30, 24, 20)).max(axis=2) < 45).astype(np.uint8)
    panels = cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((5, 120), np.uint8))
    for x1, y1, x2, y2 in (np.multiply(track["box_px"], 2) for track in plaza.record["tracks"]):
        around = panels[
            max(0, int(y1) - 260) : int(y2) + 260, max(0, int(x1) - 420) : int(x2) + 420
        ]
        assert around.any()


def test_one_track_and_one_rule_when_the_incident_is_open(tmp_path: Path) -> None:
    """Three seconds of the plaza, and a rule that fires at once."""
    scene = tmp_path / "scene.yaml"
    scene.write_text(
        "frame_size: [768, 576]\nclasses: [person]\n"
        "zones: [{name: all, polygon: [[1, 1], [767, 1], [767, 575], [1, 575]]}]\n"
        "rules:\n  - {kind: intrusion, zone: all, min_dwell_s: 0.2}\n"
        "  - {kind: loitering, zone: all, enabled: false}\n"
    )
    fast = ("--source-fps", "7", "--at", "2")
    whole = explained(tmp_path, PLAZA, scene, *fast)
    (event, *_) = whole.record["open"]
    (track_id,) = event["track_ids"]
    (off,) = whole.rule("loitering@all")
    assert [c["what"] for c in off["conditions"] if not c["met"]] == ["enabled"]
    assert re.search(
        r"^the zone +- +enabled +switched off +'enabled: true'", whole.text, re.MULTILINE
    )
    # the alert colour of its box and of the list of incidents
    red = np.abs(whole.picture.astype(int) - (52, 62, 226)).max(axis=2) < 20
    assert red.sum() > 5000

    one = explained(tmp_path, PLAZA, scene, *fast, "--track", str(track_id), "--rule", "intrusion")
    assert [rule["rule"] for rule in one.record["rules"]] == ["intrusion@all"]
    (explanation,) = one.rule("intrusion@all")
    assert (explanation["track_id"], explanation["fires"]) == (track_id, True)
    assert explanation["event_id"] == event["id"]
    assert [each["id"] for each in one.record["open"]] == [event["id"]]
    assert re.search(rf"^{track_id} person +OPEN +nothing +dwell ", one.text, re.MULTILINE)
    assert f"intrusion@all, {event['start_offset_s']:.1f} s until now: person inside" in one.text


def test_the_documentation_has_every_option_and_field(plaza: Explained) -> None:
    docs = (REPO / "docs" / "analyse.md").read_text("utf-8")
    (part,) = re.findall(r"^## Why, and why not\n(.*?)(?=^## )", docs, re.MULTILINE | re.DOTALL)
    options, fields = (
        re.findall(r"^\| `([^`]+)`", text, re.MULTILINE) for text in part.split("| JSON field |")
    )
    app = typer.Typer()
    app.command()(explain)
    known = {name for each in typer.main.get_command(app).params for name in each.opts}
    assert set(options) < known
    named = {name for name in known if name.startswith("--")} - {"--help"}
    assert {name for name in named if f"`{name}`" in part} == named - TYPERS_OWN
    assert fields == list(plaza.record)
    inner = [*plaza.record["tracks"], *plaza.record["rules"], *plaza.rule("loitering@crossroads")]
    assert all(f"`{name}`" in part for each in inner for name in each)


# --- what is wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("12", 12), ("12.5", 12.5), ("00:12", 12), ("0:0.25", 0.25), ("1:30", 90),
        ("90:00", 5400), ("75", 75), ("1:02:03.5", 3723.5), ("00:00:00", 0),
    ],
)  # fmt: skip
def test_times_of_a_clip(text: str, seconds: float) -> None:
    assert clip_time(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "", "noon", "-3", "1:60", "1:60:00", "1:2:3:4", "12s", "1e3", "nan", "inf", ":12", "12:",
        "1:.5", "٣", " 12", "1" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(MatakotaError, match=r"is no time of a clip: write seconds, minutes and"):
        clip_time(text)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--at", "noon"), r"--at noon is no time of a clip: "),
        (("--at", "3.1"), r"the clip ends at 3\.0 s: name a time up to then with --at"),
        (("--at", "1", "--source-fps", "70"), r"the clip ends at 0\.3 s: "),
        (("--at", "1", "--rule", "intrusoin"), r"called 'intrusoin', did you mean 'intrusion'\?"),
        (("--at", "1", "--track", "77"), r"track 77 is not followed at 1\.0 s: name one of those"),
        (("--at", "1", "--fps", "0"), r"--fps 0 is no frame rate"),
        (("--at", "1", "--start", "noon"), r"--start noon is no time"),
        (("--at", "1", "--model", "yolo"), r"no model is called 'yolo'"),
        (("--at", "1", "--picture", "why.gif"), r"a picture's name ends in \.png, \.jpg, \.jpeg"),
        (("--at", "1", "--picture", "none/why.png"), r"its folder does not exist; .* --picture"),
        (("--at", "1", "--json", "none/why.json"), r"its folder does not exist; .* --json"),
        (("--at", "1", "--json", "scene.yaml"), r"--json scene\.yaml would overwrite a file"),
        (("--at", "1", "--scene", "typo.yaml"), r"typo\.yaml:4: lines\[0\]: unknown field"),
        (("--at", "1", "--scene", "wide.yaml"), r"wide\.yaml: the scene is drawn on a picture of"),
    ],
)
def test_wrong_input_is_one_sentence(
    options: tuple[str, ...], words: str, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = typer.Typer()
    app.command()(explain)
    monkeypatch.chdir(inputs)
    before = sorted(os.listdir(inputs))
    result = CliRunner().invoke(app, ["clip.mp4", "--scene", "scene.yaml", *options])
    error = result.exception
    assert isinstance(error, Exception)
    assert not isinstance(error, AssertionError)
    assert re.search(words, str(error)), error
    assert str(error).isprintable()
    assert "clip at" not in result.stdout
    assert sorted(os.listdir(inputs)) == before, "nothing is left behind"


def test_it_is_said_on_standard_error_with_exit_code_2(inputs: Path) -> None:
    ran = matakota("explain", "clip.mp4", "--scene", "scene.yaml", "--at", "9", folder=inputs)
    sentence = "matakota: the clip ends at 3.0 s: name a time up to then with --at"
    assert (ran.code, ran.said, ran.out) == (2, [sentence], b"")
