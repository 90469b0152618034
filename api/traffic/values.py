"""A traffic report as values: what every file of it is written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from api.i18n import Language
from api.store.validations import Validation
from streams.config import Position
from vision.bins import Interval, Key
from vision.junctions import TurnKind
from vision.measures import Peak
from vision.sun import Light
from vision.traffic import VehicleClass, Why

BASE_S: Final = 900
"""Hours are told from intervals of this length or less: by them it is that factors are chosen, and
that peaks are found."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one camera saw, in intervals none of which is longer than ``BASE_S``, and with which
    ``model``; None where nobody knows. ``position`` is where it stands, None where nobody said.
    ``validated`` says by line how its counts compare with those of people. ``drawn`` is what it
    counts as far as anybody knows, for a time of which nothing is stored."""

    camera: str
    name: str
    model: str | None
    position: Position | None
    intervals: Sequence[Interval]
    validated: Mapping[str, Validation] = field(default_factory=lambda: MappingProxyType({}))
    drawn: Sequence[Key] = ()


class Wanted(NamedTuple):
    """Which counts: those of [from_ts, to_ts), UTC seconds, in bins of ``seconds``, which begin
    where a bin does; of one ``line`` or movement, or of all."""

    from_ts: int
    to_ts: int
    seconds: int
    line: str | None = None


@dataclass(frozen=True, slots=True)
class ClassCount:
    """How many of one class of the detector passed: None where nobody watched. Of ``measured`` of
    them ``kmh`` is the space-mean speed. ``smp`` is None where there is nothing to say, or where
    no factor may be applied."""

    class_name: str
    vehicle: VehicleClass
    count: int | None
    smp: float | None = None
    kmh: float | None = None
    measured: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """What passed one line, or went one way of a movement, in the ``seconds`` from ``start_ts`` on
    (UTC), under one ``revision`` of the scene: None, as all that rests on it, where nobody
    watched. A gap of which nothing is stored has no revision and is of no view.

    ``vehicles`` are all with an engine, None too where something passed of which nobody said what
    it is; where something is counted that has no ``smp``, ``why``
    says so. ``occupied`` is the share of the watched time for which something stood on the line,
    whichever way it went."""

    camera: str
    line: str
    direction: str
    start_ts: int
    seconds: int
    counts: tuple[ClassCount, ...]
    revision: int | None = None
    synthetic: bool = False
    observed_s: float = 0.0
    blind_s: float = 0.0
    frames: int = 0
    view_valid: bool | None = None
    light: Light | None = None
    holiday: bool = False
    late: int = 0
    watched: bool = False
    vehicles: int | None = None
    smp: float | None = None
    why: Why | None = None
    kmh: float | None = None
    measured: int = 0
    headway_s: float | None = None
    occupied: float | None = None

    @property
    def observed(self) -> float:
        """The share of the time that was watched."""
        return self.observed_s / self.seconds


@dataclass(frozen=True, slots=True)
class Summary:
    """A line or movement over all the time: in one ``direction``, or in all of them, "". What is
    summed is what was seen, by ``classes`` of the detector and ``kinds`` of vehicles;
    ``observed_s`` of ``seconds`` were watched, and ``gaps`` of the ``bins`` not at all. ``smp`` is
    of ``smp_of`` vehicles, and ``why`` says why it is not of the others. ``vehicles``, and what
    rests on it, is None where something passed of which nobody said what it is. What is
    ``synthetic`` is summed only where nothing is real."""

    camera: str
    line: str
    direction: str
    classes: Mapping[str, int]
    kinds: Mapping[VehicleClass, int]
    vehicles: int | None
    smp: float | None
    smp_of: int
    why: Why | None
    seconds: int
    observed_s: float
    bins: int
    gaps: int
    share: float | None
    """Of the vehicles of all directions."""
    heavy: float | None
    kmh: float | None
    measured: int
    peak: Peak | None
    peak_smp: float | None
    """Of all that passed in the peak hour; None where some of it has none."""
    synthetic: bool

    @property
    def observed(self) -> float:
        return self.observed_s / self.seconds


class TurnCount(NamedTuple):
    """Who turned so at a junction. ``vehicles`` is what was seen, None where nobody watched,
    or where something passed of which nobody said what it is; ``share`` is that of the approach,
    in bins in which each of its turns was watched. ``smp`` is of ``smp_of`` vehicles."""

    junction: str
    approach: str
    turn: TurnKind
    camera: str
    line: str
    direction: str
    vehicles: int | None
    kinds: Mapping[VehicleClass, int]
    share: float | None
    smp: float | None
    smp_of: int
    why: Why | None
    observed: float


class WeekHour(NamedTuple):
    """How many vehicles pass a line, in all directions, in the hour that begins ``second`` seconds
    after midnight of a ``weekday`` (Monday is 0), on average over so many ``days`` that are no
    holidays."""

    camera: str
    line: str
    weekday: int
    second: int
    vehicles: float
    days: int


class Said(NamedTuple):
    """One thing to know about how the numbers came about: of ``about`` it is said that its
    ``name`` is ``value``."""

    about: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Report:
    """``flows`` by camera, line, time and direction; ``method`` is what must be known to use them.
    ``names`` are those of the cameras; it was made at ``made_ts``."""

    wanted: Wanted
    made_ts: float
    language: Language
    names: Mapping[str, str]
    flows: Sequence[Flow]
    summaries: Sequence[Summary]
    turns: Sequence[TurnCount]
    week: Sequence[WeekHour]
    method: Sequence[Said]
