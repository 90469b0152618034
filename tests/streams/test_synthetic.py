"""The camera that does not exist: repeatable, paced, labelled, and seen by the detector."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.zoo import resolve
from streams.detector import build_detector
from streams.health import State
from streams.source import LiveSource
from streams.synthetic import HORIZON, Scene, SyntheticSource

GUARD_S = 10.0


def test_the_same_seed_and_time_give_the_same_picture() -> None:
    first, again, other = (Scene((320, 180), seed) for seed in (3, 3, 4))
    assert np.array_equal(first.render(12.5), again.render(12.5))
    # not even what was rendered before matters
    later = again.render(99.0)
    assert np.array_equal(first.render(12.5), again.render(12.5))
    assert not np.array_equal(first.render(12.5), later)
    assert not np.array_equal(first.render(12.5), other.render(12.5))


@pytest.mark.parametrize("size", [(640, 360), (64, 64), (201, 151), (1920, 1080)])
def test_every_size_shows_the_label(size: tuple[int, int]) -> None:
    image = Scene(size, 0).render(5.0)
    assert image.shape == (size[1], size[0], 3)
    sky = image[: round(size[1] * HORIZON)]
    yellow = (sky[..., 2] > 200) & (sky[..., 1] > 160) & (sky[..., 0] < 120)
    columns = np.flatnonzero(yellow.any(axis=0))
    assert columns.max() - columns.min() > size[0] * 0.3
    assert yellow.mean() > 0.03


def test_vehicles_go_both_ways_and_a_person_walks() -> None:
    scene = Scene((640, 360), 0)
    seen = [vehicle for t in range(0, 120, 2) for vehicle in scene.vehicles(float(t))]
    assert {vehicle.towards for vehicle in seen} == {True, False}
    assert len({vehicle.x_m for vehicle in seen}) == 4
    assert 1 < len(seen) / 60 < 12
    # the walkway is empty but for the walker
    left = [scene.render(float(t))[100:200, 60:240].astype(int) for t in (0, 3)]
    assert (abs(left[0] - left[1]).max(axis=2) > 40).sum() > 50


def test_the_default_detector_sees_it(tmp_path: Path) -> None:
    scene = Scene((640, 360), 0)
    classes = ("person", "car", "truck", "bus")
    detector = build_detector(
        resolve("nanodet_g", cache=tmp_path),
        frame_size=(640, 360),
        classes=classes,
        providers=["CPUExecutionProvider"],
    )
    found = total = persons = 0
    for t in range(5, 45, 2):
        (seen,) = detector.detect([scene.render(float(t))])
        names = [detector.classes[index] for index in seen.class_id]
        persons += "person" in names
        boxes = [b for b, name in zip(seen.xyxy, names, strict=True) if name != "person"]
        for v in scene.vehicles(float(t)):
            if not 9 < v.z_m < 45:
                continue
            x, y = scene.point(v.x_m, v.height_m / 2, v.z_m + v.length_m / 3)
            total += 1
            found += any(b[0] <= x <= b[2] and b[1] <= y <= b[3] for b in boxes)
    assert total > 20
    assert found / total > 0.5
    assert persons > 15


def test_a_source_keeps_its_pace() -> None:
    begun = time.time()
    source: LiveSource = SyntheticSource("c", fps=50, size=(64, 64))
    assert (source.camera_id, source.health.state, source.connects) == ("c", State.STARTING, 0)
    with source:
        start = time.monotonic()
        frames = [source.next(GUARD_S) for _ in range(10)]
        took_s = time.monotonic() - start
        assert (source.health.state, source.health.code, source.connects) == (State.LIVE, None, 1)
        shown = [frame for frame in frames if frame is not None]
        assert len(shown) == 10
        assert [frame.index for frame in shown] == sorted({frame.index for frame in shown})
        # nothing comes early; what came late is counted
        assert took_s >= shown[-1].index * 0.02
        assert source.dropped == shown[-1].index + 1 - 10
        stamps = [frame.ts for frame in shown]
        assert stamps == sorted(stamps)
        assert begun <= stamps[0] <= time.time()
        assert shown[0].size == (64, 64)
    assert source.health.state is State.STOPPED
    with pytest.raises(RuntimeError, match="not open"):
        source.next(0)


def test_the_newest_picture_wins() -> None:
    with SyntheticSource("c", fps=100, size=(64, 64)) as source:
        assert source.next(GUARD_S) is not None
        time.sleep(0.2)
        frame = source.next(GUARD_S)
        assert frame is not None
        assert frame.index >= 19
        assert source.dropped == frame.index - 1
        assert np.array_equal(frame.image, Scene((64, 64), 0).render(frame.index / 100))


def test_a_short_wait_gives_nothing() -> None:
    with SyntheticSource("c", fps=0.5, size=(64, 64)) as source:
        assert source.next(0) is not None
        assert source.next(0.01) is None
        assert source.next(0) is None
        assert source.dropped == 0


def test_time_never_runs_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    with SyntheticSource("c", fps=1000, size=(64, 64)) as source:
        clock = iter([1000.0, 900.0, 1000.5])
        monkeypatch.setattr("streams.synthetic.time.time", lambda: next(clock, 1001.0))
        stamps = [frame.ts for _ in range(3) if (frame := source.next(GUARD_S)) is not None]
    assert stamps == [1000.0, 1000.0, 1000.5]


def test_wrong_values_are_refused() -> None:
    for fps in (0.0, -1.0, float("nan"), 1001.0):
        with pytest.raises(ValueError, match="frame rate"):
            SyntheticSource("c", fps=fps)
    for size in ((63, 64), (64, 5000)):
        with pytest.raises(ValueError, match="px"):
            SyntheticSource("c", fps=None, size=size)


def test_the_label_is_part_of_what_a_source_hands_out() -> None:
    with SyntheticSource("c", fps=None) as source:
        frame = source.next(GUARD_S)
    assert frame is not None
    sky = frame.image[: round(360 * HORIZON)]
    mask = cv2.inRange(sky, np.array([0, 160, 200]), np.array([120, 255, 255]))
    assert mask.mean() / 255 > 0.1
