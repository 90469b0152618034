"""A worker and a camera with two streams: what is counted does not notice which one is seen."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

import streams.rtsp.choosing as module
from streams.config import CameraConfig
from streams.health import State
from streams.simulator import Fault, FaultKind, Recording, Simulator, load_recording
from streams.synthetic import Scene
from streams.video import VideoWriter
from tests.streams.workers import GATE, Running, camera, drawn, quick
from tests.waiting import wait_for

SIZE, HALF = (640, 360), (320, 180)
FPS, SECONDS = 10, 8
FROM_S = 40.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    monkeypatch.setattr(module, "SMALL_PX", 0)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Recording]:
    """A road on which vehicles pass, in the sizes of both streams."""
    folder = tmp_path_factory.mktemp("clips")
    road, path = Scene(SIZE, seed=1), folder / "road.mp4"
    with VideoWriter(path, size=SIZE, rate=Fraction(FPS)) as film:
        for index in range(FPS * SECONDS):
            film.write(road.render(FROM_S + index / FPS), index / FPS)
        film.commit()
    main, small = (load_recording(path, folder, size=size) for size in (SIZE, HALF))
    return main, small


def road(url: str, **more: object) -> CameraConfig:
    return camera("road", url, scene=dict(GATE), revision=1, fps=float(FPS), **more)


def test_counts_go_on_from_one_stream_to_the_other(
    tmp_path: Path, clips: tuple[Recording, Recording]
) -> None:
    main, small = clips
    with (
        Simulator({"a": main}, subs={"a": small}) as simulator,
        Running(tmp_path) as running,
    ):
        running.configure(road(simulator.main_url("a")))
        first = running.until("road", state=State.LIVE, stream="sub", analysed=1)
        assert (first.width, first.height) == HALF
        crossed(running, 1)
        simulator.fault("a/stream2", Fault(FaultKind.NOT_FOUND))
        second = running.until("road", state=State.LIVE, stream="main", analysed=1)
        assert ((second.width, second.height), second.connects) == (SIZE, 2)
        seen = crossed(running, second.crossings + 1)
    # one outage of nothing: nobody is told
    assert running.alerts() == []
    stated = {m.start_ts: sum(c.count for c in m.counts) for m in running.counts()}
    assert sum(stated.values()) >= seen


def test_the_scene_decides_while_it_runs(
    tmp_path: Path, clips: tuple[Recording, Recording]
) -> None:
    main, small = clips
    with (
        Simulator({"a": main}, subs={"a": small}) as simulator,
        Running(tmp_path) as running,
    ):
        gate = road(simulator.main_url("a"))
        running.configure(gate)
        running.until("road", stream="sub", analysed=1)
        # a region of it has too few pixels
        running.configure(drawn(gate, 2, region=[0, 0, 320, 360]))
        running.until("road", stream="main", revision=2)
        running.configure(road(simulator.main_url("a"), substream="off"))
        running.until("road", stream="main", revision=1)
        assert simulator.seen("a/stream2").plays == 1


def crossed(running: Running, least: int) -> int:
    """The crossings of the road once there are so many."""

    def said() -> int:
        report = running.camera("road")
        return report.crossings if report is not None and report.crossings >= least else 0

    found: int = wait_for(said, f"{least} crossings, not {running.camera('road')}")
    return found
