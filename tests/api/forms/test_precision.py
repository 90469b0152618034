"""How often rules were right, as a page: in both languages, of own cameras, and harmless."""

from __future__ import annotations

import time
from typing import Any

import pytest

from api.access import Role
from api.forms import precision
from api.i18n import LANGUAGES, texts
from api.times import local
from tests.api.forms.pages import HOSTILE, Browser, browser
from tests.api.served import TESTER, Api, add_user, alert, report

PATH = "/precision"
DAY_S = 86_400


def judge(city: Api, true: int, false: int, unjudged: int = 0, **more: Any) -> None:
    """Alerts that were raised a minute ago, and closed so."""
    now = time.time() - 60
    outcomes = ["true"] * true + ["false"] * false + [""] * unjudged
    names = [f"a{time.monotonic_ns()}-{n}" for n in range(len(outcomes))]
    city.store.record([alert(name, start_ts=now, raised_ts=now, **more) for name in names])
    for name, outcome in zip(names, outcomes, strict=True):
        if outcome:
            city.store.cases.resolve(
                name, "true" if outcome == "true" else "false", "", TESTER, edit=0, only=None
            )


def test_it_shows_each_rule_the_worst_first(city: Api, office: Browser) -> None:
    judge(city, 1, 19, 3, camera="gate", kind="crowd", rule="crowd")
    judge(city, 19, 1, camera="plaza")
    judge(city, 0, 0, 2, camera="quay", kind="queue", rule="queue@pier")
    page = office.open(PATH)
    assert page.status == 200
    assert "gate Crowd 5% (1%–24%) mostly false 1 19 3 23" in page.text
    assert "plaza Intrusion intrusion@lawn 95% (76%–99%) mostly true 19 1 0 20" in page.text
    assert "quay Queue queue@pier not judged yet 0 0 2 2" in page.text
    order = [page.text.index(word) for word in ("mostly false", "mostly true", "not judged yet")]
    assert order == sorted(order)
    assert page.tags.count("svg") == 2
    assert "Begin at the top" in page.text
    assert "script" not in page.tags
    # what cannot be told yet is not called good or bad
    judge(city, 1, 1, camera="road", kind="queue", rule="r")
    assert "50% (9%–91%) not certain" in office.open(PATH).text


def test_it_speaks_the_language_of_whoever_looks(city: Api, office: Browser) -> None:
    judge(city, 1, 19, camera="gate", kind="crowd", rule="crowd")
    office.client.headers["accept-language"] = "id"
    page = office.open(PATH)
    assert "Seberapa sering aturan benar" in page.text
    assert "gate Kerumunan 5% (1%–24%) kebanyakan palsu 1 19 0 20" in page.text
    assert "Begin at the top" not in page.text
    refused = office.open(PATH, **{"from": "kemarin"})
    assert (refused.status, refused.problem[:9]) == (422, "“kemarin”")


@pytest.mark.parametrize(("language", "said"), [("id", "1.234.567"), ("en", "1,234,567")])
def test_numbers_are_written_as_people_do(language: str, said: str) -> None:
    (wanted,) = [each for each in LANGUAGES if each == language]
    assert precision._number(texts(wanted), 1_234_567) == said
    assert set(precision.DOTS) == set(LANGUAGES)


def test_it_filters_by_camera_kind_and_time(city: Api, office: Browser) -> None:
    city.store.cameras.save(report(time.time(), "plaza", "gate"))
    judge(city, 1, 0, camera="gate", kind="crowd", rule="crowd")
    judge(city, 0, 1, camera="plaza", rule="fence")
    page = office.open(PATH, camera="plaza")
    assert "fence" in page.text
    assert "100%" not in page.text
    assert page.form(PATH).values("camera") == ["plaza"]
    (csv,) = (link for link in page.links if ".csv" in link)
    table = office.client.get(csv)
    assert (table.status_code, table.text.count("\n")) == (200, 2)
    assert "100%" in office.open(PATH, kind="crowd").text
    other = office.open(PATH, kind="zebra", camera="a\0 b")
    assert other.form(PATH).values("kind") == ["zebra"]
    assert "No alerts of these were raised in this time." in other.text
    tomorrow = f"{local(time.time() + DAY_S):%Y-%m-%dT%H:%M}"
    assert "fence" in office.open(PATH, to=tomorrow).text
    yesterday = f"{local(time.time() - DAY_S):%Y-%m-%dT%H:%M}"
    assert "fence" not in office.open(PATH, to=yesterday).text
    assert "fence" in office.open(PATH, **{"from": yesterday}).text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"from": "2026-01-31T07:00", "to": "2026-01-31T07:00"}, "Nothing lies between these"),
        ({"from": "2999-01-31T07:00"}, "Nothing lies between these"),
        ({"from": "2020-01-31T07:00"}, "At most 366 days are looked at: choose a shorter time."),
        ({"to": "soon"}, "“soon” is no time"),
    ],
)
def test_what_is_wrong_is_said(office: Browser, query: dict[str, str], said: str) -> None:
    page = office.open(PATH, **query)
    assert page.status == 422
    assert page.problem.startswith(said)
    # what was chosen is still there to be corrected
    assert all(value in page.answer.text for value in query.values())


def test_whoever_sees_one_camera_is_told_of_that_alone(city: Api) -> None:
    city.store.cameras.save(report(time.time(), "plaza", "gate"))
    judge(city, 1, 0, camera="plaza")
    judge(city, 1, 0, camera="gate")
    jaga = add_user(city.store, "jaga", Role.VIEWER, cameras=["plaza"])
    with browser(city, jaga) as room:
        page = room.open(PATH)
        assert "Plaza Intrusion" in page.text
        assert "gate" not in page.answer.text.lower()
        assert PATH in page.links
        assert "No alerts of these" in room.open(PATH, camera="gate").text


def test_whoever_reads_no_alerts_does_not_see_it(city: Api) -> None:
    with browser(city, add_user(city.store, "kendali", Role.ANALYST)) as room:
        assert room.open(PATH).status == 403
        assert PATH not in room.open("/account").links


def test_hostile_names_are_only_text(city: Api, office: Browser) -> None:
    judge(city, 0, 1, camera=HOSTILE, kind="<b>x", rule=HOSTILE)
    page = office.open(PATH, camera=HOSTILE, kind="<b>x")
    assert page.text.count(HOSTILE) == 3
    assert "script" not in page.tags
    assert page.tags.count("img") == 1, "the program's own"


def test_only_the_first_are_shown(
    city: Api, office: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "ROWS", 1)
    judge(city, 0, 9, camera="gate")
    assert "The CSV has more" not in office.open(PATH).text
    judge(city, 9, 0, camera="plaza")
    page = office.open(PATH)
    assert "These are the first 1. The CSV has more." in page.text
    assert "mostly true" not in page.text
