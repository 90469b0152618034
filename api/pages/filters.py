"""Which alerts somebody wants to see in the operations room."""

from __future__ import annotations

from typing import Final

from api.access import Caller
from api.lifecycle import Status
from api.store import Alerts
from api.store.alerts import Page

ALL: Final = "all"
OPEN: Final = "open"
NEW: Final = "new"
MINE: Final = "mine"
FILTERS: Final = (ALL, OPEN, NEW, MINE)
_TO_DO: Final[tuple[Status, ...]] = ("new", "acknowledged", "assigned")


def newest(
    alerts: Alerts, name: str, caller: Caller, before: tuple[float, str] | None, limit: int
) -> Page:
    """Those of the caller's cameras that fit one of ``FILTERS``, newest first, older than
    ``before``. Raises StoreError."""
    only = caller.cameras
    if name == NEW:
        return alerts.find(only=only, status="new", before=before, limit=limit)
    if name == MINE:
        return alerts.find(
            only=only, status="assigned", assigned_to=caller.name, before=before, limit=limit
        )
    if name == ALL:
        return alerts.find(only=only, before=before, limit=limit)
    pages = [alerts.find(only=only, status=status, before=before, limit=limit) for status in _TO_DO]
    # below the end of a page that has more there are gaps
    ends = [(page.alerts[-1].start_ts, page.alerts[-1].id) for page in pages if page.more]
    found = [
        alert
        for page in pages
        for alert in page.alerts
        if (alert.start_ts, alert.id) >= max(ends, default=(0.0, ""))
    ]
    found.sort(key=lambda alert: (alert.start_ts, alert.id), reverse=True)
    return Page(found[:limit], more=len(found) > limit or any(page.more for page in pages))
