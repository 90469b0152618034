"""The last report of each camera."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy import delete, func, insert, select

from api.store.database import Database
from api.store.tables import cameras, configured_cameras
from streams.reports import CameraReport, HealthReport

KEPT_S = 7 * 86_400.0
"""Cameras of a worker that was not heard for so long are out of service."""


@dataclass(frozen=True, slots=True)
class StoredCamera:
    """What ``worker`` said last of a camera, and when that was heard here (UTC seconds)."""

    report: CameraReport
    worker: str
    seen_at: float


class Cameras:
    """Reads and replaces the reports. Everything raises StoreError."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def save(self, report: HealthReport) -> None:
        """Keep a worker's report unless it is known already; cameras that the worker no longer
        has are forgotten, and those that nobody reported for ``KEPT_S``."""
        mine = cameras.c.worker == report.worker
        with self._database.read() as connection:
            heard = select(cameras.c.id).where(mine, cameras.c.report_ts == report.ts).limit(1)
            if connection.execute(heard).first() is not None:
                return
        # by our clock: the worker's may differ
        now = self._clock()
        rows = {
            camera.camera: {
                "id": camera.camera,
                "worker": report.worker,
                "report": camera.model_dump_json(),
                "report_ts": report.ts,
                "seen_at": now,
            }
            for camera in report.cameras
        }
        with self._database.write() as connection:
            old = cameras.c.seen_at < now - KEPT_S
            connection.execute(delete(cameras).where(mine | cameras.c.id.in_(rows) | old))
            if rows:
                connection.execute(insert(cameras), list(rows.values()))

    def workers(self) -> dict[str, float]:
        """Each worker that has cameras, and seconds since it was heard."""
        query = select(cameras.c.worker, func.max(cameras.c.seen_at))
        query = query.group_by(cameras.c.worker).order_by(cameras.c.worker)
        with self._database.read() as connection:
            found = connection.execute(query).all()
        now = self._clock()
        return {worker: max(0.0, now - seen_at) for worker, seen_at in found}

    def all(self) -> list[StoredCamera]:
        """Every camera, in the order of their ids."""
        with self._database.read() as connection:
            rows = connection.execute(select(cameras).order_by(cameras.c.id)).all()
        found = []
        for row in rows:
            # one that another version wrote counts as not heard: the next is seconds away
            with suppress(ValidationError):
                report = CameraReport.model_validate_json(row.report)
                found.append(StoredCamera(report, row.worker, row.seen_at))
        return found

    def known(self, camera: str) -> bool:
        """Whether anybody reported the camera, or it is configured."""
        with self._database.read() as connection:
            return any(
                connection.execute(select(table.c.id).where(table.c.id == camera)).first()
                for table in (cameras, configured_cameras)
            )
