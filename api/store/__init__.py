"""What the API keeps: alerts, counts, cameras and keys in one SQL database."""

from __future__ import annotations

from api.store.alerts import Alerts, StoredAlert
from api.store.cameras import Cameras, StoredCamera
from api.store.counts import CountRow, Counts, TooManyRowsError
from api.store.database import UnstorableError
from api.store.keys import Key, Keys
from api.store.store import Recorded, Store

__all__ = [
    "Alerts",
    "Cameras",
    "CountRow",
    "Counts",
    "Key",
    "Keys",
    "Recorded",
    "Store",
    "StoredAlert",
    "StoredCamera",
    "TooManyRowsError",
    "UnstorableError",
]
