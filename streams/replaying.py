"""Kept tracks through the rules of a scene: what would have been told of a time that is past."""

from __future__ import annotations

import base64
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from streams.commands import (
    MAX_TRACKS_BYTES,
    Given,
    NotReplayed,
    Replay,
    Replayed,
    ReplayedEvent,
    Tracks,
)
from streams.config import CameraConfig
from streams.keeper import Keeper, Reading
from streams.scenefile import scene_of
from streams.yamlfile import quoted
from vision.errors import SceneError
from vision.kept import Kept, Rebuilder
from vision.replay import LeftOut, missing, patience_s, replayed
from vision.replay import Replay as Rules
from vision.scene import RuleConfig, Scene
from vision.types import Event, Tracked

LEAD_S: Final = 120.0
"""So long before the time that is asked for rules begin to watch, and twice their patience more:
what began before is known, and who was there is followed."""
MAX_LEAD_S: Final = 3600.0
MAX_EVENTS: Final = 500
MAX_COUNTED: Final = 100_000
FLUSH_S: Final = 2.0
TOO_MANY: Final = f"these are over {MAX_TRACKS_BYTES >> 20} MiB of tracks, more than are given"
REST_AFTER_S: Final = 0.05
"""A replay works for so long and rests for as long again: live cameras go first."""


def replay(
    wanted: Replay, camera: CameraConfig | None, keeper: Keeper, stop: threading.Event
) -> Replayed:
    """What comes of ``wanted``; ``camera`` is as it is configured, None where it is not. Never
    raises for what is wrong with it: the answer says that. Ends with ``stop``."""
    document = wanted.scene if camera is None or wanted.scene is not None else camera.scene
    if document is None:
        said = "has no scene" if camera is not None else "is none of this worker's"
        return Replayed(ok=False, message=f"camera {quoted(wanted.camera)} {said}: name a scene")
    try:
        scene = scene_of(dict(document), f"scene of {quoted(wanted.camera)}")
        keeper.flush(wanted.camera, FLUSH_S)
        return _Run(wanted, scene, keeper, stop).answer()
    except SceneError as error:
        return Replayed(ok=False, message=str(error))


def give(wanted: Tracks, keeper: Keeper) -> Given:
    """The tracks that are kept of that time, as they stand in their files. Never raises: the answer
    says why there are none."""
    keeper.flush(wanted.camera, FLUSH_S)
    found, size = list[bytes](), 0
    for block in Reading(keeper.folder, wanted.camera, wanted.from_ts, wanted.to_ts).blocks():
        found.append(block.encoded)
        size += len(found[-1])
        if size > MAX_TRACKS_BYTES:
            return Given(ok=False, message=TOO_MANY)
    return Given(ok=True, blocks=base64.b64encode(b"".join(found)))


class Step(NamedTuple):
    """A kept picture, and what was known in it, in px of the scene; ``follows`` is False where it
    belongs to another run than the one before."""

    kept: Kept
    tracked: Tracked
    follows: bool


def steps(pictures: Iterable[Kept], scene: Scene) -> Iterator[Step]:
    """What was known in each of the ``pictures``. Raises SceneError where one has another shape
    than the scene."""
    rebuilder, begun, size = Rebuilder(), False, (0, 0)
    scale = (1.0, 1.0)
    for kept in pictures:
        follows, begun = not begun or rebuilder.follows(kept), True
        if kept.frame_size != size:
            size, scale = kept.frame_size, scene.scale_from(kept.frame_size)
        yield Step(kept, rebuilder.update(kept, scale), follows)


class Pace:
    """How fast a replay may go: it works and rests by turns, until ``timeout_s`` have passed or
    ``stop`` is set."""

    def __init__(self, timeout_s: float, stop: threading.Event) -> None:
        self._stop = stop
        self._rested_s = time.monotonic()
        self._end_s = self._rested_s + timeout_s

    def over(self) -> bool:
        """Rest where it is time to; True where there is no more time."""
        worked_s = time.monotonic() - self._rested_s
        if worked_s < REST_AFTER_S:
            return False
        self._stop.wait(worked_s)
        self._rested_s = time.monotonic()
        return self._rested_s >= self._end_s or self._stop.is_set()


