"""Incidents against what is true: what is matched with what, the figures, and a whole run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ModelError
from models.zoo import VerifiedModel, resolve
from streams.detector import Detectors
from streams.evaluation.baseline import compare
from streams.evaluation.films import Expected, Film, load_films
from streams.evaluation.findings import (
    FALSE,
    FilmRun,
    Finding,
    Score,
    Scores,
    baseline_of,
    judged,
    report,
)
from streams.evaluation.incidents import CAMERA_ONLY, FilmEvaluation, patience_of
from streams.expectations import EVERYTHING, EventExpectation
from streams.samples import Places
from streams.scenefile import load_scene
from tests.api.bad_inputs import PLAZA, SCENE, cut
from vision.errors import DetectorError
from vision.types import Event

NOWHERE = Places(None, Path("/nonexistent"))
PATIENCE = {"watch": 2.0, "stay": 10.0}
TIMES = st.integers(0, 60).map(float)


def stated(
    start_s: float,
    raised_s: float | None = None,
    end_s: float | None = None,
    *,
    kind: str = "intrusion",
    rule: str = "watch",
    place: str = "yard",
) -> Event:
    raised = start_s + PATIENCE.get(rule, 0.0) if raised_s is None else raised_s
    name = f"{kind} {rule} {place} {start_s} {raised}"
    return Event(name, kind, rule, "c", place, start_s, raised, end_s, (), 1.0, {})


def true(
    low: float,
    high: float,
    *,
    kind: str = "intrusion",
    place: str = "yard",
    end_s: tuple[float, float] | None = None,
    raised_s: tuple[float, float] = EVERYTHING,
    due_s: float | None = None,
    optional: bool = False,
) -> Expected:
    event = EventExpectation(kind, None, place, (low, high), raised_s, end_s, 1, 0)
    return Expected(event, due_s, optional)


WIDE = true(0, 20, raised_s=(0, 30))


def verdicts(expected: Sequence[Expected], events: Sequence[Event]) -> list[str]:
    return [finding.verdict for finding in judged(expected, events, PATIENCE)]


@pytest.mark.parametrize(
    ("expected", "events", "found"),
    [
        ([], [], []),
        ([true(9, 11)], [], ["missed"]),
        ([], [stated(10)], ["false"]),
        ([true(9, 11)], [stated(10)], ["detected"]),
        # a second statement about the same thing is one too many
        ([true(9, 11)], [stated(10), stated(10.5)], ["detected", "false"]),
        # another kind, place or time is another event
        ([true(9, 11)], [stated(10, kind="loitering")], ["missed", "false"]),
        ([true(9, 11)], [stated(10, place="gate")], ["missed", "false"]),
        ([true(9, 11)], [stated(12)], ["missed", "false"]),
        # due at 12: the window's middle and the rule's 2 s; 5 s later it is late, and no false one
        ([true(9, 11)], [stated(10, 17)], ["detected"]),
        ([true(9, 11)], [stated(10, 17.1)], ["late"]),
        ([true(9, 11, due_s=10)], [stated(10, 15.1)], ["late"]),
        # who is reported before the dwell is over was taken for somebody else
        ([true(9, 11)], [stated(9, 10.5)], ["missed", "false"]),
        ([true(9, 11)], [stated(9, 11)], ["detected"]),
        # a stated window is instead of that
        ([true(9, 11, raised_s=(9, 40))], [stated(10, 39)], ["detected"]),
        ([true(9, 11, raised_s=(9, 13))], [stated(10, 14)], ["late"]),
        # both can only be found if the early one leaves the wide window to the late one
        ([WIDE, true(9, 11)], [stated(10), stated(18)], ["detected", "detected"]),
        ([true(9, 11), WIDE], [stated(18), stated(10)], ["detected", "detected"]),
        # what may be reported counts neither way, and only where nothing that must be fits
        ([true(9, 11, optional=True)], [], []),
        ([true(9, 11, optional=True)], [stated(10)], ["optional"]),
        ([true(9, 11, optional=True), true(9, 11)], [stated(10)], ["detected"]),
        (
            [true(9, 11, optional=True), true(9, 11)],
            [stated(10), stated(10.2), stated(10.4)],
            ["detected", "optional", "false"],
        ),
    ],
)
def test_what_is_matched_with_what(
    expected: list[Expected], events: list[Event], found: list[str]
) -> None:
    assert verdicts(expected, events) == found


@pytest.mark.parametrize(
    ("end_s", "window", "ended"),
    [
        (30.0, (29, 31), True),
        (28.9, (29, 31), False),
        (31.1, (29, 31), False),
        (None, (29, 31), False),
        (30.0, None, None),
        (None, None, None),
    ],
)
def test_an_end_is_judged_apart(
    end_s: float | None, window: tuple[float, float] | None, ended: bool | None
) -> None:
    (finding,) = judged([true(9, 11, end_s=window)], [stated(10, end_s=end_s)], PATIENCE)
    assert (finding.verdict, finding.ended) == ("detected", ended)


def test_of_two_that_fit_the_one_with_the_right_end_is_taken() -> None:
    windows = [true(9, 11), true(9, 11, end_s=(29, 31))]
    for expected in (windows, windows[::-1]):
        found = judged(expected, [stated(10, end_s=30.0), stated(10.1, end_s=15.0)], PATIENCE)
        assert {(one.verdict, one.ended) for one in found} == {
            ("detected", None),
            ("detected", True),
        }


def test_delay_is_what_the_rule_need_not_have_waited() -> None:
    stay = stated(10.5, 21, kind="loitering", rule="stay")
    (finding,) = judged([true(9, 11, kind="loitering")], [stay], PATIENCE)
    assert finding.delay_s == 1.0
    (finding,) = judged([true(9, 11, kind="loitering", due_s=18)], [stay], PATIENCE)
    assert finding.delay_s == 3.0


@given(
    st.lists(st.tuples(TIMES, st.integers(0, 8), st.booleans()), max_size=5),
    st.lists(TIMES, max_size=5, unique=True),
)
def test_everything_is_accounted_for(
    windows: list[tuple[float, int, bool]], starts: list[float]
) -> None:
    expected = [true(low, low + length, optional=free) for low, length, free in windows]
    events = [stated(start) for start in starts]
    found = judged(expected, events, PATIENCE)
    count = dict.fromkeys(("detected", "late", "missed", "false", "optional"), 0)
    for finding in found:
        count[finding.verdict] += 1
    needed = [one for one in expected if not one.optional]
    assert count["detected"] + count["late"] + count["missed"] == len(needed)
    assert sorted(f.event.id for f in found if f.event is not None) == sorted(e.id for e in events)
    # as many of the needed as any assignment finds
    padded = [*events, *[None] * len(needed)]
    best = max(
        sum(
            event is not None and one.event.begins(event, 0.0)
            for one, event in zip(needed, order, strict=False)
        )
        for order in (permutations(padded, len(needed)) if needed else [()])
    )
    assert count["detected"] + count["late"] == best
    score = Score.of(found, 60.0)
    assert (score.expected, score.missed, score.false) == (
        len(needed), count["missed"], count["false"],
    )  # fmt: skip


def run_of(*findings: Finding, film: str = "yard", footage_s: float = 1800.0) -> FilmRun:
    return FilmRun(film, "m", "5", 9000, footage_s, 0.0, findings)


def finding(verdict: str, kind: str = "intrusion", delay_s: float | None = None) -> Finding:
    event = None if verdict == "missed" else stated(10, kind=kind)
    wanted = None if verdict == "false" else true(9, 11, kind=kind, optional=verdict == "optional")
    return Finding(verdict, kind, wanted, event, delay_s)  # type: ignore[arg-type]


def test_the_figures() -> None:
    found = Scores.of(
        [
            run_of(
                finding("detected", delay_s=1.0),
                finding("detected", delay_s=-1.0),
                finding("late", delay_s=9.0),
                finding("missed"),
                finding("optional"),
            ),
            run_of(finding("false", "crowd"), finding("missed", "crowd"), film="gate"),
        ]
    )
    total, crowd = found.total, found.by_kind["crowd"]
    assert (total.expected, total.detected, total.late, total.missed, total.false) == (
        5,
        2,
        1,
        2,
        1,
    )
    assert total.detection_rate == 0.4
    assert total.precision == 0.75
    assert (total.median_s, total.worst_s) == (1.0, 9.0)
    assert total.false_per_hour == crowd.false_per_hour == 1.0
    assert (crowd.detection_rate, crowd.precision, crowd.median_s) == (0.0, 0.0, None)
    nothing = Score.of([], 3600.0)
    assert (nothing.detection_rate, nothing.precision, nothing.false_per_hour) == (None, None, 0.0)


@pytest.mark.parametrize(
    ("verdicts", "ended", "met"),
    [
        ([], None, True),
        (["detected", "optional"], None, True),
        (["detected"], True, True),
        (["detected"], False, False),
        (["detected", "false"], None, False),
        (["late"], None, False),
        (["missed"], None, False),
    ],
)
def test_whether_all_is_as_it_should_be(verdicts: list[str], ended: bool | None, met: bool) -> None:
    assert run_of(*(replace(finding(one), ended=ended) for one in verdicts)).met is met


@pytest.mark.parametrize(
    ("found", "worse", "better"),
    [
        ([finding("detected"), finding("missed")], 0, 0),
        ([finding("detected"), finding("detected")], 0, 1),
        ([finding("missed"), finding("late")], 1, 0),
        ([finding("detected"), finding("missed"), finding("false", "crowd")], 1, 0),
        # what may be reported is no matter of the baseline
        ([finding("detected"), finding("missed"), finding("optional", "crowd")], 0, 0),
        # another truth
        ([finding("detected")], 1, 0),
    ],
)
def test_errors_may_only_become_fewer(found: list[Finding], worse: int, better: int) -> None:
    before = baseline_of([run_of(finding("detected"), finding("missed"))])
    assert before == baseline_of([run_of(finding("missed"), finding("detected"))])
    compared = compare(baseline_of([run_of(*found)]), before, part="kind")
    assert (len(compared.worse), len(compared.better)) == (worse, better)


def test_false_alerts_are_in_the_baseline_whether_there_were_any_or_not() -> None:
    quiet, loud = baseline_of([run_of()]), baseline_of([run_of(finding("false"))])
    assert quiet["yard, m, 5 fps"].keys() == loud["yard, m, 5 fps"].keys() == {FALSE}
    (said,) = compare(loud, quiet, part="kind").worse
    assert said == f"yard, m, 5 fps: kind '{FALSE}' is off by 1, and by 0 in the baseline"


# --- whole runs ------------------------------------------------------------------------------

FILMS = """\
clips:
  - clip: clip.mp4
    scene: scene.yaml
    fps: full
    events:
      - {kind: intrusion, zone: crossroads, start_s: [0, 2], count: 3}
      - {kind: intrusion, zone: crossroads, start_s: [2.5, 3]}
  - clip: clip.mp4
    name: alone
    watch: camera
    loop_s: 8
