"""Who is told of what became of alerts. Pure: the same changes and facts give the same notices.

Whether, to whom and of what somebody is told does not depend on the order in which alerts come,
nor on how they are batched; only when does, and in whose company.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from api.alerting.inhibiting import Inhibitors, inhibiting_kinds
from api.alerting.matching import concerns, fits
from api.alerting.pacing import Grouping, Pace, Placed
from api.alerting.settings import CANARY_CHANNEL, Alerting, Route
from api.store.alerts import StoredAlert
from api.store.facts import Change, Facts, NewNotice
from api.store.letters import Letter
from api.times import local
from streams.messages import CANARY, SYSTEM_CAMERA
from streams.schedulefile import read_schedule
from streams.yamlfile import item_of
from vision.errors import ConfigError
from vision.policy import CAMERA_DOWN
from vision.schedule import Schedule

SITE_HOLD_S: Final = 15.0
"""So long a ``camera_down`` of a site waits whether the whole site is down."""
MIN_SITE_CAMERAS: Final = 2
_MINUTE_S: Final = 60.0
_OPENED: Final = "opened"
_CLOSED: Final = "closed"
_ESCALATED: Final = "escalated:"
_WORST: Final = "severity:critical"
"""What is told even of an alert that people were done with."""


class _Way(NamedTuple):
    """A route, and when it holds."""

    route: Route
    schedule: Schedule | None


class Decider:
    """Decides by some settings. Raises ConfigError for a schedule that is none."""

    def __init__(self, settings: Alerting) -> None:
        self._settings = settings
        self._ways = tuple(_Way(route, _schedule(route)) for route in settings.routes)
        self._channels = {channel.name: channel for channel in settings.channels}
        self._site_of = {camera: site.name for site in settings.sites for camera in site.cameras}
        self.inhibiting = inhibiting_kinds(settings)
        """The kinds of alerts that are among the facts while they are open."""

    def decide(self, changes: Sequence[Change], facts: Facts) -> list[NewNotice]:
        """One notice for each channel that is to be told and each thing that became of an alert:
        waiting, held, or suppressed with a reason."""
        pace = Pace(self._settings.storm, facts)
        inhibitors = Inhibitors(self._settings, _open(changes, facts))
        found: list[NewNotice] = []
        for change in changes:
            found += self._of_change(change, facts, inhibitors, pace)
        return found

    def still(self, letter: Letter, facts: Facts) -> str | None:
        """Why what is due need not be sent any more; a digest must while any of it must."""
        if letter.channel == CANARY_CHANNEL or not letter.alerts:
            return None
        inhibitors = Inhibitors(self._settings, facts.open)
        reasons = [self._over(letter, alert, facts, inhibitors) for alert in letter.alerts]
        return None if None in reasons else reasons[0]

    def _of_change(
        self, change: Change, facts: Facts, inhibitors: Inhibitors, pace: Pace
    ) -> Iterable[NewNotice]:
        alert = change.alert
        if alert.kind == CANARY and alert.camera == SYSTEM_CAMERA:
            # each version arrives, or the chain would be seen once only
            what = f"{_OPENED}:{alert.version}"
            return [NewNotice(CANARY_CHANNEL, alert.id, what, "waiting", facts.now)]
        whats = change.whats
        if alert.merged_into is not None:
            whats = tuple(what for what in whats if what == _WORST)
        if not whats:
            return []
        routes = [way.route for way in self._ways if self._leads(way, alert)]
        # its severity may have sunk since, or the settings be others
        told = [name for name in self._channels if (name, alert.id) in facts.told]
        if not routes and not told:
            return []
        first = {channel: route for route in reversed(routes) for channel in route.channels}
        order = dict.fromkeys(channel for route in routes for channel in route.channels)
        quiet = self._quiet(alert, facts, inhibitors)
        resolved = _resolved(alert) if alert.status == "resolved" else None
        found = []
        for what in whats:
            for channel in dict.fromkeys([*order, *told]) if what == _CLOSED else order:
                if what == _CLOSED and not self._told_of_ends(channel):
                    continue
                why = self._unreachable(channel) or quiet
                if why is None and what != _WORST and whats != (_CLOSED,):
                    why = resolved
                if what == _CLOSED and why is None and (channel, alert.id) in facts.untold:
                    why = "the channel was not told of its beginning"
                urgent = alert.severity == "critical"
                notice = NewNotice(channel, alert.id, what, "waiting", facts.now, urgent)
                if why is not None:
                    notice = _suppressed(notice, why)
                elif not urgent:
                    grouping = self._grouping(alert, first.get(channel))
                    notice = _placed(notice, pace.place(channel, grouping))
                found.append(notice)
        # who was told nothing has nothing to acknowledge, nor has who sees to another one for it
        awaited = quiet is None and alert.status == "new" and alert.merged_into is None
        if awaited and whats != (_CLOSED,):
            found += self._escalations(alert, routes, facts, pace)
        return found

    def _leads(self, way: _Way, alert: StoredAlert) -> bool:
        return concerns(way.route.match, alert, self._settings) and (
            way.schedule is None or way.schedule.active(alert.raised_ts)
        )

    def _told_of_ends(self, name: str) -> bool:
        channel = self._channels.get(name)
        return channel is not None and channel.closed

    def _unreachable(self, name: str) -> str | None:
        channel = self._channels.get(name)
        if channel is None:
            return f"there is no channel '{name}' any more"
        return None if channel.enabled else f"the channel '{name}' is switched off"

    def _quiet(self, alert: StoredAlert, facts: Facts, inhibitors: Inhibitors) -> str | None:
        """Why nobody is told of an alert now."""
        for silence in facts.silences:
            holds = silence.starts_at <= facts.now < silence.ends_at
            if holds and fits(silence.match, alert, self._settings):
                until = local(silence.ends_at)
                return f"silenced until {until:%Y-%m-%d %H:%M %Z}: {silence.reason}"
        return inhibitors.hides(alert)

    def _grouping(self, alert: StoredAlert, route: Route | None) -> Grouping | None:
        # of those about the program itself or a whole site there are few, and each counts
        if alert.camera == SYSTEM_CAMERA:
            return None
        site = self._site_of.get(alert.camera)
        if alert.kind == CAMERA_DOWN and site is not None:
            return Grouping(f"site-down:{site}", SITE_HOLD_S, hold_s=SITE_HOLD_S)
        if route is None or route.group is None:
            return None
        of_site = route.group == "site" and site is not None
        name = f"site:{site}" if of_site else f"camera:{alert.camera}"
        return Grouping(name, route.group_s)

    def _escalations(
        self, alert: StoredAlert, routes: Iterable[Route], facts: Facts, pace: Pace
    ) -> Iterable[NewNotice]:
        """Of several that are the same step to the same channel, the first one."""
        minutes: dict[tuple[str, str], float] = {}
        for route in routes:
            for step, escalation in enumerate(route.escalate, start=1):
                for channel in escalation.channels:
                    key = channel, f"{_ESCALATED}{step}"
                    after = escalation.after_min
                    minutes[key] = min(after, minutes.get(key, after))
        urgent = alert.severity == "critical"
        for (channel, what), after in minutes.items():
            at = facts.now + after * _MINUTE_S
            notice = NewNotice(channel, alert.id, what, "waiting", at, urgent)
            why = self._unreachable(channel)
            if why is not None:
                notice = _suppressed(notice, why)
            elif not urgent:
                notice = _placed(notice, pace.place_later(channel, f"{what}:{after:g}", at))
            yield notice

    def _over(
        self, letter: Letter, alert: StoredAlert, facts: Facts, inhibitors: Inhibitors
    ) -> str | None:
        if letter.what == _WORST and (alert.resolved_at or 0.0) <= letter.created_at:
            # it became so after people were done with it
            return self._quiet(alert, facts, inhibitors)
        if alert.merged_into is not None:
            return f"it was merged into {alert.merged_into}"
        if letter.what.startswith(_ESCALATED) and alert.status != "new":
            return f"somebody saw to it: it is {alert.status}"
        # what was tried already may have arrived, and is followed up
        if alert.status == "resolved" and letter.what != _CLOSED and letter.attempt == 0:
            return _resolved(alert)
        return self._quiet(alert, facts, inhibitors)


def site_down(settings: Alerting, open_alerts: Iterable[StoredAlert], now: float) -> frozenset[str]:
    """The sites, of two cameras or more, all of whose cameras have been down at ``now``."""
    down = {
        alert.camera
        for alert in open_alerts
        if alert.kind == CAMERA_DOWN and alert.state == "open" and alert.stored_at <= now
    }
    return frozenset(
        site.name
        for site in settings.sites
        if len({*site.cameras}) >= MIN_SITE_CAMERAS and down.issuperset(site.cameras)
    )


def _schedule(route: Route) -> Schedule | None:
    if route.schedule is None:
        return None
    return read_schedule(item_of(route.schedule, f"schedule of route '{route.name}'", ConfigError))


def _open(changes: Sequence[Change], facts: Facts) -> Iterable[StoredAlert]:
    """The open alerts among the facts and the changes, as they are now."""
    known = {alert.id: alert for alert in facts.open}
    known |= {change.alert.id: change.alert for change in changes}
    return known.values()


def _resolved(alert: StoredAlert) -> str:
    return f"{alert.resolved_by or 'somebody'} resolved it before anybody was told"


def _placed(notice: NewNotice, placed: Placed) -> NewNotice:
    return replace(notice, state=placed.state, due_at=placed.due_at, group=placed.group)


def _suppressed(notice: NewNotice, why: str) -> NewNotice:
    return replace(notice, state="suppressed", why=why)
