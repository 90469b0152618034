"""The settings of who is told of what, and silences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, cast
from urllib.parse import urlsplit

from pydantic import ValidationError
from sqlalchemy import Connection, Row, func, insert, select, update

from api.alerting.settings import Alerting, Matcher
from api.store.alerting_tables import alerting, silences
from api.store.alerts import Only
from api.store.audit import Actor, Values, write_audit
from api.store.database import Database
from api.store.facts import Silence
from api.store.refusals import RefusedError
from streams.messages import MAX_NAME_CHARS
from vision.errors import StoreError
from vision.types import JsonValue

MAX_SILENCE_S: Final = 30 * 86_400.0
MAX_REASON_CHARS: Final = 500
MAX_SILENCES: Final = 1000
"""So many hold or will; each is looked at for every alert."""
MAX_OF_ONE: Final = 200
"""So many of them one person or key may have made, so that nobody takes them from the others."""
SHOWN_ENDED: Final = 100


class BadSilenceError(RefusedError):
    """A silence that is not taken; it says why."""


class TooManySilencesError(BadSilenceError):
    """There are ``most`` already; with ``own`` of those that the same one made."""

    def __init__(self, most: int, *, own: bool) -> None:
        whose = "silences of yours" if own else "silences"
        super().__init__(f"{most} {whose} hold already: end those that are needed no more")
        self.most = most
        self.own = own


@dataclass(frozen=True, slots=True)
class StoredAlerting:
    """``number`` rises with each change; 0 is the settings of a store that nobody gave any."""

    number: int
    settings: Alerting


class AlertingSettings:
    """Everything raises StoreError. ``clock`` gives UTC seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def current(self) -> StoredAlerting:
        with self._database.read() as connection:
            return _current(connection)

    def apply(self, settings: Alerting, by: Actor) -> StoredAlerting:
        """Make these the settings, recorded as done by ``by``, with what changed. The same ones
        change nothing."""
        with self._database.write() as connection:
            # two at once would give the same number
            connection.execute(select(alerting.c.number).with_for_update())
            known = _current(connection)
            if known.settings == settings:
                return known
            stored = StoredAlerting(known.number + 1, settings)
            now = self._clock()
            connection.execute(
                update(alerting).values(
                    number=stored.number,
                    document=settings.model_dump(mode="json", exclude_defaults=True),
                    changed_at=now,
                )
            )
            before, after = what_changes(known.settings, settings)
            write_audit(
                connection, by, "alerting.changed", "alerting", str(stored.number),
                now=now, before=before, after=after,
            )  # fmt: skip
            return stored

    def silence(
        self, match: Matcher, reason: str, *, starts_at: float, ends_at: float, by: Actor
    ) -> Silence:
        """Tell nobody for a while, from now on where it would have begun before. Raises
        BadSilenceError."""
        with self._database.write() as connection:
            now = self._clock()
            starts_at = max(starts_at, now)
            _check(match, reason, starts_at, ends_at)
            creator = by.name[:MAX_NAME_CHARS]
            holding = select(func.count()).select_from(silences).where(silences.c.ends_at > now)
            own = holding.where(silences.c.created_by == creator)
            if (connection.scalar(own) or 0) >= MAX_OF_ONE:
                raise TooManySilencesError(MAX_OF_ONE, own=True)
            if (connection.scalar(holding) or 0) >= MAX_SILENCES:
                raise TooManySilencesError(MAX_SILENCES, own=False)
            row = connection.execute(
                insert(silences)
                .values(
                    match=_plain(match), reason=reason, starts_at=starts_at, ends_at=ends_at,
                    created_at=now, created_by=creator,
                )
                .returning(silences)
            ).one()  # fmt: skip
            made = _silence(row)
            write_audit(
                connection, by, "silence.created", "silence", str(made.id),
                now=now, after=_said(made),
            )  # fmt: skip
            return made

    def end_silence(self, silence: int, by: Actor, *, only: Only) -> Silence | None:
        """End it now. None where it is unknown, is over, or is about other cameras too."""
        one = silences.c.id == silence
        with self._database.write() as connection:
            now = self._clock()
            row = connection.execute(select(silences).where(one).with_for_update()).first()
            known = None if row is None else _silence(row)
            if known is None or known.ends_at <= now or not known.match.within(only):
                return None
            ended = connection.execute(
                update(silences).where(one).values(ends_at=now).returning(silences)
            ).one()
            after = _silence(ended)
            write_audit(
                connection, by, "silence.ended", "silence", str(silence),
                now=now, before=_said(known), after=_said(after),
            )  # fmt: skip
            return after

    def silences(self, *, only: Only, ended: bool = False) -> list[Silence]:
        """Those that hold or will, those that end first coming first, and with ``ended`` the last
        ones that did after them; of ``only`` these cameras those that name some of them and no
        others."""
        now = self._clock()
        holds = silences.c.ends_at > now
        order = silences.c.ends_at, silences.c.id
        late = silences.c.ends_at.desc(), silences.c.id.desc()
        found: list[Silence] = []
        with self._database.read() as connection:
            for row in connection.execute(select(silences).where(holds).order_by(*order)):
                found.append(_silence(row))
            if ended:
                rows = connection.execute(select(silences).where(~holds).order_by(*late))
                over = (each for each in map(_silence, rows) if each.match.within(only))
                found += islice(over, SHOWN_ENDED)
        return [each for each in found if each.match.within(only)]

    def silences_beside(self, cameras: frozenset[str]) -> int:
        """How many that hold or will are not about these cameras alone, but may hold for them."""
        sites = {site.name: site.cameras for site in self.current().settings.sites}
        return sum(each.match.reaches(cameras, sites) for each in self.silences(only=None))


