"""The notifier: decides on what is in the feed, and keeps a dispatcher for each channel.

It never ends by itself for what others do: while the store is gone it waits, and a channel that
cannot be used is said and left out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import structlog

from api.alerting.advise import advice_for
from api.alerting.decide import Decider, site_down
from api.alerting.secrets import ChannelSecret, load_secrets
from api.alerting.settings import CANARY_CHANNEL, Advice, Alerting, Channel
from api.delivery.canary_channel import CanarySender
from api.delivery.sender import Sender
from api.store import Configuration, Store, StoredAlert
from api.store.alerting import StoredAlerting
from api.store.facts import Change, Facts, NewNotice
from api.store.notices import Needed
from api.system import (
    CHAIN_BROKEN,
    CHANNEL_BROKEN,
    SITE_DOWN,
    WATCHDOG_MISSING,
    WATCHDOG_NAME,
    channel_broken,
    channel_late,
    channel_name,
    site_is_down,
    site_name,
    watchdog_missing,
)
from api.trouble import Trouble
from api.watching import NOTIFIER, PERIODS, WATCHDOG, Missing
from streams.messages import SYSTEM_CAMERA
from vision.errors import BrokenError, ConfigError, MatakotaError, StoreError
from vision.policy import CAMERA_DOWN

BATCH: Final = 500
END_S: Final = 3.0
MAX_DOWN: Final = 10_000
"""So many cameras that are down are looked at together."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds: how long nothing is looked for after nothing was found, and how often the settings,
    the sites and the watchdog are looked at, and the beat is given. A channel by which nothing
    arrives for ``late`` does not work."""

    idle: float = 0.2
    settings: float = 1.0
    beat: float = 5.0
    late: float = 900.0


EVERY: Final = Intervals()


class Dispatching(Protocol):
    """What sends what is due on one channel, in a thread of its own."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    @property
    def running(self) -> bool: ...


Dispatch: TypeAlias = Callable[[Channel, Sender, Callable[[], Needed]], Dispatching]
"""What sends on a channel by a sender, as long as what is due still has to be sent."""
Advise: TypeAlias = Callable[[StoredAlert], Advice | None]
BuildSender: TypeAlias = Callable[[Channel, ChannelSecret | None, Sequence[str], Advise], Sender]
"""What sends on a channel with its secret, in those private networks, with advice for people.
Raises MatakotaError."""
_Key: TypeAlias = tuple[Channel, ChannelSecret | None, tuple[str, ...]]


