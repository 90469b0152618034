"""A worker's ear: it follows the configuration, and obeys commands, which open no port.

The last configuration is kept beside the spool, so that the worker starts without Redis and API.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import structlog

from streams.address import DEFAULT_NETWORKS
from streams.bus import Command, Control
from streams.citydocument import decode_city
from streams.commands import (
    Follow,
    Given,
    Mask,
    Masked,
    Replay,
    Replayed,
    Suggest,
    Suggested,
    Tracks,
    Tried,
    Try,
    View,
    decode_command,
)
from streams.config import CameraConfig, City
from streams.crew import Crew
from streams.drawing import Check, Checked, Still, Taken
from streams.errands import Errands
from streams.evidence import Evidence
from streams.keeper import Keeper
from streams.logins import Logins
from streams.messages import MessageError
from streams.replaying import give, replay
from streams.rtsp.forkserver import ForkServer
from streams.stills import BUSY as BUSY_STILLS
from streams.stills import Following, take_still
from streams.suggesting import suggest
from streams.tryout import try_address, unknown_login
from vision.errors import BusError, ConfigError

LOOK_S = 1.0
PRIVATE: Final = 0o600
FIRST_DELAY_S, MAX_DELAY_S = 0.2, 5.0
MAX_TRIES = 4
"""Addresses that are tried at the same moment."""
MAX_STILLS = 4
"""The same of pictures that are taken as they are."""
MAX_CHECKS = 2
"""The same of scenes that are checked."""
JOIN_S = 1.0
NONE_YET: Final = "there is no configuration yet: run 'matakota config apply CITY'"
BUSY: Final = Tried(
    ok=False,
    code=None,
    message=f"{MAX_TRIES} addresses are being tried now: try again in half a minute",
    busy=True,
)
BUSY_MASKING: Final = Masked(
    ok=False, message="evidence is being masked now: try again in a minute", busy=True
)
NO_API: Final = Masked(ok=False, own=True, message="this worker knows no API to get evidence from")
BUSY_CHECKING: Final = Checked(
    ok=False, busy=True, message="scenes are checked now: try again in a moment"
)
NOT_MINE: Final = Checked(ok=False, busy=True, message="its worker has not taken the camera yet")
REPLAYING: Final = "tracks are being replayed now: try again in a minute"
NOT_KEPT: Final = "this worker keeps no tracks"

Kept: TypeAlias = Replay | Suggest | Tracks
"""Commands about tracks that are kept, of which one is obeyed at a time."""

log = structlog.get_logger()


class Leases(Following, Protocol):
    """Who makes live pictures of the cameras that somebody wants to see."""

    def lease(self, camera: str) -> None: ...


class Commander:
    """A thread that gives ``crew`` the configuration and the logins as they are now, and answers
    commands to ``worker``.

    ``kept`` is the file of the last configuration; ``credentials`` wins over the file that the
    configuration names; ``hide`` hears every password before it is used; what ``keeper`` kept is
    replayed, and ``evidence`` masks what it is asked to. A bus that fails is tried again, with
    back-off and jitter.
    """

    def __init__(
        self,
        control: Control,
        worker: str,
        *,
        crew: Crew,
        leases: Leases,
        forkserver: ForkServer,
        kept: Path,
        credentials: Path | None,
        hide: Callable[[Collection[str]], None],
        keeper: Keeper | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        self._control = control
        self._worker = worker
        self._crew = crew
        self._leases = leases
        self._forkserver = forkserver
        self._kept = kept
        self._credentials = credentials
        self._logins = Logins(hide)
        self._city: City | None = None
        # the version seen last, followed or not; version and text followed; the version kept
        self._seen = self._version = self._body = self._written = ""
        self._refused: str | None = None
        self._unwritten = False
        self._look_s = 0.0
        self._gone = False
        self._keeper = keeper
        self._evidence = evidence
        self._tries = Errands(control, "tryout", MAX_TRIES)
        self._replays = Errands(control, "replay", 1)
        self._masks = Errands(control, "masking", 1)
        self._stills = Errands(control, "stills", MAX_STILLS)
        self._checks = Errands(control, "checking", MAX_CHECKS)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="commander", daemon=True)
        self.number = 0
        """The configuration's number, 0 for none."""

    @property
    def problem(self) -> str | None:
        """What is wrong with configuration or logins, one sentence, or None."""
        if self._refused is not None:
            return self._refused
        return NONE_YET if self._city is None else self._logins.problem

    @property
    def alive(self) -> bool:
        """False where the thread ended by itself, without ``stop``."""
        ended = self._thread.ident is not None and not self._thread.is_alive()
        return self._stopping.is_set() or not ended

    def start(self) -> None:
        """Follow what was kept, and go on until ``stop``."""
        self._thread.start()

    def stop(self) -> None:
        """Give no more orders. Returns within a second or two, also where the bus hangs; then the
        thread is left behind, and what it does has no effect."""
        self._stopping.set()
        errands = (self._tries, self._replays, self._masks, self._stills, self._checks)
        threads = [each for some in errands for each in some.threads]
        if self._thread.ident is not None:
            threads.append(self._thread)
        end_s = time.monotonic() + JOIN_S
        for thread in threads:
            thread.join(max(0.0, end_s - time.monotonic()))

    def _run(self) -> None:
        self._restore()
        delay_s = FIRST_DELAY_S
        while not self._stopping.is_set():
            try:
                self._step()
            except BusError as error:
                if not self._gone:
                    log.warning("no configuration or command comes", why=str(error))
                self._gone = True
                self._stopping.wait(random.uniform(delay_s / 2, delay_s))
                delay_s = min(2 * delay_s, MAX_DELAY_S)
                continue
            delay_s = FIRST_DELAY_S
            if self._gone:
                log.info("configuration and commands come again")
            self._gone = False

    def _step(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._look_s:
            self._look_s = now_s + LOOK_S
            self._look_at_logins()
            self._write()
            self._look()
        wait_s = max(0.0, self._look_s - time.monotonic())
        for command in self._control.take(self._worker, wait_s=wait_s):
            self._obey(command)

    # --- configuration

    def _look(self) -> None:
        found = self._control.configuration(self._seen)
        if found is not None:
            # one that is refused is not read each second
            self._seen = found[0]
            self._follow(*found)
            self._write()

    def _follow(self, version: str, body: str) -> None:
        """Follow the configuration in ``body``, or stay with the one before and say why."""
        try:
            document = decode_city(body)
            city = document.city()
        except ConfigError as error:
            log.error("the configuration is not followed", why=str(error))
            self._refused = str(error)
            return
        self._refused = None
        self._version, self._body, self._city = version, body, city
        self._logins.look(self._credentials or city.credentials)
        self._crew.follow(city, self._logins.known, self._worker)
        self.number = document.number

    def _look_at_logins(self) -> None:
        city = self._city
        if city is not None and self._logins.look(self._credentials or city.credentials):
            log.info("the logins have changed")
            self._crew.follow(city, self._logins.known, self._worker)

    def _restore(self) -> None:
        """Follow what an earlier run kept, if it did."""
        try:
            kept = json.loads(self._kept.read_text(encoding="utf-8"))
            version, body = str(kept["version"]), str(kept["body"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the kept configuration is lost", file=self._kept.name, why=repr(error))
            return
        self._follow(version, body)
        # one that another version kept is none
        self._refused = None
        self._seen = self._written = self._version

    def _write(self) -> None:
        """Keep the configuration that is followed, whole or not at all."""
        if self._version == self._written:
            return
        try:
            _replace(self._kept, json.dumps({"version": self._version, "body": self._body}))
        except OSError as error:
            if not self._unwritten:
                log.warning("the configuration cannot be kept", why=str(error))
            self._unwritten = True
            return
        self._written, self._unwritten = self._version, False

    # --- commands

    def _obey(self, command: Command) -> None:
        try:
            wanted = decode_command(command.body)
        except MessageError as error:
            log.warning("a command is left out", why=str(error))
            return
        if isinstance(wanted, View):
            self._leases.lease(wanted.camera)
        elif isinstance(wanted, Follow):
            self._look_s = 0.0
        elif isinstance(wanted, Kept):
            self._replays.begin(command.id, partial(self._replayed, wanted), _busy(wanted))
        elif isinstance(wanted, Mask):
            self._masks.begin(command.id, partial(self._masked, wanted), BUSY_MASKING)
        elif isinstance(wanted, Still):
            self._stills.begin(command.id, partial(self._taken, wanted), BUSY_STILLS)
        elif isinstance(wanted, Check):
            self._checks.begin(command.id, partial(self._checked, wanted), BUSY_CHECKING)
        else:
            self._tries.begin(command.id, partial(self._tried, wanted), BUSY)

    def _tried(self, wanted: Try) -> Tried:
        logins = self._logins.known
        if wanted.login is not None and wanted.login not in logins:
            return unknown_login()
        return try_address(
            wanted.source,
            logins.get(wanted.login or ""),
            networks=DEFAULT_NETWORKS if self._city is None else self._city.networks,
            forkserver=self._forkserver,
            timeout_s=wanted.timeout_s,
            stop=self._stopping,
        )

    def _replayed(self, wanted: Kept) -> Replayed | Suggested | Given:
        keeper = self._keeper
        if keeper is None:
            return _not_kept(wanted)
        own = self._own(wanted.camera)
        if isinstance(wanted, Suggest):
            return suggest(wanted, own, keeper, self._stopping)
        if isinstance(wanted, Tracks):
            return give(wanted, keeper)
        return replay(wanted, own, keeper, self._stopping)

    def _own(self, camera: str) -> CameraConfig | None:
        """As it is configured, None where it is not."""
        cameras = () if self._city is None else self._city.cameras
        return next((each for each in cameras if each.id == camera), None)

    def _checked(self, wanted: Check) -> Checked:
        own = self._own(wanted.camera)
        return NOT_MINE if own is None else self._crew.check(replace(own, scene=wanted.scene))

    def _masked(self, wanted: Mask) -> Masked:
        evidence = self._evidence
        return NO_API if evidence is None else evidence.mask(wanted, self._stopping)

    def _taken(self, wanted: Still) -> Taken:
        return take_still(wanted, self._leases, self._stopping)


def _busy(wanted: Kept) -> Replayed | Suggested | Given:
    if isinstance(wanted, Suggest):
        return Suggested(ok=False, refused="busy", message=REPLAYING)
    if isinstance(wanted, Tracks):
        return Given(ok=False, busy=True, message=REPLAYING)
    return Replayed(ok=False, busy=True, message=REPLAYING)


def _not_kept(wanted: Kept) -> Replayed | Suggested | Given:
    if isinstance(wanted, Suggest):
        return Suggested(ok=False, refused="kept", message=NOT_KEPT)
    if isinstance(wanted, Tracks):
        return Given(ok=False, message=NOT_KEPT)
    return Replayed(ok=False, message=NOT_KEPT)


def _replace(path: Path, text: str) -> None:
    """Write a file for its owner alone; after a power cut it is the old one or the new one."""
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), PRIVATE)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
