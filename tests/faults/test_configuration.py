"""The configuration reaches workers that run, and stays with them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from streams.bus import RedisBus, RedisControl
from streams.reports import CameraReport, HealthReport, decode_report
from streams.valkey import EmbeddedValkey
from tests.api.command import environment
from tests.faults.living import COMMANDS
from tests.faults.scenarios import Changes, changing
from tests.needs import REPO
from tests.nursery import nursery
from tests.waiting import wait_for

NAME = "north"
CITY = """\
name: test
cameras:
  - id: road
    source: synthetic
    model: motion
    worker: north
    scene:
      frame_size: [640, 360]
      classes: [moving]
      lines: [{name: road, points: [[120, 230], [520, 230]]}]
"""


def check(done: Changes) -> None:
    print(done)
    assert (done.connects, done.lost) == (1, 0)
    # each crossing that was seen is an alert: none is lost between two scenes, none doubled
    assert done.alerts == done.crossings > 0
    assert done.of_alerts == set(range(1, done.rounds + 2))
    assert done.of_counts == done.of_alerts


@pytest.mark.long
def test_a_scene_is_changed_while_all_runs(tmp_path: Path, clip_cache: Path) -> None:
    check(changing(tmp_path, clip_cache, rounds=2))


@pytest.mark.long
def test_a_scene_is_changed_again_and_again(tmp_path: Path, clip_cache: Path) -> None:
    check(changing(tmp_path, clip_cache, rounds=6))


class Parts:
    """API and worker as processes of their own, on one machine with a Redis that stays."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self._variables = environment(
            folder, MATAKOTA_DATA=str(folder / "data"), MATAKOTA_REDIS_URL=redis_url
        )
        self._bus = RedisBus(redis_url)
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "parts.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "api", "--supervised-by", str(os.getpid()),
                 *arguments],
                cwd=self.folder, env={**self._variables, "PYTHONPATH": str(REPO)},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._processes.append(process)
        return process

    def serve(self) -> subprocess.Popen[bytes]:
        return self.start("serve", "--port", "0")

    def worker(self) -> subprocess.Popen[bytes]:
        return self.start("worker", "--name", NAME)

    def apply(self, text: str) -> None:
        (self.folder / "city.yaml").write_text(text, encoding="utf-8")
        with (self.folder / "parts.log").open("ab") as log, Path(os.devnull).open() as nothing:
            command = nursery(*COMMANDS).start(
                "api.cli:main", ["config", "apply", "city.yaml"],
                folder=self.folder, variables=self._variables, files=(nothing, log, log),
            )  # fmt: skip
        assert command.wait(100) == 0, self.log

    def report(self) -> HealthReport | None:
        for body in self._bus.reports():
            report = decode_report(body)
            if report.worker == NAME:
                return report
        return None

    def camera(self) -> CameraReport | None:
        """The one camera, once it is live."""
        report = self.report()
        live = [c for c in report.cameras if c.state == "live"] if report is not None else []
        return live[0] if live else None

    def number(self) -> int:
        """Of the configuration that the worker follows."""
        report = self.report()
        return 0 if report is None else report.configuration

    @property
    def log(self) -> str:
        return (self.folder / "parts.log").read_text(encoding="utf-8")

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self._bus.close()


@contextmanager
def parts(folder: Path) -> Iterator[tuple[Parts, EmbeddedValkey]]:
    with EmbeddedValkey(folder / "valkey") as valkey:
        them = Parts(folder, valkey.url)
        try:
            yield them, valkey
        finally:
            them.close()


@pytest.mark.long
def test_a_worker_starts_with_what_it_kept_while_all_others_are_gone(tmp_path: Path) -> None:
    with parts(tmp_path) as (them, valkey):
        worker = them.worker()
        wait_for(them.report, "a worker without a configuration reports")
        report = them.report()
        assert report is not None
        assert "config apply" in (report.problem or "")
        api = them.serve()
        them.apply(CITY)
        wait_for(them.camera, "the camera is live")
        api.kill()
        api.wait()
        worker.kill()
        worker.wait()
        with redis.Redis.from_url(valkey.url) as client:
            client.flushall()
        worker = them.worker()
        wait_for(them.camera, "the camera is live without an API")
        assert them.number() == 1
        # and without Redis
        worker.kill()
        worker.wait()
        valkey.stop()
        began = them.log.count("configuration is followed")
        them.worker()
        wait_for(lambda: them.log.count("configuration is followed") > began, "it is followed")
        valkey.start()
        wait_for(them.camera, "it reports when Redis is back")
        assert "Traceback" not in them.log
        # what was changed meanwhile comes as soon as the API is back
        them.apply(CITY.replace("230", "200"))
        them.serve()
        wait_for(lambda: them.number() == 2, "the change came")
        wait_for(lambda: (c := them.camera()) and c.revision == 2, "the scene came")


def test_what_is_published_is_put_back(tmp_path: Path) -> None:
    with parts(tmp_path) as (them, valkey):
        them.apply(CITY)
        them.serve()
        control = RedisControl(valkey.url)
        try:
            version = wait_for(control.configured, "it is published")
            with redis.Redis.from_url(valkey.url) as client:
                client.flushall()
            began_s = time.monotonic()
            wait_for(lambda: control.configured() == version, "it is put back")
            print(f"put back after {time.monotonic() - began_s:.1f} s")
        finally:
            control.close()


def test_two_workers_take_their_own_cameras(tmp_path: Path) -> None:
    other = (
        "  - {id: yard, source: synthetic, model: motion, worker: south}\n"
        "  - {id: bridge, source: synthetic, model: motion, worker: south}\n"
    )
    with parts(tmp_path) as (them, _):
        them.apply(CITY + other)
        them.serve()
        them.worker()
        them.start("worker", "--name", "south")
        wait_for(them.camera, "the camera is live")
        report = them.report()
        assert report is not None
        assert [camera.camera for camera in report.cameras] == ["road"]
        # it changes hands without a restart of either
        them.apply(CITY + other.replace("bridge, source", "bridge, name: Bridge, source").replace(
            "worker: south}\n  - {id: bridge", "worker: north}\n  - {id: bridge"
        ))  # fmt: skip
        wait_for(
            lambda: (r := them.report()) and {c.camera for c in r.cameras} == {"road", "yard"},
            "the yard came",
        )
