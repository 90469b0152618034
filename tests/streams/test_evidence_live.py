"""A camera over RTSP whose rule fires: the alert at once, its picture after it, then its clip."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import streams.evidence as module
import streams.evidenceposting as posting_module
from streams.address import parse_address
from streams.commands import Mask
from streams.evidence import NO_PICTURE, UNSEEN, Evidence
from streams.evidenceboxes import decode_boxes
from streams.health import State
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.ring import Ring
from streams.simulator import Recording, Simulator, load_recording
from streams.spool import Spool
from tests.streams.evidenceapi import EvidenceApi, Item, evidence_api
from tests.streams.rtsp.oddcameras import source
from tests.streams.simulator.clients import SIZE, small_clip, which_bar
from tests.streams.stage import Scripted, Stage, assigned, event
from tests.streams.test_maskingprocess import pictures
from tests.streams.workers import Running, camera, quick
from tests.waiting import wait_for
from vision.masking import Masking
from vision.pipeline import Step
from vision.scene import Scene
from vision.types import Detections, Frame, Track, Tracked

AROUND_S = 1.5
BOX = np.array([16.0, 12.0, 64.0, 60.0], np.float32)


class Watching(Scripted):
    """Sees one person all the time, and fires in the ``fires``th picture."""

    def __init__(self, fires: int) -> None:
        super().__init__()
        self.scene = Scene(SIZE, ("person",))
        self.fires = fires
        self.steps = 0
        self.fired: Frame | None = None

    def step(self, frame: Frame) -> Step:
        self.steps += 1
        path = np.array([[40.0, 60.0, 0.0]], np.float32)
        sizes = np.array([[48.0, 48.0]], np.float32)
        person = Track(1, "person", 1.0, 0.9, frame.ts, frame.ts, BOX, path, sizes)
        found = Detections(BOX[None], np.ones(1, np.float32), np.zeros(1, np.int32))
        tracked = Tracked(
            "a", frame.index, frame.ts, ("person",), found, np.ones(1, np.int32), (person,), ()
        )
        if self.steps != self.fires:
            return Step(tracked)
        self.fired = frame
        return Step(tracked, events=(event("a1", frame.ts),))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AROUND_S", AROUND_S)
    monkeypatch.setattr(module, "MARGIN_S", 1.0)
    monkeypatch.setattr(posting_module, "LOOK_S", 0.1)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("clips")
    return load_recording(small_clip(folder / "small.mp4"), folder / "cache")


@pytest.fixture
def api() -> Iterator[EvidenceApi]:
    with evidence_api() as found:
        yield found


def test_an_alert_of_a_camera(tmp_path: Path, recording: Recording, api: EvidenceApi) -> None:
    watching = Watching(fires=40)
    evidence = Evidence(tmp_path / "evidence", api.connect)
    with Simulator({"a": recording}) as simulator, ForkServer() as forkserver:
        url = simulator.url("a")
        evidence.start()
        try:
            with Spool(tmp_path / "spool.db") as spool:
                asked = assigned(source=parse_address(url))
                stage = Stage(spool, evidence=evidence, asked=asked)
                stage.analysis = watching
                stage.sources.append(source(url, forkserver, ring=Ring(forkserver)))
                with stage:
                    wait_for(lambda: stage.alerts("intrusion"), "the alert is in the spool")
                    wait_for(lambda: ("a1", "clip") in api.items, "its clip is posted")
            masked(evidence, api)
        finally:
            evidence.stop()
    assert api.missing == {}
    assert watching.fired is not None
    check_snapshot(api.items["a1", "snapshot"], watching.fired)
    check_clip(api.items["a1", "clip"], watching.fired, tmp_path)
    check_copy(api, tmp_path)
    assert list((tmp_path / "evidence").iterdir()) == []


def test_a_camera_that_goes_down_shows_what_came_last(
    tmp_path: Path, recording: Recording, api: EvidenceApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    monkeypatch.setattr(module, "AROUND_S", 5.0)
    evidence = Evidence(tmp_path / "evidence", api.connect)
    with (
        Simulator({"a": recording}) as simulator,
        Running(tmp_path, evidence=evidence) as running,
    ):
        running.configure(camera("room1", simulator.url("a")), camera("road"))
        running.until("room1", state=State.LIVE, analysed=10)
        simulator.stop_camera("a")
        wait_for(lambda: running.alerts(), "it is stated")
        wait_for(lambda: len(api.items) + len(api.missing) == 2, "all is told of")
    (alert,) = (each for each in running.alerts() if each.state == "open")
    assert alert.kind == "camera_down"
    assert api.missing == {(alert.id, "snapshot"): NO_PICTURE}
    item = api.items[alert.id, "clip"]
    assert item.head.camera == "room1"
    assert "ends" in (item.head.note or "")
    # no scene is drawn, so nobody looked for anybody
    assert UNSEEN in (item.head.note or "")
    assert item.head.to_ts < alert.raised_ts
    (tmp_path / "clip.mp4").write_bytes(item.parts["original"])
    assert pictures(tmp_path / "clip.mp4")


def masked(evidence: Evidence, api: EvidenceApi) -> None:
    """As the API asks for a copy of the clip."""
    item = api.items["a1", "clip"]
    api.material = item.head.encode() + b"".join(item.parts.values())
    wanted = Mask(alert="a1", camera="a", form="clip")
    answer = evidence.mask(wanted, threading.Event())
    assert (answer.ok, answer.message) == (True, "")


def check_snapshot(item: Item, fired: Frame) -> None:
    assert item.head.from_ts == item.head.to_ts == fired.ts
    original = cv2.imdecode(np.frombuffer(item.parts["original"], np.uint8), cv2.IMREAD_COLOR)
    assert original is not None
    assert which_bar(np.asarray(original)) == which_bar(fired.image)
    assert "copy" in item.parts


def check_clip(item: Item, fired: Frame, folder: Path) -> None:
    head = item.head
    # it begins with a key frame, which comes each second
    assert fired.ts - AROUND_S - 1.5 <= head.from_ts <= fired.ts - AROUND_S + 0.2
    assert fired.ts + AROUND_S - 0.2 <= head.to_ts <= fired.ts + AROUND_S + 0.5
    assert head.note is None
    path = folder / "clip.mp4"
    path.write_bytes(item.parts["original"])
    shown = pictures(path)
    assert abs(shown[-1][0] - shown[0][0] - (head.to_ts - head.from_ts)) < 0.5
    nearest = min(shown, key=lambda each: abs(each[0] - shown[0][0] - (fired.ts - head.from_ts)))
    assert abs(which_bar(nearest[1]) - which_bar(fired.image)) in {0, 1, 2, 22, 23}
    masking = Masking(decode_boxes(item.parts["boxes"]))
    for ts in np.arange(head.from_ts, head.to_ts, 0.1):
        regions: Any = masking.regions(float(ts), SIZE).tolist()
        assert any(x1 <= 40 < x2 and y1 <= 16 < y2 for x1, y1, x2, y2 in regions)
        assert [0, 0, *SIZE] not in regions


def check_copy(api: EvidenceApi, folder: Path) -> None:
    copy = api.copies["a1", "clip"]
    assert list(copy.parts) == ["copy"]
    assert copy.head.media == "video/mp4"
    path = folder / "copy.mp4"
    path.write_bytes(copy.parts["copy"])
    assert len(pictures(path)) > AROUND_S * 12
