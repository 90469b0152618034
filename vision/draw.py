"""The picture for people: what the camera sees, with everything that the room needs to know.

One pass shades what is translucent through a mask, for one object at the cost of a hundred; a
second pass draws what is opaque.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.scene import Line, Scene, Zone
from vision.types import Event, Image, Track, Tracked

Colour: TypeAlias = tuple[int, int, int]
Points: TypeAlias = NDArray[np.float64]
Rect: TypeAlias = tuple[float, float, float, float]
"""x, y, width, height of a label or a panel, px of the picture."""

# Okabe and Ito's palette (jfly.uni-koeln.de/color), lightened for video; BGR.
CLASS_COLOURS: Mapping[str, Colour] = {
    "person": (240, 190, 96),
    "bicycle": (96, 230, 240),
    "car": (150, 205, 60),
    "motorcycle": (48, 170, 240),
    "bus": (190, 140, 225),
    "truck": (245, 130, 100),
}
OTHER_COLOUR: Colour = (205, 205, 205)
ALERT: Colour = (52, 62, 226)
ZONE: Colour = (235, 175, 165)
WHITE: Colour = (255, 255, 255)
PALE: Colour = (222, 216, 210)
INK: Colour = (30, 24, 20)

TRAIL_S = 6.0
TRAIL_STEPS = 8
"""A trail fades in so many steps over ``TRAIL_S`` seconds of media time."""
MAX_INCIDENTS = 4
BAND_PX = 64
REGULAR, BOLD = 450, 650
SHIFT = 4
"""Fraction bits of coordinates, so that boxes glide instead of jumping from pixel to pixel."""
_INWARD = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
"""From each corner of a box, as ``_corners`` orders them, into it."""


def draw(
    image: Image,
    tracked: Tracked,
    scene: Scene,
    *,
    counts: Mapping[str, Mapping[str, int]],
    events: Sequence[Event],
    clock: str,
) -> Image:
    """A new (h, w, 3) uint8 BGR picture: ``image`` with the scene, the tracks and the incidents.

    ``tracked`` and ``scene`` are in pixels of ``scene.frame_size`` and are scaled to the image.
    ``counts`` are the totals so far by line and direction, ``events`` those open now, ``clock``
    the time as it is to be read. Boxes without a track are not drawn.
    """
    canvas = _Canvas(image, scene.frame_size, tracked.tracks)
    live = [event for event in events if event.end_ts is None]
    places = {event.place for event in live}
    alarmed = {track for event in live for track in event.track_ids}
    tracks = sorted(tracked.tracks, key=lambda track: (track.id in alarmed, track.box[3]))

    zones = [(zone, ALERT if zone.name in places else ZONE) for zone in scene.zones]
    lines = [(line, ALERT if line.name in places else WHITE) for line in scene.lines]
    boxes = [
        (track, ALERT if track.id in alarmed else _colour(track.class_name)) for track in tracks
    ]
    for zone, colour in zones:
        canvas.zone(zone.polygon, colour)
    for line, colour in lines:
        canvas.line(line, colour)
    for track, colour in boxes:
        canvas.trail(track, tracked.ts, colour)
    canvas.settle()

    for track, colour in boxes:
        canvas.box(track, colour, seen=track.last_ts >= tracked.ts)
    counted = sum(sum(by.values()) for by in counts.values())
    canvas.bar(tracked, counted if scene.lines else None, clock)
    canvas.incidents(live, tracked.ts)
    for line, colour in lines:
        canvas.totals(line, counts.get(line.name, {}), colour)
    for zone, colour in zones:
        canvas.zone_name(zone, colour)
    # The most urgent and the nearest first: they get the free places.
    for track, colour in reversed(boxes):
        if track.last_ts >= tracked.ts or colour == ALERT:
            canvas.label(track, colour)
    return canvas.image


class _Canvas:
    """The picture being drawn: sizes follow its height, places are given out once.

    ``zone``, ``line`` and ``trail`` are translucent and come before ``settle``.
    """

    def __init__(self, image: Image, frame_size: tuple[int, int], tracks: Sequence[Track]) -> None:
        self.image = np.ascontiguousarray(image).copy()
        self.h, self.w = image.shape[:2]
        self.scale = np.array([self.w / frame_size[0], self.h / frame_size[1]])
        # Small pictures need relatively larger text to stay legible.
        self.text_px = max(11, round(0.014 * self.h + 6))
        self.stroke = max(1.0, self.h / 420)
        self.font = cv2.FontFace("sans")
        self._layer = self.image.copy()
        self._mask = np.zeros((self.h, self.w), np.uint8)
        # Boxes first: to hide an object is bad, to hide a label is worse.
        self._covered = np.array([t.box for t in tracks], np.float64).reshape(-1, 4) * np.tile(
            self.scale, 2
        )
        self._boxes = len(tracks)

    def zone(self, polygon: Points, colour: Colour) -> None:
        fill, width = (54, 2.2) if colour == ALERT else (42, 1.4)
        self._fill(polygon, colour, fill)
        self._shade(polygon, colour, self.stroke * width, 235, True)

    def line(self, line: Line, colour: Colour) -> None:
        self._shade(line.points, INK, self.stroke * 4.5, 140, False)
        self._shade(line.points, colour, self.stroke * 2, 250, False)

    def trail(self, track: Track, ts: float, colour: Colour) -> None:
        """Where the foot point has been, and a soft dark edge under the box."""
        age = ts - track.first_ts - track.path[:, 2]
        recent = self._fixed(track.path[age <= TRAIL_S, :2])
        thick = max(1, round(self.stroke * 1.8))
        cv2.polylines(self._layer, [recent], False, colour, thick + 1, cv2.LINE_8, SHIFT)
        step = max(1, math.ceil(len(recent) / TRAIL_STEPS))
        for start in range(0, len(recent) - 1, step):
            part = recent[start : start + step + 1]
            alpha = min(225, 225 * (start + step) // len(recent))
            cv2.polylines(self._mask, [part], False, alpha, thick, cv2.LINE_AA, SHIFT)
        if colour == ALERT:
            self._fill(_corners(track.box), ALERT, 60)
        self._shade(_corners(track.box), INK, self.stroke * 2.6, 80, True)

    def settle(self) -> None:
        """Lay the translucent layer over the picture."""
        # In bands: whole float32 masks fall out of the cache, which takes twice as long.
        for top in range(0, self.h, BAND_PX):
            x, _, w, _ = cv2.boundingRect(self._mask[top : top + BAND_PX])
            here = np.s_[top : top + BAND_PX, x : x + w]
            if w:
                weight = self._mask[here] * np.float32(1 / 255)
                below = self.image[here]
                below[:] = cv2.blendLinear(self._layer[here], below, weight, 1 - weight)

    def _fill(self, polygon: Points, colour: Colour, alpha: int) -> None:
        corners = self._fixed(polygon)
        cv2.fillPoly(self._layer, [corners], colour, cv2.LINE_8, SHIFT)
        cv2.fillPoly(self._mask, [corners], alpha, cv2.LINE_AA, SHIFT)

    def _shade(self, points: Points, ink: Colour, width: float, alpha: int, closed: bool) -> None:
        fixed, thick = [self._fixed(points)], max(1, round(width))
        # The colour reaches beyond the mask, whose soft edge then never shows the old layer.
        cv2.polylines(self._layer, fixed, closed, ink, thick + 1, cv2.LINE_8, SHIFT)
        cv2.polylines(self._mask, fixed, closed, alpha, thick, cv2.LINE_AA, SHIFT)

    def box(self, track: Track, colour: Colour, *, seen: bool) -> None:
        corners = _corners(track.box)
        thick = max(1, round(self.stroke * (2.4 if colour == ALERT else 1.8)))
        if colour == ALERT:
            edges = [self._fixed(corners)]
            cv2.polylines(self.image, edges, True, colour, thick, cv2.LINE_AA, SHIFT)
        elif seen:
            # An angle at each corner leaves the object itself in view.
            arm = _INWARD * 0.22 * max(0.0, float((corners[2] - corners[0]).min()))
            marks = np.stack([corners + arm * [1, 0], corners, corners + arm * [0, 1]], axis=1)
            edges = list(self._fixed(marks))
            cv2.polylines(self.image, edges, False, colour, thick, cv2.LINE_AA, SHIFT)
        x, y = track.foot * self.scale
        self._dot(x, y, self.stroke * 2.7, INK)
        self._dot(x, y, self.stroke * 1.9, colour if seen else PALE)

    def bar(self, tracked: Tracked, counted: int | None, clock: str) -> None:
        """Camera and time at the left; what is in view, by class, and the total at the right."""
        size, pad = self.text_px + 1, self.text_px * 0.7
        bar = (0, 0, self.w, round(size * 2.1))
        self._panel(bar, INK, 0.72, 0)
        self._place([bar])
        by_class = Counter(t.class_name for t in tracked.tracks if t.last_ts >= tracked.ts)
        chips: list[tuple[str, str, Colour | None]] = []
        if counted is not None:
            chips.append((f"{counted}", " counted", None))
        chips += [(f"{n}", f" {name}", _colour(name)) for name, n in by_class.most_common()]
        clock_w = self._width(clock, size, REGULAR)
        right, middle = self.w - pad, bar[3] / 2
        for number, word, dot in chips:
            words = self._width(number, size, BOLD) + self._width(word, size, REGULAR)
            left = right - words - (size if dot else 0)
            # The camera's name and the time come first where there is little room.
            if left < pad * 3 + clock_w + self.w * 0.16:
                break
            if dot:
                self._dot(left + size * 0.5, middle, size * 0.32, dot)
            x = self._text(number, right - words, middle, size, WHITE, BOLD)
            self._text(word, x, middle, size, PALE, REGULAR)
            right = left - size * 0.6
        name = self._fitting(tracked.camera_id, size, BOLD, right - pad * 3 - clock_w)
        x = self._text(name, pad, middle, size, WHITE, BOLD)
        self._text(clock, x + pad, middle, size, PALE, REGULAR)

    def incidents(self, events: Sequence[Event], ts: float) -> None:
        """A list of what is wrong now, below the bar."""
        size, pad = self.text_px + 1, self.text_px * 0.6
        lines = []
        for event in sorted(events, key=lambda event: -event.raised_ts):
            minutes, seconds = divmod(max(0, int(ts - event.start_ts)), 60)
            kind = event.kind.replace("_", " ").capitalize()
            lines.append((kind, f"{event.place} · {minutes}:{seconds:02d}"))
        if len(lines) > MAX_INCIDENTS:
            lines[MAX_INCIDENTS - 1 :] = [(f"+ {len(lines) - MAX_INCIDENTS + 1} more", "")]
        y = size * 2.1 + pad
        for kind, rest in lines:
            kind = self._fitting(kind, size, BOLD, self.w * 0.4)
            rest = self._fitting(rest, size, REGULAR, self.w * 0.45)
            words = self._width(kind, size, BOLD) + self._width(rest, size, REGULAR)
            rect = (pad, y, words + size * 2.1 + pad, round(size * 1.75))
            self._panel(rect, ALERT, 0.94, size * 0.35)
            self._place([rect])
            middle = y + rect[3] / 2
            self._dot(pad + size * 0.8, middle, size * 0.3, WHITE)
            x = self._text(kind, pad + size * 1.5, middle, size, WHITE, BOLD)
            self._text(rest, x + size * 0.6, middle, size, PALE, REGULAR)
            y += rect[3] + pad * 0.5

    def totals(self, line: Line, counts: Mapping[str, int], colour: Colour) -> None:
        """The line's name and its totals by direction, at one of its ends."""
        size, pad = self.text_px, self.text_px * 0.55
        ends = line.points * self.scale
        forward = _forward(*ends)
        # The head on the line's middle points where forward is.
        tip = ends.mean(axis=0) + forward * size * 0.85
        self._head(tip + forward * self.stroke * 2, forward, size * 0.6 + self.stroke * 2, INK)
        self._head(tip, forward, size * 0.6, colour)
        rows = [
            (towards, self._fitting(way, size, REGULAR, self.w * 0.2), str(counts.get(way, 0)))
            for towards, way in ((forward, line.forward), (-forward, line.backward))
        ]
        title = self._fitting(line.name, size, BOLD, self.w * 0.25)
        words = max(self._width(word, size, REGULAR) for _, word, _ in rows)
        digits = max(self._width(figure, size, BOLD) for _, _, figure in rows)
        wide = max(self._width(title, size, BOLD), words + digits + size * 2.35) + 2 * pad
        step = size * 1.4
        tall, away = step * 3 + pad * 0.7, size * 0.8
        spots = [
            (x + dx, y + dy, wide, tall)
            for x, y in ends[::-1]
            for dy in (-away - tall, away)
            for dx in (away, -away - wide)
        ]
        rect, _ = self._place(spots)
        ground, alpha = (ALERT, 0.9) if colour == ALERT else (INK, 0.8)
        self._panel(rect, ground, alpha, size * 0.45)
        left, y = rect[0] + pad, rect[1] + pad * 0.35 + step / 2
        self._text(title, left, y, size, WHITE, BOLD)
        for towards, word, figure in rows:
            y += step
            tip = np.array([left + size * 0.42, y]) + towards * size * 0.32
            self._head(tip, towards, size * 0.4, PALE)
            self._text(word, left + size * 1.35, y, size, PALE, REGULAR)
            end = left + wide - 2 * pad - self._width(figure, size, BOLD)
            self._text(figure, end, y, size, WHITE, BOLD)

    def zone_name(self, zone: Zone, colour: Colour) -> None:
        """The zone's name at one of its corners, the upper ones first, or in its middle."""
        text = self._fitting(zone.name, self.text_px, BOLD, self.w * 0.3)
        w, h = self._tag_size(text, self.text_px)
        points = zone.polygon * self.scale
        middle = points.mean(axis=0)
        centres = [*(0.75 * points[np.argsort(points[:, 1])] + 0.25 * middle), middle]
        rect, _ = self._place([(x - w / 2, y - h / 2, w, h) for x, y in centres])
        self._tag(text, rect, colour, self.text_px)

    def label(self, track: Track, colour: Colour) -> None:
        """Number and class beside the box; the number alone, or nothing, where it is crowded."""
        left, top, right, bottom = track.box * np.tile(self.scale, 2)
        if right < 0 or bottom < 0 or left > self.w or top > self.h:
            return
        size = self.text_px - 1
        for text, limit in ((f"{track.id} {track.class_name}", 0.02), (f"{track.id}", 0.3)):
            w, h = self._tag_size(text, size)
            above = [(x, top - h) for x in (left, right - w, (left + right - w) / 2)]
            spots = [*above, (left, bottom), (right, top), (left - w, top)]
            rect, covered = self._place([(x, y, w, h) for x, y in spots], limit)
            if covered <= limit or colour == ALERT:
                self._tag(text, rect, colour, size)
                return

    def _fixed(self, points: NDArray[np.floating]) -> NDArray[np.int32]:
        """Scene points (..., 2) as OpenCV's fixed-point pixels."""
        return self._near(points * self.scale)

    def _near(self, points: Points) -> NDArray[np.int32]:
        """Picture points in fixed point; OpenCV's integers overflow on those far outside."""
        far = 3 * max(self.w, self.h)
        near = np.maximum(np.minimum(points, far), -far)
        return np.asarray(np.rint(near * (1 << SHIFT)), np.int32)

    def _panel(self, rect: Rect, colour: Colour, alpha: float, radius: float) -> None:
        """A filled rectangle with round corners, blended with what is below it."""
        x, y, w, h = rect
        x0, y0 = max(0, round(x)), max(0, round(y))
        x1, y1 = min(self.w, round(x + w)), min(self.h, round(y + h))
        if x1 <= x0 or y1 <= y0:
            return
        below = self.image[y0:y1, x0:x1]
        above = below.copy()
        right, low = x1 - x0 - 1, y1 - y0 - 1
        r = min(round(radius), right // 2, low // 2)
        cv2.rectangle(above, (r, 0), (right - r, low), colour, -1)
        cv2.rectangle(above, (0, r), (right, low - r), colour, -1)
        for corner in ((r, r), (right - r, r), (r, low - r), (right - r, low - r)):
            cv2.circle(above, corner, r, colour, -1, cv2.LINE_AA)
        cv2.addWeighted(above, alpha, below, 1 - alpha, 0, dst=below)

    def _head(self, tip: Points, towards: Points, size: float, colour: Colour) -> None:
        """A triangle at ``tip`` (2,) px that points along the unit vector ``towards``."""
        across = np.array([-towards[1], towards[0]])
        back = tip - towards * size * 1.5
        corners = self._near(np.stack([tip, back + across * size, back - across * size]))
        cv2.fillConvexPoly(self.image, corners, colour, cv2.LINE_AA, SHIFT)

    def _tag_size(self, text: str, size: int) -> tuple[float, float]:
        return self._width(text, size, BOLD) + size * 0.8, round(size * 1.4)

    def _tag(self, text: str, rect: Rect, colour: Colour, size: int) -> None:
        """A word on a coloured chip."""
        self._panel(rect, colour, 0.92, size * 0.32)
        ink = WHITE if colour == ALERT else INK
        self._text(text, rect[0] + size * 0.4, rect[1] + rect[3] / 2, size, ink, BOLD)

    def _width(self, text: str, size: int, weight: int) -> float:
        return float(cv2.getTextSize((0, 0), text, (0, 0), self.font, size, weight)[2])

    def _text(self, text: str, x: float, y: float, size: int, ink: Colour, weight: int) -> float:
        """Text from ``x`` on, its capitals centred on ``y``; returns the x where it ends."""
        at = round(x), round(y + size * 0.36)
        return float(cv2.putText(self.image, text, at, ink, self.font, size, weight)[0][0])

    def _dot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        cx, cy = self._near(np.array([x, y])).tolist()
        size = round(radius * (1 << SHIFT))
        cv2.circle(self.image, (cx, cy), size, colour, -1, cv2.LINE_AA, SHIFT)

    def _fitting(self, text: str, size: int, weight: int, room: float) -> str:
        """The text, on one line, cut at its end where it is wider than ``room`` px."""
        text = " ".join(text.split())
        if self._width(text, size, weight) <= room:
            return text
        while text and self._width(text + "…", size, weight) > room:
            text = text[:-1].rstrip()
        return text + "…" if text else ""

    def _place(self, spots: Sequence[Rect], limit: float = math.inf) -> tuple[Rect, float]:
        """The spot, moved into the picture, that hides least, and the part of it (0..1) that lies
        on labels and panels; it is taken if that is at most ``limit``."""
        asked = np.array(spots)
        size = asked[:, 2:]
        low = np.maximum(1, np.minimum(asked[:, :2], [self.w - 1, self.h - 1] - size))
        ends = np.minimum((low + size)[:, None], self._covered[:, 2:])
        meet = np.maximum(ends - np.maximum(low[:, None], self._covered[:, :2]), 0)
        parts = meet[..., 0] * meet[..., 1] / (size[:, :1] * size[:, 1:])
        covered = parts[:, self._boxes :].sum(axis=1)
        hidden = parts[:, : self._boxes].sum(axis=1)
        moved = np.abs(low - asked[:, :2]).sum(axis=1) / (self.w + self.h)
        cost = covered + 0.3 * hidden + 2 * moved + 1e-3 * np.arange(len(spots))
        best = int(np.argmin(cost))
        if covered[best] <= limit:
            self._covered = np.vstack([self._covered, [*low[best], *(low + size)[best]]])
        x, y, w, h = (float(value) for value in np.hstack([low, size])[best])
        return (x, y, w, h), float(covered[best])


def _colour(class_name: str) -> Colour:
    return CLASS_COLOURS.get(class_name, OTHER_COLOUR)


def _forward(a: Points, b: Points) -> Points:
    """The unit vector to the right-hand side of a walk from a to b, as seen in the picture."""
    along = (b - a) / max(1e-9, float(np.hypot(*(b - a))))
    return np.array([-along[1], along[0]])


def _corners(box: NDArray[np.floating]) -> Points:
    """The four corners (4, 2) of an xyxy box, in order around it from the top left."""
    return box.astype(np.float64)[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)
