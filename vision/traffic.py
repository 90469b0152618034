"""Classes of traffic as the Indonesian capacity manual has them, and passenger-car units.

PKJI 2023 (*Pedoman Kapasitas Jalan Indonesia*) followed MKJI 1997. A vehicle's equivalent (emp)
depends on the type of the road, its width and how much passes in that hour, so one constant for a
class is wrong; a road of which the tables say nothing has no sum, and never that of another one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

HOUR_S: Final = 3600
WATCHED: Final = 0.9
"""An hour says how much passes on a road, or is one of those among which a peak is looked for,
where it was watched for this part: what passed in the rest is as in what was watched."""


class VehicleClass(StrEnum):
    """Who is on the road. ``OTHER`` is none of these; of ``UNMAPPED`` nobody said what it is."""

    SM = "SM"
    """With two or three wheels and an engine."""
    MP = "MP"
    """Car, jeep, minibus, pickup, small truck."""
    KS = "KS"
    """Small or medium bus, truck of two axles and six wheels."""
    BB = "BB"
    """Bus of two or three axles."""
    TB = "TB"
    """Truck of three axles or more, trailer."""
    KTB = "KTB"
    """Not motorised: outside the sum."""
    PEDESTRIAN = "pedestrian"
    OTHER = "other"
    UNMAPPED = "unmapped"


MOTORISED: Final = (
    VehicleClass.SM, VehicleClass.MP, VehicleClass.KS, VehicleClass.BB, VehicleClass.TB,
)  # fmt: skip
HEAVY: Final = (VehicleClass.KS, VehicleClass.BB, VehicleClass.TB)

Per: TypeAlias = Literal["road", "lane"]
"""Of what a row's flow is: of both directions of a road, or of a lane in one direction."""
Passed: TypeAlias = Mapping[VehicleClass, int]


class Why(StrEnum):
    """Why there is no sum in passenger-car units."""

    NO_ROAD = "no_road"
    NO_ROW = "no_row"
    NO_FLOW = "no_flow"
    NO_FACTOR = "no_factor"
    UNMAPPED = "unmapped"

    @property
    def words(self) -> str:
        """In English, for tables."""
        return _WORDS[self]


_WORDS: Final = MappingProxyType(
    {
        Why.NO_ROAD: "nobody said what road this is",
        Why.NO_ROW: "the tables have no row for this road and this flow",
        Why.NO_FLOW: f"the hour was watched for less than {WATCHED:.0%}, so its flow is unknown",
        Why.NO_FACTOR: "the row has no factor for a class that passed",
        Why.UNMAPPED: "something passed of which nobody said what class it is",
    }
)


@dataclass(frozen=True, slots=True)
class ClassMap:
    """What the classes of some detectors are. ``cannot_tell`` says, by language, what they do
    not tell apart."""

    models: tuple[str, ...]
    classes: Mapping[str, VehicleClass]
    cannot_tell: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, detector_class: str) -> VehicleClass:
        return self.classes.get(detector_class, VehicleClass.UNMAPPED)


@dataclass(frozen=True, slots=True)
class Road:
    """What a line lies across. ``type`` is as the tables have it (``2/2-TT``), ``lanes`` are those
    of one direction, ``width_m`` is that of the carriageway."""

    name: str
    type: str
    width_m: float | None = None
    lanes: int | None = None


@dataclass(frozen=True, slots=True)
class EmpRow:
    """The ``factors`` of roads of these types that are wider than ``over_m`` and up to
    ``up_to_m``, with a flow of ``from_flow`` vehicles an hour or more and less than
    ``below_flow``, ``per`` road or lane; None where the row asks for no flow."""

    roads: tuple[str, ...]
    factors: Mapping[VehicleClass, float]
    per: Per | None = None
    from_flow: float = 0.0
    below_flow: float = math.inf
    over_m: float = 0.0
    up_to_m: float = math.inf

    @property
    def asks_for_width(self) -> bool:
        return self.over_m > 0 or self.up_to_m < math.inf

    @property
    def words(self) -> str:
        """In English, for tables."""
        said = [", ".join(self.roads)]
        if self.asks_for_width:
            said.append(_span(self.over_m, self.up_to_m, "over", "up to", "m wide"))
        if self.per is not None:
            unit = "vehicles/h" if self.per == "road" else "vehicles/h and lane"
            said.append(_span(self.from_flow, self.below_flow, "from", "under", unit))
        return f"{', '.join(said)}: {_factors(self.factors)}"

    def fits(self, road: Road, flow: float | None) -> bool:
        """Whether it is of this road with so many vehicles an hour, ``per`` road or lane."""
        if road.type not in self.roads:
            return False
        if self.asks_for_width and (
            road.width_m is None or not self.over_m < road.width_m <= self.up_to_m
        ):
            return False
        return self.per is None or (flow is not None and self.from_flow <= flow < self.below_flow)


