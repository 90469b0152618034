"""Which cameras have an open alert: what brings a camera to the front of the wall."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from api.access import Caller
from api.i18n import Texts
from api.kinds import kind_name
from api.lifecycle import Status
from api.store import Alerts, StoredAlert
from api.times import local
from vision.types import SEVERITY_RANK

MOST: Final = 500
"""So many open alerts are kept; of more, the least urgent ones move no camera."""
_LASTING: Final[tuple[Status, ...]] = ("acknowledged", "assigned")


def is_open(alert: StoredAlert) -> bool:
    """Whether an alert wants somebody to look: it lasts and is not resolved, or it is over and
    nobody took note of it yet."""
    return alert.status == "new" or (alert.status != "resolved" and alert.state == "open")


def urgency(alert: StoredAlert) -> tuple[int, bool, float, str]:
    """The greater, the further to the front: the worst, then what still lasts, then the newest."""
    return (
        SEVERITY_RANK[alert.severity], alert.state == "open", alert.start_ts, alert.id,
    )  # fmt: skip


def open_alerts(alerts: Alerts, caller: Caller) -> list[StoredAlert]:
    """The worst open alerts of the caller's cameras. Raises StoreError."""
    found = unseen_alerts(alerts, caller)
    for status in _LASTING:
        found += _worst(alerts, caller, status=status, state="open")
    return found


def unseen_alerts(alerts: Alerts, caller: Caller) -> list[StoredAlert]:
    """Those of the caller's cameras of which nobody took note, at most ``MOST``, the worst first.
    Raises StoreError."""
    return _worst(alerts, caller, status="new")


def _worst(alerts: Alerts, caller: Caller, **fits: Any) -> list[StoredAlert]:
    """Of each severity the newest first."""
    found: list[StoredAlert] = []
    for severity in sorted(SEVERITY_RANK, key=SEVERITY_RANK.__getitem__, reverse=True):
        before: tuple[float, str] | None = None
        while len(found) < MOST:
            left = MOST - len(found)
            page = alerts.find(
                only=caller.cameras, severity=severity, before=before, limit=left, **fits
            )
            found += page.alerts
            if not page.more:
                break
            before = found[-1].start_ts, found[-1].id
    return found


class Alarms:
    """The open alerts of what one page shows, at most ``MOST``."""

    def __init__(self, alerts: Iterable[StoredAlert] = ()) -> None:
        self._open: dict[str, StoredAlert] = {}
        self.take(alerts)

    def take(self, alerts: Iterable[StoredAlert]) -> None:
        """Know these as they are now, in the order of their changes."""
        for alert in alerts:
            self._open.pop(alert.id, None)
            if is_open(alert):
                self._open[alert.id] = alert
        if len(self._open) > MOST:
            kept = sorted(self._open.values(), key=urgency, reverse=True)[:MOST]
            self._open = {alert.id: alert for alert in kept}

    def shown(self, _: Texts) -> Mapping[str, dict[str, Any]]:
        """By camera, the most urgent one in words, in JSON values, how many more there are, and the
        start and the id of the newest one."""
        found: dict[str, dict[str, Any]] = {}
        for alert in sorted(self._open.values(), key=urgency, reverse=True):
            if alert.camera in found:
                found[alert.camera]["more"] += 1
            else:
                found[alert.camera] = _shown(alert, _)
            newest = found[alert.camera]["newest"]
            found[alert.camera]["newest"] = max(newest, [alert.start_ts, alert.id])
        return found


def _shown(alert: StoredAlert, _: Texts) -> dict[str, Any]:
    rank, lasts, start_ts, name = urgency(alert)
    return {
        "id": name,
        "severity": alert.severity,
        "urgency": [rank, lasts, start_ts],
        "title": kind_name(alert.kind, _),
        "place": alert.place,
        "lasts": lasts,
        "start": start_ts,
        "time": f"{local(start_ts):%H:%M:%S}",
        "more": 0,
        "newest": [start_ts, name],
    }
