"""The operations room's words, in the language of whoever looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.access import Caller, Permission
from api.board import Tile
from api.cameras import NOBODY, NOT_ITS_OWN, UNKNOWN, CameraOut
from api.i18n import N_, Texts
from api.kinds import kind_name
from api.store import StoredAlert
from api.times import local
from streams.health import SENTENCES
from streams.messages import SYSTEM_CAMERA


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
    own = "Matakota" if alert.camera == SYSTEM_CAMERA else alert.camera
    where = names.get(alert.camera, own)
    return {
        "id": alert.id,
        "camera": alert.camera,
        "position": alert.position,
        "severity": alert.severity,
        "state": alert.state,
        "title": kind_name(alert.kind, _),
        "where": f"{where} · {alert.place}" if alert.place else where,
        # as its rule wrote it where the alert was made: data, and English; or as a person did
        "why": str(alert.details.get("why", "")),
        "why_lang": "en" if alert.opened_by is None else "",
        "start": alert.start_ts,
        "stored": alert.stored_at,
        "time": f"{began:%H:%M:%S}",
        "day": f"{began:%Y-%m-%d}",
        "date": f"{began:%Y-%m-%d %H:%M:%S} WITA",
        "status": alert.status,
        "edit": alert.edit,
        "assigned": alert.assigned_to or "",
        "said": status_said(alert, _),
        "synthetic": alert.synthetic,
    }


def status_said(alert: StoredAlert, _: Texts) -> str:
    """What people did about an alert so far, in a few words; nothing of a new one."""
    match alert.status:
        case "new":
            return ""
        case "acknowledged":
            return _("seen by %(name)s") % {"name": alert.acknowledged_by or "–"}
        case "assigned":
            return _("assigned to %(name)s") % {"name": alert.assigned_to or "–"}
        case "resolved":
            name = alert.resolved_by or "–"
            return _(_outcome(alert)) % {"name": name}


def _outcome(alert: StoredAlert) -> str:
    if alert.outcome is None:
        # into which one is not told to whoever does not see it
        return N_("part of another alert, says %(name)s")
    if alert.outcome == "true":
        return N_("true alarm, says %(name)s")
    return N_("false alarm, says %(name)s")


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
