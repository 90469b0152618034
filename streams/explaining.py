"""One moment of a clip, explained: the pipeline runs from the clip's start to it, and every rule
says which of its conditions are met and which are not."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import chain

from streams.analysis import DECIMALS, Record, event_record
from streams.files import ClipSource
from streams.yamlfile import did_you_mean, listed, quoted
from vision.draw import Note
from vision.errors import ClipError, MatakotaError
from vision.pipeline import Pipeline, Step
from vision.rules.base import Condition, Explanation
from vision.rules.registry import camera_rules, kinds, place_rules
from vision.scene import RuleConfig, Scene
from vision.types import Event, Frame, JsonValue, Quality, Track

SAME_S = 1e-3
"""A picture that comes so little after the time asked for is still the one asked for."""
LOOK_ON_S = 30.0
"""How far after a moment in which nobody is followed somebody is looked for."""
MAX_WORDS = 44
"""Characters beside a track; what is needed is left out where it would be more."""
LAST_OVER = 5
"""Incidents that were over and are told."""
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)(?: ([^\d\s]+))?(?!\S)", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What was known at one ``frame`` of a clip whose first frame was taken at ``start_ts``.

    ``scene`` is what is drawn on the view that is seen and ``rules`` watch it, the camera's own
    last. ``open`` are the incidents open then, ``over`` the last that were over, the latest first.
    ``counts`` are the totals by line and direction. Where nobody is followed, ``before_ts`` and
    ``after_ts`` are the nearest times at which somebody is, None where nobody is found.
    """

    start_ts: float
    frame: Frame
    step: Step
    scene: Scene
    rules: tuple[RuleConfig, ...]
    explanations: tuple[Explanation, ...]
    open: tuple[Event, ...]
    over: tuple[Event, ...]
    counts: dict[str, dict[str, int]]
    before_ts: float | None = None
    after_ts: float | None = None

    @property
    def offset_s(self) -> float:
        """Seconds since the first frame."""
        return self.frame.ts - self.start_ts

    @property
    def quality(self) -> Quality:
        """How far its picture could be trusted."""
        return self.step.tracked.quality

    @property
    def tracks(self) -> dict[int, Track]:
        """Who is followed, by number."""
        return {track.id: track for track in self.step.tracked.tracks}

    @property
    def suspended(self) -> tuple[RuleConfig, ...]:
        """The rules that do not watch because the picture is not trusted."""
        if self.quality.trusted:
            return ()
        return tuple(rule for rule in self.rules if kinds()[rule.kind].place != "camera")

    def about(self, rules: Collection[str], track: int | None) -> Moment:
        """The same, of these ``rules`` (names or kinds; empty: all) and this ``track`` only.

        Raises MatakotaError for a track that is not followed.
        """
        if track is not None and track not in self.tracks:
            followed = ", ".join(map(str, self.tracks)) or "nobody"
            raise MatakotaError(
                f"track {track} is not followed at {self.offset_s:.1f} s: name one of those that "
                f"are ({followed}), or another time"
            )

        def asked(name: str, kind: str) -> bool:
            return not rules or name in rules or kind in rules

        def fits(event: Event) -> bool:
            return asked(event.rule, event.kind) and (track is None or track in event.track_ids)

        return replace(
            self,
            rules=tuple(rule for rule in self.rules if asked(rule.name, rule.kind)),
            explanations=tuple(
                each
                for each in self.explanations
                if asked(each.rule, each.kind) and track in (None, each.track_id)
            ),
            open=tuple(filter(fits, self.open)),
            over=tuple(filter(fits, self.over)),
        )


def check_rules(wanted: Iterable[str], scene: Scene) -> None:
    """Raise MatakotaError for a name that is no rule's and no kind's in ``scene``."""
    rules = [*chain.from_iterable(view.rules for view in scene.views.values())]
    rules += camera_rules(scene)
    known = dict.fromkeys(name for rule in rules for name in (rule.name, rule.kind))
    for name in wanted:
        if name not in known:
            near = did_you_mean(name, known) or f": its rules are {listed(known)}"
            raise MatakotaError(f"no rule of the scene is called {quoted(name)}{near}")


