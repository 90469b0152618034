"""What was left in a zone, and what was taken from it, without a model: detectors see no small bag.

Pictures are looked at twice a second, and only around the zones that ask for it. What is still and
new there (``vision.selective``) is a blob: something that came, or the gap where something was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.background import Planes, outline_steps
from vision.scene import Zone
from vision.selective import SelectiveView
from vision.stature import Statures
from vision.types import Blob, BoolArray, Frame, Image, IntArray, Observations, Track

BAGS: Final = ("backpack", "handbag", "suitcase")
"""Classes of what may be left, where a detector knows them."""
SAMPLE_S: Final = 0.5
"""So often it looks."""
MAX_PIXELS = 110_000
"""A picture of 768x576 is looked at in 384 px of width; a small zone in the picture's own px."""
MARGIN = 0.08
"""Around the zones, as a part of the picture: what stands at their edge, and the ground beside."""
FRESH_S: Final = 1.0
"""Who was seen so shortly ago still stands there."""
KEEP_S: Final = 3600.0
"""What came and stayed for so long belongs to the empty view from then on."""
KEEP_GONE_S: Final = 120.0
"""And so does the gap that something left."""
KEEP_LIGHT_S = 20.0
"""And what is only lit otherwise, or no thing by its shape."""
MIN_AREA = 14
"""The smallest blob, px of the planes,"""
MIN_SIDE = 3
"""and its least side."""
LONGEST = 3.0
"""What is longer for its thickness is a tape, a cable, the edge of a shadow."""
MAX_BLOBS = 100
"""Of more, the largest are told."""
SEEN_SHARE = 0.3
"""A blob is seen while so much of it is."""
GROWTH = 1.5
"""One that grew by so much since it was judged is judged again,"""
NEWER_S = 3.0
"""and so is one of which most is newer by so much."""
LEAST, CLEAR = 20.0, 80.0
"""What differs by less (levels, root mean square over all planes) is a stain, a reflection, or
noise; what differs by so much is clear."""
ALIKE = 0.8
"""A place whose colours are as much alike (normalised correlation) shows the same surface in
another light, or something that sways;"""
FAINT_ALIKE, FAINT = 0.6, 20.0
"""where with its surroundings it differs by less than so many levels, less is enough."""
AROUND = 2
"""So many px around it are compared with it: its outline tells most."""
TEXTURE = 3.0
"""A shadow is told by what lies in it, which must vary by so much (standard deviation, levels)."""
GONE_RATIO = 1.25
"""Something has gone where the old outline was so many times as strong as the new one, and has
come where the new one was; between the two nobody can say."""
OUTLINE = 4
"""So many px around it are looked at for its outline."""

_BOX3, _BOX5 = np.ones((3, 3), np.uint8), np.ones((5, 5), np.uint8)


@dataclass(slots=True, eq=False)
class _Known:
    """One blob: ``box`` px of the planes, what ``Blob`` says, and ``area`` px when judged."""

    box: tuple[int, int, int, int]
    first_ts: float
    last_ts: float
    appeared: bool
    score: float
    area: int


@dataclass(frozen=True, slots=True, eq=False)
class _Patch:
    """A connected part of what is still and new: its box, its mask there, since when most of it
    is there, whether it was seen in this look, and whether it is in a zone and has the shape of
    a thing."""

    where: tuple[slice, slice]
    mask: BoolArray
    area: int
    came_ts: float
    seen: bool
    shaped: bool

    @property
    def box(self) -> tuple[int, int, int, int]:
        rows, columns = self.where
        return columns.start, rows.start, columns.stop, rows.stop


