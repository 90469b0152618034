"""A morning at two lines of one camera, with all that goes wrong in one, and reports of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from api.i18n import Language, texts
from api.traffic.report import build
from api.traffic.values import Flow, Recorded, Report, Wanted
from streams.trafficfile import Traffic, shipped_traffic, traffic_of
from tests.api.served import DAY
from vision.bins import Interval, Key
from vision.types import JsonValue

START = int(DAY)
"""08:00 WITA, a Saturday."""
QUARTER = 900
GATE = "gate"
WAYS = ("in", "out")
CLASSES = ("car", "motorcycle", "truck", "person")
MADE_TS = DAY + 86_400.5
OUTAGE, MOVED, PARTLY, CHANGED = range(4, 8), 8, 9, 14
"""By quarters: nothing came; no view that can be trusted; a third of one; another scene."""


def interval(quarter: int, counts: Mapping[Key, int] | None = None, **more: Any) -> Interval:
    """A quarter of an hour that was watched."""
    values: dict[str, Any] = {
        "seconds": QUARTER, "revision": 1, "version": 0, "observed_s": 900.0, "frames": 4500,
        "lines": MappingProxyType({GATE: WAYS}), "classes": CLASSES,
    }  # fmt: skip
    return Interval(
        "plaza", float(START + QUARTER * quarter), counts=counts or {}, **(values | more)
    )


def passed(cars: int, motorcycles: int = 0, trucks: int = 0, line: str = GATE) -> dict[Key, int]:
    """So many in, and half of them out."""
    each = {"car": cars, "motorcycle": motorcycles, "truck": trucks}
    into = {(line, "in", name): n for name, n in each.items() if n}
    return into | {(line, "out", name): n // 2 for name, n in each.items() if n // 2}


def morning() -> list[Interval]:
    """Six hours: in the second nothing came; then the view was moved for a quarter of an hour and
    for 10 minutes of the next; at 11:30 the scene was changed, and has another line."""
    found = [interval(quarter, passed(20 + quarter, 60, 4)) for quarter in range(4)]
    found.append(interval(MOVED, observed_s=0.0, frames=0, blind_s=900.0))
    found.append(interval(PARTLY, passed(9, 15), observed_s=300.0, blind_s=600.0, frames=1500))
    found += [interval(quarter, passed(30, 60, 4)) for quarter in range(PARTLY + 1, CHANGED)]
    lines = MappingProxyType({GATE: WAYS, "stop": WAYS})
    found += [
        interval(quarter, passed(40, 50) | passed(7, line="stop"), revision=2, lines=lines)
        for quarter in range(CHANGED, 24)
    ]
    return found


def traffic(**document: JsonValue) -> Traffic:
    return traffic_of(document, "made") if document else shipped_traffic()


def two_lanes(width_m: float = 7.0, road_type: str = "2/2-TT") -> Traffic:
    """Both lines lie across such a road."""
    road = {"camera": "plaza", "name": "Jalan Contoh", "type": road_type, "width_m": width_m}
    return traffic(roads=[road])


def report(
    intervals: Sequence[Interval],
    settings: Traffic | None = None,
    *,
    hours: float = 6,
    seconds: int = QUARTER,
    language: Language = "en",
    model: str | None = "nanodet_g",
    start: int = START,
    line: str | None = None,
    **more: Any,
) -> Report:
    camera = Recorded("plaza", "Plaza", model, None, intervals, **more)
    asked = Wanted(start, start + round(3600 * hours), seconds, line)
    return build([camera], settings or shipped_traffic(), asked, MADE_TS, texts(language))


def flows(found: Report, line: str = GATE, direction: str = "in") -> list[Flow]:
    return [flow for flow in found.flows if (flow.line, flow.direction) == (line, direction)]