"""
"""In the first three seconds of the plaza three people are on the crossroads."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    cut(PLAZA, folder / "clip.mp4", 21)
    (folder / "scene.yaml").write_text(SCENE)
    return folder


@pytest.fixture(scope="module")
def detectors() -> Detectors:
    return Detectors(lambda name: resolve(name, cache=Path("/nonexistent")))


def films(folder: Path, text: str = FILMS) -> tuple[Film, ...]:
    (folder / "films.yaml").write_text(text)
    return load_films(folder / "films.yaml", NOWHERE, default_model="nanodet_g").films


def test_films_are_looked_through_once_at_each_rate(folder: Path, detectors: Detectors) -> None:
    started: list[str] = []
    evaluation = FilmEvaluation(films(folder), [None, "full", Fraction(5)], detectors)
    results = list(evaluation.runs(started.append))
    assert started == [
        "clip, nanodet_g, full fps",
        f"alone, {CAMERA_ONLY}, 5 fps",
        f"alone, {CAMERA_ONLY}, full fps",
        "clip, nanodet_g, 5 fps",
    ]
    assert [rate for rate, _ in results] == [None, "full", 5]
    (clip, alone), (same, _), _ = (runs for _, runs in results)
    assert clip is same
    assert (clip.analysed, clip.footage_s) == (21, pytest.approx(3.0))
    assert (alone.analysed, alone.footage_s) == (
        pytest.approx(40, abs=2),
        pytest.approx(8.0, abs=0.3),
    )
    assert alone.findings == ()
    assert alone.met
    said = [found.verdict for found in clip.findings]
    assert sorted(said) == ["detected", "detected", "detected", "missed"]
    record = json.loads(json.dumps(report(results, ["gone"])))
    assert record["skipped"] == ["gone"]
    assert [setting["fps"] for setting in record["settings"]] == [None, "full", "5"]
    assert record["settings"][0]["total"]["missed"] == 1
    assert record["settings"][0]["kinds"]["intrusion"]["detection_rate"] == 0.75
    first = record["settings"][0]["runs"][0]["findings"][0]
    assert first["raised_s"] - first["start_s"] == pytest.approx(1.0, abs=0.2)


def test_a_rule_that_nobody_can_serve_is_known_before_the_work(
    folder: Path, detectors: Detectors
) -> None:
    (folder / "becak.yaml").write_text(SCENE.replace("[person]", "[person, becak]"))
    with pytest.raises(DetectorError, match=r"clip 'clip': .*becak"):
        FilmEvaluation(films(folder, FILMS.replace("scene.y", "becak.y")), [None], detectors)


def test_the_camera_alone_needs_no_model(folder: Path) -> None:
    def no_model(name: str) -> VerifiedModel:
        raise ModelError(f"nobody needs {name}")

    text = f"clips:\n  - clip: clip.mp4\n{FILMS.split('name: alone')[1]}"
    evaluation = FilmEvaluation(films(folder, text), [None], Detectors(no_model))
    ((_, (run,)),) = evaluation.runs(lambda _: None)
    assert run.name == f"clip, {CAMERA_ONLY}, 5 fps"


def test_how_long_rules_wait_is_known(folder: Path) -> None:
    assert patience_of(load_scene(folder / "scene.yaml"))["intrusion@crossroads"] == 1.0
