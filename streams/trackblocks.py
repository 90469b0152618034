"""Blocks of kept tracks: some pictures of one camera in bytes that need no other block.

A block is a head (magic, version, length, checksum, first and last time) and a zlib stream of a
JSON line and columns. Each column holds differences from value to value as 64-bit integers, whose
bytes stand plane by plane: most planes are zeros, which cost nothing. Whatever is damaged is
skipped up to the next head.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vision.kept import Kept, Past, Rows
from vision.types import FaultKind

VERSION: Final = 1
MAGIC: Final = b"\x93MTKtrk\n"
MAX_BLOCK_BYTES: Final = 8 << 20
MAX_UNPACKED_BYTES: Final = 64 << 20
LEVEL: Final = 6

_HEAD: Final = struct.Struct(">8sBIIdd")
_CHECKED: Final = struct.Struct(">BIdd")
_FAULTS: Final[tuple[FaultKind, ...]] = ("covered", "dark", "defocused", "frozen", "moved")
_SCORES, _SHARES = 254, 65535

Ints = NDArray[np.int64]


class BlockError(ValueError):
    """The bytes are no block of this version."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block as it stands in a file: when its first and last picture were taken (UTC seconds),
    and what is packed in it."""

    from_ts: float
    to_ts: float
    packed: bytes

    @property
    def encoded(self) -> bytes:
        """The block as ``blocks`` reads it."""
        crc = _checksum(VERSION, self.packed, self.from_ts, self.to_ts)
        head = _HEAD.pack(MAGIC, VERSION, len(self.packed), crc, self.from_ts, self.to_ts)
        return head + self.packed

    def pictures(self) -> list[Kept]:
        """The pictures in it, in their order. Raises BlockError."""
        return _unpack(self.packed)


def encode(pictures: Sequence[Kept]) -> bytes:
    """One block of pictures, at least one, of one run, in their order."""
    packed = zlib.compress(_pack(pictures), LEVEL)
    return Block(pictures[0].ts, pictures[-1].ts, packed).encoded


def blocks(data: bytes) -> Iterator[Block | None]:
    """The blocks in ``data`` in their order; None for each that is torn or damaged."""
    at = 0
    while at < len(data):
        end = _end(data, at)
        block = None if end is None else _block(data, at, end)
        yield block
        if block is not None and end is not None:
            at = end
        elif end is not None and data.startswith(MAGIC, end):
            # its length is right, so what follows is found without a search
            at = end
        else:
            found = data.find(MAGIC, at + 1)
            at = len(data) if found < 0 else found


def _end(data: bytes, at: int) -> int | None:
    """Where the block at ``at`` ends by its own word, None where there is no head."""
    if not data.startswith(MAGIC, at) or at + _HEAD.size > len(data):
        return None
    _, _, length, _, _, _ = _HEAD.unpack_from(data, at)
    return int(at + _HEAD.size + length)


def _block(data: bytes, at: int, end: int) -> Block | None:
    _, version, length, crc, from_ts, to_ts = _HEAD.unpack_from(data, at)
    if length > MAX_BLOCK_BYTES or end > len(data):
        return None
    packed = data[at + _HEAD.size : end]
    if crc != _checksum(version, packed, from_ts, to_ts) or version != VERSION:
        return None
    return Block(from_ts, to_ts, packed)


def _checksum(version: int, packed: bytes, from_ts: float, to_ts: float) -> int:
    return zlib.crc32(packed, zlib.crc32(_CHECKED.pack(version, len(packed), from_ts, to_ts)))


# --- columns


def _column(values: NDArray[Any]) -> bytes:
    """Integers, or floats by their bits, as differences in planes of bytes."""
    if values.dtype == np.float32:
        values = np.ascontiguousarray(values).view(np.uint32)
    elif values.dtype == np.float64:
        values = np.ascontiguousarray(values).view(np.int64)
    whole = values.astype(np.int64)
    steps = np.diff(whole, prepend=np.int64(0))
    folded = (steps << 1) ^ (steps >> 63)
    return folded.astype("<i8").view(np.uint8).reshape(-1, 8).T.tobytes()


class _Columns:
    """Reads columns in the order in which they were written."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def ints(self, n: int) -> Ints:
        end = self._at + 8 * n
        if n < 0 or end > len(self._data):
            raise BlockError("a column is cut off")
        planes = np.frombuffer(self._data, np.uint8, 8 * n, self._at).reshape(8, n)
        self._at = end
        folded = np.ascontiguousarray(planes.T).view("<u8").reshape(n)
        steps = (folded >> np.uint64(1)).astype(np.int64) ^ -(folded & np.uint64(1)).astype(
            np.int64
        )
        return np.asarray(np.cumsum(steps, dtype=np.int64))

    def float32(self, n: int) -> NDArray[np.float32]:
        return self.ints(n).astype(np.uint32).view(np.float32)

    def float64(self, n: int) -> NDArray[np.float64]:
        return self.ints(n).view(np.float64)

    @property
    def left(self) -> int:
        return len(self._data) - self._at


