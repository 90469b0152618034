"""Silences: for how long nobody is told of some alerts, and why. Who handles alerts makes and ends
those of their own cameras; who reads alerts sees them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from fastapi import APIRouter, Request, Response

from api.access import Caller, Permission
from api.alerting.settings import Matcher
from api.alerting.words import about
from api.forms.groups import Camera, cameras_there
from api.forms.page import go, show, texts_of
from api.forms.refusals import REFUSALS, missing, said
from api.forms.sent import Fields, Sent, WrongError, number, time_of
from api.i18n import N_
from api.kinds import KINDS, SEVERITIES
from api.services import Asking, Served, Services
from api.sessions import actor_of
from api.store.alerting import MAX_REASON_CHARS, MAX_SILENCE_S, TooManySilencesError
from api.store.facts import Silence
from streams.messages import MAX_NAME_CHARS

HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S
LENGTHS: Final[Mapping[str, tuple[str, float]]] = {
    "1h": (N_("for an hour"), HOUR_S),
    "8h": (N_("for 8 hours"), 8 * HOUR_S),
    "24h": (N_("for 24 hours"), DAY_S),
    "7d": (N_("for 7 days"), 7 * DAY_S),
}
UNTIL: Final = "until"
MAX_RULES: Final = 50
NO_REASON: Final = N_("The reason is missing: say why nobody is to be told.")
LONG_REASON: Final = N_("The reason is too long: use at most %(most)d characters.")
ODD_REASON: Final = N_("The reason holds signs that cannot be seen: write it anew.")
NO_END: Final = N_("The end is missing: say for how long nobody is to be told.")
TWO_ENDS: Final = N_(
    "There are two ends: choose “until the time below”, or leave the time below empty."
)
LATE_END: Final = N_("A silence lasts %(days)d days at most: choose an earlier end.")
CROWDED: Final = N_("%(most)d silences hold already: end those that are needed no more.")
YOURS: Final = N_("%(most)d silences of yours hold already: end those that are needed no more.")
NO_FUTURE: Final = N_("The end is over already: choose a time that is still to come.")
NOTHING_LEFT: Final = N_(
    "This would silence everything: choose cameras, incidents, severities or rules."
)
NO_CAMERAS: Final = N_("Say of which of your cameras: tick at least one.")
NOT_YOURS: Final = N_("One of these cameras is not yours any more: choose again.")
ODD_RULE: Final = N_("“%(name)s” cannot be a rule: write one in each line, as alerts name it.")
MANY_RULES: Final = N_("These are too many rules: write at most %(most)d.")
_P: Final = Permission

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the form holds, also where it cannot be taken."""

    every_camera: bool = False
    cameras: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()
    rules: str = ""
    reason: str = ""
    length: str = "1h"
    until: str = ""

    @classmethod
    def sent(cls, fields: Fields) -> _Wish:
        return cls(
            fields.has("every_camera"), frozenset(fields.all("cameras")),
            frozenset(fields.all("kinds")), frozenset(fields.all("severities")),
            fields.text("rules"), fields.text("reason"), fields.text("length"),
            fields.text("until"),
        )  # fmt: skip

    def match(self, caller: Caller, there: Sequence[Camera]) -> Matcher:
        """Which alerts nobody is to be told of. Raises WrongError."""
        own = {camera.id for camera in there}
        cameras = tuple(sorted(self.cameras))
        if self.every_camera and caller.cameras is None:
            cameras = ()
        elif not cameras:
            raise WrongError(NO_CAMERAS)
        elif not own.issuperset(cameras):
            raise WrongError(NOT_YOURS)
        match = Matcher(
            severities=tuple(each for each in SEVERITIES if each in self.severities),
            kinds=tuple(kind for kind in KINDS if kind in self.kinds),
            cameras=cameras,
            rules=self._rules(),
        )
        if match == Matcher():
            raise WrongError(NOTHING_LEFT)
        return match

    def _rules(self) -> tuple[str, ...]:
        lines = [line.strip() for line in self.rules.splitlines()]
        rules = tuple(dict.fromkeys(line for line in lines if line))
        if len(rules) > MAX_RULES:
            raise WrongError(MANY_RULES, most=MAX_RULES)
        for rule in rules:
            if len(rule) > MAX_NAME_CHARS or not rule.isprintable():
                raise WrongError(ODD_RULE, name=rule[:MAX_NAME_CHARS])
        return rules

    def why(self) -> str:
        """Raises WrongError."""
        reason = " ".join(self.reason.split())
        if not reason:
            raise WrongError(NO_REASON)
        if len(reason) > MAX_REASON_CHARS:
            raise WrongError(LONG_REASON, most=MAX_REASON_CHARS)
        if not reason.isprintable():
            raise WrongError(ODD_REASON)
        return reason

    def end(self, now: float) -> float:
        """UTC seconds. Raises WrongError."""
        if self.length in LENGTHS:
            if self.until:
                raise WrongError(TWO_ENDS)
            return now + LENGTHS[self.length][1]
        ends_at = time_of(self.until) if self.length == UNTIL else None
        if ends_at is None:
            raise WrongError(NO_END)
        if ends_at <= now:
            raise WrongError(NO_FUTURE)
        if ends_at - now > MAX_SILENCE_S:
            raise WrongError(LATE_END, days=round(MAX_SILENCE_S / DAY_S))
        return ends_at


