"""Roboflow's trackers as peers: they get the same boxes and the true frame rate."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from streams.evaluation import peers
from streams.evaluation.mot import Rows, Sequence
from vision.errors import MatakotaError
from vision.types import Detections

pytest.importorskip("trackers", reason="needs the dependency group 'measure'")

LENGTH = 45


def standing(rate: float, unseen: range) -> Sequence:
    """Somebody who stands there and is not detected in the pictures ``unseen``."""
    box = np.array([[100, 50, 140, 150]], np.float32)
    there = Detections(box, np.full(1, 0.9, np.float32), np.zeros(1, np.int32))
    found = [Detections.empty() if f in unseen else there for f in range(1, LENGTH + 1)]
    return Sequence("one", rate, (640, 480), tuple(found), Rows.of([], [], []))


@pytest.mark.parametrize("name", peers.PEERS)
def test_a_peer_follows_its_detections(name: str) -> None:
    rows = peers.track(name, standing(30.0, range(0)))
    assert len(set(rows.id.tolist())) == 1
    assert min(rows.id) >= 0
    assert rows.frame.tolist() == list(range(LENGTH + 1 - len(rows), LENGTH + 1))
    assert len(rows) > LENGTH - 4
    assert set(map(tuple, rows.xyxy.tolist())) == {(100, 50, 140, 150)}


@pytest.mark.parametrize("name", peers.PEERS)
def test_a_peer_remembers_for_its_second_at_the_true_frame_rate(name: str) -> None:
    gap = range(15, 31)
    at_30, at_10 = (peers.track(name, standing(rate, gap)) for rate in (30.0, 10.0))
    assert len(set(at_30.id.tolist())) == 1, "16 pictures are half a second"
    assert len(set(at_10.id.tolist())) == 2, "16 pictures are more than a second"
    assert not set(at_30.frame.tolist()) & set(gap)


@pytest.mark.parametrize("name", peers.PEERS)
def test_nothing_detected_is_no_row(name: str) -> None:
    assert len(peers.track(name, standing(30.0, range(LENGTH + 1)))) == 0


def test_each_run_begins_anew() -> None:
    one = standing(30.0, range(0))
    first, second = (peers.track("bytetrack", one) for _ in range(2))
    np.testing.assert_array_equal(first.id, second.id)


@pytest.mark.parametrize("package", ["trackers", "supervision"])
def test_a_missing_package_is_said(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MatakotaError, match="roboflow's trackers is not installed: run 'make setu"):
        peers.track("sort", standing(30.0, range(0)))


def test_a_peers_cost_is_measured() -> None:
    assert peers.cost("bytetrack", 3, rounds=1) > 0