def _pack(pictures: Sequence[Kept]) -> bytes:
    first = pictures[0]
    counts = np.array([len(kept.rows) for kept in pictures], np.int64)
    at = np.repeat(np.arange(len(pictures)), counts)
    names = tuple(dict.fromkeys(name for kept in pictures for name in kept.classes))
    views = tuple(dict.fromkeys(kept.view for kept in pictures))

    def column(field: str) -> NDArray[Any]:
        return np.concatenate([getattr(kept.rows, field) for kept in pictures])

    number = column("id").astype(np.int64)
    # by track, then by time: what stands beside each other is alike
    order = np.lexsort((at, number))
    ids, starts, lengths = np.unique(number[order], return_index=True, return_counts=True)
    class_id = np.concatenate(
        [_renumbered(kept.classes, names)[kept.rows.class_id] for kept in pictures]
    )
    pasts = [(i, past) for i, kept in enumerate(pictures) for past in kept.pasts]
    points = [past.path for _, past in pasts]
    path = np.concatenate(points) if points else np.zeros((0, 3), np.float32)
    sizes = np.concatenate([past.sizes for _, past in pasts]) if points else path[:, :2]
    ended = [(i, number) for i, kept in enumerate(pictures) for number in kept.ended]
    head = {
        "camera": first.camera_id,
        "run": first.run,
        "number": first.number,
        "frame_size": first.frame_size,
        "looked_for": first.looked_for,
        "classes": names,
        "views": views,
        "pictures": len(pictures),
        "tracks": len(ids),
        "rows": len(number),
        "pasts": len(pasts),
        "points": len(path),
        "ended": len(ended),
    }
    score, foot, size = column("score")[order], column("foot")[order], column("size")[order]
    columns: tuple[NDArray[Any], ...] = (
        np.array([kept.ts for kept in pictures], np.float64),
        np.array([_mask(kept.faults) for kept in pictures], np.int64),
        np.array([views.index(kept.view) for kept in pictures], np.int64),
        np.array([_or_nan(kept.doubt_ts) for kept in pictures], np.float64),
        ids,
        column("first_ts")[order][starts],
        lengths,
        at[order],
        column("seen")[order],
        class_id[order],
        np.where(np.isnan(score), 0, 1 + _whole(np.nan_to_num(score) * _SCORES)),
        _whole(column("mean")[order] * _SCORES),
        _whole(column("share")[order] * _SHARES),
        foot[:, 0],
        foot[:, 1],
        size[:, 0],
        size[:, 1],
        np.array([i for i, _ in pasts], np.int64),
        np.array([past.id for _, past in pasts], np.int64),
        np.array([len(past.path) for _, past in pasts], np.int64),
        path[:, 0],
        path[:, 1],
        path[:, 2],
        sizes[:, 0],
        sizes[:, 1],
        np.array([i for i, _ in ended], np.int64),
        np.array([number for _, number in ended], np.int64),
    )
    return json.dumps(head).encode() + b"\n" + b"".join(map(_column, columns))


