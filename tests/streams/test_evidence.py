"""What becomes of alerts: their pictures and clips, or why there are none; and nobody waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

import streams.evidence as module
import streams.evidenceposting as posting_module
import streams.evidencewaiting as waiting_module
from streams.evidence import (
    BROKEN,
    BUSY,
    ENDED,
    NO_PACKETS,
    NO_PICTURE,
    SYNTHETIC,
    UNSEEN,
    Evidence,
)
from streams.evidenceboxes import decode_boxes
from streams.evidencewaiting import FULL, UNWRITABLE
from streams.incidents import Seen
from streams.pictures import Offer
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.ring import Ring
from tests.disks import fill_up, small_disk
from tests.streams.evidenceapi import EvidenceApi, evidence_api
from tests.streams.stage import event
from tests.vision.rules.scenarios import SIZE, film, standing
from tests.waiting import wait_for
from vision.errors import EvidenceError
from vision.masking import Masking
from vision.scene import Scene
from vision.types import Frame, Quality

STEPS = film([standing(300, 200, 4)], fps=5)
FRAME_TS = STEPS[-1].ts
SCENE = Scene(SIZE, ("person",))
HEAD = (slice(162, 170), slice(296, 304))
"""Of who stands there: 20 x 40 px, the feet at (300, 200)."""
FEET_BESIDE = (slice(230, 240), slice(296, 304))
REAL, DRAWN = Seen(7, False), Seen(7, True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_module, "FREE_BYTES", 0)
    monkeypatch.setattr(posting_module, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(posting_module, "LOOK_S", 0.1)


@pytest.fixture
def api() -> Iterator[EvidenceApi]:
    with evidence_api() as found:
        yield found


@contextmanager
def making(folder: Path, api: EvidenceApi) -> Iterator[Evidence]:
    evidence = Evidence(folder / "evidence", api.connect)
    evidence.start()
    try:
        yield evidence
    finally:
        evidence.stop()
        assert not evidence._thread.is_alive()


def noise() -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)


def offer(ts: float = FRAME_TS, **changes: Any) -> Offer:
    step = replace(STEPS[-1], ts=ts)
    frame = Frame(step.camera_id, step.index, ts, noise())
    return replace(Offer(frame, step, SCENE, {}, ()), **changes)


def watch(evidence: Evidence, *looked_for: str) -> None:
    for step in STEPS:
        evidence.keep(step, frame_size=SIZE, looked_for=looked_for or ("person",))


def tell(evidence: Evidence, *names: str, seen: Seen = REAL, **more: Any) -> None:
    given = {"offer": offer(), "ring": None, "now_ts": FRAME_TS} | more
    events = [event(name, FRAME_TS) for name in names]
    evidence.raised(STEPS[0].camera_id, events, seen=seen, **given)


def test_the_picture_of_an_alert(tmp_path: Path, api: EvidenceApi) -> None:
    with making(tmp_path, api) as evidence:
        watch(evidence)
        tell(evidence, "a1")
        wait_for(lambda: ("a1", "snapshot") in api.items, "it is posted")
        wait_for(lambda: ("a1", "clip") in api.missing, "there is no clip")
        assert evidence.alive
        assert evidence.problem is None
    item = api.items["a1", "snapshot"]
    assert (item.head.camera, item.head.revision) == (STEPS[0].camera_id, 7)
    assert item.head.from_ts == item.head.to_ts == FRAME_TS
    assert (item.head.note, item.head.copy_why) == (None, None)
    original = cv2.imdecode(np.frombuffer(item.parts["original"], np.uint8), cv2.IMREAD_COLOR)
    copy = cv2.imdecode(np.frombuffer(item.parts["copy"], np.uint8), cv2.IMREAD_COLOR)
    assert original is not None
    assert copy is not None
    again = cv2.imencode(".jpg", noise(), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    assert item.parts["original"] == again, "nothing is drawn on the original"
    # noise has no flat place: a head that is hidden is one
    assert copy[HEAD].astype(float).std(axis=(0, 1)).max() < 30
    assert original[HEAD].astype(float).std(axis=(0, 1)).min() > 40
    assert copy[FEET_BESIDE].astype(float).std(axis=(0, 1)).min() > 30
    masking = Masking(decode_boxes(item.parts["boxes"]))
    assert len(masking.regions(FRAME_TS, SIZE)) >= 1
    # the reason: the bar with camera and time
    assert (np.abs(copy[:12].astype(int) - original[:12]).mean()) > 30
    assert api.missing["a1", "clip"] == NO_PACKETS


def test_where_persons_were_not_looked_for_all_is_hidden(tmp_path: Path, api: EvidenceApi) -> None:
    with making(tmp_path, api) as evidence:
        watch(evidence, "car")
        tell(evidence, "a1", offer=offer(scene=None))
        wait_for(lambda: ("a1", "snapshot") in api.items, "it is posted")
    item = api.items["a1", "snapshot"]
    assert item.head.note == UNSEEN
    copy = cv2.imdecode(np.frombuffer(item.parts["copy"], np.uint8), cv2.IMREAD_COLOR)
    assert copy is not None
    assert copy.astype(float).std() < 20


def test_a_picture_that_is_not_trusted_is_hidden(tmp_path: Path, api: EvidenceApi) -> None:
    with making(tmp_path, api) as evidence:
        tell(evidence, "a1", offer=offer(tracked=replace(STEPS[-1], quality=Quality(), tracks=())))
        wait_for(lambda: ("a1", "snapshot") in api.items, "it is posted")
    copy = cv2.imdecode(
        np.frombuffer(api.items["a1", "snapshot"].parts["copy"], np.uint8), cv2.IMREAD_COLOR
    )
    assert copy is not None
    assert copy[100:].astype(float).std() < 20


def test_what_has_no_picture_or_no_packets_says_so(tmp_path: Path, api: EvidenceApi) -> None:
    with making(tmp_path, api) as evidence:
        tell(evidence, "a1", offer=None)
        tell(evidence, "a2", seen=DRAWN)
        wait_for(lambda: len(api.missing) == 3, "all is said")
    assert api.missing == {
        ("a1", "snapshot"): NO_PICTURE,
        ("a1", "clip"): NO_PACKETS,
        ("a2", "clip"): SYNTHETIC,
    }


def test_a_camera_that_sent_nothing_has_no_clip(
    tmp_path: Path, api: EvidenceApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AROUND_S", 0.1)
    monkeypatch.setattr(module, "MARGIN_S", 0.1)
    with ForkServer() as forkserver, making(tmp_path, api) as evidence:
        tell(evidence, "a1", ring=Ring(forkserver))
        wait_for(lambda: ("a1", "clip") in api.missing, "it is said")
        tell(evidence, "a2")
        wait_for(lambda: ("a2", "snapshot") in api.items, "the next one is made")
    assert "no packets of the camera" in api.missing["a1", "clip"]


def test_a_clip_is_of_ten_seconds_before_and_after(
    tmp_path: Path, api: EvidenceApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    faster = SimpleNamespace(monotonic=lambda: 50 * time.monotonic(), time=time.time)
    monkeypatch.setattr(module, "time", faster)
    asked: list[tuple[float, float, float]] = []
    told_s = 0.0

    def cut(_: Ring, from_ts: float, to_ts: float, path: Path) -> None:
        asked.append((from_ts, to_ts, faster.monotonic() - told_s))
        # nothing is no reason
        raise EvidenceError("")

    monkeypatch.setattr(module, "cut", cut)
    with ForkServer() as forkserver, making(tmp_path, api) as evidence:
        told_s = faster.monotonic()
        tell(evidence, "a1", ring=Ring(forkserver))
        wait_for(lambda: ("a1", "clip") in api.missing, "it is said")
        assert evidence.alive
    ((from_ts, to_ts, after_s),) = asked
    assert (from_ts, to_ts) == (FRAME_TS - 10, FRAME_TS + 10)
    assert after_s >= 10
    assert api.missing["a1", "clip"] == BROKEN


def test_an_end_before_the_clip_is_said_by_the_next_run(tmp_path: Path, api: EvidenceApi) -> None:
    with ForkServer() as forkserver, making(tmp_path, api) as evidence:
        tell(evidence, "a1", ring=Ring(forkserver))
        wait_for(lambda: ("a1", "snapshot") in api.items, "its picture is posted")
    assert api.missing == {}
    with making(tmp_path, api):
        wait_for(lambda: ("a1", "clip") in api.missing, "it is said")
    assert api.missing["a1", "clip"] == ENDED


def test_a_storm_is_bounded_and_every_alert_is_told_of(
    tmp_path: Path, api: EvidenceApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = noise().nbytes
    monkeypatch.setattr(module, "MAX_FRAME_BYTES", 3 * size)
    begun = threading.Event()
    look = Evidence._look

    def slowly(evidence: Evidence, *given: Any) -> Any:
        begun.wait(100)
        return look(evidence, *given)

    monkeypatch.setattr(Evidence, "_look", slowly)
    with making(tmp_path, api) as evidence:
        watch(evidence)
        for number in range(20):
            tell(evidence, f"a{number}", f"b{number}")
            with evidence._changed:
                assert evidence._held_bytes() <= 3 * size
        begun.set()
        wait_for(lambda: len(api.items) + len(api.missing) == 80, "all is told of")
        with evidence._changed:
            assert evidence._held_bytes() == 0
    refused = {alert for (alert, form), why in api.missing.items() if why == BUSY}
    assert 32 <= len(refused) <= 34
    assert not {alert for alert, _ in api.items} & refused


def test_a_full_disk(tmp_path: Path, api: EvidenceApi) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk, making(disk, api) as evidence:
        watch(evidence)
        ballast = fill_up(disk)
        tell(evidence, "a1")
        wait_for(lambda: len(api.missing) == 2, "it is said")
        assert api.missing["a1", "snapshot"] == FULL
        assert "evidence" in (evidence.problem or "")
        ballast.unlink()
        tell(evidence, "a2")
        wait_for(lambda: ("a2", "snapshot") in api.items, "the next one is posted")
        wait_for(lambda: evidence.problem is None, "all is well")


def test_a_folder_that_cannot_be_written(tmp_path: Path, api: EvidenceApi) -> None:
    (tmp_path / "evidence").write_text("this is a file")
    with making(tmp_path, api) as evidence:
        watch(evidence)
        tell(evidence, "a1")
        wait_for(lambda: len(api.missing) == 2, "it is said")
        assert api.missing["a1", "snapshot"] == UNWRITABLE
        (tmp_path / "evidence").unlink()
        tell(evidence, "a2")
        wait_for(lambda: ("a2", "snapshot") in api.items, "the next one is posted")


@pytest.mark.parametrize("what", ["draw", "masked"])
def test_without_a_copy_there_is_the_original(
    tmp_path: Path, api: EvidenceApi, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    with making(tmp_path, api) as evidence:
        watch(evidence)
        monkeypatch.setattr(module, what, broken)
        tell(evidence, "a1")
        wait_for(lambda: ("a1", "snapshot") in api.items, "it is posted")
    item = api.items["a1", "snapshot"]
    assert set(item.parts) == {"original", "boxes"}
    assert "see the worker's log" in (item.head.copy_why or "")


def test_a_picture_that_cannot_be_made_costs_itself_alone(
    tmp_path: Path, api: EvidenceApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    with making(tmp_path, api) as evidence:
        watch(evidence)
        with monkeypatch.context() as patch:
            patch.setattr(module, "encode_boxes", broken)
            tell(evidence, "a1")
            wait_for(lambda: ("a1", "snapshot") in api.missing, "it is said")
        tell(evidence, "a2")
        wait_for(lambda: ("a2", "snapshot") in api.items, "the next one is posted")
    assert "see the worker's log" in api.missing["a1", "snapshot"]


def broken(*_: Any, **__: Any) -> Any:
    raise ValueError("a zone of no size")
