"""The worker around its cameras: reports, what an earlier run left, and parts that die."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.zoo import resolve
from streams.bus.memory import MemoryBus
from streams.camera import CameraLoop
from streams.config import City, load_city
from streams.detector import Detectors
from streams.health import State
from streams.messages import AlertMessage, CountsMessage, decode, decode_report
from streams.spool import Spool
from streams.worker import Worker
from tests.waiting import PATIENCE_S, wait_for
from vision.bins import Binner
from vision.errors import BrokenError, DetectorError, SceneError
from vision.policy import alert_of
from vision.scene import Line
from vision.types import Crossing, Event

TS = 1_800_000_000.0


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.db") as opened:
        yield opened


def city(folder: Path, *, scene: str = "", cameras: tuple[str, ...] = ("a", "b")) -> City:
    text = "cameras:\n"
    for name in cameras:
        text += f"  - {{id: {name}, source: synthetic{', scene: scene.yaml' if scene else ''}}}\n"
    (folder / "city.yaml").write_text(text, encoding="utf-8")
    (folder / "scene.yaml").write_text(scene, encoding="utf-8")
    return load_city(folder / "city.yaml")


def worker(city: City, spool: Spool, bus: MemoryBus | None = None) -> Worker:
    detectors = Detectors(lambda model: resolve(model, cache=None))
    return Worker(city, name="w", spool=spool, bus=bus or MemoryBus(), detectors=detectors)


class Running:
    """A worker in a thread; what it raised is kept."""

    def __init__(self, worker: Worker) -> None:
        self.stop = threading.Event()
        self.error: Exception | None = None
        self._worker = worker
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self._worker.run(self.stop)
        except BrokenError as error:
            self.error = error

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


def test_all_cameras_are_reported(tmp_path: Path, spool: Spool) -> None:
    bus = MemoryBus()
    with Running(worker(city(tmp_path), spool, bus)):

        def both_live() -> bool:
            reports = [decode_report(body) for body in bus.reports()]
            return any(
                [c.state for c in report.cameras] == [State.LIVE, State.LIVE] for report in reports
            )

        wait_for(both_live, "both are live")
        (report,) = [decode_report(body) for body in bus.reports()]
        assert (report.worker, report.problem) == ("w", None)
        assert [c.camera for c in report.cameras] == ["a", "b"]
        assert {c.source for c in report.cameras} == {"synthetic"}
        assert (report.cameras[0].width, report.cameras[0].height) == (640, 360)


@pytest.mark.parametrize("part", ["a camera", "the forwarder"])
def test_a_part_that_dies_ends_the_worker(
    tmp_path: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    if part == "a camera":
        monkeypatch.setattr(CameraLoop, "run", lambda self, stop: None)
    else:
        monkeypatch.setattr("streams.forwarder.Forwarder._run", lambda self: None)
    with Running(worker(city(tmp_path), spool)) as running:
        wait_for(lambda: running.error, "it ended")
    assert ("forwarder" in str(running.error)) == (part == "the forwarder")


def test_what_a_removed_camera_left_is_stated(tmp_path: Path, spool: Spool) -> None:
    event = Event("e1", "intrusion", "r", "old", "yard", TS, TS, None, (1,), 0.5, {})
    spool.put([AlertMessage.of(alert_of(event, 1), revision=3, synthetic=False)])
    line = Line("gate", np.array([[0.0, 0.0], [1.0, 1.0]]), "in", "out")
    binner = Binner("old", (line,), ("person",), 3)
    binner.update(TS + 1, [Crossing("old", "gate", "in", "person", 1, TS + 1, 0, 0)])
    spool.keep_bins("old", json.dumps(binner.state()))

    worker(city(tmp_path), spool)
    said = [decode(each.body) for each in spool.unsent(100)]
    closed = [m for m in said if isinstance(m, AlertMessage) and m.state == "closed"]
    counts = [m for m in said if isinstance(m, CountsMessage)]
    assert [(m.id, m.version, m.details["closed"]) for m in closed] == [
        ("e1", 2, "the camera was removed")
    ]
    assert [(m.camera, m.revision, [c.count for c in m.counts]) for m in counts] == [
        ("old", 3, [1])
    ]
    # once: the next start has nothing left to say
    before = len(spool.unsent(100))
    worker(city(tmp_path), spool)
    assert len(spool.unsent(100)) == before


def test_the_scene_is_checked_before_anything_runs(tmp_path: Path, spool: Spool) -> None:
    with pytest.raises(SceneError, match=r"scene\.yaml:1: unknown field 'lins'"):
        worker(city(tmp_path, scene="lins: []"), spool)
    with pytest.raises(SceneError, match="frame_size"):
        worker(city(tmp_path, scene="lines: []"), spool)
    with pytest.raises(DetectorError, match=r"scene\.yaml: .*unicorn"):
        worker(city(tmp_path, scene="frame_size: [640, 360]\nclasses: [unicorn]"), spool)


def test_the_same_scene_has_the_same_revision(tmp_path: Path, spool: Spool) -> None:
    def revisions(text: str) -> list[int]:
        built = worker(city(tmp_path, scene=text), spool)
        return [loop.report().revision for loop in built._loops]

    first = revisions("frame_size: [640, 360]")
    assert len(set(first)) == 1
    assert revisions("frame_size: [640, 360]") == first
    assert revisions("frame_size: [640, 360]\n# another") != first
