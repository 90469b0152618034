"""A day of traffic out of the store, as the traffic page shows it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from api.i18n import N_, Texts
from api.pages.trafficfacts import Other, facts, validated
from api.pages.trafficshown import (
    is_movement,
    shown_day,
    shown_quarters,
    turning_of,
    turning_through,
    worthless,
)
from api.store import Store
from api.times import iso, local
from api.traffic.asked import FIRST_DAY, WEEK, YESTERDAY, Asked
from api.traffic.day import (
    Days,
    Quarter,
    Stream,
    slots_of,
    streams_of,
    streams_through,
    with_engines,
)
from api.traffic.reading import model_of
from streams.citydocument import CameraDocument, CityDocument
from streams.trafficfile import Traffic
from vision.bins import Interval
from vision.junctions import Junction
from vision.measures import DAY_S, QUARTER_S, peak_hour
from vision.movements import directions
from vision.scene import Movement

STATED_S: Final = 120.0
"""So long after it is over a minute is stored; what is later is missing."""
FORMATS: Final = (("CSV", "csv"), ("Excel", "xlsx"), ("Parquet", "parquet"), ("JSON", "json"))
NO_CAMERA: Final = N_("There is no such camera among those that you see.")
NO_JUNCTION: Final = N_("There is no such junction, or you do not see all of its cameras.")
NO_LINE: Final = N_("There was no such line or movement on this day: choose another one.")
NOTHING: Final = N_(
    "Nothing is counted here: an administrator draws lines on the camera, or movements."
)
NO_CAMERAS: Final = N_("There is no camera that you see.")


@dataclass(frozen=True, slots=True)
class City:
    """What is configured, read once for many pages; ``names`` are those of the cameras that whoever
    looks sees, by id."""

    document: CityDocument | None
    traffic: Traffic
    names: Mapping[str, str]

    def camera(self, camera: str) -> CameraDocument | None:
        known = () if self.document is None else self.document.cameras
        return next((each for each in known if each.id == camera), None)

    def junctions(self) -> dict[str, Junction]:
        """Those all of whose cameras are seen."""
        own = self.names.keys()
        return {each.name: each for each in self.traffic.junctions if each.cameras <= own}


def shown(store: Store, city: City, asked: Asked, said: Texts, now: float) -> dict[str, Any]:
    """What is shown of what is asked for. Raises StoreError."""
    return _Looked(store, city, _placed(store, city, asked), said, now).shown()


def _placed(store: Store, city: City, asked: Asked) -> Asked:
    """Of whoever asks for no place the first camera that counted anything, or on which anything is
    drawn; of whoever asks for no day the last one of which anything is stored."""
    stated = store.counts.stated(frozenset(city.names))
    if not asked.camera and not asked.junction and city.names:
        drawn = (each for each in city.names if each in stated or _drawn(city.camera(each)))
        asked = replace(asked, camera=next(drawn, next(iter(city.names))))
    if not asked.dated and asked.camera in stated:
        last = local(stated[asked.camera][1] - 1).date()
        asked = replace(asked, day=min(asked.day, last), dated=True)
    return asked


class _Looked:
    """One day at one place."""

    def __init__(self, store: Store, city: City, asked: Asked, said: Texts, now: float) -> None:
        self._store = store
        self._city = city
        self._asked = asked
        self._said = said
        self._now = now
        self._lines: dict[str, tuple[str, ...]] = {}

    def shown(self) -> dict[str, Any]:
        junction = self._city.junctions().get(self._asked.junction)
        if self._asked.junction:
            return self._through(junction) if junction else self._nothing(NO_JUNCTION)
        camera = self._asked.camera
        if not camera:
            return self._nothing(NO_CAMERAS)
        if camera not in self._city.names:
            return self._nothing(NO_CAMERA)
        days = self._read([camera])
        start_ts = self._asked.start_ts
        self._lines = _drawn(self._city.camera(camera)) | days.lines(camera, start_ts)
        if not self._lines:
            return self._nothing(NOTHING)
        line = self._asked.line or next(iter(self._lines))
        if line not in self._lines:
            return self._nothing(NO_LINE)
        ways = self._lines[line]
        chosen = self._asked.direction if self._asked.direction in ways else ""
        self._asked = replace(self._asked, line=line, direction=chosen)
        streams = self._streams(line, (chosen,) if chosen else ways)
        name = f"{self._city.names[camera]} · {line}"
        quarters = self._quarters(days, streams, every=not chosen)
        found = self._day(days, quarters, streams, self._other(days, streams), [camera], name)
        found["facts"].append(validated(self._store.validations.of(camera, line), self._said))
        if is_movement(ways) and not chosen:
            drawn = self._city.camera(camera)
            scene = drawn.scene if drawn else None
            found["turning"] = turning_of(quarters, streams, scene, self._said)
        return found

    def _through(self, junction: Junction) -> dict[str, Any]:
        days = self._read(junction.cameras)
        streams = streams_through(junction, self._city.traffic)
        quarters = self._quarters(days, streams)
        cameras = sorted(junction.cameras)
        other = self._other(days, streams)
        found = self._day(days, quarters, streams, other, cameras, junction.name)
        return found | {"turning": turning_through(quarters, junction, self._said)}

    def _read(self, cameras: Collection[str]) -> Days:
        """The day, and the one beside it."""
        start_ts, shift_s = self._asked.start_ts, self._asked.shift_s
        begins = dict.fromkeys((start_ts, start_ts - shift_s))
        found: dict[str, list[Interval]] = {camera: [] for camera in cameras}
        for camera, begin in ((camera, begin) for camera in cameras for begin in begins):
            found[camera] += self._store.counts.intervals(
                camera, from_ts=begin, to_ts=begin + DAY_S, seconds=QUARTER_S
            )
        return Days(found, self._city.traffic, self._models(cameras))

    def _models(self, cameras: Iterable[str]) -> dict[str, str]:
        documents = {camera: self._city.camera(camera) for camera in cameras}
        return {camera: model_of(each) for camera, each in documents.items() if each is not None}

    def _streams(self, line: str, directions: Sequence[str]) -> tuple[Stream, ...]:
        return streams_of(self._asked.camera, line, directions, self._city.traffic)

    def _quarters(
        self, days: Days, streams: Sequence[Stream], shift_s: int = 0, *, every: bool = False
    ) -> list[Quarter]:
        start_ts = self._asked.start_ts - shift_s
        return days.quarters(streams, start_ts, self._now - STATED_S, every=every)

    def _other(self, days: Days, streams: Sequence[Stream]) -> Other | None:
        asked, _ = self._asked, self._said
        if asked.against:
            name = {YESTERDAY: _("the day before"), WEEK: _("a week before")}[asked.against]
            start_ts = asked.start_ts - asked.shift_s
            said = f"{name} ({shown_day(local(start_ts).date(), _)})"
            every = not (asked.junction or asked.direction)
            if every:
                # as they were called then
                ways = days.lines(asked.camera, start_ts).get(asked.line)
                streams = self._streams(asked.line, ways) if ways else streams
            quarters = self._quarters(days, streams, asked.shift_s, every=every)
            return Other(said, quarters, asked.shift_s)
        if asked.other not in self._lines or asked.other == asked.line:
            self._asked = replace(asked, other="")
            return None
        beside = self._streams(asked.other, self._lines[asked.other])
        return Other(asked.other, self._quarters(days, beside, every=True))

    def _day(
        self,
        days: Days,
        quarters: Sequence[Quarter],
        streams: Sequence[Stream],
        other: Other | None,
        cameras: Sequence[str],
        title: str,
    ) -> dict[str, Any]:
        _, traffic = self._said, self._city.traffic
        known = [self._city.camera(camera) for camera in cameras]
        position = next((each.position for each in known if each and each.position), None)
        peak = peak_hour(slots_of(quarters, motor=with_engines(quarters)))
        return self._nothing() | {
            "title": title,
            "synthetic": days.synthetic,
            "bins": shown_quarters(quarters, traffic, position, peak),
            "other": None if other is None else {
                "name": other.name,
                "totals": [each.total for each in other.quarters],
            },
            "facts": facts(quarters, streams, peak, other, _),
            "worthless": worthless(quarters, _),
            "notes": self._notes(cameras),
            "exports": self._exports(cameras),
        }  # fmt: skip

    def _nothing(self, problem: str = "") -> dict[str, Any]:
        """What is shown of any day, and of what there is not."""
        asked, _ = self._asked, self._said
        today = local(self._now).date()
        before, after = asked.day - timedelta(days=1), asked.day + timedelta(days=1)
        return {
            "asked": asked.values(),
            "address": asked.address(),
            "problem": _(problem),
            "lines": list(self._lines),
            "directions": list(self._lines.get(asked.line, ())),
            "day": shown_day(asked.day, _),
            "holiday": _("public holiday")
            if asked.day in self._city.traffic.holidays(asked.day.year)
            else "",
            "days": {
                "before": str(before) if before >= FIRST_DAY else "",
                "after": str(after) if after <= today else "",
                "last": str(today),
            },
            "bins": None,
            "other": None,
            "turning": None,
        }

    def _notes(self, cameras: Sequence[str]) -> list[str]:
        """What the models of these cameras cannot tell apart, and whose factors these are."""
        _, traffic = self._said, self._city.traffic
        models = dict.fromkeys(self._models(cameras).values())
        told = [said for model in models for said in traffic.unknown(model, _.language)]
        source = {"source": traffic.source, "version": traffic.version}
        told.append(_("Factors: %(source)s, version %(version)s.") % source)
        return [*dict.fromkeys(told)]

    def _exports(self, cameras: Sequence[str]) -> list[dict[str, str]]:
        """Where the same day is to be had as a file, as far as it has begun."""
        asked = self._asked
        begun_s = max(math.ceil((self._now - asked.start_ts) / QUARTER_S), 1) * QUARTER_S
        day = {
            "camera": list(cameras),
            "from": iso(asked.start_ts),
            "to": iso(asked.start_ts + min(begun_s, DAY_S)),
            "interval": "15m",
        }
        if asked.line:
            day["line"] = asked.line
        return [
            {
                "name": name,
                "href": "/api/v1/counts/export?" + urlencode({"format": form, **day}, doseq=True),
            }
            for name, form in FORMATS
        ]


def _drawn(camera: CameraDocument | None) -> dict[str, tuple[str, ...]]:
    """The lines and movements that are drawn now, with their directions."""
    scene: Mapping[str, Any] = (camera.scene if camera else None) or {}
    found: dict[str, tuple[str, ...]] = {}
    for view in (scene, *(scene.get("presets") or ())):
        for line in view.get("lines") or ():
            ways = line.get("forward", "forward"), line.get("backward", "backward")
            found[line["name"]] = ways
        for each in view.get("movements") or ():
            ends = tuple(each["entries"]), tuple(each["exits"])
            found[each["name"]] = directions(Movement(each["name"], *ends))
    return found
