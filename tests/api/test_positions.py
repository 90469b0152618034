"""Which cameras are near another one."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.alerting.settings import Site
from api.positions import EARTH_M, distance_m, neighbours
from streams.config import Position

LOSARI, KAREBOSI, HARBOUR = (-5.1436, 119.4076), (-5.1349, 119.4137), (-5.1128, 119.4127)
POSITION = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


class Camera(NamedTuple):
    id: str
    position: Position | None = None


CITY = [
    Camera("harbour", HARBOUR), Camera("losari", LOSARI), Camera("karebosi", KAREBOSI),
    Camera("hall"), Camera("stairs"), Camera("yard"),
]  # fmt: skip
SITES = [
    Site(name="square", cameras=("karebosi", "stairs", "hall", "gone", "losari")),
    Site(name="market", cameras=("yard", "hall")),
]


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        (LOSARI, LOSARI, 0),
        (LOSARI, KAREBOSI, 1179),
        # from Makassar to Jakarta
        ((-5.1477, 119.4327), (-6.2088, 106.8456), 1_396_000),
        ((0, 0), (0, 180), math.pi * EARTH_M),
        ((90, 0), (-90, 77), math.pi * EARTH_M),
        ((0, 179.5), (0, -179.5), math.pi * EARTH_M / 180),
    ],
)
def test_how_far_it_is(one: Position, other: Position, metres: float) -> None:
    assert distance_m(one, other) == pytest.approx(metres, rel=0.01, abs=0.01)


@given(POSITION, POSITION, POSITION)
def test_it_is_a_distance(one: Position, other: Position, third: Position) -> None:
    there = distance_m(one, other)
    assert 0 <= there <= math.pi * EARTH_M * (1 + 1e-9)
    assert there == pytest.approx(distance_m(other, one), abs=1e-3)
    assert there <= distance_m(one, third) + distance_m(third, other) + 1


def test_the_nearest_come_first_then_those_of_the_site() -> None:
    assert neighbours("karebosi", CITY, SITES, 9) == ["losari", "harbour", "stairs", "hall"]
    assert neighbours("karebosi", CITY, SITES, 3) == ["losari", "harbour", "stairs"]
    assert neighbours("harbour", CITY, SITES, 9) == ["karebosi", "losari"]


def test_one_that_stands_nowhere_has_its_site() -> None:
    assert neighbours("hall", CITY, SITES, 9) == ["karebosi", "stairs", "losari", "yard"]
    assert neighbours("hall", CITY, [], 9) == []
    assert neighbours("unknown", CITY, SITES, 9) == []


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.none() | POSITION),
    st.lists(st.lists(st.sampled_from("abcdefghi"), min_size=1)),
    st.sampled_from("abcdefgh"),
    st.integers(-1, 9),
)
def test_neighbours_are_others_of_these_cameras_each_once(
    at: dict[str, Position | None], grouped: list[list[str]], camera: str, limit: int
) -> None:
    cameras = [Camera(name, position) for name, position in at.items()]
    sites = [Site(name=str(n), cameras=tuple(each)) for n, each in enumerate(grouped)]
    found = neighbours(camera, cameras, sites, limit)
    assert len(found) == len(set(found)) <= max(0, limit)
    assert set(found) <= at.keys() - {camera}
    own = at.get(camera)
    if own is not None:
        far = [distance_m(own, there) for name in found if (there := at[name]) is not None]
        assert far == sorted(far)
        # who stands somewhere comes before who does not
        assert [at[name] is None for name in found] == sorted(at[name] is None for name in found)
