"""The configuration: the city and its cameras as they are to be.

Whatever changes raises the configuration's number by one, also a scene that somebody draws
(``scenes``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, Exists, delete, exists, insert, or_, select, update

from api.store.audit import Actor, write_audit
from api.store.changes import what_changes
from api.store.database import Database
from api.store.scenes import add_scene, digest_of, latest
from api.store.tables import cameras as reported_cameras
from api.store.tables import city as city_table
from api.store.tables import configured_cameras, scenes
from streams.citydocument import CameraDocument, CityDocument
from streams.config import SYNTHETIC, City, Position


@dataclass(frozen=True, slots=True)
class Applied:
    """What a configuration changed. ``cameras`` is how many there are now, ``city`` whether
    something beside the cameras changed or their order; ``scenes`` are the new revisions by
    camera, and ``drawn_over`` who had drawn what one of them takes the place of."""

    number: int
    cameras: int
    city: bool
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    scenes: Mapping[str, int]
    drawn_over: Mapping[str, str] = field(default_factory=dict)

    @property
    def anything(self) -> bool:
        return bool(self.city or self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class ConfiguredCamera:
    """A camera as it is to be, without its scene, of which this is the ``revision`` (0 for none);
    ``worker`` is None where any may have it, ``position`` where nobody said where it stands."""

    id: str
    name: str
    synthetic: bool
    worker: str | None
    revision: int
    position: Position | None = None


class _Plan(NamedTuple):
    """What to store so that a city is the configuration."""

    applied: Applied
    before: CityDocument | None
    document: CityDocument


class Configuration:
    """Reads and replaces the configuration. Everything raises StoreError."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def number(self) -> int:
        """The number of the configuration; 0 for none."""
        with self._database.read() as connection:
            return int(connection.execute(select(city_table.c.number)).scalar_one())

    def current(self) -> CityDocument | None:
        with self._database.read() as connection:
            return _current(connection)

    def cameras(self) -> list[ConfiguredCamera]:
        """Every camera, in the order of the configuration."""
        of = configured_cameras.c
        named = of.id, of.name, of.source, of.worker, of.revision, of.latitude, of.longitude
        query = select(*named).order_by(of.place)
        with self._database.read() as connection:
            return [
                ConfiguredCamera(
                    row.id,
                    row.name,
                    row.source == SYNTHETIC,
                    row.worker,
                    row.revision,
                    _position(row.latitude, row.longitude),
                )
                for row in connection.execute(query)
            ]

    def preview(self, city: City) -> Applied:
        """What ``apply`` would change; changes nothing."""
        with self._database.read() as connection:
            return _plan(connection, city).applied

    def apply(self, city: City, by: Actor) -> Applied:
        """Make ``city`` the configuration, in one transaction. The revisions in it are not looked
        at: a scene that is the camera's latest one keeps its number, another gets the next. What
        is so already is not written again."""
        with self._database.write() as connection:
            # two at once would give the same numbers
            connection.execute(select(city_table.c.number).with_for_update())
            plan = _plan(connection, city)
            if plan.applied.anything:
                now = self._clock()
                self._write(connection, plan, by, now)
                before, after = what_changes(plan.before, plan.document)
                write_audit(
                    connection, by, "configuration.applied", "configuration",
                    str(plan.applied.number), now=now, before=before, after=after,
                )  # fmt: skip
        return plan.applied

    def _write(self, connection: Connection, plan: _Plan, by: Actor, now: float) -> None:
        document, applied = plan.document, plan.applied
        connection.execute(
            update(city_table).values(
                number=document.number,
                name=document.name,
                networks=list(document.networks),
                credentials=document.credentials,
                changed_at=now,
            )
        )
        connection.execute(delete(configured_cameras))
        rows = [{"place": place, **_row(camera)} for place, camera in enumerate(document.cameras)]
        if rows:
            connection.execute(insert(configured_cameras), rows)
        # or whoever had them, and does not report any more, would be missed
        connection.execute(delete(reported_cameras).where(~_configured_there()))
        for camera in document.cameras:
            if camera.scene is not None and camera.id in applied.scenes:
                add_scene(connection, camera.id, camera.revision, camera.scene, by, now=now)


