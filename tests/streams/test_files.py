"""Clips made here, cut and damaged here; the shared clips where they are at hand."""

from __future__ import annotations

import math
import os
import re
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from streams.files import ClipSource, inspect_clip
from streams.mediaclock import MediaClock, Picker
from streams.source import Source
from vision.errors import ClipError
from vision.types import Image

W, H, N, RATE = 96, 64, 40, 10


def scenery(seed: int = 0, size: tuple[int, int] = (W, H)) -> Image:
    return np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)


def make(
    path: Path,
    codec: str = "libx264",
    *,
    n: int = N,
    times: Sequence[Fraction] | None = None,
    movflags: str = "",
    rotation: int = 0,
    options: dict[str, str] | None = None,
    picture: Image | None = None,
) -> Path:
    """A clip of a scene that moves 2 px a frame, or of one picture."""
    base = scenery() if picture is None else picture
    flags = {"movflags": movflags} if movflags else {}
    with av.open(str(path), "w", options=flags) as container:
        stream = container.add_stream(codec, rate=RATE, options=options or {})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = base.shape[1], base.shape[0]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 300_000
        if times:
            stream.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for i in range(n):
            image = base if picture is not None else np.roll(base, 2 * i, axis=1)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            frame.time_base = Fraction(1, 1000) if times else Fraction(1, RATE)
            frame.pts = round(times[i] * 1000) if times else i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def opened(path: Path, **options: Fraction | float | int) -> ClipSource:
    return ClipSource(path, camera_id="cam", **options)  # type: ignore[arg-type]


def refusal(path: Path) -> str:
    """The one sentence with which a clip is refused, before its first frame or in the middle."""
    with pytest.raises(ClipError) as caught:
        for _ in opened(path).frames():
            pass
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