def explain(
    clip: ClipSource,
    pipeline: Pipeline,
    *,
    at_s: float,
    start_ts: float,
    seen: Callable[[Frame], None] | None = None,
) -> Moment:
    """Run ``clip`` from its start to its last picture at ``at_s`` seconds or before and tell what
    is known then. ``seen`` gets each frame. Raises ClipError where the clip ends before that or
    breaks off."""
    check_length(clip, at_s)
    moment: Moment | None = None
    before_ts: float | None = None
    over: deque[Event] = deque(maxlen=LAST_OVER)
    with clip:
        frames = _told(clip.frames(), seen)
        last: tuple[Frame, Step] | None = None
        following: Frame | None = None
        for frame in frames:
            if last is not None and frame.ts - start_ts > at_s + SAME_S:
                following = frame
                break
            last = frame, pipeline.step(frame)
            over.extendleft(event for event in last[1].events if event.end_ts is not None)
            if last[1].tracked.tracks:
                before_ts = frame.ts
        if last is None:
            raise ClipError(f"{clip.camera_id} has no picture: copy or download the clip again")
        moment = _moment(pipeline, *last, start_ts, tuple(over))
        if moment.tracks:
            return moment
        after_ts = _next_sight(pipeline, frames, following, frame.ts + LOOK_ON_S)
    return replace(moment, before_ts=before_ts, after_ts=after_ts)


def check_length(clip: ClipSource, at_s: float) -> None:
    """Raise ClipError where ``clip`` is over before ``at_s``."""
    if at_s > clip.info.duration_s:
        # rounded down, so that the time named is within the clip
        ends = int(clip.info.duration_s * 10) / 10
        raise ClipError(f"the clip ends at {ends:.1f} s: name a time up to then with --at")


def _told(frames: Iterator[Frame], seen: Callable[[Frame], None] | None) -> Iterator[Frame]:
    for frame in frames:
        if seen is not None:
            seen(frame)
        yield frame


def _moment(
    pipeline: Pipeline, frame: Frame, step: Step, start_ts: float, over: tuple[Event, ...]
) -> Moment:
    scene = pipeline.scene.views.get(step.tracked.quality.view, pipeline.scene)
    still = {event.id for event in pipeline.open}
    return Moment(
        start_ts=start_ts,
        frame=frame,
        step=step,
        scene=scene,
        rules=(*place_rules(scene), *camera_rules(pipeline.scene)),
        explanations=tuple(pipeline.explain()),
        open=pipeline.open,
        over=tuple(event for event in over if event.id not in still),
        counts={
            line: {direction: sum(classes.values()) for direction, classes in by.items()}
            for line, by in pipeline.counts.items()
        },
    )


def _next_sight(
    pipeline: Pipeline, frames: Iterator[Frame], following: Frame | None, until_ts: float
) -> float | None:
    """When somebody is followed again."""
    for frame in chain(() if following is None else (following,), frames):
        if frame.ts > until_ts:
            break
        if pipeline.step(frame).tracked.tracks:
            return frame.ts
    return None


def first_failed(explanation: Explanation) -> Condition | None:
    """What keeps the rule from firing, None where nothing does."""
    return next((each for each in explanation.conditions if not each.met), None)


def decisive(explanation: Explanation) -> Condition:
    """The first condition that fails; where none does, the amount that is met most narrowly, or
    the last condition."""
    failed = first_failed(explanation)
    if failed is not None:
        return failed
    shares = {_share(each): each for each in reversed(explanation.conditions)}
    amounts = [share for share in shares if share > 0]
    return shares[min(amounts)] if amounts else explanation.conditions[-1]


def looked_at(explanation: Explanation) -> bool:
    """Whether the rule looks at that class at all, or has an event about it."""
    first = explanation.conditions[0]
    return first.met or first.what != "class" or explanation.event_id is not None


def distance(explanation: Explanation) -> tuple[bool, int, int, float]:
    """How far a rule is from firing, to compare: open ones come first, then those of which the
    fewest conditions fail, and of these the ones that have come the furthest."""
    failed = [each for each in explanation.conditions if not each.met]
    met = len(explanation.conditions) - len(failed)
    share = _share(failed[0]) if failed else 1.0
    return explanation.event_id is None, len(failed), -met, -share


def _share(condition: Condition) -> float:
    """The part of what is needed that is there, 0 where they are no amounts of one unit."""
    found, needed = map(_AMOUNT.match, (condition.found, condition.needed))
    if found is None or needed is None or found[2] != needed[2]:
        return 0.0
    return float(found[1]) / max(1e-9, float(needed[1]))