@dataclass(frozen=True, slots=True)
class Equivalents:
    """Passenger-car equivalents: rows, and as which class (``folds``) one counts
    in those of them that have no factor of its own."""

    source: str
    version: str
    rows: tuple[EmpRow, ...]
    folds: Mapping[VehicleClass, VehicleClass] = field(default_factory=lambda: MappingProxyType({}))

    def of_type(self, road_type: str) -> tuple[EmpRow, ...]:
        return tuple(row for row in self.rows if road_type in row.roads)


@dataclass(frozen=True, slots=True)
class HourFlow:
    """Motorised vehicles an hour in one clock hour on a road: of ``both`` directions of a line,
    and in its ``own``."""

    both: float
    own: float

    @staticmethod
    def of(
        passed: Mapping[str, Passed], direction: str, observed_s: float, seconds: int = HOUR_S
    ) -> HourFlow | None:
        """From what passed a line in an hour, by direction and class, of which ``observed_s``
        seconds were watched. None where that is less than ``WATCHED`` of it: what passes is
        not known well enough to choose a row."""
        if observed_s < WATCHED * seconds:
            return None
        each = {way: motorised(counts) * HOUR_S / observed_s for way, counts in passed.items()}
        return HourFlow(math.fsum(each.values()), each.get(direction, 0.0))


@dataclass(frozen=True, slots=True)
class Smp:
    """Passenger-car units of what was counted by ``row``, or why there are none."""

    value: float | None
    why: Why | None = None
    row: EmpRow | None = None


def motorised(counts: Passed) -> int:
    """How many of them have an engine."""
    return sum(counts.get(each, 0) for each in MOTORISED)


def smp(
    road: Road | None, equivalents: Equivalents, counts: Passed, hour_flow: HourFlow | None
) -> Smp:
    """The passenger-car units of ``counts``, which passed in the hour of ``hour_flow`` or in a part
    of it; they are what was counted, and nothing is added for what nobody watched."""
    if road is None:
        return Smp(None, Why.NO_ROAD)
    rows = equivalents.of_type(road.type)
    if not rows:
        return Smp(None, Why.NO_ROW)
    if counts.get(VehicleClass.UNMAPPED):
        return Smp(None, Why.UNMAPPED)
    row = next((each for each in rows if each.fits(road, _flow(each, road, hour_flow))), None)
    if row is None:
        asked = hour_flow is None and any(each.per is not None for each in rows)
        return Smp(None, Why.NO_FLOW if asked else Why.NO_ROW)
    parts = []
    for name in MOTORISED:
        if count := counts.get(name, 0):
            folded = equivalents.folds.get(name, name)
            factor = row.factors.get(name, row.factors.get(folded))
            if factor is None:
                return Smp(None, Why.NO_FACTOR, row)
            parts.append(factor * count)
    return Smp(math.fsum(parts), row=row)


def summed(parts: Iterable[Smp]) -> Smp:
    """Of several hours or directions together: the sum where each of them has one, and the row
    where all were by the same."""
    found = list(parts)
    missing = next((each for each in found if each.value is None), None)
    if missing is not None:
        return Smp(None, missing.why)
    rows: Sequence[EmpRow | None] = [each.row for each in found]
    same = rows[0] if rows and all(row == rows[0] for row in rows) else None
    return Smp(math.fsum(each.value for each in found if each.value is not None), row=same)


def _flow(row: EmpRow, road: Road, hour_flow: HourFlow | None) -> float | None:
    if hour_flow is None or row.per is None:
        return None
    if row.per == "road":
        return hour_flow.both
    return None if road.lanes is None else hour_flow.own / road.lanes


def _span(low: float, high: float, over: str, under: str, unit: str) -> str:
    said = [f"{over} {low:g}"] if low > 0 else []
    said += [f"{under} {high:g}"] if high < math.inf else []
    return f"{' and '.join(said)} {unit}" if said else f"any {unit}"


def _factors(factors: Mapping[VehicleClass, float]) -> str:
    return ", ".join(f"{name} {factor:g}" for name, factor in factors.items())
