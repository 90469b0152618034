"""How many sessions and browsers are kept of one person."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from api.access import Kind
from api.store import NewSession, Store
from api.store.keys import MAX_OF_USER
from tests.api.served import DAY, TESTER, add_user

LASTS_S = 100.0


@pytest.fixture
def now() -> list[float]:
    return [DAY]


@pytest.fixture
def timed(url: str, now: list[float]) -> Iterator[Store]:
    """A store whose clock a test sets."""
    with Store.open(url, clock=lambda: now[0]) as opened:
        yield opened


@pytest.mark.parametrize(
    ("kind", "add"),
    [
        ("session", lambda store, name, user: store.keys.begin(user, _named(name), "test")),
        (
            "device",
            lambda store, name, user: store.keys.add_device(name, "hash", user, lasts_s=LASTS_S),
        ),
    ],
)
def test_of_one_person_so_many_are_kept(
    timed: Store, now: list[float], kind: Kind, add: Callable[[Store, str, int], object]
) -> None:
    """Those that are over go first, then the oldest; nobody else loses any."""
    most, mine, other = MAX_OF_USER[kind], add_user(timed, "ana"), add_user(timed, "ben")
    add(timed, "bens", other)
    for number in range(most):
        now[0] += 0.01
        add(timed, f"k{number}", mine)
    timed.keys.end(f"k{most - 1}", TESTER)

    def kept() -> list[str]:
        return [key.id for key in timed.keys.all() if key.kind == kind]

    add(timed, "new", mine)
    assert kept() == ["bens", *(f"k{number}" for number in range(most - 1)), "new"]
    now[0] += 0.01
    add(timed, "newer", mine)
    assert kept() == ["bens", *(f"k{number}" for number in range(1, most - 1)), "new", "newer"]


def _named(session_id: str) -> NewSession:
    return NewSession(session_id, "hash", LASTS_S)
