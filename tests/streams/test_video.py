"""The written video is read back with the project's own reader."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streams.files import ClipSource, inspect_clip
from streams.video import FORMATS, VideoWriter
from tests.streams.test_output import leftovers
from vision.errors import OutputError
from vision.types import Image

ROOT = Path(__file__).parents[2]


def pictures(n: int, size: tuple[int, int] = (96, 64)) -> list[Image]:
    """Blue, green, red and grey quarters, with a white bar that moves."""
    w, h = size
    base = np.zeros((h, w, 3), np.uint8)
    base[: h // 2, : w // 2] = (210, 60, 30)
    base[: h // 2, w // 2 :] = (40, 180, 50)
    base[h // 2 :, : w // 2] = (30, 40, 200)
    base[h // 2 :, w // 2 :] = 128
    found = []
    for i in range(n):
        picture = base.copy()
        picture[:, (i * 4) % w : (i * 4) % w + 4] = 255
        found.append(picture)
    return found


def write(path: Path, images: list[Image], *, rate: int = 5, step_s: float = 0.2) -> Path:
    h, w = images[0].shape[:2]
    with VideoWriter(path, size=(w, h), rate=Fraction(rate)) as video:
        for i, image in enumerate(images):
            video.write(image, i * step_s)
        video.commit()
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_written_is_read_back(suffix: str, tmp_path: Path) -> None:
    images = pictures(12)
    path = write(tmp_path / f"v{suffix}", images)
    source = ClipSource(path, camera_id="cam")
    frames = list(source.frames())
    assert source.info.codec == "h264"
    assert [frame.ts for frame in frames] == pytest.approx([i / 5 for i in range(12)], abs=0.001)
    assert source.info.duration_s == pytest.approx(12 / 5, abs=0.001)
    for drawn, frame in zip(images, frames, strict=True):
        # The corners: away from the bar and the edges, colours keep to a few steps.
        for y in (16, 48):
            for x in (28, 76):
                # half of the colour's resolution is lost, so its neighbours count
                if (drawn[y, x - 4 : x + 5] == drawn[y, x]).all():
                    assert np.abs(drawn[y, x].astype(int) - frame.image[y, x]).max() < 14
    assert not leftovers(tmp_path)


def test_the_same_pictures_give_the_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path / "a.mp4", pictures(20, (640, 352))).read_bytes()
    assert first == write(tmp_path / "b.mp4", pictures(20, (640, 352))).read_bytes()
    assert first == write(tmp_path / "a.mp4", pictures(20, (640, 352))).read_bytes()
    # Its index comes first, so that a browser plays before it has all of it.
    assert first.index(b"moov") < first.index(b"mdat")
    mkv = write(tmp_path / "a.mkv", pictures(20)).read_bytes()
    assert mkv == write(tmp_path / "b.mkv", pictures(20)).read_bytes()


def test_times_are_kept(tmp_path: Path) -> None:
    offsets = [0.0, 0.21, 0.4, 5.0, 5.0, 5.27]
    path = tmp_path / "v.mp4"
    with VideoWriter(path, size=(96, 64), rate=Fraction(5)) as video:
        for image, offset in zip(pictures(6), offsets, strict=True):
            video.write(image, offset)
        video.commit()
    seen = [frame.ts for frame in ClipSource(path, camera_id="cam").frames()]
    assert seen == pytest.approx(offsets, abs=0.001)


def test_odd_sizes_are_padded(tmp_path: Path) -> None:
    info = inspect_clip(write(tmp_path / "v.mp4", pictures(3, (97, 65))))
    assert (info.width, info.height, info.frames) == (98, 66, 3)


def test_without_commit_nothing_appears(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_text("old")
    with VideoWriter(path, size=(96, 64), rate=Fraction(5)) as video:
        video.write(pictures(1)[0], 0.0)
        assert leftovers(tmp_path)
    with (
        pytest.raises(KeyboardInterrupt),
        VideoWriter(path, size=(96, 64), rate=Fraction(5)) as video,
    ):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["v.mp4"]
    assert path.read_text() == "old"


def test_misuse(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "v.mp4", size=(96, 64), rate=Fraction(5)) as video:
        with pytest.raises(OutputError, match="no picture came"):
            video.commit()
        with pytest.raises(ValueError, match=r"the video is \(96, 64\)"):
            video.write(pictures(1, (64, 64))[0], 0.0)
        video.write(pictures(1)[0], 0.0)
        video.commit()
        with pytest.raises(RuntimeError, match="is finished"):
            video.write(pictures(1)[0], 1.0)
    assert inspect_clip(tmp_path / "v.mp4").frames == 1


def test_wrong_places_are_told_before_the_work(tmp_path: Path) -> None:
    def refused(path: Path, words: str) -> None:
        with pytest.raises(OutputError, match=words):
            VideoWriter(path, size=(96, 64), rate=Fraction(5))

    refused(tmp_path / "v.gif", r"a video's name ends in \.mp4")
    refused(tmp_path / "none" / "v.mp4", "its folder does not exist")
    (tmp_path / "folder.mp4").mkdir()
    refused(tmp_path / "folder.mp4", "it is a folder")
    os.mkfifo(tmp_path / "pipe.mp4")
    refused(tmp_path / "pipe.mp4", "no regular file")
    assert not leftovers(tmp_path)


def test_a_name_is_never_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("tcp:1.mp4", "file:v.mp4", "a%03d|b?.mp4"):
        write(Path(name), pictures(2))
        assert inspect_clip(tmp_path / name).frames == 2


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk(small_disk: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (240, 320, 3), dtype=np.uint8) for _ in range(20)]
    path = small_disk / f"v{suffix}"
    with pytest.raises(OutputError, match="no space left on the device; free some space"):
        write(path, noise)
    assert os.listdir(small_disk) == []


def test_a_disk_that_is_full_at_the_end(small_disk: Path) -> None:
    path = small_disk / "v.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 96, 3), dtype=np.uint8)
    with VideoWriter(path, size=(96, 64), rate=Fraction(5)) as video:
        for i, image in enumerate(noise):
            video.write(image, i / 5)
        free = os.statvfs(small_disk)
        (small_disk / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize))
        with pytest.raises(OutputError, match="no space left"):
            video.commit()
    assert os.listdir(small_disk) == ["filler"]


def test_a_limit_on_file_size(tmp_path: Path) -> None:
    # In another process, because the limit would hold for this one too.
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from tests.streams.test_video import pictures, write\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "write(Path(sys.argv[1]), pictures(30))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "v.mp4")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "it grew past the largest file allowed" in done.stderr
    assert os.listdir(tmp_path) == []
