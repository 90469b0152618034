"""Agreement of detectors, F1 and AP, by cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.evaluation.agreement import Matches, against, agreement, average_precision
from vision.types import Detections, FloatArray

GROUPS = np.array([0, 1, 1], np.int32)
"""person, car, bus: the last two are the same to a count."""
SURE, SEEN = 0.4, 0.3


def boxes(*left: float) -> FloatArray:
    """Boxes of 10x10 px that begin at these x."""
    return np.array([[x, 0, x + 10, 10] for x in left], np.float32).reshape(-1, 4)


def found(*each: tuple[float, float, int]) -> Detections:
    """Detections by x, score and class."""
    return Detections(
        boxes(*(x for x, _, _ in each)),
        np.array([score for _, score, _ in each], np.float32),
        np.array([class_id for _, _, class_id in each], np.int32),
    )


ONE = [(0.0, 0.9, 0)]
CASES = [
    ("the same", ONE, ONE, Matches(1, 1, 1, 1)),
    ("nothing and nothing", [], [], Matches(0, 0, 0, 0)),
    ("lost", ONE, [], Matches(0, 1, 0, 0)),
    ("made up", [], ONE, Matches(0, 0, 0, 1)),
    # 10 px wide boxes 3 px apart overlap by 7 of 13
    ("shifted a little", ONE, [(3.0, 0.9, 0)], Matches(1, 1, 1, 1)),
    # 4 px apart by 6 of 14
    ("shifted", ONE, [(4.0, 0.9, 0)], Matches(0, 1, 0, 1)),
    ("less sure, but seen", ONE, [(0.0, 0.35, 0)], Matches(1, 1, 0, 0)),
    ("no longer seen", ONE, [(0.0, 0.25, 0)], Matches(0, 1, 0, 0)),
    ("surer", [(0.0, 0.35, 0)], ONE, Matches(0, 0, 1, 1)),
    ("sure out of nowhere", [(0.0, 0.25, 0)], ONE, Matches(0, 0, 0, 1)),
    ("a car that is called a bus", [(0.0, 0.9, 1)], [(0.0, 0.9, 2)], Matches(1, 1, 1, 1)),
    ("a car that is called a person", [(0.0, 0.9, 1)], [(0.0, 0.9, 0)], Matches(0, 1, 0, 1)),
    ("two become one", [*ONE, (2.0, 0.9, 0)], ONE, Matches(1, 2, 1, 1)),
    ("one becomes two", ONE, [*ONE, (2.0, 0.9, 0)], Matches(1, 1, 1, 2)),
    # the first alone would take the better partner of the second
    (
        "each has its own", [(0.0, 0.9, 0), (3.0, 0.9, 0)], [(2.5, 0.9, 0), (5.5, 0.9, 0)],
        Matches(2, 2, 2, 2),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("reference", "other", "expected"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])  # fmt: skip
def test_what_agrees(
    reference: list[tuple[float, float, int]],
    other: list[tuple[float, float, int]],
    expected: Matches,
) -> None:
    pair = (found(*reference), found(*other))
    assert agreement([pair], GROUPS, sure=SURE, seen=SEEN) == expected
    twice = Matches(*(2 * each for each in (expected.found, expected.wanted)),
                    *(2 * each for each in (expected.right, expected.given)))  # fmt: skip
    assert agreement([pair, pair], GROUPS, sure=SURE, seen=SEEN) == twice


def test_a_loss_of_score_shows_once_it_is_larger_than_the_thresholds_are_apart() -> None:
    reference = [(20.0 * x, 0.45, 0) for x in range(10)]
    for lost, f1 in ((0.1, 1.0), (0.16, 0.0)):
        other = [(x, score - lost, class_id) for x, score, class_id in reference]
        pair = (found(*reference), found(*other))
        assert agreement([pair], GROUPS, sure=SURE, seen=SEEN).recall == f1
    # at one threshold alone, a hair's breadth is a loss of everything
    pair = (found(*[(0.0, 0.301, 0)]), found(*[(0.0, 0.299, 0)]))
    assert agreement([pair], GROUPS, sure=SEEN, seen=SEEN).f1 == 0


@pytest.mark.parametrize(
    ("matches", "f1"),
    [
        (Matches(0, 0, 0, 0), 1.0),
        (Matches(3, 4, 3, 3), 6 / 7),
        (Matches(0, 4, 0, 3), 0.0),
        (Matches(1, 2, 1, 2), 0.5),
    ],
)
def test_f1_is_the_harmonic_mean(matches: Matches, f1: float) -> None:
    assert matches.f1 == pytest.approx(f1)


DETECTIONS = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0.1, 1), st.integers(0, 2)), max_size=8
).map(lambda each: found(*each))


@given(one=DETECTIONS, other=DETECTIONS)
def test_agreement_is_mutual_and_whole_with_oneself(one: Detections, other: Detections) -> None:
    there = agreement([(one, other)], GROUPS, sure=SURE, seen=SEEN)
    back = agreement([(other, one)], GROUPS, sure=SURE, seen=SEEN)
    assert (there.found, there.wanted) == (back.right, back.given)
    assert there.f1 == pytest.approx(back.f1)
    assert agreement([(one, one)], GROUPS, sure=SURE, seen=SEEN).f1 == 1.0


def test_against_labels() -> None:
    pictures = [(boxes(0, 20), boxes(1, 60)), (boxes(), boxes(5)), (boxes(7), boxes())]
    assert against(pictures) == Matches(1, 3, 1, 3)


@pytest.mark.parametrize(
    ("each", "ap"),
    [
        ([(0.0, 0.9, 0), (20.0, 0.8, 0)], 1.0),
        ([(0.0, 0.9, 0)], 0.5),
        # a false box above the true one halves the precision at full recall
        ([(0.0, 0.9, 0), (50.0, 0.8, 0), (20.0, 0.7, 0)], 0.5 + 0.5 * 2 / 3),
        # the second box of one label is false
        ([(0.0, 0.9, 0), (1.0, 0.8, 0)], 0.5),
        ([], 0.0),
    ],
)
def test_average_precision(each: list[tuple[float, float, int]], ap: float) -> None:
    assert average_precision([(boxes(0, 20), found(*each))]) == pytest.approx(ap)