def _configured_there() -> Exists:
    """Whether a camera that was reported is configured, and for the worker that reported it."""
    of = configured_cameras.c
    reported = reported_cameras.c
    return exists().where(
        of.id == reported.id, or_(of.worker.is_(None), of.worker == reported.worker)
    )


def _current(connection: Connection) -> CityDocument | None:
    city: Any = connection.execute(select(city_table)).one()
    if not city.number:
        return None
    cameras = configured_cameras
    mine = (scenes.c.camera == cameras.c.id) & (scenes.c.revision == cameras.c.revision)
    query = select(cameras, scenes.c.document).outerjoin(scenes, mine).order_by(cameras.c.place)
    return CityDocument(
        number=city.number,
        name=city.name,
        networks=tuple(city.networks),
        credentials=city.credentials,
        cameras=tuple(
            CameraDocument(
                id=row.id,
                name=row.name,
                source=row.source,
                login=row.login,
                model=row.model,
                fps=row.fps,
                worker=row.worker,
                scene=row.document,
                revision=row.revision,
                position=_position(row.latitude, row.longitude),
                substream=row.substream,
            )
            for row in connection.execute(query)
        ),
    )


def _row(camera: CameraDocument) -> dict[str, Any]:
    latitude, longitude = (None, None) if camera.position is None else camera.position
    said = camera.model_dump(exclude={"scene", "position"})
    return said | {"latitude": latitude, "longitude": longitude}


def _position(latitude: float | None, longitude: float | None) -> Position | None:
    return None if latitude is None or longitude is None else (latitude, longitude)


def _plan(connection: Connection, city: City) -> _Plan:
    before = _current(connection)
    number = 0 if before is None else before.number
    newest = latest(connection)
    drawn: dict[str, int] = {}
    cameras = []
    for camera in city.cameras:
        revision = 0
        if camera.scene is not None:
            digest = digest_of(camera.scene)
            revision, known = newest.get(camera.id, (0, ""))
            if digest != known:
                revision += 1
                drawn[camera.id] = revision
        cameras.append(replace(camera, revision=revision))
    document = CityDocument.of(replace(city, cameras=tuple(cameras)), number + 1)
    was = {} if before is None else {camera.id: _values(camera) for camera in before.cameras}
    now = {camera.id: _values(camera) for camera in document.cameras}
    top = {"number", "cameras"}
    applied = Applied(
        number=number + 1,
        cameras=len(now),
        city=before is None
        or before.model_dump(exclude=top) != document.model_dump(exclude=top)
        or [name for name in was if name in now] != [name for name in now if name in was],
        added=tuple(name for name in now if name not in was),
        changed=tuple(name for name in now if name in was and now[name] != was[name]),
        removed=tuple(name for name in was if name not in now),
        scenes=drawn,
        drawn_over=_drawn_by(connection, drawn),
    )
    if not applied.anything:
        applied = replace(applied, number=number)
    return _Plan(applied, before, document)


def _drawn_by(connection: Connection, drawn: Mapping[str, int]) -> dict[str, str]:
    """Who drew the scenes in force of these cameras; not where nobody wrote it down."""
    of = scenes.c
    mine = (of.camera == configured_cameras.c.id) & (of.revision == configured_cameras.c.revision)
    query = select(of.camera, of.created_by).where(mine, of.created_by.is_not(None))
    found = connection.execute(query.order_by(configured_cameras.c.place))
    return {camera: by for camera, by in found if camera in drawn}


def _values(camera: CameraDocument) -> dict[str, Any]:
    """What makes a camera; its revision stands for its scene."""
    return camera.model_dump(exclude={"scene"})
