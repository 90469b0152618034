"""What every open page shows alike, read once for all of them: how each camera is, what it counted
today, and what is wrong with the system."""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import structlog
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Permission
from api.cameras import CameraOut, all_cameras, cameras_of
from api.health import OK, readiness
from api.i18n import N_
from api.services import Services
from api.store.counts import Passage
from api.times import midnight
from streams.reports import CameraReport
from vision.errors import StoreError

REFRESH_S: Final = 1.0
SETTLED_S: Final = 300
"""Intervals that began so long ago are summed once for ``SUMMED_S``."""
SUMMED_S: Final = 60.0
GONE: Final = "the database gives no answer, so this is how it was before: {why}"
NOT_WELL: Final = N_("Something in the system is not well: tell an administrator.")

Counts: TypeAlias = Mapping[Passage, int]
Lines: TypeAlias = Mapping[str, tuple[str, str]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Line:
    """What passed one line today, by direction and class; every direction is there."""

    name: str
    directions: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Tile:
    """One camera: how it is, and its lines."""

    camera: CameraOut
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class View:
    """The city at one moment: its name, its cameras by id, and one sentence for each thing that
    is wrong."""

    city: str
    tiles: tuple[Tile, ...]
    problems: tuple[str, ...]

    def of(self, caller: Caller) -> View:
        """What of it the caller sees: their cameras; what is wrong only where they may read how the
        system is, otherwise that something is."""
        tiles = {tile.camera.id: tile for tile in self.tiles}
        seen = cameras_of(caller, [tile.camera for tile in self.tiles])
        problems = self.problems
        if problems and not caller.may(Permission.SYSTEM_READ):
            problems = (NOT_WELL,)
        own = tuple(Tile(camera, tiles[camera.id].lines) for camera in seen)
        return View(self.city, own, problems)


class Board:
    """Reads at most once in ``REFRESH_S``, however many pages look, and only while one does."""

    def __init__(self, served: Services) -> None:
        self._served = served
        self._lock = asyncio.Lock()
        self._view = View("", (), ())
        self._read_s = -math.inf
        self._number: int | None = None
        self._city = ""
        self._drawn: Mapping[str, Lines] = {}
        self._settled: Mapping[str, Counts] = {}
        self._settled_ts = (0, 0)
        self._summed_s = -math.inf

    async def look(self) -> View:
        """The city as it was within ``REFRESH_S``; where the store gives no answer, as it was
        before, which is said."""
        async with self._lock:
            if time.monotonic() >= self._read_s + REFRESH_S:
                self._view = await run_in_threadpool(self._read)
                self._read_s = time.monotonic()
            return self._view

    def _read(self) -> View:
        problems = [said for said in readiness(self._served).values() if said != OK]
        try:
            tiles = self._tiles(time.time())
        except StoreError as error:
            said = GONE.format(why=error)
            return View(self._view.city, self._view.tiles, tuple(dict.fromkeys([*problems, said])))
        return View(self._city, tiles, tuple(problems))

    def _tiles(self, now: float) -> tuple[Tile, ...]:
        self._follow_configuration()
        cameras = all_cameras(self._served)
        reports = [
            camera for heard in self._served.ingest.workers for camera in heard.report.cameras
        ]
        counts = self._today(now, reports)
        return tuple(
            Tile(
                camera,
                tuple(_lines(self._drawn.get(camera.id, {}), counts.get(camera.id, {}))),
            )
            for camera in cameras
        )

    def _follow_configuration(self) -> None:
        configuration = self._served.store.configuration
        number = configuration.number()
        if number == self._number:
            return
        document = configuration.current()
        self._number = number
        self._city = "" if document is None else document.name
        cameras = () if document is None else document.cameras
        self._drawn = {camera.id: _drawn(camera.scene or {}) for camera in cameras}

    def _today(self, now: float, reports: Iterable[CameraReport]) -> Mapping[str, Counts]:
        """What each camera counted since midnight: what is stored, with the latest intervals as
        their worker has them now, which the store gets when they are over."""
        began = midnight(now)
        self._sum(began, int(now) - SETTLED_S)
        running = {
            (report.camera, int(each.start_ts), each.revision): {
                Passage(count.line, count.direction, count.class_name): count.count
                for count in each.counts
            }
            for report in reports
            for each in report.running
            if each.start_ts >= self._settled_ts[1]
        }
        found: defaultdict[str, defaultdict[Passage, int]] = defaultdict(lambda: defaultdict(int))
        for camera, settled in self._settled.items():
            found[camera] |= settled
        stored = self._served.store.counts.tallies(from_ts=self._settled_ts[1], to_ts=int(now) + 60)
        for each in stored:
            if (each.camera, each.start_ts, each.revision) not in running:
                found[each.camera][each.passage] += each.passed
        for (camera, _, _), passages in running.items():
            for passage, count in passages.items():
                found[camera][passage] += count
        return found

    def _sum(self, began: int, settled_ts: int) -> None:
        day = self._settled_ts[0] == began
        if day and time.monotonic() < self._summed_s + SUMMED_S:
            return
        until_ts = max(began, settled_ts)
        self._settled = self._served.store.counts.totals(from_ts=began, to_ts=until_ts)
        self._settled_ts = began, until_ts
        self._summed_s = time.monotonic()


def _drawn(scene: Mapping[str, Any]) -> Lines:
    return {
        line["name"]: (line.get("forward", "forward"), line.get("backward", "backward"))
        for view in (scene, *scene.get("presets", ()))
        for line in view.get("lines", ())
    }


def _lines(drawn: Lines, counts: Counts) -> Iterable[Line]:
    """The lines of the scene in their order, then those that were in it earlier today."""
    by_line: defaultdict[str, defaultdict[str, dict[str, int]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for passage, count in counts.items():
        by_line[passage.line][passage.direction][passage.class_name] = count
    for name in [*drawn, *sorted(set(by_line) - set(drawn))]:
        directions = {direction: by_line[name][direction] for direction in drawn.get(name, ())}
        yield Line(name, directions | by_line[name])
