"""Who may do what: roles, the scopes of machine keys, and what each path asks for. Tables and pure
functions; the door and the routes decide by them, and by nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["key", "session", "link", "setup", "password", "device"]
"""What opens the door: a machine key; a person's session; a link that opens one session, makes the
first administrator, or lets a person choose a password; ``device`` opens nothing, and says that a
browser came in before."""


class Permission(StrEnum):
    """One thing that somebody may do."""

    KNOWN = "known"
    """What everybody may who came in: read the description of the API, ask who they are."""
    ENTER = "enter"
    """Use a link."""
    PERSON = "person"
    """Use the pages: the room, the own account, to leave."""
    ALERTS_READ = "alerts:read"
    ALERTS_STATE = "alerts:state"
    ALERTS_HANDLE = "alerts:handle"
    """Acknowledge, assign, resolve, merge and open them, and silence some for a while."""
    COUNTS_READ = "counts:read"
    COUNTS_VALIDATE = "counts:validate"
    """Watch masked pieces of video, and say what passed in them."""
    CAMERAS_READ = "cameras:read"
    """How cameras are, and what is drawn on them."""
    CAMERAS_TRY = "cameras:try"
    """Have a worker try an address."""
    SCENES_EDIT = "scenes:edit"
    """Draw on cameras, and try what is drawn on what they saw."""
    PICTURES_SEE = "pictures:see"
    """Live pictures and single ones, as the camera sees them."""
    EVIDENCE_SEE = "evidence:see"
    """Masked copies of what an alert rests on."""
    EVIDENCE_ORIGINAL = "evidence:original"
    """What the camera sent, with every face and plate in it."""
    EVIDENCE_MANAGE = "evidence:manage"
    """Find, delete, hold and release evidence."""
    EVIDENCE_MASK = "evidence:mask"
    """Fetch originals to mask them, and send the copies: for workers alone."""
    SYSTEM_READ = "system:read"
    """How the workers are, and why something is not well."""
    AUDIT_READ = "audit:read"
    DELIVERY_MANAGE = "delivery:manage"
    """The channels by which alerts are told, and the log of what was sent."""
    PEOPLE_MANAGE = "people:manage"
    """Users, groups and keys."""


class Role(StrEnum):
    """What a person is."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ANALYST = "analyst"
    ADMINISTRATOR = "administrator"


_P: Final = Permission
_EVERYBODY: Final = frozenset({_P.KNOWN, _P.ENTER, _P.PERSON, _P.CAMERAS_READ, _P.COUNTS_READ})
_VIEWER: Final = _EVERYBODY | {_P.ALERTS_READ, _P.PICTURES_SEE, _P.EVIDENCE_SEE}
ROLES: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.VIEWER: _VIEWER,
    Role.OPERATOR: _VIEWER | {_P.ALERTS_HANDLE},
    # no picture but pieces that are masked: live ones are not, and copies belong to alerts, which
    # they do not read
    Role.ANALYST: _EVERYBODY | {_P.COUNTS_VALIDATE},
    Role.ADMINISTRATOR: frozenset(Permission) - {_P.EVIDENCE_MASK},
}
SCOPES: Final = (
    _P.ALERTS_READ,
    _P.ALERTS_STATE,
    _P.ALERTS_HANDLE,
    _P.COUNTS_READ,
    _P.CAMERAS_READ,
    _P.CAMERAS_TRY,
    _P.PICTURES_SEE,
    _P.EVIDENCE_SEE,
    _P.SYSTEM_READ,
    _P.AUDIT_READ,
)
"""What a machine key may be given, for its cameras. Originals and what becomes of evidence are for
people, whose name then stands in the record."""
WORKER_SCOPES: Final = frozenset({_P.ALERTS_STATE, _P.EVIDENCE_MASK})
"""What the key of a worker is given, of which masking is for no other."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was let in: ``id`` is that of the key, session or link that did it, ``name`` the name of
    the person or of the key, ``user`` the person's number. ``cameras`` is None for every camera,
    also those to come; ``language`` what the person chose, if anything."""

    id: str
    name: str
    kind: Kind
    permissions: frozenset[Permission]
    cameras: frozenset[str] | None
    user: int | None = None
    role: Role | None = None
    language: str | None = None

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def sees(self, camera: str) -> bool:
        """Whether the camera is among its own; one that is not does not exist for it."""
        return self.cameras is None or camera in self.cameras


