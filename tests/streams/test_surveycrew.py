"""The processes of a survey: what they tell, and what becomes of it when one of them fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from streams.config import MOTION
from streams.files import ClipSource
from streams.survey import begin, read
from streams.surveycrew import Far, _Crew, look_through
from streams.surveying import Job
from tests.streams.surveyed import SCENE, T0, contents, film, manifest, surveyed
from vision.errors import ClipError, SurveyError
from vision.views import Look, usual


def jobs(folder: Path, paths: list[Path]) -> list[Job]:
    return [Job(folder, number, path, MOTION, folder) for number, path in enumerate(paths)]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    return [
        film(folder / "one.mp4", 16, [(2, "east")]),
        film(folder / "two.mp4", 20, [(9, "west")]),
    ]


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    path = tmp_path / "scene.yaml"
    path.write_text(SCENE)
    return path


def test_two_processes_come_to_what_one_does(
    films: list[Path], scene: Path, tmp_path: Path
) -> None:
    out, far = tmp_path / "out", list[float]()
    out.mkdir()
    begin(out, manifest(films, scene), scene.read_bytes())
    found = look_through(jobs(out, films), 2, lambda so_far: far.append(so_far.total_s))
    alone = surveyed(tmp_path / "alone", films, scene)
    assert tuple(found) == alone.intervals == read(out).intervals
    assert sum(n for each in found for n in each.counts.values()) == 2
    there = contents(alone.folder)
    del there[".lock"]
    assert contents(out) == there
    assert (far[0], far[-1]) == (0.0, pytest.approx(36))
    assert far == sorted(far)
    # there is nothing left to do, and nobody is started for it
    far.clear()
    assert look_through(jobs(out, films), 2, lambda so_far: far.append(so_far.total_s)) == found
    assert far == [pytest.approx(36)]


@pytest.mark.long
def test_a_file_that_is_gone_does_not_keep_the_others_from_being_counted(
    films: list[Path], scene: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with ClipSource(films[0], camera_id="gate") as source:
        image = next(source.frames()).image
    # else the second would wait for what the first one shows
    stated = f"{SCENE}view: {usual([Look.of(image)]).text}\n".encode()
    begin(out, manifest(films, scene), stated)
    gone = tmp_path / "gone.mp4"
    with pytest.raises(SurveyError, match=r"there is no clip .*gone\.mp4: check the path$"):
        look_through(jobs(out, [gone, films[1]]), 1)
    with pytest.raises(SurveyError, match="is not finished"):
        read(out)
    assert [path.stem for path in (out / "chunks").glob("*.json")] == ["0001-1769814000"]


def test_files_behind_one_that_cannot_be_counted_wait_for_it(
    films: list[Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    begin(out, manifest(films, scene), scene.read_bytes())
    begun = list[int]()
    started = _Crew._start

    def start(crew: _Crew, job: Job) -> None:
        begun.append(job.number)
        started(crew, job)

    monkeypatch.setattr(_Crew, "_start", start)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SurveyError, match=r"\(and 1 other files cannot be counted\)"):
        look_through(jobs(out, films), 2)
    assert begun == [0]


def test_a_process_that_dies_is_told_of(
    films: list[Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    begin(out, manifest(films, scene), scene.read_bytes())
    monkeypatch.setattr(sys, "executable", "/bin/false")
    words = r"looked at .*\.mp4 ended \(exit code 1\).*\(and 1 other files cannot be counted\)"
    with pytest.raises(SurveyError, match=words):
        look_through(jobs(out, films), 2)


def test_what_is_behind_a_place_that_cannot_be_decoded_may_be_a_gap(
    films: list[Path], scene: Path, tmp_path: Path
) -> None:
    content = bytearray(films[1].read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    with pytest.raises(ClipError, match=r"broken\.mp4 breaks at 9\.8 s"):
        surveyed(tmp_path / "out", [broken], scene)
    with capture_logs() as logs:
        found = surveyed(tmp_path / "out", [broken], scene, gaps=True)
    assert [each.observed_s for each in found.intervals] == pytest.approx([9.5], abs=0.3)
    assert [each["event"] for each in logs] == ["the rest of a file is a gap"]


def test_how_far_it_is_never_goes_back(films: list[Path], scene: Path) -> None:
    far = Far(manifest(films, scene))
    for number, ts, total_s in [(0, T0 + 4, 4), (1, T0, 4), (1, T0 + 26, 14), (0, T0, 14)]:
        far.reach(number, ts)
        assert far.total_s == pytest.approx(total_s)
    far.reach(0, float("inf"))
    assert far.total_s == pytest.approx(26)
