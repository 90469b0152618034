"""A process that dies between any two steps leaves what the next start makes whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy import Connection

from api.store import Store
from api.store.database import Database
from tests.api.evidence.kept import BY, World, make_room, open_world, packed
from tests.api.served import DAY, alert

SOON_S, LATER_S = 1.0, 7200.0
MOST_STEPS = 200


class CrashError(BaseException):
    """The process is dead: nothing that it wants to tidy up is done."""


class Steps:
    """Lets so many steps be done, and none after."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise CrashError

    def before(self, done: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **more: Any) -> Any:
            self()
            return done(*args, **more)

        return step

    def around_commits(self, write: Callable[[Database], Any]) -> Callable[[Database], Any]:
        @contextmanager
        def counted(database: Database) -> Iterator[Connection]:
            self()
            with write(database) as connection:
                yield connection
                self()
            self()

        return counted


@contextmanager
def dying(after: int) -> Iterator[Steps]:
    steps = Steps(after)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("write", "fsync", "replace", "ftruncate", "link", "unlink"):
            patch.setattr(os, name, steps.before(getattr(os, name)))
        patch.setattr(LocalFileSystem, "rm_file", steps.before(LocalFileSystem.rm_file))
        patch.setattr(Database, "write", steps.around_commits(Database.write))
        yield steps


def take(world: World) -> None:
    head, body = packed("a", "clip", [b"original", b"boxes"], copy=b"masked")
    world.room.take(head, [body])


def take_copy(world: World) -> None:
    head, body = packed("b", "clip", [], copy=b"masked", names=())
    world.room.take_copy(head, [body])


def delete(world: World) -> None:
    world.room.delete("plaza", DAY, DAY + 100, "whose face it is", BY)


def age(world: World) -> None:
    world.room.sweep(DAY + 31 * 86400)


def hold(world: World) -> None:
    world.room.hold("b", "a court asks", BY)


def room_for_another(world: World) -> None:
    world.room = make_room(world.folder, world.store, max_bytes=20)
    head, body = packed("c", "clip", [b"original", b"boxes"], at=60)
    world.room.take(head, [body])


def begin(world: World) -> None:
    world.store.record([alert("a"), alert("b"), alert("c")])


def begin_with_b(world: World) -> None:
    begin(world)
    head, body = packed("b", "clip", [b"clip of b", b"boxes of b"], at=1)
    world.room.take(head, [body])


@pytest.mark.parametrize(
    ("first", "act", "after"),
    [
        (begin, take, {"a": "stored"}),
        (begin_with_b, take_copy, {"b": "stored"}),
        (begin_with_b, delete, {"b": "deleted"}),
        (begin_with_b, age, {"b": "deleted"}),
        (begin_with_b, room_for_another, {"b": "deleted", "c": "stored"}),
        (begin_with_b, hold, {"b": "stored"}),
    ],
)
def test_a_death_between_any_two_steps(
    tmp_path: Path,
    first: Callable[[World], None],
    act: Callable[[World], None],
    after: dict[str, str],
) -> None:
    for done in range(MOST_STEPS):
        folder = tmp_path / str(done)
        folder.mkdir()
        for world in open_world(folder):
            first(world)
            crashed = False
            with dying(done):
                try:
                    act(world)
                except CrashError:
                    crashed = True
        with Store.open(f"sqlite:///{folder / 'matakota.db'}", clock=world.clock) as store:
            again = World(folder, store, make_room(folder, store), world.clock)
            check(again, act, after)
        if not crashed:
            break
    assert 3 < done < MOST_STEPS - 1


def check(world: World, act: Callable[[World], None], after: dict[str, str]) -> None:
    """What the next start makes of it, at once and when leftovers are old enough."""
    for later in (SOON_S, LATER_S):
        world.room.sweep(world.clock.now + later)
        assert world.bad() == []
        assert world.room.problem is None
    known = {item.alert: item.state for each in "abc" for item in world.room.items(each)}
    assert set(known.values()) <= {"stored", "deleted"}
    files = sum(2 + (item.copied is not None) for each in "abc" for item in world.room.items(each)
                if item.state == "stored")  # fmt: skip
    assert len(world.files) == files, "neither leftovers nor anything that is lost"
    assert not list((world.folder / "evidence" / ".incoming").glob("*"))
    act(world)
    assert {item.alert: item.state for each in "abc" for item in world.room.items(each)} == after
    assert world.bad() == []
