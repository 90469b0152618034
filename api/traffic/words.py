"""What a report says in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from api.i18n import N_, Texts
from vision.junctions import TurnKind
from vision.sun import Light
from vision.traffic import EmpRow, Per, VehicleClass, Why

LIGHTS: Final[Mapping[Light, str]] = {
    "day": N_("day"), "dusk": N_("dusk"), "night": N_("night"),
}  # fmt: skip
WEEKDAYS: Final = (
    N_("Monday"), N_("Tuesday"), N_("Wednesday"), N_("Thursday"), N_("Friday"), N_("Saturday"),
    N_("Sunday"),
)  # fmt: skip
TURNS: Final[Mapping[TurnKind, str]] = {
    "left": N_("left"),
    "straight": N_("straight on"),
    "right": N_("right"),
    "u_turn": N_("U-turn"),
}
REASONS: Final[Mapping[Why, str]] = {
    Why.NO_ROAD: N_("nobody said what road this is"),
    Why.NO_ROW: N_("the tables have no row for this road and this flow"),
    Why.NO_FLOW: N_("the hour was watched too little to know its flow"),
    Why.NO_FACTOR: N_("the row has no factor for a class that passed"),
    Why.UNMAPPED: N_("something passed of which nobody said what class it is"),
}
_KINDS: Final[Mapping[VehicleClass, str]] = {
    VehicleClass.PEDESTRIAN: N_("Pedestrians"),
    VehicleClass.OTHER: N_("Others"),
    VehicleClass.UNMAPPED: N_("Of no class"),
}
_FLOWS: Final[Mapping[Per, tuple[str, str]]] = {
    "road": (N_("from %(n)s vehicles/h"), N_("under %(n)s vehicles/h")),
    "lane": (N_("from %(n)s vehicles/h and lane"), N_("under %(n)s vehicles/h and lane")),
}
RULES: Final = (
    (
        N_("Gaps"),
        N_(
            "A bin that nobody watched has no count, which is not zero. A bin that was watched in "
            "part has what was counted in that part; nothing is added for the rest."
        ),
    ),
    (
        N_("Observed"),
        N_(
            "Seconds of the bin in which pictures were analysed that showed the line. Seconds "
            "blind are those in which pictures came that showed no view that can be trusted: "
            "moved, covered, dark, out of focus. A view is valid where there were none."
        ),
    ),
    (
        N_("Revision of the scene"),
        N_(
            "Each change of what is drawn begins a new revision; what was counted under different "
            "ones is never in one row."
        ),
    ),
    (
        N_("Perhaps missed (late)"),
        N_(
            "How many may have passed the line before they were seen, all classes together: beside "
            "the count, and not in it."
        ),
    ),
    (
        "smp",
        N_(
            "Passenger-car units: each class times its factor, which the type of the road, its "
            "width and the flow of that clock hour choose. The flow is that of what was watched, "
            "and is known where that is nine tenths of the hour. Where no row fits, smp stays "
            "empty; no row is borrowed. Pedestrians and what has no engine (KTB) are outside the "
            "sum."
        ),
    ),
    (
        N_("Peak hour"),
        N_(
            "The 60 minutes in which most motor vehicles were counted, beginning with any bin of "
            "15 minutes or less, among hours all of whose bins are there and that were watched for "
            "nine tenths at least. Its factor is the hour's count divided by four times that of "
            "its busiest 15 minutes."
        ),
    ),
    (
        N_("Motor vehicles"),
        N_(
            "SM, MP, KS, BB and TB. Their number stays empty, as all that rests on it, where "
            "something passed of which nobody said what class it is."
        ),
    ),
    (
        N_("Share of the approach"),
        N_(
            "Of what passed in bins, at most an hour long, of which each turn of the approach was "
            "watched for nine tenths."
        ),
    ),
    (
        N_("Model"),
        N_(
            "The one that the camera has now, or that of a recorded survey. What an earlier one "
            "counted is classed by its map."
        ),
    ),
    (
        N_("Heavy vehicles"),
        N_("KS, BB and TB among the motor vehicles (SM, MP, KS, BB, TB)."),
    ),
    (
        N_("Mean headway"),
        N_("Seconds observed for each motor vehicle in that direction."),
    ),
    (
        N_("Line occupied"),
        N_("The part of the observed time for which something that is counted stood on the line."),
    ),
    (
        N_("Speed"),
        N_(
            "The space-mean speed (harmonic mean, Wardrop 1952) of the motor vehicles that could "
            "be measured at the line; only where the view is calibrated by known lengths."
        ),
    ),
    (
        N_("Daylight"),
        N_(
            "By how high the sun stands in the middle of the bin (NOAA); dusk is civil twilight, "
            "in the morning too."
        ),
    ),
    (N_("Correction"), N_("None: no count was changed by a factor.")),
)
"""How numbers come about, whatever they are of."""


def kind_name(kind: VehicleClass, _: Texts) -> str:
    """The manual's own sign, where it has one."""
    return _(_KINDS[kind]) if kind in _KINDS else kind.value


def row_words(row: EmpRow, _: Texts) -> str:
    """Of which roads and flows a row is, and its factors."""
    said = [", ".join(row.roads)]
    if row.over_m > 0:
        said.append(_("over %(width)s m wide") % {"width": f"{row.over_m:g}"})
    if row.up_to_m < math.inf:
        said.append(_("up to %(width)s m wide") % {"width": f"{row.up_to_m:g}"})
    least, below = _FLOWS[row.per or "road"]
    if row.from_flow > 0:
        said.append(_(least) % {"n": f"{row.from_flow:g}"})
    if row.below_flow < math.inf:
        said.append(_(below) % {"n": f"{row.below_flow:g}"})
    factors = ", ".join(f"{kind.value} {factor:g}" for kind, factor in row.factors.items())
    return f"{', '.join(said)}: {factors}"


def share(value: float) -> str:
    """A part of a whole, for people."""
    return f"{100 * value:.1f} %"
