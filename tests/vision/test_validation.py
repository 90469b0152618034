"""How wrong a machine counts: ratios of sums over pieces, and how sure they are."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.validation import NONE_OF, Accuracy, Compared, accuracies, drawn, student


def of(machine: list[int], true: list[int]) -> Accuracy:
    """How right one class was counted in pieces of these counts."""
    pieces = [Compared({"car": y}, {"car": x}) for y, x in zip(machine, true, strict=True)]
    return accuracies(pieces, ["car"])[0]


def test_an_error_computed_by_hand() -> None:
    """Four pieces of 5 minutes; every step is beside it."""
    found = of([48, 57, 40, 71], [50, 60, 40, 70])
    assert (found.pieces, found.machine, found.true) == (4, 216, 220)
    # 216 / 220 = 0.981818
    assert found.ratio == pytest.approx(0.981818, abs=1e-6)
    assert found.error == pytest.approx(-0.018182, abs=1e-6)
    assert found.factor == pytest.approx(1.018519, abs=1e-6)
    # means: y = 54, x = 55; s_yy = (36 + 9 + 196 + 289) / 3 = 176.6667
    # s_xx = (25 + 25 + 225 + 225) / 3 = 166.6667
    # s_yx = ((-6)(-5) + 3·5 + (-14)(-15) + 17·15) / 3 = (30 + 15 + 210 + 255) / 3 = 170
    # t with 3 degrees of freedom is 3.1824, t² / n = 10.12767 / 4 = 2.531917
    # A = 55² - 2.531917·166.6667 = 3025 - 421.9862 = 2603.0138
    # B = 55·54 - 2.531917·170 = 2970 - 430.4259 = 2539.5741
    # C = 54² - 2.531917·176.6667 = 2916 - 447.3054 = 2468.6946
    # B² - A·C = 6449436.6 - 6426046.1 = 23390.5, its root 152.94
    # (2539.574 ± 152.94) / 2603.014 = 0.91688 and 1.03438
    assert found.low == pytest.approx(0.91688, abs=2e-4)
    assert found.high == pytest.approx(1.03438, abs=2e-4)
    assert found.errors == (found.low - 1, found.high - 1)
    assert found.factors == pytest.approx((1 / found.high, 1 / found.low))


def test_for_many_pieces_the_interval_is_cochrans() -> None:
    chance = random.Random(7)
    true = [chance.randint(40, 60) for _ in range(400)]
    machine = [round(each * chance.uniform(0.85, 1.05)) for each in true]
    found = of(machine, true)
    n, ratio = len(true), sum(machine) / sum(true)
    rest = [y - ratio * x for y, x in zip(machine, true, strict=True)]
    # v(R) = sum of (y - R x)² / (n - 1) / (n · mean x²)
    error = math.sqrt(sum(each**2 for each in rest) / (n - 1) / n) / (sum(true) / n)
    assert found.low == pytest.approx(ratio - 1.9659 * error, abs=2e-4)
    assert found.high == pytest.approx(ratio + 1.9659 * error, abs=2e-4)


def test_what_is_always_right_is_not_certain() -> None:
    """Ten buses, all counted: up to 3.7 of 10 may be missed elsewhere."""
    found = of([4, 3, 3], [4, 3, 3])
    assert (found.error, found.low, found.high) == (0, 1 - NONE_OF / 10, 1 + NONE_OF / 10)
    rare = of([1, 0, 1], [1, 0, 1])
    # an interval that is as wide as nothing and twice as many says so
    assert rare.low is None


@pytest.mark.parametrize(
    ("machine", "true"),
    [([5], [6]), ([1, 2], [0, 0]), ([9, 0, 0, 0], [9, 0, 0, 0])],
    ids=["one piece", "nobody was there", "all in one piece"],
)
def test_where_nothing_can_be_told_no_interval_is_given(
    machine: list[int], true: list[int]
) -> None:
    found = of(machine, true)
    assert (found.low, found.high, found.errors, found.factors) == (None, None, None, None)


def test_who_was_not_there_has_no_ratio() -> None:
    found = of([1, 2], [0, 0])
    assert (found.machine, found.ratio, found.error, found.factor) == (3, None, None, None)


def test_a_machine_that_counts_nothing_has_no_factor() -> None:
    found = of([0, 0, 0], [20, 22, 19])
    assert found.error == -1
    assert found.factor is None
    assert found.factors is None


def test_classes_that_the_machine_does_not_know_come_after_its_own() -> None:
    pieces = [
        Compared({"car": 3, "bus": 0}, {"car": 3, "other": 2}),
        Compared({"car": 5, "van": 1}, {"car": 6, "bus": 0}),
    ]
    found = accuracies(pieces, ["bus", "car"])
    assert [each.class_name for each in found] == ["bus", "car", "other", "van", ""]
    assert [(each.machine, each.true) for each in found] == [
        (0, 0),
        (8, 9),
        (0, 2),
        (1, 0),
        (9, 11),
    ]


@pytest.mark.parametrize(
    ("freedom", "wanted"), [(1, 12.7062), (21, 2.0796), (29, 2.0452), (120, 1.9799)]
)
def test_students_t(freedom: int, wanted: float) -> None:
    assert student(freedom) == pytest.approx(wanted, abs=2e-4)


COUNTS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=40)


@given(COUNTS)
def test_a_ratio_lies_in_its_interval(counted: list[tuple[int, int]]) -> None:
    found = of([y for y, _ in counted], [x for _, x in counted])
    assert found.true == sum(x for _, x in counted)
    if found.low is not None:
        assert found.ratio is not None
        assert found.high is not None
        assert 0 <= found.low <= found.ratio <= found.high


@given(COUNTS, st.randoms())
def test_the_order_of_pieces_is_nothing(
    counted: list[tuple[int, int]], chance: random.Random
) -> None:
    mixed = [*counted]
    chance.shuffle(mixed)
    one, other = (
        of([y for y, _ in counted], [x for _, x in counted]),
        of([y for y, _ in mixed], [x for _, x in mixed]),
    )
    assert (one.machine, one.true, one.low is None) == (
        other.machine,
        other.true,
        other.low is None,
    )
    if one.low is not None:
        assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_the_interval_holds_as_often_as_it_says() -> None:
    """Of 6 pieces each of a machine that misses every tenth by chance."""
    chance, held = random.Random(3), 0
    for _ in range(400):
        true = [chance.randint(20, 60) for _ in range(6)]
        found = of([sum(chance.random() < 0.9 for _ in range(n)) for n in true], true)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.9 <= found.high
    assert held >= 365


def test_each_part_of_the_time_has_its_share() -> None:
    starts = [300.0 * i for i in range(120)]
    found = drawn(starts, 6, seed=11)
    assert [int(each // 6000) for each in found] == [0, 1, 2, 3, 4, 5]
    assert found == drawn(list(reversed(starts)), 6, seed=11)
    assert found != drawn(starts, 6, seed=12)


def test_no_more_is_drawn_than_there_is() -> None:
    assert drawn([600.0, 300.0], 6, seed=1) == [300.0, 600.0]
    assert drawn([], 6, seed=1) == []
    with pytest.raises(ValueError, match="at least 1"):
        drawn([300.0], 0, seed=1)


def test_every_time_has_its_chance() -> None:
    starts = [float(i) for i in range(10)]
    assert {each for seed in range(200) for each in drawn(starts, 3, seed)} == set(starts)
