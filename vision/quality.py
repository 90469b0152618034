"""Whether a camera's picture can be trusted: seen from its own pictures alone.

A camera's own view is learnt from its first seconds, or given, and its presets' views are given.
A picture that still shows one of them is fine; one that does not is looked at for why:

- ``dark``: little light and contrast are left, or the picture is black.
- ``defocused``: the same view without its fine detail.
- ``moved``: the view is found elsewhere in the picture, or another one of about as much detail is
  seen.
- ``covered``: what is seen instead is plain, soft or even all over.
- ``frozen``: the picture repeats itself. A picture of which one of the others holds is called
  that, also when it stands still.

A fault keeps its name until the picture is right again.

What passes, however large, is none of these: a picture is covered or has moved when it also keeps
still, or shows the view displaced. Where there is too little texture to know a view, nothing is
said. Only capture time is read; all that is kept is a few planes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vision.repeats import SOON_S, Repeat
from vision.types import BoolArray, Fault, FaultKind, Frame, JsonValue, Quality
from vision.views import BLOCKS, DISPLACED, Agreement, Look, Reference, View, steady, usual

SAMPLE_S = 0.4
DOUBT_SAMPLE_S = 0.2
"""So often a picture is looked at, and so often while something is wrong."""
GAP_S = 3.0
"""After a longer pause nothing that was seen before says what went on meanwhile."""
LEARN_S, LEARN_SAMPLES = 2.0, 5
"""Fewer say little about what is usual, so a camera of few pictures a second learns for longer."""

LOST = 0.55
"""A view is lost when a smaller share of its blocks agrees."""
FOUND = 0.65
"""And another one is seen when this share of its blocks agrees."""
OTHER = 0.1
"""And so much more than of the view that was seen."""
BLURRED = 0.6
"""Sharpness below which the picture is out of focus,"""
WASHED = 0.55
"""and so is one whose texture is weaker than this part of the rest of its contrast: a strong blur
leaves the noise alone, which looks sharp."""
DARK, DARK_HYSTERESIS = 0.42, 0.08
"""Light and contrast below this part of the view's are dark."""
BLACK = 10.0
"""And so is a mean luma of less, of 255."""
SAME_LAYOUT = 0.75
"""Where it is light and dark in the picture stays so, however strong a blur, to this
correlation."""
SOFT, PLAIN, FLAT = 0.3, 0.4, 0.2
"""What covers has less detail, texture or spread of luma than these parts of the view's,"""
DULL, EVEN, KEPT = 0.47, 1.5, 0.1
"""or less detail for its texture, or texture of which the quarters of the blocks with most and
least differ by less than this factor, or it leaves this part of the picture as it was."""

HYSTERESIS = 0.05
"""What is lost needs so much more to be found again."""
CERTAIN_S = 1.4
CERTAIN_SAMPLES = 3
"""For so long, and in so many pictures, something must be wrong,"""
SETTLED_S = 0.4
"""and look the same for the last part of it."""
STILL_S = 0.9
"""What hides a view, or another view, has kept still for so long."""
RESTLESS_S, RESTLESS_SEEN = 6.0, 0.25
"""Or has been there for so long, and no more than this share of the view agrees: no lorry passes
for so long."""
LONGEST_DOUBT_S = 15.0
"""What hides a part of the view for longer and is no fault, such as a crowd, keeps nobody waiting:
what is seen beside it counts."""
RESTLESS_SHARE = 0.45
"""It does not keep still where so much of it changes,"""
SHIFT_SHARE = 0.2
"""or where it hides other blocks than before, of so large a part of the picture."""
BACK_S = 0.5
"""A fault is over when the picture was right for so long."""
SEARCH_S = 0.5
LONG_SEARCH_S = 3.0
"""So often a lost view is looked for elsewhere in the picture, and so often once it is known that
something is wrong."""
NEAR_S, HIDDEN_NEAR_S, HIDDEN = 4.0, 0.8, 0.85
"""So often a view that is there is looked at for a little turn, and so often where a smaller share
of it agrees."""
_NOTHING = np.zeros(BLOCKS[::-1], np.bool_)

