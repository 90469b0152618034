"""Labelled sequences in the layout of the MOT challenge: read, written, tracked by our tracker.

After Leal-Taixé et al. 2015 (MOTChallenge): a folder a sequence with ``seqinfo.ini``, the
detections ``det.txt`` and the truth ``gt.txt``, rows of ``frame, id, left, top, width, height,
flag, x, y, z`` with frames from 1. The official downloads have the two files in folders ``det``
and ``gt``; both are read.
"""

from __future__ import annotations

import configparser
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streams.output import output_error
from vision.errors import SequenceError
from vision.histories import Histories, History
from vision.track import Tracker, TrackerSettings
from vision.types import BoolArray, Detections, IntArray, Tracked

CLASSES = ("person",)
SETTINGS = TrackerSettings(low=0.4, match=0.85, birth=0.85)
"""Thresholds for the public detections of MOT15, whose scores run from 0.5 to 1 and of which
three quarters lie above 0.85."""
MAX_LENGTH = 1_000_000
"""Pictures of one sequence: ten hours at 25 a second, and room for each in memory."""
MAX_IDENTITY = 10_000_000
"""TrackEval makes tables as long as the highest identity."""
MAX_PX = 1e6
"""No edge of a box is farther from the picture's corner."""
RATES = (0.01, 1000.0)
"""Pictures a second, from and to."""
LAYOUT = "frame, id, left, top, width, height, flag or score"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Boxes with identities, truth or result: ``frame`` (n,) int32 from 1, ``id`` (n,) int32,
    ``xyxy`` (n, 4) float64 px, ``counted`` (n,) where a truth takes part in the score; a
    result's rows all do. Raises ValueError where shapes do not fit."""

    frame: IntArray
    id: IntArray
    xyxy: NDArray[np.float64]
    counted: BoolArray

    def __post_init__(self) -> None:
        n = len(self.frame)
        shapes = (self.frame.shape, self.id.shape, self.xyxy.shape, self.counted.shape)
        if shapes != ((n,), (n,), (n, 4), (n,)):
            raise ValueError(f"rows are frame (n,), id (n,), xyxy (n, 4), counted (n,): {shapes}")

    def __len__(self) -> int:
        return len(self.frame)

    @staticmethod
    def of(frame: list[int], ids: list[int], xyxy: list[NDArray[np.floating]]) -> Rows:
        """Rows that are all counted, one of each list a row."""
        boxes = np.array(xyxy, np.float64).reshape(-1, 4)
        numbers = np.array(frame, np.int32), np.array(ids, np.int32)
        return Rows(*numbers, boxes, np.ones(len(frame), np.bool_))


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A labelled sequence: ``frame_rate`` pictures a second of ``size`` (w, h) px,
    ``detections`` one a picture, those of picture ``k`` (from 1) at ``k - 1``, and ``truth``."""

    name: str
    frame_rate: float
    size: tuple[int, int]
    detections: tuple[Detections, ...]
    truth: Rows

    @property
    def length(self) -> int:
        """How many pictures it has, those without a detection included."""
        return len(self.detections)


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """What our tracker says of a sequence: ``recorded`` once the sequence is over, with the boxes
    before a track was confirmed and those of its gaps; ``live`` what was known at each moment."""

    recorded: Rows
    live: Rows


def read_sequences(folder: Path) -> list[Sequence]:
    """The sequences in ``folder``, by name; ``folder`` may also be one itself. Raises
    SequenceError, which names the file and the line."""
    if (folder / "seqinfo.ini").is_file():
        return [read_sequence(folder)]
    try:
        inside = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SequenceError(f"cannot read the folder {folder}: {reason}") from error
    if not inside:
        raise SequenceError(
            f"{folder} holds no sequence: name a folder of folders, each with seqinfo.ini, "
            "det.txt and gt.txt"
        )
    return [read_sequence(one) for one in inside]


def read_sequence(folder: Path) -> Sequence:
    """The sequence in ``folder``; raises SequenceError, which names the file and the line."""
    info = folder / "seqinfo.ini"
    frame_rate, length, size = _read_info(info)
    found: list[list[list[float]]] = [[] for _ in range(length)]
    for _, row in _read_rows(_file_of(folder, "det"), length):
        found[int(row[0]) - 1].append(row)
    truth: dict[tuple[int, int], list[float]] = {}
    path = _file_of(folder, "gt")
    for where, row in _read_rows(path, length):
        key = (int(row[0]), int(row[1]))
        if not 0 <= row[1] <= MAX_IDENTITY or row[1] != key[1]:
            raise SequenceError(
                f"{where}: an identity is a whole number from 0 to {MAX_IDENTITY}, not {row[1]:g}"
            )
        if key in truth:
            raise SequenceError(f"{where}: frame {key[0]} has the identity {key[1]} twice")
        truth[key] = row
    labels = np.array(list(truth.values()), np.float64).reshape(-1, 7)
    return Sequence(
        name=folder.resolve().name,
        frame_rate=frame_rate,
        size=size,
        detections=tuple(_detections(rows) for rows in found),
        truth=Rows(
            labels[:, 0].astype(np.int32),
            labels[:, 1].astype(np.int32),
            _xyxy(labels),
            labels[:, 6].astype(np.int64) != 0,
        ),
    )


def write_sequence(folder: Path, sequence: Sequence) -> None:
    """Write ``sequence`` into its own ``folder`` (made if it is missing) as ``seqinfo.ini``,
    ``det.txt`` and ``gt.txt``; raises OutputError."""
    width, height = sequence.size
    info = (
        f"[Sequence]\nname={sequence.name}\nframeRate={sequence.frame_rate:.12g}\n"
        f"seqLength={sequence.length}\nimWidth={width}\nimHeight={height}\n"
    )
    found = [
        _line(frame, -1, box, score)
        for frame, one in enumerate(sequence.detections, 1)
        for box, score in zip(one.xyxy.astype(np.float64), one.score.tolist(), strict=True)
    ]
    texts = {
        "seqinfo.ini": info,
        "det.txt": "".join(found),
        "gt.txt": format_rows(sequence.truth),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise output_error(folder, error, "folder") from error


def format_rows(rows: Rows) -> str:
    """``rows`` as the text of a truth or a result file."""
    columns = zip(rows.frame.tolist(), rows.id.tolist(), rows.xyxy, rows.counted, strict=True)
    return "".join(_line(frame, i, box, int(flag)) for frame, i, box, flag in columns)


def track(sequence: Sequence, settings: TrackerSettings = SETTINGS) -> Views:
    """Run our tracker over the detections of ``sequence``, a picture each 1 / frame_rate s."""
    tracker = Tracker(settings, CLASSES, np.zeros(len(CLASSES), np.int32))
    histories, over = Histories(), list[History]()
    frames, ids, boxes = list[int](), list[int](), list[NDArray[np.floating]]()
    for frame, found in enumerate(sequence.detections, 1):
        ts = frame / sequence.frame_rate
        of, tracks, ended = tracker.update(found, ts)
        over += histories.update(
            Tracked(sequence.name, frame, ts, CLASSES, found, of, tracks, ended)
        )
        known = np.flatnonzero(of >= 0)
        frames += [frame] * len(known)
        ids += of[known].tolist()
        boxes += list(found.xyxy[known])
    over += histories.finish()
    spans = [np.rint(history.ts * sequence.frame_rate).astype(int).tolist() for history in over]
    recorded = Rows.of(
        [frame for span in spans for frame in span],
        [history.id for history in over for _ in history.ts],
        [box for history in over for box in history.xyxy],
    )
    return Views(recorded, Rows.of(frames, ids, boxes))


def _read_info(path: Path) -> tuple[float, int, tuple[int, int]]:
    """Frame rate, number of pictures and their size (w, h) from a ``seqinfo.ini``."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(_read_text(path))
    except configparser.Error as error:
        said = " ".join(str(error).split())
        raise SequenceError(f"{path} is no ini file: {said}") from error
    values: list[float] = []
    for name in ("frameRate", "seqLength", "imWidth", "imHeight"):
        text = parser.get("Sequence", name, fallback=None)
        if text is None:
            raise SequenceError(f"{path} lacks {name} in its section [Sequence]: add it")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf or (name != "frameRate" and value != int(value)):
            kind = "number" if name == "frameRate" else "whole number"
            raise SequenceError(f"{path}: {name} is a {kind} above 0, not '{text}'")
        values.append(value)
    frame_rate, length, width, height = values
    if not RATES[0] <= frame_rate <= RATES[1]:
        raise SequenceError(
            f"{path}: frameRate is from {RATES[0]:g} to {RATES[1]:g} pictures a second, not "
            f"{frame_rate:g}"
        )
    if length > MAX_LENGTH:
        raise SequenceError(
            f"{path}: seqLength is at most {MAX_LENGTH}, not {length:.0f}: cut the sequence"
        )
    return frame_rate, int(length), (int(width), int(height))


