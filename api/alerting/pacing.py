"""When a message goes to a channel: at once, with others of its group, or with all that there is
while there is too much."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal, NamedTuple

from api.alerting.settings import Storm
from api.store.facts import RECENT_S, STORM, Facts


class Placed(NamedTuple):
    """Its state in the outbox, when it is due (UTC seconds), and its group."""

    state: Literal["waiting", "held"]
    due_at: float
    group: str | None


@dataclass(frozen=True, slots=True)
class Grouping:
    """Messages of the group ``name`` are ``every_s`` seconds apart. The first one goes at once,
    or is held for ``hold_s`` seconds."""

    name: str
    every_s: float
    hold_s: float = 0.0


class Pace:
    """Places messages that are not urgent, and remembers them.

    To each channel, at most ``storm.alone`` messages become due within any minute, digests of
    groups and what is to be sent later included, and beside them a digest of the storm every
    ``storm.digest_s`` seconds. Each message is let in only where no minute that it lies in has had
    so many, those that are to come included, so that no minute ever has more. What was within the
    last minute counts for all of it, which is stricter than needed.
    """

    def __init__(self, storm: Storm, facts: Facts) -> None:
        self._storm = storm
        self._now = facts.now
        self._recent = defaultdict[str, int](int, facts.recent)
        self._last = dict(facts.grouped)
        self._held = {key: times[-1] for key, times in facts.held.items()}
        self._to_come = defaultdict[str, list[float]](list)
        for (channel, group), times in facts.held.items():
            for due_at in times:
                if group != STORM and due_at > facts.now:
                    insort(self._to_come[channel], due_at)

    def place(self, channel: str, grouping: Grouping | None) -> Placed:
        """Where one more message to ``channel`` goes."""
        now, hold_s = self._now, 0.0
        if grouping is not None:
            key, hold_s = (channel, grouping.name), grouping.hold_s
            due_at = self._held.get(key, now)
            if due_at > now:
                return Placed("held", due_at, grouping.name)
            last = self._last.get(key)
            due_at = now + hold_s
            if last is not None and not hold_s:
                due_at = max(due_at, last + grouping.every_s)
            if due_at > now and self._has_room(channel, due_at):
                self._held[key] = self._last[key] = due_at
                insort(self._to_come[channel], due_at)
                return Placed("held", due_at, grouping.name)
            if due_at > now:
                return self._in_storm(channel, now + hold_s)
        if not self._has_room(channel, now):
            return self._in_storm(channel, now)
        self._recent[channel] += 1
        if grouping is None:
            return Placed("waiting", now, None)
        self._last[channel, grouping.name] = now
        return Placed("waiting", now, grouping.name)

    def place_later(self, channel: str, group: str, at: float) -> Placed:
        """Where a message to ``channel`` goes that is to be sent at ``at`` (UTC seconds), later
        than now: then, or soon after with others of ``group``, all of which have to wait equally
        long."""
        key = channel, group
        last, every_s = self._last.get(key), self._storm.digest_s
        if last is not None and last >= at:
            return Placed("held", last, group)
        due_at = at if last is None else max(at, last + every_s)
        while not self._has_room(channel, due_at):
            due_at += every_s
        self._last[key] = due_at
        insort(self._to_come[channel], due_at)
        return Placed("held", due_at, group)

    def _has_room(self, channel: str, at: float) -> bool:
        """Whether a message that is due at ``at``, from now on, leaves every minute small."""
        coming = self._to_come[channel]
        near = bisect_left(coming, at + RECENT_S) - bisect_right(coming, at - RECENT_S)
        past = self._recent[channel] if at - RECENT_S < self._now else 0
        return past + near < self._storm.alone

    def _in_storm(self, channel: str, earliest: float) -> Placed:
        """With the next digest of the storm that is due at ``earliest`` or later."""
        key = channel, STORM
        due_at = self._held.get(key, self._now)
        if due_at <= self._now:
            due_at = self._now + self._storm.digest_s
        while due_at < earliest:
            due_at += self._storm.digest_s
        self._held[key] = due_at
        return Placed("held", due_at, STORM)