class Leftovers:
    """What was left or taken in ``zones`` of one view, drawn on a picture of ``frame_size``."""

    def __init__(self, zones: Sequence[Zone], frame_size: tuple[int, int]) -> None:
        self._scene_size = frame_size
        w, h = frame_size
        corners = np.concatenate([zone.polygon for zone in zones])
        margin = MARGIN * max(w, h)
        left, top = np.floor(np.clip(corners.min(axis=0) - margin, 0, (w - 1, h - 1)))
        right, bottom = np.ceil(np.clip(corners.max(axis=0) + margin, (left + 1, top + 1), (w, h)))
        self._crop = float(left), float(top), float(right), float(bottom)
        self._scale = min(1.0, math.sqrt(MAX_PIXELS / ((right - left) * (bottom - top))))
        self._size = (
            max(1, round((right - left) * self._scale)),
            max(1, round((bottom - top) * self._scale)),
        )
        self._zone = np.zeros(self._size[::-1], np.uint8)
        for zone in zones:
            drawn = np.rint((zone.polygon - (left, top)) * self._scale).astype(np.int32)
            cv2.fillPoly(self._zone, [drawn], 1)
        self._next_id = 1
        self._view = SelectiveView(self._size[::-1])
        self._statures = Statures(frame_size)
        self.reset()

    def reset(self) -> None:
        """Begin anew: the view is another one."""
        self._due_ts = -math.inf
        self._view.reset()
        self._statures.reset()
        self._things: frozenset[int] = frozenset()
        self._named: IntArray = np.zeros(self._size[::-1], np.int32)
        self._blobs: dict[int, _Known] = {}

    def update(self, frame: Frame, tracks: Sequence[Track]) -> Observations:
        """The blobs that are known, in px of the scene's picture, and the ``tracks`` that are
        things. ``tracks`` are those of ``frame``, in px of the scene's picture: where others stand
        nothing is learnt."""
        if frame.ts < self._due_ts:
            return self.observations
        # on a grid, so that all rates look at the same moments
        late_s = 0.0 if math.isinf(self._due_ts) else frame.ts - self._due_ts
        self._due_ts = frame.ts - late_s % SAMPLE_S + SAMPLE_S - 1e-3
        self._things = self._statures.update(tracks, frame.ts)
        if self._view.update(self._planes(frame), ~self._covered(tracks, frame.ts), frame.ts):
            self._name(frame.ts)
        elif not self._view.view:
            self.reset()
        return self.observations

    @property
    def observations(self) -> Observations:
        """What is known since the last look."""
        return Observations(self._shown(), self._things)

    def _shown(self) -> tuple[Blob, ...]:
        """The blobs, in px of the scene's picture."""
        left, top, _, _ = self._crop
        offset = np.array([left, top, left, top], np.float32)
        return tuple(
            Blob(
                id=number,
                box=np.array(each.box, np.float32) / np.float32(self._scale) + offset,
                first_ts=each.first_ts,
                last_ts=each.last_ts,
                appeared=each.appeared,
                score=each.score,
            )
            for number, each in sorted(self._blobs.items())
        )

    def _planes(self, frame: Frame) -> Planes:
        (w, h), (sw, sh) = frame.size, self._scene_size
        x1, y1, x2, y2 = self._crop
        left, top = round(x1 * w / sw), round(y1 * h / sh)
        right, bottom = max(left + 1, round(x2 * w / sw)), max(top + 1, round(y2 * h / sh))
        shown = frame.picture.crop(left, top, min(w, right) - left, min(h, bottom) - top)
        return shown.yuv(self._size)

    def _covered(self, tracks: Sequence[Track], ts: float) -> BoolArray:
        """Where (h, w) somebody stands. People are gone soon; what else stood still and is out of
        sight, such as a parked car, is taken to be there for as long as it is remembered."""
        covered = np.zeros(self._size[::-1], np.bool_)
        left, top, _, _ = self._crop
        for track in tracks:
            if track.class_name in BAGS or track.id in self._things:
                continue
            if track.class_name == "person" and ts - track.last_ts > FRESH_S:
                continue
            x1, y1, x2, y2 = (track.box - (left, top, left, top)) * self._scale
            more_x, more_y = 0.1 * (x2 - x1) + 1, 0.05 * (y2 - y1) + 1
            corners = np.rint([x1 - more_x, y1 - more_y, x2 + more_x, y2 + more_y]).astype(int)
            a, b, c, d = np.maximum(corners, 0).tolist()
            covered[b:d, a:c] = True
        return covered

    def _name(self, ts: float) -> None:
        """Tell blobs apart, and know again those of the look before."""
        before, self._blobs = self._blobs, {}
        named: IntArray = np.zeros_like(self._named)
        for patch in self._patches():
            number = self._same(patch)
            known = None
            if patch.shaped:
                known = (
                    self._met(patch, ts) if number is None else self._again(before[number], patch)
                )
            if known is None:
                if ts - patch.came_ts > KEEP_LIGHT_S:
                    self._take(patch)
                continue
            if ts - known.first_ts > (KEEP_S if known.appeared else KEEP_GONE_S):
                self._take(patch)
                continue
            known.box = patch.box
            if patch.seen:
                known.last_ts = ts
            if number is None:
                number, self._next_id = self._next_id, self._next_id + 1
            self._blobs[number] = known
            named[patch.where][patch.mask] = number
        self._named = named

    def _met(self, patch: _Patch, ts: float) -> _Known | None:
        """A blob that is new; None for what is none."""
        judged = self._judge(patch)
        if judged is None:
            return None
        return _Known(patch.box, patch.came_ts, max(ts, patch.came_ts), *judged, area=patch.area)

    def _again(self, known: _Known, patch: _Patch) -> _Known | None:
        """``known``, as it lies now. Where much came beside it, it is about that; None where it
        gave way to something else."""
        grew = patch.area >= GROWTH * known.area
        newer = patch.came_ts > known.first_ts + NEWER_S
        if not grew and not newer:
            return known
        judged = self._judge(patch)
        same = judged is not None and judged[0] == known.appeared
        if newer and not grew and not same:
            return None
        if judged is not None and same:
            known.score = judged[1]
        known.area = max(known.area, patch.area)
        known.first_ts = max(known.first_ts, patch.came_ts)
        known.last_ts = max(known.first_ts, known.last_ts)
        return known

    def _take(self, patch: _Patch) -> None:
        """It belongs to the empty view from now on."""
        where = np.zeros(self._size[::-1], np.uint8)
        where[patch.where] = patch.mask
        self._view.absorb(_image(cv2.dilate(where, _BOX3)).view(np.bool_))

    def _patches(self) -> Iterator[_Patch]:
        """What is still and new, the largest first."""
        view = self._view
        if not view.still.any():
            return
        # what is still soon joins the pieces of one thing, of which people uncover one by one
        tidy = cv2.morphologyEx(view.soon.view(np.uint8), cv2.MORPH_CLOSE, _BOX5)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(tidy, connectivity=8)
        found = []
        for row in np.unique(labels[view.still]).tolist():
            x, y, w, h, _ = stats[row].tolist()
            whole = np.s_[y : y + h, x : x + w]
            mask = (labels[whole] == row) & view.still[whole]
            left, top, w, h = cv2.boundingRect(mask.view(np.uint8))
            area = int(np.count_nonzero(mask))
            large = area >= MIN_AREA and min(w, h) >= MIN_SIDE
            x, y, mask = x + left, y + top, mask[top : top + h, left : left + w]
            inside = bool(self._zone[y + h - 1, x + w // 2])
            shaped = large and inside and max(w, h) <= LONGEST * min(w, h)
            where = np.s_[y : y + h, x : x + w]
            came_ts = view.since_ts + float(np.median(view.came_s[where][mask]))
            seen = bool(np.count_nonzero(view.seen[where] & mask) >= SEEN_SHARE * area)
            found.append(_Patch(where, mask, area, came_ts, seen, shaped))
        yield from sorted(found, key=lambda patch: (-patch.area, patch.box))[:MAX_BLOBS]

    def _same(self, patch: _Patch) -> int | None:
        """The blob of the look before that lies where ``patch`` does, unless it was met already."""
        before = self._named[patch.where][patch.mask]
        numbers, counts = np.unique(before[before > 0], return_counts=True)
        for number in numbers[np.argsort(-counts, kind="stable")].tolist():
            if number not in self._blobs:
                return int(number)
        return None

    def _judge(self, patch: _Patch) -> tuple[bool, float] | None:
        """Whether something came or went, and how clearly it differs; None where it is the same
        surface, or nobody can say."""
        rows, columns = (
            slice(max(0, span.start - OUTLINE), span.stop + OUTLINE) for span in patch.where
        )
        around = rows, columns
        inside = np.zeros(self._named[around].shape, np.bool_)
        inside[_shifted(patch.where[0], rows), _shifted(patch.where[1], columns)] = patch.mask
        view = [_levels(plane[around]) for plane in self._view.view]
        now = [
            np.where(inside, _levels(look[around]), known)
            for look, known in zip(self._view.look, view, strict=True)
        ]
        differs = _difference([p[inside] for p in now], [p[inside] for p in view])
        if differs < LEAST:
            return None
        close = np.zeros_like(inside)
        close[_shifted(patch.where[0], rows, AROUND), _shifted(patch.where[1], columns, AROUND)] = (
            True
        )
        if _alike([plane[close] for plane in now], [plane[close] for plane in view]):
            return None
        texture = min(float(now[0][inside].std()), float(view[0][inside].std()))
        if texture > TEXTURE and _alike([p[inside] for p in now], [p[inside] for p in view]):
            return None
        taken = inside | self._view.still[around] | ~self._view.known[around]
        steps = outline_steps(now, view, inside.view(np.uint8), taken)
        if steps is None:
            return None
        is_now, was = steps
        if max(is_now, was) < GONE_RATIO * min(is_now, was):
            return None
        return is_now > was, min(1.0, differs / CLEAR)


def _shifted(span: slice, within: slice, more: int = 0) -> slice:
    """``span``, longer by ``more`` on both sides, counted from where ``within`` starts."""
    return slice(max(0, span.start - more - within.start), span.stop + more - within.start)


def _difference(now: Sequence[Image], view: Sequence[Image]) -> float:
    """By how many levels the two differ, root mean square over all planes (n,)."""
    pairs = zip(now, view, strict=True)
    return math.sqrt(sum(float(np.mean((a - b.astype(np.float32)) ** 2)) for a, b in pairs))


def _alike(now: Sequence[Image], view: Sequence[Image]) -> bool:
    """Whether both show the same surface: the same pattern of luma and chroma, however bright.
    Planes are (n,)."""
    a, b = (np.stack(planes).astype(np.float32) for planes in (now, view))
    a -= a.mean(axis=1, keepdims=True)
    b -= b.mean(axis=1, keepdims=True)
    both = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    share = float((a * b).sum()) / max(both, 1e-6)
    return share > (FAINT_ALIKE if _difference(now, view) < FAINT else ALIKE)


def _levels(plane: NDArray[np.float32]) -> Image:
    return _image(cv2.convertScaleAbs(plane))


def _image(plane: object) -> Image:
    return np.asarray(plane, np.uint8)
