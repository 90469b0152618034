"""Channels, tests of them and the log of what was sent, for administrators."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.access import Role
from api.alerting.settings import Alerting, Channel
from api.store import Store, Wanted
from api.store.facts import NewNotice
from api.store.letters import Answer
from tests.api.logins import Clock
from tests.api.served import DAY, TESTER, Api, add_user, alert, api, person, sqlite_url
from tests.api.store.telling import Judged

CHANNELS, DELIVERIES = "/api/v1/channels", "/api/v1/deliveries"
SETTINGS = Alerting(
    channels=(
        Channel(name="room1", kind="webhook", url="https://receiver.test/not-a-real-token"),
        Channel(name="jaga", kind="apprise", enabled=False, closed=True, per_minute=6),
    )
)


@pytest.fixture
def now() -> Clock:
    return Clock(DAY)


@pytest.fixture
def served(tmp_path: Path, now: Clock) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path), clock=now) as store:
        store.alerting.apply(SETTINGS, TESTER)
        with api(store) as running:
            yield running


@pytest.fixture
def client(served: Api) -> Iterator[httpx.Client]:
    with person(served, add_user(served.store)) as asking:
        yield asking


def send(served: Api, *answers: Answer, channel: str = "room1") -> None:
    """One try for each answer."""
    for answer in answers:
        letter = served.store.notices.claim(channel, Judged(), by="tests", lease_s=60)
        assert letter is not None
        again = None if answer.ok else DAY
        served.store.notices.settle(letter, answer, took_s=0.25, again_at=again, paused_until=0)


def tell(served: Api, *ids: str) -> None:
    served.store.record([alert(each) for each in ids])
    served.store.notices.route(
        lambda changes, _: [
            NewNotice("room1", each.alert.id, "opened", "waiting", DAY) for each in changes
        ],
        inhibiting=(),
        limit=500,
    )


def test_channels_are_listed_with_how_they_are(
    served: Api, client: httpx.Client, now: Clock
) -> None:
    tell(served, "a", "b")
    now.now += 1
    send(served, Answer(False, "receiver.test answers 500", 500))
    answer = client.get(CHANNELS)
    assert answer.status_code == 200
    assert "not-a-real-token" not in answer.text
    assert answer.json()["channels"] == [
        {
            "name": "room1", "kind": "webhook", "host": "receiver.test", "enabled": True,
            "closed": False, "per_minute": 60, "waiting": 2, "held": 0, "failures": 1,
            "paused_until": None, "arrived": None, "failed": "2026-01-31T00:00:01.000Z",
            "why": "receiver.test answers 500",
        },
        {
            "name": "jaga", "kind": "apprise", "host": None, "enabled": False, "closed": True,
            "per_minute": 6, "waiting": 0, "held": 0, "failures": 0, "paused_until": None,
            "arrived": None, "failed": None, "why": None,
        },
    ]  # fmt: skip


def test_a_test_is_queued_and_recorded(served: Api, client: httpx.Client) -> None:
    answer = client.post(f"{CHANNELS}/room1/test")
    assert answer.status_code == 202
    letter = served.store.notices.claim("room1", Judged(), by="tests", lease_s=60)
    assert letter is not None
    assert (answer.json(), letter.alerts) == ({"notice": letter.notice}, ())
    (entry,) = served.store.audit.find(Wanted(action="channel.tested"), limit=9).entries
    assert (entry.actor, entry.object_kind, entry.object) == ("administrator", "channel", "room1")


@pytest.mark.parametrize(("channel", "status"), [("none", 404), ("jaga", 409), ("canary", 404)])
def test_no_other_channel_is_tested(client: httpx.Client, channel: str, status: int) -> None:
    answer = client.post(f"{CHANNELS}/{channel}/test")
    assert (answer.status_code, list(answer.json())) == (status, ["detail"])


def test_the_log_is_read_page_by_page(served: Api, client: httpx.Client) -> None:
    tell(served, "a", "b")
    send(served, Answer(False, "it answers 500", 500), Answer(True, "", 200), Answer(True, "", 200))
    first = client.get(DELIVERIES, params={"limit": 2}).json()
    assert [(each["alert"], each["ok"]) for each in first["deliveries"]] == [
        ("b", True), ("a", True),
    ]  # fmt: skip
    rest = client.get(DELIVERIES, params={"limit": 2, "cursor": first["next"]}).json()
    assert rest == {
        "deliveries": [
            {
                "id": 1, "notice": 1, "channel": "room1", "alert": "a", "alerts": 1,
                "what": "opened", "state": "delivered", "at": "2026-01-31T00:00:00.000Z",
                "seconds": 0.25, "ok": False, "status": 500, "why": "it answers 500",
            }
        ],
        "next": None,
    }  # fmt: skip
    assert len(client.get(DELIVERIES, params={"channel": "room1"}).json()["deliveries"]) == 3
    assert client.get(DELIVERIES, params={"channel": "none"}).json()["deliveries"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "cursor=x", "cursor=-1", "other=1"])
def test_a_wrong_question_is_refused(client: httpx.Client, query: str) -> None:
    assert client.get(f"{DELIVERIES}?{query}").status_code == 422


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ANALYST])
def test_others_are_refused(served: Api, role: Role) -> None:
    with person(served, add_user(served.store, "jaga", role)) as asking:
        assert asking.get(CHANNELS).status_code == 403
        assert asking.get(DELIVERIES).status_code == 403
        assert asking.post(f"{CHANNELS}/room1/test").status_code == 403
    assert served.store.notices.next_due("room1") is None
