"""Folders that are full or gone, other file systems, and buckets that give no answer."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from api.evidence import files as files_module
from api.evidence.files import Files
from api.evidence.refusals import DamagedError, NoRoomError, UnavailableError, UnfitError
from api.evidence.room import NOT_NOW, EvidenceRoom
from tests.api.evidence.kept import BY, World, make_room, packed
from tests.api.served import DAY
from tests.disks import fill_up, small_disk
from tests.faults.bucket import bucket
from tests.streams.servers import free_port
from vision.errors import ConfigError


def room_in(world: World, files: Files) -> EvidenceRoom:
    world.room = make_room(world.folder, world.store, files)
    return world.room


def test_in_another_file_system(world: World, tmp_path: Path) -> None:
    system = MemoryFileSystem(skip_instance_cache=True)
    system.store = {}
    system.pseudo_dirs = [""]
    room = room_in(world, Files(system, "/bucket/prefix", tmp_path / "incoming", "memory"))
    for number in range(3):
        world.add(f"a{number}", copy=b"masked", at=number)
    assert b"".join(room.read("a1", "snapshot", "original").chunks(3, 4)) == b"psho"
    assert len(system.store) == 9
    assert room.verify().findings == ()
    head, body = packed("a1", "clip", [b"original", b"boxes"])
    with pytest.raises(UnfitError):
        room.take(head, [body[:-1]])
    name = next(name for name in system.store if name.endswith(".original"))
    content = system.cat_file(name)
    system.pipe_file(name, content[:-1] + b"x")
    (said,) = world.bad()
    assert "was changed" in said
    system.pipe_file(name, content)
    room.delete("plaza", DAY, DAY + 9, "whose face it is", BY)
    assert (world.bad(), system.store) == ([], {})
    assert not list((tmp_path / "incoming").iterdir())


def test_a_full_disk(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        files = Files.open(str(disk / "evidence"), tmp_path / "incoming")
        room = room_in(world, files)
        world.add("a")
        ballast = fill_up(disk)
        monkeypatch.setattr(files, "free", lambda: None)
        with pytest.raises(NoRoomError, match="no space left on device"):
            world.add("b", original=b"x" * 9000)
        assert [(item.state, item.why) for item in room.items("b")] == [("missing", NOT_NOW)]
        assert world.bad() == []
        ballast.unlink()
        assert world.add("b", original=b"x" * 9000).created
        assert world.bad() == []


def test_a_folder_that_went_away(world: World, tmp_path: Path) -> None:
    world.add("a")
    folder = tmp_path / "evidence"
    shutil.move(folder, tmp_path / "aside")
    folder.write_bytes(b"no folder")
    with pytest.raises(NoRoomError, match="cannot be written to"):
        world.add("b")
    with pytest.raises((UnavailableError, DamagedError)):
        world.room.read("a", "snapshot", "original")
    assert world.bad()
    with pytest.raises(ConfigError, match="MATAKOTA_EVIDENCE_URL"):
        Files.open(str(folder / "below"), tmp_path / "incoming")
    folder.unlink()
    shutil.move(tmp_path / "aside", folder)
    assert world.add("b").created
    assert world.bad() == []


@contextmanager
def listener(answers: bool) -> Iterator[int]:
    """A port where connections are taken and never answered, or that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken = list[socket.socket]()

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        if not answers:
            server.close()
            yield port
            return
        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield port
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in taken:
                each.close()


def test_a_bucket_keeps_what_a_folder_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("s3fs", reason="buckets need s3fs")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    port = free_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with bucket(port) as kept:
        files = Files.open("s3://bucket/prefix", tmp_path / "incoming")
        files.check()
        files.write("a/b", [b"first ", b"second"])
        assert kept == {"bucket/prefix/a/b": b"first second"}
        assert files.names() == ["a/b"]
        assert files.size("a/b") == 12
        assert b"".join(files.read("a/b")) == b"first second"
        assert b"".join(files.read("a/b", 6, 3)) == b"sec"
        files.remove("a/b")
        files.remove("a/b")
        assert kept == {}
        with pytest.raises(DamagedError):
            files.size("a/b")
    assert not list((tmp_path / "incoming").iterdir())


@pytest.mark.parametrize("answers", [False, True], ids=["refused", "silent"])
def test_a_bucket_that_gives_no_answer(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    pytest.importorskip("s3fs", reason="buckets need s3fs")
    monkeypatch.setattr(files_module, "READ_S", 1)
    monkeypatch.setattr(files_module, "CONNECT_S", 1)
    monkeypatch.setattr(files_module, "UPLOAD_S", 2)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with listener(answers) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        files = Files.open("s3://bucket/prefix", tmp_path / "incoming")
        room = room_in(world, files)
        with pytest.raises(NoRoomError, match="cannot be written to s3://bucket/prefix") as raised:
            world.add("a")
        assert "geheim" not in str(raised.value)
        assert [(item.state, item.why) for item in room.items("a")] == [("missing", NOT_NOW)]
        with pytest.raises(UnavailableError, match="cannot be reached"):
            files.size("name")
        assert any("cannot be reached" in said for said in world.bad())
    assert not list((tmp_path / "incoming").iterdir())
