"""A message as people read it: what, where, when, how bad, why, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from api.alerting.settings import Advice
from api.i18n import N_, Language, Texts, texts
from api.kinds import SEVERITIES, kind_name
from api.store.alerts import StoredAlert
from api.store.letters import Letter
from api.times import local
from streams.messages import SYSTEM_CAMERA
from vision.types import SEVERITY_RANK

MAX_WHY_CHARS: Final = 300
MAX_ROWS: Final = 15
"""So many lines of a digest; the rest is a number."""
MAX_IDS: Final = 3
MAX_TELEPHONES: Final = 8
MAX_BODY_CHARS: Final = 3500
"""Telegram takes 4096 with the title."""
_PROGRAM: Final = N_("this system itself")


class Words(NamedTuple):
    """``title`` is one line, ``body`` plain text."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Wording:
    """Writes letters in a language. ``names`` gives the names of cameras by their ids, ``advice``
    what to do about an alert."""

    language: Language
    names: Callable[[], Mapping[str, str]] = dict
    advice: Callable[[StoredAlert], Advice | None] = lambda _: None

    def __call__(self, letter: Letter) -> Words:
        _ = texts(self.language)
        if not letter.alerts:
            return _test(letter, _)
        names = self.names()
        if letter.digest:
            words = _digest(letter, names, _)
        else:
            (alert,) = letter.alerts
            words = _one(letter, alert, names, self.advice(alert), _)
        return Words(_line(words.title), _cut(words.body, MAX_BODY_CHARS))


def _one(
    letter: Letter, alert: StoredAlert, names: Mapping[str, str], advice: Advice | None, _: Texts
) -> Words:
    values = {
        "kind": kind_name(alert.kind, _),
        "camera": _camera(alert, names, _),
        "severity": _(SEVERITIES[alert.severity]),
    }
    what, _colon, rest = letter.what.partition(":")
    if what == "closed":
        title = _("Over: %(kind)s, %(camera)s") % values
    elif what == "severity":
        title = _("Now %(severity)s: %(kind)s, %(camera)s") % values
    elif what == "escalated":
        title = _("Nobody has acknowledged: %(kind)s, %(camera)s") % values
    else:
        title = f"{values['kind']}, {values['camera']}"
    rows = [
        (_("Severity"), values["severity"]),
        (_("Camera"), _camera_and_id(alert, names, _)),
        (_("Place"), alert.place),
        (_("Since"), _time(alert.start_ts)),
        (_("Until"), "" if alert.end_ts is None else _time(alert.end_ts)),
        # as its rule wrote it: data, and English
        (_("Why"), _cut(str(alert.details.get("why", "")), MAX_WHY_CHARS)),
        (_("Escalation"), rest if what == "escalated" else ""),
    ]
    lines = [f"{name}: {_line(text)}" for name, text in rows if text]
    if alert.synthetic:
        lines.append(_("No real camera sees this"))
    if advice is not None and what != "closed":
        lines += ["", _("What to do"), advice.text]
        lines += [f"☎ {each.name}: {each.number}" for each in advice.telephones[:MAX_TELEPHONES]]
    lines += ["", alert.id]
    return Words(title, "\n".join(lines))


def _digest(letter: Letter, names: Mapping[str, str], _: Texts) -> Words:
    alerts = letter.alerts
    worst = max((alert.severity for alert in alerts), key=lambda severity: SEVERITY_RANK[severity])
    title = _.plural("%(n)s alert, %(severity)s", "%(n)s alerts, %(severity)s", len(alerts)) % {
        "n": len(alerts),
        "severity": _(SEVERITIES[worst]),
    }
    times = sorted(alert.start_ts for alert in alerts)
    lines = [f"{_time(times[0])} – {_time(times[-1])}", ""]
    counted = Counter(map(_row_of, alerts))
    for row, number in counted.most_common(MAX_ROWS):
        same = [each for each in alerts if _row_of(each) == row]
        ids = ", ".join(each.id for each in same[:MAX_IDS]) + ("…" if number > MAX_IDS else "")
        what, where = _line(kind_name(same[0].kind, _)), _line(_camera(same[0], names, _))
        lines.append(f"{number} × {what}, {where} ({ids})")
    rest = len(counted) - MAX_ROWS
    if rest > 0:
        lines.append(_.plural("and %(n)s more line", "and %(n)s more lines", rest) % {"n": rest})
    return Words(title, "\n".join(lines))


def _test(letter: Letter, _: Texts) -> Words:
    body = _(
        "This is a test of this channel, sent because an administrator asked for it. Nothing "
        "happened, and there is nothing to do."
    )
    return Words(_("Test message"), f"{body}\n\n{_time(letter.created_at)}\n{letter.id}")


def _row_of(alert: StoredAlert) -> tuple[str, str, str]:
    """What a digest counts together."""
    return alert.kind, alert.camera, alert.place if alert.camera == SYSTEM_CAMERA else ""


def _camera(alert: StoredAlert, names: Mapping[str, str], _: Texts) -> str:
    if alert.camera == SYSTEM_CAMERA:
        # one about a whole site is about that, not about the program
        return alert.place or _(_PROGRAM)
    return names.get(alert.camera, alert.camera)


def _camera_and_id(alert: StoredAlert, names: Mapping[str, str], _: Texts) -> str:
    if alert.camera == SYSTEM_CAMERA and alert.place:
        return ""
    name = _camera(alert, names, _)
    return name if name == alert.camera else f"{name} ({alert.camera})"


def _time(ts: float) -> str:
    return f"{local(ts):%Y-%m-%d %H:%M:%S} WITA"


def _line(text: str) -> str:
    """In one line, so that nothing in it looks like the next one."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
