"""A stricter threshold as a page: asked for from the table of precision, in both languages."""

from __future__ import annotations

import time

import pytest

from api import tries
from api.access import Role
from api.forms import suggestion
from api.ingest import Heard
from streams.commands import NotTried, Suggest, Suggested, TriedValue, decode_command
from streams.messages import encode
from tests.api.answering import answering
from tests.api.forms.pages import HOSTILE, Browser, browser
from tests.api.forms.test_precision import judge
from tests.api.served import Api, add_user, report

PATH = "/precision/suggestion"
ASKED = {"camera": "plaza", "rule": "fence"}
GOOD = TriedValue(setting="dwell_s", value=65, true_kept=1, false_gone=2, later_s=5)
WORSE = TriedValue(setting="dwell_s", value=70, true_kept=0, false_gone=2, later_s=5)
FOUND = Suggested(
    ok=True, kind="loitering", now={"dwell_s": 60}, true_alarms=1, false_alarms=2,
    tried=(GOOD, WORSE), best=GOOD, not_tried=(NotTried(alert="a", true_alarm=True, why="gone"),),
)  # fmt: skip


@pytest.fixture
def judged(city: Api) -> Api:
    """A city whose rule ``fence`` was wrong twice and right once."""
    city.store.cameras.save(report(time.time(), "plaza", "gate"))
    judge(city, 1, 2, camera="plaza", kind="loitering", rule="fence")
    city.ingest.workers = (Heard(report(time.time(), "plaza"), time.monotonic()),)
    return city


def test_the_table_leads_to_it(judged: Api, office: Browser) -> None:
    (link,) = [link for link in office.open("/precision").links if link.startswith(PATH)]
    assert link == f"{PATH}?camera=plaza&rule=fence"
    with answering(judged.control, encode(FOUND)) as asked:
        page = office.open(link)
    assert page.status == 200
    assert "Plaza : fence" in page.text
    assert "Set dwell_s to 65 instead of 60: 2 of 2 false alarms" in page.text
    assert "dwell_s suggested 65 1 / 1 2 / 2 dwell_s 70 0 / 1 2 / 2" in page.text
    assert "Tracks are not kept any more of: 1 alerts." in page.text
    assert "change the setting of this rule in the camera's scene" in page.text
    assert "script" not in page.tags
    wanted = decode_command(asked[0])
    assert isinstance(wanted, Suggest)
    assert (wanted.camera, wanted.rule, len(wanted.closings)) == ("plaza", "fence", 3)


def test_in_the_other_language(judged: Api, office: Browser) -> None:
    office.client.headers["accept-language"] = "id"
    with answering(judged.control, encode(FOUND)):
        page = office.open(PATH, **ASKED, days="31")
    assert "Ubah dwell_s menjadi 65, bukan 60: 2 dari 2 alarm palsu" in page.text
    assert page.form(PATH).values("days") == ["31"]
    assert "Set dwell_s" not in page.text


def test_what_goes_wrong_is_said(
    judged: Api, office: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Suggested(ok=False, refused="busy", message="another one is tried now")
    with answering(judged.control, encode(busy)):
        page = office.open(PATH, **ASKED)
    assert (page.status, page.problem) == (503, suggestion.BUSY)
    monkeypatch.setattr(suggestion, "TIMEOUT_S", 1.0)
    monkeypatch.setattr(tries, "MORE_S", 0.1)
    page = office.open(PATH, **ASKED)
    assert (page.status, page.problem) == (504, suggestion.NO_ANSWER)
    judged.ingest.workers = ()
    page = office.open(PATH, **ASKED)
    assert (page.status, page.problem) == (503, suggestion.NO_WORKER)


def test_nothing_is_asked_where_nobody_closed_one(judged: Api, office: Browser) -> None:
    page = office.open(PATH, camera="plaza", rule="else", days="soon")
    assert page.status == 200
    assert "There is no false alarm on which a threshold could be tried." in page.text


def test_of_own_cameras_and_hostile_names(judged: Api) -> None:
    jaga = add_user(judged.store, "jaga", Role.VIEWER, cameras=["gate"])
    with browser(judged, jaga) as room:
        assert room.open(PATH, **ASKED).status == 404
        page = room.open(PATH, camera="gate", rule=HOSTILE)
        assert (page.status, page.tags.count("img")) == (200, 1)
        assert HOSTILE in page.text
        assert room.open(PATH, camera="a\0").status == 404
    with browser(judged, add_user(judged.store, "kendali", Role.ANALYST)) as other:
        assert other.open(PATH, **ASKED).status == 403