MAKERS: dict[str, Callable[[Path], Path]] = {
    "moov last": lambda at: make(at / "c.mp4"),
    "moov first": lambda at: make(at / "c.mp4", movflags="+faststart"),
    "fragments": lambda at: make(at / "c.mp4", movflags="+frag_keyframe+empty_moov"),
    "mpeg4": lambda at: make(at / "c.mp4", "mpeg4"),
    "avi": lambda at: make(at / "c.avi", "mpeg4"),
    "avi b-frames": lambda at: make(at / "c.avi", "mpeg4", options={"bf": "2"}),
    "mkv": lambda at: make(at / "c.mkv"),
    "webm": lambda at: make(at / "c.webm", "libvpx"),
    "ts": lambda at: make(at / "c.ts"),
    "mpg": lambda at: make(at / "c.mpg", "mpeg2video"),
    "flv": lambda at: make(at / "c.flv"),
    "raw": lambda at: make(at / "c.h264"),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_frame_comes_in_order_with_its_media_time(kind: str, tmp_path: Path) -> None:
    clip = MAKERS[kind](tmp_path)
    with opened(clip, start_ts=1000.0) as source:
        frames = list(source.frames())
    assert source.decoded == source.info.frames == N
    assert (source.info.width, source.info.height, source.info.rate) == (W, H, Fraction(RATE))
    assert source.info.duration_s == pytest.approx(N / RATE, abs=0.002)
    assert [frame.index for frame in frames] == list(range(N))
    assert [frame.ts for frame in frames] == pytest.approx(
        [1000 + i / RATE for i in range(N)], abs=0.002
    )
    assert {frame.camera_id for frame in frames} == {"cam"}
    assert frames[0].image.shape == (H, W, 3)
    # Each picture is nearest to the one that was drawn for it.
    for i in (0, 7, N - 1):
        drawn = [np.roll(scenery(), 2 * k, axis=1).astype(int) for k in (i - 1, i, i + 1)]
        off = [float(np.abs(picture - frames[i].image).mean()) for picture in drawn]
        assert off.index(min(off)) == 1


@pytest.mark.parametrize("part", [0.02, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("kind", MAKERS)
def test_a_cut_clip_is_refused(kind: str, part: float, tmp_path: Path) -> None:
    clip = MAKERS[kind](tmp_path)
    whole = clip.read_bytes()
    # Not at the end of a unit, where a shorter recording would be whole.
    clip.write_bytes(whole[: int(len(whole) * part) // 188 * 188 + 100])
    text = refusal(clip)
    if kind in {"moov last", "moov first", "avi", "mkv", "webm", "ts", "fragments"}:
        assert "truncated" in text
        with pytest.raises(ClipError, match="truncated"):
            inspect_clip(clip)


@pytest.mark.parametrize("kind", ["moov first", "mpeg4", "mpg", "ts", "flv"])
def test_damage_in_the_middle_is_told_with_its_second(kind: str, tmp_path: Path) -> None:
    clip = MAKERS[kind](tmp_path)
    data = bytearray(clip.read_bytes())
    middle, length = len(data) // 2, len(data) // 10
    data[middle : middle + length] = bytes(length)
    clip.write_bytes(data)
    found = re.search(r"breaks at (\d+\.\d) s", refusal(clip))
    assert found
    assert 0 < float(found[1]) < N / RATE


def test_frames_lost_in_the_middle_are_missed(tmp_path: Path) -> None:
    clip = MAKERS["avi"](tmp_path)
    data = bytearray(clip.read_bytes())
    middle, length = len(data) // 2, len(data) // 10
    data[middle : middle + length] = bytes(length)
    clip.write_bytes(data)
    assert re.search(r"\d+ of its 40 frames are there", refusal(clip))


def test_frames_before_the_damage_come_out(tmp_path: Path) -> None:
    clip = make(tmp_path / "c.mp4", movflags="+faststart")
    data = bytearray(clip.read_bytes())
    data[-3000:] = bytes(3000)
    clip.write_bytes(data)
    source = opened(clip)
    seen: list[int] = []
    with pytest.raises(ClipError, match="breaks at"), source:
        seen.extend(frame.index for frame in source.frames())
    assert 0 < len(seen) == source.decoded < N


def test_no_clip_no_name(tmp_path: Path) -> None:
    assert "check the path" in refusal(tmp_path / "none.mp4")
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "empty.mp4").touch()
    assert "is empty (0 bytes)" in refusal(tmp_path / "empty.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "no regular file" in refusal(tmp_path / "pipe.mp4")
    with pytest.raises(ClipError, match="cannot be read"):
        inspect_clip(Path("a\0b.mp4"))


@pytest.mark.parametrize(
    "content",
    [
        b"this is a text, not a video\n" * 200,
        b"\x00" * 5000,
        bytes(scenery()),
        bytes(cv2.imencode(".png", scenery())[1]),
        bytes(cv2.imencode(".jpg", scenery())[1]),
    ],
    ids=["text", "zeros", "noise", "png", "jpg"],
)
def test_what_is_no_video_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "c.mp4").write_bytes(content)
    assert "is no video" in refusal(tmp_path / "c.mp4")


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "c.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "holds no video stream" in refusal(tmp_path / "c.mp4")


def test_a_clip_without_frames_is_refused(tmp_path: Path) -> None:
    clip = MAKERS["fragments"](tmp_path)
    data = clip.read_bytes()
    clip.write_bytes(data[: data.index(b"moof") - 4])
    assert "holds no frame" in refusal(clip)


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile {other}\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{other}\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\n",
    ],
    ids=["concat", "hls", "sdp"],
)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".txt"])
def test_a_file_cannot_name_another(text: str, suffix: str, tmp_path: Path) -> None:
    other = make(tmp_path / "other.mp4")
    clip = tmp_path / f"list{suffix}"
    clip.write_text(text.format(other=other))
    assert "is no video" in refusal(clip)


def test_names_are_never_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "c.mp4")
    for name in ("file:c.mp4", "concat:c.mp4|c.mp4", "subfile,,start,0,end,9,,:c.mp4"):
        assert "there is no clip" in refusal(Path(name))
        (tmp_path / name).write_bytes((tmp_path / "c.mp4").read_bytes())
        assert inspect_clip(Path(name)).frames == N


