"""The watchdog with a store that is there, is gone, or never answers, and a channel that notes."""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from api.alerting.settings import Alerting, Channel
from api.store import Store, StoredAlert
from api.store.canaries import Canaries
from api.store.letters import Answer, Letter
from api.watchdog import Kept, Watchdog, read_kept, write_kept
from api.watching import NOTIFIER, PERIODS, WATCHDOG
from streams.config import load_city
from tests.api.served import TESTER, sqlite_url
from tests.waiting import wait_for
from vision.errors import ConfigError, StoreGoneError

QUICK = replace(
    PERIODS, look=0.05, canary=1.5, store=1.0, beat=0.8, jump=60.0, retry=0.05, again=1000.0
)
ALARM = Channel(name="siaga", kind="webhook", url="https://siaga.example/hook")
SETTINGS = Alerting(channels=(ALARM,), alarm="siaga", networks=("10.0.0.0/8",))
CITY = "name: Makassar\ncameras: [{id: a, source: synthetic, model: motion}]\n"


@dataclass
class Noting:
    """A channel that notes what it is told, and refuses as often as it is told to."""

    letters: list[Letter] = field(default_factory=list)
    refusals: int = 0
    unusable: int = 0
    kept: Kept | None = None

    def build(self, kept: Kept) -> Noting:
        self.kept = kept
        if self.unusable:
            self.unusable -= 1
            raise ConfigError("siaga: the file of secrets is gone")
        return self

    def send(self, letter: Letter) -> Answer:
        self.letters.append(letter)
        if self.refusals:
            self.refusals -= 1
            return Answer(ok=False, why="siaga.example answers 503", status=503)
        return Answer(ok=True, why="", status=200)

    def close(self) -> None:
        pass

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(letter.what, str(letter.alerts[0].details["why"])) for letter in self.letters]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path)) as opened:
        opened.alerting.apply(SETTINGS, TESTER)
        yield opened


@contextmanager
def watching(
    folder: Path, channel: Noting, opened: Callable[[], Store] | None = None
) -> Iterator[Path]:
    """A watchdog that runs; gives the file of what it keeps."""
    path = folder / "watchdog.json"
    url = sqlite_url(folder)
    stopping = threading.Event()
    watchdog = Watchdog(opened or (lambda: Store.open(url)), channel.build, path, periods=QUICK)
    thread = threading.Thread(target=watchdog.run, args=(stopping,))
    thread.start()
    try:
        yield path
        assert thread.is_alive()
    finally:
        stopping.set()
        thread.join()


@contextmanager
def living(store: Store, *workers: str, notifier: bool = True) -> Iterator[None]:
    """Canaries and beats that come."""
    stopping = threading.Event()

    def run() -> None:
        version = 0
        while not stopping.is_set():
            version += 1
            for worker in workers:
                store.canaries.arrived(worker, version, {})
            if notifier:
                store.canaries.beat(NOTIFIER)
            stopping.wait(0.05)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def chain(store: Store) -> list[StoredAlert]:
    """What the store says of the chain, the oldest first."""
    return store.alerts.find(only=None, kind="chain_broken", limit=10).alerts[::-1]


def test_it_is_quiet_while_all_is_well(tmp_path: Path, store: Store) -> None:
    channel = Noting()
    with watching(tmp_path, channel) as path, living(store, "w1"):
        wait_for(lambda: store.canaries.beats().get(WATCHDOG), "it beats")
        before = store.canaries.beats()[WATCHDOG]
        wait_for(lambda: store.canaries.beats()[WATCHDOG] > before + 3, "it goes on")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert channel.letters == []
    assert chain(store) == []
    assert read_kept(path) == Kept(channel=ALARM, networks=("10.0.0.0/8",))


