"""The central types: frozen, validated when built; many things at once are structs of arrays.

Coordinates are pixels with the origin at the top left, x to the right, y down. A frame's
``Detections`` are in that frame's own pixels; from ``Tracked`` on, everything is in the pixels of
the scene's picture (``Scene.frame_size``), so that a change of resolution moves no line.
Times are UTC seconds of capture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vision.bystanders import NO_ONE, Bystanders
from vision.picture import Picture, picture_of
from vision.sightings import Sightings

FloatArray: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int32]
BoolArray: TypeAlias = NDArray[np.bool_]
Image: TypeAlias = NDArray[np.uint8]
Severity: TypeAlias = Literal["low", "medium", "high", "critical"]
SEVERITY_RANK: Final[Mapping[Severity, int]] = {"low": 0, "medium": 1, "high": 2, "critical": 3}
FaultKind: TypeAlias = Literal["covered", "dark", "defocused", "frozen", "moved"]
"""What may be wrong with a camera's picture; the incident kind is ``camera_`` and this."""
JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Frame:
    """One picture of one camera.

    ``index`` counts decoded frames from 0; ``ts`` is the capture time in UTC seconds; ``picture``
    is what it shows. Raises ValueError for another time or index.
    """

    camera_id: str
    index: int
    ts: float
    picture: Picture

    def __init__(self, camera_id: str, index: int, ts: float, picture: Picture | Image) -> None:
        """``picture`` may be its pixels, (h, w, 3) uint8 BGR. Raises what ``Pixels`` raises."""
        if not math.isfinite(ts) or index < 0:
            raise ValueError(f"a frame needs a finite ts and an index from 0, not {ts}, {index}")
        values = camera_id, index, ts, picture_of(picture)
        for name, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    @property
    def image(self) -> Image:
        """(h, w, 3) uint8 BGR in full size."""
        return self.picture.image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.picture.size


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Boxes found in one frame: ``xyxy`` (n, 4) float32 px, ``score`` (n,) float32 in 0..1,
    ``class_id`` (n,) int32, an index into the detector's ``classes``.

    Raises ValueError where shapes, types or values do not fit.
    """

    xyxy: FloatArray
    score: FloatArray
    class_id: IntArray

    def __post_init__(self) -> None:
        n = self.score.size
        shapes = (self.xyxy.shape, self.score.shape, self.class_id.shape)
        if shapes != ((n, 4), (n,), (n,)):
            raise ValueError(f"detections are xyxy (n, 4), score (n,), class_id (n,), not {shapes}")
        types = [str(array.dtype) for array in (self.xyxy, self.score, self.class_id)]
        if types != ["float32", "float32", "int32"]:
            raise ValueError(f"detections are float32, float32, int32, not {', '.join(types)}")
        if not (np.isfinite(self.xyxy).all() and np.isfinite(self.score).all()):
            raise ValueError("detections hold a value that is not finite")

    def __len__(self) -> int:
        return len(self.score)

    def select(self, which: BoolArray | NDArray[np.intp]) -> Detections:
        """The rows that a mask (n,) or an array of indices picks, in its order."""
        return Detections(self.xyxy[which], self.score[which], self.class_id[which])

    @staticmethod
    def empty() -> Detections:
        return Detections(
            np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One object over time, as known at one step.

    ``class_name`` is decided by a vote along the track, ``class_share`` is the winner's part of
    it (0..1), ``score`` the mean of its boxes' scores. ``box`` (4,) float32 xyxy px is the latest
    filtered box. ``path`` (k, 3) float32 is the ground-contact point (bottom centre) x, y in px
    and the seconds since ``first_ts`` at each time the object was seen; it is bounded: the oldest
    points go first. ``last_ts`` is when it was last seen, so a track with ``last_ts`` before the
    step's ``ts`` is out of sight.
    """

    id: int
    class_name: str
    class_share: float
    score: float
    first_ts: float
    last_ts: float
    box: FloatArray
    path: FloatArray
    sizes: FloatArray

    def __post_init__(self) -> None:
        if self.id < 0:
            raise ValueError(
                f"a track's id is 0 or more, not {self.id}: unconfirmed boxes are no tracks"
            )
        path = self.path.shape
        if self.box.shape != (4,) or path[1:] != (3,):
            raise ValueError(f"a track has box (4,) and path (k, 3), not {self.box.shape}, {path}")
        if path[0] == 0 or self.last_ts < self.first_ts:
            raise ValueError("a track has at least one point and does not end before it starts")
        if self.sizes.shape != (path[0], 2):
            raise ValueError(
                f"a track has a size for each point, ({path[0]}, 2), not {self.sizes.shape}"
            )

    @property
    def foot(self) -> tuple[float, float]:
        """The latest ground-contact point, px."""
        return float(self.path[-1, 0]), float(self.path[-1, 1])


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong with the picture since ``since_ts``. ``score`` (0..1) says how clearly,
    ``measured`` by what figures."""

    kind: FaultKind
    since_ts: float
    score: float
    measured: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Quality:
    """How far the picture can be trusted: ``faults`` are those that hold now, ``view`` the name
    of the preset that is seen, "" for the scene's own view. ``doubt_ts`` says since when the
    picture may be wrong while nothing is certain yet: what is seen from then on counts only once
    the doubt is gone."""

    faults: tuple[Fault, ...] = ()
    view: str = ""
    doubt_ts: float | None = None

    @property
    def trusted(self) -> bool:
        """Whether rules and counts may look at it."""
        return not self.faults


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """A patch that differs from what the camera has always seen there, and keeps still.

    ``id`` is its own while it is known; ``box`` (4,) float32 xyxy px. It is there since
    ``first_ts`` and was seen uncovered at ``last_ts``. ``appeared`` tells something that came
    from the gap that something left. ``score`` (0..1) says how clearly it differs.
    """

    id: int
    box: FloatArray
    first_ts: float
    last_ts: float
    appeared: bool
    score: float

    def __post_init__(self) -> None:
        if self.box.shape != (4,):
            raise ValueError(f"a blob has a box (4,), not {self.box.shape}")
        if not self.first_ts <= self.last_ts:
            raise ValueError("a blob is not seen before it is there")


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """How one person holds itself in one picture.

    ``person`` is the number of the first track that this person was followed by, and stays when
    the detector loses it and when it is followed again; ``track_id`` is its track in this picture,
    None where only the pose is seen. ``keypoints`` (17, 3) float32 are x, y px and score (0..1) in
    the order of COCO (nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; the left
    one first); ``score`` (0..1) is that of the whole pose. ``upright_px`` is how tall the person
    is when it stands, and ``fell_px`` by how much its middle is lower than then, None where it was
    not seen to stand.
    """

    person: int
    track_id: int | None
    ts: float
    keypoints: FloatArray
    score: float
    upright_px: float | None = None
    fell_px: float | None = None

    def __post_init__(self) -> None:
        if self.keypoints.shape != (17, 3):
            raise ValueError(f"a pose has keypoints (17, 3), not {self.keypoints.shape}")
        if (self.upright_px is None) is not (self.fell_px is None):
            raise ValueError("a pose has both upright_px and fell_px, or neither")


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """What stages saw that run only because a rule of the scene asks for them. ``blobs`` are in
    order of id; one that is missing is known no more. ``things`` are the ids of tracks that are no
    people, whatever the detector takes them for. ``poses`` are those that were looked for in this
    picture and found, ``looked`` the ``Pose.person`` of all who were looked for: nobody else was.
    ``small`` are tracks too small for that, and how tall they are in px of the picture that came.
    ``flames`` says of tracks that look like fire or smoke how much they move like it (0..1); one
    that is missing was not looked at for long enough."""

    blobs: tuple[Blob, ...] = ()
    things: frozenset[int] = frozenset()
    poses: tuple[Pose, ...] = ()
    looked: frozenset[int] = frozenset()
    small: Mapping[int, float] = field(default_factory=dict)
    flames: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Tracked:
    """What one step knows of one camera, in the pixels of the scene's picture.

    ``track_id`` (n,) int32 names the track of each detection, -1 where there is none;
    ``classes`` are the names behind ``detections.class_id``; ``tracks`` are the live confirmed
    tracks, in order of id; ``ended`` are the ids that ended in this step. Where the picture is not
    to be trusted (``quality``), nobody is followed. ``bystanders`` are only to be hidden.
    """

    camera_id: str
    index: int
    ts: float
    classes: tuple[str, ...]
    detections: Detections
    track_id: IntArray
    tracks: tuple[Track, ...]
    ended: tuple[int, ...]
    quality: Quality = Quality()
    observations: Observations = Observations()
    bystanders: Bystanders = NO_ONE

    def __post_init__(self) -> None:
        if self.track_id.shape != (len(self.detections),):
            raise ValueError(f"track_id is ({len(self.detections)},), not {self.track_id.shape}")

    @cached_property
    def seen(self) -> Sightings:
        """Those of ``tracks`` that are seen in this step."""
        return Sightings.at(self.ts, self.tracks)


@dataclass(frozen=True, slots=True)
class Crossing:
    """A track passed a line once. ``direction`` is the user's name of it; ``ts`` and the place
    ``x``, ``y`` (px) are interpolated to the moment of the crossing. ``joined`` is the track that
    ended before the line and that this one was taken for the rest of, ``why`` on what grounds;
    None and empty where one track passed. ``kmh`` is its speed, None where nobody knows."""

    camera_id: str
    line: str
    direction: str
    class_name: str
    track_id: int
    ts: float
    x: float
    y: float
    joined: int | None = None
    why: str = ""
    kmh: float | None = None


@dataclass(frozen=True, slots=True)
class Late:
    """A track began just past a line (``ts``; ``x``, ``y`` px), on its way from it: it may have
    passed in ``direction`` before it was seen. It is reported, and never counted."""

    camera_id: str
    line: str
    direction: str
    class_name: str
    track_id: int
    ts: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Trip:
    """A track's way through a movement's zones, stated once it is over: from the entry zone
    ``origin`` to the exit zone ``destination``, None where it was not seen in one. ``ts`` is when
    it came into the exit zone, or was last seen; ``entered_ts`` when it left the entry zone, or
    was first seen."""

    camera_id: str
    movement: str
    origin: str | None
    destination: str | None
    class_name: str
    track_id: int
    entered_ts: float
    ts: float


@dataclass(frozen=True, slots=True)
class Event:
    """A rule's statement about something that began, and perhaps ended.

    ``id`` is deterministic: the same frames give the same id. ``start_ts`` is when the condition
    began, ``raised_ts`` when the rule fired, ``end_ts`` when it was over (None while it lasts).
    ``place`` is the name of the zone or line; ``details`` says why it fired, in JSON values.
    An event is stated when it is raised and once more, with the same id, when it ends; an
    incident that is updated in between is stated again. ``place`` is "" for the camera as a whole.
    ``lost`` says of one that ended that its object was lost from sight, and not seen to leave.
    """

    id: str
    kind: str
    rule: str
    camera_id: str
    place: str
    start_ts: float
    raised_ts: float
    end_ts: float | None
    track_ids: tuple[int, ...]
    score: float
    details: Mapping[str, JsonValue]
    severity: Severity = "medium"
    lost: bool = False

    def __post_init__(self) -> None:
        if not self.id or not self.start_ts <= self.raised_ts:
            raise ValueError("an event has an id and is raised no earlier than it starts")
        if self.end_ts is not None and self.end_ts < self.start_ts:
            raise ValueError("an event does not end before it starts")


@dataclass(frozen=True, slots=True)
class Alert:
    """What staff see of one incident; what they do with it is the store's business. ``version``
    rises by one with every change, so that an older statement never replaces a newer one."""

    event: Event
    severity: Severity
    state: Literal["open", "closed"]
    version: int

    def __post_init__(self) -> None:
        if self.version < 1:
            raise ValueError(f"an alert's version is 1 or more, not {self.version}")

    @property
    def id(self) -> str:
        return self.event.id


@dataclass(frozen=True, slots=True)
class CountBin:
    """How many of one class passed one line in one direction in one interval of one camera. All
    but ``count`` and ``observed_s``, the seconds of it that were watched, is its identity."""

    camera_id: str
    line: str
    direction: str
    class_name: str
    start_ts: float
    seconds: int
    revision: int
    count: int
    observed_s: float

    def __post_init__(self) -> None:
        if self.count < 0 or not 0 <= self.observed_s <= self.seconds:
            raise ValueError(
                f"a bin counts from 0 and is observed for 0 to {self.seconds} s, "
                f"not {self.count} in {self.observed_s} s"
            )
