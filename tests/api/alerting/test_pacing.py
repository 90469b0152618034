"""When a message goes: at once, with its group, or with the storm."""

from __future__ import annotations

from collections import Counter

from api.alerting.settings import Alerting, Escalation, Site, Storm
from api.store.facts import STORM, NewNotice
from tests.api.alerting.made import Outbox, channel, letters, opened, route, settings
from tests.api.served import DAY

MOST = 20
"""So many messages that are not critical a channel is given within any minute, at the most."""


def one(outbox: Outbox, alert_id: str, now: float, **more: object) -> tuple[str, float, str | None]:
    (found,) = outbox.decide(opened(alert_id, **more), now=DAY + now)
    return found.state, found.due_at - DAY, found.group


def busiest(notices: list[NewNotice]) -> int:
    """The most messages that are not critical within any minute."""
    times = sorted(due_at for _, due_at, _, urgent in letters(notices) if not urgent)
    return max(
        (sum(1 for time in times if start <= time < start + 60) for start in times), default=0
    )


def test_the_first_of_a_group_goes_at_once_and_more_become_one_message() -> None:
    outbox = Outbox(settings(route(group="camera", group_s=100)))
    assert one(outbox, "a", 0) == ("waiting", 0, "camera:plaza")
    assert one(outbox, "b", 10) == ("held", 100, "camera:plaza")
    assert one(outbox, "c", 99) == ("held", 100, "camera:plaza")
    # another camera's, and one that may not wait
    assert one(outbox, "d", 99, camera="gate") == ("waiting", 99, "camera:gate")
    assert one(outbox, "e", 99, severity="critical") == ("waiting", 99, None)
    # a digest is a message of the group: the next is as far from it
    assert one(outbox, "f", 101) == ("held", 200, "camera:plaza")
    assert one(outbox, "g", 300) == ("waiting", 300, "camera:plaza")


def test_a_group_may_be_a_site() -> None:
    sites = (Site(name="port", cameras=("gate", "quay")),)
    outbox = Outbox(settings(route(group="site", group_s=100), sites=sites))
    assert one(outbox, "a", 0, camera="gate") == ("waiting", 0, "site:port")
    assert one(outbox, "b", 1, camera="quay") == ("held", 100, "site:port")
    assert one(outbox, "c", 2) == ("waiting", 2, "camera:plaza")


def test_the_first_route_that_names_a_channel_groups_for_it() -> None:
    outbox = Outbox(settings(route(), route(name="b", group="camera")))
    assert one(outbox, "a", 0) == ("waiting", 0, None)
    assert one(outbox, "b", 1) == ("waiting", 1, None)


def test_what_is_suppressed_begins_no_group() -> None:
    outbox = Outbox(settings(route(group="camera")))
    moved = opened("m", kind="camera_moved", severity="critical")
    hidden, _ = outbox.decide(opened("a"), moved, now=DAY + 2)
    assert hidden.state == "suppressed"
    assert one(outbox, "b", 3) == ("waiting", 3, "camera:plaza")


def test_that_a_camera_of_a_site_is_down_waits_for_the_others() -> None:
    sites = (Site(name="port", cameras=("gate", "quay")),)
    outbox = Outbox(settings(route(group="camera"), sites=sites))
    down = {"kind": "camera_down"}
    assert one(outbox, "a", 0, camera="gate", **down) == ("held", 15, "site-down:port")
    assert one(outbox, "b", 5, camera="quay", **down) == ("held", 15, "site-down:port")
    assert one(outbox, "c", 5, **down) == ("waiting", 5, "camera:plaza")
    assert one(outbox, "d", 15, camera="gate", **down) == ("held", 30, "site-down:port")
    critical = one(outbox, "e", 15, camera="gate", severity="critical", **down)
    assert critical == ("waiting", 15, None)


def test_too_much_becomes_a_digest_from_time_to_time() -> None:
    outbox = Outbox(settings(storm=Storm(alone=3, digest_s=20)))
    assert [one(outbox, f"a{i}", i)[0] for i in range(3)] == ["waiting"] * 3
    assert one(outbox, "b", 3) == ("held", 23, STORM)
    assert one(outbox, "c", 22) == ("held", 23, STORM)
    assert one(outbox, "d", 23) == ("held", 43, STORM)
    assert one(outbox, "e", 24, severity="critical") == ("waiting", 24, None)
    # another channel's storm is its own business, and this one ends when its minute does
    assert one(outbox, "f", 61) == ("waiting", 61, None)


