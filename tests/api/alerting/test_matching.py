"""Which alerts a matcher names."""

from __future__ import annotations

from typing import Any

import pytest

from api.alerting.advise import advice_for
from api.alerting.matching import SITE_DOWN, concerns, fits, site_of
from api.alerting.settings import Advice, Alerting, Matcher, Site
from streams.messages import SYSTEM_CAMERA
from tests.api.alerting.made import stored

SITES = Alerting(
    sites=(Site(name="port", cameras=("gate", "quay")), Site(name="city", cameras=("plaza",)))
)


@pytest.mark.parametrize(
    ("fields", "fitting"),
    [
        ({}, True),
        ({"severities": ("high",)}, True),
        ({"severities": ("low", "critical")}, False),
        ({"kinds": ("crowd", "intrusion")}, True),
        ({"kinds": ("crowd",)}, False),
        ({"cameras": ("plaza", "gate")}, True),
        ({"cameras": ("gate",)}, False),
        ({"sites": ("city",)}, True),
        ({"sites": ("port",)}, False),
        ({"sites": ("nowhere",)}, False),
        ({"rules": ("intrusion@lawn",)}, True),
        ({"rules": ("intrusion",)}, False),
        ({"places": ("lawn",)}, True),
        ({"places": ("", "roof")}, False),
        ({"severities": ("high",), "kinds": ("intrusion",), "cameras": ("plaza",)}, True),
        ({"severities": ("high",), "kinds": ("intrusion",), "cameras": ("gate",)}, False),
    ],
)
def test_every_named_field_fits(fields: dict[str, Any], fitting: bool) -> None:
    matcher = Matcher(**fields)
    assert fits(matcher, stored(), SITES) is fitting
    assert concerns(matcher, stored(), SITES) is fitting


@pytest.mark.parametrize(
    ("fields", "fitting", "concerned"),
    [
        ({}, True, True),
        ({"kinds": (SITE_DOWN,)}, True, True),
        # it hides the camera_down that would have gone there
        ({"kinds": ("camera_down",)}, False, True),
        ({"rules": ("camera_down",)}, False, True),
        ({"kinds": ("intrusion",)}, False, False),
        ({"sites": ("port",)}, True, True),
        ({"sites": ("city",)}, False, False),
        # who may silence one camera does not silence the site
        ({"cameras": ("gate",)}, False, True),
        ({"cameras": ("gate", "quay")}, True, True),
        ({"cameras": ("plaza",)}, False, False),
    ],
)
def test_an_alert_about_a_site(fields: dict[str, Any], fitting: bool, concerned: bool) -> None:
    alert = stored(kind=SITE_DOWN, rule=SITE_DOWN, camera=SYSTEM_CAMERA, place="port")
    assert site_of(alert, SITES) == "port"
    assert fits(Matcher(**fields), alert, SITES) is fitting
    assert concerns(Matcher(**fields), alert, SITES) is concerned


def test_a_camera_of_its_own_may_state_that_kind() -> None:
    """What a program posts about a camera of its own is no alert about a site."""
    alert = stored(kind=SITE_DOWN, camera="plaza", place="port")
    assert site_of(alert, SITES) == "city"
    assert not concerns(Matcher(kinds=("camera_down",)), alert, SITES)


@pytest.mark.parametrize(
    ("cameras", "named", "inside"),
    [
        (None, (), True),
        (None, ("plaza",), True),
        (frozenset({"plaza", "gate"}), ("plaza",), True),
        (frozenset({"plaza"}), ("plaza", "gate"), False),
        (frozenset({"plaza"}), (), False),
        (frozenset[str](), (), False),
    ],
)
def test_within_the_cameras_of_somebody(
    cameras: frozenset[str] | None, named: tuple[str, ...], inside: bool
) -> None:
    assert Matcher(cameras=named, kinds=("intrusion",)).within(cameras) is inside


def test_the_advice_that_says_most_about_an_alert_wins() -> None:
    def advice(text: str, **fields: Any) -> Advice:
        return Advice(match=Matcher(**fields), text=text)

    known = (
        advice("of the port", sites=("port",)),
        advice("of all"),
        advice("of the kind", kinds=("intrusion",)),
        advice("also of the kind", kinds=("intrusion", "crowd")),
        advice("of kind and camera", kinds=("intrusion",), cameras=("plaza",)),
    )

    def found(*pieces: Advice, **more: Any) -> str | None:
        using = Alerting(sites=SITES.sites, advice=pieces)
        said = advice_for(using, stored(**more))
        return None if said is None else said.text

    assert found(*known) == "of kind and camera"
    assert found(*known[:4]) == "of the kind"
    assert found(*known, kind="queue") == "of all"
    assert found(*known, kind="queue", camera="quay") == "of the port"
    assert found(known[0]) is None
    assert found() is None
