"""The record of who did what, to be read and searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from api.access import Role
from api.forms.page import show, texts_of
from api.forms.sent import WrongError, number, time_of
from api.forms.words import ACTIONS, ACTORS, FIELDS, OBJECTS, ROLES
from api.i18n import N_, Texts
from api.services import Served
from api.store import Entry, Wanted
from api.times import iso

ROWS: Final = 50
MAX_SHOWN_CHARS: Final = 160
MAX_SHOWN: Final = 12
MAX_CHANGES: Final = 20
"""Of one value, list or entry; the whole of it is in the CSV."""
FILTERS: Final = ("actor", "action", "object_kind", "object", "from", "to")
NO_SPAN: Final = N_("Nothing lies between these times: write the earlier one under “From”.")

router = APIRouter(include_in_schema=False)


class Change(NamedTuple):
    """One thing that changed: what was taken away and what came."""

    what: str
    old: list[str]
    new: list[str]


class Row(NamedTuple):
    """An entry as people read it; ``differs`` where something was before and is otherwise now."""

    entry: Entry
    action: str
    actor_kind: str
    object_kind: str
    changes: list[Change]
    differs: bool


@router.get("/audit")
def record(request: Request, served: Served) -> Response:
    _ = texts_of(request)
    asked = {name: request.query_params.get(name, "").strip() for name in FILTERS}
    # no text of the record holds it, and not every database can be asked for it
    asked = {name: value.replace("\0", "") for name, value in asked.items()}
    older = number(request.query_params.get("before", ""))
    problem, rows, link, csv = "", list[Row](), "", ""
    try:
        wanted = _wanted(asked)
    except WrongError as error:
        problem = error.said(_)
    else:
        page = served.store.audit.find(wanted, before=older, limit=ROWS)
        rows = [_row(_, entry) for entry in page.entries]
        kept = {name: value for name, value in asked.items() if value}
        if page.more:
            link = "/audit?" + urlencode(kept | {"before": page.entries[-1].id})
        csv = "/api/v1/audit.csv" + _query(kept, wanted)
    values = {
        "asked": asked,
        "rows": rows,
        "older": link,
        "newest": older is None,
        "csv": csv,
        "actions": _named(_, ACTIONS, asked["action"]),
        "objects": _named(_, OBJECTS, asked["object_kind"]),
    }
    return show(request, "audit.html", values, status=422 if problem else 200, problem=problem)


def _wanted(asked: Mapping[str, str]) -> Wanted:
    from_ts, to_ts = time_of(asked["from"]), time_of(asked["to"])
    if from_ts is not None and to_ts is not None and to_ts <= from_ts:
        raise WrongError(NO_SPAN)
    return Wanted(
        asked["actor"] or None,
        asked["action"] or None,
        asked["object_kind"] or None,
        asked["object"] or None,
        from_ts,
        to_ts,
    )


def _query(kept: Mapping[str, str], wanted: Wanted) -> str:
    times = {"from": wanted.from_ts, "to": wanted.to_ts}
    said = {name: iso(ts) for name, ts in times.items() if ts is not None}
    return "?" + urlencode(dict(kept) | said) if kept else ""


def _named(_: Texts, names: Mapping[str, str], chosen: str) -> dict[str, str]:
    """What can be chosen, also what is chosen and has no name."""
    known = {key: _(name) for key, name in names.items()}
    return known if not chosen or chosen in known else known | {chosen: chosen}


def _row(_: Texts, entry: Entry) -> Row:
    return Row(
        entry,
        _(ACTIONS.get(entry.action, entry.action)),
        _(ACTORS.get(entry.actor_kind, entry.actor_kind)),
        _(OBJECTS.get(entry.object_kind, entry.object_kind)),
        _changes(_, entry),
        entry.before is not None and entry.after is not None,
    )


def _changes(_: Texts, entry: Entry) -> list[Change]:
    """What an entry's ``before`` and ``after`` say, by field."""
    before, after = _flat(entry.before), _flat(entry.after)
    changes = []
    for path in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(path), after.get(path)
        if isinstance(old, list) and isinstance(new, list):
            # only what went and what came
            old, new = [x for x in old if x not in new], [x for x in new if x not in old]
        what = " › ".join(_(FIELDS.get(part, part)) for part in path)
        changes.append(Change(what, _values(_, path[-1], old), _values(_, path[-1], new)))
    said = [change for change in changes if change.old or change.new]
    more = len(said) - MAX_CHANGES
    if more <= 0:
        return said
    return [*said[:MAX_CHANGES], Change("…", [], [_("%(n)d more, in the CSV") % {"n": more}])]


def _flat(values: Any, *above: str) -> dict[tuple[str, ...], Any]:
    """Values by where they are: those within others too."""
    if not values or not isinstance(values, dict):
        return {above: values} if above else {}
    flat: dict[tuple[str, ...], Any] = {}
    for name, value in values.items():
        flat |= _flat(value, *above, name)
    return flat


def _values(_: Texts, field: str, value: Any) -> list[str]:
    if value is None:
        return []
    several = value if isinstance(value, list) else [value]
    shown = [_value(_, field, each) for each in several[:MAX_SHOWN]]
    more = len(several) - len(shown)
    return [*shown, _("%(n)d more, in the CSV") % {"n": more}] if more else shown


def _value(_: Texts, field: str, value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if field == "role" and isinstance(value, str) and value in set(Role):
        return _(ROLES[Role(value)])
    text = str(value)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}…"
