"""Clips as cameras: what real clients get of them."""

from __future__ import annotations

import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.error import FFmpegError

from streams.files import ClipSource
from streams.simulator import Fault, FaultKind, Login, Recording, Simulator, load_recording
from streams.simulator.packets import CLOCK_HZ, NTP_EPOCH_S
from tests.needs import REPO
from tests.streams.simulator.clients import (
    COUNT,
    GUARD_S,
    RATE,
    SIZE,
    RtspSocket,
    Watched,
    descriptors,
    eventually,
    noise_clip,
    small_clip,
    watch,
    which_bar,
)  # fmt: skip
from vision.errors import ClipError, OutputError, ServiceError

LENGTH = COUNT * CLOCK_HZ // RATE
FAST = 4.0


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("clips")
    return load_recording(small_clip(folder / "small.mp4"), folder / "cache")


def test_one_pass_hands_out_every_picture_once(recording: Recording) -> None:
    with Simulator({"a": recording}, once=True, speed=FAST) as simulator:
        seen = watch(simulator.url("a"))
        assert seen.indices == list(range(COUNT))
        steps = [b - a for a, b in zip(seen.times, seen.times[1:], strict=False)]
        assert steps == pytest.approx([CLOCK_HZ / RATE / FAST] * (COUNT - 1), abs=1)
        assert seen.sizes == [SIZE] * COUNT
        assert (seen.corrupt, seen.ended) == (0, "end")
        assert simulator.wait(GUARD_S)
        with pytest.raises(FFmpegError, match="404"):
            watch(simulator.url("a"))


def test_a_pass_belongs_to_its_first_client(recording: Recording) -> None:
    with Simulator({"a": recording, "b": recording}, once=True) as simulator:
        url = simulator.url("a")
        with RtspSocket(url) as first, RtspSocket(url) as second, RtspSocket(url) as third:
            third.ask("DESCRIBE")
            late = third.ask("SETUP", f"{url}/trackID=0", Transport="RTP/AVP/TCP")
            assert first.play().status == 200
            second.ask("DESCRIBE")
            refused = second.ask("SETUP", f"{url}/trackID=0", Transport="RTP/AVP/TCP")
            assert refused.status == 453
            assert third.ask("PLAY", Session=late.session).status == 453
        # its client left early, which ends the pass all the same
        assert eventually(lambda: not simulator.seen("a").connections)
        with RtspSocket(url) as again:
            assert again.ask("DESCRIBE").status == 404
        assert not simulator.wait(0)
        with RtspSocket(simulator.url("b")) as other:
            assert other.play().status == 200
        assert simulator.wait(GUARD_S)


def test_a_loop_runs_on_and_so_does_its_time(recording: Recording) -> None:
    with Simulator({"a": recording}, speed=2 * FAST) as simulator:
        seen = watch(simulator.url("a"), limit=2 * COUNT + 5)
    first = seen.indices[0]
    assert first in (0, RATE)
    assert seen.indices == [(first + i) % COUNT for i in range(2 * COUNT + 5)]
    steps = [b - a for a, b in zip(seen.times, seen.times[1:], strict=False)]
    assert steps == pytest.approx([CLOCK_HZ / RATE / (2 * FAST)] * len(steps), abs=1)


def test_cameras_that_share_a_clip_show_different_parts(recording: Recording) -> None:
    cameras = {"a": recording, "b": recording}
    with Simulator(cameras, offsets_s={"b": 1.0}, speed=0.2) as simulator:
        first = [watch(simulator.url(name), limit=1).indices for name in cameras]
    assert first == [[0], [RATE]]


@pytest.mark.parametrize("scheme", ["basic", "digest", "both"])
def test_a_login_opens(recording: Recording, scheme: str) -> None:
    login = Login("operator", "p@ss:w&rd", scheme)  # type: ignore[arg-type]
    with Simulator({"a": recording}, login=login, speed=FAST) as simulator:
        url = simulator.url("a")
        assert len(watch(url, login="operator:p%40ss%3Aw%26rd", limit=3).indices) == 3
        for wrong in ("operator:other", "somebody:p%40ss%3Aw%26rd", ""):
            with pytest.raises(FFmpegError, match="401"):
                watch(url, login=wrong)
    assert "p@ss" not in repr(login)
    assert "p@ss" not in str(simulator.__dict__)


