"""Alerts as the store gives them, for tests that need no store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from api.store import StoredAlert
from tests.api.served import DAY


def stored(alert_id: str = "a", **more: Any) -> StoredAlert:
    known = StoredAlert(
        id=alert_id,
        version=1,
        camera="plaza",
        kind="intrusion",
        rule="intrusion@lawn",
        place="lawn",
        severity="high",
        state="open",
        start_ts=DAY,
        raised_ts=DAY + 1,
        end_ts=None,
        track_ids=(4, 9),
        score=0.5,
        details={"why": "on the lawn"},
        revision=3,
        synthetic=False,
        stored_at=DAY + 2,
        updated_at=DAY + 2,
        position=7,
    )
    return replace(known, **more)
