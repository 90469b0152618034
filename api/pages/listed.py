"""The list of alerts in a browser, and what it says."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from nicegui import ui

from api.i18n import N_, Texts
from api.kinds import KINDS, SEVERITIES, kind_name

PARTS: Final = ("live.js", "desk.js", "calls.js", "keys.js", "narrow.js", "sound.js")
"""What the list imports."""
APART_S: Final = 60.0
"""So far the clocks of who stores alerts and of who shows them may be apart."""
_KEYS: Final = (
    ("j k", N_("to the next alert, to the one before"), False),
    ("Enter", N_("open it"), False),
    ("a", N_("acknowledge it"), True),
    ("t", N_("close it as a true alarm: Enter confirms, Esc does not"), True),
    ("f", N_("close it as a false alarm: Enter confirms, Esc does not"), True),
    ("u", N_("open again what was resolved"), True),
    ("x", N_("tick it"), True),
    ("n", N_("report an incident"), True),
    ("/", N_("search"), False),
    ("m", N_("sound on or off"), False),
    ("Esc", N_("close the form, then the alert"), False),
    ("?", N_("these keys"), False),
)
"""Each key, what it does, and whether only whoever handles alerts has it."""


class AlertList(ui.element, component="alerts.js", dependencies=[*PARTS]):
    """The alerts. ``add`` shows what is new or changed, and which of it fits a wish, None for all;
    ``append`` what is older, ``know`` what nobody acknowledged, ``refill`` the newest that fit a
    wish, ``show_opened`` which one is opened, ``missed`` which one is not, though it was asked for;
    ``offer`` changes the cameras that can be chosen, and ``limit`` takes away the alerts of those
    that are not among the own ones any more. ``unseen`` are those that nobody acknowledged, however
    old."""

    def __init__(
        self,
        alerts: Sequence[dict[str, Any]],
        unseen: Sequence[dict[str, Any]],
        said: Texts,
        me: str,
        cameras: Sequence[dict[str, str]],
        *,
        older: bool,
        acts: bool,
    ) -> None:
        super().__init__()
        self.props["first"] = list(alerts)
        self.props["unseen"] = list(unseen)
        self.props["since"] = time.time() - APART_S
        self.props["me"] = me
        self.props["cameras"] = list(cameras)
        self.props["kinds"] = _kinds(said)
        self.props["older"] = older
        self.props["acts"] = acts
        self.props["texts"] = alert_texts(said, acts=acts)

    def add(
        self, alerts: Sequence[dict[str, Any]], number: int, fitting: Sequence[str] | None
    ) -> None:
        self.run_method("add", list(alerts), number, None if fitting is None else list(fitting))

    def append(self, alerts: Sequence[dict[str, Any]], *, more: bool) -> None:
        self.run_method("append", list(alerts), more)

    def know(self, alerts: Sequence[dict[str, Any]]) -> None:
        self.run_method("merge", list(alerts))

    def refill(self, number: int, alerts: Sequence[dict[str, Any]], *, more: bool) -> None:
        self.run_method("refill", number, list(alerts), more)

    def show_opened(self, alert: str | None) -> None:
        self.run_method("show_opened", alert)

    def missed(self, alert: str) -> None:
        self.run_method("missed", alert)

    def offer(self, cameras: Sequence[dict[str, str]]) -> None:
        self.run_method("offer", list(cameras))

    def limit(self, cameras: frozenset[str] | None) -> None:
        self.run_method("limit", None if cameras is None else sorted(cameras))


def alert_texts(_: Texts, *, acts: bool) -> dict[str, Any]:
    """What the list of alerts says to whoever ``acts`` on them, or does not."""
    severities = {severity: _(name) for severity, name in SEVERITIES.items()}
    return {
        "title": _("Alerts"),
        "waiting": _("%(n)s of %(all)s not acknowledged"),
        "empty": _("No alerts yet. New ones appear here by themselves."),
        "nothing": _("None of these. New ones appear here by themselves."),
        "hidden": _("Not acknowledged, and not shown here: %(n)s."),
        "show_all": _("Show all"),
        "severities": severities,
        "filter": _("Which alerts"),
        "filters": {"all": _("all"), "open": _("to do"), "new": _("new"), "mine": _("mine")},
        "by_hand": _("Report an incident"),
        "all": _("Choose all new ones"),
        "several": _("Acknowledge %(n)s"),
        "choose": _("Choose %(title)s, %(where)s"),
        "synthetic": _("synthetic"),
        "open": _("still open"),
        "closed": _("over"),
        "acknowledge": _("Acknowledge"),
        "older": _("Older alerts"),
        "narrow": _narrow_texts(_),
        "calls": {"severities": severities, **_call_texts(_)},
        "keys": {
            "title": _("Keys"),
            "all": [
                {"keys": keys, "said": _(said)} for keys, said, only in _KEYS if acts or not only
            ],
            "fields": _("While you write in a field, they are letters."),
            "close": _("Close"),
        },
    }


def _narrow_texts(_: Texts) -> dict[str, str]:
    return {
        "search": _("Search"),
        "searched": _(
            "Searches incidents, cameras, places, people, notes, reasons and ids: what has every "
            "word is found."
        ),
        "severity": _("Severities"),
        "more": _("Filters"),
        "camera": _("Camera"),
        "kind": _("Incident"),
        "every": _("every camera"),
        "any": _("every incident"),
        "from": _("From (WITA)"),
        "to": _("Until (WITA)"),
    }


def _call_texts(_: Texts) -> dict[str, Any]:
    return {
        "sounds": {
            "on": {
                "name": _("Sound on"),
                "more": _(
                    "New alerts are heard, critical ones until they are acknowledged (key m)."
                ),
            },
            "muted": {"name": _("Muted"), "more": _("Alerts are not heard (key m).")},
            "blocked": {
                "name": _("No sound yet"),
                "more": _("The browser is silent until you click: click here to hear alerts."),
            },
        },
        "desktop": {
            "name": _("On the desktop"),
            "more": _("Show new alerts on the desktop while another window is in front."),
            "others": _("%(n)s more alerts"),
        },
    }


def _kinds(_: Texts) -> list[dict[str, str]]:
    """The incidents that can be chosen, by name."""
    kinds = [{"id": kind, "name": kind_name(kind, _)} for kind in KINDS]
    return sorted(kinds, key=lambda kind: kind["name"])