def what_changes(before: Alerting, after: Alerting) -> tuple[Values, Values]:
    """What the record keeps: the fields that differ, and of lists of named entries those entries
    that do, by name. Of an address only the host is told: more of it may open what it leads
    to."""
    was, now = dict[str, JsonValue](), dict[str, JsonValue]()
    old, new = _fields(before), _fields(after)
    for name, one in old.items():
        other = new[name]
        if not (isinstance(one, dict) and isinstance(other, dict)):
            if one != other:
                was[name], now[name] = one, other
            continue
        if list(one) != list(other) and {*one} == {*other}:
            was[f"order of {name}"], now[f"order of {name}"] = [*one], [*other]
        if one != other:
            was[name] = {key: _told(part) for key, part in one.items() if other.get(key) != part}
            now[name] = {
                key: _told(part, one.get(key))
                for key, part in other.items()
                if one.get(key) != part
            }
    return was, now


def _fields(settings: Alerting) -> dict[str, JsonValue]:
    """Every field; entries that have names by these."""
    document: dict[str, JsonValue] = settings.model_dump(mode="json")
    for name in ("channels", "sites", "routes", "inhibitions"):
        entries = cast("list[dict[str, JsonValue]]", document[name])
        document[name] = {str(entry["name"]): entry for entry in entries}
    return document


def _told(entry: JsonValue, before: JsonValue = None) -> JsonValue:
    """An entry, which was another one ``before``, without what may open something."""
    if not isinstance(entry, dict) or not isinstance(url := entry.get("url"), str):
        return entry
    other = isinstance(before, dict) and before.get("url") not in {None, url}
    return {**entry, "url": f"{_host(url)} (another one)" if other else _host(url)}


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "…"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"


def _current(connection: Connection) -> StoredAlerting:
    row = connection.execute(select(alerting.c.number, alerting.c.document)).one()
    if row.document is None:
        return StoredAlerting(row.number, Alerting())
    try:
        return StoredAlerting(row.number, Alerting.model_validate(row.document))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise StoreError(
            f"the alerting settings are of another version ({where}): run 'matakota alerting "
            "apply' with a file of this version"
        ) from None


def _check(match: Matcher, reason: str, starts_at: float, ends_at: float) -> None:
    if match == Matcher():
        raise BadSilenceError("a silence of everything is none: name cameras, kinds or severities")
    if not reason.strip() or len(reason) > MAX_REASON_CHARS or not reason.isprintable():
        raise BadSilenceError(
            f"a silence has a reason of 1 to {MAX_REASON_CHARS} visible characters: say why"
        )
    if ends_at <= starts_at:
        raise BadSilenceError("a silence ends after it starts, and later than now: correct its end")
    if ends_at - starts_at > MAX_SILENCE_S:
        days = round(MAX_SILENCE_S / 86_400)
        raise BadSilenceError(f"a silence lasts {days} days at most: choose an earlier end")


def _plain(match: Matcher) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = match.model_dump(mode="json", exclude_defaults=True)
    return found


def _silence(row: Row[Any]) -> Silence:
    return Silence(
        row.id, Matcher.model_validate(row.match), row.reason, row.starts_at, row.ends_at,
        row.created_at, row.created_by,
    )  # fmt: skip


def _said(silence: Silence) -> Values:
    return {
        "match": _plain(silence.match),
        "reason": silence.reason,
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
    }