def test_the_camera_tells_its_clock(recording: Recording) -> None:
    with Simulator({"a": recording}) as simulator:
        seen = watch(simulator.url("a"), limit=4)
    assert seen.skew_s is not None
    assert abs(seen.skew_s) < GUARD_S


def test_packets_are_what_the_standards_say(recording: Recording) -> None:
    with Simulator({"a": recording}, once=True, speed=FAST) as simulator:
        with RtspSocket(simulator.url("a")) as client:
            info = client.play().headers["rtp-info"]
            packets = list(client.stream())
        assert simulator.wait(GUARD_S)
    assert packets[0][0] == 1, "the clock comes before the first picture"
    media = [data for channel, data in packets if channel == 0]
    reports = [data for channel, data in packets if channel == 1]
    fields = [struct.unpack(">BBHII", data[:12]) for data in media]
    assert {f[0] for f in fields} == {0x80}
    assert {f[1] & 0x7F for f in fields} == {96}
    assert len({f[4] for f in fields}) == 1
    assert [f[2] for f in fields] == [(fields[0][2] + i) % 65536 for i in range(len(fields))]
    assert f"seq={fields[0][2]};rtptime={fields[0][3]}" in info
    assert sum(f[1] >> 7 for f in fields) == COUNT
    assert len({f[3] for f in fields}) == COUNT
    kinds = [data[12] & 0x1F for data in media]
    assert kinds[:2] == [7, 8]
    assert kinds.count(7) == kinds.count(8) == sum(unit.key for unit in recording.units)
    for report in reports:
        kind, words, ssrc, ntp, rtp_time = struct.unpack(">xBHIQI", report[:20])
        assert (kind, words, ssrc) == (200, 6, fields[0][4])
        assert abs(ntp / 2**32 - NTP_EPOCH_S - time.time()) < GUARD_S
        assert (rtp_time - fields[0][3]) % 2**32 <= GUARD_S * CLOCK_HZ
    end = reports[-1]
    assert end[-8:-4] == b"\x81\xcb\x00\x01"
    assert struct.unpack(">I", reports[-1][20:24])[0] == len(media)
    assert struct.unpack(">I", reports[-1][24:28])[0] == sum(len(data) - 12 for data in media)


def test_large_pictures_are_cut_and_put_together_again(tmp_path: Path) -> None:
    recording = load_recording(noise_clip(tmp_path / "noise.mp4"), tmp_path / "cache")
    first = recording.units[0]
    assert len(first.parts) > 20
    whole, joined = [*first.slices], bytearray()
    for head, body in first.parts[2:]:
        assert len(head) + len(body) <= 1400
        if not head:
            joined += body
            continue
        if head[1] & 0x80:
            joined.append(head[0] & 0xE0 | head[1] & 0x1F)
        joined += body
    assert bytes(joined) == b"".join(whole)
    starts = [head[1] >> 6 for head, _ in first.parts[2:] if head]
    assert starts[0] == 0b10
    assert starts[-1] == 0b01
    assert not any(starts[1:-1])


def test_twenty_clients_at_once_get_everything(recording: Recording) -> None:
    cameras = {f"cam{i}": recording for i in range(20)}
    results: list[Watched] = []
    with Simulator(cameras, once=True) as simulator, ThreadPoolExecutor(20) as pool:
        results = list(pool.map(watch, [simulator.url(name) for name in cameras]))
        assert simulator.wait(GUARD_S)
    assert all(seen.indices == list(range(COUNT)) for seen in results)


