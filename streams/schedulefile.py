"""The schedule of a rule, as it is read from a scene file and as JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time
from typing import Final, cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from streams.rulesettings import read_setting
from streams.yamlfile import Item, did_you_mean, listed, quoted
from vision.schedule import EVERY_DAY, OnHolidays, Schedule, Span, public_holidays
from vision.types import JsonValue

TIME_ZONE: Final = "Asia/Makassar"
SPAN_FIELDS: Final = ("days", "from", "to")
SCHEDULE_FIELDS: Final = (*SPAN_FIELDS, "spans", "time_zone", "holidays", "on_holidays")
WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_SPANS: Final = 50
MAX_HOLIDAYS: Final = 500

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COUNTRY = re.compile(r"[A-Z]{2}(/[a-z]+)?")


def read_schedule(item: Item) -> Schedule:
    """The schedule in a value of a file, checked."""
    fields = item.mapping()
    item.refuse_unknown(fields, SCHEDULE_FIELDS)
    zone = _zone(fields["time_zone"]) if "time_zone" in fields else ZoneInfo(TIME_ZONE)
    dates, countries = read_holidays(fields["holidays"]) if "holidays" in fields else ((), ())
    on_holidays: OnHolidays = "same"
    if "on_holidays" in fields:
        on_holidays = cast("OnHolidays", read_setting(OnHolidays, fields["on_holidays"]))
        if on_holidays != "same" and not (dates or countries):
            fields["on_holidays"].fail("no holidays are named; add 'holidays: [ID]', say")
    elif dates or countries:
        fields["holidays"].fail(
            "nothing says what they change; add 'on_holidays: all' or 'on_holidays: none'"
        )
    return Schedule(_spans(item, fields), zone, frozenset(dates), on_holidays, countries)


def _spans(item: Item, fields: Mapping[str, Item]) -> tuple[Span, ...]:
    """The one that stands in the schedule itself, or those under ``spans``."""
    own = [name for name in SPAN_FIELDS if name in fields]
    if "spans" not in fields:
        if not own and "on_holidays" not in fields:
            item.fail("it names no time; add 'days: mon-fri', or 'from' and 'to', or remove it")
        return (_span(item, fields),)
    if own:
        fields[own[0]].fail(
            "the spans have days and hours of their own; put it into one of them",
            line=fields[own[0]].key_line,
        )
    entries = fields["spans"].items()
    if not 0 < len(entries) <= MAX_SPANS:
        fields["spans"].fail(f"found {len(entries)} spans; write 1 to {MAX_SPANS} of them")
    found = []
    for entry in entries:
        parts = entry.mapping()
        entry.refuse_unknown(parts, SPAN_FIELDS)
        found.append(_span(entry, parts))
    return tuple(found)


def _span(item: Item, fields: Mapping[str, Item]) -> Span:
    """A span; every day where none is named, the whole day where no hours are."""
    days = _days(fields["days"]) if "days" in fields else EVERY_DAY
    if ("from" in fields) != ("to" in fields):
        there, missing = ("from", "to") if "from" in fields else ("to", "from")
        item.fail(f"'{there}' is given without '{missing}'; add '{missing}: \"05:00\"', say")
    if "from" not in fields:
        return Span(days, time(0), time(0))
    start, end = (_clock(fields[side], side) for side in ("from", "to"))
    if start == end and fields["to"].text() != "24:00":
        fields["to"].fail("it is 'from' again; leave both out for the whole day")
    return Span(days, start, end)


def _clock(item: Item, side: str) -> time:
    """A time of day; 24:00 is the end of the day."""
    text = item.text()
    if not _CLOCK.fullmatch(text) or (text == "24:00" and side == "from"):
        item.fail(f'{quoted(text)} is no time of day; write hours and minutes such as "22:00"')
    return time(0) if text == "24:00" else time.fromisoformat(text)


def _days(item: Item) -> frozenset[int]:
    found: set[int] = set()
    for entry in _one_or_more(item):
        text = entry.text()
        first, dash, last = text.partition("-")
        ends = [first, last] if dash else [first]
        for name in ends:
            if name not in WEEK:
                hint = did_you_mean(name, WEEK) or f" (days are {listed(WEEK)})"
                entry.fail(f"unknown day {quoted(name)}{hint}; write a day or a range like mon-fri")
        begin, end = WEEK.index(ends[0]), WEEK.index(ends[-1])
        found |= {(begin + i) % 7 for i in range((end - begin) % 7 + 1)}
    return frozenset(found)


def _zone(item: Item) -> ZoneInfo:
    name = item.text()
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        hint = did_you_mean(name, sorted(available_timezones()))
        item.fail(
            f"unknown time zone {quoted(name)}{hint or f'; write a name such as {TIME_ZONE}'}"
        )


def read_holidays(item: Item) -> tuple[tuple[date, ...], tuple[str, ...]]:
    """Dates, and countries whose public holidays are known."""
    dates: dict[date, None] = {}
    countries: dict[str, None] = {}
    entries = _one_or_more(item)
    if len(entries) > MAX_HOLIDAYS:
        item.fail(f"found {len(entries)} holidays; write at most {MAX_HOLIDAYS}")
    for entry in entries:
        text = entry.text()
        if _COUNTRY.fullmatch(text):
            try:
                public_holidays(text, date.max.year)
            except ValueError as problem:
                entry.fail(f"{problem}; write the dates themselves")
            countries[text] = None
            continue
        try:
            if not _DATE.fullmatch(text):
                raise ValueError
            dates[date.fromisoformat(text)] = None
        except ValueError:
            entry.fail(
                f'{quoted(text)} is no date and no country; write "2026-12-24", or ID for the '
                "public holidays of Indonesia"
            )
    return tuple(dates), tuple(countries)


def _one_or_more(item: Item) -> list[Item]:
    """The entries of a list, which is not empty, or the value itself."""
    if not isinstance(item.plain(), list):
        return [item]
    if not (entries := item.items()):
        item.fail("the list is empty; name one or leave the field out")
    return entries


def schedule_schema() -> dict[str, JsonValue]:
    """JSON Schema of a schedule."""
    day, clock = "|".join(WEEK), "([01][0-9]|2[0-3]):[0-5][0-9]"
    span: dict[str, JsonValue] = {
        "days": _one_or_list(
            f"^({day})(-({day}))?$", "Days and ranges of days, such as mon-fri; all if left out."
        ),
        "from": {
            "type": "string",
            "pattern": f"^{clock}$",
            "description": "When the span begins, local time; the whole day without from and to.",
        },
        "to": {
            "type": "string",
            "pattern": f"^({clock}|24:00)$",
            "description": "When it ends; no later than from, it ends on the next day.",
        },
    }
    together: dict[str, JsonValue] = {"from": ["to"], "to": ["from"]}
    return {
        "type": "object",
        "description": "When the rule watches; always if left out.",
        "properties": {
            **span,
            "spans": {
                "type": "array",
                "description": "Several spans, instead of days, from and to beside it.",
                "items": {
                    "type": "object",
                    "properties": dict(span),
                    "dependentRequired": together,
                    "additionalProperties": False,
                },
                "minItems": 1,
                "maxItems": MAX_SPANS,
            },
            "time_zone": {
                "type": "string",
                "description": "The time zone of days, hours and holidays, an IANA name.",
                "default": TIME_ZONE,
            },
            "holidays": _one_or_list(
                "^([0-9]{4}-[0-9]{2}-[0-9]{2}|[A-Z]{2}(/government)?)$",
                "Dates, and countries whose public holidays are meant; ID/government adds the days "
                "of joint leave.",
            ),
            "on_holidays": {
                "enum": list(get_args(OnHolidays)),
                "description": "Whether the rule watches on holidays: the whole day, not at all, "
                "or as on any other day.",
                "default": "same",
            },
        },
        "dependentRequired": {**together, "holidays": ["on_holidays"]},
        "additionalProperties": False,
    }


def _one_or_list(pattern: str, description: str) -> JsonValue:
    one: JsonValue = {"type": "string", "pattern": pattern}
    return {
        "description": description,
        "anyOf": [one, {"type": "array", "items": one, "minItems": 1}],
    }
