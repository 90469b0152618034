"""A rule at stricter thresholds on what is kept of the alerts that people closed: which value would
have left out the false alarms and kept the true ones.

Only the time around those alerts is replayed, with all values side by side; true alarms come first,
so that a value is never called harmless because there was no time to see what it loses.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from streams.commands import Closing, NotTried, Suggest, Suggested, TriedValue
from streams.config import CameraConfig
from streams.keeper import Keeper, Reading
from streams.replaying import FLUSH_S, Pace, Step, steps
from streams.scenefile import scene_of
from streams.yamlfile import listed, quoted
from vision.errors import SceneError
from vision.replay import Replay, why_not
from vision.rules.registry import kinds
from vision.scene import Scene
from vision.trials import Effect, Incident, Variant, Why, best, rule_of, variants
from vision.types import Event

LEAD_S: Final = 60.0
"""So long before an alert began the rule begins to watch: who was there is followed."""
LATER_S: Final = 600.0
"""A stricter rule may tell of an incident so much later, while it goes on."""
CUT_S: Final = 5.0
"""Tracks that end so shortly before an incident was over tell of all of it."""


def suggest(
    wanted: Suggest, camera: CameraConfig | None, keeper: Keeper, stop: threading.Event
) -> Suggested:
    """What comes of ``wanted``; ``camera`` is as it is configured, None where it is not. Never
    raises for what is wrong with it: the answer says that. Ends with ``stop``."""
    name = quoted(wanted.camera)
    if camera is None or camera.scene is None:
        said = "is none of this worker's" if camera is None else "has no scene"
        return Suggested(ok=False, refused="camera", message=f"camera {name} {said}")
    try:
        scene = scene_of(dict(camera.scene), f"scene of {name}")
        config = rule_of(scene, wanted.rule)
        if config is None:
            known = [rule.name for view in scene.views.values() for rule in view.rules]
            there = f"those there are: {listed(known)}" if known else "it has none"
            said = f"the scene of {name} has no rule {quoted(wanted.rule)}: {there}"
            return Suggested(ok=False, refused="rule", message=said)
        label = f"rule {quoted(config.name)} ({config.kind})"
        why = why_not(config)
        if why is not None:
            return Suggested(
                ok=False, refused="more", kind=config.kind, message=f"{label} {why}: it cannot be "
                "tried on kept tracks",
            )  # fmt: skip
        tried = variants(scene, config)
        if len(tried) == 1:
            return Suggested(
                ok=False, refused="no thresholds", kind=config.kind, message=f"{label} has no "
                "number that could be stricter: change its zone, its classes or its schedule",
            )  # fmt: skip
        keeper.flush(wanted.camera, FLUSH_S)
        run = _Run(wanted, tried, keeper, Pace(wanted.timeout_s, stop))
        run.run()
        now = {
            threshold.name: float(value)
            for threshold in kinds()[config.kind].thresholds
            if (value := getattr(config.settings, threshold.name)) is not None
        }
        return run.answer(config.kind, now)
    except SceneError as error:
        return Suggested(ok=False, refused="scene", message=str(error))


@dataclass(eq=False, slots=True)
class _Case:
    """A closed alert and the time that is looked at; when each variant first told of it, by its
    number, and the first and the last picture of that time."""

    closing: Closing
    incident: Incident
    from_ts: float
    to_ts: float
    told_ts: dict[int, float] = field(default_factory=dict)
    first_ts: float = math.inf
    last_ts: float = -math.inf
    done: bool = False

    def later_s(self, number: int) -> float:
        """So much later than the rule as it is that variant told of it."""
        return max(0.0, self.told_ts.get(number, 0.0) - self.told_ts[0])


@dataclass(eq=False, slots=True)
class _Trial:
    """One variant over one span of time, and what it said in it, as it was stated last."""

    rules: Replay
    events: dict[str, Event] = field(default_factory=dict)

    def take(self, step: Step) -> bool:
        """Whether it said something."""
        said = () if step.follows else self.rules.broken()
        said += self.rules.update(step.tracked)
        self.events |= {event.id: event for event in said}
        return bool(said)

    def forget(self, before_ts: float) -> None:
        """What was over before then."""
        self.events = {
            i: event
            for i, event in self.events.items()
            if event.end_ts is None or event.end_ts >= before_ts
        }


class _Run:
    def __init__(
        self, wanted: Suggest, tried: Sequence[Variant], keeper: Keeper, pace: Pace
    ) -> None:
        self._camera, self._keeper, self._pace = wanted.camera, keeper, pace
        self._tried = tried
        self._scene: Scene = tried[0].scene
        self._cases = [_case(closing) for closing in wanted.closings]

    def run(self) -> None:
        """Each span until there is no more time."""
        for span in _spans(self._cases):
            if not self._try(span):
                break

    def _try(self, span: Sequence[_Case]) -> bool:
        """Replay the time of these alerts; False where it did not come to the end."""
        from_ts, to_ts = span[0].from_ts, max(case.to_ts for case in span)
        trials = [_Trial(Replay(variant.scene)) for variant in self._tried]
        open_cases = [*span]
        for step in steps(Reading(self._keeper.folder, self._camera, from_ts, to_ts), self._scene):
            ts = step.kept.ts
            for case in open_cases:
                if ts >= case.from_ts:
                    case.first_ts, case.last_ts = min(case.first_ts, ts), ts
            for number, trial in enumerate(trials):
                waiting = [case for case in open_cases if number not in case.told_ts]
                if waiting and trial.take(step):
                    _note(number, trial, waiting, ts)
            over = [case for case in open_cases if ts > case.to_ts or self._known(case)]
            for case in over:
                self._end(case, trials, ts)
                open_cases.remove(case)
            if over:
                oldest_ts = min((case.incident.start_ts for case in open_cases), default=ts)
                for trial in trials:
                    trial.forget(oldest_ts)
            if not open_cases:
                return True
            if self._pace.over():
                return False
        for case in open_cases:
            self._end(case, trials, math.inf)
        return True

    def _known(self, case: _Case) -> bool:
        """Whether every variant has told of it."""
        return len(case.told_ts) == len(self._tried)

    def _end(self, case: _Case, trials: Sequence[_Trial], ts: float) -> None:
        for number, trial in enumerate(trials):
            if number not in case.told_ts:
                _note(number, trial, [case], ts)
        case.done = True

    def answer(self, kind: str, now: dict[str, float]) -> Suggested:
        """What is known now."""
        not_tried = [
            NotTried(alert=case.closing.alert, true_alarm=case.closing.true_alarm, why=why)
            for case in self._cases
            if (why := self._why_not(case)) is not None
        ]
        left_out = {each.alert for each in not_tried}
        cases = [case for case in self._cases if case.closing.alert not in left_out]
        true = [case for case in cases if case.closing.true_alarm]
        false = [case for case in cases if not case.closing.true_alarm]
        effects = [
            Effect(
                variant.setting,
                variant.value,
                sum(number in case.told_ts for case in true),
                sum(number not in case.told_ts for case in false),
                max((case.later_s(number) for case in true), default=0.0),
            )
            for number, variant in enumerate(self._tried)
            if number
        ]
        # what it would lose is not known before every true alarm was looked at
        known = not any(each.true_alarm and each.why == "time" for each in not_tried)
        found: Effect | Why | Literal["time"] = (
            best(effects, true_alarms=len(true), false_alarms=len(false)) if known else "time"
        )
        return Suggested(
            ok=True,
            kind=kind,
            now=now,
            true_alarms=len(true),
            false_alarms=len(false),
            tried=tuple(map(_value, effects)),
            not_tried=tuple(not_tried),
            best=_value(found) if isinstance(found, Effect) else None,
            why_none=None if isinstance(found, Effect) else found,
        )

    def _why_not(self, case: _Case) -> Literal["gone", "cut", "quiet", "time"] | None:
        """Why nothing can be said of the alert; None where it can."""
        if not case.done:
            return "time"
        incident = case.incident
        if 0 not in case.told_ts:
            there = case.first_ts <= incident.start_ts + CUT_S and case.last_ts >= incident.start_ts
            return "quiet" if there else "gone"
        whole = self._known(case) or case.last_ts >= case.to_ts - CUT_S
        return None if whole else "cut"


def _case(closing: Closing) -> _Case:
    incident = Incident(
        closing.alert,
        closing.start_ts,
        closing.raised_ts,
        closing.end_ts,
        frozenset(closing.track_ids),
    )
    last_ts = closing.raised_ts + LATER_S
    end_ts = last_ts if closing.end_ts is None else min(closing.end_ts, last_ts)
    return _Case(closing, incident, closing.start_ts - LEAD_S, max(end_ts, closing.raised_ts))


def _spans(cases: Sequence[_Case]) -> list[list[_Case]]:
    """Those that overlap together; first those with true alarms, then the newest."""
    found: list[list[_Case]] = []
    end_ts = -math.inf
    for case in sorted(cases, key=lambda case: case.from_ts):
        if case.from_ts > end_ts:
            found.append([])
        found[-1].append(case)
        end_ts = max(end_ts, case.to_ts)
    # the sort keeps the order of equals
    found.reverse()
    return sorted(found, key=lambda span: not any(case.closing.true_alarm for case in span))


def _note(number: int, trial: _Trial, cases: Sequence[_Case], ts: float) -> None:
    """Which of ``cases`` the variant has told of by ``ts``."""
    for case in cases:
        if case.incident.start_ts > ts:
            # what is open now may be over by then
            continue
        told = [
            event.raised_ts for event in trial.events.values() if case.incident.is_told_by(event)
        ]
        if told:
            case.told_ts[number] = min(told)


def _value(effect: Effect) -> TriedValue:
    return TriedValue(
        setting=effect.setting,
        value=effect.value,
        true_kept=effect.true_kept,
        false_gone=effect.false_gone,
        later_s=round(effect.later_s, 2),
    )
