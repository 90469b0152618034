"""The pipeline beside its floor, on a second or two of video. Nothing here asks how fast it is."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest

from models.zoo import resolve
from streams.evaluation import floor
from streams.evaluation.overhead import Bench, Subject
from streams.evaluation.recorded import recorded
from streams.evaluation.stages import STAGES
from streams.files import ClipSource
from streams.scenefile import load_scene
from streams.video import VideoWriter
from tests.needs import REPO
from vision.errors import DetectorError

FRAMES, RATE = 28, 7
MOST_LINES = 40
SCENE = REPO / "samples/scenes/plaza.yaml"


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Four seconds of the plaza."""
    clip = tmp_path_factory.mktemp("clips") / "short.mp4"
    source = ClipSource(REPO / "samples/clips/plaza.mp4", camera_id="plaza")
    with source, VideoWriter(clip, size=(768, 576), rate=Fraction(RATE)) as film:
        for frame in islice(source.frames(), FRAMES):
            film.write(frame.image, frame.ts)
        film.commit()
    return Subject(clip, load_scene(SCENE), "nanodet_g")


@pytest.fixture(scope="module")
def bench(subject: Subject) -> Bench:
    return Bench(subject, lambda name: resolve(name, cache=None))


def test_both_see_the_same_frames(bench: Bench) -> None:
    heard: list[int] = []
    found = bench.overhead(2, heard.append)
    assert heard == [1, 2]
    assert found.input_size == (320, 416)
    for each in found.rounds:
        assert each.analysed == each.inferences == each.floor_inferences == FRAMES
        assert set(each.counts) == {"square"}
    assert found.rounds[0].counts == found.rounds[1].counts
    assert found.objects > 3


def test_stages_add_up(bench: Bench) -> None:
    found = bench.overhead(1)
    [only] = found.rounds
    assert tuple(found.stages_ms) == STAGES
    assert all(ms > 0 for ms in found.stages_ms.values())
    assert math.isclose(sum(found.stages_ms.values()) * FRAMES / 1000, only.total)
    assert math.isclose(sum(found.others_ms.values()), found.stages_ms["other"])
    assert math.isclose(found.ratio, only.total / sum(only.floor.values()))
    assert tuple(found.floor_ms) == ("decode", "inference")
    inner = [ms for stage, ms in found.stages_ms.items() if stage not in found.floor_ms]
    assert math.isclose(found.around_ms, sum(inner))


def test_a_clip_may_have_any_name(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colon makes a name an address, for FFmpeg."""
    monkeypatch.chdir(tmp_path)
    named = Path("12:30 gate.mp4")
    named.write_bytes(subject.clip.read_bytes())
    clip = replace(subject, clip=named, fps=Fraction(1), input_size=(160, 224))
    found = Bench(clip, lambda name: resolve(name, cache=None)).overhead(1)
    assert found.rounds[0].floor_inferences == FRAMES // RATE


def test_fewer_frames_and_another_input(subject: Subject) -> None:
    smaller = replace(subject, fps=Fraction(2), input_size=(160, 224))
    found = Bench(smaller, lambda name: resolve(name, cache=None)).overhead(1)
    assert found.rounds[0].analysed == found.rounds[0].floor_inferences == 2 * FRAMES // RATE
    assert found.input_size == (160, 224)


def test_recorded_video(subject: Subject) -> None:
    found = recorded(replace(subject, fps=Fraction(1)), lambda name: resolve(name, cache=None))
    assert found.analysed == found.inferences == FRAMES // RATE
    assert found.video_s == pytest.approx(FRAMES / RATE, abs=0.2)
    assert found.times == found.video_s / found.cpu_s


def test_what_has_no_model_has_no_floor(subject: Subject) -> None:
    without = replace(subject, model="motion", scene=replace(subject.scene, classes=("moving",)))
    without = replace(without, scene=replace(without.scene, rules=()))
    bench = Bench(without, lambda name: resolve(name, cache=None))
    with pytest.raises(DetectorError, match="without a model there is no floor"):
        bench.overhead(1)


def test_the_floor_is_short() -> None:
    """It must be plain that nothing else is in it."""
    text = Path(floor.__file__).read_text("utf-8")
    written = {
        number
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt) and not isinstance(getattr(node, "value", None), ast.Constant)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    assert len(written) <= MOST_LINES
