"""A made-up city whose cameras counted for two weeks, with a day on which all went wrong that can:
an outage, a moved view, a scene that was changed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, timedelta

from api.store import Store
from api.traffic.asked import midnight_of
from streams.address import parse_address
from streams.config import CameraConfig, City
from streams.messages import CountsMessage
from streams.trafficfile import traffic_of
from tests.api.served import TESTER, report
from vision.bins import Interval, Key
from vision.measures import DAY_S, QUARTER_S
from vision.movements import direction
from vision.paces import Pace
from vision.types import JsonValue

PORT, SQUARE, BARE = "port", "square", "bare"
"""A road with a line across it, a junction, and a camera that counts nothing."""
LINE, LANE = "gerbang", "dermaga"
IN, OUT = "masuk", "keluar"
OUTAGE, MOVED, CHANGED = range(40, 46), range(52, 55), 62
"""Quarter hours: 10:00 to 11:30, 13:00 to 13:45, and 15:30, from which on another scene holds."""
ARMS = ("utara", "timur", "selatan", "barat")
SHARES = {"motorcycle": 0.62, "car": 0.25, "truck": 0.08, "bus": 0.02, "bicycle": 0.03}
TURNS = {(a, b): 1 + (3 * i + 5 * j) % 7 for i, a in enumerate(ARMS) for j, b in enumerate(ARMS)}


def zone(name: str, x: float, y: float) -> JsonValue:
    return {"name": name, "polygon": [[x, y], [x + 40, y], [x + 40, y + 40], [x, y + 40]]}


def city(hostile: str = "") -> City:
    line: dict[str, JsonValue] = {
        "name": LINE, "points": [[9, 0], [9, 359.5]], "forward": IN, "backward": OUT,
    }  # fmt: skip
    zones = [
        zone(name, x, y)
        for name, (x, y) in zip(ARMS, ((300, 20), (560, 160), (300, 300), (40, 160)), strict=True)
    ]
    movement: JsonValue = {"name": "simpang", "entries": [*ARMS], "exits": [*ARMS]}
    scenes: dict[str, dict[str, JsonValue]] = {
        PORT: {"frame_size": [640, 360], "lines": [line, {**line, "name": LANE}]},
        SQUARE: {"frame_size": [640, 360], "zones": zones, "movements": [movement]},
        BARE: {"frame_size": [640, 360]},
    }
    address = parse_address("rtsp://10.0.0.5/stream")
    names = {PORT: "Pelabuhan", SQUARE: "Lapangan", BARE: hostile or "Kosong"}
    return City(
        "Contoh", (), None,
        tuple(
            CameraConfig(camera, names[camera], address, None, "nanodet_g", None, None, scene)
            for camera, scene in scenes.items()
        ),
    )  # fmt: skip


def traffic() -> dict[str, JsonValue]:
    approaches: list[JsonValue] = [
        {
            "name": ARMS[i],
            "turns": [
                {
                    "turn": turn, "camera": SQUARE, "line": "simpang",
                    "direction": direction(ARMS[i], ARMS[(i + step) % 4]),
                }
                for turn, step in (("left", 1), ("straight", 2), ("right", 3))
            ],
        }
        for i in range(4)
    ]  # fmt: skip
    return {
        "roads": [{"camera": PORT, "name": "Jalan Contoh", "type": "2/2-TT", "width_m": 7}],
        "junctions": [{"name": "Simpang Contoh", "approaches": approaches}],
    }


def fill(
    store: Store, day: date, now: float, hostile: str = "", *, synthetic: bool = False
) -> None:
    """All of it; ``day`` is the one on which all went wrong, and the last one."""
    store.configuration.apply(city(hostile), TESTER)
    store.traffic.apply(traffic_of(traffic(), "test"), TESTER)
    store.cameras.save(report(now, PORT, SQUARE, BARE))
    for before in (0, 1, 7):
        broken = before == 0
        start_ts = midnight_of(day - timedelta(days=before))
        counted = [
            *_road(start_ts, before, broken=broken),
            *(_junction(start_ts) if broken else ()),
        ]
        store.record([CountsMessage.of(each, synthetic=synthetic) for each in counted])


def _flow(i: int) -> float:
    """Vehicles in a quarter hour, by its number: two peaks, and a quiet night."""
    hour = i / 4
    peaks = math.exp(-(((hour - 7.25) / 1.3) ** 2)) + 1.1 * math.exp(-(((hour - 17) / 1.7) ** 2))
    return 12 + 230 * peaks + 95 * math.exp(-(((hour - 12.5) / 4) ** 2))


def _road(start_ts: int, before: int, *, broken: bool) -> Iterator[Interval]:
    for i in range(DAY_S // QUARTER_S):
        if broken and i in OUTAGE:
            continue
        blind = broken and i in MOVED
        seen_s = 0.0 if blind else QUARTER_S - 3.0
        counts: dict[Key, int] = {}
        paces: dict[Key, Pace] = {}
        for line, of in ((LINE, 1.0), (LANE, 0.4)):
            for way, share in ((IN, 0.55), (OUT, 0.45)):
                for name, part in SHARES.items():
                    n = round(_flow(i) * of * share * part * (1 - before / 50) + (i % 3) / 3)
                    if n and not blind:
                        counts[line, way, name] = n
                        if line == LINE:
                            paces[line, way, name] = Pace(n, n / (13 - 5 * _flow(i) / 340))
        yield Interval(
            camera_id=PORT,
            start_ts=float(start_ts + i * QUARTER_S),
            seconds=QUARTER_S,
            revision=2 if broken and i >= CHANGED else 1,
            version=1,
            observed_s=seen_s,
            frames=round(seen_s * 5),
            lines={LINE: (IN, OUT), LANE: (IN, OUT)},
            classes=tuple(SHARES),
            counts=counts,
            blind_s=QUARTER_S - 3.0 if blind else 0.0,
            paces=paces,
            occupied={} if blind else {LINE: round(_flow(i) / 2, 3)},
        )


def _junction(start_ts: int) -> Iterator[Interval]:
    ways = {direction(a, b): n for (a, b), n in TURNS.items()}
    unknown = [direction(a, None) for a in (*ARMS, None)] + [direction(None, a) for a in ARMS]
    for i in range(24, 88):
        yield Interval(
            camera_id=SQUARE,
            start_ts=float(start_ts + i * QUARTER_S),
            seconds=QUARTER_S,
            revision=1,
            version=1,
            observed_s=float(QUARTER_S),
            frames=4500,
            lines={"simpang": (*ways, *unknown)},
            classes=("motorcycle", "car"),
            counts={
                ("simpang", way, name): round(_flow(i) * n * part / 90) + 1
                for way, n in ways.items()
                for name, part in (("motorcycle", 0.7), ("car", 0.3))
            },
        )
