"""What recordings of real cameras bring: lenses that are covered, files that overlap, lack their
end or are joined, disks that fail, and a survey that is killed before it has begun."""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from streams import files, survey
from streams.config import MOTION
from streams.detector import Detectors
from streams.scenefile import load_scene
from streams.survey import CHUNKS, COUNTS, Survey, begin
from streams.surveying import Job, look_through, waits_for
from tests.streams.surveyed import FPS, SCENE, SIZE, T0, contents, film, manifest, surveyed
from vision.errors import ClipError, ClipUnreadError, OutputError, SurveyError
from vision.types import Image
from vision.views import Look, usual

COVERED_S = 8.0
SECONDS = 14.0


def covered(image: Image, t: float) -> Image:
    """Something with a texture of its own lies on the lens."""
    return np.random.default_rng(int(4 * t) % 5).integers(90, 110, image.shape, dtype=np.uint8)


def moved(image: Image, t: float) -> Image:
    return np.ascontiguousarray(image[::-1, ::-1])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "scene.yaml"
    path.write_text(SCENE)
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    return [
        film(
            folder / "a.mp4",
            SECONDS,
            spoilt=lambda image, t: image if t < COVERED_S else covered(image, t),
        ),
        film(folder / "b.mp4", SECONDS, spoilt=covered),
        film(folder / "c.mp4", SECONDS, spoilt=moved),
        film(folder / "d.mp4", SECONDS, [(6, "east")]),
    ]


def watched(found: Survey) -> list[float]:
    return [each.observed_s for each in found.intervals]


def passed(found: Survey) -> int:
    return sum(sum(each.counts.values()) for each in found.intervals)


def test_a_camera_that_was_covered_or_moved_before_a_file_began_is_not_watched(
    films: list[Path], scene: Path, tmp_path: Path
) -> None:
    starts = [T0 + 40 + 60 * number for number in range(4)]
    found = surveyed(tmp_path / "out", films, scene, starts=starts)
    assert watched(found) == pytest.approx([COVERED_S, 0, 0, SECONDS], abs=1.0)
    blind = [each.blind_s for each in found.intervals]
    assert blind == pytest.approx([SECONDS - COVERED_S, SECONDS, SECONDS, 0], abs=1.0)
    assert passed(found) == 1

    # interrupted behind the second file, it goes on with what that one knew
    again = shutil.copytree(tmp_path / "out", tmp_path / "again")
    for each in (COUNTS, *(f"{CHUNKS}/{name}" for name in ("0002-*", "0003-*"))):
        for path in again.glob(each):
            path.unlink()
    surveyed(again, films, scene, starts=starts)
    assert contents(again) == contents(tmp_path / "out")


def test_a_file_waits_for_the_one_before_it(films: list[Path], scene: Path, tmp_path: Path) -> None:
    planned = manifest(films[:2], scene)
    begin(tmp_path, planned, scene.read_bytes())
    drawn = load_scene(scene, default_frame_size=SIZE)
    assert waits_for(tmp_path, planned, drawn, 0) is None
    assert waits_for(tmp_path, planned, drawn, 1) == planned.chunks(0)[-1]
    job = Job(tmp_path, 1, films[1], MOTION, tmp_path)
    with pytest.raises(SurveyError, match=r"the file before .*b\.mp4 is not counted yet"):
        look_through(job, Detectors(lambda name: None), lambda _: None)  # type: ignore[arg-type, return-value]
    # where the scene says how it looks, nobody waits
    view = usual([Look.of(np.zeros((180, 320, 3), np.uint8))]).text
    stated = tmp_path / "stated.yaml"
    stated.write_text(f"{SCENE}view: {view}\n")
    known = load_scene(stated, default_frame_size=SIZE)
    assert waits_for(tmp_path, planned, known, 1) is None


def test_who_is_in_two_files_counts_once(scene: Path, tmp_path: Path) -> None:
    """A second of each file is in the one before it, and somebody passes in it."""
    cars = [(3.5, "east")]
    paths = [
        film(tmp_path / f"{number}.mp4", 7, [(at - 6 * number, way) for at, way in cars])
        for number in range(3)
    ]
    starts = [T0 + 6 * number for number in range(3)]
    found = surveyed(tmp_path / "out", paths, scene, starts=starts)
    frames = Counter({int(each.start_ts - T0): each.frames for each in found.intervals})
    assert frames == {-20: 19 * FPS}
    assert watched(found) == pytest.approx([19], abs=0.3)
    assert [each.start_ts for each in found.files] == starts
    assert passed(found) == 1


