"""One rule of a scene at stricter thresholds, and whether what it says is an incident that was
told of before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from vision.rules.base import SAME_S
from vision.rules.registry import kinds
from vision.scene import RuleConfig, Scene
from vision.types import Event


@dataclass(frozen=True, slots=True)
class Variant:
    """A scene with one rule alone, as it is drawn (``setting`` is empty) or with its ``setting`` at
    ``value``."""

    setting: str
    value: float
    scene: Scene


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident that somebody was told of: ``end_ts`` is None where it goes on."""

    id: str
    start_ts: float
    raised_ts: float
    end_ts: float | None
    track_ids: Collection[int]

    def is_told_by(self, event: Event) -> bool:
        """Whether ``event``, of the same rule, is about it: it overlaps in time and, unless it is
        about a whole place as a crowd is, about one of its tracks."""
        if event.id == self.id:
            return True
        if event.end_ts is not None and event.end_ts < self.start_ts - SAME_S:
            return False
        if self.end_ts is not None and event.start_ts > self.end_ts + SAME_S:
            return False
        return "box_px" not in event.details or bool({*self.track_ids} & {*event.track_ids})


@dataclass(frozen=True, slots=True)
class Effect:
    """What a ``value`` of a ``setting`` would have done: so many true alarms would still have been
    told of, and so many false ones not. The one that is told of the latest comes ``later_s`` after
    it came."""

    setting: str
    value: float
    true_kept: int
    false_gone: int
    later_s: float


Why: TypeAlias = Literal["unknown", "nothing", "costs"]
"""Why no threshold helps: nothing is known of any false alarm; no value leaves one out; each that
does loses a true alarm as well."""


def rule_of(scene: Scene, name: str) -> RuleConfig | None:
    """The rule of that name, on whichever view it is."""
    views = scene.views.values()
    return next((rule for view in views for rule in view.rules if rule.name == name), None)


def variants(scene: Scene, config: RuleConfig) -> tuple[Variant, ...]:
    """The rule as it is, and at each stricter value of each of its thresholds; nothing beyond the
    first where it has none. What the rule itself does not take is left out."""
    kind = kinds()[config.kind]
    found = [Variant("", 0.0, only(scene, config))]
    for threshold in kind.thresholds:
        now = getattr(config.settings, threshold.name)
        # one that is left out decides nothing
        for value in () if now is None else threshold.beyond(now):
            typed = int(value) if isinstance(now, int) else value
            try:
                settings = replace(config.settings, **{threshold.name: typed})
                changed = replace(config, settings=settings)
                drawn = only(scene, changed)
                for view in drawn.views.values():
                    for rule in view.rules:
                        kind.check(rule, view)
            except ValueError:
                continue
            found.append(Variant(threshold.name, value, drawn))
    return tuple(found)


def only(scene: Scene, config: RuleConfig) -> Scene:
    """``scene`` with ``config`` in place of the rule of that name, switched on, and no other."""
    own = any(rule.name == config.name for rule in scene.rules)
    return replace(
        scene,
        rules=(replace(config, enabled=True),) if own else (),
        presets=tuple(replace(each, scene=only(each.scene, config)) for each in scene.presets),
    )


def best(effects: Sequence[Effect], *, true_alarms: int, false_alarms: int) -> Effect | Why:
    """Of those that lose none of the ``true_alarms``, the one that leaves out most of the
    ``false_alarms``; of equal ones the first, which is the least strict. Otherwise why not."""
    if not false_alarms:
        return "unknown"
    useful = [effect for effect in effects if effect.false_gone]
    if not useful:
        return "nothing"
    harmless = [effect for effect in useful if effect.true_kept == true_alarms]
    if not harmless:
        return "costs"
    most = max(effect.false_gone for effect in harmless)
    return next(effect for effect in harmless if effect.false_gone == most)
