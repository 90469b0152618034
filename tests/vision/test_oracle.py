"""The oracle itself: its truth, what its detector reports, and that its score sees mistakes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.needs import REPO
from vision.geometry import intersections
from vision.oracle import CLASSES, GROUPS, START_TS, Body, Film, Passage, Score, Stage, replay
from vision.oracle_film import LEVELS, SEEN, Faults, Level, fair, film
from vision.oracle_scenes import FAMILIES, RATES, measure, shoot, speeds
from vision.scene import Line
from vision.types import Detections

FIXTURES = REPO / "tests/fixtures/oracle"
NOTHING = np.zeros((0, 6))
SIZE = (640, 480)
GATE = Line("gate", np.array([[320.0, 100], [320, 400]]), "left", "right")
"""Down the middle; forward is from right to left."""


def body(*knots: Sequence[float], number: int = 0, name: str = "car") -> Body:
    """A body of 60x40 px by rows of seconds, foot x, foot y."""
    return Body(number, name, np.array([[*knot, 60, 40] for knot in knots], np.float64))


def stage(*bodies: Body, line: Line = GATE, screens: np.ndarray = NOTHING) -> Stage:
    seconds = max(each.knots[-1, 0] for each in bodies)
    return Stage("made", SIZE, float(seconds), (line,), bodies, screens)


def across(number: int = 0, y: float = 250, pace: float = 100, name: str = "car") -> Body:
    """From the left edge to the right one."""
    return body([0, 0, y], [640 / pace, 640, y], number=number, name=name)


PASSAGES = [
    # straight through: half of the way is half of the time
    ([[0, 220, 200], [2, 420, 200]], [("right", 1.0, 200.0)]),
    ([[0, 420, 200], [2, 220, 300]], [("left", 1.0, 250.0)]),
    # up to the line and back, up to it exactly, and beyond it and back
    ([[0, 220, 200], [1, 310, 200], [2, 220, 200]], []),
    ([[0, 220, 200], [1, 320, 200], [2, 220, 200]], []),
    ([[0, 220, 200], [1, 330, 200], [2, 220, 200]], [("right", 10 / 11, 200.0),
                                                     ("left", 1 + 1 / 11, 200.0)]),
    # it stands on the line: it passes when it leaves
    ([[0, 220, 200], [1, 320, 200], [5, 320, 200], [6, 420, 200]], [("right", 5.0, 200.0)]),
    # beside the line's ends, and on its prolongation
    ([[0, 220, 90], [2, 420, 90]], []),
    ([[0, 220, 410], [2, 420, 410]], []),
    ([[0, 220, 410], [2, 420, 380]], [("right", 1.0, 395.0)]),
    # before the start
    ([[-2, 220, 200], [-1, 420, 200], [1, 500, 200]], []),
]  # fmt: skip


@pytest.mark.parametrize(("knots", "expected"), PASSAGES)
def test_the_truth_is_exact(
    knots: list[list[float]], expected: list[tuple[str, float, float]]
) -> None:
    found = stage(body(*knots)).passages()
    assert [(p.direction, p.ts - START_TS, p.y) for p in found] == [
        (way, pytest.approx(t, abs=1e-6), pytest.approx(y)) for way, t, y in expected
    ]
    assert all(p.x == pytest.approx(320) for p in found)


def test_a_line_that_ends_at_the_edge_goes_on_beyond_it() -> None:
    beyond = body([0, 220, 500], [2, 420, 500])
    to_edge = Line("gate", np.array([[320.0, 100], [320, 479]]))
    assert [p.y for p in stage(beyond, line=to_edge).passages()] == [500]
    assert stage(beyond).passages() == ()


@given(
    st.lists(
        st.tuples(st.floats(200, 440), st.floats(60, 440)), min_size=2, max_size=8, unique=True
    )
)
def test_the_truth_agrees_with_a_walk_in_small_steps(points: list[tuple[float, float]]) -> None:
    walker = body(*([float(k), x, y] for k, (x, y) in enumerate(points)))
    times = np.arange(0, len(points) - 1, 1e-3)
    x, y = walker.at(times).T[:2]
    steps = [
        (("right" if x1 >= 320 else "left"), t)
        for (x0, y0, _), (x1, y1, t) in pairwise(zip(x, y, times, strict=True))
        if (x0 < 320) != (x1 < 320) and 101 < (y0 + y1) / 2 < 399
    ]
    found = [p for p in stage(walker).passages() if 101 < p.y < 399]
    # a corner that touches the line within one step is no passage for the eye
    if all(abs(x_ - 320) > 1 for x_, _ in points):
        assert [p.direction for p in found if p.ts - START_TS < times[-1] - 1e-3] == [
            way for way, t in steps if t < times[-1] - 1e-3
        ]


@pytest.mark.parametrize(
    "knots", [np.zeros((1, 5)), np.zeros((3, 5)), np.array([[0.0, 1, 2], [1, 1, 2]])]
)
def test_a_body_without_time_is_refused(knots: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"knots \(k, 5\)"):
        Body(0, "car", knots)


def test_a_film_has_the_boxes_of_its_moments() -> None:
    shown = film(stage(across()), 5, phase=0.5)
    assert [shot.t for shot in shown.shots[:3]] == pytest.approx([0.1, 0.3, 0.5])
    # foot at 100 px/s: half of the box is still outside the picture at 0.1 s
    assert shown.shots[0].found.xyxy.tolist() == [pytest.approx([0, 210, 40, 250])]
    assert shown.shots[10].found.xyxy.tolist() == [pytest.approx([180, 210, 240, 250])]
    assert all(shot.numbers.tolist() == [0] for shot in shown.shots[:-2])
    assert shown.objects == 1


def test_the_same_arguments_give_the_same_film() -> None:
    rough = LEVELS["rough"].faults
    one, same, other = (
        film(stage(across(), across(1, 350)), 10, faults=rough, seed=seed).as_json()
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_who_is_behind_is_not_reported() -> None:
    behind, before = across(0, 250, 100), body([0, 300, 251], [6.4, 300, 251], number=1)
    hidden = [shot for shot in film(stage(behind, before), 20).shots if 0 not in shot.numbers]
    # 24 px of 60 are to be free: it is hidden while its foot is nearer than that to the other's
    assert hidden[0].t == pytest.approx(2.76, abs=0.06)
    assert [shot.t for shot in hidden if shot.t < 6][-1] == pytest.approx(3.24, abs=0.06)
    assert all(1 in shot.numbers for shot in hidden)
    # who is present is told all the same
    at = next(shot for shot in hidden)
    assert at.present.tolist() == [0, 1]
    assert at.can_be_seen.tolist() == [False, True]


def test_a_screen_hides_while_it_stands_there() -> None:
    screens = np.array([[0.0, 0, 640, 480, 2, 3]])
    shown = film(stage(across(), screens=screens), 10)
    assert [shot.t for shot in shown.shots if not len(shot.found) and shot.t < 6] == pytest.approx(
        np.arange(2, 3.05, 0.1)
    )


def test_faults_are_as_frequent_as_they_say() -> None:
    people = [across(k, 40 + 44 * k, 20) for k in range(10)]
    world = stage(*people)
    whole = sum(len(shot.found) for shot in film(world, 10).shots)
    few = film(world, 10, faults=Faults(misses=0.1))
    assert sum(len(shot.found) for shot in few.shots) / whole == pytest.approx(0.9, abs=0.02)
    false = film(world, 10, faults=Faults(false_per_frame=0.5))
    nothing = np.mean([np.sum(shot.numbers < 0) for shot in false.shots])
    assert nothing == pytest.approx(0.5, abs=0.1)
    loud = film(world, 10, faults=Faults(noise_px=5))
    off = np.concatenate(
        [b.found.xyxy - a.found.xyxy
         for a, b in zip(film(world, 10).shots, loud.shots, strict=True)
         if 20 < a.t < 28]
    )  # fmt: skip
    assert off.std() == pytest.approx(5, abs=0.2)
    assert abs(off.mean()) < 0.3
    flipped = film(world, 10, faults=Faults(flips=0.2))
    kinds = np.concatenate([shot.found.class_id for shot in flipped.shots])
    assert np.mean(kinds != CLASSES.index("car")) == pytest.approx(0.2, abs=0.02)
    assert set(GROUPS[kinds].tolist()) == {GROUPS[CLASSES.index("car")]}
    gone = film(world, 10, faults=Faults(bursts_per_s=0.2, burst_s=1.0))
    assert sum(len(shot.found) for shot in gone.shots) / whole == pytest.approx(0.9, abs=0.03)


def test_a_body_alone_in_its_group_keeps_its_class() -> None:
    shown = film(stage(across(name="person")), 10, faults=Faults(flips=1.0))
    assert {int(k) for shot in shown.shots for k in shot.found.class_id} == {0}


def test_unfair_bodies_are_taken_out() -> None:
    late = body([0, 300, 250], [3.2, 620, 250], number=1)
    soon = body([0, 100, 350], [2.2, 320, 350], [2.9, 390, 350], number=2)
    hidden = body([0, 20, 150], [6, 620, 150], number=3)
    screens = np.array([[250.0, 100, 390, 160, 0, 9]])
    world = stage(across(), late, soon, hidden, screens=screens)
    assert [each.number for each in fair(world, 10).bodies] == [0, 2]
    # at two frames a second too little is seen of who leaves 0.7 s after the line
    assert [each.number for each in fair(world, 2).bodies] == [0]
    clear = replace(world, screens=NOTHING)
    assert [each.number for each in fair(clear, 10).bodies] == [0, 2, 3]


def doctored(shown: Film, **changes: object) -> Score:
    return replay(replace(shown, **changes)).score  # type: ignore[arg-type]


def test_a_score_sees_every_kind_of_mistake() -> None:
    shown = film(stage(across(), across(1, 350)), 10)
    good = replay(shown).score
    assert (good.truth, good.counted, good.off, good.missed, good.extra) == (2, 2, 0, 0, 0)
    assert (good.judged, good.right, good.switches, good.objects) == (2, 2, 0, 2)
    # a truth that nobody saw, and a count that is not true
    ghost = Passage(7, "car", "gate", "left", START_TS + 3, 320, 300)
    missed = doctored(shown, passages=(*shown.passages, ghost))
    assert (missed.off, missed.missed, missed.extra, missed.error) == (1, 1, 0, 1 / 3)
    extra = doctored(shown, passages=shown.passages[:1])
    assert (extra.off, extra.missed, extra.extra, extra.error) == (1, 0, 1, 1)
    # one for the other is no miss in the sum, but two mistakes
    swapped = doctored(shown, passages=(shown.passages[0], replace(shown.passages[1], number=9)))
    assert (swapped.off, swapped.missed, swapped.extra) == (0, 1, 1)
    # the wrong direction is two off
    turned = tuple(replace(p, direction="left") for p in shown.passages)
    assert doctored(shown, passages=turned).off == 4
    named = tuple(replace(p, class_name="bus") for p in shown.passages)
    assert doctored(shown, passages=named).class_right == 0


def test_nothing_seen_is_all_missed() -> None:
    shown = film(stage(across()), 10)
    blind = tuple(
        replace(shot, found=Detections.empty(), numbers=np.zeros(0, np.int32))
        for shot in shown.shots
    )
    score = doctored(shown, shots=blind)
    assert (score.counted, score.missed, score.error, score.class_right) == (0, 1, 1.0, None)


def test_another_identity_is_a_switch() -> None:
    # gone for three seconds on its way: another track comes out
    screens = np.array([[0.0, 0, 640, 480, 3.4, 5.0]])
    shown = film(stage(across(pace=60), screens=screens), 10)
    assert replay(shown).score.switches == 1


def test_scores_add_up() -> None:
    one, two = (
        Score(objects=3, truth=2, off=1, judged=2, right=1),
        Score(truth=2, judged=2, right=2),
    )
    assert (one + two).error == 0.25
    assert (one + two).class_right == 0.75
    # where nothing passes, what was counted is held against those who were there
    assert Score(objects=10, counted=1, off=1).error == 0.1
    assert Score(objects=10).class_right is None


@pytest.mark.parametrize(
    ("level", "score", "kept"),
    [
        (Level(Faults(), error=0.02), Score(truth=100, off=2), True),
        (Level(Faults(), error=0.02), Score(truth=100, off=3), False),
        (Level(Faults(), class_right=0.99), Score(judged=100, right=99), True),
        (Level(Faults(), class_right=0.99), Score(judged=100, right=98), False),
        (Level(Faults(), class_right=0.99), Score(), True),
        (Level(Faults()), Score(truth=1, off=9), True),
    ],
)
def test_a_promise_is_kept_or_not(level: Level, score: Score, kept: bool) -> None:
    assert level.kept(score) is kept


def test_a_film_survives_json() -> None:
    shown = shoot("speeds", "rough", 3)
    text = json.dumps(shown.as_json())
    again = Film.from_json(json.loads(text))
    assert json.dumps(again.as_json()) == text
    assert again.passages == shown.passages
    assert replay(again).score == replay(shown).score


RECORDED = sorted(FIXTURES.glob("*.json"))


def test_there_are_recorded_films() -> None:
    assert len(RECORDED) >= 4


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_detections_are_counted_exactly(path: object) -> None:
    """Fixed detections, which no change of the generator moves."""
    recorded = Film.from_json(json.loads(FIXTURES.joinpath(str(path)).read_text(encoding="utf-8")))
    result = replay(recorded)
    assert result.missed == result.extra == ()
    assert len(result.crossings) == len(recorded.passages) > 0


# --- the scenes


def test_speeds_are_what_they_say() -> None:
    for step in (1, 8, 40, 120):
        for fps in (5.0, 30.0):
            world = speeds(np.random.default_rng(0), fps, step)
            paces = [
                abs(np.diff(each.knots[:, 1])[0] / np.diff(each.knots[:, 0])[0]) / fps
                for each in world.bodies
            ]
            assert 0.9 * step <= min(paces) <= max(paces) <= step
            # both ways
            assert len({np.sign(np.diff(each.knots[:, 1])[0]) for each in world.bodies}) == 2


def test_vehicles_of_a_lane_drive_through_nothing() -> None:
    for name in ("speeds", "queue", "hidden-moving"):
        for seed in range(3):
            world = FAMILIES[name](np.random.default_rng(seed), 10)
            for t in np.arange(0, world.seconds, 0.5):
                here = [(each.at(np.array([t]))[0], each) for each in world.bodies]
                rows = np.array([row for row, _ in here if np.isfinite(row[0])])
                for lane in np.unique(rows[:, 1]) if len(rows) else ():
                    x, y, w, h = rows[rows[:, 1] == lane].T
                    boxes = np.stack([x - w / 2, y - h, x + w / 2, y], axis=1)
                    common = intersections(boxes, boxes)
                    assert common[~np.eye(len(boxes), dtype=bool)].sum() == 0


def test_every_family_shows_what_it_is_about() -> None:
    for name in FAMILIES:
        films = [shoot(name, "clean", seed) for seed in range(2)]
        assert all(shown.fps in RATES for shown in films)
        assert sum(shown.objects for shown in films) >= 6
        passages = [p for shown in films for p in shown.passages]
        if name in {"turning", "beside"}:
            assert passages == []
            continue
        assert len({p.direction for p in passages}) >= 2
        if name.startswith("hidden"):
            gaps = [gap for shown in films for gap in hidden_s(shown)]
            assert max(gaps) > 0.3
        if name == "queue":
            slow = [p for shown in films for p in shown.passages if stands_s(shown, p) > 1]
            assert slow


def hidden_s(shown: Film) -> list[float]:
    """How long each body was out of sight between two sightings, seconds, where longer than a
    frame."""
    last: dict[int, float] = {}
    gaps = []
    for shot in shown.shots:
        for number in shot.numbers.tolist():
            gaps.append(shot.t - last.get(number, shot.t))
            last[number] = shot.t
    return [gap for gap in gaps if gap > 1.5 / shown.fps]


def stands_s(shown: Film, passage: Passage) -> float:
    """How long the body was within 12 px of where it passed, seconds."""
    feet = [
        (box[0] + box[2]) / 2
        for shot in shown.shots
        for number, box in zip(shot.present.tolist(), shot.present_xyxy, strict=True)
        if number == passage.number
    ]
    return float(np.sum(np.abs(np.array(feet) - passage.x) < 12)) / shown.fps


def test_nobody_is_reported_that_cannot_be_seen() -> None:
    for name in ("crowd", "hidden-moving"):
        for shot in shoot(name, "clean", 1).shots:
            seen = set(shot.present[shot.can_be_seen].tolist())
            assert set(shot.numbers.tolist()) <= seen
    assert 0 < SEEN < 1


def test_a_measurement_is_the_sum_of_its_films() -> None:
    by_hand = replay(shoot("beside", "clean", 0)).score + replay(shoot("beside", "clean", 1)).score
    assert measure("beside", "clean", range(2)) == by_hand
