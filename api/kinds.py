"""What kinds and severities of alerts are called, for whoever speaks to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.i18n import N_, Texts
from vision.types import Severity

KINDS: Final[Mapping[str, str]] = {
    "abandoned_object": N_("Abandoned object"),
    "camera_covered": N_("Camera covered"),
    "camera_dark": N_("Camera dark"),
    "camera_defocused": N_("Camera out of focus"),
    "camera_down": N_("Camera down"),
    "camera_frozen": N_("Camera picture frozen"),
    "camera_moved": N_("Camera moved"),
    "chain_broken": N_("Alerts may not arrive"),
    "channel_broken": N_("Channel not working"),
    "clock_skew": N_("Camera clock wrong"),
    "congestion": N_("Congestion"),
    "crowd": N_("Crowd"),
    "crowd_density": N_("Crowd too dense"),
    "dead_letter": N_("Message that could not be stored"),
    "gathering": N_("Sudden gathering"),
    "heavy_vehicle": N_("Heavy vehicle"),
    "illegal_parking": N_("Illegal parking"),
    "intrusion": N_("Intrusion"),
    "line_crossing": N_("Forbidden crossing"),
    "loitering": N_("Loitering"),
    "pedestrian_on_road": N_("Pedestrian on the road"),
    "person_down": N_("Person down"),
    "queue": N_("Queue"),
    "removed_object": N_("Object removed"),
    "site_down": N_("All cameras of a site down"),
    "smoke_fire": N_("Smoke or fire"),
    "speeding": N_("Speeding"),
    "stopped_vehicle": N_("Stopped vehicle"),
    "stream_corrupt": N_("Camera stream damaged"),
    "watchdog_missing": N_("Watchdog not heard"),
    "wrong_way": N_("Wrong way"),
}
"""What each kind is called. Other programs may post alerts of kinds of their own."""
_OURS: Final = frozenset({
    "chain_broken", "channel_broken", "dead_letter", "site_down", "watchdog_missing"
})  # fmt: skip
"""What the program says of itself."""
INCIDENTS: Final = tuple(kind for kind in KINDS if kind not in _OURS)
"""Those of a camera, which a person may report too."""
SEVERITIES: Final[Mapping[Severity, str]] = {
    "critical": N_("critical"),
    "high": N_("high severity"),
    "medium": N_("medium severity"),
    "low": N_("low severity"),
}
"""Each of them, the worst first."""


def kind_name(kind: str, _: Texts) -> str:
    """What a kind is called; one that is not known here by its own name."""
    name = KINDS.get(kind)
    return kind.replace("_", " ").capitalize() if name is None else _(name)
