"""Alerts and settings for the tests of who is told, and an outbox that keeps what was decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from api.alerting.decide import Decider
from api.alerting.settings import Alerting, Channel, Matcher, Route
from api.store.alerts import StoredAlert
from api.store.facts import STORM, Change, Facts, NewNotice, Silence
from api.store.letters import Letter
from tests.api.served import DAY

SOON = DAY + 2
"""When alerts are decided on unless a test says otherwise: a second after they were raised."""


def stored(alert_id: str = "a", **more: Any) -> StoredAlert:
    values: dict[str, Any] = {
        "version": 1, "camera": "plaza", "kind": "intrusion", "rule": "intrusion@lawn",
        "place": "lawn", "severity": "high", "state": "open", "start_ts": DAY,
        "raised_ts": DAY + 1, "end_ts": None, "track_ids": (), "score": 0.5, "details": {},
        "revision": 1, "synthetic": False, "stored_at": DAY + 1, "updated_at": DAY + 1,
        "position": 1,
    }  # fmt: skip
    return StoredAlert(alert_id, **(values | more))


def opened(alert_id: str = "a", **more: Any) -> Change:
    return Change(stored(alert_id, **more), ("opened",))


def silence(match: Matcher, **more: Any) -> Silence:
    values: dict[str, Any] = {
        "id": 1, "reason": "it is being painted", "starts_at": DAY, "ends_at": DAY + 3600,
        "created_at": DAY, "created_by": "petugas",
    }  # fmt: skip
    return Silence(match=match, **(values | more))


def channel(name: str = "room1", **more: Any) -> Channel:
    return Channel(name=name, kind="webhook", url=f"https://{name}.example/alerts", **more)


def route(*channels: str, **more: Any) -> Route:
    return Route(name=more.pop("name", "all"), channels=channels or ("room1",), **more)


def settings(*routes: Route, channels: Sequence[Channel] | None = None, **more: Any) -> Alerting:
    """By default everything goes to one channel at once."""
    there = (channel(),) if channels is None else tuple(channels)
    return Alerting(channels=there, routes=routes or (route(),), **more)


def decided(using: Alerting, *changes: Change, now: float = SOON, **facts: Any) -> list[NewNotice]:
    return Decider(using).decide(changes, Facts(now, **facts))


def letter(*alerts: StoredAlert, what: str = "opened", **more: Any) -> Letter:
    values: dict[str, Any] = {
        "id": "l1", "notice": 1, "channel": "room1", "urgent": False, "attempt": 0,
        "created_at": SOON,
    }  # fmt: skip
    return Letter(what=what, alerts=alerts, **(values | more))


class Outbox:
    """What was decided so far, as the store keeps it, and the facts that follow from it."""

    def __init__(self, using: Alerting) -> None:
        self._decider = Decider(using)
        self.notices: list[NewNotice] = []

    def decide(self, *changes: Change, now: float, **facts: Any) -> list[NewNotice]:
        new = self._decider.decide(changes, self.facts(now, **facts))
        self.notices += new
        return new

    def facts(self, now: float, **more: Any) -> Facts:
        sent = [each for each in self.notices if each.state != "suppressed"]
        last: dict[tuple[str, str], float] = {}
        held: dict[tuple[str, str], list[float]] = {}
        for each in sent:
            if each.group is not None:
                key = each.channel, each.group
                last[key] = max(each.due_at, last.get(key, 0.0))
                if each.state == "held" and each.due_at > now:
                    held[key] = sorted({*held.get(key, ()), each.due_at})
        recent = Counter(
            name
            for name, due_at, group, urgent in letters(sent)
            if not urgent and group != STORM and now - 60 < due_at <= now
        )
        return Facts(now, recent=recent, grouped=last, held=held, **more)


def letters(notices: Iterable[NewNotice]) -> Iterator[tuple[str, float, str | None, bool]]:
    """Channel, due time, group and urgency of each message: those that are held for the same time
    in the same group are one."""
    digests = set[tuple[str, float, str | None, bool]]()
    for each in notices:
        said = each.channel, each.due_at, each.group, each.urgent
        if each.state == "waiting":
            yield said
        elif each.state == "held":
            digests.add(said)
    yield from digests
