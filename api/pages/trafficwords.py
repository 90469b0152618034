"""The traffic page's words, in the language of whoever looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.i18n import N_, Texts
from vision.junctions import TurnKind
from vision.movements import UNKNOWN
from vision.traffic import VehicleClass, Why

WEEKDAYS: Final = N_("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS: Final = N_(
    "January February March April May June July August September October November December"
)
"""In one text: alone, some of these words mean something else too."""
CLASSES: Final[Mapping[VehicleClass, str]] = {
    VehicleClass.SM: N_("SM, two and three wheels"),
    VehicleClass.MP: N_("MP, cars"),
    VehicleClass.KS: N_("KS, medium vehicles"),
    VehicleClass.BB: N_("BB, large buses"),
    VehicleClass.TB: N_("TB, large trucks"),
    VehicleClass.KTB: N_("KTB, not motorised"),
    VehicleClass.PEDESTRIAN: N_("Pedestrians"),
    VehicleClass.OTHER: N_("Others"),
    VehicleClass.UNMAPPED: N_("Of no known class"),
}
SHORT: Final[Mapping[VehicleClass, str]] = {
    VehicleClass.PEDESTRIAN: N_("Pedestrians"),
    VehicleClass.OTHER: N_("Others"),
    VehicleClass.UNMAPPED: N_("No class"),
}
"""Where it differs from the class itself."""
TURNS: Final[Mapping[TurnKind, str]] = {
    "left": N_("Left"),
    "straight": N_("Straight on"),
    "right": N_("Right"),
    "u_turn": N_("Turning round"),
}
WHY: Final[Mapping[Why, str]] = {
    Why.NO_ROAD: N_(
        "nobody said what road this is: an administrator adds it to the traffic settings"
    ),
    Why.NO_ROW: N_("the tables have no factors for this road and this flow; none are borrowed"),
    Why.NO_FLOW: N_("the hour was watched for less than 90 %, so which factors hold is not known"),
    Why.NO_FACTOR: N_("the tables have no factor for a class that passed"),
    Why.UNMAPPED: N_("something passed of which nobody said what class it is"),
}


def traffic_texts(_: Texts) -> dict[str, Any]:
    """What the page says whatever it shows."""
    return {
        "locale": "id-ID" if _.language == "id" else "en-GB",
        "title": _("Traffic"),
        "place": _("Place"),
        "choose": _("Choose a camera"),
        "junctions": _("Junctions"),
        "cameras": _("Cameras"),
        "line": _("Line or movement"),
        "direction": _("Direction"),
        "all_directions": _("All directions"),
        "day": _("Day"),
        "day_before": _("Day before"),
        "day_after": _("Next day"),
        "against": _("Compare with"),
        "nothing": _("nothing"),
        "yesterday": _("the day before"),
        "week": _("the same weekday a week before"),
        "another": _("another line on this day"),
        "synthetic": _("No real camera sees this"),
        "exports": _("Download"),
        "flow": _("Flow by class"),
        "flow_unit": _("in a quarter hour"),
        "see_table": _("The numbers are in the table below."),
        "smp": "smp",
        "worth": _("Passenger-car units"),
        "worth_unit": _("smp in a quarter hour"),
        "no_worth": _("Nothing was counted."),
        "speed": _("Speed"),
        "speed_unit": _("km/h, space-mean of the motor vehicles that were measured"),
        "kmh": _("km/h"),
        "no_speed": _(
            "No speed of motor vehicles: it is measured only where the camera is calibrated, on "
            "lines, not on movements."
        ),
        "peak": _("Peak hour"),
        "watched": _("watched"),
        "blind": _("view not valid"),
        "missing": _("not watched"),
        "to_come": _("still to come"),
        "total": _("Total"),
        "late": _("Perhaps more, seen too late"),
        "turning": _("Who turned where"),
        "from_to": _("From ↓ to →"),
        "notes": _("What the numbers rest on"),
        "as_table": _("The quarter hours as a table"),
        "time": _("Time"),
        "light": _("Daylight"),
        "scene": _("Scene"),
        "coverage": _("Watched"),
        "lights": {"day": _("day"), "dusk": _("dawn or dusk"), "night": _("night")},
        "classes": {str(name): _(text) for name, text in CLASSES.items()},
        "short": {str(name): _(SHORT.get(name, "")) or str(name) for name in VehicleClass},
        "turns": {name: _(text) for name, text in TURNS.items()},
        "unknown": {"name": UNKNOWN, "said": _("not seen")},
    }
