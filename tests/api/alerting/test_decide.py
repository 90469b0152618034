"""Who is told of what became of an alert."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from api.alerting.decide import Decider, site_down
from api.alerting.matching import SITE_DOWN
from api.alerting.settings import (
    CANARY_CHANNEL,
    Alerting,
    Escalation,
    Matcher,
    Site,
)
from api.store.facts import Change, Facts, NewNotice
from streams.messages import CANARY, SYSTEM_CAMERA
from tests.api.alerting.made import (
    SOON,
    channel,
    decided,
    letter,
    opened,
    route,
    settings,
    silence,
    stored,
)
from tests.api.served import DAY
from vision.errors import ConfigError

TWO = (channel("room1"), channel("room2", closed=True))


def told(notices: list[NewNotice]) -> list[tuple[str, str, str]]:
    return [(each.channel, each.what, each.state) for each in notices]


def test_what_fits_is_told_once_to_each_channel() -> None:
    using = settings(
        route("room2", match=Matcher(kinds=("intrusion",))),
        route("room1", "room2", name="also"),
        route("room1", name="another", match=Matcher(kinds=("crowd",))),
        channels=TWO,
    )
    assert decided(using, opened()) == [
        NewNotice("room2", "a", "opened", "waiting", SOON),
        NewNotice("room1", "a", "opened", "waiting", SOON),
    ]
    assert decided(using, opened(severity="critical"))[0].urgent
    assert told(decided(using, opened(kind="crowd"))) == [
        ("room1", "opened", "waiting"), ("room2", "opened", "waiting"),
    ]  # fmt: skip
    assert decided(settings(route(match=Matcher(kinds=("crowd",)))), opened()) == []
    assert decided(Alerting(), opened()) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(stored(), ()), []),
        (Change(stored(), ("severity:high",)), ["room1 severity:high", "room2 severity:high"]),
        (Change(stored(state="closed"), ("closed",)), ["room2 closed"]),
        (
            Change(stored(state="closed"), ("opened", "closed")),
            ["room1 opened", "room2 opened", "room2 closed"],
        ),
        (Change(stored(merged_into="b"), ("opened", "severity:high", "closed")), []),
    ],
)
def test_what_became_of_it(change: Change, expected: list[str]) -> None:
    using = settings(route("room1", "room2"), channels=TWO)
    found = decided(using, change)
    assert [f"{each.channel} {each.what}" for each in found] == expected
    assert {each.state for each in found} <= {"waiting"}


def test_the_end_is_told_only_where_the_beginning_was() -> None:
    using = settings(route("room2"), channels=TWO)
    end = Change(stored(state="closed"), ("closed",))
    (found,) = decided(using, end, untold=frozenset({("room2", "a")}))
    assert (found.state, found.why) == ("suppressed", "the channel was not told of its beginning")
    (found,) = decided(using, end, untold=frozenset({("room2", "b"), ("room1", "a")}))
    assert found.state == "waiting"


def test_the_end_is_told_wherever_the_beginning_was() -> None:
    """Also where no route leads there any more, since its severity sank."""
    using = settings(route("room2", match={"severities": ["high"]}), channels=TWO)
    end = Change(stored(state="closed", severity="low"), ("closed",))
    assert decided(using, end) == []
    (found,) = decided(using, end, told=frozenset({("room2", "a"), ("room1", "a"), ("gone", "a")}))
    assert (found.channel, found.what, found.state) == ("room2", "closed", "waiting")
    # of what rises meanwhile it is told where a route leads
    rose = Change(stored(state="closed", severity="medium"), ("severity:medium",))
    assert decided(using, rose, told=frozenset({("room2", "a")})) == []


@pytest.mark.parametrize(
    ("raised", "active"),
    [
        ("13:59:59Z", False),  # 21:59:59 in Makassar
        ("14:00:00Z", True),
        ("20:59:59Z", True),
        ("21:00:00Z", False),
    ],
)
def test_a_route_holds_by_its_schedule_when_the_alert_was_raised(raised: str, active: bool) -> None:
    hours, minutes, seconds = map(int, raised.rstrip("Z").split(":"))
    ts = DAY + hours * 3600 + minutes * 60 + seconds
    using = settings(route(schedule={"from": "22:00", "to": "05:00"}))
    # it is decided in the middle of the day
    for what in ("opened", "severity:high"):
        change = Change(stored(start_ts=ts, raised_ts=ts), (what,))
        assert bool(decided(using, change, now=DAY + 40 * 3600)) is active


def test_a_schedule_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"schedule of route 'all'.*no time of day"):
        Decider(settings(route(schedule={"from": "25:00", "to": "05:00"})))


def test_a_silence_says_why_and_until_when() -> None:
    using = settings()
    quiet = silence(Matcher(cameras=("plaza",)))
    (found,) = decided(using, opened(), silences=(quiet,))
    assert found.state == "suppressed"
    assert found.why == "silenced until 2026-01-31 09:00 WITA: it is being painted"
    (found,) = decided(using, opened(severity="critical"), silences=(quiet,))
    assert (found.state, found.urgent) == ("suppressed", True)
    others = (
        silence(Matcher(cameras=("gate",))),
        silence(Matcher(cameras=("plaza",)), ends_at=SOON),
        silence(Matcher(cameras=("plaza",)), starts_at=SOON + 1),
    )
    (found,) = decided(using, opened(), silences=others)
    assert found.state == "waiting"


def test_what_hides_it_may_be_decided_on_together_with_it() -> None:
    moved = opened("m", kind="camera_moved")
    for changes in ((opened(), moved), (moved, opened())):
        states = {each.alert: each.state for each in decided(settings(), *changes)}
        assert states == {"a": "suppressed", "m": "waiting"}
    over = Change(stored("m", kind="camera_moved", state="closed"), ("opened",))
    known = stored("m", kind="camera_moved")
    found = decided(settings(), opened(), over, open=(known,))
    assert {each.state for each in found} == {"waiting"}


@pytest.mark.parametrize(
    ("using", "why"),
    [
        (settings(channels=[channel(enabled=False)]), "the channel 'room1' is switched off"),
        (settings(channels=[]), "there is no channel 'room1' any more"),
    ],
)
def test_a_channel_that_cannot_be_reached(using: Alerting, why: str) -> None:
    (found,) = decided(using, opened())
    assert (found.state, found.why) == ("suppressed", why)


def test_what_was_resolved_before_is_not_told() -> None:
    using = settings(route(escalate=(Escalation(after_min=1, channels=("room1",)),)))
    (found,) = decided(using, opened(status="resolved", resolved_by="jaga"))
    assert found.why == "jaga resolved it before anybody was told"
    using = settings(route("room2"), channels=TWO)
    end = Change(stored(state="closed", status="resolved"), ("closed",))
    assert told(decided(using, end)) == [("room2", "closed", "waiting")]


@pytest.mark.parametrize(
    "done", [{"status": "resolved", "resolved_at": SOON}, {"merged_into": "b"}]
)
def test_what_becomes_critical_is_told_even_of_what_people_were_done_with(
    done: dict[str, Any],
) -> None:
    using = settings(route(escalate=(Escalation(after_min=1, channels=("room1",)),)))
    alert = stored(severity="critical", **done)
    (found,) = decided(using, Change(alert, ("severity:critical",)))
    assert (found.what, found.state, found.urgent) == ("severity:critical", "waiting", True)
    facts = Facts(SOON)
    due = letter(alert, what="severity:critical", urgent=True)
    assert Decider(using).still(due, facts) is None
    later = replace(alert, status="resolved", resolved_by="jaga", resolved_at=SOON + 1)
    seen_to = letter(later, what="severity:critical", urgent=True)
    assert Decider(using).still(seen_to, facts) is not None
    # only a silence keeps it
    (found,) = decided(
        using,
        Change(alert, ("severity:critical",)),
        silences=(silence(Matcher(kinds=("intrusion",))),),
    )
    assert found.state == "suppressed"


# --- escalations


STEPS = (
    Escalation(after_min=5, channels=("room2",)),
    Escalation(after_min=10, channels=("room2", "room3")),
)
THREE = (*TWO, channel("room3"))


def escalations(using: Alerting, change: Change, **facts: Any) -> list[tuple[str, str, float]]:
    found = [each for each in decided(using, change, **facts) if "escalated" in each.what]
    critical = change.alert.severity == "critical"
    kept = ("waiting", True) if critical else ("held", False)
    assert all((each.state, each.urgent) == kept for each in found)
    return [(each.channel, each.what, (each.due_at - SOON) / 60) for each in found]


def test_what_nobody_acknowledges_is_told_to_others_later() -> None:
    using = settings(route(escalate=STEPS), channels=THREE)
    expected = [
        ("room2", "escalated:1", 5), ("room2", "escalated:2", 10), ("room3", "escalated:2", 10),
    ]  # fmt: skip
    assert escalations(using, opened()) == expected
    assert escalations(using, Change(stored(), ("severity:high",))) == expected
    assert escalations(using, Change(stored(state="closed"), ("opened", "closed"))) == expected
    assert escalations(using, opened(severity="critical")) == expected


@pytest.mark.parametrize(
    "change",
    [
        Change(stored(state="closed"), ("closed",)),
        opened(status="acknowledged"),
        opened(status="assigned"),
        opened(status="resolved"),
        opened(merged_into="b"),
        opened(kind="crowd"),
    ],
)
def test_what_is_not_escalated(change: Change) -> None:
    using = settings(route(escalate=STEPS, match=Matcher(kinds=("intrusion",))), channels=THREE)
    assert escalations(using, change) == []


def test_who_was_told_nothing_has_nothing_to_acknowledge() -> None:
    using = settings(route(escalate=STEPS), channels=THREE)
    assert escalations(using, opened(), silences=(silence(Matcher(kinds=("intrusion",))),)) == []
    assert escalations(using, opened(), open=(stored("m", kind="camera_moved"),)) == []


def test_the_same_step_of_two_routes_is_told_once_and_at_the_earlier_time() -> None:
    using = settings(
        route(escalate=STEPS), route(name="b", escalate=(replaced(after_min=2),)), channels=THREE
    )
    assert ("room2", "escalated:1", 2) in escalations(using, opened())
    assert len(escalations(using, opened())) == 3


def replaced(**more: Any) -> Escalation:
    return STEPS[0].model_copy(update=more)


def test_an_escalation_to_a_channel_that_is_switched_off_says_so() -> None:
    using = settings(
        route(escalate=(Escalation(after_min=5, channels=("room2",)),)),
        channels=(channel(), channel("room2", enabled=False)),
    )
    found = decided(using, opened())[-1]
    assert (found.what, found.state) == ("escalated:1", "suppressed")


# --- canaries and alerts about the program itself


def test_each_version_of_a_canary_arrives_on_its_own_channel_alone() -> None:
    using = settings(route("room1", "room2"), channels=TWO)
    everything = silence(Matcher(kinds=(CANARY,)))
    for whats in ((), ("opened",)):
        bird = stored("canary:w", version=7, kind=CANARY, camera=SYSTEM_CAMERA)
        assert decided(using, Change(bird, whats), silences=(everything,)) == [
            NewNotice(CANARY_CHANNEL, "canary:w", "opened:7", "waiting", SOON)
        ]
    # what a camera states is an alert as any other
    assert told(decided(settings(), opened(kind=CANARY))) == [("room1", "opened", "waiting")]


def test_alerts_about_the_program_itself_go_as_any_other_and_are_never_grouped() -> None:
    using = settings(route(group="camera"), sites=(Site(name="port", cameras=("gate", "quay")),))
    for change in (
        opened("dead-letters", kind="dead_letter", camera=SYSTEM_CAMERA, place=""),
        opened("s", kind=SITE_DOWN, camera=SYSTEM_CAMERA, place="port"),
    ):
        (found,) = decided(using, change)
        assert (found.state, found.group) == ("waiting", None)


def test_a_site_that_is_down_is_told_wherever_its_cameras_would_have_been() -> None:
    using = settings(
        route(match=Matcher(kinds=("camera_down",), cameras=("gate",))),
        sites=(Site(name="port", cameras=("gate", "quay")),),
    )
    site = stored("s", kind=SITE_DOWN, rule=SITE_DOWN, camera=SYSTEM_CAMERA, place="port")
    gate = opened("g", kind="camera_down", rule="camera_down", camera="gate")
    states = {each.alert: each.state for each in decided(using, gate, Change(site, ("opened",)))}
    assert states == {"g": "suppressed", "s": "waiting"}


def test_which_sites_are_down() -> None:
    def down(camera: str, **more: Any) -> Any:
        return stored(camera, kind="camera_down", camera=camera, **more)

    using = Alerting(
        sites=(
            Site(name="port", cameras=("gate", "quay")),
            Site(name="alone", cameras=("plaza",)),
            Site(name="park", cameras=("tree", "lake")),
        )
    )
    gate, quay = down("gate"), down("quay")
    assert site_down(using, [gate, quay, down("plaza"), down("tree")], SOON) == {"port"}
    assert site_down(using, [gate], SOON) == frozenset()
    assert site_down(using, [gate, replace(quay, state="closed")], SOON) == frozenset()
    assert site_down(using, [gate, replace(quay, kind="intrusion")], SOON) == frozenset()
    assert site_down(Alerting(), [gate, quay], SOON) == frozenset()


# --- what is due may have become needless


SILENCE = silence(Matcher(cameras=("plaza",)))
DOWN = stored("s", kind=SITE_DOWN, camera=SYSTEM_CAMERA, place="port")
GATE = stored("g", kind="camera_down", camera="gate")


@pytest.mark.parametrize(
    ("due", "facts", "why"),
    [
        (letter(stored()), {}, None),
        (letter(), {"silences": (SILENCE,)}, None),
        (letter(stored(merged_into="b")), {}, "it was merged into b"),
        (letter(stored(merged_into="b"), what="closed"), {}, "it was merged into b"),
        (letter(stored(), what="escalated:1"), {}, None),
        (letter(stored(state="closed"), what="escalated:1"), {}, None),
        (letter(stored(status="acknowledged"), what="escalated:1"), {},
         "somebody saw to it: it is acknowledged"),
        (letter(stored(status="resolved", resolved_by="jaga"), what="escalated:2"), {},
         "somebody saw to it: it is resolved"),
        (letter(stored(status="acknowledged")), {}, None),
        (letter(stored(status="resolved", resolved_by="jaga")), {},
         "jaga resolved it before anybody was told"),
        (letter(stored(status="resolved"), what="closed"), {}, None),
        # it may have arrived, although nobody said so
        (letter(stored(status="resolved"), attempt=1), {}, None),
        (letter(stored()), {"silences": (SILENCE,)},
         "silenced until 2026-01-31 09:00 WITA: it is being painted"),
        (letter(stored(severity="critical")), {"silences": (SILENCE,)},
         "silenced until 2026-01-31 09:00 WITA: it is being painted"),
        (letter(GATE), {"open": (DOWN, GATE)},
         "inhibited (site down) while site_down of port is open: s"),
        (letter(GATE), {"open": (GATE,)}, None),
        (letter(replace(GATE, severity="critical")), {"open": (DOWN,)}, None),
        # a digest goes while any of it must
        (letter(GATE, stored(camera="quay")), {"open": (DOWN,)},
         "inhibited (site down) while site_down of port is open: s"),
        (letter(GATE, stored()), {"open": (DOWN,)}, None),
        (letter(GATE, channel=CANARY_CHANNEL), {"open": (DOWN,)}, None),
    ],
)  # fmt: skip
def test_what_is_due_is_still_told_or_not(due: Any, facts: dict[str, Any], why: str | None) -> None:
    using = settings(sites=(Site(name="port", cameras=("gate", "quay")),))
    assert Decider(using).still(due, Facts(SOON, **facts)) == why
