"""Rooms of evidence for tests: small, real, in a folder of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.evidence.files import Files
from api.evidence.room import Deleted, EvidenceRoom, Taken
from api.store import Actor, Store
from api.store.evidence import Kinds
from streams.evidenceform import Form, Head
from tests.api.served import DAY, alert, sqlite_url

BY = Actor("user", "petugas", "7")
GB = 10**9


class Clock:
    """UTC seconds that a test sets."""

    def __init__(self) -> None:
        self.now = DAY + 100

    def __call__(self) -> float:
        self.now += 0.25
        return self.now


@dataclass
class World:
    """A room, its store and where everything lies."""

    folder: Path
    store: Store
    room: EvidenceRoom
    clock: Clock = field(repr=False)

    @property
    def files(self) -> list[Path]:
        """Every file of evidence, in one order."""
        found = (self.folder / "evidence").rglob("*.*")
        return sorted(path for path in found if path.is_file())

    @property
    def heads(self) -> Path:
        return self.folder / "evidence-heads"

    def add(
        self,
        alert_id: str,
        form: Form = "snapshot",
        *,
        at: float = 0.0,
        copy: bytes | None = None,
        original: bytes | None = None,
        **more: Any,
    ) -> Taken:
        """An alert and one item of it, ``at`` seconds after DAY."""
        camera = more.pop("camera", "plaza")
        self.store.record([alert(alert_id, camera=camera, **more)])
        made = f"{form} of {alert_id}".encode()
        parts = [made if original is None else original, b'{"boxes": [%s]}' % made]
        head, body = packed(alert_id, form, parts, copy=copy, at=at, camera=camera)
        return self.room.take(head, [body])

    def bad(self) -> list[str]:
        return [str(finding) for finding in self.room.verify().findings if finding.bad]


def packed(
    alert_id: str,
    form: Form,
    parts: list[bytes],
    *,
    copy: bytes | None = None,
    at: float = 0.0,
    camera: str = "plaza",
    names: tuple[str, ...] = ("original", "boxes"),
) -> tuple[Head, bytes]:
    """A head and the bytes after it."""
    named = dict(zip(names, parts, strict=True)) | ({} if copy is None else {"copy": copy})
    rows = [[name, len(part), hashlib.sha256(part).hexdigest()] for name, part in named.items()]
    lasts = 0.0 if form == "snapshot" else 10.0
    said = {
        "schema": 1, "alert": alert_id, "camera": camera, "form": form, "from": DAY + at,
        "to": DAY + at + lasts, "revision": 3, "copy_why": None, "note": None, "parts": rows,
        "media": "image/jpeg" if form == "snapshot" else "video/mp4",
    }  # fmt: skip
    return Head.model_validate(said), b"".join(named.values())


def make_room(folder: Path, store: Store, files: Files | None = None, **more: Any) -> EvidenceRoom:
    limits = {"keep": Kinds(30, {}), "max_bytes": GB, "reserve_bytes": 0} | more
    chosen = files or Files.open(str(folder / "evidence"), folder / "incoming")
    return EvidenceRoom(store, chosen, folder / "evidence-heads", folder / "key.pem", **limits)


def open_world(folder: Path, url: str | None = None, **more: Any) -> Iterator[World]:
    clock = Clock()
    with Store.open(url or sqlite_url(folder), clock=clock) as store:
        yield World(folder, store, make_room(folder, store, **more), clock)


def fill(world: World) -> None:
    """Some 20 items, one of them deleted, one held."""
    for number in range(10):
        copy = b"masked %d" % number if number < 4 else None
        world.add(f"a{number}", "snapshot", at=number * 60, copy=copy)
        world.add(f"a{number}", "clip", at=number * 60)
    world.room.hold("a1", "a court asks", BY)
    assert world.room.delete("plaza", DAY, DAY + 90, "whose face it is", BY) == Deleted(2, 2)
