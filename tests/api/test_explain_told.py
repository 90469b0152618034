"""What ``matakota explain`` says of moments that a clip of people in sunshine does not have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast, get_args

import pytest

from api.cli.explain import tell
from streams.explaining import Moment
from tests.streams.played import IN_YARD, NOBODY, config, told, yard_clip
from tests.vision.rules.scenarios import Spoilt, Walker, standing
from vision.rules.registry import kinds
from vision.types import FaultKind

ALL_CAMERA_KINDS = [name for name, kind in kinds().items() if kind.place == "camera"]
FAULTS = [f"camera_{fault}" for fault in get_args(FaultKind)]
CAMERA_KINDS = [name for name in ALL_CAMERA_KINDS if name in FAULTS]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return yard_clip(tmp_path_factory.mktemp("clip") / "yard.mp4")


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Said:
    return Said(capsys, monkeypatch)


class Said:
    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def of(self, moment: Moment, *, every: bool = False, columns: int = 100) -> list[str]:
        """The lines on standard output."""
        self._monkeypatch.setenv("COLUMNS", str(columns))
        tell(moment, every=every)
        return [line.rstrip() for line in self._capsys.readouterr().out.splitlines()]


def person(x: float, y: float, name: str = "person") -> Walker:
    return standing(x, y, 8, classes=((0.0, name),))


def row(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


def test_nobody_is_there(clip: Path, said: Said) -> None:
    early = Walker(((0.0, 50.0, 50.0), (1.0, 50.0, 50.0)))
    late = Walker(((6.0, 50.0, 50.0), (7.0, 50.0, 50.0)))
    for walkers, words in (
        ([early, late], "the nearest times with tracks are 2.0 s and 6.2 s"),
        ([early], "the nearest time with tracks is 2.0 s"),
        (NOBODY, "there are none before, and none within 30 s after"),
    ):
        first, second, *rest = said.of(told(clip, 4.0, walkers, config()))
        assert first == "cam at 4.0 s (frame 40): 0 tracks, 0 open incidents"
        assert second == f"nothing is followed at this moment; {words}"
        heading = rest.index("intrusion@yard (intrusion at zone 'yard')")
        assert rest[heading + 1] == "nobody to look at"


def test_the_picture_is_not_trusted(clip: Path, said: Said) -> None:
    fault = [Spoilt("moved", 2.0, 8.0)]
    lines = said.of(told(clip, 4.0, NOBODY, config(), config("loitering"), spoilt=fault))
    assert lines[1] == "the picture is not trusted: moved since 2.0 s"
    assert lines[2] == "rules suspended until it is: intrusion@yard, loitering@yard"
    assert not any("zone 'yard'" in line for line in lines)


@pytest.mark.parametrize("kind", CAMERA_KINDS)
def test_what_is_wrong_with_the_camera(clip: Path, said: Said, kind: str) -> None:
    calm = said.of(told(clip, 4.0, NOBODY, config()))
    # a long line goes on in the next one
    well = "nothing is wrong with the camera: "
    assert " ".join(calm).endswith(well + ", ".join(ALL_CAMERA_KINDS))
    fault = Spoilt(cast("FaultKind", kind.removeprefix("camera_")), 2.0, 8.0)
    lines = said.of(told(clip, 4.0, NOBODY, config(), spoilt=[fault]))
    assert lines[1].startswith("the picture is not trusted: ")
    assert lines[lines.index(kind) + 2].startswith("the camera")
    others = ", ".join(other for other in ALL_CAMERA_KINDS if other != kind)
    assert not others or " ".join(lines).endswith(well + others)


def test_who_is_alike_shares_a_row_and_other_classes_are_named_once(clip: Path, said: Said) -> None:
    walkers = [
        person(*IN_YARD), person(50, 50), person(60, 80), person(90, 90, "car"),
        person(120, 90, "bicycle"),
    ]  # fmt: skip
    rules = (config(), config("loitering"), config("intrusion", name="cars", classes=("car",)))
    moment = told(clip, 3.0, walkers, *rules)
    lines = said.of(moment)
    assert lines[0].startswith("cam at 3.0 s (frame 30): 5 tracks, 1 open incident")
    block = lines.index("intrusion@yard (intrusion at zone 'yard')")
    assert row(lines[block + 2])[:3] == ["1 person", "OPEN", "nothing"]
    assert row(lines[block + 3])[:5] == ["2, 3 person", "-", "zone", "outside", "inside 'yard'"]
    assert lines[block + 4] == "of another class: 4 car"
    cars = lines.index("cars (intrusion at zone 'yard')")
    assert row(lines[cars + 2])[:3] == ["4 car", "-", "zone"]
    assert lines[cars + 3] == "of another class: 1, 2, 3 person"
    assert lines[-1] == "no rule looks at: 5 bicycle"
    # whoever asks about one track is told of its class
    asked = said.of(moment.about([], 5), every=True)
    assert [row(line)[:5] for line in asked if line.startswith("5 bicycle")] == [
        ["5 bicycle", "-", "class", "bicycle", needed] for needed in ("person", "person", "car")
    ]


def test_who_is_out_of_sight_stands_in_brackets(clip: Path, said: Said) -> None:
    hidden = standing(*IN_YARD, 8, hidden=((2.5, 4.0),))
    lines = said.of(told(clip, 3.0, [hidden], config()))
    assert any(line.startswith("(1) person") for line in lines)


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 200])
def test_tables_fit(clip: Path, said: Said, columns: int) -> None:
    walkers = [person(10.0 + 20 * i, 50.0) for i in range(25)]
    zone = config("loitering", name="loitering of a name that is quite long")
    lines = said.of(told(clip, 3.0, walkers, zone, config()), columns=columns)
    assert max(map(len, lines)) <= max(100, min(columns, 140))
    (block, *_) = [n for n, line in enumerate(lines) if line.startswith("intrusion@yard")]
    width = lines[block + 1].index("event")
    numbers = re.findall(r"\d+", " ".join(line[:width] for line in lines[block + 2 :]))
    assert numbers == [str(i) for i in range(1, 26)]


def test_names_are_no_markup(clip: Path, said: Said) -> None:
    odd = config(name="[red]no[/red] [bold")
    lines = said.of(told(clip, 3.0, [person(*IN_YARD)], odd))
    assert "[red]no[/red] [bold (intrusion at zone 'yard')" in lines