def test_ten_thousand_alerts_in_a_minute() -> None:
    using = settings(route("room1", "room2"), channels=(channel(), channel("room2")))
    outbox = Outbox(using)
    for second in range(60):
        changes = [
            opened(
                f"{second}-{i}",
                severity="critical" if i % 50 == 0 else "high",
                camera=f"c{i % 40}",
            )
            for i in range(168)
        ]
        outbox.decide(*changes, now=DAY + second)
    assert len(outbox.notices) == 2 * 60 * 168 > 20_000
    for name in ("room1", "room2"):
        own = [each for each in outbox.notices if each.channel == name]
        critical = [each for each in own if each.urgent]
        assert len(critical) == 60 * 4
        assert {each.state for each in critical} == {"waiting"}
        assert all(DAY <= each.due_at < DAY + 60 for each in critical)
        assert Counter(each.state for each in own if not each.urgent)["waiting"] == 12
        assert 12 < busiest(own) <= 15 < MOST
        # nobody waits longer than for the next digest
        assert max(each.due_at for each in own) <= DAY + 60 + 20


def test_what_nobody_acknowledged_after_a_storm_is_told_in_as_few_messages() -> None:
    steps = (
        Escalation(after_min=5, channels=("room1", "room2")),
        Escalation(after_min=5.5, channels=("room2",)),
    )
    using = settings(
        route("room1", escalate=steps), channels=(channel(), channel("room2")),
    )  # fmt: skip
    outbox = Outbox(using)
    for second in range(0, 900, 5):
        outbox.decide(
            *(opened(f"{second}-{i}") for i in range(20)),
            opened(f"{second}-c", severity="critical"),
            now=DAY + second,
        )
    escalated = [each for each in outbox.notices if each.what.startswith("escalated")]
    assert len(escalated) == 180 * 21 * 3
    for each in escalated:
        second, _, which = (each.alert or "").partition("-")
        due_at = DAY + int(second) + (300 if each.what == "escalated:1" else 330)
        if which == "c":
            assert (each.state, each.due_at, each.urgent) == ("waiting", due_at, True)
        else:
            assert due_at <= each.due_at <= due_at + 20
    for name in ("room1", "room2"):
        own = [each for each in outbox.notices if each.channel == name]
        assert busiest(own) <= 15 < MOST


def test_the_first_that_nobody_acknowledged_is_told_on_time() -> None:
    steps = (Escalation(after_min=5, channels=("room2",)),)
    using = settings(
        route("room1", escalate=steps), channels=(channel(), channel("room2")),
        storm=Storm(alone=5, digest_s=20),
    )  # fmt: skip
    outbox = Outbox(using)
    due = []
    for second in (0, 3, 15, 60, 61):
        _, escalated = outbox.decide(opened(f"a{second}"), now=DAY + second)
        due.append((escalated.group, escalated.due_at - DAY - 300))
    group = "escalated:1:5"
    assert due == [(group, 0), (group, 20), (group, 20), (group, 60), (group, 80)]


def test_many_small_groups_are_no_way_around_it() -> None:
    """100 cameras, each with an alert every 20 s for 20 minutes: each group alone is modest."""
    outbox = Outbox(settings(route(group="camera", group_s=60)))
    for step in range(0, 20 * 60, 20):
        changes = [opened(f"{step}-{i}", camera=f"c{i}") for i in range(100)]
        outbox.decide(*changes, now=DAY + step)
    assert 12 <= busiest(outbox.notices) <= 15
    assert {each.state for each in outbox.notices} == {"waiting", "held"}


def test_sites_that_go_down_together_are_no_way_around_it_either() -> None:
    sites = tuple(Site(name=f"s{i}", cameras=(f"a{i}", f"b{i}")) for i in range(60))
    outbox = Outbox(Alerting(channels=(channel(),), routes=(route(),), sites=sites))
    down = [
        opened(f"{side}{i}", kind="camera_down", camera=f"{side}{i}")
        for i in range(60)
        for side in "ab"
    ]
    found = outbox.decide(*down, now=DAY)
    assert busiest(found) <= 15
    # each waits long enough for the site's own alert to hide it
    assert all(DAY + 15 <= each.due_at <= DAY + 15 + 20 for each in found)


def test_in_a_storm_it_waits_for_a_digest_that_is_late_enough() -> None:
    sites = (Site(name="port", cameras=("gate", "quay")),)
    outbox = Outbox(settings(storm=Storm(alone=1, digest_s=20), sites=sites))
    assert one(outbox, "a", 0) == ("waiting", 0, None)
    assert one(outbox, "b", 1) == ("held", 21, STORM)
    assert one(outbox, "c", 10, kind="camera_down", camera="gate") == ("held", 41, STORM)
    assert one(outbox, "d", 26, kind="camera_down", camera="quay") == ("held", 41, STORM)
