"""The class of a crossing: it waits for the vote, and not for long."""

from __future__ import annotations

import numpy as np
import pytest

from tests.vision.walkers import ACROSS, PLAZA, START, Walker, seconds, step_of, straight
from vision.counting import HOLD_S, SETTLED_LEAD, Counted, Counter, LineCounter, lead
from vision.types import Crossing

PASSED = 0.25
"""When the ``fast`` ones pass the line."""


def fast(votes: str, number: int = 1, bound: int = 1024) -> Walker:
    """A vehicle at 400 px/s whose boxes show a (c)ar, a (t)ruck or a (b)us, ten a second."""
    names = [{"c": "car", "t": "truck", "b": "bus"}[vote] for vote in votes]
    times = seconds(0, (len(votes) - 1) / 10)
    return straight((484, 300), (-400, 0), times, number=number, votes=names, bound=bound)


def held(walker: Walker, counter: Counter) -> dict[int, Crossing]:
    """What each step after the second states."""
    found = {}
    for step in range(2, len(walker.times)):
        for crossing in counter.update(
            step_of(START + walker.times[step], walker.at(step))
        ).crossings:
            found[step] = crossing
    return found


VOTES = [
    # boxes, ten a second → the step that states the crossing, its class. It is decided at step 3
    ("ccccc", 3, "car"),
    ("tcccccc", 5, "car"),  # 6 boxes: 5 to 1
    ("ttccccccccc", 7, "car"),
    ("cccttttttttt", 9, "truck"),
    ("tctctctctctctctctctctctctctcccc", 23, "truck"),  # never clear: after 2 s, as it stands then
    ("ctbctbcccccccccccc", 11, "car"),
]


@pytest.mark.parametrize(("votes", "step", "name"), VOTES)
@pytest.mark.parametrize("bound", [1024, 64])
def test_a_crossing_waits_until_its_class_is_settled(
    votes: str, step: int, name: str, bound: int
) -> None:
    counter = Counter([ACROSS], PLAZA)
    found = held(fast(votes, bound=bound), counter)
    assert {k: crossing.class_name for k, crossing in found.items()} == {step: name}
    # the moment is that of the passage all the same
    assert found[step].ts == pytest.approx(START + PASSED, abs=1e-3)
    assert counter.counts["line"] == {"forward": {name: 1}, "backward": {}}
    assert counter.finish() == Counted()


def test_the_wait_is_by_time_and_not_by_pictures() -> None:
    """An undecided vote at 30 pictures a second, with pictures left out."""
    times = [k / 30 for k in range(9)] + [0.4, 0.9, 2.0, 2.3, 2.4]
    votes = ["car", "truck"] * 7
    walker = straight((484, 300), (-400, 0), times, votes=votes)
    found = held(walker, Counter([ACROSS], PLAZA))
    decided = next(t for t in times if 400 * (t - PASSED) >= 4)
    (step,) = found
    assert times[step - 1] < decided + HOLD_S <= times[step]


def test_the_rule_that_alerts_does_not_wait() -> None:
    walker, counter = fast("ctct"), LineCounter(ACROSS, PLAZA)
    assert counter.update(step_of(START + 0.2, walker.at(2))) == []
    (crossing,) = counter.update(step_of(START + 0.3, walker.at(3)))
    assert crossing.class_name == "car"


@pytest.mark.parametrize("how", ["ended", "finish"])
def test_the_last_known_vote_counts_at_the_end(how: str) -> None:
    counter, walker = Counter([ACROSS], PLAZA), fast("tctcc")
    assert held(walker, counter) == {}
    # out of sight it still waits
    assert counter.update(step_of(START + 1.0, walker.at(4))) == Counted()
    if how == "ended":
        counted = counter.update(step_of(START + 1.5, ended=(1,)))
    else:
        counted = counter.finish()
    (crossing,) = counted.crossings
    assert (crossing.class_name, crossing.track_id) == ("car", 1)
    assert counter.counts["line"]["forward"] == {"car": 1}
    assert counter.finish() == Counted()


@pytest.mark.parametrize("how", ["ended", "finish", "time"])
def test_what_turns_out_to_be_of_a_class_that_nobody_wants(how: str) -> None:
    """A live track that is not stated any more is of another class than those looked for."""
    counter, walker = Counter([ACROSS], PLAZA), fast("ctct")
    assert held(walker, counter) == {}
    assert counter.update(step_of(START + 0.4)) == Counted()
    if how == "ended":
        assert counter.update(step_of(START + 0.5, ended=(1,))) == Counted()
    if how == "time":
        assert counter.update(step_of(START + 2.5)) == Counted()
    assert counter.finish() == Counted()
    assert counter.counts["line"] == {"forward": {}, "backward": {}}


def test_what_turns_back_into_a_class_that_is_wanted_counts() -> None:
    counter, walker = Counter([ACROSS], PLAZA), fast("ctctccccc")
    for step in (2, 3):
        counter.update(step_of(START + step / 10, walker.at(step)))
    assert counter.update(step_of(START + 0.4)) == Counted()
    (crossing,) = counter.update(step_of(START + 0.8, walker.at(8))).crossings
    assert crossing.class_name == "car"


def test_one_box_in_five_wrong_gives_99_in_100_right() -> None:
    """800 vehicles that pass just after they became tracks, ten pictures a second."""
    random = np.random.default_rng(7)
    names = ("car", "truck")
    cars = {
        number: fast("".join("ct"[int(flip)] for flip in random.random(27) < 0.2), number)
        for number in range(1, 801)
    }
    truth = dict.fromkeys(cars, names[0])
    counter = Counter([ACROSS], PLAZA)
    found: list[Crossing] = []
    for step in range(2, 27):
        tracks = [walker.at(step) for walker in cars.values()]
        found += counter.update(step_of(START + step / 10, *tracks)).crossings
    found += counter.finish().crossings
    right = sum(crossing.class_name == truth[crossing.track_id] for crossing in found)
    assert len(found) == len(cars)
    assert right >= 0.99 * len(cars)
    # without the wait it would be worse
    alone = sum(walker.at(3).class_name == "car" for walker in cars.values())
    assert alone < 0.97 * len(cars)


def test_the_lead_is_that_of_the_boxes() -> None:
    assert lead(fast("cccc").at(3)) == pytest.approx(4)
    assert lead(fast("cctt").at(3)) == pytest.approx(0)
    assert pytest.approx(0.01) == 1 / (1 + 4**SETTLED_LEAD)
