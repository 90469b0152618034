"""For room nothing goes that would not make any: what stays cannot be deleted twice, and copies go
before what they are made of."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.evidence import leaving
from api.evidence.files import INSIDE, Files
from api.evidence.refusals import NoRoomError, UnavailableError
from api.evidence.room import NOT_NOW
from api.i18n import Language, texts
from api.pages.evidence import shown_evidence
from tests.api.evidence.kept import BY, World, make_room, packed
from tests.api.served import DAY


def full(world: World, tmp_path: Path, items: int, **more: Any) -> None:
    """So many items, and room for hardly anything else."""
    for number in range(items):
        world.add(f"a{number}", at=number, **more)
    world.room = make_room(tmp_path, world.store, max_bytes=world.store.evidence.used() + 10)


def states(world: World) -> list[str]:
    found = sorted(world.room.find(None, None, None), key=lambda item: item.alert)
    return [item.alert for item in found]


def stay(patch: pytest.MonkeyPatch, which: Callable[[str], bool]) -> list[str]:
    """Files of these names cannot be removed; all those that were tried."""
    tried, remove = list[str](), Files.remove

    def fail(files: Files, name: str) -> None:
        tried.append(name)
        if which(name):
            raise UnavailableError("evidence cannot be reached: read-only")
        remove(files, name)

    patch.setattr(Files, "remove", fail)
    return tried


def test_nothing_goes_where_nothing_can_be_removed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full(world, tmp_path, 6)
    with monkeypatch.context() as patch:
        stay(patch, lambda _: True)
        for _ in range(3):
            with pytest.raises(NoRoomError):
                world.add("new", at=99)
        with pytest.raises(NoRoomError):
            make_room(tmp_path, world.store, max_bytes=10).sweep(world.clock.now)
    assert states(world) == [f"a{number}" for number in range(6)]
    assert world.add("new", at=99).created
    assert world.bad() == []


def test_one_batch_goes_at_most_where_files_stay(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "PIECE", 2)
    full(world, tmp_path, 9)
    with monkeypatch.context() as patch:
        # what is written now can be removed, what is older not
        stay(patch, lambda name: not name.startswith(INSIDE))
        for _ in range(3):
            with pytest.raises(NoRoomError):
                world.add("new", at=99, original=b"x" * 200)
    assert len(states(world)) == 7
    assert world.room.items("new")[0].state == "missing"
    assert world.add("new", at=99, original=b"x" * 200).created
    assert world.bad() == []


def test_nothing_goes_where_nothing_can_be_written(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full(world, tmp_path, 3)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", fail)
        with pytest.raises(NoRoomError, match="read-only"):
            world.add("new", at=99)
    assert len(states(world)) == 3
    # on a full disk nothing can be written either, until something goes
    monkeypatch.setattr(Path, "touch", lambda *_, **__: full_disk())
    assert world.add("new", at=99).created
    assert not list((tmp_path / "evidence" / INSIDE).iterdir())


def full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_one_that_stays_does_not_keep_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        world.add(f"a{number}", at=number)
    stuck = world.room.items("a0")[0].place
    with monkeypatch.context() as patch:
        stay(patch, lambda name: name.startswith(str(stuck)))
        world.room.delete("plaza", DAY, DAY + 60, "whose face it is", BY)
        assert len(world.files) == 2
        world.room.sweep(world.clock.now)
        assert world.room.problem is None
        world.room.sweep(world.clock.now + 2 * 3600)
        assert "after more than an hour" in str(world.room.problem)
    world.room.sweep(world.clock.now + 2 * 3600)
    assert world.room.problem is None
    assert world.files == []


def test_where_all_stay_few_are_tried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        world.add(f"a{number}", at=number)
    tried = stay(monkeypatch, lambda _: True)
    world.room.delete("plaza", DAY, DAY + 60, "whose face it is", BY)
    assert len(tried) == leaving.MAX_FAILED


def test_what_finds_no_room_says_so_at_its_alert(world: World, tmp_path: Path) -> None:
    full(world, tmp_path, 1)
    with pytest.raises(NoRoomError):
        world.add("older", at=-9)
    (item,) = world.room.items("older")
    assert (item.state, item.why) == ("missing", NOT_NOW)
    found = world.store.alerts.get("older", only=None)
    assert found is not None
    languages: tuple[Language, ...] = ("en", "id")
    for language in languages:
        why = texts(language)(NOT_NOW)
        shown = shown_evidence(
            found, [item], lambda *_: None, texts(language), originals=True, now=DAY
        )["evidence"]
        assert [(each["said"], each["src"], each["original"]) for each in shown] == [
            ([why], "", "")
        ]
    assert texts("id")(NOT_NOW) != NOT_NOW
    world.room = make_room(tmp_path, world.store)
    assert world.add("older", at=-9).created
    (item,) = world.room.items("older")
    assert (item.state, item.why) == ("stored", None)
    assert world.bad() == []


def test_an_answer_that_does_not_come_says_so_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UnavailableError("/srv/evidence does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(Files, "write", fail)
        with pytest.raises(UnavailableError):
            world.add("a")
        assert world.room.items("a")[0].why == NOT_NOW
    assert world.add("a").created
    # what is stored stays as it is, whatever comes then
    monkeypatch.setattr(Files, "write", fail)
    assert not world.add("a").created
    assert world.room.items("a")[0].state == "stored"


def test_copies_go_before_originals(world: World, tmp_path: Path) -> None:
    full(world, tmp_path, 3, copy=b"m" * 60)
    world.add("new", at=99)
    assert states(world) == ["a0", "a1", "a2", "new"]
    assert [world.room.items(each)[0].copy for each in ("a0", "a1", "a2")] == [
        "none", "ready", "ready",
    ]  # fmt: skip
    # what needs more than copies are lets the oldest go as well
    world.add("large", at=99, original=b"x" * 150)
    assert states(world) == ["a1", "a2", "large", "new"]
    assert [item.copy for item in world.room.find(None, None, None)] == ["none"] * 4
    assert world.bad() == []
    assert len(world.files) == 8


def test_a_copy_pushes_out_copies_alone(world: World, tmp_path: Path) -> None:
    world.add("held", at=-9, copy=b"m" * 60)
    world.room.hold("held", "a court asks", BY)
    world.add("bare", at=5)
    full(world, tmp_path, 2, copy=b"m" * 60)
    head, body = packed("bare", "snapshot", [], copy=b"n" * 60, names=())
    assert world.room.take_copy(head, [body]).created
    copies = {item.alert: item.copy for item in world.room.find(None, None, None)}
    assert copies == {"held": "ready", "a0": "none", "a1": "ready", "bare": "ready"}
    # one that would not fit anyway lets nothing go
    head, body = packed("a0", "snapshot", [], copy=b"n" * 999, names=())
    with pytest.raises(NoRoomError):
        world.room.take_copy(head, [body])
    assert {item.alert: item.copy for item in world.room.find(None, None, None)} == copies
    assert world.bad() == []


def test_a_copy_that_stays_is_not_forgotten(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full(world, tmp_path, 2, copy=b"m" * 60)
    stay(monkeypatch, lambda name: name.endswith(".copy"))
    with pytest.raises(NoRoomError):
        world.add("new", at=99)
    assert [item.copy for item in world.room.find(None, None, None)] == ["ready"] * 2