def test_a_client_that_does_not_read_is_cut_and_nobody_waits_for_it(tmp_path: Path) -> None:
    noisy = small_clip(tmp_path / "noisy.mp4")
    recording = load_recording(noise_clip(tmp_path / "noise.mp4"), tmp_path / "cache")
    quiet = load_recording(noisy, tmp_path / "cache")
    with Simulator({"a": recording, "b": quiet}, speed=200.0) as simulator:
        with RtspSocket(simulator.url("a")) as idle:
            assert idle.play().status == 200
            assert len(watch(simulator.url("b"), limit=COUNT).indices) == COUNT
            assert eventually(lambda: simulator.seen("a").connections == 0)
        assert simulator.connected == 0


def test_a_camera_stops_and_comes_back_and_the_others_go_on(recording: Recording) -> None:
    with Simulator({"a": recording, "b": recording}, speed=FAST) as simulator:
        for _ in range(3):
            with RtspSocket(simulator.url("a")) as lost, RtspSocket(simulator.url("b")) as kept:
                assert lost.play().status == kept.play().status == 200
                assert simulator.seen("a").playing == 1
                simulator.stop_camera("a")
                assert list(lost.stream())
                with RtspSocket(simulator.url("a")) as refused:
                    refused.send(b"OPTIONS rtsp://h/a RTSP/1.0\r\nCSeq: 1\r\n\r\n")
                    assert refused.closed()
                before = simulator.seen("b")
                assert (before.playing, before.connections) == (1, 1)
                simulator.start_camera("a")
                assert watch(simulator.url("a"), limit=2).ended == "limit"
            assert eventually(lambda: simulator.connected == 0)
        assert simulator.seen("a").plays == 6


def test_the_port_itself_closes_and_opens_again(recording: Recording) -> None:
    with Simulator({"a": recording}, speed=FAST) as simulator:
        port = simulator.port
        with RtspSocket(simulator.url("a")) as client:
            client.play()
            simulator.close_port()
            assert client.closed()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=GUARD_S)
        simulator.close_port()
        simulator.open_port()
        assert simulator.port == port
        assert watch(simulator.url("a"), limit=2).ended == "limit"
        simulator.close_port()
        with (
            socket.create_server(("127.0.0.1", port)),
            pytest.raises(ServiceError, match=f"port {port} again"),
        ):
            simulator.open_port()


def test_nothing_is_left_behind(recording: Recording) -> None:
    threads, files = threading.active_count(), descriptors()
    for _ in range(5):
        with Simulator({"a": recording}, speed=FAST) as simulator:
            with RtspSocket(simulator.url("a")) as client:
                client.play()
                simulator.fault("a", Fault(FaultKind.RESOLUTION))
                watch(simulator.url("a"), limit=3)
            assert eventually(lambda: simulator.connected == 0)
    assert threading.active_count() == threads
    assert eventually(lambda: descriptors() <= files)


def test_a_port_in_use_is_one_sentence(recording: Recording) -> None:
    with Simulator({"a": recording}) as first, Simulator({"a": recording}) as other:
        second = Simulator({"a": recording}, port=first.port)
        with pytest.raises(ServiceError, match=f"port {first.port} .*in use.*choose another"):
            second.__enter__()
        assert watch(other.url("a"), limit=1).ended == "limit"
    elsewhere = Simulator({"a": recording}, host="192.0.2.1")
    with pytest.raises(ServiceError, match=r"192\.0\.2\.1 port 0"):
        elsewhere.__enter__()


def test_wrong_values_are_refused(recording: Recording) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Simulator({})
    for name in ("", "a/b", "ä", "a?b", "-"):
        with pytest.raises(ValueError, match="named by"):
            Simulator({name: recording})
    for speed in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="speed"):
            Simulator({"a": recording}, speed=speed)
    closed = Simulator({"a": recording})
    with pytest.raises(ValueError, match="no camera b"):
        closed.url("b")
    with pytest.raises(RuntimeError, match="not open"):
        closed.seen("a")


@pytest.mark.long
def test_one_pass_of_a_real_clip(tmp_path: Path) -> None:
    recording = load_recording(REPO / "samples/clips/plaza.mp4", tmp_path)
    with Simulator({"plaza": recording}, once=True, speed=3.0) as simulator:
        seen = watch(simulator.url("plaza"))
        assert simulator.wait(GUARD_S)
    assert (len(seen.indices), seen.corrupt, seen.ended) == (795, 0, "end")


