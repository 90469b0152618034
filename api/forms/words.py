"""What roles, scopes and what was done are called on pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.access import Permission, Role
from api.i18n import N_

ROLES: Final[Mapping[Role, str]] = {
    Role.VIEWER: N_("Viewer"),
    Role.OPERATOR: N_("Operator"),
    Role.ANALYST: N_("Analyst"),
    Role.ADMINISTRATOR: N_("Administrator"),
}
ROLES_SAID: Final[Mapping[Role, str]] = {
    Role.VIEWER: N_("Sees pictures, alerts and counts of their cameras, and changes nothing."),
    Role.OPERATOR: N_("Sees pictures, alerts and counts of their cameras, and handles alerts."),
    Role.ANALYST: N_(
        "Sees and exports counts of their cameras, and counts masked pieces of video by hand; no "
        "other pictures and no alerts."
    ),
    Role.ADMINISTRATOR: N_(
        "Sees every camera, draws on them, and manages people, groups and keys."
    ),
}
_P: Final = Permission
SCOPES: Final[Mapping[Permission, str]] = {
    _P.ALERTS_READ: N_("Reads alerts of its cameras."),
    _P.ALERTS_STATE: N_("Reports alerts of its cameras and how they go on, with their evidence."),
    _P.ALERTS_HANDLE: N_(
        "Handles alerts of its cameras, opens some, and silences them for a while."
    ),
    _P.COUNTS_READ: N_("Reads counts of its cameras."),
    _P.CAMERAS_READ: N_("Reads how its cameras are and what is drawn on them."),
    _P.CAMERAS_TRY: N_("Has a worker try the address of a camera."),
    _P.PICTURES_SEE: N_("Sees pictures of its cameras, live too."),
    _P.EVIDENCE_SEE: N_("Sees masked copies of the evidence of its cameras."),
    _P.SYSTEM_READ: N_("Reads how the workers are and what is wrong with them."),
    _P.AUDIT_READ: N_("Reads the record of who did what."),
}
ACTIONS: Final[Mapping[str, str]] = {
    "login": N_("Anything about signing in"),
    "login.password": N_("Signed in with a password"),
    "login.totp": N_("Signed in with a password and a code"),
    "login.recovery": N_("Signed in with a password and a recovery code"),
    "login.oidc": N_("Signed in at the sign-in service"),
    "login.link": N_("Signed in with a one-time link"),
    "login.setup": N_("Signed in as the first administrator"),
    "login.failed": N_("Could not sign in"),
    "login.limited": N_("Tried to sign in too often"),
    "login.refused": N_("Was not let in from the sign-in service"),
    "user": N_("Anything about people"),
    "user.added": N_("Person added"),
    "user.changed": N_("Rights of a person changed"),
    "user.removed": N_("Person removed"),
    "user.bound": N_("Person recognised at the sign-in service"),
    "password.set": N_("Password set"),
    "totp.set": N_("Second factor set up"),
    "totp.cleared": N_("Second factor removed"),
    "sessions.ended": N_("Sessions ended"),
    "session.ended": N_("Session ended"),
    "group": N_("Anything about camera groups"),
    "group.added": N_("Camera group added"),
    "group.changed": N_("Camera group changed"),
    "group.removed": N_("Camera group removed"),
    "key": N_("Anything about machine keys"),
    "key.created": N_("Machine key made"),
    "key.ended": N_("Machine key revoked"),
    "link": N_("Any link made"),
    "link.link": N_("One-time link made"),
    "link.password": N_("Link for a password made"),
    "link.setup": N_("Link for the first administrator made"),
    "link.ended": N_("Link ended"),
    "alert": N_("Anything about alerts"),
    "alert.acknowledged": N_("Alert acknowledged"),
    "alert.assigned": N_("Alert assigned"),
    "alert.resolved": N_("Alert resolved"),
    "alert.reopened": N_("Alert opened again"),
    "alert.merged": N_("Alert merged into another"),
    "alert.opened": N_("Incident opened by hand"),
    "evidence": N_("Anything about evidence"),
    "evidence.original": N_("Original, not masked, given out"),
    "evidence.material": N_("Original given to a worker to be masked"),
    "evidence.deleted": N_("Evidence deleted"),
    "evidence.held": N_("Evidence held"),
    "evidence.released": N_("Evidence released"),
    "alerting.changed": N_("Who is told of what changed"),
    "silence": N_("Anything about silences"),
    "silence.created": N_("Silence made"),
    "silence.ended": N_("Silence ended"),
    "channel.tested": N_("Test message sent"),
    "validation": N_("Anything about counting by hand"),
    "validation.prepared": N_("Piece of video prepared to be counted"),
    "validation.counted": N_("Piece of video counted by hand"),
    "validation.removed": N_("Piece of video removed"),
    "rejected": N_("Anything about messages that could not be stored"),
    "rejected.replayed": N_("Message stored after all"),
    "rejected.dropped": N_("Message given up"),
    "configuration.applied": N_("Configuration changed"),
    "scene.drawn": N_("Scene of a camera changed"),
    "traffic.changed": N_("How traffic is classed and summed changed"),
}
"""What was done; those without a dot stand for all that begin with it."""
ACTORS: Final[Mapping[str, str]] = {
    "user": N_("person"),
    "key": N_("machine key"),
    "link": N_("one-time link"),
    "command": N_("on the server"),
    "nobody": N_("not known"),
}
OBJECTS: Final[Mapping[str, str]] = {
    "user": N_("person"),
    "group": N_("camera group"),
    "key": N_("machine key"),
    "alert": N_("alert"),
    "evidence": N_("evidence"),
    "configuration": N_("configuration"),
    "scene": N_("scene"),
    "alerting": N_("who is told of what"),
    "silence": N_("silence"),
    "channel": N_("channel"),
    "traffic": N_("classes and units of traffic"),
    "message": N_("message"),
    "piece": N_("piece of video"),
}
FIELDS: Final[Mapping[str, str]] = {
    "role": N_("role"),
    "every_camera": N_("every camera"),
    "groups": N_("camera groups"),
    "external": N_("name at the sign-in service"),
    "disabled": N_("disabled"),
    "name": N_("name"),
    "cameras": N_("cameras"),
    "worker": N_("for a worker"),
    "scopes": N_("may"),
    "id": N_("id"),
    "n": N_("times"),
    "why": N_("why"),
    "camera": N_("camera"),
    "position": N_("position"),
    "kind": N_("kind"),
    "issuer": N_("sign-in service"),
    "subject": N_("id at the sign-in service"),
    "more_cameras": N_("further cameras"),
    "status": N_("status"),
    "assigned_to": N_("assigned to"),
    "outcome": N_("outcome"),
    "note": N_("note"),
    "merged_into": N_("merged into"),
    "severity": N_("severity"),
    "reason": N_("reason"),
    "match": N_("about"),
    "kinds": N_("incidents"),
    "severities": N_("severities"),
    "rules": N_("rules"),
    "sites": N_("sites"),
    "places": N_("places"),
    "ends_at": N_("until"),
    "form": N_("form"),
    "revision": N_("revision"),
    "line": N_("line"),
}
PARTS: Final[Mapping[str, str]] = {
    "captured": N_("seen by the camera"),
    "detected": N_("detected"),
    "spooled": N_("kept by the worker"),
    "published": N_("handed to Redis"),
    "stored": N_("stored"),
    "delivered": N_("delivered"),
}
"""What an alert passes on its way, in this order."""
