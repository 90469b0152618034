"""Dead letters, and alerts about the program itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.store import Store, StoredAlert
from api.store.rejected import MAX_REJECTED_CHARS
from api.store.system import Wrong
from streams.messages import MAX_BODY_BYTES, SYSTEM_CAMERA
from tests.api.served import DAY, TESTER, alert, counted


@pytest.fixture
def now() -> list[float]:
    return [DAY]


@pytest.fixture
def timed(url: str, now: list[float]) -> Iterator[Store]:
    """A store whose clock a test sets."""
    with Store.open(url, clock=lambda: now[0]) as opened:
        yield opened


def told(store: Store) -> list[StoredAlert]:
    """Alerts about the program, the oldest first."""
    found = store.alerts.find(only=None, camera=SYSTEM_CAMERA, limit=100).alerts
    return found[::-1]


def test_the_alert_opens_rises_and_closes(timed: Store, now: list[float]) -> None:
    for number in (1, 2):
        timed.reject(f"{number}-0", f"reason {number}", "body")
        (found,) = told(timed)
        assert (found.version, found.state, found.details["count"]) == (number, "open", number)
        assert found.details["last"] == f"reason {number}"
        assert "matakota rejected" in str(found.details["next_step"])
    # the same entry once more is no news
    timed.reject("2-0", "reason 2", "body")
    assert told(timed) == [found]
    assert timed.rejected.drop([1], TESTER) == (1,)
    (found,) = told(timed)
    assert (found.version, found.state, found.details["count"]) == (3, "open", 1)
    now[0] += 10
    assert timed.rejected.drop([letter.id for letter in timed.rejected.all()], TESTER) == (2,)
    (found,) = told(timed)
    assert (found.version, found.state, found.end_ts) == (4, "closed", DAY + 10)
    # the next one is another alert, of which everybody is told anew
    for _ in range(2):
        timed.reject("3-0", "reason 3", "body")
        timed.rejected.drop([letter.id for letter in timed.rejected.all()], TESTER)
    assert len({found.id for found in told(timed)}) == 3
    assert {found.state for found in told(timed)} == {"closed"}


def test_each_change_is_in_the_feed(timed: Store) -> None:
    before = timed.alerts.position()
    timed.reject("1-0", "why", "body")
    assert timed.alerts.position() == before + 1
    timed.rejected.store({1: alert("late")}, TESTER)
    found = timed.alerts.changes(before, 10, only=None)
    assert [(each.id, each.state) for each in found.alerts] == [
        ("late", "open"), ("dead-letters", "closed"),
    ]  # fmt: skip


def test_what_is_stored_and_its_end_are_one(timed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed in between has done neither."""
    timed.reject("1-0", "why", "body")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("api.store.rejected._end", killed)
        with pytest.raises(KeyboardInterrupt):
            timed.rejected.store({1: alert("late")}, TESTER)
    assert timed.alerts.get("late", only=None) is None
    assert timed.rejected.count() == 1
    for _ in range(2):
        timed.rejected.store({1: alert("late")}, TESTER)
    found = timed.alerts.get("late", only=None)
    assert found is not None
    assert found.version == 1


def test_what_no_database_takes_stays(timed: Store) -> None:
    for number in (1, 2):
        timed.reject(f"{number}-0", "why", "body")
    read = {1: counted(frames=1 << 70), 2: alert("good"), 9: alert("c")}
    done = timed.rejected.store(read, TESTER)
    assert done.stored == (2,)
    assert set(done.failed) == {1}
    assert [letter.id for letter in timed.rejected.all()] == [1]
    assert timed.alerts.get("c", only=None) is None, "its letter is gone"


def test_a_message_is_kept_whole(timed: Store) -> None:
    for number, length in enumerate((MAX_BODY_BYTES, MAX_BODY_BYTES + 1), 1):
        timed.reject(f"{number}-0", "why", "x" * length)
    kept = [len(letter.body) for letter in timed.rejected.all()]
    assert kept == [MAX_BODY_BYTES, MAX_REJECTED_CHARS]


def test_something_wrong_is_stated_once(timed: Store, now: list[float]) -> None:
    wrong = Wrong("chain_broken", "chain-broken:w1", "critical", {"why": "no canary"})
    assert timed.wrongs.state(wrong)
    assert not timed.wrongs.state(wrong)
    other = Wrong("chain_broken", "chain-broken:w2", "critical", {"why": "no canary"})
    assert timed.wrongs.state(other)
    assert timed.wrongs.open("chain_broken") == {"chain-broken:w1", "chain-broken:w2"}
    assert timed.wrongs.open("site_down") == frozenset()
    now[0] += 60
    assert timed.wrongs.end("chain_broken", "chain-broken:w1", "it came")
    assert not timed.wrongs.end("chain_broken", "chain-broken:w1", "it came")
    assert timed.wrongs.open("chain_broken") == {"chain-broken:w2"}
    assert timed.wrongs.state(wrong), "another one"
    assert {(each.id, each.state, each.version) for each in told(timed)} == {
        ("chain-broken:w1", "closed", 2),
        ("chain-broken:w2", "open", 1),
        (f"chain-broken:w1:{DAY + 60:.0f}", "open", 1),
    }
