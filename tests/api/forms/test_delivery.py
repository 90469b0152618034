"""Delivery as a page: how channels are, a test of one, what was sent; for administrators."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import pytest

from api.access import Role
from api.alerting.settings import Alerting, Channel
from api.forms.delivery import ROWS
from api.store.facts import Change, Facts, NewNotice
from api.store.letters import Answer
from tests.api.forms.pages import HOSTILE, Browser, browser, record, went_to
from tests.api.served import TESTER, Api, add_user, alert
from tests.api.store.telling import Judged

PLAIN = Channel(name="room", kind="webhook", url="https://hooks.example/in")
ODD = Channel(name='<b>"x/y?z', kind="apprise", enabled=False)


@pytest.fixture(autouse=True)
def channels(city: Api) -> None:
    city.store.alerting.apply(Alerting(channels=(PLAIN, ODD)), TESTER)


def tell(city: Api, name: str, answer: Answer, *, paused_s: float = 0, **more: Any) -> None:
    """Have a channel told of an alert, which ends with this answer."""

    def decide(changes: Any, facts: Facts) -> list[NewNotice]:
        return [_notice(change, facts) for change in changes]

    city.store.record([alert(name, **more)])
    city.store.notices.route(decide, inhibiting=(), limit=10)
    letter = city.store.notices.claim("room", Judged(), by="tests", lease_s=60)
    assert letter is not None
    again = None if answer.ok or answer.final else time.time() + 3600
    until = time.time() + paused_s if paused_s else 0.0
    city.store.notices.settle(letter, answer, took_s=0.25, again_at=again, paused_until=until)


def _notice(change: Change, facts: Facts) -> NewNotice:
    return NewNotice("room", change.alert.id, change.whats[0], "waiting", facts.now)


def test_it_says_how_channels_are_and_what_was_sent(city: Api, office: Browser) -> None:
    page = office.open("/delivery")
    assert page.status == 200
    assert "room webhook not tried yet" in page.text
    assert f"{ODD.name} apprise switched off" in page.text
    assert "Nothing was sent yet." in page.text
    tell(city, "a", Answer(ok=True, why="", status=204))
    assert "room webhook works" in office.open("/delivery").text
    answer = Answer(ok=False, why=f"it said {HOSTILE}", status=503)
    tell(city, "b", answer, paused_s=60)
    page = office.open("/delivery")
    assert "room webhook fails, paused failures in a row: 1" in page.text
    assert "script" not in page.tags
    assert f"it said {HOSTILE}" in page.text
    assert "room b new failed 503" in page.text
    assert "room a new arrived 204 0.25 s" in page.text
    # nothing of where a channel leads is said
    assert "hooks.example" not in page.answer.text


def test_a_test_message_is_queued_for_a_channel_that_there_is(city: Api, office: Browser) -> None:
    page = office.open("/delivery")
    sent = office.send(page, "/delivery/room/test")
    assert went_to(sent) == "/delivery?tested=1&channel=room"
    letter = city.store.notices.claim("room", Judged(), by="tests", lease_s=60)
    assert letter is not None
    assert letter.what.startswith("test:")
    (entry,) = record(city, "channel.tested")
    assert (entry.actor, entry.object) == ("Boss", "room")
    assert "on its way" in office.open("/delivery", tested="1").text
    token = dict(page.form("/delivery/room/test").fields)
    off = f"/delivery/{quote(ODD.name, safe='')}/test"
    for path in ("/delivery/none/test", "/delivery/canary/test", "/delivery/room/other", off):
        assert office.client.post(path, data=token).status_code == 404
    assert len(record(city, "channel.tested")) == 1
    # one that is switched off has no button
    assert [form.action for form in page.forms if "/test" in form.action] == ["/delivery/room/test"]
    off = PLAIN.model_copy(update={"enabled": False})
    city.store.alerting.apply(Alerting(channels=(off,)), TESTER)
    assert office.client.post("/delivery/room/test", data=token).status_code == 404


def test_the_log_is_shown_page_by_page_and_by_channel(city: Api, office: Browser) -> None:
    for number in range(ROWS + 1):
        tell(city, f"a{number}", Answer(ok=True, why="", status=200))
    page = office.open("/delivery", channel="room")
    assert "a1 " in page.text
    assert "a0 " not in page.text
    (older,) = (link for link in page.links if "before=" in link)
    assert "channel=room" in older
    last = office.open(older)
    assert "room a0 new" in last.text
    assert not [link for link in last.links if "before=" in link]
    assert "Nothing was sent yet." in office.open("/delivery", channel="other").text
    assert office.open("/delivery", channel="a\x00b", before="x").status == 200


def test_it_says_how_many_messages_could_not_be_stored(city: Api, office: Browser) -> None:
    assert "rejected" not in office.open("/delivery").text
    city.store.reject("1-1", "no database takes it", "{}")
    page = office.open("/delivery")
    assert "could not be stored: 1." in page.text
    assert "matakota rejected replay --all" in page.text


def test_it_says_how_long_alerts_took(city: Api, office: Browser) -> None:
    now = time.time()
    tell(city, "a", Answer(ok=True, why=""), raised_ts=now - 3, detected_ts=now - 1)
    text = office.open("/delivery").text
    assert "seen by the camera detected 1 2.00 s 2.00 s" in text
    assert "detected kept by the worker 0 – –" in text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ANALYST])
def test_nobody_else_sees_it_or_tests_a_channel(city: Api, role: Role) -> None:
    with browser(city, add_user(city.store, "room1", role)) as room:
        assert room.open("/delivery").status == 403
        page = room.open("/account")
        token = dict(page.form("/leave").fields)
        assert room.client.post("/delivery/room/test", data=token).status_code == 403
        assert "/delivery" not in page.links
        assert ("/silences" in page.links) is (role is not Role.ANALYST)
    assert record(city, "channel.tested") == []


def test_without_the_token_of_its_form_nothing_is_sent(city: Api, office: Browser) -> None:
    assert office.client.post("/delivery/room/test").status_code == 403
    assert record(city, "channel.tested") == []
