"""What is decided on, and what comes of it: values between the store and the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from api.alerting.settings import Matcher
from api.store.alerts import StoredAlert

NoticeState: TypeAlias = Literal["waiting", "held", "folded", "delivered", "given_up", "suppressed"]
RECENT_S: Final = 60.0
"""The minute that is looked at for a storm: so many messages within any of them are one."""
STORM: Final = "storm"
"""The group of what a channel gets as digests while there is too much for it."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told of alerts that fit ``match`` from ``starts_at`` to ``ends_at``."""

    id: int
    match: Matcher
    reason: str
    starts_at: float
    ends_at: float
    created_at: float
    created_by: str


@dataclass(frozen=True, slots=True)
class Change:
    """What became of an alert since it was last decided on: ``opened``, ``severity:LEVEL`` where it
    rose, ``closed``; several may be true at once, in this order. None is, where something else of
    it changed: that matters for canaries alone."""

    alert: StoredAlert
    whats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the decision depends on beside the settings, at ``now`` (UTC seconds).

    ``silences`` are those that hold; ``open`` the open alerts that may inhibit others. The rest
    is about notices that are not suppressed: ``recent`` how many messages that are not urgent
    became due to each channel within the last minute, a digest being one and those of the group
    ``STORM`` left out; ``grouped`` when a notice of (channel, group) was last due, held ones
    included, and ``held`` when the held ones of (channel, group) are due, each time once and in
    their order. Of the alerts that closed, ``told`` are the (channel, alert)
    of which something was or will be told, and ``untold`` the others whose opening was
    suppressed."""

    now: float
    silences: tuple[Silence, ...] = ()
    open: tuple[StoredAlert, ...] = ()
    recent: Mapping[str, int] = field(default_factory=dict)
    grouped: Mapping[tuple[str, str], float] = field(default_factory=dict)
    held: Mapping[tuple[str, str], Sequence[float]] = field(default_factory=dict)
    told: frozenset[tuple[str, str]] = frozenset()
    untold: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class NewNotice:
    """One row of the outbox: ``state`` is waiting, held (with a ``group``) or suppressed (with a
    reason ``why``). A waiting one with a ``group`` is a message of its own, after which others of
    that group are held."""

    channel: str
    alert: str | None
    what: str
    state: NoticeState
    due_at: float
    urgent: bool = False
    group: str | None = None
    why: str | None = None
