"""Where cameras are, as a page: to scale, with what is left to do, of own cameras, and harmless."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from api.access import Role
from api.alerting.settings import Alerting, Site
from api.forms.city_map import EDGE, HEIGHT, WIDTH, Frame
from api.i18n import texts
from api.positions import distance_m
from api.store.handovers import Waiting
from streams.config import CameraConfig, City, Position
from tests.api.forms.pages import NAMES, Browser, Page, browser
from tests.api.served import TESTER, Api, add_user, alert, report

PATH = "/map"
LOSARI, KAREBOSI, HARBOUR = (-5.1436, 119.4076), (-5.1349, 119.4137), (-5.1128, 119.4127)
_ = texts("en")


def configured(city: Api, *cameras: tuple[str, str, Position | None]) -> None:
    made = tuple(
        CameraConfig(id_, name, "synthetic", None, "motion", 5.0, None, None, position=position)
        for id_, name, position in cameras
    )
    city.store.configuration.apply(City("Makassar", (), None, made), TESTER)


def spots(page: Page) -> dict[str, tuple[float, float]]:
    """Where the page draws each camera, by the link that it is."""
    drawn = re.findall(
        r'href="/map\?camera=([^"]+)" aria-label[^>]+><g transform="translate\(([\d.]+) ([\d.]+)\)',
        page.answer.text,
    )
    return {name: (float(x), float(y)) for name, x, y in drawn}


def state(city: Api, name: str, camera: str, severity: str, ago: float = 60, **more: Any) -> None:
    at = time.time() - ago
    city.store.record([
        alert(name, camera=camera, severity=severity, start_ts=at, raised_ts=at, **more)
    ])  # fmt: skip


def test_cameras_are_drawn_where_they_stand(city: Api, office: Browser) -> None:
    configured(
        city, ("losari", "Losari", LOSARI), ("karebosi", "Karebosi", KAREBOSI),
        ("harbour", "Harbour", HARBOUR), ("hall", "Hall", None),
    )  # fmt: skip
    city.store.cameras.save(report(time.time(), "losari"))
    state(city, "a1", "losari", "medium", 10)
    state(city, "a2", "losari", "critical", 90)
    state(city, "a3", "losari", "critical", 60)
    state(city, "done", "karebosi", "critical")
    city.store.cases.resolve("done", "true", "", TESTER, edit=0, only=None)
    page = office.open(PATH)
    assert page.status == 200
    at = spots(page)
    assert at.keys() == {"losari", "karebosi", "harbour"}
    # north is up, west is left
    assert at["harbour"][1] < at["karebosi"][1] < at["losari"][1]
    assert at["losari"][0] < at["harbour"][0] < at["karebosi"][0]
    assert "Losari live ■ 3 alerts to do, critical" in page.text
    assert "/room/#a3" in page.links
    assert "Hall not on the map: nobody said where it stands unknown –" in page.text
    assert page.answer.text.count('class="mark critical"') == 1
    # live and not live look otherwise
    assert page.answer.text.count('class="away"') == 2
    assert page.answer.headers["refresh"] == "30"
    assert "script" not in page.tags


def test_around_one_are_those_beside_it(city: Api, office: Browser) -> None:
    far = [(f"far{n}", f"Far {n}", (-6.0 - n, 119.0)) for n in range(6)]
    configured(
        city, ("losari", "Losari", LOSARI), ("karebosi", "Karebosi", KAREBOSI),
        ("hall", "Hall", None), *far,
    )  # fmt: skip
    city.store.alerting.apply(Alerting(sites=(Site(name="s", cameras=("hall", "losari")),)), TESTER)
    page = office.open(PATH, camera="losari")
    assert "Around Losari" in page.text
    assert spots(page).keys() == {"losari", "karebosi", *(f"far{n}" for n in range(5))}
    assert page.answer.text.count('class="chosen"') == 1
    hall = office.open(PATH, camera="hall")
    assert spots(hall).keys() == {"losari"}
    unknown = office.open(PATH, camera="<b>")
    assert "There is no such camera" in unknown.text
    assert len(spots(unknown)) == 8


def test_without_positions_it_says_what_to_do(city: Api, office: Browser) -> None:
    configured(city, ("hall", "Hall", None))
    page = office.open(PATH)
    assert "write its “position” into the city's file" in page.text
    assert "svg" not in page.tags
    office.client.headers["accept-language"] = "id"
    assert "Di mana kamera berada" in office.open(PATH).text


def test_whoever_sees_one_camera_is_shown_that_alone(city: Api) -> None:
    configured(city, ("losari", "Losari", LOSARI), ("gate", "Gate", HARBOUR))
    city.store.alerting.apply(Alerting(sites=(Site(name="s", cameras=("gate", "losari")),)), TESTER)
    for camera in ("losari", "gate"):
        state(city, f"at-{camera}", camera, "high")
    jaga = add_user(city.store, "jaga", Role.VIEWER, cameras=["losari"])
    with browser(city, jaga) as room:
        for query in ({}, {"camera": "losari"}):
            page = room.open(PATH, **query)
            assert spots(page).keys() == {"losari"}
            assert "gate" not in page.answer.text.lower()
        # one that is another's is told from none by nothing
        foreign = room.open(PATH, camera="gate").answer.text.replace("gate", "none")
        absent = room.open(PATH, camera="none").answer.text
        assert re.sub(r'\d\d:\d\d:\d\d|value="\w{64}"', "", foreign) == re.sub(
            r'\d\d:\d\d:\d\d|value="\w{64}"', "", absent
        )
    with browser(city, add_user(city.store, "kendali", Role.ANALYST)) as other:
        assert other.open(PATH).status == 403


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_only_text(city: Api, office: Browser, name: str) -> None:
    configured(city, ("losari", name, LOSARI))
    page = office.open(PATH, camera="losari")
    assert page.text.count(name) >= 3
    assert "script" not in page.tags
    assert page.tags.count("img") == 1, "the program's own"


def test_what_is_left_to_do_by_camera(city: Api) -> None:
    state(city, "low", "gate", "low", 5)
    state(city, "old", "gate", "high", 50)
    state(city, "new", "gate", "high", 20)
    state(city, "other", "quay", "low")
    found = city.store.handovers.waiting
    assert found(only=None) == {
        "gate": Waiting(3, "high", "new"), "quay": Waiting(1, "low", "other"),
    }  # fmt: skip
    assert found(only=frozenset({"quay"})) == {"quay": Waiting(1, "low", "other")}
    assert found(only=frozenset()) == {}


@pytest.mark.parametrize(
    "positions",
    [
        [LOSARI, KAREBOSI, HARBOUR],
        [LOSARI],
        [(0.0, 179.99), (0.01, -179.99)],
        [(-90.0, 0.0), (90.0, 180.0)],
        [(60.0, 10.0), (60.0, 10.4)],
    ],
)
def test_all_is_within_the_drawing_and_to_scale(positions: list[Position]) -> None:
    frame = Frame(positions)
    at = [frame.at(position) for position in positions]
    for x, y in at:
        assert EDGE - 1e-6 <= x <= WIDTH - EDGE + 1e-6
        assert EDGE - 1e-6 <= y <= HEIGHT - EDGE + 1e-6
    scale = frame.scale(_)
    assert WIDTH / 12 < scale.length <= WIDTH / 4
    number, unit = scale.said.split()
    metres = float(number) * (1000 if unit == "km" else 1)
    if len(positions) > 1 and distance_m(positions[0], positions[1]) < 100_000:
        (x, y), (x_2, y_2) = at[:2]
        drawn = ((x - x_2) ** 2 + (y - y_2) ** 2) ** 0.5
        assert drawn / scale.length * metres == pytest.approx(
            distance_m(positions[0], positions[1]), rel=0.01
        )
