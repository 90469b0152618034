"""Which open alerts hide others."""

from __future__ import annotations

from typing import Any

import pytest

from api.alerting.decide import Decider
from api.alerting.inhibiting import Inhibitors
from api.alerting.matching import SITE_DOWN
from api.alerting.settings import Alerting, Inhibition, Matcher, Site
from api.store.alerts import StoredAlert
from streams.messages import SYSTEM_CAMERA
from tests.api.alerting.made import stored
from tests.api.served import DAY

SITES = (Site(name="port", cameras=("gate", "quay")),)
USING = Alerting(
    sites=SITES,
    inhibitions=(
        Inhibition(
            name="jam",
            source=Matcher(kinds=("queue",)),
            target=Matcher(kinds=("stopped_vehicle", "queue")),
            same="camera",
        ),
        Inhibition(
            name="fair",
            source=Matcher(kinds=("crowd",), severities=("high",)),
            target=Matcher(kinds=("loitering",)),
            same="site",
        ),
    ),
)


def hidden(alert: StoredAlert, *others: StoredAlert, using: Alerting = USING) -> str | None:
    return Inhibitors(using, (alert, *others)).hides(alert)


def site_is_down(**more: Any) -> StoredAlert:
    values = {"kind": SITE_DOWN, "camera": SYSTEM_CAMERA, "place": "port", "rule": SITE_DOWN}
    return stored("site", **(values | more))


@pytest.mark.parametrize(
    ("source", "target", "name"),
    [
        # a bad view hides what the camera's other rules see, and nothing about the camera itself
        ({"kind": "camera_moved"}, {}, "bad view"),
        ({"kind": "camera_covered"}, {"kind": "smoke_fire"}, "bad view"),
        ({"kind": "camera_dark"}, {"kind": "a kind of another program"}, "bad view"),
        ({"kind": "camera_moved"}, {"kind": "camera_dark"}, None),
        ({"kind": "camera_moved"}, {"kind": "camera_down"}, None),
        ({"kind": "camera_moved"}, {"kind": "stream_corrupt"}, None),
        ({"kind": "camera_moved", "camera": "gate"}, {}, None),
        ({"kind": "camera_frozen"}, {}, None),
        # it had to begin before the other was raised
        ({"kind": "camera_moved", "start_ts": DAY + 1}, {}, "bad view"),
        ({"kind": "camera_moved", "start_ts": DAY + 2}, {}, None),
        ({"kind": "camera_moved", "state": "closed"}, {}, None),
        ({"kind": "camera_moved", "status": "resolved"}, {}, None),
        ({"kind": "camera_moved", "status": "acknowledged"}, {}, "bad view"),
        # these must be told whatever else there is
        ({"kind": "camera_moved"}, {"severity": "critical"}, None),
        ({"kind": "camera_moved"}, {"opened_by": "jaga"}, None),
        # the settings' own
        ({"kind": "queue"}, {"kind": "stopped_vehicle"}, "'jam'"),
        ({"kind": "queue"}, {"kind": "intrusion"}, None),
        ({"kind": "queue", "camera": "gate"}, {"kind": "stopped_vehicle"}, None),
        # a source of it is no target of it
        ({"kind": "queue"}, {"kind": "queue"}, None),
        ({"kind": "crowd", "camera": "gate"}, {"kind": "loitering", "camera": "quay"}, "'fair'"),
        ({"kind": "crowd", "camera": "gate", "severity": "low"},
         {"kind": "loitering", "camera": "quay"}, None),
        ({"kind": "crowd", "camera": "gate"}, {"kind": "loitering"}, None),
        # cameras that belong to no site are not of the same one
        ({"kind": "crowd", "camera": "x"}, {"kind": "loitering", "camera": "y"}, None),
    ],
)  # fmt: skip
def test_what_hides_what(source: dict[str, Any], target: dict[str, Any], name: str | None) -> None:
    why = hidden(stored("target", **target), stored("source", **source))
    assert why is None if name is None else why is not None and f"({name})" in why
    if why is not None:
        assert why.endswith("is open: source")
    assert hidden(stored("target", **target)) is None


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"camera": "gate", "kind": "camera_down"}, "site down"),
        # which was raised when the site's alert had not begun
        ({"camera": "quay", "kind": "camera_down", "raised_ts": DAY - 9}, "site down"),
        ({"camera": "gate"}, "site down"),
        ({"camera": "gate", "raised_ts": DAY - 9}, None),
        ({"camera": "plaza", "kind": "camera_down"}, None),
        ({"camera": "gate", "kind": "camera_down", "severity": "critical"}, None),
        ({"camera": SYSTEM_CAMERA, "kind": "dead_letter", "place": ""}, None),
    ],
)
def test_a_site_that_is_down(more: dict[str, Any], name: str | None) -> None:
    why = hidden(stored("target", **more), site_is_down())
    assert (why is None) == (name is None)
    assert hidden(site_is_down(), stored("b", camera="gate", kind="camera_moved")) is None
    assert hidden(stored("target", **more), site_is_down(place="elsewhere")) is None


def test_a_site_is_down_where_the_program_itself_says_so() -> None:
    claimed = site_is_down(camera="plaza")
    assert hidden(stored("target", camera="gate", kind="camera_down"), claimed) is None
    # nor is what claims it told more than others
    moved = stored("moved", camera="plaza", kind="camera_moved")
    assert "(bad view)" in (hidden(claimed, moved) or "")


def test_a_bad_view_hides_nothing_where_that_is_not_wanted() -> None:
    using = Alerting(inhibit_bad_views=False)
    assert hidden(stored(), stored("b", kind="camera_moved"), using=using) is None
    assert hidden(stored(), stored("b", kind="camera_moved"), using=Alerting()) is not None


def circle(*kinds: str) -> Alerting:
    """Each kind hides the next one, and the last the first."""
    following = [*kinds[1:], kinds[0]]
    return Alerting(
        inhibitions=tuple(
            Inhibition(
                name=kind, source=Matcher(kinds=(kind,)), target=Matcher(kinds=(other,)),
                same="camera",
            )
            for kind, other in zip(kinds, following, strict=True)
        )
    )  # fmt: skip


@pytest.mark.parametrize("kinds", ["ab", "abc", "abcd"])
def test_of_those_that_hide_each_other_the_first_is_told(kinds: str) -> None:
    for first in range(len(kinds)):
        alerts = [
            stored(kind, kind=kind, raised_ts=DAY + 5 + (i - first) % len(kinds))
            for i, kind in enumerate(kinds)
        ]
        inhibitors = Inhibitors(circle(*kinds), alerts)
        told = [alert.id for alert in alerts if inhibitors.hides(alert) is None]
        assert told == [kinds[first]]
        # and when something outside the circle hides that one, nobody is told
        moved = stored("m", kind="camera_moved")
        assert all(Inhibitors(circle(*kinds), [*alerts, moved]).hides(each) for each in alerts)


def test_the_kinds_that_may_hide_others_are_asked_for() -> None:
    bad = {"camera_covered", "camera_dark", "camera_moved"}
    assert Decider(Alerting()).inhibiting == {SITE_DOWN, *bad}
    assert Decider(USING).inhibiting == {SITE_DOWN, *bad, "queue", "crowd"}
    assert Decider(Alerting(inhibit_bad_views=False)).inhibiting == {SITE_DOWN}