class TestRecordings:
    def test_a_clip_is_encoded_once_and_keeps_its_pictures_and_times(self, tmp_path: Path) -> None:
        clip, cache = small_clip(tmp_path / "clip.mp4"), tmp_path / "cache"
        first = load_recording(clip, cache)
        (kept,) = cache.iterdir()
        stamp = kept.stat().st_mtime_ns
        assert load_recording(clip, cache).units == first.units
        assert (kept.stat().st_mtime_ns, list(cache.iterdir())) == (stamp, [kept])
        assert [unit.ticks for unit in first.units] == [i * 7500 for i in range(COUNT)]
        assert (first.width, first.height, first.length_ticks) == (*SIZE, LENGTH)
        assert [i for i, unit in enumerate(first.units) if unit.key] == [0, RATE]
        pictures = ClipSource(kept, camera_id="c").frames()
        assert [which_bar(frame.image) for frame in pictures] == list(range(COUNT))

    def test_another_rate_is_another_file(self, tmp_path: Path) -> None:
        clip, cache = small_clip(tmp_path / "clip.mp4"), tmp_path / "cache"
        load_recording(clip, cache)
        slow = load_recording(clip, cache, source_fps=Fraction(3))
        assert slow.rate == pytest.approx(3)
        assert [unit.ticks for unit in slow.units] == [i * 30_000 for i in range(COUNT)]
        assert sum(unit.key for unit in slow.units) == COUNT // 3
        assert len(list(cache.iterdir())) == 2

    def test_a_damaged_file_in_the_cache_is_made_again(self, tmp_path: Path) -> None:
        clip, cache = small_clip(tmp_path / "clip.mp4"), tmp_path / "cache"
        first = load_recording(clip, cache)
        (kept,) = cache.iterdir()
        whole = kept.read_bytes()
        for damaged in (b"", b"no video", whole[: len(whole) // 2], small_clip(clip).read_bytes()):
            kept.write_bytes(damaged)
            again = load_recording(clip, cache)
            assert [(unit.ticks, unit.key) for unit in again.units] == [
                (unit.ticks, unit.key) for unit in first.units
            ]
            assert kept.read_bytes() != damaged

    def test_odd_sizes_and_one_picture(self, tmp_path: Path) -> None:
        writer = av.open(str(tmp_path / "odd.mkv"), "w")
        with writer as container:
            stream = container.add_stream("ffv1", rate=RATE)
            stream.width, stream.height, stream.pix_fmt = 97, 65, "bgr0"
            picture = np.asarray(cv2.resize(np.eye(9, dtype=np.uint8) * 255, (97, 65)))
            frame = av.VideoFrame.from_ndarray(np.dstack([picture] * 3), format="bgr24")
            frame.pts = 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        recording = load_recording(tmp_path / "odd.mkv", tmp_path / "cache")
        assert (recording.width, recording.height, len(recording.units)) == (98, 66, 1)
        with Simulator({"a": recording}, once=True) as simulator:
            assert watch(simulator.url("a")).sizes == [(98, 66)]

    def test_many_at_once_do_no_harm(self, tmp_path: Path) -> None:
        clip, cache = small_clip(tmp_path / "clip.mp4"), tmp_path / "cache"
        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda _: load_recording(clip, cache), range(4)))
        # x264 need not give the same bytes twice
        ticks = [[unit.ticks for unit in recording.units] for recording in made]
        assert all(each == ticks[0] for each in ticks)
        assert len(list(cache.iterdir())) == 1
        assert [unit.ticks for unit in load_recording(clip, cache).units] == ticks[0]

    def test_what_cannot_be_read_or_written_is_one_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(ClipError, match="no clip"):
            load_recording(tmp_path / "none.mp4", tmp_path / "cache")
        assert not (tmp_path / "cache").exists()
        clip = small_clip(tmp_path / "clip.mp4")
        with pytest.raises(OutputError, match="choose another folder"):
            load_recording(clip, clip / "cache")
