"""Alerts are found by words, as what they are and not as patterns."""

from __future__ import annotations

from typing import Any

import pytest

from api.access import Role
from api.learning import Span
from api.store import Actor, Store
from api.store.search import Word
from tests.api.served import DAY, add_user, alert

ROOM1 = Actor("user", "room1")


def found(store: Store, *words: Word | str, only: frozenset[str] | None = None) -> set[str]:
    sought = [Word(each) if isinstance(each, str) else each for each in words]
    return {each.id for each in store.alerts.find(only=only, words=sought, limit=99).alerts}


@pytest.fixture(autouse=True)
def told(store: Store) -> None:
    add_user(store, "jaga", Role.OPERATOR)
    for name, more in {
        "first-id": {"place": "Losari", "kind": "wrong_way", "rule": "a@b"},
        "second": {"details": {"why": "it was 100% dark"}, "camera": "road"},
        "third": {"details": {"why": "it was 100 times dark"}},
        "fourth": {"details": {"number": 7}, "place": "under_pass École"},
    }.items():
        stated: dict[str, Any] = {"place": "lawn", **more}
        store.record([alert(name, **stated)])
    store.cases.acknowledge(["first-id"], ROOM1, only=None)
    store.cases.assign("second", "jaga", ROOM1, edit=0, only=None)
    store.cases.resolve(
        "third", "false", "seekor Kucing", Actor("user", "petugas"), edit=0, only=None
    )


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["FIRST-id"], {"first-id"}),
        (["losari"], {"first-id"}),
        (["wrong way"], {"first-id"}),
        (["wrong_way"], {"first-id"}),
        (["a@b"], {"first-id"}),
        (["road"], {"second"}),
        (["jaga"], {"second"}),
        # who assigns it has seen it
        (["room1"], {"first-id", "second"}),
        (["petugas"], {"third"}),
        (["kucing"], {"third"}),
        (["éCOLE"], {"fourth"}),
        # every one of them, wherever it stands
        (["dark", "jaga"], {"second"}),
        (["dark", "losari"], set()),
        ([], {"first-id", "second", "third", "fourth"}),
        # no patterns
        (["100%"], {"second"}),
        (["_"], {"first-id", "fourth"}),
        (["r_ad"], set()),
        (["/"], set()),
        (["'; DROP TABLE alerts; --"], set()),
    ],
)
def test_what_has_every_word_is_found(store: Store, words: list[str], names: set[str]) -> None:
    assert found(store, *words) == names


def test_names_that_the_store_does_not_know_are_told_to_it(store: Store) -> None:
    assert found(store, Word("zzz", kinds=frozenset({"wrong_way"}))) == {"first-id"}
    assert found(store, Word("zzz", cameras=frozenset({"road", "none"}))) == {"second"}
    assert found(store, Word("zzz")) == set()


def test_nobody_finds_alerts_of_cameras_of_others(store: Store) -> None:
    assert found(store, "dark", only=frozenset({"plaza"})) == {"third"}
    assert found(store, Word("road", cameras=frozenset({"road"})), only=frozenset()) == set()


def test_a_reason_that_cannot_be_read_hides_no_other(store: Store) -> None:
    for name, details in {"why": {"why": "dark\0"}, "deep": {"why": "", "a": [{"\0": 1}]}}.items():
        # as an older version stored it where the database took it
        store.record([alert(name).model_copy(update={"details": details})])
    assert found(store, "dark") == {"second", "third"}
    left = store.handovers.read(Span(DAY, DAY + 60), now=DAY + 60, only=None).left
    assert {each.id for each in left.rows if not each.why} >= {"why", "deep"}


def test_severities_and_ids_are_chosen_among(store: Store) -> None:
    store.record([alert("worst", severity="critical", start_ts=DAY + 1)])
    find = store.alerts.find
    worst = find(only=None, severities=["critical", "low"], limit=9).alerts
    assert [each.id for each in worst] == ["worst"]
    some = find(only=None, among_ids=["worst", "second", "none"], limit=9).alerts
    assert [each.id for each in some] == ["worst", "second"]
    assert find(only=None, among_ids=[], limit=9).alerts == []
