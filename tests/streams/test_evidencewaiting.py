"""Evidence that waits: private, bounded, over restarts, and on disks that take nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import streams.evidencewaiting as module
from streams.evidenceform import Head
from streams.evidencewaiting import FULL, TOO_MUCH, TOO_OLD, UNWRITABLE, Entry, Missing, Waiting
from tests.disks import fill_up, small_disk
from tests.streams.evidenceapi import Item
from vision.errors import EvidenceError

NOW = 1_700_000_000.0


@pytest.fixture(autouse=True)
def _any_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FREE_BYTES", 0)


def head(alert: str, form: str = "snapshot") -> Head:
    return Head.model_construct(
        alert=alert, camera="room1", form=form, from_ts=NOW, to_ts=NOW, revision=1,
        media="image/jpeg" if form == "snapshot" else "video/mp4", copy_why=None, note=None,
        parts=(),
    )  # fmt: skip


def missing(alert: str, why: str = "no packets", form: str = "clip") -> Missing:
    return Missing(alert=alert, camera="room1", form=form, why=why)  # type: ignore[arg-type]


def waiting(folder: Path, **more: object) -> Waiting:
    made = Waiting(folder / "evidence", **{"clock": lambda: NOW, **more})  # type: ignore[arg-type]
    made.open()
    return made


def taken(waits: Waiting) -> list[Entry]:
    found = []
    while (entry := waits.take(0.0)) is not None:
        found.append(entry)
    return found


def test_an_item_is_kept_as_it_is_sent_and_for_its_owner_alone(tmp_path: Path) -> None:
    film = tmp_path / "film"
    film.write_bytes(b"pictures")
    waits = waiting(tmp_path)
    waits.put_item(head("a1", "clip"), {"original": film, "boxes": b"{}"})
    (entry,) = taken(waits)
    assert entry.path is not None
    item = Item.of(entry.path.read_bytes())
    assert item.parts == {"original": b"pictures", "boxes": b"{}"}
    assert item.head.camera == "room1"
    assert item.head.parts[0].sha256 == entry.sha256
    assert stat.S_IMODE(entry.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(waits.folder.stat().st_mode) == 0o700
    assert entry.size == entry.path.stat().st_size
    waits.done(entry)
    assert os.listdir(waits.folder) == []


def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    before = waiting(tmp_path)
    before.put_item(head("a1"), {"original": b"x", "boxes": b"{}"})
    before.put_missing(missing("a2"))
    before.put_missing(missing("a3", "the worker ended"), held=True)
    assert [entry.alert for entry in taken(before)] == ["a1", "a2"]
    (before.folder / "cut-1.mp4").write_bytes(b"half")
    (before.folder / "torn.part").write_bytes(b"half")
    (before.folder / "mask-x").mkdir()
    (before.folder / f"{'1' * 16}-{'a' * 24}.item").write_bytes(b"nonsense")
    found = taken(waiting(tmp_path))
    assert {entry.alert: entry.missing and entry.missing.why for entry in found} == {
        "a1": None,
        "a2": "no packets",
        "a3": "the worker ended",
    }
    assert len(os.listdir(before.folder)) == 3


def test_a_statement_goes_when_the_item_comes(tmp_path: Path) -> None:
    waits = waiting(tmp_path)
    waits.put_missing(missing("a1"), held=True)
    waits.put_missing(missing("a1", "it took long"))
    (said,) = taken(waits)
    waits.put_item(head("a1", "clip"), {"original": b"x", "boxes": b"{}"})
    # it was being posted meanwhile
    waits.later(said, 0.0)
    waits.done(said)
    (entry,) = taken(waits)
    assert entry.missing is None
    assert len(waits) == len(os.listdir(waits.folder)) == 1


def test_what_is_too_much_goes_the_oldest_first(tmp_path: Path) -> None:
    waits = waiting(tmp_path, max_bytes=5000)
    for number in range(5):
        waits.put_item(head(f"a{number}"), {"original": bytes(1500), "boxes": b"{}"})
    said = {entry.alert: entry.missing and entry.missing.why for entry in taken(waits)}
    assert said == {"a0": TOO_MUCH, "a1": TOO_MUCH, "a2": TOO_MUCH, "a3": None, "a4": None}


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    now = [NOW]
    waits = waiting(tmp_path, clock=lambda: now[0], max_age_s=100)
    waits.put_item(head("a1"), {"original": b"x", "boxes": b"{}"})
    waits.put_missing(missing("a2"))
    now[0] += 101
    waits.put_item(head("a3"), {"original": b"x", "boxes": b"{}"})
    said = {entry.alert: entry.missing and entry.missing.why for entry in taken(waits)}
    assert said == {"a1": TOO_OLD, "a3": None}


def test_there_are_never_more_than_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 10)
    waits = waiting(tmp_path)
    with capture_logs() as logged:
        for number in range(25):
            waits.put_missing(missing(f"a{number}"))
    assert [entry.alert for entry in taken(waits)] == [f"a{number}" for number in range(15, 25)]
    assert len(os.listdir(waits.folder)) == 10
    assert "of 15 pictures and clips nothing was said" in (waits.problem or "")
    assert [said["event"] for said in logged] == ["evidence is given up without a word"]
    with capture_logs() as logged:
        for entry in [*waits._entries.values()][:5]:
            waits.done(entry)
    assert waits.problem is None
    assert [said["lost"] for said in logged] == [15]


def test_an_item_that_no_api_takes_is_not_kept(tmp_path: Path) -> None:
    waits = waiting(tmp_path)
    with pytest.raises(EvidenceError, match="too large"):
        waits.put_item(head("a1"), {"original": b"x", "boxes": bytes((16 << 20) + 1)})
    assert taken(waits) == []


def test_a_full_disk_and_then_a_free_one(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "256k") as disk:
        waits = waiting(disk)
        ballast = fill_up(disk)
        with pytest.raises(EvidenceError, match=FULL):
            waits.put_item(head("a1"), {"original": bytes(9000), "boxes": b"{}"})
        waits.put_missing(missing("a1", FULL, "snapshot"))
        assert waits.problem is not None
        assert str(waits.folder) in waits.problem
        (said,) = taken(waits)
        assert said.missing is not None
        assert said.path is None
        ballast.unlink()
        waits.put_item(head("a2"), {"original": bytes(9000), "boxes": b"{}"})
        assert waits.problem is None
        assert [entry.alert for entry in taken(waits)] == ["a2"]
        assert len(os.listdir(waits.folder)) == 1


def test_room_is_left_for_those_who_need_it_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = waiting(tmp_path)
    monkeypatch.setattr(module, "FREE_BYTES", 1 << 60)
    with pytest.raises(EvidenceError, match=FULL):
        waits.check()
    assert "nearly full" in (waits.problem or "")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("this is a file")
    waits = waiting(tmp_path)
    with pytest.raises(EvidenceError, match=UNWRITABLE):
        waits.put_item(head("a1"), {"original": b"x", "boxes": b"{}"})
    waits.put_missing(missing("a1", UNWRITABLE, "snapshot"))
    assert [entry.alert for entry in taken(waits)] == ["a1"]
    (tmp_path / "evidence").unlink()
    waits.put_item(head("a1"), {"original": b"x", "boxes": b"{}"})
    assert waits.problem is None


def test_what_was_left_is_read_on_a_disk_without_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = waiting(tmp_path)
    left.put_item(head("a1"), {"original": b"x", "boxes": b"{}"})
    left.put_missing(missing("a2"))
    monkeypatch.setattr(module, "FREE_BYTES", 1 << 60)
    waits = waiting(tmp_path)
    assert "nearly full" in (waits.problem or "")
    assert [entry.alert for entry in taken(waits)] == ["a1", "a2"]
    # what is too old does not stay for want of room
    old = waiting(tmp_path, clock=lambda: NOW + module.MAX_AGE_S + 1)
    assert [entry.missing and entry.missing.why for entry in taken(old)] == [TOO_OLD]
    assert os.listdir(old.folder) == []


def test_what_could_not_be_read_is_taken_up_later(tmp_path: Path) -> None:
    left = waiting(tmp_path)
    left.put_item(head("a1"), {"original": b"x", "boxes": b"{}"})
    aside = left.folder.rename(tmp_path / "aside")
    left.folder.write_text("this is a file")
    waits = waiting(tmp_path, clock=lambda: NOW + 1)
    waits.put_missing(missing("a2", UNWRITABLE))
    assert [entry.alert for entry in taken(waits)] == ["a2"]
    waits.folder.unlink()
    aside.rename(waits.folder)
    waits.sweep()
    assert waits.problem is None
    assert [entry.alert for entry in taken(waits)] == ["a1"]
    assert [entry.alert for entry in waits._entries.values()] == ["a1", "a2"]
