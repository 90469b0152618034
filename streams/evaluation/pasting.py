"""What a list of films lays into the pictures of a clip: bags, and people who stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from streams.evaluation.paste import Pasted, People, bag, cut_out, empty_view, paste
from streams.files import ClipSource
from streams.yamlfile import Item
from vision.types import Frame, Image

PASTE_FIELDS = ("bag", "colour", "person", "at_s", "place", "from_s", "to_s")
GREY: Final = (60, 60, 60)
VIEWS: Final = 40
"""Pictures of a clip, evenly over its length, that show its empty view."""
MOST_PX: Final = 500


@dataclass(frozen=True, slots=True)
class Laid:
    """A thing that stands with its foot at ``place`` (x, y) px from ``from_s`` to ``to_s``
    seconds: a bag of ``bag`` (w, h) px and ``colour`` (blue, green, red), or the person in the box
    ``person`` (x1, y1, x2, y2) px of the picture at ``at_s``."""

    place: tuple[float, float]
    from_s: float
    to_s: float
    bag: tuple[int, int] | None = None
    colour: tuple[int, int, int] = GREY
    person: tuple[float, float, float, float] | None = None
    at_s: float = 0.0


def read_paste(item: Item, size: tuple[int, int]) -> tuple[Laid, ...]:
    """The entries of ``paste``, for pictures of ``size`` (w, h). Raises ExpectationError, which
    names the line and the field."""
    found = tuple(_laid(entry, size) for entry in item.items())
    if not found:
        item.fail("nothing is listed; write what is laid there, or remove the field")
    return found


def _laid(item: Item, size: tuple[int, int]) -> Laid:
    fields = item.mapping()
    item.refuse_unknown(fields, PASTE_FIELDS)
    if ("bag" in fields) == ("person" in fields):
        item.fail("one thing is needed; write either 'bag: [w, h]' or 'person: [x1, y1, x2, y2]'")
    if "person" in fields and "at_s" not in fields:
        item.fail("field 'at_s' is missing; add when the person is there, 'at_s: 12'")
    for name, other in (("colour", "bag"), ("at_s", "person")):
        if name in fields and other not in fields:
            fields[name].fail(f"this is about a '{other}'; remove it")
    from_s = fields["from_s"].number() if "from_s" in fields else 0.0
    to_s = fields["to_s"].number() if "to_s" in fields else float("inf")
    if not 0 <= from_s < to_s:
        item.fail(f"it is there from {from_s:g} to {to_s:g} s, which is no time; correct them")
    x, y = _numbers(item.required(fields, "place", "[x, y]"), 2)
    wide = high = None
    if "bag" in fields:
        wide, high = (round(value) for value in _numbers(fields["bag"], 2))
        if not (2 <= wide <= MOST_PX and 2 <= high <= MOST_PX):
            fields["bag"].fail(f"a bag is 2 to {MOST_PX} px wide and high; write [w, h]")
    blue, green, red = _colour(fields["colour"]) if "colour" in fields else GREY
    person = None
    if "person" in fields:
        x1, y1, x2, y2 = _numbers(fields["person"], 4)
        if not (0 <= x1 < x2 and 0 <= y1 < y2):
            fields["person"].fail("this is no box; write [x1, y1, x2, y2] px")
        if x1 >= size[0] or y1 >= size[1]:
            fields["person"].fail(
                f"it lies outside the picture of {size[0]}x{size[1]} px; correct the box"
            )
        person = x1, y1, x2, y2
    return Laid(
        place=(x, y),
        from_s=from_s,
        to_s=to_s,
        bag=None if wide is None or high is None else (wide, high),
        colour=(blue, green, red),
        person=person,
        at_s=fields["at_s"].number() if "at_s" in fields else 0.0,
    )


def _colour(item: Item) -> tuple[int, int, int]:
    blue, green, red = (round(value) for value in _numbers(item, 3))
    if not all(0 <= value <= 255 for value in (blue, green, red)):
        item.fail("a colour is three numbers from 0 to 255; write [blue, green, red]")
    return blue, green, red


def _numbers(item: Item, count: int) -> list[float]:
    found = [entry.number() for entry in item.items()]
    if len(found) != count:
        item.fail(f"expected {count} numbers, found {len(found)}; correct the list")
    return found


def pasted(
    frames: Iterator[Frame],
    laid: Sequence[Laid],
    path: Path,
    source_fps: Fraction | None,
    people: People,
) -> Iterator[Frame]:
    """``frames`` of the clip at ``path``, whose ``ts`` are seconds since the first, with what is
    laid into them, behind the ``people`` who stand nearer. Raises ClipError where the clip cannot
    be read to its end."""
    wanted = [each.at_s for each in laid if each.person is not None]
    empty, shots = _views(path, source_fps, wanted)
    things = []
    for each in laid:
        if each.bag is not None:
            thing = bag(each.bag, each.colour)
        else:
            thing = cut_out(shots[each.at_s], empty, np.array(each.person, np.float64))
        things.append(
            Pasted(thing, each.place, each.from_s, each.to_s, sways=each.person is not None)
        )
    return paste(frames, things, empty=empty, people=people)


def _views(
    path: Path, source_fps: Fraction | None, wanted: Sequence[float]
) -> tuple[Image, dict[float, Image]]:
    """The empty view of a clip, and its pictures at the ``wanted`` seconds."""
    with ClipSource(path, camera_id=path.stem, source_fps=source_fps) as clip:
        every = max(1, clip.info.frames // VIEWS)
        images: list[Image] = []
        shots: dict[float, Image] = {}
        for index, frame in enumerate(clip.frames()):
            if index % every == 0:
                images.append(frame.image)
            for at_s in wanted:
                if at_s not in shots and frame.ts >= at_s:
                    shots[at_s] = frame.image
        # a time past the end is the last picture's
        return empty_view(images), {at_s: shots.get(at_s, images[-1]) for at_s in wanted}
