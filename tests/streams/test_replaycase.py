"""Cases: an alert as a folder that says again whether a scene tells of it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import streams.keeper
from streams.citydocument import yaml_of
from streams.commands import Closing, Given, Tracks
from streams.keeper import Keeper
from streams.messages import encode
from streams.replaycase import (
    CLIP,
    EXPECTED,
    README,
    SCENE,
    TRACKS,
    Expected,
    cases_in,
    read_expected,
    run_case,
    save_case,
)
from streams.replaying import give
from tests.streams.keeping import YARD, keep, kept, stays, told
from tests.vision.rules.scenarios import T0
from vision.errors import ExpectationError, OutputError, SceneError
from vision.trials import Incident
from vision.types import JsonValue


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    """Somebody stands in the yard for 1.8 s, and then another one for 9."""
    monkeypatch.setattr(streams.keeper, "FREE_BYTES", 0)
    with kept(tmp_path) as made:
        keep(made, stays([1.8, 9]))
        yield made


def tracks(keeper: Keeper, from_s: float = -60, to_s: float = 60) -> bytes:
    found = give(Tracks(camera="cam", from_ts=T0 + from_s, to_ts=T0 + to_s), keeper)
    assert found.ok
    return Given.of(encode(found)).blocks


def expected(closing: Closing, *, true: bool) -> Expected:
    incident = Incident(
        closing.alert,
        closing.start_ts,
        closing.raised_ts,
        closing.end_ts,
        frozenset(closing.track_ids),
    )
    return Expected("cam", "intrusion", "in", "yard", true, 3, incident)


@pytest.fixture
def folder(tmp_path: Path, keeper: Keeper) -> Path:
    """The first one as a false alarm, the second one as a true one."""
    for name, closing in zip(("false", "true"), told(keeper, "in", {1}), strict=True):
        known = expected(closing, true=name == "true")
        save_case(tmp_path / "cases" / name, known, YARD, tracks(keeper))
    return tmp_path / "cases"


def drawn(path: Path, **rule: JsonValue) -> Path:
    rules: list[JsonValue] = [{"kind": "intrusion", "zone": "yard", "name": "in"} | rule]
    path.write_text(yaml_of(YARD | {"rules": rules}), "utf-8")
    return path


def test_a_false_alarm_fails_before_and_holds_after(folder: Path, tmp_path: Path) -> None:
    before = run_case(folder / "false")
    assert not before.holds
    assert "a false alarm, intrusion of rule 'in'" in before.said
    assert "told as intrusion of rule 'in' at 2026-01-31T00:00:00.600Z" in before.said
    after = run_case(folder / "false", drawn(tmp_path / "new.yaml", min_dwell_s=2.5))
    assert after.holds
    # what else is told does not matter, and is said
    assert "not told; told was intrusion of rule 'in' at 2026-01-31T00:00:32" in after.said


def test_a_true_alarm_holds_before_and_fails_after_too_much(folder: Path, tmp_path: Path) -> None:
    assert run_case(folder / "true").holds
    assert run_case(folder / "true", drawn(tmp_path / "new.yaml", min_dwell_s=2.5)).holds
    after = run_case(folder / "true", drawn(tmp_path / "new.yaml", min_dwell_s=20))
    assert not after.holds
    assert after.said.endswith("not told; told was nothing")


def test_a_rule_of_another_name_at_the_same_place_tells_of_it(folder: Path, tmp_path: Path) -> None:
    new = drawn(tmp_path / "new.yaml", name="renamed")
    assert not run_case(folder / "false", new).holds
    assert run_case(folder / "true", new).holds


def test_whoever_has_a_folder_of_cases_runs_them_all(folder: Path, tmp_path: Path) -> None:
    new = drawn(tmp_path / "new.yaml", min_dwell_s=2.5)
    found = cases_in(folder)
    assert [case.name for case in found] == ["false", "true"]
    assert all(run_case(case, new).holds for case in found)
    assert cases_in(folder / "true") == [folder / "true"]
    for nothing in (tmp_path / "tracks", tmp_path / "nowhere"):
        with pytest.raises(ExpectationError, match="case"):
            cases_in(nothing)


def test_what_is_written_is_read_again_and_for_its_owner_alone(
    tmp_path: Path, keeper: Keeper
) -> None:
    closing, _ = told(keeper, "in", set())
    known = replace(expected(closing, true=True), rule="1e3 é", place="")
    open_one = replace(known, incident=replace(known.incident, end_ts=None))
    for n, each in enumerate((known, open_one)):
        case = tmp_path / f"case{n}"
        save_case(case, each, YARD, b"", b"film")
        found = read_expected(case / EXPECTED)
        assert replace(found, incident=each.incident) == each
        assert found.incident.start_ts == pytest.approx(each.incident.start_ts, abs=6e-4)
        assert (found.incident.end_ts is None) is (each.incident.end_ts is None)
        assert {file.name for file in case.iterdir()} == {SCENE, TRACKS, EXPECTED, README, CLIP}
        assert stat.S_IMODE(case.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in case.iterdir()} == {0o600}
        assert CLIP in (case / README).read_text("utf-8")
    with pytest.raises(OutputError, match="is not empty"):
        save_case(tmp_path / "case0", known, YARD, b"")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        save_case(tmp_path / "file", known, YARD, b"")


def spoil(folder: Path, old: str, new: str) -> None:
    path = folder / "true" / EXPECTED
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("told: true", "told: perhaps", "told"),
        ("told: true\n", "", "told"),
        ("kind:", "kinds:", "kinds"),
        ("start: '2026", "start: 'x2026", "is no time"),
        ("start: '2026", "start: '2027", "before it began"),
        ("camera: cam", "camera: other", "holds no tracks of camera 'other'"),
    ],
)
def test_what_is_wrong_with_it_is_one_sentence(folder: Path, old: str, new: str, said: str) -> None:
    spoil(folder, old, new)
    with pytest.raises(ExpectationError, match=said):
        run_case(folder / "true")


def test_tracks_that_are_damaged_or_gone(folder: Path) -> None:
    path = folder / "true" / TRACKS
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(ExpectationError, match="is damaged"):
        run_case(folder / "true")
    path.write_bytes(bytes(5 << 20))
    with pytest.raises(ExpectationError, match="over 4 MiB"):
        run_case(folder / "true")
    path.unlink()
    with pytest.raises(ExpectationError, match="cannot be read"):
        run_case(folder / "true")


def test_a_scene_that_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text("frame_size: [640]\n", "utf-8")
    with pytest.raises(SceneError, match="frame_size"):
        run_case(folder / "true", tmp_path / "new.yaml")
    with pytest.raises(ExpectationError, match="cannot be replayed"):
        run_case(folder / "true", drawn(tmp_path / "new.yaml", kind="person_down"))
