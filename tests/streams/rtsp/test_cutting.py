"""What is put into a clip: every codec as it is, odd times, hostile packets."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.rtsp.clipping import Clip, cut
from streams.rtsp.cutting import _shown, choose
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.ring import Packet, Recorder, Ring, Section, read
from tests.streams.rtsp.keptpackets import (
    CODECS,
    NOW,
    STEP_S,
    content,
    encoded,
    kept,
    pictures,
    samples,
)
from tests.streams.simulator.clients import COUNT, GUARD_S, eventually
from vision.errors import EvidenceError


@pytest.fixture(scope="module")
def forkserver() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


@pytest.mark.parametrize(
    ("codec", "apart"),
    [*((codec, False) for codec in CODECS), ("h264", True), ("hevc", True), ("mpeg4", True)],
)
def test_each_codec_is_kept_as_it_is(
    codec: str, apart: bool, forkserver: ForkServer, tmp_path: Path
) -> None:
    sent, sets = encoded(codec, apart=apart)
    assert bool(sets) == apart
    ring = kept(forkserver, codec, sent, sets)
    path = tmp_path / "clip"
    clip = cut(ring, NOW + 0.5, NOW + 1.5, path)
    ring.close()
    assert clip.media == ("video/quicktime" if codec == "mjpeg" else "video/mp4")
    bars, times = pictures(path)
    # Every picture of Motion JPEG is a key frame.
    begin = 6 if codec == "mjpeg" else 0
    assert bars == list(range(begin, begin + len(bars)))
    assert clip == Clip(NOW + begin * STEP_S, NOW + bars[-1] * STEP_S, None, clip.media)
    assert 18 <= bars[-1] <= 18 + int(CODECS[codec].get("bf", "2"))
    assert np.diff(times) == pytest.approx(STEP_S, abs=1e-3)
    found = samples(path)
    decoded = [packet.dts for packet in found]
    assert all(after > before for before, after in pairwise(d for d in decoded if d is not None))
    at = next(i for i, (_, _, place) in enumerate(sent) if place == begin)
    assert [content(codec, bytes(packet), lengths=True) for packet in found] == [
        content(codec, data) for data, _, _ in sent[at : at + len(found)]
    ]
    with av.open(str(path)) as container:
        tag = container.streams.video[0].codec_context.codec_tag
    assert tag == {"h264": "avc1", "hevc": "hvc1", "mpeg4": "mp4v", "mjpeg": "jpeg"}[codec]


def test_hostile_packets_end_in_a_clip_or_an_error(forkserver: ForkServer, tmp_path: Path) -> None:
    choose = np.random.default_rng(1)
    for number in range(16):
        codec = list(CODECS)[number % 4]
        sent = []
        for data, key, place in encoded(codec)[0] if number >= 8 else ():
            broken = np.frombuffer(data, np.uint8).copy()
            broken[choose.integers(0, len(broken), len(broken) // 9)] ^= 0xFF
            sent.append((broken.tobytes(), key, place))
        if not sent:
            kinds = (b"\0\0\1\x67", b"\0\0\1\x65", b"\0\0\1\x40\1", b"\xff\xd8\xff\xc0", b"")
            sent = [
                (kinds[i % 5] + choose.bytes(1 + int(choose.integers(900))), True, i)
                for i in range(COUNT)
            ]
        ring = kept(forkserver, codec, sent)
        path = tmp_path / f"{number}"
        try:
            cut(ring, NOW, NOW + 1.0, path)
        except EvidenceError:
            assert not path.exists()
        ring.close()


SPS = [b"\0\0\1\x67" + bytes([i]) for i in range(2)]
WILD = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from(["h264", "mjpeg"]),
        st.booleans(),
        st.one_of(st.floats(-5, 30), st.floats(-1e11, 1e11)),
        st.one_of(st.floats(-5, 30), st.floats(-1e11, 1e11)),
        st.sampled_from([*SPS, b"\0\0\1\x41x", b"\xff\xd8\xff\xc0\0\x11\x08abcd", b"x"]),
    ),
    max_size=20,
)


@settings(deadline=None)
@given(wild=WILD, length_s=st.floats(0, 20))
def test_any_packets_are_put_in_order_or_refused(wild: list[Any], length_s: float) -> None:
    packets = [
        Packet(Section(number, codec, b""), key, media_s, ts, memoryview(data))
        for number, codec, key, media_s, ts, data in wild
    ]
    try:
        chosen = choose(packets, 0.0, length_s)
    except EvidenceError:
        return
    taken = chosen.packets
    assert taken[0].key
    assert {packet.section.codec for packet in taken} == {taken[0].section.codec}
    assert chosen.note is None or chosen.note.startswith("The clip ")
    times = _shown(taken)
    assert len(set(times)) == len(times) == len(taken)
    assert max(abs(time) for time in times) < 1 << 62


def test_times_that_stand_still_or_leap(forkserver: ForkServer, tmp_path: Path) -> None:
    ring = Ring(forkserver, max_bytes=1 << 20)
    recorder = Recorder(ring.open(), "mjpeg", b"")
    places = [0.0, 0.1, 0.1, 0.1, 500.0, 500.1, 3.0, 3.1, 3.1]
    for i, (data, _, _) in enumerate(encoded("mjpeg")[0][: len(places)]):
        before = places[max(0, i - 1)]
        offset_s = NOW + max(0, i - 1) * 0.1 - before
        recorder.write(memoryview(data), True, places[i], NOW + i * 0.1, offset_s)
    cut(ring, NOW, NOW + 1.0, tmp_path / "clip")
    ring.close()
    times = [packet.dts or 0 for packet in samples(tmp_path / "clip")]
    assert len(times) == len(places)
    assert all(0 < after - before < 90_000 for before, after in pairwise(times))


def test_clips_are_cut_while_packets_are_written(forkserver: ForkServer, tmp_path: Path) -> None:
    """Books change under the reader many times, and each clip is whole."""
    sent, _ = encoded("mjpeg")
    ring = Ring(forkserver, max_bytes=40 * max(len(data) for data, _, _ in sent))
    recorder, done = Recorder(ring.open(), "mjpeg", b""), threading.Event()

    def write() -> None:
        place = 0
        while not done.is_set():
            data = sent[place % COUNT][0]
            recorder.write(memoryview(data), True, place * STEP_S, NOW + place * STEP_S, NOW)
            place += 1
            time.sleep(4e-3)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert eventually(lambda: len(read(ring.open())) > 20)
        for number in range(5):
            ts = read(ring.open())[-1].ts
            # what is there now may be written over before a process has started
            clip = cut(ring, ts, ts + 100, tmp_path / f"{number}")
            assert clip.to_ts >= ts
            bars, _ = pictures(tmp_path / f"{number}")
            assert all((after - before) % COUNT == 1 for before, after in pairwise(bars))
    finally:
        done.set()
        thread.join(GUARD_S)
        ring.close()
