"""Warnings about a valid scene that cannot work.

Objects are placed by their ground-contact point, the bottom centre of their box. It does not
reach every part of a picture: the feet of a whole object are at least its height below the top
edge, and a box that the picture cuts off sticks to its edge. A line counts once that point was on
both sides of it by ``HYSTERESIS`` times the square root of the box's area. The same is true within
a region that is analysed alone. The thresholds are shares of the picture's height and deliberately
small: what they catch fails for every object of ordinary size, so a sensible scene has no warning.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import shapely
from numpy.typing import NDArray

from vision.counting import HYSTERESIS
from vision.region import region_of
from vision.rules.registry import kinds
from vision.scene import Line, RuleConfig, Scene, Zone

WIDTH_PER_HEIGHT = 0.4
"""A standing person's box, the narrowest that is counted."""
FAR_HEIGHT = 0.05
"""Height of the smallest object that a detector finds reliably, as a share of the picture's."""
TYPICAL_HEIGHT = 0.1
"""Height of an ordinary object, as a share of the picture's."""
NEAR_HEIGHT = 0.5
"""Height of an object at the bottom edge, right in front of the camera, as a share likewise."""
CUT_SHARE = 0.5
"""Part of an object that must be visible for a detector to find it at the picture's edge."""
STEP_HEIGHTS = 0.16
"""A walker's way between two samples, in body heights: 1.4 m/s, 5 samples a second, 1.7 m tall."""
IN_METRES = ("congestion", "crowd_density", "queue", "speeding")
"""Kinds that measure on the ground where a view is calibrated."""
BETWEEN_MARKS = 0.5
"""The least part of a zone that lies between the marks of the ground, or no further outside of them
than half of the field between them is wide: beyond, what they are off by grows fast."""
SAME_PLACE = 0.005
"""Distance of two ends that are one place, as a share of the picture's height."""


def check_scene(scene: Scene) -> list[str]:
    """Warnings, one sentence each: what cannot work, why, and what to do. A scene that is fine
    has none."""
    if not scene.lines and not scene.zones:
        return ["the scene draws no line and no zone, so nothing is counted or watched: draw one"]
    found: list[str] = []
    for line in scene.lines:
        found += _check_line(line, scene.frame_size)
    if scene.region is not None:
        found += _check_region(scene)
    for one, other in combinations(scene.lines, 2):
        found += _check_pair(one, other, scene.frame_size)
    watched = {rule.place for rule in scene.rules}
    watched.update(*((*each.entries, *each.exits) for each in scene.movements))
    for zone in scene.zones:
        found += _check_zone(zone, scene.frame_size, watched=zone.name in watched)
    for rule in scene.rules:
        found += _check_rule(rule, scene)
    found += _check_ground(scene)
    for preset in scene.presets:
        found += [f"preset '{preset.name}': {text}" for text in check_scene(preset.scene)]
    return found


def _margin(height: float) -> float:
    """How far the foot point of a person of that height must get from a line, same unit."""
    return HYSTERESIS * math.sqrt(WIDTH_PER_HEIGHT) * height


def _check_line(line: Line, size: tuple[int, int]) -> list[str]:
    w, h = size
    x, y = line.points[:, 0], line.points[:, 1]
    top = (FAR_HEIGHT + _margin(FAR_HEIGHT)) * h
    bottom = _margin(NEAR_HEIGHT) * h
    cut_centre = CUT_SHARE / 2 * WIDTH_PER_HEIGHT * TYPICAL_HEIGHT
    side = (cut_centre + _margin(TYPICAL_HEIGHT)) * h
    feet, cut = "where the feet of a whole object never come", "where boxes are cut off and"
    stuck = f"{cut} the foot point does not get past the line"
    edges = (
        ("top", feet, y.max(), top),
        ("bottom", stuck, h - y.min(), bottom),
        ("left", stuck, x.max(), side),
        ("right", stuck, w - x.min(), side),
    )
    found = [
        f"line '{line.name}' runs along the {edge} edge of the picture, {why}: move it at least "
        f"{math.ceil(needed)} px away from that edge"
        for edge, why, distance, needed in edges
        if distance < needed
    ]
    length, width = math.dist(*line.points), WIDTH_PER_HEIGHT * TYPICAL_HEIGHT * h
    if length < width:
        found.append(
            f"line '{line.name}' is {length:.0f} px long, shorter than an object is wide, so most "
            f"objects pass beside it: draw it across the whole way, at least {math.ceil(width)} px"
        )
    return found


