"""A notifier over a real store, whose senders note what they are given."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from api.alerting.secrets import ChannelSecret
from api.alerting.settings import Alerting, Channel, Route
from api.delivery.dispatch import ChannelRunner, Dispatcher
from api.delivery.sender import Sender
from api.notifier import Intervals, Notifier
from api.store import Store, StoredAlert
from api.store.letters import Answer, Letter
from api.store.notices import Needed
from streams.messages import CANARY, SYSTEM_CAMERA, AlertMessage
from tests.api.served import DAY, alert
from vision.errors import ConfigError

QUICK = Intervals(idle=0.02, settings=0.05, beat=0.1)
ROOM1 = Channel(name="room1", kind="webhook", url="https://room1.example/hook")
JAGA = Channel(name="jaga", kind="webhook", url="https://jaga.example/hook")
SECRET = "whsec_" + base64.b64encode(b"not a secret of anybody at all").decode()
OTHER = "whsec_" + base64.b64encode(b"not another secret either, no").decode()


def settings(*channels: Channel, **more: object) -> Alerting:
    route = Route(name="all", channels=tuple(channel.name for channel in channels) or ("room1",))
    return Alerting.model_validate({"channels": channels, "routes": (route,)} | more)


@dataclass
class World:
    """Senders that note, and dispatchers as the notifier started and stopped them."""

    store: Store
    hidden: set[str] = field(default_factory=set)
    built: list[tuple[str, ChannelSecret | None]] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    every: Intervals = QUICK

    def sender_for(
        self,
        channel: Channel,
        secret: ChannelSecret | None,
        _networks: Sequence[str],
        _advice: object,
    ) -> Sender:
        if channel.name in self.refused:
            raise ConfigError(self.refused[channel.name])
        self.built.append((channel.name, secret))
        return Noting(self)

    def dispatch(
        self, channel: Channel, sender: Sender, needed: Callable[[], Needed]
    ) -> Dispatcher:
        world = self

        class Noted(Dispatcher):
            def stop(self) -> None:
                world.stopped.append(channel.name)
                super().stop()

        return Noted(
            ChannelRunner(
                channel.name,
                self.store.notices,
                sender,
                needed,
                by="here",
                per_minute=channel.per_minute,
            )
        )

    def hide(self, secrets: Collection[str]) -> None:
        self.hidden |= {*secrets}

    def notifier(self) -> Notifier:
        return Notifier(
            self.store,
            by="here",
            dispatch=self.dispatch,
            sender_for=self.sender_for,
            hide=self.hide,
            every=self.every,
        )

    def told(self, channel: str) -> list[tuple[str, str]]:
        """The alerts and reasons of what was sent, those of a digest too."""
        return [
            (each.id, letter.what)
            for letter in self.letters
            if letter.channel == channel
            for each in letter.alerts
        ]


@dataclass
class Noting:
    world: World

    def send(self, letter: Letter) -> Answer:
        if letter.channel in self.world.down:
            return Answer(ok=False, why="it answers 500", status=500)
        self.world.letters.append(letter)
        return Answer(ok=True, why="", status=200)

    def close(self) -> None:
        pass


def system(store: Store, kind: str) -> list[StoredAlert]:
    return store.alerts.find(only=None, kind=kind, limit=20).alerts


def canary(version: int, ts: float = DAY) -> AlertMessage:
    return alert(
        "canary:w1", version, camera=SYSTEM_CAMERA, kind=CANARY, rule=CANARY, place="",
        severity="low", start_ts=ts, raised_ts=ts, detected_ts=ts + 0.1, synthetic=True,
    )  # fmt: skip
