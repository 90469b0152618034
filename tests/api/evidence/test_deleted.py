"""What the law lets go goes, leaves a tombstone, and nothing that is held goes with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.evidence.refusals import DeletedError, NoItemError, UnavailableError
from api.evidence.room import Deleted
from api.evidence.signing import is_signed
from api.store import Wanted
from api.store.evidence_chain import Link, Subject, signed_part
from tests.api.evidence.kept import BY, World, packed
from tests.api.served import DAY, alert

WHY = "whose face it is"


def tombstones(world: World) -> list[Subject]:
    return [link.read() for link in world.store.evidence.links(0, 1000) if link.action == "deleted"]


def first(world: World) -> Link:
    return world.store.evidence.links(0, 1)[0]


def test_by_camera_and_time(world: World) -> None:
    for name, at, camera in (
        ("before", -20, "plaza"), ("into", -5, "plaza"), ("in", 5, "plaza"), ("of", 5, "gate"),
        ("end", 30, "plaza"), ("held", 9, "plaza"),
    ):  # fmt: skip
        world.add(name, "clip", at=at, camera=camera, copy=b"masked")
    world.add("in", "snapshot", at=0)
    world.add("out", "snapshot", at=30)
    world.room.hold("held", "a court asks", BY)
    assert [item.alert for item in world.room.find("plaza", DAY, DAY + 30)] == [
        "into", "in", "in", "held",
    ]  # fmt: skip
    assert world.room.delete("plaza", DAY, DAY + 30, WHY, BY) == Deleted(3, 1)
    assert world.room.delete("plaza", DAY, DAY + 30, WHY, BY) == Deleted(0, 1)
    left = {item.alert for item in world.room.find(None, None, None)}
    assert left == {"before", "of", "end", "out", "held"}
    assert len(world.files) == 4 * 3 + 2
    assert world.room.verify().findings == ()
    for alert_id in ("into", "in", "before"):
        assert world.store.alerts.get(alert_id, only=None) is not None


def test_a_tombstone_says_what_why_who_and_when(world: World) -> None:
    world.add("a", "clip")
    sha256 = world.room.items("a")[0].sha256
    world.room.delete("plaza", DAY, DAY + 1, WHY, BY)
    (told,) = tombstones(world)
    assert {**told, "signature": "", "at": 0} == {
        "alert": "a", "form": "clip", "camera": "plaza", "from": DAY, "to": DAY + 10, "at": 0,
        "sha256": sha256, "why": WHY, "by": "petugas", "signature": "",
    }  # fmt: skip
    assert told["at"] == world.room.items("a")[0].changed_at
    public = str(first(world).read()["public_key"])
    assert is_signed(signed_part(told), str(told["signature"]), public)
    assert not is_signed(signed_part(told | {"why": "x"}), str(told["signature"]), public)
    (entry,) = world.store.audit.find(Wanted(action="evidence"), limit=9).entries
    assert (entry.action, entry.object, entry.actor) == ("evidence.deleted", "a", "petugas")
    assert entry.after == {"form": "clip", "camera": "plaza", "reason": WHY}


def test_deleted_stays_deleted(world: World) -> None:
    world.add("a")
    world.room.delete("plaza", DAY, DAY + 1, WHY, BY)
    (item,) = world.room.items("a")
    assert (item.state, item.why) == ("deleted", WHY)
    with pytest.raises(DeletedError):
        world.add("a")
    with pytest.raises(DeletedError, match=WHY):
        world.room.read("a", "snapshot", "original")
    head, body = packed("a", "snapshot", [], copy=b"masked", names=())
    with pytest.raises(DeletedError):
        world.room.take_copy(head, [body])
    world.room.missing("a", "plaza", "snapshot", "it does not know")
    world.room.copy_failed("a", "snapshot", "it does not know")
    assert world.room.items("a") == (item,)
    with pytest.raises(NoItemError):
        world.room.read("a", "clip", "original")


def test_by_age_and_for_room_it_says_so(world: World) -> None:
    world.add("a")
    world.room.sweep(DAY + 31 * 86400)
    (told,) = tombstones(world)
    assert told["by"] == "retention"
    assert not world.store.audit.find(Wanted(action="evidence"), limit=9).entries


def test_many_behind_what_is_held(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.evidence.room.PIECE", 2)
    monkeypatch.setattr("api.evidence.leaving.PIECE", 2)
    for number in range(9):
        world.add(f"a{number}", at=number)
        if number < 5:
            world.room.hold(f"a{number}", "a court asks", BY)
    assert world.room.delete("plaza", DAY, DAY + 60, WHY, BY) == Deleted(4, 5)
    world.room.sweep(DAY + 31 * 86400)
    assert len(world.room.find("plaza", None, None)) == 5
    assert world.bad() == []


def test_what_is_still_on_its_way_is_not_kept(world: World) -> None:
    world.store.record([alert(name) for name in ("late", "held", "next")])
    world.room.missing("late", "plaza", "clip", "it is still being sent")
    world.room.hold("held", "a court asks", BY)
    # of what is to come nothing is deleted
    world.clock.now = DAY + 20
    assert world.room.delete("plaza", DAY, DAY + 10**6, WHY, BY) == Deleted(0, 0)
    assert world.room.delete("plaza", DAY, DAY + 10**6, WHY, BY) == Deleted(0, 0)

    def never() -> Iterator[bytes]:
        raise AssertionError("it is not wanted")
        yield b""

    for name, at in (("late", -5), ("late", 15)):
        head, _ = packed(name, "clip", [b"original", b"boxes"], at=at)
        with pytest.raises(DeletedError):
            world.room.take(head, never())
    assert world.add("late", "snapshot", at=-5).created
    _, clip = world.room.items("late")
    assert (clip.state, clip.why, clip.place) == ("deleted", WHY, None)
    with pytest.raises(DeletedError):
        world.room.read("late", "clip", "original")
    assert world.add("held", "clip", at=5).created
    assert world.add("next", "clip", at=25).created
    assert world.add("of", "clip", at=5, camera="gate").created
    assert [link.action for link in world.store.evidence.links(0, 99)] == [
        "begun", "held", "stored", "stored", "stored", "stored",
    ]  # fmt: skip
    assert len(world.files) == 8
    assert world.room.verify().findings == ()


def test_what_arrives_while_it_is_deleted_is_not_kept(world: World) -> None:
    world.store.record([alert("a")])
    head, body = packed("a", "clip", [b"original", b"boxes"])

    def arriving() -> Iterator[bytes]:
        yield body[:5]
        world.room.delete("plaza", DAY, DAY + 60, WHY, BY)
        yield body[5:]

    with pytest.raises(DeletedError, match=WHY):
        world.room.take(head, arriving())
    assert world.files == []
    assert world.room.items("a")[0].state == "deleted"
    assert world.store.evidence.used() == 0
    assert world.room.verify().findings == ()


def test_held_and_released(world: World) -> None:
    world.store.record([alert("a")])
    assert world.room.hold("a", "a court asks", BY)
    assert not world.room.hold("a", "another court asks", BY)
    world.add("a")
    assert world.room.items("a")[0].hold
    assert world.room.delete("plaza", DAY, DAY + 1, WHY, BY) == Deleted(0, 1)
    assert world.room.sweep(DAY + 31 * 86400).old == 0
    assert world.room.release("a", "the court has it", BY)
    assert not world.room.release("a", "the court has it", BY)
    assert world.bad() == []
    assert world.room.delete("plaza", DAY, DAY + 1, WHY, BY) == Deleted(1, 0)
    found = world.store.audit.find(Wanted(action="evidence"), limit=9).entries
    assert [entry.action for entry in reversed(found)] == [
        "evidence.held", "evidence.released", "evidence.deleted",
    ]  # fmt: skip
    assert world.bad() == []


def test_files_that_cannot_be_removed_yet(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add("a")
    with monkeypatch.context() as patch:

        def gone(_files: object, _name: str) -> None:
            raise UnavailableError("no answer")

        patch.setattr("api.evidence.files.Files.remove", gone)
        assert world.room.delete("plaza", DAY, DAY + 1, WHY, BY) == Deleted(1, 0)
    report = world.room.verify()
    assert report.ok
    assert {finding.what for finding in report.findings} == {"deleted, but not yet removed"}
    assert len(report.findings) == 2
    assert world.room.sweep(world.clock.now).leftovers == 1
    assert world.room.verify().findings == ()
    assert world.files == []
