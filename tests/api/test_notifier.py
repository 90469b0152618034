"""The notifier over a real store: what is decided, who sends it, and what it says of itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from api.alerting.secrets import ChannelSecret
from api.alerting.settings import Alerting, Route, Site
from api.store import Store, StoredAlert
from api.system import CHAIN, chain_broken
from api.watching import NOTIFIER, WATCHDOG, Missing
from streams.messages import SYSTEM_CAMERA, AlertMessage, Hops
from tests.api.notifying import JAGA, OTHER, QUICK, ROOM1, SECRET, World, canary, settings, system
from tests.api.served import DAY, TESTER, alert, sqlite_url
from tests.waiting import wait_for
from vision.errors import StoreGoneError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path)) as opened:
        yield opened


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


@contextmanager
def running(world: World) -> Iterator[threading.Thread]:
    stopping = threading.Event()
    thread = threading.Thread(target=world.notifier().run, args=(stopping,))
    thread.start()
    try:
        yield thread
        assert thread.is_alive()
    finally:
        stopping.set()
        thread.join()


def test_what_is_stored_is_told_once_by_each_channel(world: World) -> None:
    world.store.alerting.apply(settings(ROOM1, JAGA), TESTER)
    with running(world):
        world.store.record([alert("a"), alert("b")])
        for name in ("room1", "jaga"):
            wait_for(lambda name=name: len(world.told(name)) == 2, f"{name} is told")
        # what changes without being news is no news
        world.store.record([alert("a", 2, score=0.9)])
        world.store.record([alert("c")])
        wait_for(lambda: len(world.told("room1")) == 3, "the next one")
    assert world.told("room1") == [("a", "opened"), ("b", "opened"), ("c", "opened")]


def test_what_happened_while_it_was_away(world: World) -> None:
    world.store.alerting.apply(settings(ROOM1), TESTER)
    with running(world):
        world.store.record([alert("a")])
        wait_for(lambda: world.told("room1"), "it is told")
    world.store.record([alert("b")])
    with running(world):
        wait_for(lambda: len(world.told("room1")) == 2, "what came meanwhile is told")
    assert world.told("room1") == [("a", "opened"), ("b", "opened")]


class Killed(BaseException):
    """As a process that ends here."""


@pytest.mark.parametrize("after", [False, True])
def test_killed_in_the_middle_of_deciding(
    world: World, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """Before or after the decision: what was decided is nothing until all of it is kept."""
    world.store.alerting.apply(settings(ROOM1), TESTER)
    world.store.record([alert(f"a{n}") for n in range(5)])
    notifier = world.notifier()
    decide = notifier._decide

    def dying(*arguments: object) -> Iterator[object]:
        found = decide(*arguments) if after else []  # type: ignore[arg-type]
        yield from found
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(notifier, "_decide", dying)
        with pytest.raises(Killed):
            notifier.run(threading.Event())
    assert world.letters == []
    with running(world):
        wait_for(lambda: len(world.told("room1")) == 5, "all are told")
    assert sorted(world.told("room1")) == [(f"a{n}", "opened") for n in range(5)]


def test_settings_are_followed(world: World, tmp_path: Path) -> None:
    """A channel that stays as it was goes on; one that changed, or whose secret did, is new."""
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text(f"room1: {{secret: {SECRET}}}\n", encoding="utf-8")
    secrets.chmod(0o600)
    known = {"secrets": str(secrets)}
    world.store.alerting.apply(settings(ROOM1, JAGA, **known), TESTER)
    with running(world):
        wait_for(lambda: len(world.built) == 2, "both are built")
        assert dict(world.built) == {"room1": ChannelSecret(secret=SECRET), "jaga": None}
        assert SECRET in world.hidden
        slower = JAGA.model_copy(update={"per_minute": 7})
        world.store.alerting.apply(settings(ROOM1, slower, **known), TESTER)
        wait_for(lambda: len(world.built) == 3, "the one that changed is built anew")
        assert world.stopped == ["jaga"]
        secrets.write_text(f"room1: {{secret: {OTHER}}}\n", encoding="utf-8")
        wait_for(lambda: len(world.built) == 4, "its secret is new")
        assert world.stopped == ["jaga", "room1"]
        world.store.alerting.apply(settings(slower, **known), TESTER)
        wait_for(lambda: len(world.stopped) == 3, "one is no channel any more")
        off = slower.model_copy(update={"enabled": False})
        world.store.alerting.apply(settings(off, **known), TESTER)
        wait_for(lambda: len(world.stopped) == 4, "one is switched off")
    assert len(world.built) == 4


def test_settings_that_cannot_be_used(world: World) -> None:
    """What was stored while there were no others is told as soon as there are."""
    route = Route(name="all", channels=("room1",), schedule={"days": ["someday"]})
    world.store.alerting.apply(Alerting(channels=(ROOM1,), routes=(route,)), TESTER)
    with running(world) as thread:
        world.store.record([alert("a")])
        thread.join(5 * QUICK.settings)
        assert NOTIFIER not in world.store.canaries.beats(), "the watchdog would not notice"
        world.store.alerting.apply(settings(ROOM1), TESTER)
        wait_for(lambda: world.told("room1") == [("a", "opened")], "it is told")


def test_a_channel_that_cannot_be_used_stops_no_other(world: World) -> None:
    world.refused = {"jaga": "jaga: there is no secret: add it to the file of secrets"}
    world.store.alerting.apply(settings(ROOM1, JAGA), TESTER)
    with running(world):
        (found,) = wait_for(lambda: system(world.store, "channel_broken"), "it is said")
        assert (found.state, found.camera, found.details["channel"]) == (
            "open", SYSTEM_CAMERA, "jaga",
        )  # fmt: skip
        assert "there is no secret" in str(found.details["why"])
        wait_for(lambda: world.told("room1"), "the other one is told of it")
        world.refused = {}
        world.store.alerting.apply(settings(ROOM1, JAGA, alarm="room1"), TESTER)
        wait_for(lambda: system(world.store, "channel_broken")[0].state == "closed", "it is over")
        wait_for(lambda: world.told("jaga"), "and told what waited")
    assert len(system(world.store, "channel_broken")) == 1


def test_a_channel_by_which_nothing_arrives(world: World) -> None:
    """Whoever is told by another one hears of it, once; a notifier that is new knows of it too."""

    def said() -> list[StoredAlert]:
        # on a busy machine the other one may be late for a moment
        found = system(world.store, "channel_broken")
        return [each for each in found if each.rule == "channel-broken:jaga"]

    world.down = {"jaga"}
    world.every = replace(QUICK, late=0.5)
    world.store.alerting.apply(settings(ROOM1, JAGA), TESTER)
    with running(world):
        world.store.record([alert("a")])
        (found,) = wait_for(said, "it is said")
        assert found.state == "open"
        assert "nothing arrives by the channel jaga since" in str(found.details["why"])
        wait_for(lambda: (found.id, "opened") in world.told("room1"), "the other one is told")
    with running(world):
        beat = world.store.canaries.beats()[NOTIFIER]
        wait_for(lambda: world.store.canaries.beats()[NOTIFIER] > beat, "it looked at it")
        assert [(each.state, each.version) for each in said()] == [("open", 1)]
        world.down = set()
        wait_for(lambda: said()[0].state == "closed", "it is over")
        assert world.told("jaga")
    assert len(said()) == 1


def test_a_file_of_secrets_that_is_gone(world: World, tmp_path: Path) -> None:
    """Channels go on with what was read of it; without, it is said why they cannot."""
    known = {"secrets": str(tmp_path / "secrets.yaml")}
    world.refused = {"room1": "room1: there is no secret"}
    world.store.alerting.apply(settings(ROOM1, **known), TESTER)
    with running(world):
        (found,) = wait_for(lambda: system(world.store, "channel_broken"), "it is said")
        assert "there is no such file" in str(found.details["why"])


def test_canaries_arrive(world: World) -> None:
    with running(world):
        for version in (7, 8, 9):
            message = canary(version, DAY + 60 * version)
            hops = Hops(spooled_ts=message.start_ts + 0.2, published_ts=message.start_ts + 0.3)
            world.store.record([message], {message.key: hops})
            arrived = wait_for(
                lambda version=version: [
                    each for each in world.store.canaries.last() if each.version == version
                ],
                "it arrived",
            )
            (found,) = arrived
            assert found.worker == "w1"
            assert found.times["captured"] == message.start_ts
            assert found.times["detected"] == message.start_ts + 0.1
            assert found.times["spooled"] == message.start_ts + 0.2
            assert found.times["published"] == message.start_ts + 0.3
            assert found.times["stored"] is not None
            assert found.times["delivered"] is not None


def test_the_alarm_channel_is_told_of_a_broken_chain_by_the_watchdog_alone(world: World) -> None:
    world.store.alerting.apply(settings(ROOM1, JAGA, alarm="jaga"), TESTER)
    with running(world):
        world.store.wrongs.state(chain_broken(["nothing of worker w1 arrived"]))
        world.store.record([alert("a")])
        for name in ("room1", "jaga"):
            wait_for(lambda name=name: ("a", "opened") in world.told(name), f"{name} is told")
        wait_for(lambda: (CHAIN, "opened") in world.told("room1"), "the other one is told")
    assert world.told("jaga") == [("a", "opened")]


def test_it_beats(world: World) -> None:
    with running(world):
        first = wait_for(lambda: world.store.canaries.beats().get(NOTIFIER), "it beats")
        wait_for(lambda: world.store.canaries.beats()[NOTIFIER] > first, "it beats again")


def test_a_site_that_is_down(world: World) -> None:
    site = Site(name="Losari, east", cameras=("x", "y"))
    world.store.alerting.apply(settings(ROOM1, sites=(site,)), TESTER)

    def down(camera: str, version: int = 1, **more: object) -> AlertMessage:
        return alert(f"down-{camera}", version, camera=camera, kind="camera_down", **more)

    with running(world):
        world.store.record([down("x")])
        wait_for(lambda: world.store.canaries.beats(), "it looks")
        assert system(world.store, "site_down") == []
        world.store.record([down("y")])
        (found,) = wait_for(lambda: system(world.store, "site_down"), "it is stated")
        assert (found.place, found.details["cameras"]) == ("Losari, east", ["x", "y"])
        wait_for(lambda: (found.id, "opened") in world.told("room1"), "it is told")
        world.store.record([down("y", 2, state="closed", end_ts=DAY + 9)])
        wait_for(lambda: system(world.store, "site_down")[0].state == "closed", "it is over")
    assert len(system(world.store, "site_down")) == 1
    # one cause is told once
    assert ("down-y", "opened") not in world.told("room1")


def test_a_watchdog_that_is_missing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.notifier.PERIODS", _Quick)
    with running(world):
        wait_for(lambda: world.store.canaries.beats(), "it runs")
        # one that never was is not missed
        assert system(world.store, "watchdog_missing") == []
        world.store.canaries.beat(WATCHDOG)
        (found,) = wait_for(lambda: system(world.store, "watchdog_missing"), "it is missed")
        assert (found.state, found.camera) == ("open", SYSTEM_CAMERA)
        world.store.canaries.beat(WATCHDOG)
        wait_for(lambda: system(world.store, "watchdog_missing")[0].state == "closed", "it is back")


class _Quick:
    beat, jump = 1.0, 60.0


def test_when_a_beat_is_missing() -> None:
    """After sixty seconds without another one, but for a machine that slept."""
    watched = Missing(60.0, 60.0)
    looks = [
        (1000, 1, False), (1030, 1, False), (1060, 1, True), (1065, 2, False), (1124, 2, False),
        (1126, 2, True), (1130, 3, False), (1500, 3, False), (1555, 3, False), (1561, 3, True),
    ]  # fmt: skip
    for now_s, token, missing in looks:
        assert watched.missing(token, now_s) == missing, now_s


def test_a_store_that_is_gone_for_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.store.alerting.apply(settings(ROOM1), TESTER)
    gone = threading.Event()
    route = world.store.notices.route

    def failing(*arguments: object, **named: object) -> object:
        if gone.is_set():
            raise StoreGoneError("the database: it does not answer")
        return route(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(world.store.notices, "route", failing)
    gone.set()
    said = ""

    def heard() -> str:
        nonlocal said
        said += capsys.readouterr().out
        return said

    with running(world):
        wait_for(lambda: "nobody is told of alerts" in heard(), "it is said")
        world.store.record([alert("a")])
        gone.clear()
        wait_for(lambda: world.told("room1"), "it is told")
    assert heard().count("nobody is told of alerts") == 1
    assert "alerts are told again" in said


def test_a_name_that_is_new_has_what_it_left(world: World) -> None:
    """What this process claimed before it was killed is sent at once by the next one."""
    world.store.alerting.apply(settings(ROOM1), TESTER)
    world.store.record([alert("a")])
    notifier = world.notifier()
    notifier._follow()
    world.store.notices.route(notifier._decide, inhibiting=notifier._decider.inhibiting, limit=10)
    claimed = world.store.notices.claim("room1", notifier._decider, by="here", lease_s=10_000)
    for _, dispatching in notifier._running.values():
        dispatching.stop()
    if claimed is None:
        # its own thread was quicker
        return
    with running(world):
        wait_for(lambda: world.told("room1"), "it is told")
    assert [letter.id for letter in world.letters] == [claimed.id]
