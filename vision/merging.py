"""Intervals of one camera, added up to longer ones. Pure functions."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from vision.bins import DECIMALS, Interval, Key
from vision.paces import Pace

K = TypeVar("K")
V = TypeVar("V")


def merged(intervals: Sequence[Interval], start_ts: float, seconds: int) -> Interval:
    """One interval of ``seconds`` from ``start_ts`` on that holds all that these do, at least one,
    of one camera, one revision and one kind of picture, none of them twice. Of a line or movement
    that is not in all of them, what is known counts. Its ``version`` is 0."""
    first = intervals[0]
    counts, late = Counter[Key](), Counter[tuple[str, str]]()
    paces: dict[Key, Pace] = {}
    lines: dict[str, tuple[str, ...]] = {}
    classes: dict[str, None] = {}
    for each in intervals:
        counts.update(each.counts)
        late.update(each.late)
        for key, pace in each.paces.items():
            paces[key] = paces[key] + pace if key in paces else pace
        for line, by in each.lines.items():
            lines[line] = tuple(dict.fromkeys((*lines.get(line, ()), *by)))
        classes |= dict.fromkeys(each.classes)
    observed_s = _sum(each.observed_s for each in intervals)
    observed = {
        line: _sum(each.observed_of(line) for each in intervals if line in each.lines)
        for line in lines
    }
    whole = all(seen_s == observed_s for seen_s in observed.values())
    return Interval(
        camera_id=first.camera_id,
        start_ts=float(start_ts),
        seconds=seconds,
        revision=first.revision,
        version=0,
        observed_s=observed_s,
        frames=sum(each.frames for each in intervals),
        lines=MappingProxyType(lines),
        classes=tuple(classes),
        counts=_frozen(counts),
        late=_frozen(late),
        observed=MappingProxyType({} if whole else observed),
        blind_s=_sum(each.blind_s for each in intervals),
        paces=_frozen(paces),
        occupied=_frozen(_added(each.occupied for each in intervals)),
        synthetic=first.synthetic,
    )


def binned(intervals: Iterable[Interval], seconds: int, offset_s: int = 0) -> list[Interval]:
    """The intervals of one camera, none of them longer than ``seconds``, added up to such as begin
    at whole multiples of ``seconds`` less ``offset_s``: one for each revision and kind of picture,
    by time. An interval of which nothing is known is not there."""
    groups: defaultdict[tuple[int, int, bool], list[Interval]] = defaultdict(list)
    for each in intervals:
        start = math.floor((each.start_ts + offset_s) / seconds) * seconds - offset_s
        groups[start, each.revision, each.synthetic].append(each)
    return [merged(group, where[0], seconds) for where, group in sorted(groups.items())]


def _sum(seconds: Iterable[float]) -> float:
    return round(math.fsum(seconds), DECIMALS)


def _added(each: Iterable[Mapping[str, float]]) -> dict[str, float]:
    found: defaultdict[str, list[float]] = defaultdict(list)
    for one in each:
        for line, seconds in one.items():
            found[line].append(seconds)
    return {line: _sum(seconds) for line, seconds in found.items()}


def _frozen(values: Mapping[K, V]) -> Mapping[K, V]:
    return MappingProxyType(dict(values))