class Notifier:
    """``by`` names this process: the same one after a restart. ``hide`` keeps secrets out of the
    log."""

    def __init__(
        self,
        store: Store,
        *,
        by: str,
        dispatch: Dispatch,
        sender_for: BuildSender,
        hide: Callable[[Collection[str]], None],
        every: Intervals = EVERY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._by = by
        self._dispatch = dispatch
        self._sender_for = sender_for
        self._hide = hide
        self._every = every
        self._clock = clock
        self._decider = Decider(Alerting())
        self._decides = False
        self._applied: tuple[StoredAlerting, object] | None = None
        self._secrets: Mapping[str, ChannelSecret] = {}
        self._running: dict[str, tuple[_Key | None, Dispatching]] = {}
        self._broken: dict[str, str] = {}
        self._late: dict[str, float] = {}
        self._began, self._began_s = clock(), time.monotonic()
        self._released = False
        self._settings_due_s = self._beat_due_s = 0.0
        self._watchdog = Missing(PERIODS.beat, PERIODS.jump)

    def run(self, stopping: threading.Event) -> None:
        """Decide and send until ``stopping`` is set. Raises BrokenError where a thread is gone
        without which nobody would be told."""
        trouble = Trouble("nobody is told of alerts", "alerts are told again", stopping)
        try:
            while not stopping.is_set():
                try:
                    more = self._step()
                except StoreError as error:
                    trouble.wait(error)
                    continue
                trouble.end()
                for name, (_, dispatching) in self._running.items():
                    if not dispatching.running:
                        raise BrokenError(
                            f"the dispatcher of {name} broke down: start this again, and see its "
                            "log"
                        )
                if not more:
                    stopping.wait(self._every.idle)
        finally:
            self._end_all()

    def _step(self) -> bool:
        """Whether there may be more to decide on at once."""
        if not self._released:
            self._store.notices.release(self._by)
            self._released = True
        now_s = time.monotonic()
        if now_s >= self._settings_due_s:
            self._follow()
            self._settings_due_s = now_s + self._every.settings
        if not self._decides:
            # what is decided on by no settings would be told to nobody, ever; without a beat the
            # watchdog alarms
            return False
        routed = self._store.notices.route(
            self._decide, inhibiting=self._decider.inhibiting, limit=BATCH
        )
        beat = now_s >= self._beat_due_s
        if routed.alerts or beat:
            self._look_at_sites()
        if beat:
            self._store.canaries.beat(NOTIFIER)
            self._look_at_watchdog()
            self._look_at_channels()
            self._beat_due_s = now_s + self._every.beat
        return routed.more

    def _decide(self, changes: Sequence[Change], facts: Facts) -> list[NewNotice]:
        # that the chain is broken, its watchdog tells the alarm channel by itself
        alerts = [change.alert for change in changes]
        told = {
            alert.id
            for alert in alerts
            if alert.kind == CHAIN_BROKEN and alert.camera == SYSTEM_CAMERA
        }
        alarm = self._settings.alarm
        return [
            notice
            for notice in self._decider.decide(changes, facts)
            if notice.channel != alarm or notice.alert not in told
        ]

    def _needed(self) -> Needed:
        return self._decider

    def _advice(self, alert: StoredAlert) -> Advice | None:
        return advice_for(self._settings, alert)

    @property
    def _settings(self) -> Alerting:
        return Alerting() if self._applied is None else self._applied[0].settings

    # --- the settings

    def _follow(self) -> None:
        """Take the settings and secrets that there are now."""
        current = self._store.alerting.current()
        settings = current.settings
        version = _version(settings.secrets)
        if self._applied == (current, version):
            return
        try:
            decider = Decider(settings)
        except ConfigError as error:
            said = "they are as they were" if self._decides else "nobody is told"
            log.error(f"the alerting settings cannot be used, and {said}", why=str(error))
            self._applied = current, version
            return
        self._decider, self._decides = decider, True
        refused = self._read_secrets(settings)
        self._start(settings, refused)
        self._tell_broken(self._found_late())
        self._applied = current, version
        log.info("telling by channels", channels=sorted(self._running), settings=current.number)

    def _read_secrets(self, settings: Alerting) -> str | None:
        """Why the file of secrets cannot be read; what was read of it before is used then."""
        if settings.secrets is None:
            self._secrets = {}
            return None
        try:
            self._secrets = load_secrets(Path(settings.secrets))
        except ConfigError as error:
            log.error("the file of secrets cannot be used", why=str(error))
            return str(error)
        found = self._secrets.values()
        self._hide([text for each in found for text in (each.url, each.secret) if text])
        return None

    def _start(self, settings: Alerting, refused: str | None) -> None:
        """Run a dispatcher for each channel that can be used; one whose settings are as they were
        goes on."""
        broken: dict[str, str] = {}
        wanted = {channel.name: channel for channel in settings.channels if channel.enabled}
        for name in self._running.keys() - wanted.keys() - {CANARY_CHANNEL}:
            self._end(name)
        if CANARY_CHANNEL not in self._running:
            # never constructed from settings, where that name is refused
            channel = Channel.model_construct(name=CANARY_CHANNEL, kind="webhook", per_minute=6000)
            self._run(channel, None, CanarySender(self._store.canaries, self._clock))
        for name, channel in wanted.items():
            key = channel, self._secrets.get(name), settings.networks
            if name in self._running and self._running[name][0] == key:
                continue
            self._end(name)
            try:
                sender = self._sender_for(*key, self._advice)
            except MatakotaError as error:
                missing = refused is not None and name not in self._secrets
                broken[name] = f"{refused if missing else error}"
                if self._broken.get(name) != broken[name]:
                    log.error("a channel cannot be used", channel=name, why=broken[name])
                continue
            self._run(channel, key, sender)
        self._broken = broken

    def _run(self, channel: Channel, key: _Key | None, sender: Sender) -> None:
        dispatching = self._dispatch(channel, sender, self._needed)
        dispatching.start()
        self._running[channel.name] = key, dispatching

    def _end(self, name: str) -> None:
        if name in self._running:
            self._running.pop(name)[1].stop()

    def _end_all(self) -> None:
        """End them side by side: each may wait for whom it tells just now."""
        ending = [
            threading.Thread(target=dispatching.stop, daemon=True)
            for _, dispatching in self._running.values()
        ]
        until_s = time.monotonic() + END_S
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _look_at_channels(self) -> None:
        late = self._found_late()
        if late != self._late:
            self._tell_broken(late)

    def _found_late(self) -> dict[str, float]:
        """The channels that can be used and by which nothing arrives, and since when."""
        names = self._running.keys() - {CANARY_CHANNEL}
        known = dict(self._late)
        settled = time.monotonic() - self._began_s >= self._every.late
        if not settled:
            # who was late before this began is so until something arrives
            told = self._store.wrongs.open(CHANNEL_BROKEN)
            known |= {name: self._began for name in names if channel_name(name) in told}
        found = self._store.notices.late(names, self._every.late, known)
        # what waited while nobody sent it is no fault of a channel
        return {name: since for name, since in found.items() if settled or name in known}

    def _tell_broken(self, late: Mapping[str, float]) -> None:
        wrongs = [channel_broken(name, why) for name, why in self._broken.items()]
        wrongs += [channel_late(name, since) for name, since in late.items()]
        for wrong in wrongs:
            self._store.wrongs.state(wrong)
        now_broken = {wrong.name for wrong in wrongs}
        for name in self._store.wrongs.open(CHANNEL_BROKEN) - now_broken:
            self._store.wrongs.end(
                CHANNEL_BROKEN, name, "messages arrive again, or it is no channel any more"
            )
        self._late = dict(late)

    # --- alerts about more than one camera

    def _look_at_sites(self) -> None:
        settings = self._settings
        down: Collection[str] = ()
        if settings.sites:
            found = self._store.alerts.find(
                only=None, kind=CAMERA_DOWN, state="open", limit=MAX_DOWN
            )
            down = site_down(settings, found.alerts, self._clock())
        known = self._store.wrongs.open(SITE_DOWN)
        for site in settings.sites:
            if site.name in down and site_name(site.name) not in known:
                self._store.wrongs.state(site_is_down(site.name, site.cameras))
        for name in known - {site_name(site) for site in down}:
            self._store.wrongs.end(SITE_DOWN, name, "a camera of the site is back")

    def _look_at_watchdog(self) -> None:
        beat = self._store.canaries.beats().get(WATCHDOG)
        if beat is None:
            return
        missing = self._watchdog.missing(beat, time.monotonic())
        known = bool(self._store.wrongs.open(WATCHDOG_MISSING))
        if missing and not known:
            self._store.wrongs.state(watchdog_missing())
        elif known and not missing and self._watchdog.came:
            self._store.wrongs.end(WATCHDOG_MISSING, WATCHDOG_NAME, "it is heard again")


class CameraNames:
    """What cameras are called, by their ids; read again when the configuration changed."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._known: tuple[int, Mapping[str, str]] = 0, {}

    def __call__(self) -> Mapping[str, str]:
        """While the store is gone, those that were known."""
        with suppress(StoreError):
            number = self._configuration.number()
            if number != self._known[0]:
                cameras = self._configuration.cameras()
                self._known = number, {camera.id: camera.name for camera in cameras}
        return self._known[1]


def _version(secrets: str | None) -> object:
    """Something else whenever the file of secrets may hold something else."""
    if secrets is None:
        return None
    try:
        stat = Path(secrets).stat()
    except OSError as error:
        return error.errno
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_size, stat.st_mode
