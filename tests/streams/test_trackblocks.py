"""Blocks of kept tracks: what comes out is what went in, and damage costs what is damaged."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streams.trackblocks as module
from streams.trackblocks import Block, BlockError, blocks, encode
from tests.vision.rules.scenarios import SIZE, film, standing, to_and_fro
from tests.vision.test_kept import kept
from vision.kept import Kept, Past, Rows

PX = st.floats(-20_000, 20_000, width=32)
TS = st.floats(0, 4e9, allow_subnormal=False)
CLASSES = ("person", "car")


@st.composite
def pictures(draw: st.DrawFn) -> list[Kept]:
    found: list[Kept] = []
    for number in range(draw(st.integers(1, 4))):
        ids = sorted(draw(st.sets(st.integers(0, 2**31 - 1), max_size=4)))
        n = len(ids)

        def floats(low: float, high: float, n: int = n) -> np.ndarray:
            values = draw(st.lists(st.floats(low, high, width=32), min_size=n, max_size=n))
            return np.array(values, np.float32)

        places = [draw(st.lists(PX, min_size=n, max_size=n)) for _ in range(4)]
        x, y, w, h = np.array(places, np.float32).reshape(4, n)
        pasts = tuple(
            Past(i, np.array([[draw(PX), draw(PX), 0.5]], np.float32),
                 np.array([[draw(PX), draw(PX)]], np.float32))
            for i in ids if draw(st.booleans())
        )  # fmt: skip
        found.append(
            Kept(
                camera_id="cam",
                ts=draw(TS),
                frame_size=SIZE,
                looked_for=CLASSES,
                classes=CLASSES,
                rows=Rows(
                    np.array(ids, np.int32),
                    np.array([draw(st.integers(0, 1)) for _ in ids], np.int32),
                    np.array([draw(st.booleans()) for _ in ids], np.bool_),
                    np.stack([x, y], axis=1),
                    np.stack([w, h], axis=1),
                    np.where(floats(0, 1) > 0.5, np.float32(np.nan), floats(0, 1)),
                    floats(0, 1),
                    floats(0, 1),
                    # that of a track is the same in all pictures
                    np.array([1e9 + i / 7 for i in ids]),
                ),
                view=draw(st.sampled_from(["", "north"])),
                faults=draw(st.sampled_from([(), ("dark",), ("covered", "moved")])),
                doubt_ts=draw(st.none() | TS),
                ended=tuple(draw(st.lists(st.integers(0, 2**31 - 1), max_size=3))),
                pasts=pasts,
                run=5.25,
                number=10 + number,
            )
        )
    return found


def alike(a: Kept, b: Kept) -> None:
    for name in ("camera_id", "ts", "frame_size", "looked_for", "names", "view", "faults",
                 "doubt_ts", "ended", "run", "number"):  # fmt: skip
        assert getattr(a, name) == getattr(b, name), name
    for name in ("id", "seen", "foot", "size", "first_ts"):
        np.testing.assert_array_equal(getattr(a.rows, name), getattr(b.rows, name))
    for name, off in (("score", 1 / 500), ("mean", 1 / 500), ("share", 1 / 100_000)):
        np.testing.assert_allclose(getattr(a.rows, name), getattr(b.rows, name), atol=off)
    np.testing.assert_allclose(a.rows.xyxy, b.rows.xyxy, atol=1 / 16)
    assert [past.id for past in a.pasts] == [past.id for past in b.pasts]
    for one, other in zip(a.pasts, b.pasts, strict=True):
        np.testing.assert_array_equal(one.path, other.path)
        np.testing.assert_array_equal(one.sizes, other.sizes)


@given(pictures())
def test_what_is_kept_comes_back(given_: list[Kept]) -> None:
    (block,) = blocks(encode(given_))
    assert block is not None
    assert (block.from_ts, block.to_ts) == (given_[0].ts, given_[-1].ts)
    for before, after in zip(given_, block.pictures(), strict=True):
        alike(before, after)


FILM = kept(film([to_and_fro(50, 500, 60), standing(300, 200, 9)], fps=5))
PARTS = [FILM[i : i + 10] for i in range(0, 40, 10)]
BLOCKS = [encode(part) for part in PARTS]


def read(data: bytes) -> tuple[list[float], int]:
    """The times in ``data``, and how many blocks are damaged."""
    found = list(blocks(data))
    ts = [kept.ts for block in found if block is not None for kept in block.pictures()]
    return ts, found.count(None)


def ts_of(parts: Sequence[Sequence[Kept]]) -> list[float]:
    return [kept.ts for part in parts for kept in part]


@pytest.mark.parametrize("damaged", range(4))
def test_any_flipped_bit_costs_its_block_alone(damaged: int) -> None:
    data = b"".join(BLOCKS)
    start = sum(map(len, BLOCKS[:damaged]))
    size = len(BLOCKS[damaged])
    for at in [*range(40), *range(40, size, 17), size - 1]:
        for bit in (1, 128):
            broken = bytearray(data)
            broken[start + at] ^= bit
            found, none = read(bytes(broken))
            assert found == ts_of([part for i, part in enumerate(PARTS) if i != damaged])
            assert none == 1


def test_a_torn_block_costs_itself_and_what_follows_is_read() -> None:
    for cut in (1, 8, 20, 33, 34, len(BLOCKS[1]) - 2):
        torn = BLOCKS[0] + BLOCKS[1][:cut]
        assert read(torn) == (ts_of(PARTS[:1]), 1)
        assert read(torn + BLOCKS[2]) == (ts_of([PARTS[0], PARTS[2]]), 1)


@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    read(data)
    with pytest.raises(BlockError):
        Block(0, 0, data).pictures()


def test_what_unpacks_to_too_much_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(BlockError, match="over 1000 bytes"):
        Block(0, 0, zlib.compress(b"\0" * 2000)).pictures()


def test_a_later_version_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VERSION", 2)
    later = encode(PARTS[0])
    monkeypatch.undo()
    assert read(later + BLOCKS[1]) == (ts_of(PARTS[1:2]), 1)


def test_an_empty_picture_is_kept() -> None:
    nobody = replace(FILM[0], doubt_ts=math.pi)
    (block,) = blocks(encode([nobody]))
    assert block is not None
    assert block.pictures()[0].doubt_ts == math.pi
