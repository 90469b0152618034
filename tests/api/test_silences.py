"""Silences as a client sees them, over a real socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.access import Role
from api.alerting.settings import Alerting, Site
from api.store import Store
from api.times import iso
from tests.api.served import TESTER, Api, add_key, add_user, api, person, sqlite_url

SILENCES = "/api/v1/silences"
SITES = (Site(name="port", cameras=("gate", "quay")), Site(name="city", cameras=("plaza",)))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as running:
        store.alerting.apply(Alerting(sites=SITES), TESTER)
        yield running


def body(**more: Any) -> dict[str, Any]:
    values = {"match": {"cameras": ["plaza"]}, "reason": "paint", "end": iso(time.time() + 3600)}
    return values | more


def keyed(served: Api, *cameras: str) -> httpx.Client:
    key = add_key(served.store, "some", cameras=cameras)
    headers = {"authorization": f"Bearer {key}"}
    return httpx.Client(base_url=served.client.base_url, headers=headers, timeout=30)


def detail(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    said = response.json()["detail"]
    assert "\n" not in said
    return str(said)


def test_made_listed_and_ended(served: Api) -> None:
    sent = body(match={"cameras": ["plaza"], "severities": ["low"], "places": ["lawn"]})
    made = served.client.post(SILENCES, json=sent)
    assert made.status_code == 201
    answer = made.json()
    assert answer["end"] == sent["end"]
    assert answer["start"] == answer["created"]
    assert (answer["reason"], answer["created_by"]) == ("paint", "tests")
    assert answer["match"] == {
        "severities": ["low"], "kinds": [], "cameras": ["plaza"], "sites": [], "rules": [],
        "places": ["lawn"],
    }  # fmt: skip
    assert served.client.get(SILENCES).json() == {"silences": [answer]}
    ended = served.client.post(f"{SILENCES}/{answer['id']}/end")
    assert ended.status_code == 200
    assert ended.json()["end"] < answer["end"]
    assert served.client.get(SILENCES).json() == {"silences": []}
    over = served.client.get(SILENCES, params={"ended": "true"}).json()
    assert over == {"silences": [ended.json()]}
    said = detail(served.client.post(f"{SILENCES}/{answer['id']}/end"), 404)
    assert said.startswith(f"there is no silence '{answer['id']}'")


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.0", "9" * 19, "9" * 30, "١", "1%0a"])
def test_what_is_no_silence(served: Api, number: str) -> None:
    assert "there is no silence" in detail(served.client.post(f"{SILENCES}/{number}/end"), 404)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"reason": ""}, "reason: "),
        ({"reason": "  "}, "a silence has a reason"),
        ({"reason": 7}, "reason: "),
        ({"end": "2020-01-01T00:00:00Z"}, "later than now"),
        ({"end": "tomorrow"}, "end: write a time as"),
        ({"end": iso(time.time() + 40 * 86_400)}, "lasts 30 days at most"),
        ({"match": {}}, "a silence of everything is none"),
        ({"match": {"cameras": "plaza"}}, "match.cameras: "),
        ({"match": {"cameras": ["x"] * 501}}, "match.cameras: "),
        ({"match": {"severities": ["urgent"]}}, "match.severities.0: "),
        ({"match": {"camera": ["plaza"]}}, "match.camera: this is unknown here"),
        ({"match": {"sites": ["nowhere"]}}, "match.sites: there is no site 'nowhere'"),
        ({"until": 1}, "until: this is unknown here"),
    ],
)
def test_what_is_refused(served: Api, more: dict[str, Any], said: str) -> None:
    assert said in detail(served.client.post(SILENCES, json=body(**more)), 422)
    assert served.client.get(SILENCES).json() == {"silences": []}


def test_bodies_that_are_none(served: Api) -> None:
    assert served.client.post(SILENCES, content="{").status_code == 422
    assert served.client.post(SILENCES, content=b"\xff").status_code == 422
    assert served.client.post(SILENCES, content=" " * 70_000).status_code == 413


def test_who_sees_some_cameras_silences_those_alone(served: Api) -> None:
    with keyed(served, "plaza", "gate") as client:

        def asked(**match: Any) -> httpx.Response:
            return client.post(SILENCES, json=body(match=match))

        made = asked(cameras=["plaza", "gate"], kinds=["crowd"])
        assert made.status_code == 201
        # of another's camera nothing is said, whether there is one or not
        assert detail(asked(cameras=["plaza", "quay"]), 404) == (
            "there is no camera 'quay': GET /api/v1/cameras lists those that are"
        )
        for match in ({}, {"kinds": ["crowd"]}, {"severities": ["low"]}, {"sites": ["port"]}):
            assert detail(asked(**match), 422).startswith("match: name cameras of yours")
        # a site of theirs is its cameras
        of_site = asked(sites=["city"]).json()["match"]
        assert (of_site["cameras"], of_site["sites"]) == (["plaza"], [])
        part = asked(sites=["port"], cameras=["gate"]).json()["match"]
        assert (part["cameras"], part["sites"]) == (["gate"], [])
        # what fits nothing is no way to silence everything
        assert detail(asked(sites=["city"], cameras=["gate"]), 422).startswith("match: ")
        every = served.client.post(SILENCES, json=body(match={"kinds": ["crowd"]})).json()
        foreign = served.client.post(SILENCES, json=body(match={"cameras": ["quay"]})).json()
        seen = [each["id"] for each in client.get(SILENCES).json()["silences"]]
        assert len(seen) == 3
        assert not {every["id"], foreign["id"]} & {*seen}
        for each in (every, foreign):
            assert detail(client.post(f"{SILENCES}/{each['id']}/end"), 404)
        assert client.post(f"{SILENCES}/{made.json()['id']}/end").status_code == 200
    assert len(served.client.get(SILENCES).json()["silences"]) == 4


def test_a_site_of_other_cameras_is_as_one_that_is_not(served: Api) -> None:
    with keyed(served, "plaza") as client:
        said = [
            detail(client.post(SILENCES, json=body(match={"sites": [name]})), 422)
            for name in ("port", "none")
        ]
    assert said[0].replace("port", "none") == said[1] == "match.sites: there is no site 'none'"


def test_who_reads_alerts_sees_silences_and_makes_none(served: Api) -> None:
    user = add_user(served.store, "room1", Role.VIEWER, cameras=["plaza"])
    served.client.post(SILENCES, json=body())
    with person(served, user) as client:
        assert len(client.get(SILENCES).json()["silences"]) == 1
        assert client.post(SILENCES, json=body()).status_code == 403
        assert client.post(f"{SILENCES}/1/end").status_code == 403


def test_the_description_shows_the_body(served: Api) -> None:
    schema = served.client.get("/openapi.json").json()
    assert {"SilenceIn", "MatchIn", "SilenceOut"} <= set(schema["components"]["schemas"])