@pytest.mark.parametrize("after", [0, 1, 2])
def test_one_that_is_killed_before_it_has_begun_goes_on(
    after: int, films: list[Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned, put, done = manifest(films[:1], scene), survey.put, list[Path]()

    def failing(path: Path, content: bytes) -> None:
        if len(done) == after:
            raise OutputError("no space left")
        done.append(path)
        put(path, content)

    monkeypatch.setattr(survey, "put", failing)
    if after < 2:
        with pytest.raises(OutputError):
            begin(tmp_path, planned, scene.read_bytes())
    else:
        begin(tmp_path, planned, scene.read_bytes())
        (tmp_path / "chunks").rmdir()
    monkeypatch.undo()
    begin(tmp_path, planned, scene.read_bytes())
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "chunks", "scene.yaml", "survey.json",
    ]  # fmt: skip


def test_a_disk_that_fails_leaves_no_gap(
    films: list[Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = files._open_file
    broken = list[bool]()

    class Failing:
        """Ends in the middle, as a network share does that is gone for a moment."""

        def __init__(self, path: Path) -> None:
            self._file = opened(path)
            self._size = path.stat().st_size

        def __enter__(self) -> Failing:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def read(self, size: int) -> bytes:
            if broken and self._file.tell() > self._size // 2:
                raise OSError(errno.ESTALE, "Stale file handle")
            return self._file.read(size)

        def seek(self, offset: int, whence: int = 0) -> int:
            return self._file.seek(offset, whence)

        def tell(self) -> int:
            return self._file.tell()

    monkeypatch.setattr(files, "_open_file", Failing)
    monkeypatch.setattr(files, "BUFFER_BYTES", 1 << 12)
    told = list[float]()

    def breaks(ts: float) -> None:
        told.append(ts)
        broken.append(True)

    with pytest.raises(ClipUnreadError, match=r"cannot be read \(Stale file handle\): check"):
        surveyed(tmp_path / "out", films[3:], scene, told=breaks, gaps=True)
    assert not [*(tmp_path / "out").glob("chunks/*.json")]
    with pytest.raises(ClipUnreadError, match="Stale file handle"):
        files.inspect_clip(films[3], whole=False)
    broken.clear()
    found = surveyed(tmp_path / "out", films[3:], scene, gaps=True)
    assert watched(found) == pytest.approx([SECONDS], abs=0.3)


def test_a_file_that_lacks_its_end_is_counted_as_far_as_it_goes(
    scene: Path, tmp_path: Path
) -> None:
    whole = film(tmp_path / "whole.mkv", SECONDS, [(2, "east")])
    content = whole.read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(content[: len(content) * 7 // 10])
    with pytest.raises(ClipError, match="truncated"):
        surveyed(tmp_path / "out", [cut], scene)
    with capture_logs():
        found = surveyed(tmp_path / "out", [cut], scene, gaps=True)
    assert passed(found) == 1
    (seen_s,) = watched(found)
    assert 0.5 * SECONDS < seen_s < 0.9 * SECONDS
    assert found.files[0].duration_s == pytest.approx(seen_s, abs=1.0)


def test_one_that_goes_on_after_its_end_is_refused(
    films: list[Path], scene: Path, tmp_path: Path
) -> None:
    planned = manifest(films[3:], scene)
    short = planned.files[0].model_copy(update={"duration_s": 8.0})
    begin(tmp_path, planned.model_copy(update={"files": (short,)}), scene.read_bytes())
    job = Job(tmp_path, 0, films[3], MOTION, tmp_path, gaps=True)
    with pytest.raises(SurveyError, match=r"d\.mp4 goes on after the 8\.0 s that it is said to"):
        look_through(job, Detectors(lambda name: None), lambda _: None)  # type: ignore[arg-type, return-value]
    assert not (tmp_path / COUNTS).exists()