def _unpack(packed: bytes) -> list[Kept]:
    """Raises BlockError for what ``_pack`` did not write."""
    try:
        reader = zlib.decompressobj()
        data = reader.decompress(packed, MAX_UNPACKED_BYTES)
        if not reader.eof:
            raise BlockError(f"a block has over {MAX_UNPACKED_BYTES} bytes")
        line, _, rest = data.partition(b"\n")
        return _pictures(json.loads(line), _Columns(rest))
    except (zlib.error, ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise BlockError(str(error)) from error


def _pictures(head: dict[str, Any], read: _Columns) -> list[Kept]:
    n, rows = int(head["pictures"]), int(head["rows"])
    classes, views = tuple(map(str, head["classes"])), tuple(map(str, head["views"]))
    ts, masks, view, doubt = read.float64(n), read.ints(n), read.ints(n), read.float64(n)
    tracks = int(head["tracks"])
    ids, first_ts, lengths = read.ints(tracks), read.float64(tracks), read.ints(tracks)
    at, seen, class_id = read.ints(rows), read.ints(rows) != 0, read.ints(rows)
    score, mean, share = read.ints(rows), read.ints(rows), read.ints(rows)
    foot = np.stack([read.float32(rows), read.float32(rows)], axis=1)
    size = np.stack([read.float32(rows), read.float32(rows)], axis=1)
    pasts = _pasts(head, read)
    ended = int(head["ended"])
    ended_at, ended_ids = read.ints(ended), read.ints(ended)
    if read.left or lengths.sum() != rows or (rows and not 0 <= at.min() <= at.max() < n):
        raise BlockError("columns do not fit each other")
    order = np.argsort(at, kind="stable")
    whole = Rows(
        id=np.repeat(ids, lengths)[order].astype(np.int32),
        class_id=class_id[order].astype(np.int32),
        seen=seen[order],
        foot=foot[order],
        size=size[order],
        score=np.where(score == 0, np.nan, (score - 1) / _SCORES)[order].astype(np.float32),
        mean=(mean[order] / _SCORES).astype(np.float32),
        share=(share[order] / _SHARES).astype(np.float32),
        first_ts=np.repeat(first_ts, lengths)[order],
    )
    bounds = np.searchsorted(at[order], np.arange(n + 1)).tolist()
    width, height = head["frame_size"]
    return [
        Kept(
            camera_id=str(head["camera"]),
            ts=float(ts[i]),
            frame_size=(int(width), int(height)),
            looked_for=tuple(map(str, head["looked_for"])),
            classes=classes,
            rows=_part(whole, bounds[i], bounds[i + 1]),
            view=views[int(view[i])],
            faults=tuple(kind for k, kind in enumerate(_FAULTS) if int(masks[i]) >> k & 1),
            doubt_ts=None if math.isnan(doubt[i]) else float(doubt[i]),
            ended=tuple(ended_ids[ended_at == i].tolist()),
            pasts=tuple(past for when, past in pasts if when == i),
            run=float(head["run"]),
            number=int(head["number"]) + i,
        )
        for i in range(n)
    ]


def _pasts(head: dict[str, Any], read: _Columns) -> list[tuple[int, Past]]:
    n, points = int(head["pasts"]), int(head["points"])
    at, ids, lengths = read.ints(n), read.ints(n), read.ints(n)
    path = np.stack([read.float32(points) for _ in range(3)], axis=1)
    sizes = np.stack([read.float32(points) for _ in range(2)], axis=1)
    if lengths.sum() != points or (lengths < 1).any():
        raise BlockError("paths do not fit each other")
    ends = np.cumsum(lengths).tolist()
    return [
        (int(at[i]), Past(int(ids[i]), path[end - length : end], sizes[end - length : end]))
        for i, (end, length) in enumerate(zip(ends, lengths.tolist(), strict=True))
    ]


def _part(whole: Rows, start: int, end: int) -> Rows:
    return Rows(*(getattr(whole, name)[start:end] for name in Rows.__slots__))


def _whole(values: NDArray[Any]) -> Ints:
    return np.asarray(np.rint(values), np.int64)


def _renumbered(classes: tuple[str, ...], names: tuple[str, ...]) -> Ints:
    return np.array([names.index(name) for name in classes], np.int64)


def _mask(faults: Sequence[FaultKind]) -> int:
    return sum(1 << _FAULTS.index(kind) for kind in set(faults))


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
