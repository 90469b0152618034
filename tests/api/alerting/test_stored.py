"""The decision on what the store gives, and what channels get of it in the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.alerting.decide import Decider
from api.alerting.settings import Alerting, Inhibition, Matcher, Site
from api.store import Store
from api.store.letters import Answer, Letter
from streams.messages import SYSTEM_CAMERA, AlertMessage
from tests.api.alerting.made import channel, route, settings
from tests.api.served import DAY, TESTER, alert, sqlite_url

SITES = (Site(name="port", cameras=("gate", "quay")),)
DOWN = {"kind": "camera_down", "rule": "camera_down", "place": ""}


class Room:
    """A store, a decider, and a channel that takes whatever it is given."""

    def __init__(self, folder: Path) -> None:
        self.now = DAY + 2
        self.store = Store.open(sqlite_url(folder), clock=lambda: self.now)
        self.use(settings())

    def use(self, using: Alerting) -> None:
        self.decider = Decider(using)

    def state(self, *messages: AlertMessage) -> None:
        self.store.record(messages)
        inhibiting = self.decider.inhibiting
        while self.store.notices.route(self.decider.decide, inhibiting=inhibiting, limit=500).more:
            pass

    def sent(self, to: str = "room1") -> list[Letter]:
        """What is due now."""
        found = []
        claim, settle = self.store.notices.claim, self.store.notices.settle
        while (letter := claim(to, self.decider, by="t", lease_s=60)) is not None:
            settle(letter, Answer(True, "taken"), took_s=0.1, again_at=None, paused_until=0)
            found.append(letter)
        return found

    def said(self, after_s: float = 0) -> list[list[str]]:
        """The alerts of each letter that is due after some seconds."""
        self.now += after_s
        return [sorted(each.id for each in letter.alerts) for letter in self.sent()]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    with made.store:
        yield made


def test_a_group_is_one_message_and_then_another(room: Room) -> None:
    room.use(settings(route(group="camera", group_s=60)))
    room.state(alert("a"))
    room.state(alert("b"), alert("c"))
    assert room.said() == [["a"]]
    assert room.said(30) == []
    room.state(alert("d", severity="critical"))
    assert room.said() == [["d"]]
    assert room.said(30) == [["b", "c"]]
    room.state(alert("e"))
    assert room.said(59) == []
    assert room.said(1) == [["e"]]
    room.state(alert("f"))
    assert room.said(61) == [["f"]]


def test_a_site_that_goes_down_is_told_once(room: Room) -> None:
    room.use(settings(sites=SITES))
    room.state(alert("g", camera="gate", **DOWN))
    room.now += 5
    room.state(alert("q", camera="quay", **DOWN))
    assert room.said() == []
    site = alert(
        "s", camera=SYSTEM_CAMERA, kind="site_down", rule="site-down:port", place="port",
        start_ts=room.now, raised_ts=room.now,
    )  # fmt: skip
    room.state(site)
    assert room.said() == [["s"]]
    assert room.said(60) == []
    # and where it is one camera alone, that is told
    room.state(alert("p", camera="gate", start_ts=DAY - 9, raised_ts=DAY - 9, place="x"))
    assert room.said() == [["p"]]


def test_one_camera_of_a_site_is_told_after_a_while(room: Room) -> None:
    room.use(settings(sites=SITES))
    room.state(alert("g", camera="gate", **DOWN))
    assert room.said(14) == []
    assert room.said(1) == [["g"]]


def test_what_is_hidden_is_not_told_when_it_ends_either(room: Room) -> None:
    jam = Inhibition(
        name="jam", source=Matcher(kinds=("queue",)), target=Matcher(kinds=("intrusion",)),
        same="camera",
    )  # fmt: skip
    room.use(settings(channels=(channel(closed=True),), inhibitions=(jam,)))
    room.state(alert("q", kind="queue"))
    room.state(alert("a"))
    assert room.said() == [["q"]]
    room.state(alert("q", 2, kind="queue", state="closed", end_ts=DAY + 3))
    room.state(alert("a", 2, state="closed", end_ts=DAY + 3))
    assert [(letter.what, letter.alerts[0].id) for letter in room.sent()] == [("closed", "q")]


def test_silenced_while_it_waited(room: Room) -> None:
    room.use(settings(route(group="camera", group_s=60)))
    room.state(alert("a"), alert("b"), alert("c", place="gate"))
    assert room.said() == [["a"]]
    match = Matcher(cameras=("plaza",), places=("lawn",))
    room.store.alerting.silence(
        match, "paint", starts_at=room.now, ends_at=room.now + 900, by=TESTER
    )
    assert room.said(60) == [["c"]]


def storm(room: Room, *, seconds: int, each_second: int) -> None:
    """So many alerts each second, one of them critical: each is told, the critical ones at once and
    alone, and of the others there are at most 20 messages within any minute."""
    times: list[tuple[float, bool]] = []
    told = set[str]()
    for second in range(seconds + 70):
        room.now += 1
        if second < seconds:
            room.state(
                *(
                    alert(f"{second}-{i}", severity="critical" if i == 0 else "medium")
                    for i in range(each_second)
                )
            )
        letters = room.sent()
        times += [(room.now, letter.urgent) for letter in letters]
        told |= {each.id for letter in letters for each in letter.alerts}
        if second < seconds:
            assert f"{second}-0" in told
    assert len(told) == seconds * each_second
    assert sum(1 for _, urgent in times if urgent) == seconds
    calm = [at for at, urgent in times if not urgent]
    assert max(sum(1 for at in calm if start <= at < start + 60) for start in calm) <= 20


def test_a_storm_is_few_messages_and_every_critical_one(room: Room) -> None:
    storm(room, seconds=20, each_second=100)


@pytest.mark.long
def test_ten_thousand_alerts_a_minute_for_two_minutes(room: Room) -> None:
    storm(room, seconds=120, each_second=167)
