"""What is taken is kept whole, once, and shown; what does not fit leaves nothing."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.evidence.refusals import (
    DamagedError,
    DeletedError,
    NoAlertError,
    NoItemError,
    NoRoomError,
    OtherOriginalError,
    UnfitError,
)
from api.evidence.room import EvidenceRoom, Taken
from api.store.evidence import Kinds
from tests.api.evidence.kept import BY, World, make_room, packed
from tests.api.served import DAY, alert


def read(room: EvidenceRoom, part: str, **more: int) -> bytes:
    return b"".join(room.read("a", "snapshot", part).chunks(**more))  # type: ignore[arg-type]


def test_taken_and_shown(world: World) -> None:
    taken = world.add("a", copy=b"masked")
    assert taken == Taken(hashlib.sha256(b"snapshot of a").hexdigest(), created=True)
    (item,) = world.room.items("a")
    assert (item.state, item.copy, item.hold, item.camera) == ("stored", "ready", False, "plaza")
    assert (item.sha256, item.kind, item.from_ts) == (taken.sha256, "intrusion", DAY)
    assert item.bytes == len(b'snapshot of a{"boxes": [snapshot of a]}masked')
    assert read(world.room, "original") == b"snapshot of a"
    assert read(world.room, "copy") == b"masked"
    assert read(world.room, "original", offset=3, length=4) == b"psho"
    opened = world.room.read("a", "snapshot", "original")
    assert (opened.size, opened.media, opened.sha256) == (13, "image/jpeg", taken.sha256)
    assert world.room.read("a", "snapshot", "boxes").media == "application/json"
    assert world.room.verify().findings == ()


def test_many_send_at_once(world: World) -> None:
    """Everything twice, from a room of their own each, as two processes would."""
    world.store.record([alert(f"a{number}") for number in range(6)])
    rooms = [make_room(world.folder, world.store) for _ in range(4)]

    def send(number: int) -> bool:
        head, body = packed(f"a{number % 6}", "clip", [b"original", b"boxes"], at=number % 6)
        return rooms[number % 4].take(head, [body]).created

    with ThreadPoolExecutor(4) as pool:
        created = list(pool.map(send, range(12)))
    assert sum(created) == 6
    assert len(world.files) == 12
    assert world.room.verify().entries == 7
    assert world.bad() == []


def test_files_are_their_owners_alone(world: World) -> None:
    world.add("a")
    assert {stat.S_IMODE(path.stat().st_mode) for path in world.files} == {0o600}
    folders = {path.parent for path in world.files} | {world.folder / "evidence"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    for name in ("key.pem", "evidence-heads"):
        assert stat.S_IMODE((world.folder / name).stat().st_mode) == 0o600


def test_sent_again_nothing_changes(world: World) -> None:
    first = world.add("a")

    def not_read() -> Iterator[bytes]:
        raise AssertionError("it is there already")
        yield b""

    head, body = packed("a", "snapshot", [b"snapshot of a", b"other boxes"])
    assert world.room.take(head, not_read()) == Taken(first.sha256, created=False)
    head, body = packed("a", "snapshot", [b"another", b"boxes"])
    with pytest.raises(OtherOriginalError):
        world.room.take(head, [body])
    assert read(world.room, "original") == b"snapshot of a"
    assert len(world.files) == 2
    assert world.bad() == []


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_cut_anyhow(world: World, cut: int) -> None:
    world.store.record([alert("a")])
    head, body = packed("a", "snapshot", [bytes(range(256)) * 3, b"{}"], copy=b"masked")
    pieces = [body[at : at + cut] for at in range(0, len(body), cut)]
    assert world.room.take(head, pieces).created
    assert read(world.room, "original") == bytes(range(256)) * 3
    assert world.bad() == []


def test_what_does_not_fit_leaves_nothing(world: World) -> None:
    world.store.record([alert("a")])
    head, body = packed("a", "snapshot", [b"original", b"boxes"])
    for wrong in (body[:-1], body + b"x", b"", b"y" + body[1:], body[:-1] + b"y"):
        with pytest.raises(UnfitError):
            world.room.take(head, [wrong])
    for names, parts in ((("original",), [b"x"]), (("boxes",), [b"x"])):
        head, body = packed("a", "snapshot", parts, names=names)
        with pytest.raises(UnfitError, match="original and its boxes"):
            world.room.take(head, [body])
    assert world.room.items("a") == ()
    assert world.files == []
    assert not list(world.store.evidence.uploads(DAY * 2))
    assert world.bad() == []


def test_a_sender_that_breaks_off_leaves_nothing(world: World) -> None:
    world.store.record([alert("a")])
    head, body = packed("a", "snapshot", [b"original", b"boxes"])

    def broken() -> Iterator[bytes]:
        yield body[:10]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        world.room.take(head, broken())
    assert world.files == []
    assert world.room.take(head, [body]).created


def test_the_alert_says_whose_it_is(world: World) -> None:
    head, body = packed("a", "snapshot", [b"original", b"boxes"])
    for ask in (
        lambda: world.room.take(head, [body]),
        lambda: world.room.missing("a", "plaza", "clip", "no packets"),
        lambda: world.room.hold("a", "a court asks", BY),
    ):
        with pytest.raises(NoAlertError):
            ask()
    world.store.record([alert("a", camera="gate"), alert("b", camera="matakota")])
    with pytest.raises(UnfitError, match="not of the camera 'plaza'"):
        world.room.take(head, [body])
    with pytest.raises(NoAlertError):
        world.room.missing("b", "matakota", "clip", "no packets")
    assert world.files == []


def test_missing_until_it_comes(world: World) -> None:
    world.store.record([alert("a")])
    world.room.missing("a", "plaza", "snapshot", "the camera was away")
    world.room.missing("a", "plaza", "clip", "the camera has no packets")
    first, second = world.room.items("a")
    assert (first.form, first.state, first.why) == ("snapshot", "missing", "the camera was away")
    assert second.form == "clip"
    with pytest.raises(NoItemError):
        world.room.read("a", "clip", "original")
    world.add("a")
    world.room.missing("a", "plaza", "snapshot", "too late")
    first, _ = world.room.items("a")
    assert (first.state, first.why) == ("stored", None)
    assert world.bad() == []


def test_a_copy_comes_later_and_once(world: World) -> None:
    world.add("a")
    head, body = packed("a", "snapshot", [], copy=b"masked", names=())
    with pytest.raises(NoItemError):
        world.room.read("a", "snapshot", "copy")
    world.room.copy_failed("a", "snapshot", "no codec")
    (item,) = world.room.items("a")
    assert (item.copy, item.copy_why) == ("failed", "no codec")
    assert item.copy_failed_at == item.changed_at
    assert world.room.take_copy(head, [body]).created
    (item,) = world.room.items("a")
    assert (item.copy, item.copy_why) == ("ready", None)
    other, more = packed("a", "snapshot", [], copy=b"masked otherwise", names=())
    assert world.room.take_copy(other, [more]) == Taken(head.parts[0].sha256, created=False)
    assert read(world.room, "copy") == b"masked"
    world.room.copy_failed("a", "snapshot", "too late")
    assert world.room.items("a")[0].copy == "ready"
    assert world.bad() == []
    world.store.record([alert("b")])
    head, body = packed("b", "snapshot", [], copy=b"masked", names=())
    with pytest.raises(NoItemError):
        world.room.take_copy(head, [body])


def test_a_copy_that_is_lost_can_be_made_again(world: World) -> None:
    world.add("a", copy=b"masked")
    (copy,) = (path for path in world.files if path.suffix == ".copy")
    copy.write_bytes(b"m")
    (said,) = world.bad()
    assert "the copy is made anew" in said
    with pytest.raises(NoItemError):
        world.room.read("a", "snapshot", "copy")
    assert world.bad() == []
    head, body = packed("a", "snapshot", [], copy=b"masked", names=())
    assert world.room.take_copy(head, [body]).created


def test_material_is_a_packing(world: World) -> None:
    world.add("a", "clip", copy=b"masked")
    head, chunks = found = world.room.material("a", "clip")
    assert [part.name for part in head.parts] == ["original", "boxes"]
    content = b"".join(chunks)
    assert content == b'clip of a{"boxes": [clip of a]}'
    assert found.size == len(head.encode()) + len(content)
    assert (head.from_ts, head.to_ts, head.revision) == (DAY, DAY + 10, 3)


def test_damage_is_said_instead_of_shown(world: World) -> None:
    world.add("a")
    (original,) = (path for path in world.files if path.suffix == ".original")
    original.write_bytes(b"short")
    with pytest.raises(DamagedError):
        read(world.room, "original")
    original.unlink()
    with pytest.raises(DamagedError):
        read(world.room, "original")


def test_the_oldest_makes_room_but_for_what_is_held(world: World, tmp_path: Path) -> None:
    world.add("old", at=1)
    world.add("older", at=0)
    world.add("held", at=-5)
    world.room.hold("held", "a court asks", BY)
    used = world.store.evidence.used()
    room = world.room = make_room(tmp_path, world.store, max_bytes=used + 10)
    world.add("new", at=9)
    assert [room.items(each)[0].state for each in ("held", "older", "old", "new")] == [
        "stored", "deleted", "stored", "stored",
    ]  # fmt: skip
    assert room.items("older")[0].why == "newer evidence needed its room"
    # what is older than all that could go for it finds no room
    with pytest.raises(NoRoomError):
        world.add("oldest", at=-99)
    # nor what is larger than all that there may be, for which nothing goes
    with pytest.raises(NoRoomError):
        world.add("large", at=99, original=b"x" * used * 2)
    assert room.items("old")[0].state == "stored"
    assert len(world.files) == 6
    assert world.store.alerts.get("older", only=None) is not None
    assert world.bad() == []


def test_the_disk_keeps_its_reserve(world: World, tmp_path: Path) -> None:
    world.add("a")
    world.room = make_room(tmp_path, world.store, reserve_bytes=1 << 60)
    with pytest.raises(NoRoomError, match="nearly full"):
        world.add("b", at=-1)
    assert world.room.items("a")[0].state == "stored"
    assert world.room.sweep(world.clock.now).for_room == 1
    assert world.room.items("a")[0].state == "deleted"
    assert world.bad() == []


def test_age_by_kind(world: World, tmp_path: Path) -> None:
    day = 86400.0
    world.add("a", at=0, kind="intrusion")
    world.add("b", at=0, kind="loitering")
    world.add("c", at=day, kind="crowd")
    world.add("held", at=0, kind="crowd")
    world.room.hold("held", "a court asks", BY)
    keep = Kinds(10, {"intrusion": 30, "loitering": 2})
    room = make_room(tmp_path, world.store, keep=keep)
    left = {}
    for days in (1.5, 2.5, 10.5, 11.5, 29.5, 30.5):
        room.sweep(DAY + days * day)
        left[days] = "".join(
            each[0] for each in ("a", "b", "c", "held") if room.items(each)[0].state == "stored"
        )
    assert left == {1.5: "abch", 2.5: "ach", 10.5: "ach", 11.5: "ah", 29.5: "ah", 30.5: "h"}
    with pytest.raises(DeletedError):
        world.add("a", kind="intrusion")
    assert world.bad() == []
