"""Clips cut from the ring of a running camera: its own packets, from key frame to the last one."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from streams.health import State
from streams.rtsp.clipping import _understood, cut
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.ring import Ring
from streams.rtsp.source import RtspSource
from streams.simulator import Fault, FaultKind, Recording, Simulator, load_recording
from tests.streams.rtsp.keptpackets import (
    NOW,
    STEP_S,
    content,
    encoded,
    kept,
    pictures,
    samples,
)
from tests.streams.rtsp.oddcameras import frames, source
from tests.streams.simulator.clients import (
    COUNT,
    RATE,
    SIZE,
    eventually,
    small_clip,
    which_bar,
)
from vision.errors import EvidenceError
from vision.types import Frame

KEY_S = 1.0
"""Between the key frames of a simulated camera."""


@pytest.fixture(scope="module")
def forkserver() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("clips")
    return load_recording(small_clip(folder / "small.mp4"), folder / "cache")


def seen_until(camera: RtspSource, ts: float) -> list[Frame]:
    """Its frames until one is of ``ts`` or later."""
    found: list[Frame] = []
    while not found or found[-1].ts < ts:
        found += frames(camera, 1)
    return found


def test_twelve_seconds_of_a_running_camera(
    recording: Recording, forkserver: ForkServer, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    with (
        Simulator({"a": recording}) as simulator,
        source(simulator.url("a"), forkserver, ring=Ring(forkserver)) as camera,
    ):
        first = frames(camera, 1)[0].ts
        from_ts, to_ts = first + 0.5, first + 12.5
        seen = seen_until(camera, to_ts + 0.5)
        assert camera.ring is not None
        clip = cut(camera.ring, from_ts, to_ts, path)
    assert (clip.note, clip.media) == (None, "video/mp4")
    assert from_ts - KEY_S < clip.from_ts <= from_ts
    assert to_ts <= clip.to_ts < to_ts + KEY_S
    bars, times = pictures(path)
    assert len(bars) == round((clip.to_ts - clip.from_ts) * RATE) + 1
    assert np.diff(times) == pytest.approx(STEP_S, abs=1e-4)
    # Its times are those of the frames that were analysed.
    within = [frame for frame in seen if clip.from_ts <= frame.ts <= clip.to_ts]
    assert within
    for frame in within:
        at = round((frame.ts - clip.from_ts) * RATE)
        assert which_bar(frame.image) in bars[max(0, at - 2) : at + 3]
    # What is in it is what was sent, to the byte.
    sent = [list(unit.slices) for unit in recording.units]
    begin = bars[0]
    for i, sample in enumerate(samples(path)):
        assert content("h264", bytes(sample), lengths=True) == sent[(begin + i) % COUNT]
        assert sample.is_keyframe == recording.units[(begin + i) % COUNT].key
    # It can be played before all of it was read.
    whole = path.read_bytes()
    assert whole.index(b"moov") < whole.index(b"mdat")


def test_a_camera_that_was_away_in_between(
    recording: Recording, forkserver: ForkServer, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    with (
        Simulator({"a": recording}) as simulator,
        source(simulator.url("a"), forkserver, ring=Ring(forkserver)) as camera,
    ):
        first = frames(camera, 1)[0].ts
        before = seen_until(camera, first + 2.5)[-1].ts
        simulator.stop_camera("a")
        while camera.health.state is not State.DOWN:
            camera.next(0.2)
        time.sleep(2.0)
        simulator.start_camera("a")
        after = frames(camera, 1)[0].ts
        last = seen_until(camera, after + 2.5)[-1].ts
        assert camera.connects == 2
        assert camera.ring is not None
        clip = cut(camera.ring, first + 1.5, last - 0.5, path)
        # The end of what was asked for is still to come.
        ahead = cut(camera.ring, last - 1.5, last + 5.0, tmp_path / "ahead.mp4")
        late = cut(camera.ring, first - 5.0, first + 1.0, tmp_path / "late.mp4")
    gap = after - before
    assert clip.note is not None
    assert float(re.findall(r"misses ([0-9.]+) s in between", clip.note)[0]) == pytest.approx(
        gap, abs=0.3
    )
    _, times = pictures(path)
    assert times[-1] == pytest.approx(clip.to_ts - clip.from_ts, abs=0.05)
    assert max(np.diff(times)) == pytest.approx(gap, abs=0.3)
    assert re.fullmatch(r"The clip ends [45]\.\d s early: [^.]*\.", ahead.note or "")
    assert re.fullmatch(r"The clip begins 5\.\d s late: [^.]*\.", late.note or "")


def test_packets_outlive_a_decoder_that_is_killed(
    recording: Recording, forkserver: ForkServer, tmp_path: Path
) -> None:
    with (
        Simulator({"a": recording}) as simulator,
        source(simulator.url("a"), forkserver, ring=Ring(forkserver)) as camera,
    ):
        first = frames(camera, 1)[0].ts
        killed = seen_until(camera, first + 1.0)[-1].ts
        assert camera._decoder is not None
        os.kill(camera._decoder.pid, signal.SIGKILL)
        while camera.health.state is not State.DOWN:
            camera.next(0.2)
        assert camera.ring is not None
        clip = cut(camera.ring, first, killed, tmp_path / "before.mp4")
        assert clip.to_ts > killed - KEY_S
        last = seen_until(camera, frames(camera, 1)[0].ts + 1.5)[-1].ts
        assert camera.connects == 2
        both = cut(camera.ring, first, last - 0.5, tmp_path / "both.mp4")
    assert both.from_ts == clip.from_ts
    _, times = pictures(tmp_path / "both.mp4")
    assert times[-1] == pytest.approx(both.to_ts - both.from_ts, abs=0.05)


def test_a_change_of_format_leaves_one_part(
    recording: Recording, forkserver: ForkServer, tmp_path: Path
) -> None:
    with (
        Simulator({"a": recording}) as simulator,
        source(simulator.url("a"), forkserver, ring=Ring(forkserver)) as camera,
    ):
        first = frames(camera, 1)[0].ts
        seen_until(camera, first + 3.0)
        simulator.fault("a", Fault(FaultKind.RESOLUTION))
        while (frame := frames(camera, 1)[0]).size == SIZE:
            pass
        changed = frame.ts
        last = seen_until(camera, changed + 2.5)[-1].ts
        assert camera.ring is not None
        large = cut(camera.ring, first, changed + 1.0, tmp_path / "large.mp4")
        small = cut(camera.ring, changed - 0.5, last - 0.3, tmp_path / "small.mp4")
    for clip, name, size in (
        (large, "large", SIZE),
        (small, "small", (SIZE[0] // 2, SIZE[1] // 2)),
    ):
        assert "the camera changed its format meanwhile" in (clip.note or "")
        with av.open(str(tmp_path / f"{name}.mp4")) as container:
            assert {(f.width, f.height) for f in container.decode(video=0)} == {size}
    assert large.to_ts < changed
    assert small.from_ts == pytest.approx(changed, abs=0.05)


# --- what goes wrong


def test_nothing_of_that_time_is_said(forkserver: ForkServer, tmp_path: Path) -> None:
    ring = kept(forkserver, "mjpeg", *encoded("mjpeg"))
    for from_ts in (NOW - 60.0, NOW + 60.0):
        with pytest.raises(EvidenceError, match="no picture of that time is kept"):
            cut(ring, from_ts, from_ts + 5.0, tmp_path / "clip")
    ring.close()
    with pytest.raises(EvidenceError, match="no packets of the camera"):
        cut(ring, NOW, NOW + 1.0, tmp_path / "clip")
    with pytest.raises(ValueError, match="0 to 120 s"):
        cut(ring, NOW, NOW - 1.0, tmp_path / "clip")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(
    forkserver: ForkServer, tmp_path: Path, small_disk: Path
) -> None:
    sent = [(os.urandom(4000), True, i) for i in range(100)]
    picture = encoded("mjpeg")[0][0][0]
    ring = kept(forkserver, "mjpeg", [(picture + data, True, i) for data, _, i in sent])
    taken = tmp_path / "taken"
    taken.write_text("mine")
    for path in (taken, tmp_path / "no" / "folder"):
        with pytest.raises(EvidenceError, match="cannot be written"):
            cut(ring, NOW, NOW + 10.0, path)
    assert taken.read_text() == "mine"
    with pytest.raises(EvidenceError, match="see the disk"):
        cut(ring, NOW, NOW + 10.0, small_disk / "clip")
    assert not list(small_disk.iterdir())
    ring.close()


def test_a_process_that_hangs_is_ended(
    forkserver: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.rtsp.clipping.CUT_S", 0.0)
    ring = kept(forkserver, "mjpeg", *encoded("mjpeg"))
    with pytest.raises(EvidenceError, match="says nothing"):
        cut(ring, NOW, NOW + 1.0, tmp_path / "clip")
    ring.close()
    assert not list(tmp_path.iterdir())
    assert eventually(lambda: not _children(forkserver))


def _children(forkserver: ForkServer) -> str:
    return Path(f"/proc/{forkserver.pid}/task/{forkserver.pid}/children").read_text()


def test_without_a_fork_server_it_is_said(tmp_path: Path) -> None:
    closed = ForkServer()
    ring = kept(closed, "mjpeg", *encoded("mjpeg"))
    closed.close()
    with pytest.raises(EvidenceError, match="no clip can be cut now"):
        cut(ring, NOW, NOW + 1.0, tmp_path / "clip")
    ring.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"x",
        b"[" * 4000,
        b" " * 5000,
        b'{"from": 1, "to": 0, "note": null, "media": "video/mp4"}',
        b'{"from": 1, "to": NaN, "note": null, "media": "video/mp4"}',
        b'{"from": 1, "to": 2, "note": 3, "media": "video/mp4"}',
        b'{"from": 1, "to": 2, "note": "a\\nb", "media": "video/mp4"}',
        b'{"from": 1, "to": 2, "note": null, "media": "text/html"}',
        b'{"from": 1, "to": 2, "note": "", "media": "video/mp4"}',
        b'{"error": 5}',
        b'{"error": ""}',
    ],
)
def test_nonsense_of_its_process_is_refused(answer: bytes) -> None:
    with pytest.raises(EvidenceError, match="cannot be made into a clip"):
        _understood(answer)