@pytest.mark.parametrize(("fps", "step"), [(5, 2), (2, 5), (1, 10)])
@pytest.mark.parametrize("kind", ["moov last", "mkv", "ts", "flv", "avi"])
def test_fps_picks_by_time(kind: str, fps: int, step: int, tmp_path: Path) -> None:
    source = opened(MAKERS[kind](tmp_path), fps=Fraction(fps))
    assert [frame.index for frame in source.frames()] == list(range(0, N, step))
    assert source.decoded == N


@pytest.mark.parametrize("fps", [10, 11, 1000])
def test_fps_at_or_above_the_rate_takes_all(fps: int, tmp_path: Path) -> None:
    times = [Fraction(i, 10) + Fraction(i % 3, 100) for i in range(N)]
    clip = make(tmp_path / "c.mp4", times=times)
    assert len(list(opened(clip, fps=Fraction(fps)).frames())) == N


def test_a_gap_causes_no_burst(tmp_path: Path) -> None:
    times = [Fraction(i, 10) + (5 if i >= 20 else 0) for i in range(N)]
    clip = make(tmp_path / "c.mp4", times=times)
    indexes = [frame.index for frame in opened(clip, fps=Fraction(2)).frames()]
    assert indexes == [0, 5, 10, 15, 20, 25, 30, 35]


def test_source_fps_replaces_the_times(tmp_path: Path) -> None:
    clip = MAKERS["moov last"](tmp_path)
    source = opened(clip, source_fps=Fraction(7), start_ts=50.0)
    assert source.info.rate == 7
    assert source.info.duration_s == pytest.approx(N / 7)
    assert [frame.ts for frame in source.frames()] == [50.0 + i / 7 for i in range(N)]
    assert [f.index for f in opened(clip, source_fps=Fraction(7), fps=Fraction(1)).frames()] == [
        0, 7, 14, 21, 28, 35,
    ]  # fmt: skip


@given(
    rate=st.fractions(Fraction(1), Fraction(60), max_denominator=1001),
    fps=st.fractions(Fraction(1, 4), Fraction(60), max_denominator=30),
)
def test_picking_never_drifts(rate: Fraction, fps: Fraction) -> None:
    picker = Picker(fps, Fraction(0))
    times = [i / rate for i in range(200)]
    picked = [t for t in times if picker.pick(t)]
    # The first frame at or after k / fps, for every k that the clip reaches.
    due = {math.ceil(k / fps * rate) for k in range(math.floor(times[-1] * fps) + 1)}
    assert picked == [times[i] for i in sorted(due)]


def test_time_never_runs_backwards() -> None:
    clock = MediaClock(Fraction(10), by_index=False)
    frame = av.VideoFrame(16, 16)
    frame.time_base = Fraction(1, 10)
    # In disorder, without a time, and a joined recording whose clock begins anew.
    stamps = [5, 6, 5, 7, None, 9, 9, 100, 0, 1, 2]
    seen = []
    for stamp in stamps:
        frame.pts = stamp
        seen.append(round(float(clock.next(frame)), 3))
    assert seen == [0.0, 0.1, 0.1, 0.2, 0.3, 0.4, 0.4, 9.5, 9.6, 9.7, 9.8]


@pytest.mark.parametrize("options", [{}, {"bf": "3", "g": "12"}])
def test_a_joined_recording_is_as_long_as_all_of_it(
    options: dict[str, str], tmp_path: Path
) -> None:
    clip = make(tmp_path / "c.ts", options=options)
    clip.write_bytes(clip.read_bytes() * 3)
    source = opened(clip)
    assert source.info.duration_s == pytest.approx(3 * N / RATE)
    last = [frame.ts for frame in source.frames()][-1]
    assert last == pytest.approx(source.info.duration_s - 1 / RATE, abs=0.5)
    # pictures of which some are shown before those that others need are one recording
    times = [Fraction(i, 1) for i in range(N)]
    slow = make(tmp_path / "c.mkv", times=times, options=options)
    assert inspect_clip(slow).duration_s == pytest.approx(N, abs=1)


