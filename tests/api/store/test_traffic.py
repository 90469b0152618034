"""How traffic is classed and summed, in the store."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from api.store import Entry, Store, Wanted
from api.store.database import Database
from api.store.traffic_tables import traffic_settings
from streams.trafficfile import Traffic, shipped_traffic, traffic_of
from tests.api.served import DAY, TESTER
from vision.errors import StoreError
from vision.types import JsonValue


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url, clock=lambda: DAY) as opened:
        yield opened


def roads(*cameras: str) -> Traffic:
    entries: list[JsonValue] = [
        {"camera": camera, "name": "Jalan Contoh", "type": "2/2-TT", "width_m": 7}
        for camera in cameras
    ]
    return traffic_of({"roads": entries}, "made up")


def record(store: Store) -> list[Entry]:
    return store.audit.find(Wanted(action="traffic.changed"), limit=100).entries


def test_at_first_it_is_as_it_ships(store: Store) -> None:
    assert store.traffic.current() == shipped_traffic()
    assert store.traffic.apply(shipped_traffic(), TESTER).number == 0
    assert record(store) == []


def test_every_revision_is_kept(url: str, store: Store) -> None:
    one, other = roads("gate"), roads("gate", "quay")
    assert store.traffic.apply(one, TESTER).number == 1
    assert store.traffic.current() == one
    assert store.traffic.apply(other, TESTER).number == 2
    # the same changes nothing
    assert store.traffic.apply(replace(other, number=0), TESTER).number == 2
    with Store.open(url) as again:
        found = again.traffic.current()
        assert (found, found.number) == (other, 2)
        assert found.road("quay", "any") is not None
        assert again.traffic.revision(1) == one
        assert again.traffic.revision(0) == shipped_traffic()
        assert again.traffic.revision(3) is None
    # another process changed it
    assert store.traffic.current().number == 2
    with Store.open(url) as another:
        another.traffic.apply(one, TESTER)
    assert (store.traffic.current(), store.traffic.current().number) == (one, 3)


def test_the_record_says_what_changed(store: Store) -> None:
    store.traffic.apply(roads(*(f"camera-{i}" for i in range(40))), TESTER)
    store.traffic.apply(shipped_traffic(), TESTER)
    last, first = record(store)
    assert (first.object_kind, first.object, first.actor) == ("traffic", "1", TESTER.name)
    # long lists are kept under their number, and counted here
    assert (first.before, first.after) == ({"roads": []}, {"roads": 40})
    assert (last.object, last.after) == ("2", {"roads": []})


def test_two_at_once_get_two_numbers(store: Store) -> None:
    many = [roads(f"camera-{i}") for i in range(6)]
    with ThreadPoolExecutor(3) as pool:
        numbers = list(pool.map(lambda each: store.traffic.apply(each, TESTER).number, many))
    assert sorted(numbers) == list(range(1, 7))


def test_settings_of_another_version_are_refused(url: str, store: Store) -> None:
    store.traffic.apply(roads("gate"), TESTER)
    database = Database(url)
    with database.write() as connection:
        connection.execute(traffic_settings.update().values(document={"roads": [{}]}))
    database.close()
    with Store.open(url) as other, pytest.raises(StoreError, match=r"version \(roads\[0\]\): run"):
        other.traffic.current()
