"""The operations room's words, in the language of whoever looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.access import Caller, Permission
from api.board import Tile
from api.cameras import NOBODY, NOT_ITS_OWN, UNKNOWN, CameraOut
from api.i18n import N_, Texts
from api.store import StoredAlert
from api.times import local
from streams.health import SENTENCES

KINDS: Final[Mapping[str, str]] = {
    "abandoned_object": N_("Abandoned object"),
    "camera_covered": N_("Camera covered"),
    "camera_dark": N_("Camera dark"),
    "camera_defocused": N_("Camera out of focus"),
    "camera_down": N_("Camera down"),
    "camera_frozen": N_("Camera picture frozen"),
    "camera_moved": N_("Camera moved"),
    "clock_skew": N_("Camera clock wrong"),
    "congestion": N_("Congestion"),
    "crowd": N_("Crowd"),
    "crowd_density": N_("Crowd too dense"),
    "gathering": N_("Sudden gathering"),
    "heavy_vehicle": N_("Heavy vehicle"),
    "illegal_parking": N_("Illegal parking"),
    "intrusion": N_("Intrusion"),
    "line_crossing": N_("Forbidden crossing"),
    "loitering": N_("Loitering"),
    "pedestrian_on_road": N_("Pedestrian on the road"),
    "person_down": N_("Person down"),
    "queue": N_("Queue"),
    "removed_object": N_("Object removed"),
    "smoke_fire": N_("Smoke or fire"),
    "speeding": N_("Speeding"),
    "stopped_vehicle": N_("Stopped vehicle"),
    "stream_corrupt": N_("Camera stream damaged"),
    "wrong_way": N_("Wrong way"),
}
"""What each kind is called. Other programs may post alerts of kinds of their own."""


def wall_texts(_: Texts, caller: Caller) -> dict[str, Any]:
    """What the wall of cameras says."""
    if caller.cameras is None:
        empty = _(
            "There are no cameras yet: write a city.yaml and run 'matakota config apply city.yaml'."
        )
    else:
        empty = _("None of the cameras is yours yet: ask an administrator to give you some.")
    return {
        "empty": empty,
        "cut": _(
            "No connection to the server for %(age)s: all that is shown is old. It is tried again "
            "by itself."
        ),
        "synthetic": _("synthetic"),
        "unreal": _("No real camera sees this"),
        "counted": _("Counted since midnight"),
        "picture": _("Live picture of %(camera)s"),
        "old": _("%(age)s old"),
        "none": _("no picture"),
        "none_for": _("no picture for %(age)s"),
        "no_newer": _("no newer picture has arrived"),
        "ages": [_("%(n)s s"), _("%(n)s min"), _("%(n)s h"), _("%(n)s days")],
        "states": {
            "live": _("live"),
            "starting": _("starting"),
            "down": _("down"),
            "stopped": _("stopped"),
            "unknown": _("unknown"),
            "old": _("old picture"),
        },
        "codes": {str(code): _(sentence) for code, sentence in SENTENCES.items()},
        "unheard": _(UNKNOWN),
        "nobody": _(NOBODY),
    }


def alert_texts(_: Texts) -> dict[str, Any]:
    """What the list of alerts says."""
    return {
        "title": _("Alerts"),
        "waiting": _("%(n)s of %(all)s not acknowledged"),
        "empty": _("No alerts yet. New ones appear here by themselves."),
        "severities": {
            "high": _("high severity"),
            "medium": _("medium severity"),
            "low": _("low severity"),
        },
        "synthetic": _("synthetic"),
        "open": _("still open"),
        "closed": _("over"),
        "seen": _("seen by %(name)s"),
        "acknowledge": _("Acknowledge"),
        "older": _("Older alerts"),
    }


def shown_camera(tile: Tile, caller: Caller, _: Texts) -> dict[str, Any]:
    """A camera for the browser, in JSON values; what changes all the time is left out."""
    camera = tile.camera
    return {
        "id": camera.id,
        "name": camera.name,
        "state": str(camera.state),
        "message": _camera_says(camera, caller, _),
        "synthetic": camera.source == "synthetic",
        "lines": [
            {
                "name": line.name,
                "directions": [
                    {"name": name, "classes": sorted(classes.items())}
                    for name, classes in line.directions.items()
                ],
            }
            for line in tile.lines
        ],
    }


def shown_alert(alert: StoredAlert, names: Mapping[str, str], _: Texts) -> dict[str, Any]:
    """An alert for the browser, in words; ``names`` are those of cameras by id."""
    began = local(alert.start_ts)
    kind = KINDS.get(alert.kind)
    where = names.get(alert.camera, alert.camera)
    return {
        "id": alert.id,
        "camera": alert.camera,
        "position": alert.position,
        "severity": alert.severity,
        "state": alert.state,
        "title": alert.kind.replace("_", " ").capitalize() if kind is None else _(kind),
        "where": f"{where} · {alert.place}" if alert.place else where,
        # as its rule wrote it where the alert was made: data, and English
        "why": str(alert.details.get("why", "")),
        "start": alert.start_ts,
        "time": f"{began:%H:%M:%S}",
        "day": f"{began:%Y-%m-%d}",
        "date": f"{began:%Y-%m-%d %H:%M:%S} WITA",
        "by": alert.acknowledged_by or "",
        "synthetic": alert.synthetic,
    }


def _camera_says(camera: CameraOut, caller: Caller, _: Texts) -> str:
    """What a camera's code means and what to do, or what is known where no worker is heard."""
    if camera.code is not None:
        return _(SENTENCES[camera.code])
    if camera.state != "unknown":
        return camera.message
    if camera.age_seconds is not None:
        return _(UNKNOWN) % {"age": camera.age_seconds}
    if camera.worker is not None and caller.may(Permission.SYSTEM_READ):
        return _(NOT_ITS_OWN) % {"worker": camera.worker}
    return _(NOBODY)