def in_words(explanation: Explanation) -> str:
    """What keeps the rule from firing, or what made it, in a few words."""
    told = decisive(explanation)
    if told.met:
        return f"{'open' if explanation.event_id else 'fires'}: {told.what} {told.found}"
    short = f"{'open, but now ' if explanation.event_id else ''}{told.what}: {told.found}"
    whole = f"{short}, needs {told.needed}"
    return whole if len(whole) <= MAX_WORDS else short


def faults_in_words(moment: Moment) -> str:
    """What is wrong with the picture, and since when."""
    return ", ".join(
        f"{fault.kind} since {fault.since_ts - moment.start_ts:.1f} s"
        for fault in moment.quality.faults
    )


def notes(moment: Moment) -> list[Note]:
    """What is to be read in the picture: of each track that is in sight or has an event, and of
    each place, the rule nearest to firing."""
    found = []
    if not moment.quality.trusted:
        found.append(Note("Rules are suspended", faults_in_words(moment), alert=True))
    said = set()
    for each in sorted(moment.explanations, key=distance):
        alert = each.event_id is not None
        track = moment.tracks.get(each.track_id) if each.track_id is not None else None
        if track is not None:
            in_sight = track.last_ts >= moment.frame.ts
            if track.id in said or not looked_at(each) or not (in_sight or alert):
                continue
            said.add(track.id)
            title = f"{track.id} {track.class_name} · {each.rule}"
            found.append(Note(title, in_words(each), track_id=track.id, alert=alert))
        elif kinds()[each.kind].place != "camera":
            found.append(
                Note(each.rule, in_words(each), box=each.box, place=each.place, alert=alert)
            )
        elif each.conditions[0].met or alert:
            found.append(Note(each.rule, in_words(each), alert=alert))
    return found


def record(moment: Moment) -> Record:
    """A moment as JSON values; times are seconds since the first frame unless called ``ts``."""

    def offset(ts: float | None) -> float | None:
        return None if ts is None else round(ts - moment.start_ts, DECIMALS)

    return {
        "type": "explanation",
        "camera": moment.frame.camera_id,
        "frame": moment.frame.index,
        "ts": round(moment.frame.ts, DECIMALS),
        "offset_s": offset(moment.frame.ts),
        "view": moment.quality.view,
        "trusted": moment.quality.trusted,
        "doubt_offset_s": offset(moment.quality.doubt_ts),
        "faults": [
            {
                "kind": fault.kind,
                "since_offset_s": offset(fault.since_ts),
                "score": round(fault.score, 3),
                "measured": dict(fault.measured),
            }
            for fault in moment.quality.faults
        ],
        "tracks": [_track_record(track, offset) for track in moment.tracks.values()],
        "rules": [_rule_record(rule, moment) for rule in moment.rules],
        "open": [event_record(event, moment.start_ts) for event in moment.open],
        "over": [event_record(event, moment.start_ts) for event in moment.over],
        "before_offset_s": offset(moment.before_ts),
        "after_offset_s": offset(moment.after_ts),
    }


def _track_record(track: Track, offset: Callable[[float | None], float | None]) -> Record:
    return {
        "track_id": track.id,
        "class": track.class_name,
        "class_share": round(track.class_share, 3),
        "first_offset_s": offset(track.first_ts),
        "last_offset_s": offset(track.last_ts),
        "foot_px": [round(value, 1) for value in track.foot],
        "box_px": [round(value, 1) for value in track.box.tolist()],
    }


def _rule_record(rule: RuleConfig, moment: Moment) -> Record:
    place: Record = {kinds()[rule.kind].place: rule.place} if rule.place else {}
    return {
        "rule": rule.name,
        "kind": rule.kind,
        **place,
        "suspended": rule in moment.suspended,
        "explanations": [
            _explanation_record(each)
            for each in sorted(moment.explanations, key=distance)
            if each.rule == rule.name
        ],
    }


def _explanation_record(explanation: Explanation) -> Record:
    box: JsonValue = None
    if explanation.box is not None:
        box = [round(value, 1) for value in explanation.box]
    return {
        "track_id": explanation.track_id,
        "box_px": box,
        "fires": explanation.fires,
        "event_id": explanation.event_id,
        "conditions": [asdict(condition) for condition in explanation.conditions],
    }
