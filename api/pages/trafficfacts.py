"""The sums of a day that the traffic page shows above its charts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from api.forms.precision import DOTS
from api.i18n import Texts
from api.pages.trafficwords import WHY
from api.store.validations import Validation
from api.times import local
from api.traffic.day import IN_AN_HOUR, Quarter, Stream, measured, slots_of, with_engines
from vision.measures import (
    DAY_S,
    QUARTER_S,
    Peak,
    compared,
    heavy_share,
    mean_headway_s,
    occupancy,
    peak_hour,
    shares,
)
from vision.paces import Pace
from vision.traffic import HOUR_S, Passed, VehicleClass, Why, summed
from vision.validation import EVERY

BOTH: Final = 2


class Other(NamedTuple):
    """What a day is set beside: another one, which began ``shift_s`` earlier, or another line."""

    name: str
    quarters: Sequence[Quarter]
    shift_s: int = 0


def facts(
    quarters: Sequence[Quarter],
    streams: Sequence[Stream],
    peak: Peak | None,
    other: Other | None,
    _: Texts,
) -> list[dict[str, Any]]:
    """Each with a name, a value and what to know about it; a value is None where it is not
    known."""
    known = [each for each in quarters if each.counts is not None]
    watched_s = math.fsum(each.watched_s for each in known)
    passed = Counter[VehicleClass]()
    for each in known:
        passed.update(each.counts)
    found = [_total(quarters, known, watched_s, _), *_peak(quarters, peak, _)]
    if len(streams) == BOTH:
        found.append(_split(known, streams, _))
    found += [_heavy(passed, _), _speed(known, _), _headway(passed, watched_s, _)]
    occupied_s = math.fsum(each.occupied_s for each in known)
    # several lines are occupied, and watched, each for itself
    if occupied_s and len({(each.camera, each.line) for each in streams}) == 1:
        found.append(_fact("occupancy", _("Occupied"), "percent", occupancy(occupied_s, watched_s),
                           note=_("of the watched time something stood on the line")))  # fmt: skip
    if other is not None:
        found.append(_compared(quarters, other, _))
    return found


def _fact(id_: str, name: str, kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"id": id_, "name": name, "kind": kind, "value": value, **more}


def _total(
    quarters: Sequence[Quarter], known: Sequence[Quarter], watched_s: float, _: Texts
) -> dict[str, Any]:
    over_s = math.fsum(each.elapsed_s for each in quarters)
    share = math.floor(100 * watched_s / over_s) if over_s else 0
    if over_s < DAY_S:
        note = _("%(share)d %% of the day so far was watched") % {"share": share}
    else:
        note = _("%(share)d %% of the day was watched") % {"share": share}
    value = sum(each.total or 0 for each in known) if known else None
    return _fact("total", _("Counted"), "number", value, note=note)


def _peak(quarters: Sequence[Quarter], peak: Peak | None, _: Texts) -> list[dict[str, Any]]:
    name = _("Peak hour")
    if peak is None or not peak.value:
        note = _("no hour was watched well enough")
        if peak is not None:
            note = _("nobody passed in any hour that was watched well enough")
        elif peak_hour(slots_of(quarters, motor=False)) is not None:
            note = _(WHY[Why.UNMAPPED])
        return [_fact("peak", name, "text", "–", note=note)]
    span = f"{local(peak.start_ts):%H:%M}–{local(peak.start_ts + HOUR_S):%H:%M}"
    said = {"n": _number(peak.value, _), "share": math.floor(100 * peak.watched)}
    note = _("%(n)s passed, %(share)d %% watched") % said
    first = int(peak.start_ts - quarters[0].start_ts) // QUARTER_S
    worth = summed(each.smp for each in quarters[first : first + IN_AN_HOUR])
    more = ""
    if worth.value is not None:
        more = _("%(n)s smp in the peak hour") % {"n": _number(worth.value, _)}
    return [
        _fact("peak", name, "text", span, note=note),
        _fact("factor", _("Peak-hour factor"), "number", peak.factor, digits=2, note=more),
    ]


def _split(known: Sequence[Quarter], streams: Sequence[Stream], _: Texts) -> dict[str, Any]:
    motor = with_engines(known)
    counts = [
        [measured(each.streams[at], motor=motor) for each in known if at in each.streams]
        for at in streams
    ]
    said = "–"
    whole = all(len(each) == len(known) and None not in each for each in counts)
    parts = shares(dict(zip(streams, (sum(filter(None, each)) for each in counts), strict=True)))
    if whole and parts is not None:
        first = round(100 * parts[streams[0]])
        said = f"{first} : {100 - first}"
    note = " : ".join(stream.direction for stream in streams)
    return _fact("split", _("Directions"), "text", said, note=note)


def _heavy(passed: Passed, _: Texts) -> dict[str, Any]:
    name = _("Heavy vehicles")
    if passed.get(VehicleClass.UNMAPPED):
        return _fact("heavy", name, "percent", None, note=_(WHY[Why.UNMAPPED]))
    note = _("KS, BB and TB of all motor vehicles")
    return _fact("heavy", name, "percent", heavy_share(passed), note=note)


def _headway(passed: Passed, watched_s: float, _: Texts) -> dict[str, Any]:
    n = measured(passed, motor=True)
    note = _("from one motor vehicle to the next") if n is not None else _(WHY[Why.UNMAPPED])
    value = mean_headway_s(n or 0, watched_s)
    return _fact("headway", _("Mean headway"), "number", value, digits=1, unit="s", note=note)


def _speed(known: Sequence[Quarter], _: Texts) -> dict[str, Any]:
    pace: Pace | None = None
    for each in known:
        if each.pace is not None:
            pace = each.pace if pace is None else pace + each.pace
    name = _("Mean speed")
    if pace is None:
        return _fact("speed", name, "number", None, note=_("of no motor vehicle it was measured"))
    note = _("space-mean of %(n)s motor vehicles") % {"n": _number(pace.measured, _)}
    return _fact("speed", name, "number", pace.kmh, digits=1, unit=_("km/h"), note=note)


def _compared(quarters: Sequence[Quarter], other: Other, _: Texts) -> dict[str, Any]:
    motor = with_engines(quarters, other.quarters)
    now, before = (slots_of(each, motor=motor) for each in (quarters, other.quarters))
    found = compared(now, before, other.shift_s)
    name = _("Compared")
    if found is None or found.change is None:
        note = _("no quarter hour is known well enough of both")
        return _fact("compared", name, "text", "–", note=note)
    note = _("over %(n)d quarter hours that are known of both") % {"n": found.slots}
    return _fact("compared", name, "text", _signed(found.change), note=note)


def validated(validation: Validation | None, _: Texts) -> dict[str, Any]:
    """How right the line was counted by the model of its newest pieces, which need not be today's,
    by people who counted them; nothing is corrected by it."""
    name = _("Error")
    every = None if validation is None else validation.of(EVERY)
    if validation is None or every is None or every.error is None:
        return _fact("error", name, "text", "–", note=_("nobody has counted pieces of it"))
    by = {"model": validation.model, "date": f"{local(validation.to_ts):%Y-%m-%d}"}
    text = _("model %(model)s, %(n)d pieces up to %(date)s; counts are not corrected by it")
    note = text % (by | {"n": every.pieces})
    if every.errors is not None:
        low, high = map(_signed, every.errors)
        text = _(
            "95 %%: %(low)s to %(high)s, model %(model)s, from %(n)d pieces up to %(date)s; counts "
            "are not corrected"
        )
        note = text % (by | {"low": low, "high": high, "n": every.pieces})
    return _fact("error", name, "text", _signed(every.error), note=note)


def _signed(share: float) -> str:
    return f"{round(100 * share):+d} %".replace("-", "−")


def _number(number: float, _: Texts) -> str:
    return f"{number:,.0f}".replace(",", DOTS[_.language])
