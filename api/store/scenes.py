"""What is drawn on cameras: each revision of a scene, who drew it, and the next one.

A camera's scenes are numbered 1, 2, 3 … and kept for ever, since alerts and counts name the
revision that made them. Whoever draws says on which revision; who comes second changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from api.store.audit import Actor, Values, plain, write_audit
from api.store.database import Database
from api.store.refusals import RefusedError
from api.store.tables import city, configured_cameras, scenes
from streams.messages import MAX_NAME_CHARS
from vision.types import JsonValue


@dataclass(frozen=True, slots=True)
class StoredScene:
    """One revision of a camera's scene, when it was stored (UTC seconds), by whom, and why. Both
    may be unknown: an older version wrote neither down."""

    camera: str
    revision: int
    document: dict[str, JsonValue]
    created_at: float
    by: str | None = None
    note: str | None = None


class Drawn(NamedTuple):
    """A revision without its document."""

    revision: int
    created_at: float
    by: str | None
    note: str | None
    in_force: bool


class History(NamedTuple):
    """Some revisions, newest first, and whether there are ``more`` after them."""

    drawn: list[Drawn]
    more: bool


class SceneChangedError(RefusedError):
    """Somebody was first: ``revision`` is in force, 0 where no scene is; ``now`` is what it holds,
    None where that is not stored."""

    def __init__(self, revision: int, now: StoredScene | None) -> None:
        super().__init__("somebody has drawn on this camera since: load what is in force")
        self.revision, self.now = revision, now


class Scenes:
    """Reads scenes and adds new ones. Everything raises StoreError."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def get(self, camera: str, revision: int | None = None) -> StoredScene | None:
        """A camera's scene, the one in force unless another ``revision`` is named. None where
        there is none."""
        with self._database.read() as connection:
            if revision is None:
                revision = _in_force(connection, camera)
            return None if revision is None else _scene(connection, camera, revision)

    def history(self, camera: str, *, before: int | None = None, limit: int) -> History | None:
        """Its revisions older than ``before``, newest first. None for a camera that is not
        configured."""
        of = scenes.c
        query = select(of.revision, of.created_at, of.created_by, of.note)
        query = query.where(of.camera == camera).order_by(of.revision.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(of.revision < before)
        with self._database.read() as connection:
            now = _in_force(connection, camera)
            if now is None:
                return None
            rows = connection.execute(query).all()
        drawn = [Drawn(*row, in_force=row[0] == now) for row in rows[:limit]]
        return History(drawn, more=len(rows) > limit)

    def draw(
        self,
        camera: str,
        document: Mapping[str, JsonValue],
        by: Actor,
        *,
        base: int,
        note: str | None = None,
    ) -> StoredScene | None:
        """Put a scene in force that was drawn on the revision ``base`` (0: on none), as the next
        one; what is in force already is not stored again. None for a camera that is not
        configured. Raises SceneChangedError where another one is in force by now."""
        with self._database.write() as connection:
            # two at once would give the same numbers
            connection.execute(select(city.c.number).with_for_update())
            revision = _in_force(connection, camera)
            if revision is None:
                return None
            now = _scene(connection, camera, revision)
            # whoever sends it again because no answer came has not come second
            if now is not None and now.document == document:
                return now
            if revision != base:
                raise SceneChangedError(revision, now)
            return self._add(connection, camera, dict(document), by, revision, note)

    def _add(
        self,
        connection: Connection,
        camera: str,
        document: dict[str, JsonValue],
        by: Actor,
        before: int,
        note: str | None,
    ) -> StoredScene:
        newest = select(func.max(scenes.c.revision)).where(scenes.c.camera == camera)
        revision = (connection.execute(newest).scalar() or 0) + 1
        now = self._clock()
        add_scene(connection, camera, revision, document, by, now=now, note=note)
        mine = configured_cameras.c.id == camera
        connection.execute(update(configured_cameras).where(mine).values(revision=revision))
        connection.execute(update(city).values(number=city.c.number + 1, changed_at=now))
        after: Values = {"revision": revision} | ({} if note is None else {"note": note})
        write_audit(
            connection, by, "scene.drawn", "scene", camera, now=now,
            before={"revision": before}, after=after,
        )  # fmt: skip
        return StoredScene(camera, revision, document, now, _called(by), note)


def add_scene(
    connection: Connection,
    camera: str,
    revision: int,
    document: Mapping[str, JsonValue],
    by: Actor,
    *,
    now: float,
    note: str | None = None,
) -> None:
    """Add a revision, which this alone puts in force for nobody."""
    connection.execute(
        insert(scenes).values(
            camera=camera,
            revision=revision,
            document=document,
            digest=digest_of(document),
            created_at=now,
            created_by=_called(by),
            note=note,
        )
    )


def latest(connection: Connection) -> dict[str, tuple[int, str]]:
    """Each camera's highest revision, and the digest of that scene."""
    newest = (
        select(scenes.c.camera, func.max(scenes.c.revision).label("revision"))
        .group_by(scenes.c.camera)
        .subquery()
    )
    query = select(scenes.c.camera, scenes.c.revision, scenes.c.digest).join(
        newest,
        (newest.c.camera == scenes.c.camera) & (newest.c.revision == scenes.c.revision),
    )
    return {camera: (revision, digest) for camera, revision, digest in connection.execute(query)}


def digest_of(scene: Mapping[str, JsonValue]) -> str:
    """Of what a scene says, whatever the order of its fields."""
    said = json.dumps(scene, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(said.encode()).hexdigest()


def _in_force(connection: Connection, camera: str) -> int | None:
    """The revision in force, 0 where none is; None for a camera that is not configured."""
    of = configured_cameras.c
    found: int | None = connection.execute(select(of.revision).where(of.id == camera)).scalar()
    return found


def _scene(connection: Connection, camera: str, revision: int) -> StoredScene | None:
    mine = (scenes.c.camera == camera) & (scenes.c.revision == revision)
    row: Any = connection.execute(select(scenes).where(mine)).first()
    if row is None:
        return None
    return StoredScene(
        row.camera, row.revision, row.document, row.created_at, row.created_by, row.note
    )


def _called(by: Actor) -> str:
    return plain(by.name, MAX_NAME_CHARS)
