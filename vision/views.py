"""What a camera's view looks like, compactly, and how far a picture still shows it.

A picture is reduced to a plane of 64x48 luma values and the strength of its fine detail in 16x12
blocks. A block agrees where the textures of both planes correlate (normalised cross-correlation,
so that exposure and shadow matter little); people and vehicles hide some blocks, never most.
A view that was turned or zoomed is found by block matching and a similarity transform.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.picture import Picture, picture_of
from vision.types import BoolArray, FloatArray, Image

PLANE: Final = (64, 48)
"""Width and height of the plane, whatever the picture's: sizes and shapes compare."""
BLOCKS: Final = (16, 12)
FINE: Final = (256, 192)
"""Where detail is measured: a blur of 3 px in a picture 768 px wide is one of these pixels."""
SMOOTH: Final = (9, 9)
"""Texture is what differs from the mean of so many pixels of the plane around."""
MIN_ENERGY = 1.0
"""Variance of luma from which a block has texture; below, noise and rounding decide."""
MIN_DETAIL = 4.0
"""Mean absolute Laplacian from which a block says whether the picture is sharp."""
AGREES = 0.5
"""Correlation from which a block agrees."""
STEADY_LUMA = 5.0
"""A block that changes by more on average has not kept still."""
MIN_TELLING = 16
"""With fewer blocks that have texture nothing can be said."""
MIN_SHARP = 6
MIN_RATIO = 0.5
DETAIL_STEP = 16.0
"""Levels of the text form for the square root of detail."""
_VERSION = b"\x01"
_BYTES = len(_VERSION) + PLANE[0] * PLANE[1] + BLOCKS[0] * BLOCKS[1]

TILE = 12
"""Side of the pieces of a view that are looked for, px of the plane."""
TILE_FOUND = 0.5
"""Correlation with which a piece is found."""
MIN_TILES = 4
FIT_PX = 0.8
SCALES: Final = (1.0, 1.25, 0.8, 1.5, 0.62, 1.8)
"""By how much larger the picture may show things: each finds what is within 1.15 times it."""
NEAR_PX = 6
"""How far pieces are looked for when only little turns matter, px of the plane,"""
NEAR_SCALES: Final = (1.09, 0.92)
"""and what zooms may show them then."""
MIN_ZOOM, MAX_ZOOM = 0.5, 2.0
SHOWN = 0.55
BETTER = 0.08
"""A turned view is believed when this part of its blocks agrees, and so much more than before."""
DISPLACED = 0.018
"""A view that is displaced by less is where it was: wind, thermal drift, rounding."""
_SQUARE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture, reduced: ``fine`` (192, 256) uint8 luma, ``plane`` (48, 64) float32 luma,
    ``texture`` the same without its local mean, ``energy`` and ``detail`` (12, 16) float32 the
    variance of texture and the mean absolute Laplacian of each block; ``detail`` is None for a
    picture too small to have any."""

    fine: Image
    plane: FloatArray
    texture: FloatArray
    energy: FloatArray
    detail: FloatArray | None

    @staticmethod
    def of(shown: Picture | Image) -> Look:
        """The look of a picture, or (h, w, 3) uint8 BGR, of any size."""
        picture = picture_of(shown)
        # four pixels near each place, not all: large pictures cost no more than small ones
        grey = picture.luma((2 * FINE[0], 2 * FINE[1]))
        fine = np.asarray(cv2.resize(grey, FINE, interpolation=cv2.INTER_AREA), np.uint8)
        plane = cv2.resize(fine, PLANE, interpolation=cv2.INTER_AREA).astype(np.float32)
        texture = plane - cv2.boxFilter(plane, -1, SMOOTH)
        detail = None
        if picture.size[0] >= FINE[0]:
            detail = _blocks(np.abs(cv2.Laplacian(fine, cv2.CV_16S, ksize=1)))
        return Look(fine, plane, texture, _blocks(texture * texture), detail)


def steady(before: Look, now: Look) -> BoolArray:
    """The blocks (12, 16) that look the same in two pictures of a moment, exposure included."""
    luma = _blocks(cv2.absdiff(before.plane, now.plane)) < STEADY_LUMA
    plain = (before.energy < MIN_ENERGY) & (now.energy < MIN_ENERGY)
    alike = _correlated(_blocks(before.texture * now.texture), before.energy, now.energy)
    return np.asarray(luma & (plain | alike), np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A view that is known: ``plane`` (48, 64) uint8 luma and ``detail`` (12, 16) float32.
    Raises ValueError for other shapes."""

    plane: Image
    detail: FloatArray

    def __post_init__(self) -> None:
        if self.plane.shape != PLANE[::-1] or self.detail.shape != BLOCKS[::-1]:
            raise ValueError(
                f"a view has a plane {PLANE[::-1]} and detail {BLOCKS[::-1]}, "
                f"not {self.plane.shape} and {self.detail.shape}"
            )

    @staticmethod
    def of(pictures: Sequence[Picture | Image]) -> View:
        """The view that ``pictures``, or (h, w, 3) uint8 BGR, show most of the time. Raises
        ValueError where there are none, or where they have too little texture to know them
        again."""
        return View.of_looks([Look.of(picture) for picture in pictures])

    @staticmethod
    def of_looks(looks: Sequence[Look]) -> View:
        """The same of pictures that are reduced already."""
        view = usual(looks)
        if not Reference(view).telling:
            raise ValueError("these pictures have too little texture to know the view again")
        return view

    @property
    def text(self) -> str:
        """For scene files: base64, 4.4 KB."""
        detail = np.clip(np.rint(np.sqrt(self.detail) * DETAIL_STEP), 0, 255).astype(np.uint8)
        return base64.b64encode(_VERSION + self.plane.tobytes() + detail.tobytes()).decode()

    @staticmethod
    def of_text(text: str) -> View:
        """The view that ``text`` tells. Raises ValueError where it is none."""
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError("the text of a view is broken: record the view again") from error
        if len(data) != _BYTES or not data.startswith(_VERSION):
            raise ValueError("the text of a view is broken: record the view again")
        values = np.frombuffer(data, np.uint8)[len(_VERSION) :]
        plane = values[: PLANE[0] * PLANE[1]].reshape(PLANE[::-1])
        detail = values[plane.size :].reshape(BLOCKS[::-1]).astype(np.float32)
        return View(plane.copy(), np.square(detail / np.float32(DETAIL_STEP)))


