"""What the API keeps in one SQL database: alerts, counts, cameras, their configuration, keys."""

from __future__ import annotations

from api.store.alerts import Alerts, StoredAlert
from api.store.cameras import Cameras, StoredCamera
from api.store.configuration import Applied, Configuration, ConfiguredCamera, StoredScene
from api.store.counts import CountRow, Counts, TooManyRowsError
from api.store.database import UnstorableError
from api.store.keys import Key, Keys
from api.store.store import Recorded, Store

__all__ = [
    "Alerts",
    "Applied",
    "Cameras",
    "Configuration",
    "ConfiguredCamera",
    "CountRow",
    "Counts",
    "Key",
    "Keys",
    "Recorded",
    "Store",
    "StoredAlert",
    "StoredCamera",
    "StoredScene",
    "TooManyRowsError",
    "UnstorableError",
]
