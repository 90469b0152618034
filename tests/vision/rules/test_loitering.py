"""Loitering: who stays around one spot, and who only walks slowly or flickers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.vision.rules.scenarios import (
    SCENE,
    Scenario,
    Walker,
    film,
    last_words,
    offsets,
    play,
    rule,
    standing,
    to_and_fro,
)
from vision.rules.loitering import SAMPLES, Loitering, Settings
from vision.scene import RuleConfig
from vision.watch import Rules

# Boxes are 40 px high, so half a height is 20 px. The yard is x 200 to 400, y 100 to 300.
SCENARIO = Scenario(
    (
        standing(300, 200, 9),
        Walker(((0, 295, 150), (3, 305, 155), (6, 295, 150), (8, 305, 150), (11, 600, 150))),
        to_and_fro(205, 395, y=250, speed=20),
        standing(350, 250, 12, hidden=((3, 7),)),
    ),
    {"dwell_s": 5.0},
    until=40.0,  # for so long somebody might return
)


def fired(walker: Walker, *, classes: tuple[str, ...] = ("person",), **settings: Any) -> list[Any]:
    """(start, raised, end) of each event, seconds; the dwell is 5 s unless given."""
    watcher = rule("loitering", {"dwell_s": 5.0, **settings}, classes=classes)
    return [offsets(event) for event in last_words(play(watcher, film([walker])))]


def straying(every: int, *, to: tuple[float, float], seconds: float = 8.0) -> Walker:
    """Stands at (300, 200); of ``every`` boxes the last lies elsewhere."""
    steps = range(int(seconds * 10) + 1)
    return Walker(
        tuple((i / 10, *(to if i % every == every - 1 else (300.0, 200.0))) for i in steps)
    )


@pytest.mark.parametrize(
    ("walker", "settings", "events"),
    [
        pytest.param(standing(300, 200, 8), {}, [(0, 5, 8)], id="stands"),
        pytest.param(standing(300, 200, 5), {}, [(0, 5, 5)], id="just long enough"),
        pytest.param(standing(300, 200, 4.9), {}, [], id="too short"),
        pytest.param(standing(300, 320, 8), {}, [], id="stands outside"),
        # arrives at 1.1 s, 100 px a second: the stay begins where the rest is within 20 px
        pytest.param(
            Walker(((0, 95, 200), (2.05, 300, 200), (9, 300, 200))),
            {},
            [(1.8, 6.8, 9)],
            id="arrives and stands",
        ),
        # the box is clear of the spot, 20 px, at 8.3 s
        pytest.param(
            Walker(((0, 300, 200), (8, 300, 200), (10, 500, 200), (14, 500, 200))),
            {},
            [(0, 5, 8.2)],
            id="stands and leaves",
        ),
        # seen for 1.9 s and from 6.1 s on: at 8.4 s for half of the time
        pytest.param(
            standing(300, 200, 10, hidden=((2, 6),)), {}, [(0, 8.4, 10)], id="out of sight"
        ),
        pytest.param(standing(300, 200, 10, hidden=((1, 8),)), {}, [], id="hardly seen"),
        pytest.param(
            standing(300, 200, 30, hidden=((4, 15),)), {}, [(15.1, 20.1, 30)], id="out for too long"
        ),
        pytest.param(
            standing(300, 200, 12, hidden=((6, 12),)), {}, [(0, 5, 5.9)], id="never seen again"
        ),
        # a stay begins when the last one is over: release_s = 2 s after 6.3 s
        pytest.param(
            Walker(((0, 250, 200), (6, 250, 200), (7, 350, 200), (15, 350, 200))),
            {},
            [(0, 5, 6.2), (8.4, 13.4, 15)],
            id="two spots",
        ),
    ],
)
def test_stays(walker: Walker, settings: dict[str, Any], events: list[Any]) -> None:
    assert fired(walker, **settings) == events


@pytest.mark.parametrize("speed", [5, 10, 50])
def test_a_slow_walker_is_no_loiterer(speed: float) -> None:
    """Even at 5 px a second, 40 s in the yard, nobody stays 10 s within 20 px."""
    walker = to_and_fro(201, 399, speed=speed)
    assert fired(walker, dwell_s=10) == []
    assert fired(walker, dwell_s=1.0, radius_px=60), "but within 60 px for a second they do"


# Sways 15 px to both sides of x = 300, 10 px a second.
SWAYING = ((0, 300, 200), *((1.5 + 3 * k, 315 if k % 2 == 0 else 285, 200) for k in range(5)))


@pytest.mark.parametrize(
    ("box_height", "settings", "fires"),
    [
        (40, {}, True),  # 20 px
        (20, {}, False),  # 10 px
        (40, {"radius_heights": 0.25}, False),  # 10 px
        (20, {"radius_heights": 1.0}, True),  # 20 px
        (40, {"radius_px": 10}, False),
        (20, {"radius_px": 20}, True),
        (20, {"radius_px": 20, "radius_heights": 0.1}, True),  # px where both are given
    ],
)
def test_the_radius(box_height: float, settings: dict[str, Any], fires: bool) -> None:
    assert bool(fired(Walker(SWAYING, box=(20, box_height)), **settings)) == fires


@pytest.mark.parametrize(
    ("every", "to", "events"),
    [
        pytest.param(10, (380, 200), [(0, 5, 8)], id="one in ten"),
        pytest.param(5, (380, 200), [], id="one in five"),
        pytest.param(2, (380, 200), [], id="two places"),
        # beyond the edge of the yard it is no part of the stay, and too short to end it
        pytest.param(5, (300, 320), [(0, 5, 8)], id="out of the yard"),
    ],
)
def test_a_flickering_box_does_not_break_a_stay(
    every: int, to: tuple[float, float], events: list[Any]
) -> None:
    assert fired(straying(every, to=to)) == events


@pytest.mark.parametrize(
    ("release_s", "events"),
    # what was told of, and is over, is told of again after a stay of 3 s
    [(2.0, [(0, 5, 10)]), (0.4, [(0, 5, 6), (7, 10, 10)])],
)
def test_leaving_for_a_moment_is_forgiven_for_the_release(
    release_s: float, events: list[Any]
) -> None:
    # out of the yard from 6.1 to 6.9 s
    path = ((0, 300, 200), (6, 300, 200), (6.1, 300, 310), (6.9, 300, 310), (7, 300, 200))
    assert fired(Walker((*path, (10, 300, 200))), release_s=release_s) == events


@pytest.mark.parametrize(
    ("votes", "events"),
    [
        pytest.param([(0, "bicycle")], [], id="another class"),
        pytest.param([(0, "bicycle"), (3, "person")], [(0, 5, 8)], id="found in time"),
        pytest.param([(0, "bicycle"), (6, "person")], [(0, 6, 8)], id="found late"),
        pytest.param([(0, "person"), (4, "bicycle")], [], id="lost before it fired"),
        pytest.param([(0, "person"), (6, "bicycle")], [(0, 5, 8)], id="lost after"),
    ],
)
def test_classes(votes: Any, events: list[Any]) -> None:
    assert fired(standing(300, 200, 8, classes=tuple(votes))) == events


# Away from 4 s on: out of the yard, 100 px a second, and back at the spot after so long.
def returning(away_s: float, *, back_x: float = 300.0, until: float = 20.0) -> Walker:
    return Walker(
        (
            (0, 300, 200),
            (4, 300, 200),
            (4 + away_s / 2, 300 + 50 * away_s, 200),
            (4 + away_s, back_x, 200),
            (until, back_x, 200),
        )
    )


@pytest.mark.parametrize(
    ("walker", "settings", "events"),
    [
        # the radius is left at 4.2 s and reached again 0.2 s before the return; 3 s there make it
        # a stay, and with the first one it is long enough
        pytest.param(returning(4), {}, [(0, 10.8, 20)], id="returns"),
        pytest.param(returning(4), {"return_s": 3}, [(7.8, 12.8, 20)], id="returns too late"),
        pytest.param(returning(4), {"return_s": 0}, [(7.8, 12.8, 20)], id="nobody returns"),
        pytest.param(returning(4, back_x=330), {}, [(7.7, 12.7, 20)], id="to another spot"),
        pytest.param(returning(4, until=10.5), {}, [], id="returns for a moment"),
        # there for 4.2 s and from 12.8 s on: at 17.2 s for half of the time
        pytest.param(returning(9), {}, [(0, 17.2, 20)], id="away for long"),
        pytest.param(
            Walker(((0, 300, 200), (2, 300, 200), (4, 500, 200), (6, 300, 200), (9.5, 300, 200))),
            {},
            [],
            id="no stay before",
        ),
    ],
)
def test_who_leaves_for_a_moment_and_returns_never_left(
    walker: Walker, settings: dict[str, Any], events: list[Any]
) -> None:
    assert fired(walker, **settings) == events


@pytest.mark.parametrize(("away_s", "incidents"), [(4, 1), (9.5, 1), (14, 2)])
def test_who_returns_after_an_alert_is_the_same_incident(away_s: float, incidents: int) -> None:
    # told of at 5 s, away from 6 s on
    path = ((0, 300, 200), (6, 300, 200), (7, 400, 300), (6 + away_s - 1, 400, 300))
    walker = Walker((*path, (6 + away_s, 300, 200), (40, 300, 200)))
    config = RuleConfig("watch", "loitering", "yard", ("person",), Settings(dwell_s=5.0))
    rules = Rules([config])
    stated = [
        event
        for step in film([walker], until=80)
        for event in rules.state(rules.update(step, SCENE), step.ts)
    ]
    assert len({event.id for event in stated}) == incidents
    assert [event.end_ts is None for event in stated][-1] is False
    assert offsets(last_words(stated)[-1])[2] == 40


def told(*walkers: Walker, **settings: Any) -> list[Any]:
    """(track, start, raised) of each event; the dwell is 5 s unless given."""
    watcher = rule("loitering", {"dwell_s": 5.0, **settings})
    stated = last_words(play(watcher, film(walkers)))
    return [(*event.track_ids, *offsets(event)[:2]) for event in stated]


def later(seconds: float, walker: Walker) -> Walker:
    """The same from that second on."""
    return Walker(tuple((t + seconds, x, y) for t, x, y in walker.path))


def test_a_track_that_breaks_at_the_spot_goes_on() -> None:
    first = standing(300, 200, 4)
    assert told(first, later(6, standing(305, 200, 5))) == [(2, 0, 9)]
    assert told(first, later(6, standing(305, 200, 5)), return_s=1) == [(2, 6, 11)]
    assert told(first, later(6, standing(340, 200, 4.9))) == [], "at another spot"
    assert told(first, later(6, standing(305, 200, 2.9))) == [], "no stay"
    assert told(standing(300, 200, 2.9), later(4, standing(305, 200, 4.9))) == [], "none before"
    three = (first, later(5, standing(300, 200, 4)), later(10, standing(300, 200, 4)))
    assert told(*three, dwell_s=12) == [(3, 0, 13)]


def test_different_people_at_one_spot_are_no_loiterer() -> None:
    stays = standing(300, 200, 4)
    # seen to leave, or seen to come from elsewhere: somebody else
    leaves = Walker(((0, 300, 200), (4, 300, 200), (5, 390, 200)))
    comes = Walker(((0, 205, 200), (1.9, 300, 200), (6, 300, 200)))
    assert told(stays, later(5, comes)) == []
    assert told(leaves, later(6, standing(300, 200, 4))) == []
    # both in sight at once, at the spot or anywhere
    assert told(stays, later(3.9, standing(300, 200, 4))) == []
    goes_on = Walker(((0, 300, 200), (4, 300, 200), (6, 600, 200), (12, 600, 200)))
    assert told(goes_on, later(5, standing(300, 200, 4))) == []
    # a busy square: every second somebody crosses the spot, or waits there for two
    crossing = [later(i, to_and_fro(205, 395)) for i in range(20)]
    assert told(*crossing) == []
    waiting = Walker(((0, 205, 200), (0.95, 300, 200), (3, 300, 200), (4, 395, 200)))
    assert told(*(later(2.5 * i, waiting) for i in range(12))) == []


def test_what_never_looks_much_like_a_person_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def raised(score: float, **settings: Any) -> bool:
        monkeypatch.setattr("tests.vision.rules.scenarios.SCORE", score)
        return bool(fired(standing(300, 200, 8), **settings))

    assert not raised(0.5)
    assert raised(0.54)
    assert raised(0.5, min_score=0.4)
    assert raised(0.1, min_score=0.0)


@given(
    walks=st.lists(
        st.tuples(st.floats(0, 20), st.integers(205, 395), st.floats(0.5, 4.5)),
        min_size=1,
        max_size=6,
    ),
    fps=st.sampled_from([5, 10]),
)
@hypothesis_settings(max_examples=40)
def test_stays_that_are_too_short_together_fire_nothing(
    walks: list[tuple[float, int, float]], fps: int
) -> None:
    """Whatever is taken for one person, nobody was there for the dwell."""
    walkers = [later(round(at, 1), standing(x, 200, round(s, 1))) for at, x, s in walks]
    spans = sorted((walker.path[0][0], walker.path[-1][0]) for walker in walkers)
    watcher = rule("loitering", {"dwell_s": 5.0, "return_s": 3.0})
    for event in play(watcher, film(walkers, fps=fps)):
        start, raised, _ = offsets(event)
        there = sum(max(0.0, min(raised, end) - max(start, begin)) for begin, end in spans)
        assert raised - start >= 5.0 - 1e-3
        assert there >= (raised - start) / 2 - 1.0


def test_what_an_event_says() -> None:
    watcher = rule("loitering", {"dwell_s": 5.0}, name="waits")
    raised, over = play(watcher, film([standing(300, 200, 8)]))
    assert (raised.kind, raised.rule, raised.place) == ("loitering", "waits", "yard")
    assert (raised.end_ts, raised.track_ids, raised.score) == (None, (1,), 0.625)
    assert raised.details == {
        "class": "person",
        "class_share": 0.875,
        "foot_px": [300.0, 200.0],
        "box_px": [290.0, 160.0, 310.0, 200.0],
        "why": "person stayed within 20 px in 'yard' for 5.0 s",
        "stayed_s": 5.0,
        "dwell_s": 5.0,
        "unseen_s": 0.0,
        "radius_px": 20.0,
        "around_px": [300.0, 200.0],
    }
    assert over.details == {**raised.details, "held_s": 8.0}


@pytest.mark.parametrize("dwell_s", [20.0, 60.0])
def test_a_stay_is_bounded_in_memory(dwell_s: float) -> None:
    """At 30 frames a second, before the rule fires and after."""
    watcher = rule("loitering", {"dwell_s": dwell_s})
    assert isinstance(watcher, Loitering)
    most = 0
    for step in film([standing(300, 200, 25)], fps=30):
        watcher.update(step, SCENE)
        most = max([most, *(len(stay.points) for stay in watcher._watches.values())])
    assert 100 < most <= SAMPLES + 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dwell_s", -1),
        ("dwell_s", float("nan")),
        ("dwell_s", float("inf")),
        ("radius_px", 0.5),
        ("radius_px", -20),
        ("radius_heights", 0),
        ("radius_heights", float("inf")),
        ("release_s", -0.1),
        ("return_s", -1),
        ("return_s", float("nan")),
        ("min_score", -0.1),
    ],
)
def test_bad_settings_name_their_field(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{field} is {value}, but must be a number from "):
        Settings(**{field: value})
