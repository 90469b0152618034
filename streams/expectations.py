"""What a clip is expected to show, from a YAML file (``docs/analyse.md``), against what it did."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.analysis import DECIMALS, Summary
from streams.yamlfile import Item, did_you_mean, listed, quoted, read_yaml
from vision.errors import ExpectationError
from vision.rules.registry import kinds
from vision.scene import Scene
from vision.types import Event

TOP_FIELDS = ("counts", "events", "only")
COUNT_FIELDS = ("line", "direction", "class", "count", "tolerance")
EVENT_FIELDS = (
    "kind", "rule", "zone", "line", "raised_s", "start_s", "end_s", "count", "tolerance", "none",
)  # fmt: skip
EVERYTHING = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class CountExpectation:
    """``count`` within ``tolerance`` of one class, or of all together (None)."""

    line: str
    direction: str
    class_name: str | None
    count: int
    tolerance: int

    def counted(self, summary: Summary) -> int:
        """How many of them there were."""
        classes = summary.counts[self.line][self.direction]
        if self.class_name is None:
            return sum(classes.values())
        return classes.get(self.class_name, 0)

    def difference(self, summary: Summary) -> str | None:
        got, what = self.counted(summary), self.class_name or "of all classes"
        if abs(got - self.count) <= self.tolerance:
            return None
        expected = f"{self.count}" + (f" within {self.tolerance}" if self.tolerance else "")
        return f"line '{self.line}' {self.direction}, {what}: expected {expected}, counted {got}"


@dataclass(frozen=True, slots=True)
class EventExpectation:
    """How many events of a kind, rule and place (None: any) start, are raised and end in the
    given windows, (from, to) seconds since the first frame. ``count`` None: at least one."""

    kind: str | None
    rule: str | None
    place: str | None
    start_s: tuple[float, float]
    raised_s: tuple[float, float]
    end_s: tuple[float, float] | None
    count: int | None
    tolerance: int

    def fits(self, event: Event, start_ts: float) -> bool:
        """Is it an event of this kind, in these windows?"""
        return (
            self.begins(event, start_ts)
            and _within(self.raised_s, event.raised_ts, start_ts)
            and self.ends(event, start_ts) is not False
        )

    def begins(self, event: Event, start_ts: float) -> bool:
        """Is it an event of this kind, rule and place that started when it should?"""
        named = (self.kind, event.kind), (self.rule, event.rule), (self.place, event.place)
        if any(wanted not in (None, got) for wanted, got in named):
            return False
        return _within(self.start_s, event.start_ts, start_ts)

    def ends(self, event: Event, start_ts: float) -> bool | None:
        """Did it end when it should? None where nothing is said of its end."""
        if self.end_s is None:
            return None
        return event.end_ts is not None and _within(self.end_s, event.end_ts, start_ts)

    def difference(self, events: Sequence[Event], start_ts: float) -> str | None:
        got = sum(self.fits(event, start_ts) for event in events)
        if self.count is None:
            return None if got else f"{self}: expected at least one, found none"
        if abs(got - self.count) <= self.tolerance:
            return None
        expected = f"{self.count}" + (f" within {self.tolerance}" if self.tolerance else "")
        return f"{self}: expected {expected if self.count else 'none'}, found {got}"

    def __str__(self) -> str:
        words = [f"event '{self.kind}'" if self.kind else "event"]
        words += [f"of rule '{self.rule}'"] if self.rule else []
        words += [f"at '{self.place}'"] if self.place else []
        windows = ("start", self.start_s), ("raised", self.raised_s), ("end", self.end_s)
        words += [
            f"{name} {window[0]:g} to {window[1]:g} s"
            for name, window in windows
            if window is not None and window != EVERYTHING
        ]
        return " ".join(words)


def _within(window: tuple[float, float], ts: float, start_ts: float) -> bool:
    low, high = window
    # as the records show them, so that a time copied from there fits
    return low <= round(ts - start_ts, DECIMALS) <= high


@dataclass(frozen=True, slots=True)
class Expectations:
    """Everything that one clip is expected to show. ``only``: no event beyond the listed ones."""

    counts: tuple[CountExpectation, ...]
    events: tuple[EventExpectation, ...]
    only: bool

    def differences(self, summary: Summary, start_ts: float) -> list[str]:
        """One sentence for each expectation that was not met; empty when all were."""
        found = [count.difference(summary) for count in self.counts]
        found += [event.difference(summary.events, start_ts) for event in self.events]
        if self.only:
            found += [
                f"event '{event.kind}' of rule '{event.rule}' at "
                f"{event.raised_ts - start_ts:.1f} s was not expected"
                for event in summary.events
                if not any(known.fits(event, start_ts) for known in self.events)
            ]
        return [difference for difference in found if difference is not None]


def load_expectations(path: Path, scene: Scene) -> Expectations:
    """The expectations in a YAML file about a clip analysed with ``scene``. Raises
    ExpectationError: one line with file, line, field and the next step."""
    top = read_yaml(path, ExpectationError)
    fields = top.mapping()
    top.refuse_unknown(fields, TOP_FIELDS)
    if not fields.keys() & {"counts", "events"}:
        top.fail("nothing is expected; add 'counts:' or 'events:'")
    return Expectations(
        counts=tuple(read_count(item, scene) for item in _entries(fields, "counts")),
        events=tuple(read_event(item, scene) for item in _entries(fields, "events")),
        only=fields["only"].flag() if "only" in fields else False,
    )


def _entries(fields: Mapping[str, Item], section: str) -> list[Item]:
    return fields[section].items() if section in fields else []


def read_count(item: Item, scene: Scene) -> CountExpectation:
    """One entry of ``counts``; raises ExpectationError, which names the line and the field."""
    fields = item.mapping()
    item.refuse_unknown(fields, COUNT_FIELDS)
    names = {line.name: line for line in scene.lines}
    line = names[_one_of(item.required(fields, "line", "gate"), names)]
    return CountExpectation(
        line=line.name,
        direction=_one_of(
            item.required(fields, "direction", line.forward), (line.forward, line.backward)
        ),
        class_name=_class(fields["class"], scene) if "class" in fields else None,
        count=_natural(item.required(fields, "count", "12")),
        tolerance=_natural(fields["tolerance"]) if "tolerance" in fields else 0,
    )


def read_event(item: Item, scene: Scene, known: Collection[str] = EVENT_FIELDS) -> EventExpectation:
    """One entry of ``events``, of whose fields only the ``known`` may be there; raises
    ExpectationError, which names the line and the field."""
    fields = item.mapping()
    item.refuse_unknown(fields, known)
    if "zone" in fields and "line" in fields:
        item.fail("an event happens at a zone or at a line; remove one of the two")
    places = {"zone": [z.name for z in scene.zones], "line": [line.name for line in scene.lines]}
    none = "none" in fields and fields["none"].flag()
    if none and fields.keys() & {"count", "tolerance"}:
        item.fail("'none: true' already says how many; remove 'count' and 'tolerance'")
    if "tolerance" in fields and "count" not in fields:
        item.fail("'tolerance' is about 'count'; add 'count' or remove it")
    count = _natural(fields["count"]) if "count" in fields else None
    return EventExpectation(
        kind=_one_of(fields["kind"], kinds()) if "kind" in fields else None,
        rule=_one_of(fields["rule"], [rule.name for rule in scene.rules])
        if "rule" in fields
        else None,
        place=next((_one_of(fields[f], places[f]) for f in places if f in fields), None),
        start_s=read_window(fields["start_s"]) if "start_s" in fields else EVERYTHING,
        raised_s=read_window(fields["raised_s"]) if "raised_s" in fields else EVERYTHING,
        end_s=read_window(fields["end_s"]) if "end_s" in fields else None,
        count=0 if none else count,
        tolerance=_natural(fields["tolerance"]) if "tolerance" in fields else 0,
    )


def _one_of(item: Item, known: Sequence[str] | Mapping[str, object]) -> str:
    name = item.text()
    if name not in known:
        hint = did_you_mean(name, list(known)) or f"; known are {listed(list(known)) or 'none'}"
        item.fail(f"{quoted(name)} is unknown here{hint}")
    return name


def _class(item: Item, scene: Scene) -> str:
    """A class of the scene, where it names any: a misspelt one is always counted 0 times."""
    return _one_of(item, scene.classes) if scene.classes else item.text()


def _natural(item: Item) -> int:
    value = item.integer()
    if value < 0:
        item.fail(f"{value} is below 0; write how many there should be")
    return value


def read_window(item: Item) -> tuple[float, float]:
    """From and to, seconds since the first frame."""
    entries = item.items()
    if len(entries) != 2:
        item.fail("a window is two numbers; write [from, to] in seconds since the first frame")
    low, high = (entry.number() for entry in entries)
    if low > high:
        item.fail(f"the window ends at {high:g} s before it begins at {low:g} s; swap the two")
    return low, high
