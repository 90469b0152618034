"""Counts against their truth: the figures, the runs they come from, and the baseline."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ModelError
from models.zoo import VerifiedModel, resolve
from streams.analysis import Summary
from streams.config import MOTION
from streams.detector import Detectors
from streams.evaluation.baseline import (
    Comparison,
    Passages,
    baseline_of,
    compare,
    read_baseline,
    written,
)
from streams.evaluation.clips import FULL, Rate
from streams.evaluation.counts import (
    Agreement,
    Evaluation,
    Row,
    Run,
    Score,
    Scores,
    Setting,
    report,
    row_of,
    swapped_at,
)
from streams.evaluation.manifest import ListedClip, load_manifest
from streams.expectations import CountExpectation
from streams.samples import Places
from tests.api.bad_inputs import FRAMES, PLAZA, SCENE, cut
from vision.errors import DetectorError, ExpectationError

NOWHERE = Places(None, Path("/nonexistent"))
NUMBERS = st.integers(0, 50)


def row(
    truth: int, counted: int, direction: str = "in", line: str = "gate", what: str | None = None
) -> Row:
    return Row(line, direction, what, truth, 1, counted, 0)


def run_of(*rows: Row, clip: str = "square", model: str = "m", rate: str = FULL) -> Run:
    return Run(clip, model, rate, frames=100, analysed=50, cpu_s=2.0, rows=rows)


@pytest.mark.parametrize(
    ("rows", "off", "wape"),
    [
        ([row(10, 10)], 0, 0.0),
        ([row(10, 8)], 2, 0.2),
        ([row(10, 12)], 2, 0.2),
        # one missed and one for nothing do not make up for each other
        ([row(10, 9), row(10, 11, "out")], 2, 0.1),
        # where nothing passed there is no share, but the number counted for nothing stays
        ([row(0, 3)], 3, None),
        ([row(0, 0)], 0, None),
        ([row(0, 3), row(10, 10, "out")], 3, 0.3),
    ],
)
def test_the_error_is_a_share_of_the_truth(rows: list[Row], off: int, wape: float | None) -> None:
    score = Score.of(rows)
    assert (score.absolute_error, score.wape) == (off, wape)


@pytest.mark.parametrize(
    ("into", "out", "swapped"),
    [
        ((19, 19), (15, 15), 0),
        ((19, 18), (15, 16), 1),
        ((19, 16), (15, 18), 3),
        # a miss in both directions is nobody's wrong direction
        ((19, 18), (15, 14), 0),
        ((19, 16), (15, 16), 1),
        ((8, 8), (0, 2), 0),
        ((8, 6), (0, 2), 2),
    ],
)
def test_errors_that_the_directions_explain(
    into: tuple[int, int], out: tuple[int, int], swapped: int
) -> None:
    assert swapped_at([row(*into), row(*out, "out")]) == swapped
    found = Scores.of([run_of(row(*into), row(*out, "out"))])
    assert (found.swapped, found.both_ways) == (swapped, into[0] + out[0])
    assert found.direction_error == pytest.approx(swapped / found.both_ways)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=5))
def test_the_parts_add_up(lines: list[tuple[int, int, int, int]]) -> None:
    runs = [
        run_of(row(a, b, "in", what="car"), row(c, d, "out", what="bus"), clip=str(i))
        for i, (a, b, c, d) in enumerate(lines)
    ]
    found = Scores.of(runs)
    for parts in (found.by_line, found.by_direction, found.by_class):
        assert sum(part.truth for part in parts.values()) == found.total.truth
        assert sum(part.absolute_error for part in parts.values()) == found.total.absolute_error
    assert found.total.absolute_error >= abs(found.total.counted - found.total.truth)
    assert found.zero_truth.truth == 0
    assert found.zero_truth.absolute_error == found.zero_truth.counted
    # each swapped passage is two errors
    assert 2 * found.swapped <= found.total.absolute_error


@given(NUMBERS, NUMBERS, st.data())
def test_passages_given_the_other_direction_are_found(a: int, b: int, data: st.DataObject) -> None:
    moved = data.draw(st.integers(0, a))
    assert swapped_at([row(a, a - moved), row(b, b + moved, "out")]) == moved


def test_one_direction_alone_says_nothing_about_directions() -> None:
    found = Scores.of([run_of(row(9, 5))])
    assert (found.swapped, found.direction_error) == (0, None)


def test_frame_rates_agree_within_the_greatest_difference() -> None:
    runs = [
        run_of(row(8, 8), row(0, 0, "out"), row(5, 5, line="path"), rate="10"),
        run_of(row(8, 7), row(0, 1, "out"), row(5, 5, line="path"), rate="5"),
        run_of(row(8, 9), row(0, 0, "out"), row(5, 5, line="path"), rate=FULL),
        run_of(row(8, 2), model="alone", rate="5"),
    ]
    assert Agreement.of(runs) == [
        Agreement("square", "m", "gate", ("10", "5", FULL), 2),
        Agreement("square", "m", "path", ("10", "5", FULL), 0),
    ]


def test_a_row_is_of_one_class_or_of_all() -> None:
    summary = Summary(9, 9, {"gate": {"in": {"car": 6, "bus": 1}, "out": {}}}, ())
    summary = replace(summary, late={"gate": {"in": 2, "out": 0}})

    def counted(direction: str, what: str | None) -> tuple[int, int]:
        found = row_of(CountExpectation("gate", direction, what, 5, 0), summary)
        return found.counted, found.late

    assert counted("in", "car") == (6, 2)
    assert counted("in", "person") == (0, 2)
    assert counted("in", None) == (7, 2)
    assert counted("out", None) == (0, 0)


BEFORE = baseline_of([run_of(row(10, 9), row(10, 10, "out"))])


@pytest.mark.parametrize(
    ("rows", "worse", "better"),
    [
        ([row(10, 9), row(10, 10, "out")], 0, 0),
        ([row(10, 11), row(10, 10, "out")], 0, 0),
        ([row(10, 10), row(10, 9, "out")], 0, 0),
        ([row(10, 8), row(10, 10, "out")], 1, 0),
        ([row(10, 9), row(10, 11, "out")], 1, 0),
        ([row(10, 10), row(10, 10, "out")], 0, 1),
        # another truth cannot be compared, whatever is counted
        ([row(9, 9), row(10, 10, "out")], 1, 0),
        ([row(10, 10)], 1, 0),
        ([row(10, 9), row(10, 10, "out"), row(0, 0, line="path")], 1, 0),
    ],
)
def test_errors_may_only_become_fewer(rows: list[Row], worse: int, better: int) -> None:
    found = compare(baseline_of([run_of(*rows)]), BEFORE)
    assert (len(found.worse), len(found.better)) == (worse, better)
    assert all("'gate'" in said or "'path'" in said for said in found.worse + found.better)
    assert all("--renew" in said for said in found.better)


def test_runs_beside_the_baseline_are_named() -> None:
    known = baseline_of([run_of(row(1, 1)), run_of(row(1, 1), rate="5")])
    found = compare(baseline_of([run_of(row(1, 1)), run_of(row(1, 0), rate="10")]), known)
    assert found == Comparison((), (), ("square, m, 10 fps",), ("square, m, 5 fps",))
    with pytest.raises(ExpectationError, match=r"has none of these runs \(square, m, 2 fps\)"):
        compare(baseline_of([run_of(row(1, 1), rate="2")]), known)


NAMES = st.text(min_size=1, max_size=5)
BASELINES = st.dictionaries(
    NAMES,
    st.dictionaries(
        NAMES,
        st.dictionaries(NAMES, st.builds(Passages, truth=NUMBERS, counted=NUMBERS)),
        max_size=2,
    ),
    max_size=2,
)


@given(baseline=BASELINES)
def test_a_baseline_is_read_as_it_was_written(
    baseline: dict[str, dict[str, dict[str, Passages]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "baseline.json"
    path.write_text(written(baseline), "utf-8")
    assert read_baseline(path) == baseline


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no baseline .*write one with --renew"),
        ("{", "is no baseline of counts .*write it with --renew"),
        ('{"a": {"gate": {"in, car": {"truth": -1, "counted": 0}}}}', "at a.gate.in, car.truth"),
        ('{"a": {"gate": {"in, car": {"truth": 1}}}}', "at a.gate.in, car.counted"),
        ('{"a": {"gate": {"in, car": {"truth": "1", "counted": 0}}}}', "valid integer"),
        ("[]", "is no baseline"),
    ],
)
def test_a_file_that_is_no_baseline(text: str | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ExpectationError, match=words) as caught:
        read_baseline(path)
    assert "\n" not in str(caught.value)


# --- real runs -----------------------------------------------------------------------------

MANIFEST = """\
clips:
  - clip: clip.mp4
    scene: scene.yaml
    truth:
      - {line: square, direction: westbound, class: person, count: 1}
      - {line: square, direction: eastbound, class: person, count: 2, tolerance: 1}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first three seconds of the plaza, at 7 frames a second, in which one person passes."""
    folder = tmp_path_factory.mktemp("counts")
    cut(PLAZA, folder / "clip.mp4", FRAMES)
    (folder / "scene.yaml").write_text(SCENE)
    drawn = SCENE.split("rules:")[0].replace("classes: [person]", "detector: motion")
    (folder / "moving.yaml").write_text(drawn)
    return folder


def listed(folder: Path, text: str = MANIFEST) -> tuple[ListedClip, ...]:
    path = folder / "counts.yaml"
    path.write_text(text)
    return load_manifest(path, NOWHERE, default_model="nanodet_g").clips


def evaluate(
    clips: tuple[ListedClip, ...], *settings: Setting, detectors: Detectors
) -> tuple[list[tuple[Setting, list[Run]]], list[str]]:
    """The results and what was really analysed."""
    started: list[str] = []
    return list(Evaluation(clips, settings, detectors).runs(started.append)), started


@pytest.fixture(scope="module")
def detectors() -> Detectors:
    return Detectors(lambda name: resolve(name, cache=NOWHERE.cache))


def test_a_clip_is_counted_once_for_the_same_frames(folder: Path, detectors: Detectors) -> None:
    rates: list[Rate] = [FULL, Fraction(10), Fraction(7), Fraction(7, 2)]
    results, started = evaluate(
        listed(folder), *(Setting(rate=rate) for rate in rates), detectors=detectors
    )
    assert started == ["clip, nanodet_g, full fps", "clip, nanodet_g, 3.5 fps"]
    runs = [run for _, runs in results for run in runs]
    assert [run.rate for run in runs] == [FULL, "10", "7", "3.5"]
    assert [run.analysed for run in runs] == [FRAMES] * 3 + [(FRAMES + 1) // 2]
    assert {run.frames for run in runs} == {FRAMES}
    west, east = runs[0].rows
    assert (west.truth, west.counted, west.within) == (1, 1, True)
    assert (east.truth, east.counted, east.error, east.within) == (2, 0, -2, False)
    assert runs[0].cpu_s_per_1000_frames == pytest.approx(1000 * runs[0].cpu_s / FRAMES)
    record = json.loads(json.dumps(report(results, ["gone"])))
    assert record["skipped"] == ["gone"]
    assert [setting["fps"] for setting in record["settings"]] == [FULL, "10", "7", "3.5"]
    assert record["settings"][0]["total"] == {
        "truth": 3, "counted": 1, "absolute_error": 2, "wape": 0.6667,
    }  # fmt: skip
    assert record["settings"][0]["direction_error"] == {"swapped": 0, "truth": 3, "share": 0.0}
    assert record["settings"][0]["runs"][0]["rows"][1]["error"] == -2
    assert record["agreement"][0]["fps"] == [FULL, "10", "7", "3.5"]


def no_model(name: str) -> VerifiedModel:
    raise ModelError(f"motion needs no model, least of all {name}")


@pytest.mark.parametrize("scene", ["scene: moving.yaml", "scene: moving.yaml\n    model: motion"])
def test_what_looks_for_motion_is_no_matter_of_models(scene: str, folder: Path) -> None:
    text = MANIFEST.replace("scene: scene.yaml", scene).replace(", class: person", "")
    settings = (Setting("nanodet_g"), Setting("yolox_nano"))
    results, started = evaluate(listed(folder, text), *settings, detectors=Detectors(no_model))
    assert started == ["clip, motion, full fps"]
    assert [run.model for _, runs in results for run in runs] == [MOTION, MOTION]


def test_a_wrong_model_is_known_before_the_work(folder: Path, detectors: Detectors) -> None:
    text = MANIFEST.replace("scene: scene.yaml", "scene: becak.yaml").replace("person", "becak")
    (folder / "becak.yaml").write_text(SCENE.replace("[person]", "[person, becak]"))
    with pytest.raises(DetectorError, match=r"clip 'clip': .*becak"):
        Evaluation(listed(folder, text), [Setting()], detectors)


# --- the manifest --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("clips:", "clip:", r"counts.yaml:1: unknown field 'clip', did you mean 'clips'\?"),
        (MANIFEST, "clips: []", "no clip is listed; add one to 'clips:'"),
        ("scene: scene.yaml", "scen: scene.yaml", r":3: clips\[0\]: unknown field 'scen', did"),
        ("    scene: scene.yaml\n", "", r":2: clips\[0\]: field 'scene' is missing; add"),
        ("clip: clip.mp4", "name: x", r":2: clips\[0\]: one clip is needed; write either 'clip:"),
        ("clip: clip.mp4", "clip: clip.mp4\n    sample: plaza", "one clip is needed"),
        ("clip: clip.mp4", "sample: plazza", r"clips\[0\].sample: there is no sample 'plazza'"),
        ("clip: clip.mp4", "sample: road", "run 'matakota samples pull road', or leave it out wit"),
        ("clip: clip.mp4", "clip: none.mp4", r":2: clips\[0\].clip: there is no clip .*none.mp4; "),
        ("clip.mp4", "clip.mp4\n    fps: 0", r":3: clips\[0\].fps: 0 is no frame rate; write"),
        ("clip.mp4", "clip.mp4\n    fps: 1/0", "'?1/0'? is no frame rate"),
        ("clip.mp4", "clip.mp4\n    fps: fast", "is not a finite number"),
        ("clip.mp4", "clip.mp4\n    source_fps: full", "is not a finite number"),
        ("clip.mp4", "clip.mp4\n    fps: 1e9", "1e9 is no frame rate"),
        ("line: square", "line: sqare", r":5: clips\[0\].truth\[0\].line: 'sqare' is unknown her"),
        ("eastbound, class", "eastbound, clas", r":6: clips\[0\].truth\[1\]: unknown field 'clas'"),
        (
            "eastbound, class: person", "westbound, class: person",
            r":6: clips\[0\].truth\[1\]: line 5 states the same passages",
        ),
        (
            "eastbound, class: person", "westbound",
            r":6: clips\[0\].truth\[1\]: line 5 states the same passages already; write each",
        ),
        ("count: 1", "count: -1", "-1 is below 0"),
        ("scene.yaml", "far.yaml", r":3: clips\[0\].scene: the scene is drawn on a pictu"),
        ("scene.yaml", "empty.yaml", "has no line to count at; draw one in its 'lines'"),
        (
            MANIFEST, MANIFEST + MANIFEST.removeprefix("clips:\n"),
            r":7: clips\[1\]: 'clip' is listed in line 2 already; give one of the two another",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(old: str, new: str, words: str, folder: Path) -> None:
    drawn = SCENE.replace("[768, 576]", "[900, 576]")
    (folder / "far.yaml").write_text(drawn)
    (folder / "empty.yaml").write_text("zones:\n" + SCENE.split("zones:\n")[1])
    assert old in MANIFEST
    with pytest.raises(ExpectationError, match=words) as caught:
        listed(folder, MANIFEST.replace(old, new, 1))
    assert "\n" not in str(caught.value)


def test_what_a_manifest_says(folder: Path) -> None:
    text = MANIFEST.replace(
        "scene: scene.yaml",
        "scene: scene.yaml\n    name: start\n    model: own.onnx\n    fps: 2.5\n"
        "    source_fps: 30000/1001",
    )
    (clip,) = listed(folder, text + "  - {sample: plaza, truth: [{line: square, direction: "
                             "westbound, count: 19}]}\n")[:1]  # fmt: skip
    assert clip.name == "start"
    assert clip.model == str(folder / "own.onnx")
    assert (clip.rate, clip.source_fps) == (Fraction(5, 2), Fraction(30000, 1001))
    assert clip.info.rate == Fraction(30000, 1001)
    assert clip.truth == (
        CountExpectation("square", "westbound", "person", 1, 0),
        CountExpectation("square", "eastbound", "person", 2, 1),
    )


def test_missing_clips_are_left_out_when_asked(folder: Path) -> None:
    path = folder / "counts.yaml"
    gone = "  - {sample: road, truth: []}\n  - {clip: gone.mp4, scene: gone.yaml, truth: []}\n"
    path.write_text(MANIFEST + gone)
    found = load_manifest(path, NOWHERE, default_model="nanodet_g", skip_missing=True)
    assert [clip.name for clip in found.clips] == ["clip"]
    assert found.skipped == ("road", "gone")
    path.write_text(f"clips:\n{gone}")
    with pytest.raises(ExpectationError, match="none of its clips is here: road, gone; get one"):
        load_manifest(path, NOWHERE, default_model="nanodet_g", skip_missing=True)
