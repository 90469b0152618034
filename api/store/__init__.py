"""What the API keeps in one SQL database: alerts, counts, cameras and their
configuration; people, groups, keys, and who did what."""

from __future__ import annotations

from api.store.alerts import Alerts, StoredAlert
from api.store.audit import Actor, ActorKind, Audit, Entry, Wanted
from api.store.cameras import Cameras, StoredCamera
from api.store.configuration import Applied, Configuration, ConfiguredCamera
from api.store.counts import CountRow, Counts, TooManyRowsError
from api.store.database import UnstorableError
from api.store.groups import Group, Groups
from api.store.holders import Grant, Holder, Key, NewSession
from api.store.keys import Keys
from api.store.names import MAX_CHARS as MAX_NAME_CHARS
from api.store.names import checked_name
from api.store.people import MAX_EXTERNAL_CHARS, People
from api.store.refusals import (
    BadNameError,
    DisabledError,
    GoneError,
    KeyGrantError,
    LastAdministratorError,
    NameTakenError,
    RefusedError,
)
from api.store.scenes import Drawn, History, SceneChangedError, Scenes, StoredScene
from api.store.store import Recorded, Store
from api.store.users import Rights, User

__all__ = [
    "MAX_EXTERNAL_CHARS",
    "MAX_NAME_CHARS",
    "Actor",
    "ActorKind",
    "Alerts",
    "Applied",
    "Audit",
    "BadNameError",
    "Cameras",
    "Configuration",
    "ConfiguredCamera",
    "CountRow",
    "Counts",
    "DisabledError",
    "Drawn",
    "Entry",
    "GoneError",
    "Grant",
    "Group",
    "Groups",
    "History",
    "Holder",
    "Key",
    "KeyGrantError",
    "Keys",
    "LastAdministratorError",
    "NameTakenError",
    "NewSession",
    "People",
    "Recorded",
    "RefusedError",
    "Rights",
    "SceneChangedError",
    "Scenes",
    "Store",
    "StoredAlert",
    "StoredCamera",
    "StoredScene",
    "TooManyRowsError",
    "UnstorableError",
    "User",
    "Wanted",
    "checked_name",
]
