"""``matakota validate``: pieces of a live camera's recording, by what was kept of that time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import structlog

from api.cli import run, validate
from api.pieces import FOLDER, path_of
from api.store import Store
from streams import keeper
from streams.config import SYNTHETIC, CameraConfig, City
from streams.keeper import Keeper
from streams.video import VideoWriter
from tests.api.served import DAY, TESTER, counted, sqlite_url
from tests.streams import surveyed
from tests.streams.test_maskingprocess import detail, pictures
from tests.vision.rules.scenarios import SIZE, Walker, film
from vision.kept import Kept
from vision.types import JsonValue

Command = Callable[..., tuple[int, str, str]]
START: Final = "2026-01-31T00:00:00Z"
MINUTES: Final = 4
SCENE: dict[str, JsonValue] = {
    "frame_size": list(SIZE),
    "lines": [{"name": "gate", "points": [[320, 36], [320, 324]]}],
    "zones": [{"name": "a", "polygon": [[0, 0], [9, 0], [9, 9]]},
              {"name": "b", "polygon": [[99, 0], [90, 0], [90, 9]]}],
    "movements": [{"name": "turn", "entries": ["a"], "exits": ["b"]}],
}  # fmt: skip
LINES = {"gate": ("forward", "backward"), "turn": ("a to b",)}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four minutes of a yard, a picture a second."""
    path = tmp_path_factory.mktemp("films") / "yard.mp4"
    with VideoWriter(path, size=SIZE, rate=Fraction(1)) as writer:
        for second in range(60 * MINUTES):
            writer.write(np.full((SIZE[1], SIZE[0], 3), second, np.uint8), float(second))
        writer.commit()
    return path


@pytest.fixture
def data(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A data folder that knows a camera, what it counted, and who was where; what a test gives is
    drawn beside the rest."""
    with Store.open(sqlite_url(tmp_path)) as store:
        camera = CameraConfig(
            id="cam", name="Yard", source=SYNTHETIC, login=None, model="/models/own.onnx", fps=5.0,
            worker=None, scene=SCENE | getattr(request, "param", {}),
        )  # fmt: skip
        store.configuration.apply(
            City("Town", (ip_network("127.0.0.0/8"),), None, (camera,)), TESTER
        )
        for minute in range(MINUTES):
            # the third minute was not watched whole
            watched = {"observed_s": 30.0} if minute == 2 else {}
            counts = {("gate", "forward", "person"): minute + 1, ("turn", "a to b", "person"): 9}
            store.record(
                [
                    counted(
                        60 * minute,
                        counts,
                        camera="cam",
                        lines=LINES,
                        classes=("person",),
                        **watched,
                    )
                ]
            )
    made = Keeper(tmp_path / keeper.FOLDER, clock=lambda: DAY)
    made.start()
    for step in film([Walker(((0.0, 100.0, 200.0), (130.0, 500.0, 200.0)))], fps=5, until=130):
        made.keep(step, frame_size=SIZE, looked_for=("person",))
    made.stop()
    return tmp_path


@pytest.fixture
def command(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """The command in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("MATAKOTA_DATABASE_URL", sqlite_url(data))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["validate", *arguments, "--data", str(data)])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


def prepare(command: Command, *recordings: Path, **more: str) -> tuple[int, str, str]:
    options = {"camera": "cam", "start": START, "seconds": "60", "pieces": "4", **more}
    given = [text for name, value in options.items() for text in (f"--{name}", value)]
    return command("prepare", *map(str, recordings), *given)


def test_pieces_are_prepared_listed_and_removed(
    command: Command, data: Path, recording: Path
) -> None:
    code, out, told = prepare(command, recording)
    assert "look at a piece before others count it" in told
    # the third minute was not watched, and of the last nobody knows who was there
    assert (code, out) == (0, "2 pieces wait on the page /validation\n")
    with Store.open(sqlite_url(data)) as store:
        found = sorted(
            store.validations.listed(only=None), key=lambda each: each.piece.made.from_ts
        )
        made = [each.piece.made for each in found]
        assert [each.from_ts for each in made] == [DAY, DAY + 60]
        assert [each.machine for each in made] == [
            {("forward", "person"): 1}, {("forward", "person"): 2},
        ]  # fmt: skip
        first = made[0]
        assert (first.line, first.model, first.source) == ("gate", "own.onnx", "yard.mp4")
        assert first.points == ((0.5, 0.1), (0.5, 0.9))
        assert (first.directions, first.classes) == (("forward", "backward"), ("person",))
        files = {path_of(data / FOLDER, each.sha256) for each in made}
        assert {*(data / FOLDER).iterdir()} == files
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
        number = found[0].piece.id
        store.validations.save(number, {("forward", "person"): 2}, TESTER, only=None)
    # prepared once more, nothing is there twice
    assert prepare(command, recording)[1] == "2 pieces wait on the page /validation\n"
    code, out, _ = command("list")
    rows = [line.split() for line in out.splitlines()]
    assert ["cam", "gate", "all", "1", "1", "2", "-50.0%", "too", "few", "2.000"] in rows
    assert out.count("kept") == 2
    (told,) = json.loads(command("list", "--json")[1])
    assert told["classes"][0] == {
        "class": "person", "machine": 1, "true": 2, "error": -0.5, "interval": None, "factor": 2.0,
    }  # fmt: skip
    assert command("remove", str(number))[0] == 0
    assert len([*(data / FOLDER).iterdir()]) == 1
    assert command("list")[1].count("removed") == 1


