"""An incident that goes on is one alert, whatever becomes of the process that watches it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from streams.simulator import Simulator, load_recording
from tests.faults.cities import PLAZA, write_city
from tests.faults.living import Living
from tests.waiting import wait_for

FPS, COUNT = 5, 50
SCENE = """\
frame_size: [768, 576]
classes: [person]
zones: [{name: corner, polygon: [[600, 270], [730, 270], [730, 370], [600, 370]]}]
rules: [{name: linger, kind: loitering, zone: corner, dwell_s: 3}]
"""
"""One person stands there in the plaza's first picture."""


def standing_clip(path: Path) -> Path:
    """The plaza's first picture for ten seconds, with a camera's noise."""
    with av.open(str(PLAZA)) as plaza:
        picture = next(plaza.decode(video=0)).to_ndarray(format="bgr24").astype(np.int16)
    chance = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "12", "g": str(FPS)})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 768, 576, "yuv420p"
        for number in range(COUNT):
            noisy = np.clip(picture + chance.integers(-12, 13, picture.shape), 0, 255)
            frame = av.VideoFrame.from_ndarray(noisy.astype(np.uint8), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.long
def test_whoever_stays_over_a_kill_and_a_restart_is_one_alert(
    tmp_path: Path, clip_cache: Path
) -> None:
    scene = tmp_path / "corner.yaml"
    scene.write_text(SCENE, encoding="utf-8")
    clip = standing_clip(tmp_path / "standing.mp4")
    with Simulator({"plaza": load_recording(clip, clip_cache)}) as simulator:
        write_city(tmp_path, {"plaza": simulator.url("plaza")}, scene=scene)
        with Living(tmp_path) as living:
            (first,) = wait_for(lambda: living.alerts(kind="loitering"), "the alert")
            for number in (1, 2):
                wait_for(lambda: living.kill("worker"), "a worker to kill")
                wait_for(
                    lambda n=number: (
                        living.alerts(kind="loitering")[0]["details"].get("seen_again") == n
                    ),
                    f"seen again after kill {number}",
                )
            # a clean end leaves it open as well
            assert living.terminate() == 143
            living.start()
            wait_for(living.ready, "ready again")
            wait_for(
                lambda: living.alerts(kind="loitering")[0]["details"].get("seen_again") == 3,
                "seen again after a clean end",
            )
            (last,) = living.alerts(kind="loitering")
            ledger, stored = living.spooled(), living.alerts()
    assert (last["id"], last["state"], last["start"]) == (first["id"], "open", first["start"])
    assert last["version"] > first["version"]
    assert set(ledger) <= {alert["id"] for alert in stored}