class _Run:
    def __init__(self, wanted: Replay, scene: Scene, keeper: Keeper, stop: threading.Event) -> None:
        self._wanted, self._scene = wanted, scene
        self._pace = Pace(wanted.timeout_s, stop)
        lead_s = min(LEAD_S + 2 * patience_s(scene), MAX_LEAD_S)
        self._reading = Reading(keeper.folder, wanted.camera, wanted.from_ts - lead_s, wanted.to_ts)
        self._rules = Rules(scene)
        self._configs: tuple[RuleConfig, ...] = tuple(
            config for view in scene.views.values() for config in replayed(view)
        )
        self._events: dict[str, Event] = {}
        self._more: set[str] = set()
        self._pictures = 0
        self._first_ts: float | None = None
        self._last_ts: float | None = None
        self._reached_ts: float | None = None
        # a rule's name and kind, the classes that it lacks, and in how many pictures
        self._lacks: Counter[tuple[str, str, str]] = Counter()

    def answer(self) -> Replayed:
        """Raises SceneError where the scene has another shape than what is kept."""
        self._run()
        events = sorted(self._events.values(), key=lambda event: (event.raised_ts, event.id))
        return Replayed(
            ok=True,
            events=tuple(_told(event) for event in events),
            more=len(self._more),
            pictures=self._pictures,
            first_ts=self._first_ts,
            last_ts=self._last_ts,
            reached_ts=self._reached_ts,
            left_out=tuple(
                NotReplayed(rule=each.rule, kind=each.kind, why=each.why)
                for each in self._left_out()
            ),
            damaged=self._reading.damaged,
        )

    def _run(self) -> None:
        for kept, tracked, follows in steps(self._reading, self._scene):
            if not follows:
                self._note(self._rules.broken())
            self._note(self._rules.update(tracked))
            self._count(kept)
            if self._pace.over():
                self._reached_ts = kept.ts
                break
        self._note(self._rules.finish())

    def _note(self, events: tuple[Event, ...]) -> None:
        """Remember what was raised in the time that was asked for, as it was stated last."""
        for event in events:
            if event.id in self._events:
                self._events[event.id] = event
            elif not self._wanted.from_ts <= event.raised_ts <= self._wanted.to_ts:
                continue
            elif len(self._events) < MAX_EVENTS:
                self._events[event.id] = event
            elif len(self._more) < MAX_COUNTED:
                self._more.add(event.id)

    def _count(self, kept: Kept) -> None:
        if kept.ts < self._wanted.from_ts:
            return
        self._pictures += 1
        self._first_ts = kept.ts if self._first_ts is None else self._first_ts
        self._last_ts = kept.ts
        for config in self._configs:
            lacks = ", ".join(name for name in config.classes if name not in kept.looked_for)
            if lacks:
                self._lacks[config.name, config.kind, lacks] += 1

    def _left_out(self) -> list[LeftOut]:
        found = [*missing(self._scene)]
        for (name, kind, lacks), number in self._lacks.items():
            part = "" if number == self._pictures else f" in {number} of {self._pictures} pictures"
            why = f"looks for {lacks}, which was not looked for{part}"
            found.append(LeftOut(name, kind, why))
        for view, number in self._rules.unknown.items():
            why = f"{number} pictures show the view {quoted(view)}, which the scene does not have"
            found.append(LeftOut("", "", why))
        return found


def _told(event: Event) -> ReplayedEvent:
    return ReplayedEvent(
        id=event.id,
        kind=event.kind,
        rule=event.rule,
        place=event.place,
        start_ts=event.start_ts,
        raised_ts=event.raised_ts,
        end_ts=event.end_ts,
        track_ids=event.track_ids,
        score=event.score,
        severity=event.severity,
    )
