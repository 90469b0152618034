"""The settings of who is told of what, and silences, in the store."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from api.alerting.settings import Alerting, Channel, Matcher, Route, Site
from api.store import Entry, Store, Wanted
from api.store import alerting as stored
from api.store.alerting import BadSilenceError, StoredAlerting, TooManySilencesError
from api.store.alerting_tables import alerting
from api.store.database import Database
from api.store.facts import Silence
from tests.api.served import DAY, TESTER
from vision.errors import StoreError

DESK = Channel(name="desk", kind="webhook", url="https://desk.example/fake-token?key=fake")
USING = Alerting(
    channels=(DESK, Channel(name="phone", kind="apprise", per_minute=9)),
    routes=(Route(name="all", channels=("desk",)), Route(name="b", channels=("phone",))),
    sites=(Site(name="port", cameras=("gate", "quay")),),
    alarm="phone",
)


class Clock:
    now = DAY

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    with Store.open(url, clock=clock) as opened:
        yield opened


def record(store: Store, action: str) -> list[Entry]:
    return store.audit.find(Wanted(action=action), limit=100).entries


def test_at_first_nobody_is_told_of_anything(store: Store) -> None:
    assert store.alerting.current() == StoredAlerting(0, Alerting())


def test_what_is_applied_is_current(url: str) -> None:
    with Store.open(url) as first:
        assert first.alerting.apply(USING, TESTER) == StoredAlerting(1, USING)
    with Store.open(url) as store:
        assert store.alerting.current() == StoredAlerting(1, USING)
        # the same ones change nothing
        assert store.alerting.apply(USING, TESTER).number == 1
        assert len(record(store, "alerting.changed")) == 1
        assert store.alerting.apply(Alerting(), TESTER) == StoredAlerting(2, Alerting())


def test_the_record_says_what_changed_and_nothing_that_opens_anything(store: Store) -> None:
    store.alerting.apply(USING, TESTER)
    (first,) = record(store, "alerting.changed")
    assert (first.object_kind, first.object, first.actor) == ("alerting", "1", "tests")
    assert first.after is not None
    assert set(first.after) == {"channels", "routes", "sites", "alarm"}
    assert first.after["channels"]["desk"]["url"] == "https://desk.example/…"  # type: ignore[index,call-overload]
    assert first.before is not None
    assert first.before["alarm"] is None
    other = DESK.model_copy(update={"url": "https://desk.example/fake-other"})
    phone = USING.channels[1].model_copy(update={"per_minute": 3})
    update = {"channels": (other, phone), "routes": USING.routes[::-1], "sites": ()}
    store.alerting.apply(USING.model_copy(update=update), TESTER)
    second = record(store, "alerting.changed")[0]
    before, after = second.before, second.after
    assert before is not None
    assert after is not None
    assert set(before) == set(after) == {"channels", "sites", "order of routes"}
    assert after["channels"]["desk"]["url"] == "https://desk.example/… (another one)"  # type: ignore[index,call-overload]
    assert (before["channels"]["phone"]["per_minute"]) == 9  # type: ignore[index,call-overload]
    assert (before["order of routes"], after["order of routes"]) == (["all", "b"], ["b", "all"])
    assert list(before["sites"]) == ["port"]  # type: ignore[arg-type]
    assert after["sites"] == {}
    assert "fake" not in repr([first, second])


def test_two_at_once_get_two_numbers(store: Store) -> None:
    many = [Alerting(networks=(f"10.0.{i}.0/24",)) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda each: store.alerting.apply(each, TESTER).number, many))
    assert sorted(numbers) == list(range(1, 9))


def test_settings_of_another_version_are_refused(url: str, store: Store) -> None:
    store.alerting.apply(USING, TESTER)
    database = Database(url)
    with database.write() as connection:
        connection.execute(alerting.update().values(document={"chanels": []}))
    database.close()
    with pytest.raises(StoreError, match=r"of another version \(chanels\): run 'matakota alerting"):
        store.alerting.current()


# --- silences


PLAZA = Matcher(cameras=("plaza",))


def silenced(store: Store, match: Matcher = PLAZA, **more: Any) -> Silence:
    values: dict[str, Any] = {"starts_at": DAY, "ends_at": DAY + 3600.0, "by": TESTER}
    return store.alerting.silence(match, more.pop("reason", "paint"), **(values | more))


def ids(found: list[Silence]) -> list[int]:
    return [each.id for each in found]


def test_a_silence_is_made_shown_and_ended(store: Store, clock: Clock) -> None:
    match = Matcher(severities=("low",), kinds=("k",), cameras=("plaza",), places=("lawn ü",))
    made = silenced(store, match, starts_at=DAY - 100)
    assert made == Silence(made.id, match, "paint", DAY, DAY + 3600, DAY, "tests")
    assert store.alerting.silences(only=None) == [made]
    clock.now = DAY + 60
    ended = store.alerting.end_silence(made.id, TESTER, only=None)
    assert ended is not None
    assert (ended.ends_at, ended.match) == (DAY + 60, match)
    assert store.alerting.end_silence(made.id, TESTER, only=None) is None
    assert store.alerting.end_silence(made.id + 1, TESTER, only=None) is None
    assert store.alerting.silences(only=None) == []
    assert store.alerting.silences(only=None, ended=True) == [ended]
    (created,), (over,) = record(store, "silence.created"), record(store, "silence.ended")
    assert (created.object_kind, created.object) == ("silence", str(made.id))
    assert created.after == {
        "match": {
            "severities": ["low"], "kinds": ["k"], "cameras": ["plaza"], "places": ["lawn ü"],
        },
        "reason": "paint", "starts_at": DAY, "ends_at": DAY + 3600,
    }  # fmt: skip
    assert (over.before, over.after) == ({"ends_at": DAY + 3600}, {"ends_at": DAY + 60})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"reason": ""}, "has a reason of 1 to 500 visible characters"),
        ({"reason": "  "}, "has a reason"),
        ({"reason": "x" * 501}, "has a reason"),
        ({"reason": "a\nb"}, "has a reason"),
        ({"ends_at": DAY}, "ends after it starts, and later than now"),
        ({"starts_at": DAY - 7200, "ends_at": DAY - 3600}, "later than now"),
        ({"starts_at": DAY + 7200}, "ends after it starts"),
        ({"ends_at": DAY + 30 * 86_400 + 1}, "lasts 30 days at most"),
        ({"match": Matcher()}, "a silence of everything is none"),
    ],
)
def test_silences_that_are_refused(store: Store, more: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSilenceError, match=said):
        silenced(store, **more)
    assert store.alerting.silences(only=None, ended=True) == []
    assert record(store, "silence") == []


def test_the_longest_one_is_taken(store: Store) -> None:
    assert silenced(store, ends_at=DAY + 30 * 86_400).ends_at == DAY + 30 * 86_400


def test_each_sees_and_ends_those_of_own_cameras_alone(store: Store) -> None:
    plaza = silenced(store)
    both = silenced(store, Matcher(cameras=("plaza", "gate")))
    every = silenced(store, Matcher(kinds=("crowd",)))
    of_site = silenced(store, Matcher(sites=("port",)))
    seen = store.alerting.silences
    assert ids(seen(only=frozenset({"plaza"}))) == [plaza.id]
    assert ids(seen(only=frozenset({"plaza", "gate"}))) == [plaza.id, both.id]
    assert ids(seen(only=frozenset())) == []
    assert ids(seen(only=None)) == [plaza.id, both.id, every.id, of_site.id]
    for each in (both, every, of_site):
        end = store.alerting.end_silence
        assert end(each.id, TESTER, only=frozenset({"plaza", "x"})) is None
    assert len(seen(only=None)) == 4
    ended = store.alerting.end_silence(both.id, TESTER, only=frozenset({"plaza", "gate"}))
    assert ended is not None


def test_those_that_end_first_come_first_and_the_last_ones_after_them(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "SHOWN_ENDED", 2)
    made = [silenced(store, ends_at=DAY + after).id for after in (10, 20, 30, 900, 600)]
    clock.now = DAY + 100
    assert ids(store.alerting.silences(only=None)) == [made[4], made[3]]
    shown = [made[4], made[3], made[2], made[1]]
    assert ids(store.alerting.silences(only=None, ended=True)) == shown


def test_there_are_so_many_at_the_most(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "MAX_SILENCES", 3)
    monkeypatch.setattr(stored, "MAX_OF_ONE", 2)
    first = silenced(store)
    silenced(store)
    with pytest.raises(TooManySilencesError, match="2 silences of yours hold already"):
        silenced(store)
    another = replace(TESTER, name="room1")
    silenced(store, by=another)
    with pytest.raises(TooManySilencesError, match="3 silences hold already"):
        silenced(store, by=replace(TESTER, name="room2"))
    store.alerting.end_silence(first.id, another, only=None)
    silenced(store)