class Row(NamedTuple):
    """A silence as people read it; ``state`` is running, coming or over."""

    silence: Silence
    state: str
    about: list[tuple[str, list[str]]]


@router.get("/silences")
def silences(request: Request, served: Served, asking: Asking) -> Response:
    return _list(request, served, asking, _Wish())


@router.post("/silences")
def add(request: Request, served: Served, asking: Asking, sent: Sent) -> Response:
    wish, now = _Wish.sent(sent), time.time()
    try:
        match = wish.match(asking, _own_cameras(served, asking))
        reason, ends_at = wish.why(), wish.end(now)
        served.store.alerting.silence(
            match, reason, starts_at=now, ends_at=ends_at, by=actor_of(request)
        )
    except TooManySilencesError as error:
        problem = texts_of(request)(YOURS if error.own else CROWDED) % {"most": error.most}
        return _list(request, served, asking, wish, problem)
    except REFUSALS as error:
        return _list(request, served, asking, wish, said(texts_of(request), error))
    return go("/silences?saved=1")


@router.post("/silences/{silence}/{change}")
def do(request: Request, served: Served, asking: Asking, silence: str, change: str) -> Response:
    wanted = number(silence) if change == "end" else None
    if wanted is None:
        return missing(request)
    ended = served.store.alerting.end_silence(wanted, actor_of(request), only=asking.cameras)
    return missing(request) if ended is None else go("/silences?ended=1")


def _own_cameras(served: Services, caller: Caller) -> list[Camera]:
    return [camera for camera in cameras_there(served) if caller.sees(camera.id)]


def _list(
    request: Request, served: Services, caller: Caller, wish: _Wish, problem: str = ""
) -> Response:
    _, now = texts_of(request), time.time()
    cameras = _own_cameras(served, caller)
    names = {camera.id: camera.name for camera in cameras}
    found = served.store.alerting.silences(only=caller.cameras, ended=True)
    rows = [Row(each, _state(each, now), about(_, each.match, names)) for each in found]
    query = request.query_params
    values = {
        "live": [row for row in rows if row.state != "over"],
        "over": [row for row in rows if row.state == "over"],
        "changes": caller.may(_P.ALERTS_HANDLE),
        "everywhere": caller.cameras is None,
        "cameras": cameras,
        "kinds": sorted(((kind, _(name)) for kind, name in KINDS.items()), key=lambda x: x[1]),
        "severities": {severity: _(name) for severity, name in SEVERITIES.items()},
        "lengths": {length: _(name) for length, (name, _s) in LENGTHS.items()},
        "until": UNTIL,
        "most": MAX_REASON_CHARS,
        "wish": wish,
        "saved": "saved" in query and not problem,
        "ended": "ended" in query and not problem,
    }
    return show(request, "silences.html", values, status=422 if problem else 200, problem=problem)


def _state(silence: Silence, now: float) -> str:
    if silence.ends_at <= now:
        return "over"
    return "coming" if silence.starts_at > now else "running"
