"""A worker in this process, with the bus in memory, and cities to give it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Self

import pytest

from models.zoo import resolve
from streams.address import parse_address
from streams.bus import Bus, Control
from streams.bus.memory import MemoryBus
from streams.bus.memory_control import MemoryControl
from streams.canary import PERIOD_S
from streams.citydocument import CityDocument, encode_city
from streams.config import MOTION, SYNTHETIC, CameraConfig, City
from streams.detector import Detectors
from streams.evidence import Evidence
from streams.keeper import Keeper
from streams.messages import CANARY, AlertMessage, CountsMessage, decode
from streams.reports import CameraReport, HealthReport, decode_report
from streams.spool import Spool
from streams.worker import Worker
from tests.waiting import PATIENCE_S, wait_for
from vision.errors import BrokenError

LOOPBACK = (ip_network("127.0.0.0/8"),)
GATE: Mapping[str, Any] = {
    "frame_size": [640, 360],
    "classes": ["moving"],
    "lines": [{"name": "road", "points": [[120, 230], [520, 230]]}],
}
"""A scene of the synthetic road."""


def camera(name: str, source: str = SYNTHETIC, **fields: Any) -> CameraConfig:
    return CameraConfig(
        **{
            "id": name,
            "name": name,
            "source": source if source == SYNTHETIC else parse_address(source),
            "login": None,
            "model": MOTION,
            "fps": 5.0,
            "worker": None,
            "scene": None,
            **fields,
        }
    )


def city(*cameras: CameraConfig, credentials: Path | None = None) -> City:
    return City("Makassar", LOOPBACK, credentials, cameras)


def drawn(of: CameraConfig, revision: int, **changes: Any) -> CameraConfig:
    """The camera with another scene."""
    return replace(of, scene={**GATE, **changes}, revision=revision)


def write_logins(path: Path, **logins: str) -> Path:
    """A credentials file of names and passwords; the user is ``operator``."""
    text = "".join(f"{n}: {{user: operator, password: {p}}}\n" for n, p in logins.items())
    path.touch(mode=0o600)
    path.write_text(text or "{}\n", encoding="utf-8")
    return path


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers look and report more often than they would, and do not wait for receipts, which
    nobody sends here."""
    monkeypatch.setattr("streams.worker.REPORT_S", 0.05)
    monkeypatch.setattr("streams.commander.LOOK_S", 0.05)
    monkeypatch.setattr("streams.worker.DRAIN_S", 0.0)


class Running:
    """A worker in a thread, its spool in ``folder``; what it raised is kept."""

    def __init__(
        self,
        folder: Path,
        *,
        control: Control | None = None,
        bus: Bus | None = None,
        credentials: Path | None = None,
        keeper: Keeper | None = None,
        evidence: Evidence | None = None,
        canary_s: float = PERIOD_S,
    ) -> None:
        self.bus: Bus = bus or MemoryBus()
        self.control = control or MemoryControl()
        self.stop = threading.Event()
        self.error: Exception | None = None
        self.number = 0
        self._said: list[AlertMessage | CountsMessage] | None = None
        self.hidden: list[str] = []
        self.kept = folder / "configuration-w.json"
        self.spool = Spool(folder / "spool.db")
        self._worker = Worker(
            name="w",
            spool=self.spool,
            bus=self.bus,
            control=self.control,
            detectors=Detectors(lambda model: resolve(model, cache=None)),
            kept=self.kept,
            credentials=credentials,
            hide=self._hide,
            keeper=keeper,
            evidence=evidence,
            canary_s=canary_s,
        )
        self._thread = threading.Thread(target=self._run)

    def _hide(self, passwords: Collection[str]) -> None:
        self.hidden += passwords

    def _run(self) -> None:
        try:
            self._worker.run(self.stop)
        except BrokenError as error:
            self.error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(PATIENCE_S)
        alive = self._thread.is_alive()
        self._said = self._messages()
        self.spool.close()
        assert not alive

    def configure(self, *cameras: CameraConfig, credentials: Path | None = None) -> None:
        """Publish a configuration, as the API does."""
        self.number += 1
        publish(self.control, city(*cameras, credentials=credentials), self.number)

    def report(self) -> HealthReport | None:
        """What it said last."""
        return next((decode_report(body) for body in self.bus.reports()), None)

    def camera(self, name: str) -> CameraReport | None:
        report = self.report()
        cameras = () if report is None else report.cameras
        return next((each for each in cameras if each.camera == name), None)

    def until(self, name: str, **fields: Any) -> CameraReport:
        """The report of a camera once it says all of this; ``analysed`` is at least so much."""

        def said() -> CameraReport | None:
            found = self.camera(name)
            if found is None or any(not _fits(found, *field) for field in fields.items()):
                return None
            return found

        found: CameraReport = wait_for(said, f"{name} is {fields}, not {self.camera(name)}")
        return found

    def followed(self) -> HealthReport:
        """The report once the latest configuration is followed."""

        def said() -> HealthReport | None:
            found = self.report()
            return found if found is not None and found.configuration == self.number else None

        found: HealthReport = wait_for(said, f"configuration {self.number} is followed")
        return found

    def alerts(self) -> list[AlertMessage]:
        """Those that tell of something."""
        return [m for m in self._stated() if m.kind != CANARY]

    def canaries(self) -> list[AlertMessage]:
        return [m for m in self._stated() if m.kind == CANARY]

    def _stated(self) -> list[AlertMessage]:
        return [m for m in self._messages() if isinstance(m, AlertMessage)]

    def counts(self) -> list[CountsMessage]:
        return [m for m in self._messages() if isinstance(m, CountsMessage)]

    def _messages(self) -> list[AlertMessage | CountsMessage]:
        """All that was stated: nobody confirms, so all of it is in the spool."""
        if self._said is not None:
            return self._said
        return [decode(body) for (body,) in self.spool._file.rows("SELECT body FROM outbox")]


def publish(control: Control, of: City, number: int) -> None:
    body = encode_city(CityDocument.of(of, number))
    control.configure(hashlib.sha256(body.encode()).hexdigest()[:16], body)


def _fits(found: CameraReport, field: str, wanted: Any) -> bool:
    value = getattr(found, field)
    return value >= wanted if field == "analysed" else value == wanted
