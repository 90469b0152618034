"""The files of a survey: when each was taken, and which do not go together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streams.surveyfiles import recordings, time_in_name
from streams.video import VideoWriter
from vision.errors import ClipError, SurveyError

WITA = timezone(timedelta(hours=8))
SEVEN = datetime(2026, 1, 31, 7, 0, 5, tzinfo=WITA).timestamp()


def clip(path: Path, seconds: int = 4, size: tuple[int, int] = (64, 48)) -> Path:
    with VideoWriter(path, size=size, rate=Fraction(2)) as writer:
        for index in range(2 * seconds):
            writer.write(np.full((size[1], size[0], 3), index, np.uint8), index / 2)
        writer.finish()
        writer.commit()
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips")
    return [clip(folder / f"{name}.mp4", seconds) for name, seconds in (("a", 4), ("b", 6))]


@pytest.mark.parametrize(
    "name",
    [
        "2026-01-31_07-00-05.mp4",
        "20260131070005.mp4",
        "simpang 2026-01-31 07.00.05 utara.mkv",
        "cam2_20260131T070005.mp4",
        "CAM-12_2026.01.31_07h00m05s.avi",
        "ch01_20260131_070005_20260131_070005.mp4",
    ],
)
def test_a_name_tells_when_its_file_was_begun(name: str) -> None:
    assert time_in_name(Path(name), WITA) == SEVEN
    assert time_in_name(Path(name), UTC) == SEVEN + 8 * 3600


@pytest.mark.parametrize(
    "name",
    [
        "plaza.mp4",
        "2026-01-31.mp4",
        "2026-13-31_07-00-05.mp4",
        "20260131_070005_20260131_080005.mp4",
        "920260131070005.mp4",
    ],
)
def test_another_name_does_not(name: str) -> None:
    with pytest.raises(SurveyError, match=r"tells no date and time, .*: rename it, or give"):
        time_in_name(Path(name), WITA)


def test_one_file_follows_another(clips: list[Path]) -> None:
    read = list[Path]()
    found = recordings([*clips, clips[0]], [SEVEN], None, read.append)
    assert read == [*clips, clips[0]]
    assert [each.file.start_ts - SEVEN for each in found] == [0, 4, 10]
    assert [each.file.frames for each in found] == [8, 12, 8]
    first, second, third = (each.file.sha256 for each in found)
    assert first == third != second
    # by their true rate they are four times as long
    slow = recordings(clips, [SEVEN], Fraction(1, 2))
    assert [each.file.start_ts - SEVEN for each in slow] == [0, 16]


@pytest.mark.parametrize(
    ("starts", "begun"),
    [
        ([0, 100], [0, 100]),
        ([100, 0], [0, 100]),
        # whole seconds, or a recorder that overlaps
        ([0, 2.5], [0, 2.5]),
        ([0, 2], [0, 2]),
    ],
)
def test_files_have_times_of_their_own(
    starts: list[float], begun: list[float], clips: list[Path]
) -> None:
    found = recordings(clips, [SEVEN + start for start in starts], None)
    assert [each.file.start_ts - SEVEN for each in found] == begun
    assert [each.path for each in found] == (clips if starts[0] == 0 else clips[::-1])


def test_nobody_counts_twice(clips: list[Path]) -> None:
    with pytest.raises(SurveyError, match=r"b\.mp4 begins 2\.5 s before .*a\.mp4 ends"):
        recordings(clips, [SEVEN, SEVEN + 1.5], None)


def test_a_recorder_may_overlap_again_and_again(clips: list[Path]) -> None:
    starts = [SEVEN + 3 * number for number in range(4)]
    found = recordings([clips[0]] * 4, starts, None)
    assert [each.file.start_ts for each in found] == starts


def test_files_of_other_sizes_and_no_files_are_refused(clips: list[Path], tmp_path: Path) -> None:
    other = clip(tmp_path / "other.mp4", size=(80, 48))
    with pytest.raises(SurveyError, match=r"80x48 px, and .*a\.mp4 of 64x48: survey"):
        recordings([clips[0], other], [SEVEN], None)
    with pytest.raises(ClipError, match="there is no clip"):
        recordings([tmp_path / "none.mp4"], [SEVEN], None)
