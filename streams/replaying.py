"""Kept tracks through the rules of a scene: what would have been told of a time that is past."""

from __future__ import annotations

import base64
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
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
from streams.drawing import Met, Passed, Silent
from streams.keeper import Keeper, Reading
from streams.scenefile import scene_of
from streams.yamlfile import quoted
from vision.errors import SceneError
from vision.kept import Kept, Rebuilder
from vision.replay import LeftOut, missing, patience_s, replayed
from vision.replay import Replay as Rules
from vision.rules.base import Condition, Explanation
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
EXPLAIN_S: Final = 0.5
"""Rules are asked so seldom why they are silent, in time of the pictures: that costs more than to
watch."""
MAX_SILENT: Final = 200
_AMOUNT: Final = re.compile(r"(?:up to )?(\d+(?:\.\d+)?) ?([a-z/%]*)", re.ASCII)
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
    """What was known in each of the ``pictures`` of whom the scene looks for. Raises SceneError
    where one has another shape than the scene."""
    rebuilder, begun, size = Rebuilder(), False, (0, 0)
    scale = (1.0, 1.0)
    for kept in pictures:
        follows, begun = not begun or rebuilder.follows(kept), True
        if kept.frame_size != size:
            size, scale = kept.frame_size, scene.scale_from(kept.frame_size)
        tracked = rebuilder.update(kept, scale)
        if scene.classes:
            wanted = tuple(t for t in tracked.tracks if t.class_name in scene.classes)
            tracked = replace(tracked, tracks=wanted)
        yield Step(kept, tracked, follows)


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
        self._rules = Rules(scene, counting=wanted.explain)
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
        self._silent = {config.name: _Nearest(config) for config in self._configs}
        self._passed: Counter[tuple[str, str, str]] = Counter()
        self._explain_ts = wanted.from_ts if wanted.explain else math.inf

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
            silent=self._silence(),
            passed=tuple(
                Passed(line=line, direction=direction, class_name=name, count=count)
                for (line, direction, name), count in sorted(self._passed.items())
            ),
        )

    def _silence(self) -> tuple[Silent, ...]:
        silent = self._silent.values() if self._wanted.explain else ()
        return tuple(each.said() for each in islice(silent, MAX_SILENT))

    def _run(self) -> None:
        for kept, tracked, follows in steps(self._reading, self._scene):
            if not follows:
                self._note(self._rules.broken())
            self._note(self._rules.update(tracked))
            self._count(kept)
            self._pass()
            # what is in doubt does not count yet
            ts = self._rules.judged_ts
            if ts is not None and ts >= self._explain_ts:
                self._explain_ts = ts + EXPLAIN_S
                self._explain(ts)
            if self._pace.over():
                self._reached_ts = kept.ts
                break
        self._note(self._rules.finish())
        self._pass()

    def _explain(self, ts: float) -> None:
        """Remember how near those rules are to firing that have not yet."""
        for each in self._rules.explain(self._silent):
            self._silent[each.rule].take(each, ts)

    def _pass(self) -> None:
        for each in self._rules.crossed():
            if self._wanted.from_ts <= each.ts <= self._wanted.to_ts:
                self._passed[each.line, each.direction, each.class_name] += 1

    def _note(self, events: tuple[Event, ...]) -> None:
        """Remember what was raised in the time that was asked for, as it was stated last."""
        for event in events:
            if event.id in self._events:
                self._events[event.id] = event
            elif self._wanted.from_ts <= event.raised_ts <= self._wanted.to_ts:
                self._silent.pop(event.rule, None)
                self._keep(event)

    def _keep(self, event: Event) -> None:
        if len(self._events) < MAX_EVENTS:
            self._events[event.id] = event
        elif len(self._more) < MAX_COUNTED:
            self._more.add(event.id)

    def _count(self, kept: Kept) -> None:
        if kept.ts < self._wanted.from_ts:
            return
        self._pictures += 1
        self._first_ts = kept.ts if self._first_ts is None else self._first_ts
        self._last_ts = kept.ts
        looking = [("", "", self._scene.classes)]
        looking += [(config.name, config.kind, config.classes) for config in self._configs]
        for name, kind, classes in looking:
            lacks = ", ".join(each for each in classes if each not in kept.looked_for)
            if lacks:
                self._lacks[name, kind, lacks] += 1

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


class _Nearest:
    """The moment at which a rule that is silent was nearest to firing: when most of what it needs
    was so, and what it lacked first was most so; the last one of those that are alike."""

    def __init__(self, config: RuleConfig) -> None:
        self._config = config
        self._near = (-1, 0.0)
        self._found: Explanation | None = None
        self._ts = 0.0

    def take(self, found: Explanation, ts: float) -> None:
        near = _nearness(found.conditions)
        if near >= self._near:
            self._near, self._found, self._ts = near, found, ts

    def said(self) -> Silent:
        config, found = self._config, self._found
        silent = Silent(rule=config.name, kind=config.kind, place=config.place)
        if found is None:
            return silent
        return silent.model_copy(
            update={
                "at_ts": self._ts,
                "track_id": found.track_id,
                "told": found.event_id is not None,
                "conditions": tuple(
                    Met(what=each.what, met=each.met, found=each.found, needed=each.needed)
                    for each in found.conditions
                ),
            }
        )


def _nearness(conditions: Sequence[Condition]) -> tuple[int, float]:
    """How many are met, and what part of the first that is not, where both are amounts."""
    lacking = next((each for each in conditions if not each.met), None)
    part = 1.0
    if lacking is not None:
        part = _part(lacking)
    return sum(each.met for each in conditions), part


def _part(lacking: Condition) -> float:
    """How near that is to what is needed, 1 where it is there; 0 where that cannot be told."""
    found, needed = (_AMOUNT.match(text) for text in (lacking.found, lacking.needed))
    if found is None or needed is None or (found[2] != needed[2] and found[2] and needed[2]):
        return 0.0
    # what is more than is needed lacks too: it must be at most that
    less, more = sorted((float(found[1]), float(needed[1])))
    return less / more if more > 0 else 0.0


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
