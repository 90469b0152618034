"""Pieces of video and what people counted in them: kept, counted anew, and summed up."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from api.store import Store, Wanted
from api.store.audit import Actor
from api.store.validation_tables import validation_counts
from api.store.validations import MAX_COUNT, BadCountError
from tests.api.pieces import piece
from tests.api.served import DAY, TESTER
from vision.errors import StoreError

RIGHT = {("in", "car"): 10, ("in", "motorcycle"): 30}
OTHER = Actor("user", "petugas", "7")


@pytest.fixture
def clock() -> list[float]:
    return [DAY + 1000]


@pytest.fixture
def kept(url: str, clock: list[float]) -> Any:
    with Store.open(url, clock=lambda: clock[0]) as store:
        yield store


def count(
    store: Store, number: int, counts: dict[tuple[str, str], int], by: Actor = TESTER
) -> None:
    assert store.validations.save(number, counts, by, only=None)


def test_a_piece_is_kept_as_it_was_made(kept: Store) -> None:
    number = kept.validations.add(piece(), TESTER)
    found = kept.validations.get(number, only=frozenset({"plaza"}))
    assert found is not None
    assert (found.piece.made, found.newest, found.times, found.by) == (piece(), None, 0, set())
    assert (found.piece.prepared_at, found.piece.removed_at) == (DAY + 1000, None)


def test_the_same_piece_is_kept_once(kept: Store) -> None:
    number = kept.validations.add(piece(), TESTER)
    assert kept.validations.add(piece(), TESTER) == number
    assert kept.validations.add(piece(line="other"), TESTER) != number
    assert kept.validations.add(piece(300), TESTER) != number


def test_who_does_not_see_a_camera_sees_no_piece_of_it(kept: Store) -> None:
    number = kept.validations.add(piece(), TESTER)
    for others in (frozenset({"gate"}), frozenset[str]()):
        assert kept.validations.get(number, only=others) is None
        assert kept.validations.listed(only=others) == []
        assert not kept.validations.save(number, RIGHT, TESTER, only=others)
        count(kept, number, RIGHT)
        assert kept.validations.all(only=others) == []
    assert [each.times for each in kept.validations.listed(only=None)] == [2]


def test_a_new_count_holds_and_the_old_one_stays(kept: Store, clock: list[float]) -> None:
    number = kept.validations.add(piece(), TESTER)
    count(kept, number, {("in", "car"): 99})
    clock[0] += 60
    count(kept, number, {**RIGHT, ("out", "other"): 2, ("out", "car"): 0}, OTHER)
    (found,) = kept.validations.listed(only=None)
    assert found.times == 2
    assert found.newest is not None
    # a zero is not kept beside what is not there
    assert found.newest.counts == {**RIGHT, ("out", "other"): 2}
    assert (found.newest.counted_at, found.newest.counted_by) == (DAY + 1060, OTHER.name)
    assert found.by == {TESTER.name, OTHER.name}
    assert [each.counts for each in kept.validations.counts(number)] == [
        {**RIGHT, ("out", "other"): 2},
        {("in", "car"): 99},
    ]


def test_who_has_seen_the_machines_number_changes_nothing(kept: Store, clock: list[float]) -> None:
    number = kept.validations.add(piece(), TESTER)
    for cars, by in ((99, TESTER), (10, OTHER), (9, TESTER)):
        count(kept, number, {("in", "car"): cars}, by)
        clock[0] += 60
    said = [(each.counts["in", "car"], each.blind) for each in kept.validations.counts(number)]
    assert said == [(9, False), (10, True), (99, True)]
    (listed,) = kept.validations.listed(only=None)
    found = kept.validations.of("plaza", "gate")
    assert listed.newest is not None
    assert found is not None
    assert (listed.newest.counts, listed.times) == ({("in", "car"): 10}, 3)
    assert (found.accuracies[-1].true, found.counted_by) == (10, (OTHER.name,))


@pytest.mark.parametrize(
    "counts",
    [
        {("up", "car"): 1},
        {("in", "van"): 1},
        {("in", "car"): -1},
        {("in", "car"): MAX_COUNT + 1},
    ],
)
def test_what_is_no_count_of_the_piece_is_not_taken(
    kept: Store, counts: dict[tuple[str, str], int]
) -> None:
    number = kept.validations.add(piece(), TESTER)
    with pytest.raises(BadCountError):
        kept.validations.save(number, counts, TESTER, only=None)
    assert kept.validations.counts(number) == []


def test_pieces_of_a_line_are_summed_up(kept: Store, clock: list[float]) -> None:
    assert kept.validations.of("plaza", "gate") is None
    for start_s, cars in ((0, 10), (600, 12), (1200, 9)):
        number = kept.validations.add(piece(start_s), TESTER)
        count(kept, number, {("in", "car"): cars, ("in", "motorcycle"): 30, ("in", "other"): 1})
        clock[0] += 1
    kept.validations.add(piece(1800), TESTER)
    found = kept.validations.of("plaza", "gate")
    assert found is not None
    assert (found.pieces, found.seconds, found.left_out) == (3, 900, 0)
    assert (found.from_ts, found.to_ts, found.counted_at) == (DAY, DAY + 1500, DAY + 1002)
    assert found.counted_by == (TESTER.name,)
    # classes of the machine, what people saw beside them, and all together
    said = [(each.class_name, each.machine, each.true) for each in found.accuracies]
    assert said == [("car", 30, 31), ("motorcycle", 90, 90), ("other", 0, 3), ("", 120, 124)]
    car = found.of("car")
    assert car is not None
    assert car.low is not None
    assert found.of("train") is None
    assert kept.validations.all(only=None) == [found]


@pytest.mark.parametrize(
    "other",
    [{"model": "another"}, {"points": ((0.5, 0.2), (0.5, 0.9))}, {"directions": ("out", "in")}],
)
def test_another_model_or_line_is_left_out(
    kept: Store, clock: list[float], other: dict[str, Any]
) -> None:
    count(kept, kept.validations.add(piece(0, **other), TESTER), {("in", "car"): 1})
    clock[0] += 1
    count(kept, kept.validations.add(piece(600), TESTER), RIGHT)
    found = kept.validations.of("plaza", "gate")
    assert found is not None
    assert (found.model, found.pieces, found.left_out) == ("a-model", 1, 1)


def test_an_old_piece_that_is_counted_anew_brings_no_old_model_back(
    kept: Store, clock: list[float]
) -> None:
    old = kept.validations.add(piece(0, model="old"), TESTER)
    new = kept.validations.add(piece(600), TESTER)
    for number, by in ((old, TESTER), (new, TESTER), (old, OTHER)):
        count(kept, number, RIGHT, by)
        clock[0] += 1
    found = kept.validations.of("plaza", "gate")
    assert found is not None
    assert (found.model, found.pieces, found.left_out) == ("a-model", 1, 1)


@pytest.mark.parametrize("other", [{}, {"start_s": 240}, {"start_s": -240}, {"seconds": 600}])
def test_a_time_that_was_counted_is_no_second_sample(
    kept: Store, clock: list[float], other: dict[str, Any]
) -> None:
    first = kept.validations.add(piece(), TESTER)
    count(kept, first, RIGHT)
    clock[0] += 1
    # its video went, and the same minutes were prepared anew
    kept.validations.set_removed([first], TESTER)
    again = kept.validations.add(piece(**{"sha256": "a" * 64, **other}), TESTER)
    count(kept, again, {("in", "car"): 99}, OTHER)
    after = kept.validations.add(piece(600), TESTER)
    count(kept, after, RIGHT)
    found = kept.validations.of("plaza", "gate")
    assert found is not None
    assert (found.pieces, found.left_out, found.accuracies[-1].true) == (2, 1, 80)


def test_counts_of_other_cameras_are_not_read(kept: Store) -> None:
    count(kept, kept.validations.add(piece(), TESTER), RIGHT)
    for start_s in (600, 1200):
        other = kept.validations.add(piece(start_s, camera="gate"), TESTER)
        count(kept, other, RIGHT)
        with kept.validations._database.write() as connection:
            broken = update(validation_counts).where(validation_counts.c.piece == other)
            connection.execute(broken.values(counts=["none"]))
    assert kept.validations.of("plaza", "gate") is not None
    with pytest.raises(StoreError):
        kept.validations.all(only=None)


def test_what_expires_goes_and_what_was_counted_stays(kept: Store, clock: list[float]) -> None:
    number = kept.validations.add(piece(keep_until=DAY + 2000), TESTER)
    later = kept.validations.add(piece(300), TESTER)
    count(kept, number, RIGHT)
    assert kept.validations.expired(DAY + 1999) == []
    assert [each.id for each in kept.validations.expired(DAY + 2000)] == [number]
    clock[0] = DAY + 2001
    kept.validations.set_removed([number], TESTER)
    kept.validations.set_removed([number], TESTER)
    assert kept.validations.expired(DAY + 9999) == []
    found = {each.piece.id: each.piece.removed_at for each in kept.validations.listed(only=None)}
    assert found == {number: DAY + 2001, later: None}
    assert kept.validations.of("plaza", "gate") is not None
    # what was removed may be prepared anew
    assert kept.validations.add(piece(), TESTER) not in {number, later}


def test_what_is_done_stands_in_the_record(kept: Store) -> None:
    number = kept.validations.add(piece(), TESTER)
    count(kept, number, RIGHT)
    kept.validations.set_removed([number], TESTER)
    entries = kept.audit.find(Wanted(object_kind="piece"), limit=9).entries
    said = [(each.action, each.object, each.after) for each in reversed(entries)]
    assert said == [
        ("validation.prepared", str(number), {"camera": "plaza", "line": "gate"}),
        ("validation.counted", str(number), {"camera": "plaza", "n": 40}),
        ("validation.removed", str(number), {"camera": "plaza"}),
    ]
