"""Silences as a page: whoever handles alerts makes and ends those of their cameras, with a reason
and an end; who only reads alerts sees them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api.access import Role
from api.alerting.settings import Matcher
from api.forms.silences import LENGTHS
from api.store.facts import Silence
from tests.api.forms.pages import HOSTILE, Browser, browser, record, went_to
from tests.api.served import TESTER, Api, add_user, report

HOUR_S = 3600.0


@contextmanager
def desk(city: Api, role: Role, *cameras: str) -> Iterator[Browser]:
    """The browser of somebody new."""
    user = add_user(city.store, f"room {role}", role, cameras=cameras)
    with browser(city, user) as opened:
        yield opened


def silenced(city: Api, *cameras: str, reason: str = "Works", **more: object) -> Silence:
    now = time.time()
    match = Matcher.model_validate({"cameras": cameras, **more})
    return city.store.alerting.silence(
        match, reason, starts_at=now, ends_at=now + HOUR_S, by=TESTER
    )


@pytest.fixture(autouse=True)
def cameras(city: Api) -> None:
    city.store.cameras.save(report(1.0, "plaza", "road"))


def test_an_operator_silences_own_cameras(city: Api) -> None:
    with desk(city, Role.OPERATOR, "plaza", "pier") as room:
        page = room.open("/silences")
        form = page.form("/silences")
        assert form.boxes["cameras"] == ["plaza"]
        assert "every_camera" not in form.boxes
        before = time.time()
        sent = room.send(
            page, "/silences", cameras=["plaza"], kinds=["crowd", "queue"], severities=["low"],
            rules="crowd@lawn\n\n queue@gate ", reason="  A fair,  on the square ", length="8h",
        )  # fmt: skip
        assert went_to(sent) == "/silences?saved=1"
        (made,) = city.store.alerting.silences(only=None)
        assert made.match == Matcher(
            severities=("low",), kinds=("crowd", "queue"), cameras=("plaza",),
            rules=("crowd@lawn", "queue@gate"),
        )  # fmt: skip
        assert (made.reason, made.created_by) == ("A fair, on the square", "room operator")
        assert 8 * HOUR_S - 1 <= made.ends_at - before <= 8 * HOUR_S + 60
        shown = room.open("/silences").text
        assert "cameras: Plaza incidents: Crowd , Queue" in shown
        assert "A fair, on the square" in shown
        (entry,) = record(city, "silence.created")
        assert (entry.actor, entry.object) == ("room operator", str(made.id))


def test_one_is_ended_at_once(city: Api) -> None:
    made = silenced(city, "plaza")
    with desk(city, Role.OPERATOR, "plaza") as room:
        page = room.open("/silences")
        assert went_to(room.send(page, f"/silences/{made.id}/end")) == "/silences?ended=1"
        assert city.store.alerting.silences(only=None) == []
        # a second time there is nothing to end
        assert room.send(page, f"/silences/{made.id}/end").status == 404
        assert "Which are over (1)" in room.open("/silences").text
    (entry,) = record(city, "silence.ended")
    assert entry.actor == "room operator"


def test_a_viewer_sees_them_and_changes_none(city: Api) -> None:
    made = silenced(city, "plaza", reason="Seen by all")
    silenced(city, "road", reason="Of another camera")
    silenced(city, "plaza", "road", reason="Of both")
    silenced(city, kinds=("crowd",), reason="Of every camera")
    with desk(city, Role.VIEWER, "plaza") as room:
        page = room.open("/silences")
        assert page.status == 200
        assert "Seen by all" in page.text
        assert "Of" not in page.text.replace("Of what comes", "").split("Seen by all")[1]
        assert [form.action for form in page.forms] == ["/language", "/theme", "/leave"]
        token = page.form("/leave").fields
        for path in ("/silences", f"/silences/{made.id}/end"):
            assert room.client.post(path, data=dict(token)).status_code == 403
    assert len(city.store.alerting.silences(only=None)) == 4
    with desk(city, Role.ANALYST, "plaza") as other:
        assert other.open("/silences").status == 403


def test_an_operator_of_other_cameras_ends_and_silences_none(city: Api) -> None:
    made = silenced(city, "plaza")
    both = silenced(city, "plaza", "road")
    with desk(city, Role.OPERATOR, "road") as room:
        page = room.open("/silences")
        assert "Works" not in page.text
        sent = dict(page.form("/silences").fields)
        for silence in (made, both):
            answer = room.client.post(f"/silences/{silence.id}/end", data=sent)
            assert answer.status_code == 404
        for more in ({"cameras": ["plaza"]}, {"cameras": ["plaza", "road"]}):
            refused = room.send(page, "/silences", reason="x", **more)
            assert (refused.status, "not yours" in refused.problem) == (422, True)
        refused = room.send(page, "/silences", reason="x", every_camera="1", kinds=["crowd"])
        assert (refused.status, "of your cameras" in refused.problem) == (422, True)
    assert len(city.store.alerting.silences(only=None)) == 2


def test_without_the_token_of_its_form_nothing_is_taken(city: Api) -> None:
    made = silenced(city, "plaza")
    with desk(city, Role.OPERATOR, "plaza") as room:
        for path, data in (
            ("/silences", {"cameras": "plaza", "reason": "x", "length": "1h"}),
            (f"/silences/{made.id}/end", {}),
        ):
            assert room.client.post(path, data=data).status_code == 403
    assert city.store.alerting.silences(only=None) == [made]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"reason": ""}, "reason is missing"),
        ({"reason": " \t"}, "reason is missing"),
        ({"reason": "x" * 501}, "500"),
        ({"reason": "a\u202eb"}, "cannot be seen"),
        ({"length": None}, "end is missing"),
        ({"length": "until"}, "end is missing"),
        ({"length": "1h", "until": "2026-01-31T07:00"}, "two ends"),
        ({"length": "until", "until": "soon"}, "soon"),
        ({"length": "until", "until": "2026-01-31T07:00"}, "over already"),
        ({"length": "until", "until": "9000-01-31T07:00"}, "30 days"),
        ({"length": "9h"}, "end is missing"),
        ({"cameras": []}, "at least one"),
        ({"cameras": [], "every_camera": "1"}, "silence everything"),
        ({"cameras": ["<b>"]}, "not yours"),
        ({"rules": "x" * 121}, "cannot be a rule"),
        ({"rules": "a\u202eb"}, "cannot be a rule"),
        ({"rules": "\n".join(str(n) for n in range(51))}, "at most 50"),
    ],
)
def test_what_cannot_be_taken_is_said_and_what_was_written_stays(
    city: Api, office: Browser, sent: dict[str, str | list[str] | None], said: str
) -> None:
    values: dict[str, object] = {"cameras": ["plaza"], "reason": "Works", "length": "1h"}
    page = office.send(office.open("/silences"), "/silences", **(values | sent))
    assert page.status == 422
    assert said in page.problem
    if "reason" not in sent:
        assert page.form("/silences").values("reason") == ["Works"]
    assert city.store.alerting.silences(only=None) == []


def test_whoever_sees_every_camera_silences_a_kind_everywhere_until_a_time(
    city: Api, office: Browser
) -> None:
    until = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 48 * HOUR_S))
    sent = office.send(
        office.open("/silences"), "/silences", every_camera="1", kinds=["crowd"],
        reason=HOSTILE, length="until", until=until,
    )  # fmt: skip
    assert went_to(sent) == "/silences?saved=1"
    (made,) = city.store.alerting.silences(only=None)
    assert made.match == Matcher(kinds=("crowd",))
    # as the city's clocks show it, which are 8 hours ahead of UTC
    assert 39 * HOUR_S < made.ends_at - made.created_at <= 40 * HOUR_S
    page = office.open("/silences")
    assert "script" not in page.tags
    assert HOSTILE in page.text
    assert "cameras: every camera incidents: Crowd" in page.text


def test_every_length_is_taken(city: Api, office: Browser) -> None:
    for length in LENGTHS:
        page = office.open("/silences")
        went_to(office.send(page, "/silences", cameras=["plaza"], reason=length, length=length))
    made = city.store.alerting.silences(only=None)
    assert [each.reason for each in made] == ["1h", "8h", "24h", "7d"]


@pytest.mark.parametrize("path", ["/silences/77/end", "/silences/x/end", "/silences/1/other"])
def test_a_silence_that_is_not_there_is_not_ended(city: Api, office: Browser, path: str) -> None:
    silenced(city, "plaza")
    sent = dict(office.open("/silences").form("/silences").fields)
    assert office.client.post(path, data=sent).status_code == 404
