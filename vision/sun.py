"""How light it is at a place: from how high the sun stands.

The equations are those of NOAA's solar calculator (Global Monitoring Laboratory, *General Solar
Position Calculations*), which follow J. Meeus, *Astronomical Algorithms*: within a few hundredths
of a degree from 1901 to 2099.
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias

Light: TypeAlias = Literal["day", "dusk", "night"]

SUNRISE_DEG: Final = -0.833
"""The sun's middle at sunrise and sunset: its half width, and what the air lifts it by."""
CIVIL_DEG: Final = -6.0
"""Its middle at the ends of civil twilight."""
_J2000_TS: Final = 946_728_000.0
"""Noon of 1 January 2000, UTC seconds."""
_CENTURY_S: Final = 36_525 * 86_400.0


def light(ts: float, latitude: float, longitude: float) -> Light:
    """Day, dusk (civil twilight, that of the morning too) or night at ``ts`` (UTC seconds);
    degrees, north and east are positive."""
    elevation = sun_elevation(ts, latitude, longitude)
    if elevation >= SUNRISE_DEG:
        return "day"
    return "dusk" if elevation >= CIVIL_DEG else "night"


def sun_elevation(ts: float, latitude: float, longitude: float) -> float:
    """How high the sun's middle stands above the horizon, degrees, without what the air lifts it
    by."""
    t = (ts - _J2000_TS) / _CENTURY_S
    mean_longitude = math.radians((280.46646 + t * (36_000.76983 + t * 0.0003032)) % 360)
    anomaly = math.radians(357.52911 + t * (35_999.05029 - 0.0001537 * t))
    eccentricity = 0.016708634 - t * (0.000042037 + 0.0000001267 * t)
    centre = (
        math.sin(anomaly) * (1.914602 - t * (0.004817 + 0.000014 * t))
        + math.sin(2 * anomaly) * (0.019993 - 0.000101 * t)
        + math.sin(3 * anomaly) * 0.000289
    )
    node = math.radians(125.04 - 1934.136 * t)
    apparent = mean_longitude + math.radians(centre - 0.00569 - 0.00478 * math.sin(node))
    obliquity = 23.0 + (26 + (21.448 - t * (46.815 + t * (0.00059 - t * 0.001813))) / 60) / 60
    tilt = math.radians(obliquity + 0.00256 * math.cos(node))
    declination = math.asin(math.sin(tilt) * math.sin(apparent))
    y = math.tan(tilt / 2) ** 2
    equation_of_time_min = 4 * math.degrees(
        y * math.sin(2 * mean_longitude)
        - 2 * eccentricity * math.sin(anomaly)
        + 4 * eccentricity * y * math.sin(anomaly) * math.cos(2 * mean_longitude)
        - 0.5 * y * y * math.sin(4 * mean_longitude)
        - 1.25 * eccentricity * eccentricity * math.sin(2 * anomaly)
    )
    clock_min = (ts % 86_400) / 60
    solar_min = (clock_min + equation_of_time_min + 4 * longitude) % 1440
    hour_angle = math.radians(solar_min / 4 - 180)
    north = math.radians(latitude)
    sine = math.sin(north) * math.sin(declination) + math.cos(north) * math.cos(
        declination
    ) * math.cos(hour_angle)
    return math.degrees(math.asin(max(-1.0, min(1.0, sine))))
