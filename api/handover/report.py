"""What one shift tells the next, in words: the page shows it, and the PDF is made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from api.access import Caller, Permission
from api.alerting.words import about
from api.board import NOT_WELL
from api.cameras import NOBODY, UNKNOWN, CameraOut, all_cameras, cameras_of
from api.handover.values import Cell, Column, Report, Section
from api.health import OK, readiness
from api.i18n import N_, Texts
from api.kinds import SEVERITIES, kind_name
from api.learning import Span
from api.services import Services
from api.store.facts import Silence
from api.store.handovers import MAX_CAMERAS, Handed, HandedOver, Handeds, Outage
from api.times import local
from streams.health import SENTENCES
from streams.messages import SYSTEM_CAMERA

MAX_NAME_CHARS: Final = 120
MAX_WORDS_CHARS: Final = 300
"""Of a reason or a note: all of it is in the operations room."""
MAX_SILENCES: Final = 200
OWN_NAME: Final = "Matakota"
STATES: Final[Mapping[str, str]] = {
    "live": N_("live"),
    "starting": N_("starting"),
    "down": N_("down"),
    "stopped": N_("stopped"),
    "unknown": N_("unknown"),
}
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


def report(served: Services, caller: Caller, span: Span, now: float, _: Texts) -> Report:
    """What the caller hands over of the time ``span``, as it is ``now``; of their cameras alone.
    Raises StoreError."""
    found = served.store.handovers.read(span, now=now, only=caller.cameras)
    cameras = cameras_of(caller, all_cameras(served))
    silences = served.store.alerting.silences(only=caller.cameras)
    beside = 0
    if caller.cameras is not None:
        # what they are about names others' cameras, so that only their number is told
        beside = served.store.alerting.silences_beside(caller.cameras)
    troubles = [said for said in readiness(served).values() if said != OK]
    if troubles and not caller.may(Permission.SYSTEM_READ):
        # reasons name hosts, folders and workers
        troubles = [NOT_WELL]
    named = {SYSTEM_CAMERA: OWN_NAME} | {camera.id: camera.name for camera in cameras}
    words = _Words(_, named)
    return Report(
        title=_("Shift hand-over report"),
        made=_("made on %(time)s WITA by %(name)s")
        % {"time": minute(now), "name": _cut(caller.name, MAX_NAME_CHARS)},
        facts=_facts(_, caller, span, now, len(cameras)),
        sections=[
            words.numbers(found),
            words.left(found.left),
            words.closed(found.closed),
            words.cameras(cameras, found.outages),
            words.silences(silences, now, beside),
            words.own(found.own, troubles),
        ],
        span=span,
        language=_.language,
    )


def minute(ts: float) -> str:
    """A time as the city's clocks show it."""
    return f"{local(ts):%Y-%m-%d %H:%M}"


def _facts(_: Texts, caller: Caller, span: Span, now: float, n: int) -> list[tuple[str, str]]:
    if caller.cameras is None:
        whose = _("every camera") + f" ({n})"
    else:
        whose = _.plural("%(n)d camera", "%(n)d cameras", n) % {"n": n}
    return [
        (_("Time"), f"{minute(span.from_ts)} – {minute(span.to_ts)} WITA"),
        (_("Cameras"), whose),
        (_("As of"), f"{minute(now)} WITA"),
        (_("Made by"), _cut(caller.name, MAX_NAME_CHARS)),
    ]


