"""The worker's end of a decoder: it has read whatever a camera sent, so nothing it says is
believed unseen."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.health import Code
from streams.rtsp.arrivals import Picker
from streams.rtsp.decoding import Decoding
from streams.rtsp.dialing import AttemptError
from streams.rtsp.order import MAX_LINE_BYTES, MAX_PIXELS, Order
from tests.streams.simulator.clients import GUARD_S

ORDER = Order("/x", False, "user", "secret", 5.0, 40, 1000.0)
PICTURE = {
    "width": 5, "height": 3, "matrix": "bt709", "full_range": True, "picture": 40, "ts": 1234.5,
    "index": 41, "dropped": 0, "corrupt": 0, "skewed": False,
}  # fmt: skip
SIZE = 5 * 3 + 2 * 3 * 2
"""Bytes of its planes: chroma has half of the sides, rounded up."""


class Impostor:
    """A fork server and the child that it would have forked."""

    def __init__(self) -> None:
        self.channel = socket.socket()
        self.memory = -1
        self.pid, self.ends = 1, 0

    def spawn(self, fds: Sequence[int]) -> Impostor:
        self.channel.close()
        self.channel = socket.socket(fileno=os.dup(fds[0]))
        self.memory = os.dup(fds[1])
        self.channel.settimeout(GUARD_S)
        return self

    def end(self) -> None:
        self.ends += 1

    def say(self, *messages: object) -> None:
        for message in messages:
            text = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
            self.channel.sendall(text)

    def close(self) -> None:
        self.channel.close()
        if self.memory >= 0:
            os.close(self.memory)


@pytest.fixture
def child() -> Iterator[Impostor]:
    impostor = Impostor()
    yield impostor
    impostor.close()


@pytest.fixture
def decoding(child: Impostor) -> Iterator[Decoding]:
    with socket.socket() as camera:
        decoding = Decoding(child, ORDER, camera)  # type: ignore[arg-type]
    yield decoding
    decoding.close()
    assert child.ends == 1


def look(decoding: Decoding, wait_s: float = 0.0) -> Any:
    return decoding.next(time.monotonic() + wait_s)


def test_the_order_comes_first_and_then_one_request_at_a_time(
    decoding: Decoding, child: Impostor
) -> None:
    for _ in range(3):
        assert look(decoding) is None
    data = child.channel.recv(MAX_LINE_BYTES)
    line, rest = data.split(b"\n", 1)
    assert Order(**json.loads(line)) == ORDER
    assert rest == b"\n"


def test_a_picture_is_a_copy_of_its_own(decoding: Decoding, child: Impostor) -> None:
    told = np.arange(SIZE, dtype=np.uint8)
    os.pwrite(child.memory, told.tobytes(), 0)
    child.say({}, PICTURE)
    picture, index, ts = look(decoding, GUARD_S)
    os.pwrite(child.memory, bytes(SIZE), 0)
    assert [plane.shape for plane in (picture.y, picture.u, picture.v)] == [(3, 5), (2, 3), (2, 3)]
    planes = [plane.ravel() for plane in (picture.y, picture.u, picture.v)]
    assert np.array_equal(np.concatenate(planes), told)
    assert (picture.matrix, picture.full_range) == ("bt709", True)
    assert (index, ts) == (40, 1234.5)
    assert (decoding.index, decoding.dropped, decoding.skewed) == (41, 0, False)


def test_its_reason_is_read_after_it_ended(decoding: Decoding, child: Impostor) -> None:
    child.say({"code": "redirected", "detail": "", **_counts()})
    child.channel.close()
    with pytest.raises(AttemptError) as caught:
        look(decoding, GUARD_S)
    assert caught.value.code is Code.REDIRECTED


def test_an_end_without_a_reason(decoding: Decoding, child: Impostor) -> None:
    child.channel.close()
    with pytest.raises(AttemptError) as caught:
        look(decoding, GUARD_S)
    assert caught.value.code is Code.DECODER_FAILED


def _counts() -> dict[str, object]:
    return {name: PICTURE[name] for name in ("index", "dropped", "corrupt", "skewed")}


@pytest.mark.parametrize(
    "said",
    [
        b"not json\n",
        b"[1]\n",
        b'"text"\n',
        b"\xff\xfe\n",
        b"[" * 50_000 + b"\n",
        b"x" * (MAX_LINE_BYTES + 10),
        PICTURE | {"width": 0},
        PICTURE | {"width": -4},
        PICTURE | {"width": "5"},
        PICTURE | {"width": True},
        PICTURE | {"width": 1 << 40},
        PICTURE | {"width": MAX_PIXELS, "height": 2},
        PICTURE | {"width": 6},
        PICTURE | {"matrix": "bt1361"},
        PICTURE | {"matrix": None},
        PICTURE | {"matrix": ["bt601"]},
        PICTURE | {"full_range": 1},
        {name: value for name, value in PICTURE.items() if name != "full_range"},
        PICTURE | {"height": None},
        PICTURE | {"ts": float("nan")},
        PICTURE | {"ts": float("inf")},
        PICTURE | {"ts": -1},
        PICTURE | {"ts": None},
        PICTURE | {"picture": -1},
        PICTURE | {"picture": 2.5},
        PICTURE | {"index": 39},
        PICTURE | {"dropped": -1},
        PICTURE | {"corrupt": 1 << 70},
        {"code": "no_such_code", "detail": "", **_counts()},
        {"code": "stalled", **_counts()},
        {"code": ["stalled"], "detail": "", **_counts()},
    ],
)
def test_nonsense_ends_it(said: object, decoding: Decoding, child: Impostor) -> None:
    os.pwrite(child.memory, bytes(SIZE), 0)
    child.say(said)
    with pytest.raises(AttemptError) as caught:
        look(decoding, GUARD_S)
    assert caught.value.code is Code.DECODER_FAILED


def test_a_long_detail_is_cut(decoding: Decoding, child: Impostor) -> None:
    child.say({"code": "stalled", "detail": "x" * 10_000, **_counts()})
    with pytest.raises(AttemptError) as caught:
        look(decoding, GUARD_S)
    assert len(caught.value.detail) <= 200


def test_silence_ends_it_only_while_a_picture_is_waited_for(
    decoding: Decoding, child: Impostor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.rtsp.decoding.SILENCE_S", 0.3)
    for _ in range(4):
        child.say({})
        assert look(decoding, 0.2) is None
    with pytest.raises(AttemptError) as caught:
        look(decoding, GUARD_S)
    assert caught.value.code is Code.STALLED


def test_nothing_stays_open_where_no_child_can_be_had() -> None:
    class Barren(Impostor):
        def spawn(self, fds: Sequence[int]) -> Impostor:
            raise OSError("no more")

    before = len(os.listdir("/dev/fd"))
    barren = Barren()
    with socket.socket() as camera, pytest.raises(OSError, match="no more"):
        Decoding(barren, ORDER, camera)  # type: ignore[arg-type]
    barren.close()
    assert len(os.listdir("/dev/fd")) == before


@given(
    rate=st.floats(1, 60),
    fps=st.floats(0.25, 60),
    origin=st.floats(0, 1e6),
    loops=st.integers(1, 3),
)
def test_the_first_picture_of_each_slot_is_due(
    rate: float, fps: float, origin: float, loops: int
) -> None:
    picker = Picker(fps)
    for _ in range(loops):
        times = [origin + i / rate for i in range(60)]
        due = [t for t in times if picker.pick(t)]
        spans = (times[-1] - times[0]) * fps
        assert len(due) <= spans + 2
        assert len(due) >= min(len(times), spans) * 0.99 - 2


def test_without_a_rate_every_picture_is_due() -> None:
    picker = Picker(None)
    assert all(picker.pick(t) for t in (0.0, 0.0, 5.0, 1.0))
