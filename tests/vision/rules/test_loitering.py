"""Loitering: who stays around one spot, and who only walks slowly or flickers."""

from __future__ import annotations

from typing import Any

import pytest

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

# Boxes are 40 px high, so half a height is 20 px. The yard is x 200 to 400, y 100 to 300.
SCENARIO = Scenario(
    (
        standing(300, 200, 9),
        Walker(((0, 295, 150), (3, 305, 155), (6, 295, 150), (8, 305, 150), (11, 600, 150))),
        to_and_fro(205, 395, y=250, speed=20),
        standing(350, 250, 12, hidden=((3, 7),)),
    ),
    {"dwell_s": 5.0},
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
        pytest.param(
            standing(300, 200, 10, hidden=((2, 7),)), {}, [(0, 7.1, 10)], id="out of sight"
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
    [(2.0, [(0, 5, 10)]), (0.4, [(0, 5, 6)])],
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


def test_what_an_event_says() -> None:
    watcher = rule("loitering", {"dwell_s": 5.0}, name="waits")
    raised, over = play(watcher, film([standing(300, 200, 8)]))
    assert (raised.kind, raised.rule, raised.place) == ("loitering", "waits", "yard")
    assert (raised.end_ts, raised.track_ids, raised.score) == (None, (1,), 0.625)
    assert raised.details == {
        "class": "person",
        "class_share": 0.875,
        "foot_px": [300.0, 200.0],
        "why": "person stayed within 20 px in 'yard' for 5.0 s",
        "stayed_s": 5.0,
        "dwell_s": 5.0,
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
    ],
)
def test_bad_settings_name_their_field(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{field} is {value}, but must be a number from "):
        Settings(**{field: value})