SETTLE_S = 30.0
"""The time constant with which a view follows what is seen: sun, seasons, parked cars."""
YOUNG_S = 6.0
"""That of a view just learnt, when whoever stood there may leave."""
DETAIL_S = 300.0
"""That of its sharpness."""
ANCHOR_S = 10.0
"""So often a view that follows is compared with what it was at first."""


@dataclass(slots=True)
class _Doubt:
    """Something is wrong since ``since_ts``; it looks like ``kind`` since ``kind_ts``, and keeps
    still since ``still_ts``, when it looked like ``look`` and hid the blocks ``hidden`` (12, 16).
    ``seen`` counts pictures of it."""

    since_ts: float
    kind: FaultKind
    kind_ts: float
    still_ts: float
    look: Look
    hidden: BoolArray
    seen: int = 1

    def moved(self, look: Look, hidden: BoolArray) -> bool:
        """Whether what hides the view in the blocks ``hidden`` (12, 16) has moved meanwhile."""
        if np.mean(hidden != self.hidden) > SHIFT_SHARE:
            return True
        return bool(hidden.any() and np.mean(~steady(self.look, look)[hidden]) > RESTLESS_SHARE)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a picture looks like: ``kind`` is None where the view ``view`` is seen. Where the
    view is hidden, ``hidden`` (12, 16) says in which blocks: what hides it must keep still."""

    kind: FaultKind | None
    view: str
    score: float
    measured: Mapping[str, JsonValue] = field(default_factory=dict)
    hidden: BoolArray | None = None


class ViewMonitor:
    """Watches the pictures of one camera. ``views`` are those that are known, by preset; "" is
    the scene's own, which is learnt where it is missing."""

    def __init__(self, views: Mapping[str, View] | None = None) -> None:
        self._known = {name: Reference(view) for name, view in (views or {}).items()}
        self._samples: deque[tuple[float, Look]] = deque(maxlen=3 * LEARN_SAMPLES)
        self._view = ""
        self._sampled_ts = self._learnt_ts = -math.inf
        self._searched_ts = self._anchored_ts = -math.inf
        self._away: float | None = None
        self._doubt: _Doubt | None = None
        self._fault: Fault | None = None
        self._right_ts: float | None = None
        self._right_view = ""
        self._repeat = Repeat()
        self._quality = Quality()

    @property
    def learnt(self) -> View | None:
        """The scene's own view as it is known now, None until it is learnt."""
        known = self._known.get("")
        return None if known is None else known.view

    def update(self, frame: Frame) -> Quality:
        """How far the picture ``frame`` can be trusted. Frames come in order of ``ts``."""
        doubtful = self._doubt is not None or self._fault is not None
        step_s = frame.ts - self._sampled_ts
        if step_s < (DOUBT_SAMPLE_S if doubtful else SAMPLE_S) - SOON_S:
            return self._quality
        if step_s > GAP_S:
            self._doubt, self._right_ts = None, None
            self._samples.clear()
            self._repeat.restart()
        self._sampled_ts = frame.ts
        self._quality = self._judged(Look.of(frame.picture), frame.ts, step_s)
        return self._quality

    def _judged(self, look: Look, ts: float, step_s: float) -> Quality:
        repeats_ts = self._repeat.update(look.fine, ts)
        verdict = self._verdict(look, ts)
        if verdict is None:
            self._learn(look, ts)
            return Quality(view=self._view)
        if verdict.kind is None:
            self._right(verdict.view, look, ts)
        else:
            self._wrong(verdict, verdict.kind, look, ts)
        since_ts = None if self._doubt is None else self._doubt.since_ts
        if self._fault is not None:
            return Quality((self._fault,), self._view, since_ts)
        if since_ts is None and repeats_ts is not None:
            repeated: dict[str, JsonValue] = {"repeats_s": round(ts - repeats_ts, 1)}
            return Quality((Fault("frozen", repeats_ts, 1.0, repeated),), self._view, repeats_ts)
        if since_ts is None:
            self._follow(look, ts, step_s)
        elif ts - since_ts > LONGEST_DOUBT_S:
            since_ts = None
        return Quality((), self._view, since_ts)

    def _verdict(self, look: Look, ts: float) -> _Verdict | None:
        """What the picture looks like; None where there is no view to compare it with."""
        known = self._known.get(self._view)
        if known is None or not known.telling:
            other = self._other(look, 0.0)
            return None if other is None else _Verdict(None, other, 1.0)
        seen = known.agreement(look)
        if _dark(seen, look, DARK + (DARK_HYSTERESIS if self._fault is not None else 0.0)):
            measured: dict[str, JsonValue] = {
                "light_share": round(seen.light, 2),
                "contrast_share": round(seen.spread, 2),
            }
            return _Verdict("dark", self._view, 1 - min(1.0, seen.light), measured)
        lost = seen.share < LOST + (HYSTERESIS if self._fault is not None else 0.0)
        away = self._displacement(known, look, seen, ts, lost=lost)
        displaced = away is not None and away >= DISPLACED
        if lost or displaced:
            other = self._other(look, seen.share + OTHER)
            if other is not None:
                return _Verdict(None, other, 1.0)
            return self._named(seen, look, away if displaced else None)
        if seen.sharpness < BLURRED or _washed(seen):
            return self._defocused(seen)
        return _Verdict(None, self._view, seen.share)

    def _named(self, seen: Agreement, look: Look, away: float | None) -> _Verdict:
        """Why the view is not where it was, ``away`` by that part of the picture if it is."""
        if _washed(seen):
            return self._defocused(seen)
        measured: dict[str, JsonValue] = {"seen_share": round(seen.share, 2)}
        if away is not None:
            measured["away_share"] = round(away, 3)
            return _Verdict("moved", self._view, 1.0, measured)
        plain = seen.texture < PLAIN or seen.spread < FLAT
        soft = seen.detail < max(SOFT, DULL * seen.texture)
        partly = seen.kept >= KEPT and seen.layout < SAME_LAYOUT
        covers = plain or soft or partly or _even(look)
        kind: FaultKind = "covered" if covers else "moved"
        return _Verdict(kind, self._view, 1 - seen.share, measured, ~seen.agrees)

    def _defocused(self, seen: Agreement) -> _Verdict:
        sharpness = min(seen.sharpness, seen.detail, seen.texture)
        measured: dict[str, JsonValue] = {"sharpness_share": round(sharpness, 2)}
        return _Verdict("defocused", self._view, 1 - min(1.0, sharpness), measured)

    def _displacement(
        self, known: Reference, look: Look, seen: Agreement, ts: float, *, lost: bool
    ) -> float | None:
        """How far the view is displaced, looked for now and then, and more often while something
        is wrong."""
        every_s = NEAR_S if seen.share >= HIDDEN else HIDDEN_NEAR_S
        if lost:
            every_s = SEARCH_S if self._fault is None else LONG_SEARCH_S
        elif self._doubt is not None:
            every_s = 0.0
        if ts - self._searched_ts >= every_s - SOON_S:
            self._searched_ts = ts
            self._away = known.displacement(look.plane, near=not lost)
        return self._away

    def _other(self, look: Look, share: float) -> str | None:
        """The other view that the picture shows, of which at least ``share`` must agree."""
        best, name = max(share, FOUND), None
        for other, known in self._known.items():
            if other == self._view or not known.telling:
                continue
            seen = known.agreement(look).share
            if seen >= best and (known.displacement(look.plane, near=True) or 0.0) < DISPLACED:
                best, name = seen, other
        return name

    def _right(self, view: str, look: Look, ts: float) -> None:
        """The picture shows ``view``."""
        if view == self._view and self._fault is None:
            self._doubt = self._right_ts = None
            return
        if self._right_ts is None or view != self._right_view:
            self._right_ts, self._right_view = ts, view
        if ts - self._right_ts >= BACK_S - SOON_S:
            self._view, self._fault = view, None
            self._doubt = self._right_ts = self._away = None
        elif self._doubt is None:
            self._doubt = _Doubt(ts, "moved", ts, ts, look, _NOTHING)
        elif self._fault is None and ts - self._doubt.since_ts >= 2 * RESTLESS_S:
            # it goes to and fro between views that are known
            self._fault = Fault("moved", self._doubt.since_ts, 1.0, {})

    def _wrong(self, verdict: _Verdict, kind: FaultKind, look: Look, ts: float) -> None:
        """The picture shows no view that is known, or not as it should be."""
        self._right_ts = None
        doubt = self._doubt
        if doubt is None:
            hidden = _NOTHING if verdict.hidden is None else verdict.hidden
            self._doubt = _Doubt(ts, kind, ts, ts, look, hidden)
            return
        doubt.seen += 1
        if kind != doubt.kind:
            doubt.kind, doubt.kind_ts = kind, ts
        if verdict.hidden is not None and doubt.moved(look, verdict.hidden):
            doubt.look, doubt.hidden, doubt.still_ts = look, verdict.hidden, ts
        still = verdict.hidden is None or ts - doubt.still_ts >= STILL_S - SOON_S
        long = ts - doubt.since_ts
        if (
            self._fault is None
            and doubt.seen >= CERTAIN_SAMPLES
            and long >= CERTAIN_S - SOON_S
            and (ts - doubt.kind_ts >= SETTLED_S - SOON_S or long >= 2 * RESTLESS_S)
            and (still or (long >= RESTLESS_S and 1 - verdict.score <= RESTLESS_SEEN))
        ):
            if long > LONGEST_DOUBT_S:
                # what was seen before this counted
                doubt.since_ts = max(doubt.still_ts, doubt.kind_ts)
            score = round(verdict.score, 3)
            self._fault = Fault(kind, doubt.since_ts, score, dict(verdict.measured))

    def _learn(self, look: Look, ts: float) -> None:
        """Take the picture for one of the camera's own view, once it keeps still."""
        self._samples.append((ts, look))
        if len(self._samples) < LEARN_SAMPLES or ts - self._samples[0][0] < LEARN_S - SOON_S:
            return
        looks = [seen for _, seen in self._samples]
        known = Reference(usual(looks))
        if known.telling and min(known.agreement(seen).share for seen in looks) >= LOST:
            self._known[""], self._view = known, ""
            self._learnt_ts = self._anchored_ts = ts
            self._samples.clear()

    def _follow(self, look: Look, ts: float, step_s: float) -> None:
        """Let the view be what it looks like now, slowly."""
        known = self._known[self._view]
        slow_s = SETTLE_S
        if not self._view:
            slow_s = min(SETTLE_S, max(YOUNG_S, ts - self._learnt_ts))
        step_s = min(step_s, GAP_S)
        known.follow(look, 1 - math.exp(-step_s / slow_s), 1 - math.exp(-step_s / DETAIL_S))
        if ts - self._anchored_ts >= ANCHOR_S:
            self._anchored_ts = ts
            known.settle()


def _dark(seen: Agreement, look: Look, part: float) -> bool:
    if seen.light >= part or seen.spread >= part:
        return False
    same = seen.share >= LOST or seen.layout >= SAME_LAYOUT
    return same or float(look.plane.mean()) < BLACK


def _washed(seen: Agreement) -> bool:
    return seen.layout >= SAME_LAYOUT and seen.texture < WASHED * seen.spread


def _even(look: Look) -> bool:
    """Whether texture is as strong everywhere, as no view's is."""
    least, most = np.percentile(look.energy, (25, 75))
    return bool(most < EVEN * EVEN * max(float(least), 1e-6))