def test_what_cannot_be_prepared_is_said(command: Command, recording: Path, tmp_path: Path) -> None:
    code, out, _ = prepare(command, recording, start="2026-01-31T09:00:00Z")
    assert (code, out) == (1, "0 pieces wait on the page /validation\n")
    code, _, said = prepare(command, recording, line="fence")
    assert code == 2
    assert "nothing was counted at 'fence'" in said
    code, _, said = prepare(command, tmp_path / "none.mp4")
    assert (code, "there is no clip" in said) == (2, True)
    code, _, said = prepare(command, recording, seconds="90")
    assert (code, "whole minutes" in said) == (2, True)
    # who is hidden rests on when each video begins
    code, _, said = prepare(command, recording, recording)
    assert (code, "--start was given once for 2 videos" in said) == (2, True)
    code, _, said = prepare(command, recording, start="names+08:00")
    assert (code, "tells no date and time" in said) == (2, True)
    code, _, said = prepare(command, recording, start="2026-01-31T00:00:00")
    assert (code, "with its offset from UTC" in said) == (2, True)
    code, _, said = command("remove", "77")
    assert (code, "there is no piece 77" in said) == (2, True)
    # of a movement nobody can say where its line is
    assert prepare(command, recording, line="turn")[0] == 1


def test_each_video_begins_when_it_is_said_to(
    command: Command, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nor is there a limit of rows to what is read
    monkeypatch.setattr("api.store.counts.MAX_ROWS", 1)
    for name in ("yard_2026-01-31_07-58-00.mp4", "yard_2026-01-31_08-00-00.mp4"):
        shutil.copy(recording, tmp_path / name)
    early, late = sorted(tmp_path.glob("yard_*.mp4"))
    code, _, said = prepare(command, late, early, start="names+08:00")
    assert (code, "120.0 s before" in said) == (2, True)
    late = late.rename(tmp_path / "yard_2026-01-31_08-03-00.mp4")
    code, out, _ = prepare(command, late, early, start="names+08:00")
    assert (code, out) == (0, "2 pieces wait on the page /validation\n")


def shown(path: Path) -> list[np.ndarray]:
    """A picture of the piece, in quarters from left to right."""
    _, image = pictures(path)[30]
    return np.split(image, 4, axis=1)


@pytest.mark.parametrize("data", [{"region": [160, 0, 320, 360]}], indirect=True)
def test_what_a_region_leaves_out_is_hidden(command: Command, data: Path, tmp_path: Path) -> None:
    noisy = tmp_path / "noisy.mp4"
    grains = np.random.default_rng(1).integers(0, 256, (SIZE[1] // 8, SIZE[0] // 8, 3), np.uint8)
    with VideoWriter(noisy, size=SIZE, rate=Fraction(1)) as writer:
        for second in range(60):
            writer.write(grains.repeat(8, axis=0).repeat(8, axis=1), float(second))
        writer.commit()
    assert prepare(command, noisy)[0] == 0
    (path,) = (data / FOLDER).iterdir()
    left, *within, right = map(detail, shown(path))
    assert max(left, right) < 0.3 * min(within)


@pytest.mark.parametrize("data", [{"region": [160, 0, 320, 330]}], indirect=True)
def test_a_line_at_the_border_of_a_region_is_left_out(command: Command, recording: Path) -> None:
    code, out, said = prepare(command, recording)
    assert (code, out) == (1, "0 pieces wait on the page /validation\n")
    assert "let 'region' reach further" in said


def test_pieces_of_a_survey_are_prepared(command: Command, data: Path, tmp_path: Path) -> None:
    path, scene, folder = tmp_path / "road.mp4", tmp_path / "scene.yaml", tmp_path / "survey"
    scene.write_text(surveyed.SCENE)
    surveyed.film(path, 101.0, [(50.0, "east"), (90.0, "west")])
    surveyed.surveyed(folder, [path], scene)
    asked = ("--survey", str(folder), "--seconds", "60", "--pieces", "4")
    # nobody looked for persons there, so nothing may be shown
    code, out, _ = command("prepare", str(path), *asked)
    assert (code, out) == (1, "0 pieces wait on the page /validation\n")
    other = tmp_path / "other.mp4"
    other.write_bytes(b"another")
    code, _, said = command("prepare", str(other), *asked)
    assert (code, "none of the videos of the survey" in said) == (2, True)
    code, _, said = command("prepare", str(path))
    assert (code, "give --survey FOLDER, or --camera and --start" in said) == (2, True)
    recording = validate._surveyed(folder, [path])

    def tracks(from_ts: float, to_ts: float) -> Iterator[Kept]:
        for kept in recording.tracks(from_ts, to_ts):
            yield replace(kept, looked_for=("moving", "person"))

    with Store.open(sqlite_url(data)) as store:
        made = validate.prepared(
            replace(recording, tracks=tracks), (), store, data / FOLDER,
            pieces=4, seconds=60, seed=1, keep_until=DAY * 2,
        )  # fmt: skip
        (listed,) = store.validations.listed(only=None)
    assert made == 1
    piece = listed.piece.made
    # the survey begins 20 s into a minute, and so one minute is whole
    assert (piece.camera, piece.line, piece.from_ts) == ("gate", "road", surveyed.T0 + 40)
    assert (piece.points, piece.directions) == (((0.5, 0.0), (0.5, 179 / 180)), ("west", "east"))
    assert piece.machine == {("east", "moving"): 1, ("west", "moving"): 1}
