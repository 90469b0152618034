"""What is shown of the alert that is opened: how it is, how it came here, what was done about it,
and what can be done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from nicegui import ui

from api.access import Caller, Permission
from api.alerting.settings import Advice, Site
from api.board import View
from api.forms.words import ACTIONS, PARTS
from api.i18n import Texts
from api.kinds import INCIDENTS, SEVERITIES, kind_name
from api.lifecycle import MAX_NOTE_CHARS
from api.pages.evidence import evidence_texts
from api.pages.live import LIVE, SHARED
from api.pages.words import shown_alert, shown_camera, wall_texts
from api.positions import neighbours
from api.store import Entry, StoredAlert
from api.times import local
from vision.types import JsonValue

NEAR: Final = 3
"""So many cameras beside its own are shown with an alert."""


class Panel(ui.element, component="opened.js", dependencies=["desk.js", *SHARED]):
    """The alert that is opened, and its forms. ``renew`` changes what is shown of it; a form that
    is open stays."""

    def __init__(self, opened: Caller, said: Texts) -> None:
        super().__init__()
        self.props["acts"] = opened.may(Permission.ALERTS_HANDLE)
        self.props["me"] = opened.name
        self.props["most"] = MAX_NOTE_CHARS
        # of the socket that brings pictures; none for whoever sees none
        self.props["path"] = LIVE if opened.may(Permission.PICTURES_SEE) else None
        self.props["texts"] = panel_texts(said)
        self.props["tiles"] = wall_texts(said, opened)

    def show(self, detail: Mapping[str, Any]) -> None:
        self.run_method("show", dict(detail))

    def renew(self, detail: Mapping[str, Any]) -> None:
        self.run_method("renew", dict(detail))

    def compose(self, choices: Mapping[str, Any]) -> None:
        self.run_method("compose", dict(choices))

    def done(self, alert: str | None, act: str) -> None:
        """``act`` is done with ``alert``, None for one that was opened by hand."""
        self.run_method("done", alert, act)

    def refused(self, alert: str | None, act: str, why: str) -> None:
        self.run_method("refused", alert, act, why)

    def shut(self) -> None:
        self.run_method("shut")


def panel_texts(_: Texts) -> dict[str, Any]:
    """What the opened alert and its forms say."""
    return evidence_texts(_) | {
        "panel": _("The alert that is opened"),
        "close": _("Close"),
        "acts": {
            "acknowledge": _("Acknowledge"),
            "assign": _("Assign"),
            "resolve": _("Resolve"),
            "reopen": _("Open again"),
            "merge": _("Merge"),
        },
        "mine": _("Assign to me"),
        "to": _("To whom"),
        "outcome": _("What it was"),
        "outcomes": {"true": _("a true alarm"), "false": _("a false alarm")},
        "note": _("Note"),
        "note_hint": _("At most %(n)d characters; may stay empty.") % {"n": MAX_NOTE_CHARS},
        "into": _("Into which alert"),
        "into_id": _("Or by its id"),
        "choose": _("choose"),
        "send": {
            "assign": _("Assign"),
            "resolve": _("Resolve"),
            "reopen": _("Open again"),
            "merge": _("Merge"),
            "open": _("Report"),
        },
        "cancel": _("Cancel"),
        "stale": _(
            "Somebody changed this alert while you wrote: %(said)s. Nothing of yours was sent, and "
            "nothing of theirs is overwritten."
        ),
        "go_on": _("Go on from how it is now"),
        "unheard": _("The server did not answer: look whether it is there, and send it again."),
        "advice": _("What to do"),
        "no_advice": _("Nobody wrote down what to do about such alerts."),
        "call": _("Call %(name)s, %(number)s"),
        "history": _("What was done"),
        "nothing": _("Nothing yet."),
        "way": _("How it came here"),
        "near": _("Now, here and nearby"),
        "by_hand": _("Report an incident"),
        "camera": _("Camera"),
        "kind": _("Incident"),
        "severity": _("Severity"),
        "saw": _("What you saw"),
        "no_camera": _("None of the cameras is yours yet: ask an administrator to give you some."),
    }


def shown_choices(cameras: Mapping[str, str], _: Texts) -> dict[str, Any]:
    """What can be chosen where an incident is opened by hand; ``cameras`` are names by id."""
    kinds = sorted(((kind, kind_name(kind, _)) for kind in INCIDENTS), key=lambda each: each[1])
    return {
        "cameras": [{"id": camera, "name": name} for camera, name in cameras.items()],
        "kinds": [{"id": kind, "name": name} for kind, name in kinds],
        "severities": [{"id": each, "name": _(name)} for each, name in SEVERITIES.items()],
    }


def shown_detail(
    alert: StoredAlert,
    names: Mapping[str, str],
    _: Texts,
    *,
    history: Iterable[Entry],
    advice: Advice | None,
    people: Sequence[str],
    others: Iterable[StoredAlert],
) -> dict[str, Any]:
    """All of an alert, in JSON values. ``people`` are those to whom it can be given, ``others`` the
    alerts that it can be merged into."""
    return {
        "alert": shown_alert(alert, names, _),
        "facts": _facts(alert, _),
        "way": _way(alert, _),
        "history": [_entry(entry, _) for entry in history],
        "advice": None if advice is None else _advice(advice),
        "people": list(people),
        "others": [
            {"id": other.id, "name": _other(shown_alert(other, names, _))} for other in others
        ],
    }


def nearby(
    camera: str, view: View, sites: Iterable[Site], caller: Caller, _: Texts
) -> list[dict[str, Any]]:
    """The camera of an alert and those that are nearest to it, of what the caller sees, to be
    looked at live; none for whoever sees no pictures."""
    if not caller.may(Permission.PICTURES_SEE):
        return []
    tiles = {tile.camera.id: tile for tile in view.tiles}
    names = neighbours(camera, [tile.camera for tile in view.tiles], sites, NEAR)
    return [shown_camera(tiles[each], caller, _) for each in (camera, *names) if each in tiles]


def _facts(alert: StoredAlert, _: Texts) -> list[dict[str, str]]:
    """What is known of it, by a word each."""
    facts = [
        (_("Severity"), _(SEVERITIES[alert.severity])),
        (_("Rule"), alert.rule),
        (_("Began"), _moment(alert.start_ts)),
        (_("Over"), "" if alert.end_ts is None else _moment(alert.end_ts)),
        (_("Opened by"), alert.opened_by or ""),
        (_("Seen by"), alert.acknowledged_by or ""),
        (_("Assigned to"), alert.assigned_to or ""),
        (_("Part of"), alert.merged_into or ""),
        (_("Note"), alert.note or ""),
        (_("Id"), alert.id),
    ]
    return [{"name": name, "text": text} for name, text in facts if text]


def _way(alert: StoredAlert, _: Texts) -> list[dict[str, str]]:
    """When it passed each part of the chain, and how long after the one before."""
    way, before = [], None
    for part, ts in alert.passed.items():
        if ts is None:
            continue
        took = "" if before is None else f"{ts - before:+.2f} s"
        way.append({"name": _(PARTS[part]), "time": _precisely(ts), "took": took})
        before = ts
    return way


def _entry(entry: Entry, _: Texts) -> dict[str, str]:
    after = entry.after or {}
    more = [
        _word(_("to %(name)s"), "name", after.get("assigned_to")),
        _word(_("into %(id)s"), "id", after.get("merged_into")),
        {"true": _("true alarm"), "false": _("false alarm")}.get(str(after.get("outcome")), ""),
        _word("“%(note)s”", "note", after.get("note")),
    ]
    return {
        "time": _moment(entry.at),
        "by": entry.actor or "–",
        "what": _(ACTIONS.get(entry.action, entry.action)),
        "more": ", ".join(filter(None, more)),
    }


def _word(text: str, name: str, value: JsonValue) -> str:
    return text % {name: value} if value else ""


def _advice(advice: Advice) -> dict[str, Any]:
    return {
        "text": advice.text,
        "telephones": [
            {"name": each.name, "number": each.number, "href": "tel:" + _dialled(each.number)}
            for each in advice.telephones
        ],
    }


def _dialled(number: str) -> str:
    """A number as a link to call it holds it."""
    return "".join(each for each in number if each.isdecimal() or each == "+")


def _other(shown: Mapping[str, Any]) -> str:
    return f"{shown['time']} · {shown['title']} · {shown['where']}"


def _moment(ts: float) -> str:
    return f"{local(ts):%Y-%m-%d %H:%M:%S}"


def _precisely(ts: float) -> str:
    moment = local(ts)
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}"