def test_it_alarms_until_it_is_accepted_and_says_once_that_it_is_over(
    tmp_path: Path, store: Store
) -> None:
    channel = Noting(refusals=2, unusable=2)
    with watching(tmp_path, channel) as path:
        with living(store, "w1", "w2"):
            wait_for(lambda: len(store.canaries.last()) == 2, "they come")
        with living(store, "w1"):
            wait_for(lambda: len(channel.letters) == 3, "the alarm is tried until it is accepted")
            assert {letter.id for letter in channel.letters} == {channel.letters[0].id}
            assert {letter.channel for letter in channel.letters} == {"siaga"}
            assert all("nothing of worker w2 arrived" in why for _, why in channel.said)
            wait_for(lambda: chain(store), "it is in the store")
            wait_for(lambda: read_kept(path).broken_since is not None, "it is kept")
        with living(store, "w1", "w2"):
            wait_for(lambda: len(channel.letters) == 4, "it is over")
            wait_for(lambda: chain(store)[0].state == "closed", "the store says so")
            wait_for(lambda: read_kept(path).broken_since is None, "that is kept too")
    assert [what for what, _ in channel.said] == ["opened"] * 3 + ["closed"]
    assert channel.kept is not None
    assert channel.kept.networks == ("10.0.0.0/8",)


def test_a_notifier_that_is_gone(tmp_path: Path, store: Store) -> None:
    channel = Noting()
    with watching(tmp_path, channel), living(store, "w1", notifier=False):
        wait_for(lambda: channel.letters, "it alarms")
    assert "the notifier was not heard" in channel.said[0][1]


def test_cameras_without_a_worker(tmp_path: Path, store: Store) -> None:
    (tmp_path / "city.yaml").write_text(CITY, encoding="utf-8")
    channel = Noting()
    with watching(tmp_path, channel), living(store):
        store.configuration.apply(load_city(tmp_path / "city.yaml"), TESTER)
        wait_for(lambda: channel.letters, "it alarms")
    assert "there are cameras, but nothing of any worker" in channel.said[0][1]


def test_a_store_that_was_never_there(tmp_path: Path) -> None:
    """The channel is known from an earlier time."""
    write_kept(tmp_path / "watchdog.json", Kept(channel=ALARM))

    def gone() -> Store:
        raise StoreGoneError("the database 10.0.0.9:5432/matakota: it does not answer")

    channel = Noting()
    with watching(tmp_path, channel, gone):
        wait_for(lambda: channel.letters, "it alarms")
    what, why = channel.said[0]
    assert what == "opened"
    assert "the database gave no answer" in why
    assert "10.0.0.9:5432/matakota" in why


def test_a_store_that_hangs(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    read = Canaries.last

    def hanging(canaries: Canaries) -> object:
        if threading.current_thread().name == "store":
            release.wait()
        return read(canaries)

    channel = Noting()
    with watching(tmp_path, channel), living(store, "w1"):
        wait_for(lambda: store.canaries.beats().get(WATCHDOG), "it beats")
        monkeypatch.setattr(Canaries, "last", hanging)
        wait_for(lambda: channel.letters, "it alarms")
        assert "it takes too long to answer" in channel.said[0][1]
        release.set()
        wait_for(lambda: len(channel.letters) == 2, "it is over")
    assert channel.said[1][0] == "closed"


def test_without_an_alarm_channel_the_log_says_it(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.alerting.apply(Alerting(), TESTER)
    channel = Noting()
    said = ""
    with watching(tmp_path, channel), living(store, notifier=False):
        end_s = time.monotonic() + 100
        while "nobody can be told" not in said:
            assert time.monotonic() < end_s
            said += capsys.readouterr().out
    assert channel.letters == []


def test_what_was_broken_before_it_was_started_again(tmp_path: Path, store: Store) -> None:
    """The all-clear comes also from another process than the alarm, and not before it is sure."""
    write_kept(tmp_path / "watchdog.json", Kept(channel=ALARM, broken_since=1000.0))
    channel = Noting()
    with living(store, "w1"), watching(tmp_path, channel):
        wait_for(lambda: channel.letters, "all is well")
    (letter,) = channel.letters
    assert (letter.what, letter.alerts[0].start_ts) == ("closed", 1000.0)


@pytest.mark.parametrize("content", [b"", b"{", b'{"channel": 7}', b"\xff"])
def test_a_file_that_is_damaged_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "watchdog.json"
    path.write_bytes(content)
    assert read_kept(path) == Kept()
    write_kept(path, Kept(channel=ALARM))
    assert read_kept(path).channel == ALARM