def _check_region(scene: Scene) -> list[str]:
    if region_of(scene, scene.frame_size) is None:
        why = "around all lines and zones is nearly" if scene.region == "auto" else "is"
        return [f"the region {why} the whole picture, so all of it is analysed: remove 'region'"]
    found = []
    for line in scene.lines:
        found += _check_in_region(f"line '{line.name}'", line.points, scene)
    for zone in scene.zones:
        found += _check_in_region(f"zone '{zone.name}'", zone.polygon, scene)
    return found


def _check_in_region(name: str, points: NDArray[np.float64], scene: Scene) -> list[str]:
    """What is wrong with ``points`` (k, 2) px of a line or zone in the region that is drawn."""
    if scene.region is None or scene.region == "auto":
        return []
    (x, y, w, h), (width, height) = scene.region, scene.frame_size
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    slack = SAME_PLACE * height
    if left < x - slack or top < y - slack or right > x + w + slack or bottom > y + h + slack:
        why = "reaches beyond the region, where nothing is found"
        return [f"{name} {why}: make the region larger, or write 'region: auto'"]
    far, typical = FAR_HEIGHT + _margin(FAR_HEIGHT), _margin(TYPICAL_HEIGHT)
    side = CUT_SHARE / 2 * WIDTH_PER_HEIGHT * TYPICAL_HEIGHT + typical
    # a border of the region that is the picture's own is checked as such
    borders = (
        ("upper", y > 0, bottom - y, far),
        ("lower", y + h < height, y + h - top, typical + STEP_HEIGHTS * TYPICAL_HEIGHT),
        ("left", x > 0, right - x, side),
        ("right", x + w < width, x + w - left, side),
    )
    return [
        f"{name} runs along the {border} border of the region, where objects are cut off: move "
        f"that border at least {math.ceil(needed * height)} px away from it"
        for border, inner, distance, needed in borders
        if inner and distance < needed * height
    ]


def _check_pair(one: Line, other: Line, size: tuple[int, int]) -> list[str]:
    near = SAME_PLACE * size[1]
    if not any(
        np.hypot(*(one.points - points).T).max() <= near
        for points in (other.points, other.points[::-1])
    ):
        return []
    text = (
        f"lines '{one.name}' and '{other.name}' lie on each other, so that everything is counted "
        "twice: remove one of them"
    )
    return [text]


def _check_zone(zone: Zone, size: tuple[int, int], *, watched: bool) -> list[str]:
    found = []
    h = size[1]
    lowest, needed = zone.polygon[:, 1].max(), FAR_HEIGHT * h
    step = STEP_HEIGHTS * TYPICAL_HEIGHT * h
    if lowest < needed:
        found.append(
            f"zone '{zone.name}' lies along the top edge of the picture, where the feet of a whole "
            f"object never come: extend it down to y = {math.ceil(needed)} px or further"
        )
    if shapely.Polygon(zone.polygon).buffer(-step / 2).is_empty:
        found.append(
            f"zone '{zone.name}' is so narrow that a walker is through between two samples: make "
            f"it at least {math.ceil(step)} px wide and high"
        )
    if not watched:
        found.append(
            f"zone '{zone.name}' is watched by no rule: add a rule with it or remove the zone"
        )
    return found


def _check_rule(rule: RuleConfig, scene: Scene) -> list[str]:
    if rule.classes or kinds()[rule.kind].place == "camera":
        return []
    used = ", ".join(scene.classes) or "none"
    text = (
        f"rule '{rule.name}' can never fire, because its kind '{rule.kind}' looks at none of the "
        f"scene's classes ({used}): add one that it looks at, or remove the rule"
    )
    return [text]


def _check_ground(scene: Scene) -> list[str]:
    """Zones in which something is measured far from where the ground was."""
    if scene.calibration is None:
        return []
    field = shapely.MultiPoint(scene.calibration.px).convex_hull
    known = field.buffer(math.sqrt(field.area) / 2)
    names = {rule.place for rule in scene.rules if rule.kind in IN_METRES}
    return [
        f"zone '{zone.name}' lies outside of the field between the marks of the calibration, where "
        "the ground is guessed: add marks in and around it"
        for zone in scene.zones
        if zone.name in names
        and known.intersection(shapely.Polygon(zone.polygon)).area
        < BETWEEN_MARKS * shapely.Polygon(zone.polygon).area
    ]
