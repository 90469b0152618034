"""Whatever was counted: no report loses anything, counts anything twice, or depends on an order."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from types import MappingProxyType

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.traffic.made import GATE, QUARTER, START, WAYS, interval, report, two_lanes
from vision.bins import Interval

LINES = (GATE, "stop")
COUNTED = st.dictionaries(
    st.tuples(st.sampled_from(LINES), st.sampled_from(WAYS), st.sampled_from(("car", "truck"))),
    st.integers(1, 400),
    max_size=4,
)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    """A minute."""
    lines = MappingProxyType(dict.fromkeys(LINES, WAYS))
    found = interval(
        draw(st.integers(0, 40)),
        draw(COUNTED),
        revision=draw(st.integers(1, 2)),
        observed_s=draw(st.sampled_from((1.0, 40.0, 60.0))),
        lines=lines,
        seconds=60,
    )
    return replace(found, start_ts=found.start_ts + 60 * draw(st.integers(0, 14)))


def identity(each: Interval) -> tuple[float, int]:
    return each.start_ts, each.revision


STATED = st.lists(intervals(), max_size=12, unique_by=identity)
SPANS = ((QUARTER, START, 11), (3600, START, 11), (86_400, START - 8 * 3600, 24))


@settings(max_examples=20, deadline=None)
@given(STATED, st.randoms(use_true_random=False))
def test_nothing_is_lost_or_counted_twice_in_any_order(
    stated: list[Interval], order: Random
) -> None:
    wanted = sum(n for each in stated for n in each.counts.values())
    watched = round(sum(each.observed_s for each in stated), 3)
    mixed = list(stated)
    order.shuffle(mixed)
    for seconds, start, hours in SPANS:
        asked = {"seconds": seconds, "start": start, "hours": hours}
        found = report(stated, two_lanes(), **asked)
        counts = [each.count or 0 for flow in found.flows for each in flow.counts]
        assert sum(counts) == wanted
        for line in LINES if stated else ():
            seen = [f.observed_s for f in found.flows if (f.line, f.direction) == (line, "in")]
            assert round(sum(seen), 3) == watched
        totals = [each for each in found.summaries if not each.direction]
        assert sum(n for each in totals for n in each.classes.values()) == wanted
        assert sum(each.vehicles or 0 for each in totals) == wanted
        again = report(mixed, two_lanes(), **asked)
        assert (again.flows, again.summaries) == (found.flows, found.summaries)