def usual(looks: Sequence[Look]) -> View:
    """What ``looks`` show most of the time: their median. Raises ValueError without any."""
    if not looks:
        raise ValueError("a view is made of at least one picture")
    plane = np.median([look.plane for look in looks], axis=0)
    none = np.zeros(BLOCKS[::-1], np.float32)
    detail = np.median([none if look.detail is None else look.detail for look in looks], axis=0)
    return View(np.clip(np.rint(plane), 0, 255).astype(np.uint8), detail.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How a picture compares with a view.

    ``share`` (0..1) of the blocks with texture agrees, ``kept`` is the part of the picture where
    they do so side by side. ``sharpness`` is that of what agrees, contrast aside, 1 for the
    view's own. In terms of the view's: all ``detail`` and ``texture``, the ``spread`` and the mean
    ``light`` of luma. ``layout`` (-1..1) is the correlation of where it is light and dark.
    ``agrees`` (12, 16) are the blocks that do.
    """

    share: float
    kept: float
    sharpness: float
    detail: float
    texture: float
    spread: float
    light: float
    layout: float
    agrees: BoolArray


class Reference:
    """A view as it is remembered, slowly following what the camera sees."""

    def __init__(self, view: View) -> None:
        self._anchor = view
        self._guess = 0
        self._set(view.plane.astype(np.float32), view.detail.copy())

    def _set(self, plane: FloatArray, detail: FloatArray) -> None:
        self._plane, self._detail = plane, detail
        self._refresh()

    def _refresh(self) -> None:
        self._texture = self._plane - cv2.boxFilter(self._plane, -1, SMOOTH)
        self._energy = _blocks(self._texture * self._texture)
        self._votes = self._energy > MIN_ENERGY
        self._means = _blocks(self._plane)

    @property
    def telling(self) -> bool:
        """Whether it has enough texture to be known again."""
        return int(np.count_nonzero(self._votes)) >= MIN_TELLING

    @property
    def view(self) -> View:
        """What is remembered now."""
        plane = np.clip(np.rint(self._plane), 0, 255).astype(np.uint8)
        return View(plane, self._detail.copy())

    def agreement(self, look: Look) -> Agreement:
        """How ``look`` compares with it; meaningless unless it is ``telling``."""
        votes = self._votes
        product = _blocks(look.texture * self._texture)
        agree = _correlated(product, look.energy, self._energy) & votes
        kept = cv2.morphologyEx(agree.view(np.uint8), cv2.MORPH_OPEN, _SQUARE)
        now, known = _blocks(look.plane), self._means
        now_spread, known_spread = float(now.std()), float(known.std())
        covariance = float(np.mean((now - now.mean()) * (known - known.mean())))
        return Agreement(
            share=_part(agree, votes),
            kept=float(kept.mean()),
            sharpness=self._sharpness(look, agree),
            detail=1.0 if look.detail is None else _ratio(look.detail[votes], self._detail[votes]),
            texture=_ratio(np.sqrt(look.energy[votes]), np.sqrt(self._energy[votes])),
            spread=float(look.plane.std()) / max(float(self._plane.std()), 1.0),
            light=float(now.mean() + 1) / float(known.mean() + 1),
            layout=covariance / max(now_spread * known_spread, 1.0),
            agrees=agree,
        )

    def _sharpness(self, look: Look, agree: BoolArray) -> float:
        """The ratio of detail over that of texture, in blocks that show the view and have much
        detail: what most of them do not exceed. 1 where there are too few."""
        judged = agree & (self._detail > MIN_DETAIL)
        if look.detail is None or np.count_nonzero(judged) < MIN_SHARP:
            return 1.0
        contrast = np.sqrt((look.energy[judged] + 0.25) / (self._energy[judged] + 0.25))
        return float(np.percentile(look.detail[judged] / self._detail[judged] / contrast, 70))

    def follow(self, look: Look, rate: float, detail_rate: float) -> None:
        """Go the parts ``rate`` and ``detail_rate`` (0..1) of the way to what is seen."""
        self._plane += np.float32(rate) * (look.plane - self._plane)
        if look.detail is not None:
            self._detail += np.float32(detail_rate) * (look.detail - self._detail)
        self._refresh()

    def settle(self) -> None:
        """Go back to the view as it was given where following has led away from its place."""
        anchor = Reference(self._anchor)
        gone = anchor.displacement(self._plane, near=True)
        if gone is not None and gone >= DISPLACED:
            self._set(anchor._plane, anchor._detail)

    def displacement(self, plane: FloatArray, *, near: bool = False) -> float | None:
        """How far the view stands displaced in ``plane`` (48, 64) luma: the root mean square over
        the picture, as a part of its width and height. None where it is not found; ``near`` finds
        little turns alone, and fast."""
        texture = plane - cv2.boxFilter(plane, -1, SMOOTH)
        if not near:
            found = (self._turn(texture, scale, None) for scale in SCALES)
            return next((away for away in found if away is not None), None)
        away = self._turn(texture, 1.0, NEAR_PX)
        if away is None:
            away = self._turn(texture, NEAR_SCALES[self._guess], NEAR_PX)
            # the other one next time
            self._guess = 1 - self._guess if away is None else self._guess
        return away

    def _turn(self, texture: FloatArray, scale: float, reach: int | None) -> float | None:
        """How far the view is displaced in ``texture``, where things are about ``scale`` times as
        large; ``reach`` as in ``_pieces``."""
        pieces, found = self._pieces(texture, scale, reach)
        if len(pieces) < MIN_TILES:
            return None
        fit, inliers = cv2.estimateAffinePartial2D(
            pieces, found, method=cv2.RANSAC, ransacReprojThreshold=FIT_PX
        )
        # OpenCV's stubs do not know that it may find nothing
        turn = cast("NDArray[np.float64] | None", fit)
        if turn is None or np.count_nonzero(inliers) < MIN_TILES:
            return None
        larger = math.hypot(turn[0, 0], turn[1, 0])
        if MIN_ZOOM < larger < MAX_ZOOM and self._shows(texture, turn):
            return _distance(turn)
        return None

    def _pieces(
        self, texture: FloatArray, scale: float, reach: int | None
    ) -> tuple[FloatArray, FloatArray]:
        """Where pieces of the view lie in it and where they are found in ``texture``, when they
        are ``scale`` times as large there: each (n, 2) px of the plane, ``reach`` px apart at
        most."""
        size = round(PLANE[0] * scale), round(PLANE[1] * scale)
        wider, taller = size[0] / PLANE[0], size[1] / PLANE[1]
        known = cv2.resize(self._plane, size) if scale != 1 else self._plane
        known = known - cv2.boxFilter(known, -1, SMOOTH)
        at, found = [], []
        each = TILE if reach is None else 4 * TILE // 3
        for y in _starts(size[1], PLANE[1], each):
            for x in _starts(size[0], PLANE[0], each):
                piece = known[y : y + TILE, x : x + TILE]
                if float(np.mean(piece * piece)) < MIN_ENERGY:
                    continue
                left = top = 0
                where = texture
                if reach is not None:
                    here_x, here_y = x - (size[0] - PLANE[0]) // 2, y - (size[1] - PLANE[1]) // 2
                    left, top = max(0, here_x - reach), max(0, here_y - reach)
                    where = texture[
                        top : max(0, here_y + TILE + reach), left : max(0, here_x + TILE + reach)
                    ]
                    if min(where.shape) < TILE:
                        continue
                scores = cv2.matchTemplate(where, piece, cv2.TM_CCOEFF_NORMED)
                _, best, _, (bx, by) = cv2.minMaxLoc(scores)
                if best < TILE_FOUND:
                    continue
                fx, fy = (
                    bx + _vertex(np.asarray(scores[by], np.float32), bx),
                    by + _vertex(np.asarray(scores[:, bx], np.float32), by),
                )
                half = (TILE - 1) / 2
                at.append(((x + half + 0.5) / wider - 0.5, (y + half + 0.5) / taller - 0.5))
                found.append((left + fx + half, top + fy + half))
        shape = (-1, 2)
        return np.array(at, np.float32).reshape(shape), np.array(found, np.float32).reshape(shape)

    def _shows(self, texture: FloatArray, turn: NDArray[np.float64]) -> bool:
        """Whether ``texture`` shows the view where ``turn`` (2, 3) puts it, better than where it
        was."""
        known = cv2.warpAffine(self._texture, turn, PLANE)
        inside = cv2.warpAffine(np.ones(PLANE[::-1], np.float32), turn, PLANE)
        energy, now = _blocks(known * known), _blocks(texture * texture)
        votes = (energy > MIN_ENERGY) & (_blocks(inside) > 0.99)
        if np.count_nonzero(votes) < MIN_TELLING // 2:
            return False
        there = _correlated(_blocks(known * texture), energy, now)
        here = _correlated(_blocks(self._texture * texture), self._energy, now)
        share, before = _part(there, votes), _part(here, self._votes)
        return share >= SHOWN and share > before + BETTER


def _distance(turn: NDArray[np.float64]) -> float:
    """The root mean square of how far ``turn`` (2, 3) moves the places of a plane, as a part of
    its width and height."""
    w, h = PLANE
    xs, ys = np.meshgrid(np.arange(4, w, 8), np.arange(4, h, 8))
    places = np.stack([xs.ravel(), ys.ravel()], axis=1).astype(np.float64)
    moved = (places @ turn[:, :2].T + turn[:, 2] - places) / np.array([w, h])
    return float(np.sqrt(np.mean(np.sum(moved * moved, axis=1))))


def _starts(size: int, shown: int, each: int) -> list[int]:
    """Where pieces begin along ``size`` px of a view of which ``shown`` px are seen, about one in
    ``each`` px: of a view that is enlarged only the middle is seen."""
    span = min(size, shown)
    first = (size - span) // 2
    number = max(3, span // each)
    return [round(first + i * (span - TILE) / (number - 1)) for i in range(number)]


def _vertex(scores: FloatArray, at: int) -> float:
    """Where the parabola through the score at ``at`` and its neighbours has its top, from it."""
    if not 0 < at < len(scores) - 1:
        return 0.0
    before, top, after = (float(value) for value in scores[at - 1 : at + 2])
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else (before - after) / (2 * bend)


def _blocks(values: NDArray[np.generic]) -> FloatArray:
    """The mean (12, 16) of each block of a plane."""
    return np.asarray(
        cv2.resize(values.astype(np.float32), BLOCKS, interpolation=cv2.INTER_AREA), np.float32
    )


def _part(agree: BoolArray, votes: BoolArray) -> float:
    """The part of ``votes`` that ``agree``."""
    return int(np.count_nonzero(agree & votes)) / max(1, int(np.count_nonzero(votes)))


def _ratio(values: FloatArray, known: FloatArray) -> float:
    """The median of ``values`` over that of ``known``, 1 where that is next to nothing."""
    middle = float(np.median(known)) if known.size else 0.0
    return float(np.median(values)) / middle if middle > MIN_RATIO else 1.0


def _correlated(product: FloatArray, energy: FloatArray, known: FloatArray) -> BoolArray:
    return np.asarray(product > AGREES * np.sqrt(energy * known + 1e-3), np.bool_)