def _file_of(folder: Path, name: str) -> Path:
    """``NAME.txt`` of a sequence, where the official layout has it or beside ``seqinfo.ini``."""
    plain, official = folder / f"{name}.txt", folder / name / f"{name}.txt"
    if not plain.is_file() and official.is_file():
        return official
    return plain


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SequenceError(
            f"the sequence {path.parent} has no {path.name}: a sequence has seqinfo.ini, "
            "det.txt and gt.txt"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SequenceError(f"cannot read {path}: {reason}") from error
    except UnicodeDecodeError as error:
        raise SequenceError(f"{path} is no text file: name one in the MOT layout") from error


def _read_rows(path: Path, length: int) -> Iterator[tuple[str, list[float]]]:
    """Where each row stands and its first seven numbers, checked as far as all files are alike."""
    for number, line in enumerate(_read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path} line {number}"
        fields = line.split(",")
        try:
            row = [float(field) for field in fields[:7]]
        except ValueError as error:
            raise SequenceError(f"{where} is no row of numbers: write {LAYOUT}") from error
        if len(row) < 7:
            raise SequenceError(f"{where} has {len(row)} of 7 numbers: write {LAYOUT}")
        if not all(map(math.isfinite, row)):
            raise SequenceError(f"{where} has a number that is not finite: write {LAYOUT}")
        if row[0] != int(row[0]) or not 1 <= row[0] <= length:
            raise SequenceError(
                f"{where}: a frame is a whole number from 1 to seqLength, {length}, not {row[0]:g}"
            )
        if row[4] <= 0 or row[5] <= 0:
            raise SequenceError(
                f"{where}: a width and a height are above 0, not {row[4]:g} and {row[5]:g}"
            )
        if max(map(abs, row[2:6])) > MAX_PX:
            raise SequenceError(
                f"{where}: a box of {row[4]:g}x{row[5]:g} px at ({row[2]:g}, {row[3]:g}) is beyond "
                f"any picture: write at most {MAX_PX:g} px"
            )
        yield where, row


def _xyxy(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)


def _detections(rows: list[list[float]]) -> Detections:
    table = np.array(rows, np.float64).reshape(-1, 7)
    return Detections(
        _xyxy(table).astype(np.float32),
        table[:, 6].astype(np.float32),
        np.zeros(len(table), np.int32),
    )


def _line(frame: int, identity: int, box: NDArray[np.float64], last: float) -> str:
    left, top, right, bottom = box.tolist()
    # Python's shortest digits read back as the very same number.
    return (
        f"{frame},{identity},{left!r},{top!r},{right - left!r},{bottom - top!r},{last!r},-1,-1,-1\n"
    )
