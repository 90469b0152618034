"""Which open alerts hide others, so that one cause is told once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple, get_args

from api.alerting.matching import SITE_DOWN, fits, is_of_site, site_of
from api.alerting.settings import Alerting
from api.store.alerts import StoredAlert
from streams.messages import SYSTEM_CAMERA
from vision.policy import CAMERA_DOWN, STREAM_KINDS
from vision.types import FaultKind

BAD_VIEW: Final = frozenset({"camera_covered", "camera_dark", "camera_moved"})
"""While one of these is open, what the camera's other rules see is not what was drawn."""
OF_CAMERA: Final = frozenset({*STREAM_KINDS, *(f"camera_{fault}" for fault in get_args(FaultKind))})
"""Kinds that are about the camera itself, which a bad view does not hide."""
_SITE: Final = "site down"
_VIEW: Final = "bad view"


class Hiding(NamedTuple):
    """An inhibition by its name, and the open alert that makes it hold."""

    name: str
    source: StoredAlert

    @property
    def why(self) -> str:
        source = self.source
        about = source.place if is_of_site(source) else source.camera
        return f"inhibited ({self.name}) while {source.kind} of {about} is open: {source.id}"


def inhibiting_kinds(settings: Alerting) -> frozenset[str]:
    """The kinds of alerts that may hide others."""
    own = {kind for inhibition in settings.inhibitions for kind in inhibition.source.kinds}
    return frozenset({SITE_DOWN, *own, *(BAD_VIEW if settings.inhibit_bad_views else ())})


class Inhibitors:
    """The open alerts that hide others, by what they hide.

    An alert is hidden only by one that had begun when it was raised, but for ``camera_down``, of
    which a site's own alert consists. Critical alerts and those that a person opened are never
    hidden, nor is one by an inhibition whose source it fits itself. Where alerts hide each other
    in a circle, the one that was raised first is told.
    """

    def __init__(self, settings: Alerting, alerts: Iterable[StoredAlert]) -> None:
        self._settings = settings
        self._kinds = inhibiting_kinds(settings)
        self._of = {camera: site.name for site in settings.sites for camera in site.cameras}
        self._sources = defaultdict[tuple[str, str], list[StoredAlert]](list)
        for alert in sorted(alerts, key=_order):
            if alert.state == "open" and alert.status != "resolved" and alert.kind in self._kinds:
                self._add(alert)

    def hides(self, alert: StoredAlert) -> str | None:
        """Why nobody is told of an alert, if an open one hides it."""
        for hiding in self._hiding(alert):
            older = alert.kind in self._kinds and _order(alert) < _order(hiding.source)
            if not (older and self._leads_to(alert, hiding.source)):
                return hiding.why
        return None

    def _add(self, alert: StoredAlert) -> None:
        if is_of_site(alert):
            self._sources[_SITE, alert.place].append(alert)
        elif alert.kind in BAD_VIEW and self._settings.inhibit_bad_views:
            self._sources[_VIEW, alert.camera].append(alert)
        for inhibition in self._settings.inhibitions:
            key = self._key(alert, inhibition.same)
            if key is not None and fits(inhibition.source, alert, self._settings):
                self._sources[f"'{inhibition.name}'", key].append(alert)

    def _hiding(self, alert: StoredAlert) -> list[Hiding]:
        """What hides an alert, circles or not."""
        if alert.severity == "critical" or alert.opened_by is not None or is_of_site(alert):
            return []
        found = []
        site = self._of.get(alert.camera)
        if site is not None:
            found += [
                Hiding(_SITE, source)
                for source in self._sources.get((_SITE, site), ())
                if alert.kind == CAMERA_DOWN or _before(source, alert)
            ]
        names = []
        if alert.kind not in OF_CAMERA:
            names.append((_VIEW, alert.camera))
        for inhibition in self._settings.inhibitions:
            key = self._key(alert, inhibition.same)
            if (
                key is not None
                and (f"'{inhibition.name}'", key) in self._sources
                and fits(inhibition.target, alert, self._settings)
                and not fits(inhibition.source, alert, self._settings)
            ):
                names.append((f"'{inhibition.name}'", key))
        found += [
            Hiding(name, source)
            for name, key in names
            for source in self._sources.get((name, key), ())
            if source.id != alert.id and _before(source, alert)
        ]
        return found

    def _leads_to(self, alert: StoredAlert, other: StoredAlert) -> bool:
        """Whether ``alert`` hides ``other``, or one that does, and so on."""
        seen, waiting = {other.id}, [other]
        while waiting:
            for hiding in self._hiding(waiting.pop()):
                if hiding.source.id == alert.id:
                    return True
                if hiding.source.id not in seen:
                    seen.add(hiding.source.id)
                    waiting.append(hiding.source)
        return False

    def _key(self, alert: StoredAlert, same: str) -> str | None:
        """What a source and its targets have in common."""
        if same == "site":
            return site_of(alert, self._settings)
        return None if alert.camera == SYSTEM_CAMERA else alert.camera


def _order(alert: StoredAlert) -> tuple[float, str]:
    return alert.raised_ts, alert.id


def _before(source: StoredAlert, alert: StoredAlert) -> bool:
    return source.start_ts <= alert.raised_ts
