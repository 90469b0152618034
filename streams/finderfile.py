"""Reads what finds objects in a scene's pictures, how closely it looks, and in which part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from streams.rulesettings import read_setting
from streams.sceneschema import MIN_REGION_PX
from streams.yamlfile import Item
from vision.scene import Detail, DetectorKind, Line, Region, Zone


def read_detector(fields: Mapping[str, Item]) -> tuple[DetectorKind, Detail]:
    """The scene's ``detector`` and ``detail``."""
    detector: DetectorKind = "model"
    if "detector" in fields:
        detector = cast("DetectorKind", read_setting(DetectorKind, fields["detector"]))
    detail: Detail = "usual"
    if "detail" in fields:
        detail = cast("Detail", read_setting(Detail, fields["detail"]))
        if detector == "motion" and detail != "usual":
            fields["detail"].fail(
                "what moves is looked for in pictures of one size; remove this field"
            )
    return detector, detail


def read_region(
    fields: Mapping[str, Item], size: tuple[int, int], drawn: tuple[Line | Zone, ...]
) -> Region | None:
    """The part of pictures of ``size`` (w, h) px that is analysed, None for all."""
    if "region" not in fields:
        return None
    item = fields["region"]
    value = item.plain()
    if value == "auto":
        if not drawn:
            item.fail("'auto' is around what is drawn, and nothing is; draw a line or a zone")
        return "auto"
    if not isinstance(value, list) or len(value) != 4:
        found = f"{len(value)} values" if isinstance(value, list) else item.shown
        item.fail(f"expected [x, y, width, height] or auto, found {found}; write one of these")
    x, y, w, h = (entry.number() for entry in item.items())
    if min(w, h) < MIN_REGION_PX:
        item.fail(
            f"{w:.10g}x{h:.10g} is too small to find anything in; make it at least "
            f"{MIN_REGION_PX} pixels wide and high"
        )
    if min(x, y) < 0 or x + w > size[0] or y + h > size[1]:
        item.fail(
            f"it runs from {shown_point((x, y))} to {shown_point((x + w, y + h))}, beyond the "
            f"picture of {size[0]}x{size[1]}; keep it inside"
        )
    return x, y, w, h


def shown_point(point: Iterable[float]) -> str:
    """A point of the picture as messages write it."""
    x, y = point
    return f"({x:.10g}, {y:.10g})"
