"""The picture for people: what the camera sees, with everything that the room needs to know.

One pass shades what is translucent through a mask, for one object at the cost of a hundred; a
second pass draws what is opaque.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.canvas import BOLD, REGULAR, Canvas, Colour, Points, Rect, around
from vision.scene import Line, Scene, Zone
from vision.types import Event, Image, Track, Tracked

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
"""A trail fades over so many seconds of media time."""
MAX_INCIDENTS = 4
MAX_COVERED = 0.3
"""Part of a note that may lie on others; beyond it, a track has its label alone."""
_INWARD = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
"""From each corner of a box, as ``_corners`` orders them, into it."""


@dataclass(frozen=True, slots=True)
class Note:
    """Words about something in the picture: a ``title`` and the ``text`` below it.

    They stand beside the track ``track_id``, around and beside the ``box`` (x1, y1, x2, y2) px of
    the scene's picture, or at the zone or line called ``place``; those about none of them stand
    below the bar. ``alert`` is for what is wrong now.
    """

    title: str
    text: str
    track_id: int | None = None
    box: tuple[float, float, float, float] | None = None
    place: str = ""
    alert: bool = False


def draw(
    image: Image,
    tracked: Tracked,
    scene: Scene,
    *,
    counts: Mapping[str, Mapping[str, int]],
    events: Sequence[Event],
    clock: str,
    notes: Sequence[Note] = (),
) -> Image:
    """A new (h, w, 3) uint8 BGR picture: ``image`` with the scene, the tracks and the incidents.

    ``tracked`` and ``scene`` are in pixels of ``scene.frame_size`` and are scaled to the image.
    ``counts`` are the totals so far by line and direction, ``events`` those open now, ``clock``
    the time as it is to be read. Boxes without a track are not drawn. ``notes``, the most important
    first, say more; a track that has one has no other label.
    """
    canvas = _Picture(image, scene.frame_size, tracked.tracks)
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
    below = canvas.incidents(live, tracked.ts)
    general = [note for note in notes if note.track_id is None and not note.box and not note.place]
    canvas.general(general, below)
    for line, colour in lines:
        canvas.totals(line, counts.get(line.name, {}), colour)
    for zone, colour in zones:
        canvas.zone_name(zone, colour)
    # what nobody follows, such as a bag, has no box yet
    said = canvas.notes(
        notes or _spots(live), scene, {track.id: (track.box, colour) for track, colour in boxes}
    )
    # The most urgent and the nearest first: they get the free places.
    for track, colour in reversed(boxes):
        if track.id not in said and (track.last_ts >= tracked.ts or colour == ALERT):
            canvas.label(track, colour)
    return canvas.image


class _Picture(Canvas):
    """What is drawn of a camera. ``zone``, ``line`` and ``trail`` are translucent and come before
    ``settle``."""

    def __init__(self, image: Image, frame_size: tuple[int, int], tracks: Sequence[Track]) -> None:
        boxes = np.array([track.box for track in tracks], np.float64).reshape(-1, 4)
        super().__init__(image, frame_size, boxes)

    def zone(self, polygon: Points, colour: Colour) -> None:
        fill, width = (54, 2.2) if colour == ALERT else (42, 1.4)
        self.fill(polygon, colour, fill)
        self.shade(polygon, colour, self.stroke * width, 235, True)

    def line(self, line: Line, colour: Colour) -> None:
        self.shade(line.points, INK, self.stroke * 4.5, 140, False)
        self.shade(line.points, colour, self.stroke * 2, 250, False)

    def trail(self, track: Track, ts: float, colour: Colour) -> None:
        """Where the foot point has been, and a soft dark edge under the box."""
        age = ts - track.first_ts - track.path[:, 2]
        self.fading(track.path[age <= TRAIL_S, :2], colour, self.stroke * 1.8)
        if colour == ALERT:
            self.fill(_corners(track.box), ALERT, 60)
        self.shade(_corners(track.box), INK, self.stroke * 2.6, 80, True)

    def box(self, track: Track, colour: Colour, *, seen: bool) -> None:
        corners = _corners(track.box)
        if colour == ALERT:
            self.edges(corners[None], colour, self.stroke * 2.4, closed=True)
        elif seen:
            # An angle at each corner leaves the object itself in view.
            arm = _INWARD * 0.22 * max(0.0, float((corners[2] - corners[0]).min()))
            marks = np.stack([corners + arm * [1, 0], corners, corners + arm * [0, 1]], axis=1)
            self.edges(marks, colour, self.stroke * 1.8, closed=False)
        x, y = track.foot * self.scale
        self.dot(x, y, self.stroke * 2.7, INK)
        self.dot(x, y, self.stroke * 1.9, colour if seen else PALE)

    def bar(self, tracked: Tracked, counted: int | None, clock: str) -> None:
        """Camera and time at the left; what is in view, by class, and the total at the right."""
        size, pad = self.text_px + 1, self.text_px * 0.7
        bar = (0, 0, self.w, round(size * 2.1))
        self.panel(bar, INK, 0.72, 0)
        self.place([bar])
        by_class = Counter(t.class_name for t in tracked.tracks if t.last_ts >= tracked.ts)
        chips: list[tuple[str, str, Colour | None]] = []
        if counted is not None:
            chips.append((f"{counted}", " counted", None))
        chips += [(f"{n}", f" {name}", _colour(name)) for name, n in by_class.most_common()]
        clock_w = self.width(clock, size, REGULAR)
        right, middle = self.w - pad, bar[3] / 2
        for number, word, dot in chips:
            words = self.width(number, size, BOLD) + self.width(word, size, REGULAR)
            left = right - words - (size if dot else 0)
            # The camera's name and the time come first where there is little room.
            if left < pad * 3 + clock_w + self.w * 0.16:
                break
            if dot:
                self.dot(left + size * 0.5, middle, size * 0.32, dot)
            x = self.text(number, right - words, middle, size, WHITE, BOLD)
            self.text(word, x, middle, size, PALE, REGULAR)
            right = left - size * 0.6
        name = self.fitting(tracked.camera_id, size, BOLD, right - pad * 3 - clock_w)
        x = self.text(name, pad, middle, size, WHITE, BOLD)
        self.text(clock, x + pad, middle, size, PALE, REGULAR)

    def incidents(self, events: Sequence[Event], ts: float) -> float:
        """A list of what is wrong now, below the bar; returns the y where it ends."""
        lines = []
        for event in sorted(events, key=lambda event: -event.raised_ts):
            minutes, seconds = divmod(max(0, int(ts - event.start_ts)), 60)
            kind = event.kind.replace("_", " ").capitalize()
            for_s = f"{minutes}:{seconds:02d}"
            lines.append((kind, f"{event.place} · {for_s}" if event.place else for_s))
        if len(lines) > MAX_INCIDENTS:
            lines[MAX_INCIDENTS - 1 :] = [(f"+ {len(lines) - MAX_INCIDENTS + 1} more", "")]
        return self._list(lines, (self.text_px + 1) * 2.1 + self.text_px * 0.6, ALERT)

    def general(self, notes: Sequence[Note], y: float) -> None:
        """Notes about the picture as a whole, from ``y`` on."""
        for note in notes:
            y = self._list([(note.title, note.text)], y, ALERT if note.alert else INK)

    def _list(self, lines: Sequence[tuple[str, str]], y: float, ground: Colour) -> float:
        size, pad = self.text_px + 1, self.text_px * 0.6
        for title, rest in lines:
            title = self.fitting(title, size, BOLD, self.w * 0.4)
            rest = self.fitting(rest, size, REGULAR, self.w * 0.45)
            words = self.width(title, size, BOLD) + self.width(rest, size, REGULAR)
            rect = (pad, y, words + size * 2.1 + pad, round(size * 1.75))
            self.panel(rect, ground, 0.94, size * 0.35)
            self.place([rect])
            middle = y + rect[3] / 2
            self.dot(pad + size * 0.8, middle, size * 0.3, WHITE)
            x = self.text(title, pad + size * 1.5, middle, size, WHITE, BOLD)
            self.text(rest, x + size * 0.6, middle, size, PALE, REGULAR)
            y += rect[3] + pad * 0.5
        return y

    def totals(self, line: Line, counts: Mapping[str, int], colour: Colour) -> None:
        """The line's name and its totals by direction, at one of its ends."""
        size, pad = self.text_px, self.text_px * 0.55
        ends = line.points * self.scale
        forward = _forward(*ends)
        # The head on the line's middle points where forward is.
        tip = ends.mean(axis=0) + forward * size * 0.85
        self.head(tip + forward * self.stroke * 2, forward, size * 0.6 + self.stroke * 2, INK)
        self.head(tip, forward, size * 0.6, colour)
        rows = [
            (towards, self.fitting(way, size, REGULAR, self.w * 0.2), str(counts.get(way, 0)))
            for towards, way in ((forward, line.forward), (-forward, line.backward))
        ]
        title = self.fitting(line.name, size, BOLD, self.w * 0.25)
        words = max(self.width(word, size, REGULAR) for _, word, _ in rows)
        digits = max(self.width(figure, size, BOLD) for _, _, figure in rows)
        wide = max(self.width(title, size, BOLD), words + digits + size * 2.35) + 2 * pad
        step = size * 1.4
        tall, away = step * 3 + pad * 0.7, size * 0.8
        spots = [
            (x + dx, y + dy, wide, tall)
            for x, y in ends[::-1]
            for dy in (-away - tall, away)
            for dx in (away, -away - wide)
        ]
        rect, _ = self.place(spots)
        ground, alpha = (ALERT, 0.9) if colour == ALERT else (INK, 0.8)
        self.panel(rect, ground, alpha, size * 0.45)
        left, y = rect[0] + pad, rect[1] + pad * 0.35 + step / 2
        self.text(title, left, y, size, WHITE, BOLD)
        for towards, word, figure in rows:
            y += step
            tip = np.array([left + size * 0.42, y]) + towards * size * 0.32
            self.head(tip, towards, size * 0.4, PALE)
            self.text(word, left + size * 1.35, y, size, PALE, REGULAR)
            end = left + wide - 2 * pad - self.width(figure, size, BOLD)
            self.text(figure, end, y, size, WHITE, BOLD)

    def zone_name(self, zone: Zone, colour: Colour) -> None:
        """The zone's name at one of its corners, the upper ones first, or in its middle."""
        text = self.fitting(zone.name, self.text_px, BOLD, self.w * 0.3)
        w, h = self.chip_size(text, self.text_px)
        points = zone.polygon * self.scale
        middle = points.mean(axis=0)
        centres = [*(0.75 * points[np.argsort(points[:, 1])] + 0.25 * middle), middle]
        rect, _ = self.place([(x - w / 2, y - h / 2, w, h) for x, y in centres])
        self.chip(text, rect, colour, self.text_px, _ink(colour))

    def label(self, track: Track, colour: Colour) -> None:
        """Number and class beside the box; the number alone, or nothing, where it is crowded."""
        left, top, right, bottom = track.box * np.tile(self.scale, 2)
        if right < 0 or bottom < 0 or left > self.w or top > self.h:
            return
        size = self.text_px - 1
        for text, limit in ((f"{track.id} {track.class_name}", 0.02), (f"{track.id}", 0.3)):
            w, h = self.chip_size(text, size)
            above = [(x, top - h) for x in (left, right - w, (left + right - w) / 2)]
            spots = [*above, (left, bottom), (right, top), (left - w, top)]
            rect, covered = self.place([(x, y, w, h) for x, y in spots], limit)
            if covered <= limit or colour == ALERT:
                self.chip(text, rect, colour, size, _ink(colour))
                return

    def notes(
        self,
        notes: Sequence[Note],
        scene: Scene,
        boxes: Mapping[int, tuple[NDArray[np.floating], Colour]],
    ) -> set[int | None]:
        """Every note for which there is room, beside what it is about; returns the tracks (keys of
        ``boxes``) that have one."""
        shapes = {zone.name: zone.polygon for zone in scene.zones}
        shapes |= {line.name: line.points for line in scene.lines}
        said, panels = set(), []
        for note in notes:
            colour = ALERT if note.alert else PALE
            if note.track_id is not None:
                if note.track_id not in boxes:
                    continue
                box, own = boxes[note.track_id]
                colour = ALERT if note.alert else own
            elif note.box is not None:
                box = np.array(note.box, np.float32)
                self.edges(_corners(box)[None], colour, self.stroke * 2, closed=True)
            elif note.place in shapes:
                box = np.tile(shapes[note.place].mean(axis=0), 2)
            else:
                continue
            box = box * np.tile(self.scale, 2)
            rect = self._note_at(note, box)
            if rect is not None:
                panels.append((note, colour, rect, box))
                said.add(note.track_id)
        # what leads to one panel does not cross the words of another
        for _, colour, rect, box in panels:
            self._leader(rect, box, colour)
        for note, colour, rect, _ in panels:
            self._note(note, rect, colour)
        return said

    def _note_at(self, note: Note, box: Points) -> Rect | None:
        """The place of a note about the ``box`` (4,) xyxy px of the image; None where it is too
        crowded, or out of the picture."""
        left, top, right, bottom = box
        if right < 0 or bottom < 0 or left > self.w or top > self.h:
            return None
        size = self.text_px - 1
        title, text = self._note_words(note)
        wide = max(self.width(title, size, BOLD), self.width(text, size, REGULAR))
        spots = list(around(box, wide + self.text_px * 1.35, round(size * 2.75), size))
        limit = math.inf if note.alert else MAX_COVERED
        rect, covered = self.place(spots, limit)
        return rect if covered <= limit else None

    def _note_words(self, note: Note) -> tuple[str, str]:
        size, room = self.text_px - 1, self.w * 0.3
        title = self.fitting(note.title, size, BOLD, room)
        return title, self.fitting(note.text, size, REGULAR, room)

    def _leader(self, rect: Rect, box: Points, colour: Colour) -> None:
        """A line between a panel and the ``box`` that it is about, where they lie apart."""
        (left, top, right, bottom), (x, y, w, h) = box, rect
        near = np.clip([x, y, x + w, y + h], [left, top, left, top], [right, bottom, right, bottom])
        start = near.reshape(2, 2).mean(axis=0)
        end = np.clip(start, [x, y], [x + w, y + h])
        if np.hypot(*(end - start)) > self.text_px * 0.5:
            way = np.stack([start, end])[None] / self.scale
            self.edges(way, INK, self.stroke * 2.6, closed=False)
            self.edges(way, colour, self.stroke * 1.2, closed=False)

    def _note(self, note: Note, rect: Rect, colour: Colour) -> None:
        """A panel of two lines with an edge in ``colour``."""
        (x, y, _, h), size, pad = rect, self.text_px - 1, self.text_px * 0.45
        title, text = self._note_words(note)
        self.panel(rect, ALERT if note.alert else INK, 0.88, size * 0.35)
        self.panel((x, y, pad * 0.8, h), colour, 1.0, 0)
        self.text(title, x + pad * 1.7, y + h * 0.29, size, WHITE, BOLD)
        self.text(text, x + pad * 1.7, y + h * 0.72, size, PALE, REGULAR)


def _colour(class_name: str) -> Colour:
    return CLASS_COLOURS.get(class_name, OTHER_COLOUR)


def _ink(ground: Colour) -> Colour:
    return WHITE if ground == ALERT else INK


def _forward(a: Points, b: Points) -> Points:
    """The unit vector to the right-hand side of a walk from a to b, as seen in the picture."""
    along = (b - a) / max(1e-9, float(np.hypot(*(b - a))))
    return np.array([-along[1], along[0]])


def _corners(box: NDArray[np.floating]) -> Points:
    """The four corners (4, 2) of an xyxy box, in order around it from the top left."""
    return box.astype(np.float64)[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)


def _spots(events: Sequence[Event]) -> list[Note]:
    """Where events are that are about no track."""
    found = []
    for event in events:
        box = event.details.get("box_px")
        if isinstance(box, list) and "foot_px" not in event.details:
            x1, y1, x2, y2 = (float(str(value)) for value in box)
            title = event.kind.replace("_", " ").capitalize()
            found.append(Note(title, event.place, box=(x1, y1, x2, y2), alert=True))
    return found