class _Words:
    """Makes tables of facts; ``names`` are those of cameras by id."""

    def __init__(self, _: Texts, names: Mapping[str, str]) -> None:
        self._ = _
        self._names = names

    def numbers(self, found: HandedOver) -> Section:
        _ = self._
        rows = [
            (
                Cell(_(SEVERITIES[severity]), severity=severity),
                *(Cell(str(n)) for n in (each.came, each.true, each.false, each.part, each.left)),
            )
            for severity, each in found.numbers.items()
        ]
        columns = (
            Column(_("Severity"), 3),
            Column(_("New in this time"), 2, number=True),
            Column(_("True alarm"), 2, number=True),
            Column(_("False alarm"), 2, number=True),
            Column(_("Part of another"), 2, number=True),
            Column(_("Left to do now"), 2, number=True),
        )
        return Section("numbers", _("Alerts in numbers"), columns, rows)

    def left(self, found: Handeds) -> Section:
        _ = self._
        rows = [
            (
                self._what(alert),
                self._where(alert),
                Cell(minute(alert.start_ts), self._end(alert)),
                Cell(self._whose(alert)),
                self._said(alert),
            )
            for alert in found.rows
        ]
        columns = (
            Column(_("Incident"), 3.2),
            Column(_("Where"), 3.2),
            Column(_("Began"), 2.7),
            Column(_("With whom"), 2.5),
            Column(_("Reason and note"), 5),
        )
        empty = _("Nothing: every alert is closed.")
        return Section(
            "left", _("Left to do"), columns, rows, empty, after=self._more(found.left_out)
        )

    def closed(self, found: Handeds) -> Section:
        _ = self._
        rows = [
            (
                self._what(alert),
                self._where(alert),
                Cell("–" if alert.resolved_at is None else minute(alert.resolved_at)),
                Cell(self._outcome(alert)),
                self._said(alert),
            )
            for alert in found.rows
        ]
        columns = (
            Column(_("Incident"), 3.2),
            Column(_("Where"), 3.2),
            Column(_("Closed"), 2.7),
            Column(_("As what, by whom"), 2.5),
            Column(_("Reason and note"), 5),
        )
        empty = _("No alert was closed in this time.")
        title = _("Closed in this time")
        return Section("closed", title, columns, rows, empty, after=self._more(found.left_out))

    def cameras(self, cameras: Iterable[CameraOut], outages: Iterable[Outage]) -> Section:
        """Those that are not live, then those that were down and came back."""
        _ = self._
        away = {camera.id: camera for camera in cameras if camera.state != "live"}
        down = {each.camera: each for each in outages}
        order = [*away, *(name for name in down if name not in away)]
        rows = [
            (self._camera(name), self._now(away.get(name)), Cell(self._outage(down.get(name))))
            for name in order[:MAX_CAMERAS]
        ]
        columns = (
            Column(_("Camera"), 4),
            Column(_("How it is now"), 7),
            Column(_("Down in this time"), 4),
        )
        empty = _("Every camera is live, and none was down in this time.")
        more = self._more(max(0, len(order) - MAX_CAMERAS))
        return Section("cameras", _("Cameras"), columns, rows, empty, after=more)

    def silences(self, silences: Sequence[Silence], now: float, beside: int) -> Section:
        """``beside`` so many more may hold for these cameras, and are not shown."""
        _ = self._
        rows = []
        for each in silences[:MAX_SILENCES]:
            parts = [
                f"{word}: {', '.join(_cut(name, MAX_NAME_CHARS) for name in named)}"
                for word, named in about(_, each.match, self._names)
            ]
            begin = minute(each.starts_at)
            rows.append(
                (
                    Cell(_cut("; ".join(parts), 2 * MAX_WORDS_CHARS)),
                    Cell(_cut(each.reason, MAX_WORDS_CHARS)),
                    Cell(begin, _("to come") if each.starts_at > now else ""),
                    Cell(minute(each.ends_at)),
                    Cell(_cut(each.created_by, MAX_NAME_CHARS)),
                )
            )
        columns = (
            Column(_("About"), 5),
            Column(_("Reason"), 4),
            Column(_("From"), 2.6),
            Column(_("Until"), 2.6),
            Column(_("By whom"), 2.2),
        )
        empty = _("None: people are told of every alert, as the routes say.")
        before = []
        if beside:
            empty = _("None is about these cameras alone.")
            said = _.plural(
                "%(n)d silence may hold for these cameras too and is not shown here: ask whoever "
                "sees every camera.",
                "%(n)d silences may hold for these cameras too and are not shown here: ask whoever "
                "sees every camera.",
                beside,
            )
            before = [said % {"n": beside}]
        more = self._more(max(0, len(silences) - MAX_SILENCES))
        return Section("silences", _("Silences"), columns, rows, empty, before=before, after=more)

    def own(self, found: Handeds, troubles: Iterable[str]) -> Section:
        _ = self._
        rows = [
            (
                self._what(alert),
                Cell(minute(alert.start_ts)),
                Cell("–" if alert.end_ts is None else minute(alert.end_ts)),
                self._said(alert),
            )
            for alert in found.rows
        ]
        columns = (
            Column(_("Trouble"), 4),
            Column(_("From"), 2.6),
            Column(_("Until"), 2.6),
            Column(_("Reason and note"), 7),
        )
        now = [_("Now: %(said)s") % {"said": _cut(_(each), MAX_WORDS_CHARS)} for each in troubles]
        empty = "" if now else _("No trouble now, and none in this time.")
        title = _("Troubles of Matakota itself")
        more = self._more(found.left_out)
        return Section("troubles", title, columns, rows, empty, before=now, after=more)

    def _what(self, alert: Handed) -> Cell:
        name = _cut(kind_name(alert.kind, self._), MAX_NAME_CHARS)
        said = [self._(SEVERITIES[alert.severity])]
        if alert.synthetic:
            said.append(self._("synthetic"))
        return Cell(name, ", ".join(said), alert.severity, alert.id)

    def _where(self, alert: Handed) -> Cell:
        camera = self._camera(alert.camera)
        place = _cut(alert.place, MAX_NAME_CHARS)
        return Cell(camera.text, " · ".join(filter(None, (place, camera.more))))

    def _camera(self, camera: str) -> Cell:
        name = self._names.get(camera, camera)
        own = name == camera or camera == SYSTEM_CAMERA
        return Cell(_cut(name, MAX_NAME_CHARS), "" if own else _cut(camera, MAX_NAME_CHARS))

    def _end(self, alert: Handed) -> str:
        _ = self._
        if alert.end_ts is None:
            return _("still open")
        return _("over since %(time)s") % {"time": minute(alert.end_ts)}

    def _whose(self, alert: Handed) -> str:
        _ = self._
        if alert.status == "assigned":
            return _("assigned to %(name)s") % {"name": _name(alert.assigned_to)}
        if alert.status == "acknowledged":
            return _("seen by %(name)s") % {"name": _name(alert.acknowledged_by)}
        return _("nobody yet")

    def _outcome(self, alert: Handed) -> str:
        said = {
            "true": N_("true alarm, says %(name)s"),
            "false": N_("false alarm, says %(name)s"),
            # into which one is not told to whoever does not see it
            None: N_("part of another alert, says %(name)s"),
        }[alert.outcome]
        return self._(said) % {"name": _name(alert.resolved_by)}

    def _said(self, alert: Handed) -> Cell:
        note = _cut(alert.note, MAX_WORDS_CHARS)
        why = _cut(alert.why, MAX_WORDS_CHARS)
        if alert.opened_by is not None:
            said = self._("reported by %(name)s") % {"name": _name(alert.opened_by)}
            why = f"{why} ({said})" if why else said
        return Cell(why or "–", self._("Note: %(note)s") % {"note": note} if note else "")

    def _now(self, camera: CameraOut | None) -> Cell:
        """How a camera is that is not live."""
        _ = self._
        if camera is None:
            return Cell(_("live"))
        state = _(STATES.get(camera.state, camera.state))
        if camera.since is not None:
            state = _("%(state)s since %(time)s") % {"state": state, "time": minute(camera.since)}
        if camera.code is not None:
            return Cell(state, _(SENTENCES[camera.code]))
        if camera.state != "unknown":
            return Cell(state, _cut(camera.message, MAX_WORDS_CHARS))
        # which worker is to have it is not for everybody
        age = camera.age_seconds
        return Cell(_(STATES["unknown"]), _(NOBODY) if age is None else _(UNKNOWN) % {"age": age})

    def _outage(self, outage: Outage | None) -> str:
        if outage is None:
            return "–"
        _ = self._
        times = _.plural("once", "%(n)d times", outage.times) % {"n": outage.times}
        return _("%(times)s, %(long)s in all") % {
            "times": times, "long": self._long(outage.seconds)
        }  # fmt: skip

    def _long(self, seconds: float) -> str:
        _ = self._
        whole = round(seconds)
        if whole < _MINUTE_S:
            return _("%(n)s s") % {"n": whole}
        minutes = _("%(n)s min") % {"n": whole % _HOUR_S // _MINUTE_S}
        return (
            minutes if whole < _HOUR_S else _("%(n)s h") % {"n": whole // _HOUR_S} + f" {minutes}"
        )

    def _more(self, n: int) -> str:
        if not n:
            return ""
        return self._("%(n)d more are not shown here: see the operations room.") % {"n": n}


def _name(name: str | None) -> str:
    return _cut(name or "–", MAX_NAME_CHARS)


def _cut(text: str, most: int) -> str:
    """A text in one line, and of what is too long its begin."""
    said = " ".join(text.split())
    return said if len(said) <= most else f"{said[: most - 1]}…"