def permitted(kind: Kind, role: str | None, scopes: Iterable[str]) -> frozenset[Permission]:
    """What somebody may who came in by a ``kind``: a person by the ``role``, a key by its
    ``scopes``. A role or scope that is unknown here gives nothing."""
    if kind == "session":
        return ROLES[Role(role)] if role in set(Role) else frozenset()
    if kind == "key":
        return frozenset({*SCOPES, *WORKER_SCOPES} & {*scopes}) | {_P.KNOWN}
    return frozenset() if kind == "device" else frozenset({_P.ENTER})


Connection: TypeAlias = Literal["http", "websocket"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a path asks for; ``needs`` None is open to everybody. ``{name}`` stands for one part of
    the path, ``{name:path}`` for all that follows."""

    method: str
    path: str
    needs: Permission | None
    kind: Connection = "http"


_ROOM: Final = "/room/"
_API: Final = "/api/v1"
_ITEMS: Final = _API + "/alerts/{alert_id}/evidence"
RULES: Final = (
    Rule("GET", "/healthz", None),
    Rule("GET", "/readyz", None),
    Rule("GET", "/door/{file}", None),
    Rule("GET", "/login", None),
    Rule("POST", "/login", None),
    Rule("POST", "/language", None),
    Rule("POST", "/theme", None),
    Rule("GET", "/oidc/start", None),
    Rule("GET", "/oidc/back", None),
    Rule("GET", "/enter", _P.ENTER),
    Rule("POST", "/enter", _P.ENTER),
    Rule("POST", "/leave", _P.PERSON),
    Rule("GET", "/", _P.PERSON),
    Rule("GET", "/room", _P.PERSON),
    Rule("GET", _ROOM, _P.PERSON),
    Rule("GET", _ROOM + "wall", _P.PICTURES_SEE),
    Rule("GET", _ROOM + "_nicegui/{file:path}", _P.PERSON),
    Rule("GET", _ROOM + "favicon.ico", _P.PERSON),
    Rule("GET", _ROOM + "traffic", _P.COUNTS_READ),
    Rule("GET", _ROOM + "cameras", _P.PERSON),
    Rule("GET", _ROOM + "cameras/{camera}", _P.PERSON),
    Rule("GET", _ROOM + "_nicegui_ws/{rest:path}", _P.PERSON, "websocket"),
    Rule("GET", "/openapi.json", _P.KNOWN),
    Rule("GET", "/docs", _P.KNOWN),
    Rule("GET", "/docs/files/{file:path}", _P.KNOWN),
    Rule("GET", _API + "/me", _P.KNOWN),
    Rule("GET", _API + "/alerts", _P.ALERTS_READ),
    Rule("POST", _API + "/alerts", _P.ALERTS_STATE),
    Rule("GET", _API + "/alerts/stream", _P.ALERTS_READ),
    Rule("GET", _API + "/alerts/export", _P.ALERTS_READ),
    Rule("GET", _API + "/alerts/schema", _P.ALERTS_READ),
    Rule("POST", _API + "/alerts/acknowledge", _P.ALERTS_HANDLE),
    Rule("POST", _API + "/alerts/by-hand", _P.ALERTS_HANDLE),
    Rule("GET", _API + "/alerts/{alert_id}", _P.ALERTS_READ),
    Rule("GET", _API + "/alerts/{alert_id}/history", _P.ALERTS_READ),
    Rule("GET", _API + "/alerts/{alert_id}/advice", _P.ALERTS_READ),
    Rule("POST", _API + "/alerts/{alert_id}/acknowledge", _P.ALERTS_HANDLE),
    Rule("POST", _API + "/alerts/{alert_id}/assign", _P.ALERTS_HANDLE),
    Rule("POST", _API + "/alerts/{alert_id}/resolve", _P.ALERTS_HANDLE),
    Rule("POST", _API + "/alerts/{alert_id}/reopen", _P.ALERTS_HANDLE),
    Rule("POST", _API + "/alerts/{alert_id}/merge", _P.ALERTS_HANDLE),
    Rule("GET", _ITEMS, _P.ALERTS_READ),
    Rule("POST", _ITEMS + "/{form}", _P.ALERTS_STATE),
    Rule("POST", _ITEMS + "/{form}/missing", _P.ALERTS_STATE),
    Rule("GET", _ITEMS + "/{form}/material", _P.EVIDENCE_MASK),
    Rule("GET", _ITEMS + "/{form}/copy", _P.EVIDENCE_SEE),
    Rule("POST", _ITEMS + "/{form}/copy", _P.EVIDENCE_MASK),
    Rule("GET", _ITEMS + "/{form}/original", _P.EVIDENCE_ORIGINAL),
    Rule("POST", _API + "/alerts/{alert_id}/hold", _P.EVIDENCE_MANAGE),
    Rule("POST", _API + "/alerts/{alert_id}/release", _P.EVIDENCE_MANAGE),
    Rule("GET", _API + "/evidence", _P.EVIDENCE_MANAGE),
    Rule("POST", _API + "/evidence/delete", _P.EVIDENCE_MANAGE),
    Rule("GET", _API + "/handover.pdf", _P.ALERTS_READ),
    Rule("GET", _API + "/precision", _P.ALERTS_READ),
    Rule("GET", _API + "/precision.csv", _P.ALERTS_READ),
    Rule("GET", _API + "/suggestion", _P.ALERTS_READ),
    Rule("GET", _API + "/silences", _P.ALERTS_READ),
    Rule("POST", _API + "/silences", _P.ALERTS_HANDLE),
    Rule("POST", _API + "/silences/{silence}/end", _P.ALERTS_HANDLE),
    Rule("GET", _API + "/channels", _P.DELIVERY_MANAGE),
    Rule("POST", _API + "/channels/{channel}/test", _P.DELIVERY_MANAGE),
    Rule("GET", _API + "/deliveries", _P.DELIVERY_MANAGE),
    Rule("GET", _API + "/chain", _P.SYSTEM_READ),
    Rule("GET", _API + "/counts", _P.COUNTS_READ),
    Rule("GET", _API + "/counts/export", _P.COUNTS_READ),
    Rule("GET", _API + "/cameras", _P.CAMERAS_READ),
    Rule("POST", _API + "/cameras/try", _P.CAMERAS_TRY),
    Rule("GET", _API + "/cameras/{camera}/scene", _P.CAMERAS_READ),
    Rule("PUT", _API + "/cameras/{camera}/scene", _P.SCENES_EDIT),
    Rule("POST", _API + "/cameras/{camera}/scene/check", _P.SCENES_EDIT),
    Rule("GET", _API + "/cameras/{camera}/scenes", _P.CAMERAS_READ),
    Rule("POST", _API + "/cameras/{camera}/replay", _P.SCENES_EDIT),
    Rule("POST", _API + "/cameras/{camera}/view", _P.SCENES_EDIT),
    Rule("GET", _API + "/scene/schema", _P.CAMERAS_READ),
    Rule("GET", _API + "/scene/kinds", _P.CAMERAS_READ),
    Rule("GET", _API + "/cameras/{camera}/snapshot", _P.PICTURES_SEE),
    Rule("GET", _API + "/cameras/{camera}/live", _P.PICTURES_SEE),
    Rule("GET", _API + "/live", _P.PICTURES_SEE, "websocket"),
    Rule("GET", _API + "/workers", _P.SYSTEM_READ),
    Rule("GET", _API + "/audit", _P.AUDIT_READ),
    Rule("GET", _API + "/audit.csv", _P.AUDIT_READ),
    Rule("GET", "/account", _P.PERSON),
    Rule("POST", "/account/{change}", _P.PERSON),
    Rule("GET", "/people", _P.PEOPLE_MANAGE),
    Rule("POST", "/people", _P.PEOPLE_MANAGE),
    Rule("GET", "/people/{user}", _P.PEOPLE_MANAGE),
    Rule("POST", "/people/{user}", _P.PEOPLE_MANAGE),
    Rule("POST", "/people/{user}/{change}", _P.PEOPLE_MANAGE),
    Rule("GET", "/groups", _P.PEOPLE_MANAGE),
    Rule("POST", "/groups", _P.PEOPLE_MANAGE),
    Rule("GET", "/groups/{group}", _P.PEOPLE_MANAGE),
    Rule("POST", "/groups/{group}", _P.PEOPLE_MANAGE),
    Rule("POST", "/groups/{group}/{change}", _P.PEOPLE_MANAGE),
    Rule("GET", "/keys", _P.PEOPLE_MANAGE),
    Rule("POST", "/keys", _P.PEOPLE_MANAGE),
    Rule("POST", "/keys/{key}/{change}", _P.PEOPLE_MANAGE),
    Rule("GET", "/audit", _P.AUDIT_READ),
    Rule("GET", "/precision", _P.ALERTS_READ),
    Rule("GET", "/precision/suggestion", _P.ALERTS_READ),
    Rule("GET", "/validation", _P.COUNTS_VALIDATE),
    Rule("GET", "/validation/{piece}", _P.COUNTS_VALIDATE),
    Rule("GET", "/validation/{piece}/video", _P.COUNTS_VALIDATE),
    Rule("POST", "/validation/{piece}/count", _P.COUNTS_VALIDATE),
    Rule("GET", "/handover", _P.ALERTS_READ),
    Rule("GET", "/map", _P.ALERTS_READ),
    Rule("GET", "/silences", _P.ALERTS_READ),
    Rule("POST", "/silences", _P.ALERTS_HANDLE),
    Rule("POST", "/silences/{silence}/{change}", _P.ALERTS_HANDLE),
    Rule("GET", "/delivery", _P.DELIVERY_MANAGE),
    Rule("POST", "/delivery/{channel}/{change}", _P.DELIVERY_MANAGE),
)
"""Every way in. What is in no row does not exist, whatever the application behind the door says."""


METHODS: Final = tuple(sorted({rule.method for rule in RULES}))


@dataclass(frozen=True, slots=True)
class Found:
    """What the table says of a path: the rule, and where there is none, whether other methods
    have one; ``camera`` is the camera that the path names."""

    rule: Rule | None
    other_methods: bool = False
    camera: str | None = None


class Table:
    """Finds the rule of a path. A path that is written out in a rule is found at once; the others
    are told apart by their first part, so that hardly any has to be tried."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._exact: dict[tuple[str, str], list[Rule]] = {}
        self._shaped: dict[tuple[str, str], list[tuple[re.Pattern[str], Rule]]] = {}
        for rule in rules:
            if "{" in rule.path:
                first = rule.path.split("/", 2)[1]
                if "{" in first:
                    raise ValueError(f"{rule.path}: the first part of a path is written out")
                shaped = self._shaped.setdefault((rule.kind, first), [])
                shaped.append((_pattern(rule.path), rule))
            else:
                self._exact.setdefault((rule.kind, rule.path), []).append(rule)

    def find(self, kind: str, method: str, path: str) -> Found:
        """The rule for a path as it is routed, without what comes before it. HEAD is GET."""
        wanted = "GET" if method == "HEAD" else method
        written = self._exact.get((kind, path), ())
        for rule in written:
            if rule.method == wanted:
                return Found(rule)
        other = bool(written)
        before, _, rest = path.partition("/")
        # what does not begin with a slash is no path of ours
        first = "" if before else rest.partition("/")[0]
        for pattern, rule in self._shaped.get((kind, first), ()):
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if rule.method == wanted:
                return Found(rule, camera=match.groupdict().get("camera"))
            other = True
        return Found(None, other_methods=other)


def _pattern(path: str) -> re.Pattern[str]:
    shape = ""
    for part in re.split(r"({\w+(?::path)?})", path):
        name, _, rest = part.strip("{}").partition(":")
        shape += f"(?P<{name}>{'.+' if rest else '[^/]+'})" if part[:1] == "{" else re.escape(part)
    return re.compile(shape, re.DOTALL)


TABLE: Final = Table(RULES)


def find_rule(kind: str, method: str, path: str) -> Found:
    """What the table says of a path; one that is written out there goes before one with a
    ``{name}``."""
    return TABLE.find(kind, method, path)
