"""What the watchdog makes of what it sees, as tables over a clock of the test's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from api.watching import PERIODS, Alarm, Judge, Saying, Seen

BEGIN, UTC = 1000.0, 1_769_817_600.0


class World:
    """A chain whose parts a test stops; looked at every five seconds."""

    def __init__(self) -> None:
        self.judge = Judge(PERIODS)
        self.t = 0.0
        self.offset_s = 0.0
        self.canaries: dict[str, float] = {"w1": 0.0, "w2": 0.0}
        self.notifier = True
        self.trouble: str | None = None
        self.cameras = True
        self.dead: set[str] = set()

    def look(self, seconds: float = 5.0) -> Mapping[str, str]:
        self.t += seconds
        for worker in self.canaries:
            if worker not in self.dead and self.trouble is None:
                # one a minute
                self.canaries[worker] = self.t // 60
        beats = {"notifier": self.t if self.notifier else -1.0}
        seen = Seen(dict(self.canaries), beats, cameras=self.cameras, trouble=self.trouble)
        return self.judge.broken(seen, BEGIN + self.t, UTC + self.t + self.offset_s)

    def until_broken(self, at_most_s: float = 1000.0) -> tuple[float, Mapping[str, str]]:
        """For how long it was well, and what broke then."""
        begin = self.t
        while self.t < begin + at_most_s:
            if broken := self.look():
                return self.t - begin, broken
        return at_most_s, {}

    def settle(self) -> None:
        for _ in range(100):
            assert self.look() == {}


def test_a_chain_that_is_well_stays_well() -> None:
    World().settle()


def test_a_worker_that_is_silent() -> None:
    world = World()
    world.settle()
    world.dead = {"w2"}
    after_s, broken = world.until_broken()
    # the last one came up to a minute before
    assert 120 <= after_s <= 185
    assert list(broken) == ["worker w2"]
    assert "matakota watch --forget w2" in broken["worker w2"]
    # it comes back by its next one
    world.dead = set()
    world.look(60)
    assert world.look() == {}


def test_a_worker_that_is_forgotten() -> None:
    world = World()
    world.dead = {"w2"}
    assert world.until_broken()[1]
    del world.canaries["w2"]
    assert world.look() == {}


def test_no_canary_ever() -> None:
    world = World()
    world.canaries = {}
    after_s, broken = world.until_broken()
    assert 180 <= after_s <= 190
    assert list(broken) == ["workers"]
    world.cameras = False
    assert world.look() == {}
    world.cameras = True
    # from when there are cameras on
    assert world.until_broken()[0] >= 180


def test_without_cameras_nobody_is_missed() -> None:
    world = World()
    world.canaries, world.cameras = {}, False
    world.settle()


def test_a_notifier_that_is_silent() -> None:
    world = World()
    world.settle()
    world.notifier = False
    after_s, broken = world.until_broken()
    assert 60 <= after_s <= 70
    assert list(broken) == ["notifier"]
    world.notifier = True
    assert world.look() == {}


def test_a_store_that_is_silent() -> None:
    world = World()
    world.settle()
    world.trouble = "it is gone"
    after_s, broken = world.until_broken()
    assert 60 <= after_s <= 70
    assert list(broken) == ["store"]
    assert "(it is gone)" in broken["store"]
    for _ in range(200):
        assert list(world.look()) == ["store"], "of what nobody can read nothing is said"
    world.trouble = None
    assert world.look() == {}
    world.settle()


def test_short_outages_of_the_store() -> None:
    """Each of them is over before a minute, and none makes others look late."""
    world = World()
    for _ in range(30):
        world.trouble = "it is gone"
        for _ in range(11):
            assert world.look() == {}
        world.trouble = None
        assert world.look() == {}


def test_what_was_broken_stays_so_while_the_store_is_away() -> None:
    world = World()
    world.dead = {"w1"}
    assert world.until_broken()[1]
    world.trouble = "it is gone"
    for _ in range(12):
        assert list(world.look()) == ["worker w1"]
    assert set(world.look()) == {"worker w1", "store"}
    world.trouble = None
    assert list(world.look()) == ["worker w1"]


@pytest.mark.parametrize("monotonic", [True, False])
def test_a_machine_that_slept(monotonic: bool) -> None:
    """Everybody on it has the whole time again, whichever clock went on."""
    world = World()
    world.settle()
    world.dead, world.notifier = {"w1", "w2"}, False
    world.look(50)
    if monotonic:
        assert world.look(3600) == {}
    else:
        world.offset_s += 3600
        assert world.look() == {}
    after_s, broken = world.until_broken()
    assert 60 <= after_s <= 70
    assert list(broken) == ["notifier"]


def test_sleep_ends_no_alarm() -> None:
    world = World()
    world.dead = {"w1"}
    assert world.until_broken()[1]
    assert list(world.look(3600)) == ["worker w1"]
    world.dead = set()
    world.look(60)
    assert world.look() == {}


def test_a_clock_that_is_set_back_changes_nothing() -> None:
    world = World()
    world.settle()
    world.offset_s -= 30
    world.settle()


A, B = {"a": "a is broken"}, {"b": "b is broken"}
Step = tuple[float, Mapping[str, str], str | None]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([(0, {}, None), (5, {}, None)], id="well"),
        pytest.param([(0, A, "alarm 1 +"), (5, A, None), (1799, A, None)], id="said once"),
        pytest.param(
            [(0, A, "alarm 1 +"), (1801, A, "alarm 2 +"), (1805, A, None), (3602, A, "alarm 3 +")],
            id="and again every half hour",
        ),
        pytest.param(
            [(0, A, "alarm 1 -"), (1, A, None), (8, A, "alarm 1 -"), (16, A, "alarm 1 +")],
            id="tried until it is accepted, under one number",
        ),
        pytest.param(
            [(0, A, "alarm 1 +"), (5, {}, "clear 2 +"), (10, {}, None)], id="all is well again"
        ),
        pytest.param(
            [(0, A, "alarm 1 +"), (5, {}, "clear 2 -"), (13, {}, "clear 2 +"), (20, {}, None)],
            id="that is tried until it is accepted too",
        ),
        pytest.param([(0, A, "alarm 1 -"), (8, {}, None)], id="over before anybody knew"),
        pytest.param(
            [(0, A, "alarm 1 +"), (5, A | B, "alarm 2 +"), (10, A | B, None), (15, B, None)],
            id="something else breaks",
        ),
        pytest.param(
            [(0, A, "alarm 1 +"), (5, B, "alarm 2 -"), (6, {}, "clear 3 +"), (9, {}, None)],
            id="what nobody was told of ends with what they were",
        ),
        pytest.param(
            [
                (0, A, "alarm 1 +"),
                (5, {}, "clear 2 -"),
                (14, A, "alarm 3 +"),
                (16, {}, "clear 4 +"),
            ],
            id="it breaks again before that is said",
        ),
        pytest.param(
            [(0, A, "alarm 1 +"), (5, {}, "clear 2 +"), (6, A, "alarm 3 +")], id="a second time"
        ),
    ],
)
def test_when_what_is_said(steps: Sequence[Step]) -> None:
    """Each step: when, what is broken, what is tried with its number and whether it is accepted."""
    alarm = Alarm(PERIODS)
    for now_s, broken, expected in steps:
        saying = alarm.due(broken, now_s)
        if saying is None:
            assert expected is None, now_s
            continue
        assert expected is not None, (now_s, saying)
        kind, number, accepted = expected.split()
        assert (saying.kind, saying.number) == (kind, int(number)), now_s
        if kind == "alarm":
            assert saying.whys == tuple(broken.values())
        alarm.tried(saying, accepted=accepted == "+", now_s=now_s, jitter=0.9)


def test_a_clear_says_what_was_broken() -> None:
    alarm = Alarm(PERIODS)
    saying = alarm.due(A, 0)
    assert saying == Saying("alarm", 1, ("a is broken",))
    alarm.tried(saying, accepted=True, now_s=0, jitter=0)
    assert alarm.due({}, 1) == Saying("clear", 2, ("a is broken",))
