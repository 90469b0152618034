"""What the tracker of one camera goes by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FASTEST: Final = 15.0
"""How fast anything may move, in mean sides a second: a motorcycle at 60 km/h does about 10, a
person who runs about 5."""


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """``low``, ``match`` and ``birth`` are scores and belong to the model: a box continues a
    track from ``low`` on, with preference from ``match`` on, and begins one from ``birth`` on, or
    together with many that are fainter."""

    low: float
    match: float
    birth: float
    confirm_hits: int = 3
    """Boxes that make a beginning a track."""
    confirm_s: float = 0.199
    """And the least time from the first to the last of them: at 25 pictures a second three boxes
    are soon found of what is none. A fifth of a second, less what times are rounded by."""
    faint_hits: float = 6.0
    """Or, with none of ``birth``, boxes from ``match`` on whose scores come to so many times it."""
    faint_travel: float = 1.0
    """And which came so far, in mean sides: what looks a little like a person and never moves is a
    sign or a bush."""
    lost_s: float = 1.0
    """How long a moving object may be out of sight."""
    in_sight_s: float = 0.4
    """Who was seen so shortly ago cannot be far from there."""
    tentative_s: float = 0.3
    """How long a beginning of fewer than ``confirm_hits`` boxes may be out of sight; one picture
    may always be missed. Of more boxes it is remembered as a track is."""
    place_s: float = 60.0
    """How long the place of something that stood still is remembered."""
    pause_s: float = 5.0
    """After so long without a picture only what stood still is known again."""
    still_s: float = 2.0
    """How long it must have stood for that."""
    still_share: float = 0.25
    """Standing: the foot stayed within this part of the box's mean side."""
    min_overlap: float = 0.1
    """The least IoU of a box with where its track is expected."""
    value_high: float = 0.2
    value_low: float = 0.4
    """The least value of a pair, for boxes from ``match`` and from ``low`` on."""
    iou_high: float = 0.3
    """Or its least IoU, where a track and a box are left over."""
    iou_place: float = 0.5
    """The least IoU with where it was last seen, of who was out of sight."""
    buffer: float = 0.35
    """Part of its sides by which a box grows on each side, where a beginning's speed is unknown or
    a track in sight swerved (Yang et al. 2023, C-BIoU)."""
    iou_buffered: float = 0.3
    """The least IoU of boxes grown so, for a beginning, and for a track that has no rival."""
    fastest: tuple[tuple[str, float], ...] = (("person", 6.0),)
    """How fast objects of a class may move, in mean sides a second; others up to ``FASTEST``."""
    leap_size: float = 0.6
    """How alike the first boxes of what leaps must be: least ratio of their mean sides."""
    duplicate_iou: float = 0.7
    """A box that overlaps a box of a matched track, or a better birth, by more is no birth."""
    split_merges: bool = False
    """Boxes of objects that touch are one, as those of a detector that only sees what moves."""
    max_path: int = 1024
