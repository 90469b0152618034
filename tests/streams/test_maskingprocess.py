"""Masked copies as they are shown: judged on their pictures, and made of hostile originals too."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream

import streams.evidenceboxes as boxes_module
import streams.maskingprocess as module
from models.zoo import resolve
from streams.detector import Detectors
from streams.evidenceboxes import Memory, encode_boxes
from streams.evidenceform import Form
from streams.files import ClipSource
from streams.maskingprocess import ENDED, MAX_FPS, make_copy
from streams.scenefile import load_scene
from tests.disks import fill_up, small_disk
from tests.needs import REPO
from tests.waiting import PATIENCE_S, wait_for
from vision.errors import EvidenceError
from vision.masking import GAP_S, Masking, Sight
from vision.types import Image

START_TS = 1_700_000_000.0
SIZE, RATE, COUNT = (320, 240), 25, 40
BOX = (0.4, 0.2, 0.6, 0.9)
HEAD = (slice(48, 60), slice(136, 184))
ELSEWHERE = (slice(180, 230), slice(20, 100))
STILL = threading.Event()


def noise(number: int, size: tuple[int, int] = SIZE) -> Image:
    """Pictures that have detail everywhere, also after coding."""
    coarse = np.random.default_rng(number).integers(0, 256, (size[1] // 4, size[0] // 4, 3))
    return np.asarray(
        cv2.resize(coarse.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST), np.uint8
    )


def film(
    path: Path, size: tuple[int, int] = SIZE, count: int = COUNT, codec: str = "h264", **more: str
) -> Path:
    jpeg = codec == "mjpeg"
    with av.open(str(path), "w", format="mov" if jpeg else "mp4") as container:
        encoder = {"h264": "libx264"}.get(codec, codec)
        options = ({"preset": "ultrafast"} if codec == "h264" else {}) | more
        stream = container.add_stream(encoder, rate=RATE, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if jpeg else "yuv420p"
        stream.bit_rate = 8_000_000
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(noise(i, size), format="bgr24")
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def standing(from_s: float, to_s: float) -> list[Sight]:
    times = np.arange(from_s, to_s + 1e-6, 0.2).tolist()
    box = np.array([BOX], np.float32)
    return [Sight(START_TS + t, True, (1,), ("person",), box) for t in times]


def copied(
    folder: Path, original: Path, sights: Sequence[Sight], form: Form = "clip", **more: float
) -> Path:
    boxes, copy = folder / "boxes", folder / ("copy.mp4" if form == "clip" else "copy.jpg")
    boxes.write_bytes(encode_boxes(sights))
    limit_s = more.get("limit_s", PATIENCE_S)
    make_copy(form, original, boxes, copy, from_ts=START_TS, limit_s=limit_s, stop=STILL)
    return copy


def pictures(path: Path) -> list[tuple[float, Image]]:
    with av.open(str(path)) as container:
        return [
            (frame.time, frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)
        ]  # fmt: skip


def detail(image: Image) -> float:
    """How much neighbours differ."""
    fine = image.astype(float)
    return float(np.abs(np.diff(fine, axis=0)).mean() + np.abs(np.diff(fine, axis=1)).mean())


@pytest.mark.parametrize("codec", ["h264", "mpeg4", "mjpeg"])
def test_heads_are_hidden_and_the_rest_is_seen(tmp_path: Path, codec: str) -> None:
    original = film(tmp_path / "film.mp4", codec=codec)
    copy = copied(tmp_path, original, standing(-1, 3))
    shown, before = pictures(copy), dict(pictures(original))
    assert COUNT / RATE * MAX_FPS - 3 <= len(shown) <= COUNT / RATE * MAX_FPS + 1
    for time_s, image in shown:
        whole = before[min(before, key=lambda t: abs(t - time_s))]
        assert detail(image[HEAD]) < 0.3 * detail(whole[HEAD])
        assert detail(image[ELSEWHERE]) > 0.7 * detail(whole[ELSEWHERE])
    with av.open(str(copy)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
    data = copy.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "it plays before it is all there"


@pytest.mark.parametrize("how", [{}, {"bf": "2"}, {"codec": "mjpeg"}])
def test_pictures_that_cannot_be_decoded_move_no_mask(tmp_path: Path, how: dict[str, str]) -> None:
    """Who stands in the middle stood at the left until the first pictures, which are damaged, were
    over."""
    group = 20
    more = {} if "codec" in how else {"g": str(group), "keyint_min": str(group)}
    original = film(tmp_path / "film.mp4", count=3 * group, **more, **how)
    before = dict(pictures(original))
    with av.open(str(original)) as container:
        first = [packet for packet in container.demux(video=0) if packet.size]
    with original.open("r+b") as file:
        for packet in first[: group if "codec" in how else 1]:
            assert packet.pos is not None
            file.seek(packet.pos)
            file.write(bytes(packet.size))
    sights = [
        replace(sight, xyxy=sight.xyxy - np.float32([0.4, 0, 0.4, 0]))
        if sight.ts < START_TS + group / RATE - 0.05
        else sight
        for sight in standing(-1, 3)
    ]
    copy = copied(tmp_path, original, sights)
    shown = [(t, image) for t, image in pictures(copy) if t >= group / RATE]
    assert len(shown) > group
    for time_s, image in shown:
        whole = before[min(before, key=lambda t: abs(t - time_s))]
        assert detail(image[HEAD]) < 0.3 * detail(whole[HEAD])
        assert detail(image[ELSEWHERE]) > 0.7 * detail(whole[ELSEWHERE])


def test_a_large_one_is_made_smaller(tmp_path: Path) -> None:
    copy = copied(tmp_path, film(tmp_path / "film.mp4", (1920, 1080), 2), standing(-1, 3))
    assert pictures(copy)[0][1].shape == (720, 1280, 3)


def test_where_nobody_watched_all_is_hidden(tmp_path: Path) -> None:
    original = film(tmp_path / "film.mp4")
    copy = copied(tmp_path, original, standing(-1, 0.8))
    half_s = GAP_S / 2
    for time_s, image in pictures(copy):
        if abs(time_s - 0.8 - half_s) > 0.05:
            assert (detail(image[ELSEWHERE]) < 5) == (time_s > 0.8 + half_s)
    copied(tmp_path, film(tmp_path / "short.mp4", count=5), [])
    assert all(detail(image) < 5 for _, image in pictures(tmp_path / "copy.mp4"))


def test_a_picture_is_masked(tmp_path: Path) -> None:
    original = tmp_path / "picture"
    original.write_bytes(cv2.imencode(".jpg", noise(1))[1].tobytes())
    copy = cv2.imread(str(copied(tmp_path, original, standing(-1, 0), "snapshot")))
    assert copy is not None
    image = np.asarray(copy, np.uint8)
    assert detail(image[HEAD]) < 0.3 * detail(noise(1)[HEAD])
    assert detail(image[ELSEWHERE]) > 0.7 * detail(noise(1)[ELSEWHERE])


def hostile(folder: Path) -> Iterator[bytes]:
    whole = film(folder / "whole.mp4", count=10).read_bytes()
    rng = np.random.default_rng(5)
    yield b""
    yield b"#EXTM3U\nfile:///etc/passwd\n"
    yield rng.bytes(20_000)
    yield whole[: len(whole) // 2]
    damaged = bytearray(whole)
    for at in rng.integers(0, len(whole), 200).tolist():
        damaged[at] = int(rng.integers(0, 256))
    yield bytes(damaged)


def test_hostile_originals_give_a_copy_or_a_reason(tmp_path: Path) -> None:
    original, said = tmp_path / "original", []
    for data in hostile(tmp_path):
        original.write_bytes(data)
        try:
            assert pictures(copied(tmp_path, original, standing(-1, 3)))
        except EvidenceError as error:
            said.append(str(error))
            assert not (tmp_path / "copy.mp4").exists()
    assert len(said) >= 4
    for why in said:
        assert why.isprintable()
        assert str(tmp_path) not in why
    original.write_bytes(b"no picture")
    with pytest.raises(EvidenceError, match="cannot be decoded"):
        copied(tmp_path, original, [], "snapshot")


def test_boxes_that_are_none(tmp_path: Path) -> None:
    original = film(tmp_path / "film.mp4", count=3)
    (tmp_path / "nonsense").write_bytes(b"{}")
    with pytest.raises(EvidenceError, match="boxes cannot be read"):
        make_copy(
            "clip", original, tmp_path / "nonsense", tmp_path / "copy.mp4",
            from_ts=START_TS, limit_s=PATIENCE_S, stop=STILL,
        )  # fmt: skip


def test_it_ends_in_time_and_with_the_worker(tmp_path: Path) -> None:
    original = film(tmp_path / "film.mp4", count=3)
    with pytest.raises(EvidenceError, match=r"within 0\.01 s"):
        copied(tmp_path, original, [], limit_s=0.01)
    stop = threading.Event()
    stop.set()
    boxes = tmp_path / "boxes"
    with pytest.raises(EvidenceError, match="the worker ended"):
        make_copy(
            "clip", original, boxes, tmp_path / "copy.mp4",
            from_ts=START_TS, limit_s=PATIENCE_S, stop=stop,
        )  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} <= {"film.mp4", "boxes"}


def test_a_process_that_is_killed(tmp_path: Path) -> None:
    # one that waits, so that there is time
    original = tmp_path / "pipe"
    os.mkfifo(original)
    failed: list[str] = []

    def run() -> None:
        try:
            copied(tmp_path, original, standing(-1, 9))
        except EvidenceError as error:
            failed.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    os.kill(wait_for(child, "it runs"), signal.SIGKILL)
    thread.join()
    assert failed == [ENDED]
    assert not (tmp_path / "copy.mp4").exists()


def child() -> int | None:
    """The process that masks, which is ours."""
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        for pid in (task / "children").read_text().split():
            if b"streams.maskingprocess" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
    return None


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    original = film(tmp_path / "film.mp4")
    with small_disk(tmp_path / "disk", "256k") as disk:
        (disk / "boxes").write_bytes(encode_boxes([]))
        fill_up(disk)
        with pytest.raises(EvidenceError, match="cannot be"):
            make_copy(
                "clip", original, disk / "boxes", disk / "copy.mp4",
                from_ts=START_TS, limit_s=PATIENCE_S, stop=STILL,
            )  # fmt: skip
        assert not [path for path in disk.iterdir() if path.suffix == ".mp4"]


PLAZA, PLAZA_RATE, PLAZA_SIZE = "plaza.mp4", 7, (768, 576)


def plaza_boxes(monkeypatch: pytest.MonkeyPatch) -> list[Sight]:
    """What a worker remembers of the plaza at 5 pictures a second."""
    monkeypatch.setattr(boxes_module, "MEMORY_S", 1e6)
    scene = load_scene(REPO / "samples/scenes/plaza.yaml")
    detectors = Detectors(lambda name: resolve(name, cache=Path("/nonexistent")))
    pipeline = detectors.pipeline("nanodet_g", PLAZA_SIZE, scene)
    memory = Memory()
    clip = ClipSource(
        REPO / "samples/clips" / PLAZA, camera_id="plaza", fps=Fraction(5), start_ts=START_TS
    )
    for frame in clip.frames():
        tracked = pipeline.step(frame).tracked
        memory.saw(tracked, frame_size=PLAZA_SIZE, looked_for=pipeline.wanted)
    return [*memory.between("plaza", 0, 4e9).sights]


@pytest.mark.long
def test_the_heads_of_the_plaza_are_hidden(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least 95 % of the labelled people's heads: the upper 15 % of a box, its middle half."""
    truth = np.loadtxt(shared / "mot15/PETS09-S2L1/gt.txt", delimiter=",")
    sights = plaza_boxes(monkeypatch)
    original = REPO / "samples/clips" / PLAZA
    monkeypatch.setattr(module, "MAX_FPS", PLAZA_RATE)
    before, after = pictures(original), pictures(copied(tmp_path, original, sights, limit_s=1000))
    assert len(before) == len(after)
    masking = Masking(sights)
    covered = hidden = number = 0
    for k, ((time_s, was), (_, shows)) in enumerate(zip(before, after, strict=True)):
        area = np.zeros(was.shape[:2], bool)
        for x1, y1, x2, y2 in masking.regions(START_TS + time_s, PLAZA_SIZE).tolist():
            area[y1:y2, x1:x2] = True
        assert area.mean() < 0.25, "the rest can be judged"
        differs = np.abs(was.astype(int) - shows).mean(axis=2)
        # what coding alone changes
        noise_level = float(differs[~area].mean())
        for x, y, w, h in truth[truth[:, 0] == k + 1][:, 2:6].tolist():
            left, right = round(max(0, x + w / 4)), round(min(was.shape[1], x + 3 * w / 4))
            top, bottom = round(max(0, y)), round(min(was.shape[0], y + 0.15 * h))
            if right - left < 2 or bottom - top < 2:
                continue
            number += 1
            covered += area[top:bottom, left:right].mean() >= 0.9
            part = slice(top, bottom), slice(left, right)
            hidden += differs[part].mean() > 3 * noise_level and detail(shows[part]) < 0.9 * detail(
                was[part]
            )
    assert number > 4000
    print(f"{number} heads: {covered / number:.4f} covered, {hidden / number:.4f} changed")
    assert covered / number >= 0.95
    assert hidden / number >= 0.95
