"""Reads where the ground of a view is: points of the picture and where they lie in metres."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import numpy as np

from streams.sceneschema import MARK_FIELDS, MAX_GROUND_M, MAX_MARKS
from streams.yamlfile import Item
from vision.calibration import MIN_POINTS, Calibration

MAX_RESIDUAL_M: Final = 0.5
"""Points that contradict each other by more (root mean square) hold a mistake: a mark on a road is
measured to a few centimetres, and half a metre at 20 m is already one in forty of every speed."""


def read_calibration(item: Item, frame_size: tuple[int, int]) -> Calibration:
    """The ground from a list of ``{px: [x, y], m: [x, y]}`` on a picture of ``frame_size`` (w, h).

    Fails, with the line and what to do, for fewer than four points, a point outside of the
    picture, points that say nothing about the ground, or that contradict each other.
    """
    marks = item.items()
    if len(marks) < MIN_POINTS:
        item.fail(
            f"found {len(marks)} points, but the ground needs {MIN_POINTS}; measure marks on the "
            "road that are the corners of a field, such as the ends of lane stripes"
        )
    if len(marks) > MAX_MARKS:
        marks[MAX_MARKS].fail(f"{len(marks)} points are too many; keep {MAX_MARKS} at most")
    px, m = [], []
    for mark in marks:
        fields = mark.mapping()
        mark.refuse_unknown(fields, MARK_FIELDS)
        drawn = mark.required(fields, "px", "[x, y]")
        px.append(_pair(drawn, "px"))
        m.append(_pair(mark.required(fields, "m", "[x, y]"), "m"))
        _refuse_outside(drawn, px[-1], frame_size)
    try:
        # seen from the first mark: coordinates of a map are too large for fine differences
        made = Calibration(np.array(px), np.array(m) - m[0])
    except ValueError as problem:
        item.fail(str(problem).removeprefix("calibration: "))
    if made.residual_m > MAX_RESIDUAL_M:
        item.fail(
            f"the points contradict each other by {made.residual_m:.2f} m (root mean square)"
            f"{_without_one(made, marks)}; measure them again, and look whether px and m of each "
            "mean the same mark"
        )
    return made


def _without_one(made: Calibration, marks: list[Item]) -> str:
    """Which mark is probably wrong, where more than enough would be left without it. The one that
    is off most need not be: a wrong one near the camera moves what is far."""
    if len(marks) <= MIN_POINTS + 1:
        return ""
    left: list[tuple[float, int]] = []
    for i in range(len(marks)):
        with suppress(ValueError):
            others = Calibration(np.delete(made.px, i, axis=0), np.delete(made.m, i, axis=0))
            left.append((others.residual_m, i))
    if not left:
        return ""
    residual_m, i = min(left)
    return f", without {marks[i].field} by {residual_m:.2f} m"


def _pair(item: Item, what: str) -> tuple[float, float]:
    values = item.items()
    if len(values) != 2:
        item.fail(f"a point is two numbers, found {len(values)}; write {what}: [x, y]")
    x, y = (value.number() for value in values)
    if what == "m" and max(abs(x), abs(y)) > MAX_GROUND_M:
        item.fail(
            f"({x:.10g}, {y:.10g}) is further than {MAX_GROUND_M:.0f} m from the origin; choose "
            "one of the marks as the origin"
        )
    return x, y


def _refuse_outside(item: Item, point: tuple[float, float], frame_size: tuple[int, int]) -> None:
    (x, y), (w, h) = point, frame_size
    if not (0 <= x <= w and 0 <= y <= h):
        item.fail(
            f"({x:.10g}, {y:.10g}) lies outside the picture of {w}x{h}; coordinates run from 0 to "
            f"{w} and 0 to {h}"
        )