@pytest.mark.parametrize(("degrees", "corner"), [(90, "bl"), (-90, "tr"), (180, "br")])
def test_a_phone_clip_is_turned_upright(degrees: int, corner: str, tmp_path: Path) -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:24, :24] = (0, 0, 255)
    clip = make(tmp_path / "c.mp4", rotation=degrees, picture=picture, n=3)
    source = opened(clip)
    (image, *_) = [frame.image for frame in source.frames()]
    size = (96, 64) if degrees == 180 else (64, 96)
    assert (source.info.width, source.info.height) == (image.shape[1], image.shape[0]) == size
    y, x = {"t": 8, "b": -8}[corner[0]], {"l": 8, "r": -8}[corner[1]]
    assert image[y, x, 2] > 200
    assert (image[..., 2] > 128).mean() == pytest.approx(24 * 24 / (64 * 96), abs=0.02)


def test_a_change_of_size_is_refused(tmp_path: Path) -> None:
    first = make(tmp_path / "a.h264")
    second = make(tmp_path / "b.h264", picture=scenery(size=(128, 96)))
    (tmp_path / "c.h264").write_bytes(first.read_bytes() + second.read_bytes())
    assert "from 96x64 to 128x96 at 4.0 s" in refusal(tmp_path / "c.h264")


def test_a_trimmed_clip_is_whole(tmp_path: Path) -> None:
    """A phone trims by an edit list: the frames outside it are in the file, not in the clip."""
    clip = make(tmp_path / "c.mp4", options={"g": "10", "bf": "0"})
    data = bytearray(clip.read_bytes())
    edit = data.index(b"elst") + 12
    ticks = struct.unpack(">I", data[data.index(b"mdhd") + 16 :][:4])[0] // RATE
    data[edit : edit + 8] = struct.pack(">Ii", 2000, 15 * ticks)
    clip.write_bytes(data)
    source = opened(clip)
    frames = list(source.frames())
    assert source.info.frames == len(frames) == 20
    assert frames[-1].ts == pytest.approx(1.9, abs=0.001)


def test_reading_repeats_and_ends_early(tmp_path: Path) -> None:
    source: Source = opened(MAKERS["mkv"](tmp_path))
    with source:
        frames = source.frames()
        next(frames)
        again = [frame.image.sum() for frame in source.frames()]
        assert again == [frame.image.sum() for frame in source.frames()]
    threaded = opened(tmp_path / "c.mkv", threads=3)
    assert again == [frame.image.sum() for frame in threaded.frames()]
    left = opened(tmp_path / "c.mkv")
    with left:
        halfway = left.frames()
        next(halfway)
    # Leaving the context closes the file, so nothing comes after it.
    assert list(halfway) == []


def test_rates_are_above_zero(tmp_path: Path) -> None:
    clip = MAKERS["moov last"](tmp_path)
    for options in ({"fps": Fraction(0)}, {"source_fps": Fraction(-1)}):
        with pytest.raises(ValueError, match="above 0"):
            opened(clip, **options)


def test_the_shared_clips(shared: Path) -> None:
    plaza = opened(shared / "clips/plaza_vtest.avi", source_fps=Fraction(7), fps=Fraction(1))
    assert (plaza.info.frames, plaza.info.width, plaza.info.height) == (795, 768, 576)
    assert [frame.index for frame in plaza.frames()] == list(range(0, 795, 7))
    road = opened(shared / "clips/road_8toward.mp4")
    assert sum(1 for _ in road.frames()) == road.info.frames == 905


@pytest.mark.parametrize("name", ["road_8toward.mp4", "plaza_vtest.avi", "house_fire.mp4"])
@pytest.mark.parametrize("part", [0.1, 0.6, 0.9])
def test_shared_clips_cut_in_the_middle(
    shared: Path, name: str, part: float, tmp_path: Path
) -> None:
    whole = (shared / "clips" / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * part)])
    assert "truncated" in refusal(tmp_path / name)
