"""A recorded survey: what it counts, that it goes on where it was, and what it refuses."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from streams.scenefile import load_scene
from streams.survey import CHUNKS, COUNTS, MANIFEST, Survey, begin, finish, held, read
from streams.surveying import count
from tests.streams.surveyed import MOVED, SCENE, SIZE, T0, contents, film, manifest, surveyed
from vision.errors import OutputError, SceneError, SurveyError
from vision.scene import Scene

MORNING = [(4, "east"), (22, "west"), (36.5, "east"), (58, "west"), (76, "east"), (84, "east")]
"""The third passes the middle 0.4 s before a minute and a part end, and 220 px after that."""


class StoppedError(Exception):
    pass


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [film(tmp_path_factory.mktemp("films") / "morning.mp4", 95, MORNING)]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "scene.yaml"
    path.write_text(SCENE)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, films: list[Path], scene: Path) -> Survey:
    return surveyed(tmp_path_factory.mktemp("surveys") / "whole", films, scene)


def totals(survey: Survey) -> Counter[tuple[str, str]]:
    found = Counter[tuple[str, str]]()
    for each in survey.intervals:
        for (line, direction, _), number in each.counts.items():
            found[line, direction] += number
    return found


def recounted(folder: Path, survey: Survey, scene: Path) -> Survey:
    there = survey.manifest
    drawn = load_scene(scene, default_frame_size=SIZE)
    with held(folder):
        begin(folder, there.model_copy(update={"of": "that one"}), scene.read_bytes())
        parts = [part for number in range(len(there.files)) for part in there.chunks(number)]
        finish(folder, [count(survey.folder, part, there, drawn) for part in parts])
    return read(folder)


def test_everybody_is_counted_once_in_their_minute(whole: Survey) -> None:
    assert totals(whole) == {("road", "east"): 4, ("road", "west"): 2}
    assert [each.start_ts - T0 for each in whole.intervals] == [-20, 40]
    # up to the end of the last picture
    assert [each.observed_s for each in whole.intervals] == pytest.approx([40, 55])
    assert [each.frames for each in whole.intervals] == [160, 220]
    assert [sum(each.counts.values()) for each in whole.intervals] == [3, 3]
    assert {each.version for each in whole.intervals} == {1}
    assert (whole.camera, whole.model) == ("gate", "motion")
    assert [file.name for file in whole.files] == ["morning.mp4"]


def test_files_may_share_a_minute_and_nobody_watches_between_them(
    scene: Path, tmp_path: Path
) -> None:
    one = film(tmp_path / "one.mp4", 30, [(5, "west"), (14, "east")])
    starts = [T0, T0 + 30, T0 + 600]
    later = surveyed(tmp_path / "out", [one] * 3, scene, starts=starts)
    found = {each.start_ts - T0: each for each in later.intervals}
    assert {start: sum(each.counts.values()) for start, each in found.items()} == {
        -20: 3, 40: 1, 580: 2,
    }  # fmt: skip
    assert [each.frames for each in found.values()] == [160, 80, 120]
    # one file goes on where the other ended
    assert [each.observed_s for each in found.values()] == pytest.approx([40, 20, 30])


@pytest.mark.parametrize("after", [pytest.param(100, marks=pytest.mark.long), 230])
def test_a_survey_that_is_interrupted_comes_to_the_same(
    after: int, whole: Survey, films: list[Path], scene: Path, tmp_path: Path
) -> None:
    looked = list[float]()

    def told(ts: float) -> None:
        looked.append(ts)
        if len(looked) == after:
            raise StoppedError

    with pytest.raises(StoppedError):
        surveyed(tmp_path / "out", films, scene, told=told)
    with pytest.raises(SurveyError, match="is not finished: run the command that began it again"):
        read(tmp_path / "out")
    done = [*(tmp_path / "out" / CHUNKS).glob("*.json")]
    assert len(done) == (after > 180)
    (tmp_path / "out" / CHUNKS / ".0000-1.tracks.part-1").touch()
    looked.clear()
    surveyed(tmp_path / "out", films, scene, told=looked.append)
    # what was done is not looked at again
    assert looked[0] - T0 == pytest.approx(32.0 if done else 0.0)
    assert contents(tmp_path / "out") == contents(whole.folder)


def test_one_that_is_finished_looks_at_nothing(
    whole: Survey, films: list[Path], scene: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole.folder, tmp_path / "out")
    looked = list[float]()
    surveyed(tmp_path / "out", films, scene, told=looked.append)
    assert not looked


def test_counted_again_by_the_same_scene_it_is_the_same(
    whole: Survey, scene: Path, tmp_path: Path
) -> None:
    again = recounted(tmp_path / "again", whole, scene)
    assert (again.folder / COUNTS).read_bytes() == (whole.folder / COUNTS).read_bytes()
    assert again.intervals == whole.intervals


def test_a_line_is_moved_without_the_films(whole: Survey, tmp_path: Path) -> None:
    moved = tmp_path / "moved.yaml"
    moved.write_text(MOVED + "classes: [moving]\n")
    again = recounted(tmp_path / "again", whole, moved)
    assert totals(again) == totals(whole)
    # they pass it a second later, or earlier, and the third one in the next minute
    assert [sum(each.counts.values()) for each in again.intervals] == [2, 4]
    assert again.scene.lines[0].points[0, 0] == 220
    with pytest.raises(SurveyError, match=r"\.tracks is missing, so nothing can be counted again"):
        recounted(tmp_path / "twice", again, moved)


def test_who_was_there_is_kept(whole: Survey) -> None:
    found = [*whole.pictures(T0 + 30, T0 + 50)]
    assert [kept.ts - T0 for kept in found] == pytest.approx([30 + k / 4 for k in range(80)])
    seen = {kept.ts - T0 for kept in found if len(kept.rows)}
    assert (min(seen), max(seen)) == pytest.approx((37, 43.4), abs=0.5)
    assert all(kept.frame_size == SIZE for kept in found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"camera": "other"}, "is of another camera"),
        ({"scene_sha256": "other"}, "is of another scene"),
        ({"model_sha256": "other"}, "is of another model"),
        ({"fps": "5"}, "was begun with another --fps"),
        ({"chunk_s": 120}, "was begun with another --chunk"),
        ({"program": "2"}, "was begun with another version of matakota"),
        ({"files": ()}, "is of other files, or of other times"),
        ({"tail_s": 9.0}, "differs in tail_s"),
    ],
)
def test_what_was_begun_with_something_else_does_not_go_on(
    changes: dict[str, object], words: str, whole: Survey
) -> None:
    before = contents(whole.folder)
    with held(whole.folder), pytest.raises(SurveyError, match=f"{words}: name another --out"):
        begin(whole.folder, whole.manifest.model_copy(update=changes), b"")
    assert contents(whole.folder) == before


def test_a_folder_of_other_files_stays_as_it_is(whole: Survey, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.txt").touch()
    with held(tmp_path), pytest.raises(SurveyError, match="holds other files"):
        begin(tmp_path, whole.manifest, b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "thesis.txt"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    with pytest.raises(SurveyError, match="there is no survey in"):
        read(tmp_path)


def test_two_surveys_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with (
        held(tmp_path),
        pytest.raises(SurveyError, match="another survey is writing to"),
        held(tmp_path),
    ):
        pass
    with pytest.raises(OutputError, match="its folder does not exist"), held(tmp_path / "a" / "b"):
        pass


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (MANIFEST, b"{}", r"survey\.json is damaged \(program: Field required\)"),
        (COUNTS, b"{}\n", r"counts\.jsonl is damaged"),
        (COUNTS, b"\xff", r"counts\.jsonl cannot be read"),
        (f"{CHUNKS}/0000-1769814000.tracks", b"nothing", r"\.tracks is damaged"),
    ],
)
def test_what_is_damaged_says_so(
    name: str, content: bytes, words: str, whole: Survey, tmp_path: Path
) -> None:
    out = shutil.copytree(whole.folder, tmp_path / "out")
    (out / name).write_bytes(content)
    with pytest.raises(SurveyError, match=words):
        [*read(out).pictures(0, 2 * T0)]


def test_what_was_looked_at_is_known_in_another_scene(whole: Survey) -> None:
    there = whole.manifest.model_copy(update={"seen": (10, 20, 100, 80)})
    assert there.seen_in(whole.scene) == (10, 20, 100, 80)
    assert there.seen_in(Scene((640, 360))) == (20, 40, 200, 160)
    assert whole.manifest.seen_in(whole.scene) is None
    with pytest.raises(SceneError, match="which is another shape"):
        whole.manifest.seen_in(Scene((360, 640)))


def test_parts_begin_at_round_times(films: list[Path], scene: Path) -> None:
    planned = manifest(films, scene)
    first, second, *_ = parts = planned.chunks(0)
    assert [part.start - T0 for part in parts] == [-20, 40]
    assert [(part.lead_ts - T0, part.until_ts - T0) for part in parts] == [(0, 44), (32, 104)]
    assert (first.last, second.last) == (False, True)
    assert planned.seconds == pytest.approx(95)
