"""The main job: a camera's pictures in, its alerts and counts out at the API, by plain clients."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import httpx
import pytest

from streams.simulator import Simulator
from tests.faults.cities import many_lines, plaza, write_city
from tests.faults.living import Living, lines_of_events
from tests.faults.scenarios import one_pass
from tests.waiting import wait_for


class Follower:
    """A plain client of the event stream: a thread that collects what comes."""

    def __init__(self, living: Living, after: int) -> None:
        self.events: list[dict[str, str]] = []
        self._living = living
        self._after = after
        self._headers = {**living.headers, "Last-Event-ID": str(after)}
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        with httpx.stream(
            "GET",
            f"{self._living.address}/api/v1/alerts/stream",
            headers=self._headers,
            timeout=60,
        ) as response:
            try:
                self.events.extend(lines_of_events(response))
            except httpx.TransportError:
                return

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


def test_an_alert_of_a_rule_is_read_in_the_list_and_in_the_stream_and_one_is_posted(
    tmp_path: Path, clip_cache: Path
) -> None:
    with Simulator({"plaza": plaza(clip_cache)}) as simulator:
        write_city(tmp_path, {"plaza": simulator.url("plaza")}, scene=many_lines(tmp_path))
        with Living(tmp_path) as living:
            follower = Follower(living, 0)
            wait_for(lambda: len(living.alerts(kind="line_crossing")) >= 3, "alerts in the list")
            listed = {alert["id"]: alert for alert in living.alerts(kind="line_crossing")}
            one = next(iter(listed.values()))
            assert one["camera"] == "plaza"
            assert one["severity"] == "medium"
            assert one["details"]["class"] == "person"
            assert not one["synthetic"]
            assert living.get(f"/api/v1/alerts/{one['id']}")["id"] == one["id"]

            posted = httpx.post(
                f"{living.address}/api/v1/alerts",
                headers=living.headers,
                json={
                    "id": "by-hand-1", "camera": "plaza", "kind": "intrusion",
                    "start": "2026-01-31T07:00:00+08:00",
                },
            )  # fmt: skip
            assert posted.status_code == 201, posted.text
            wait_for(
                lambda: (
                    {json.loads(e["data"])["id"] for e in list(follower.events)}
                    >= {"by-hand-1", *listed}
                ),
                "all of them in the stream",
            )
            # an alert may overtake the report of the picture that it is about
            camera = wait_for(
                lambda: (now := living.cameras()["plaza"])["state"] == "live" and now, "it is live"
            )
            assert camera["code"] is None
            assert (camera["width"], camera["height"]) == (768, 576)
            refused = httpx.get(f"{living.address}/api/v1/alerts")
            assert refused.status_code == 401

            seen = [int(event["id"]) for event in list(follower.events)]
            assert seen == sorted(set(seen))
            pids = living.processes()
            assert {r for r in ("API", "worker", "Valkey") if living.pids(r)} == {
                "API", "worker", "Valkey",
            }  # fmt: skip
            assert living.terminate() == 143
            follower.join()
            assert living.processes() == {}, pids
            assert (tmp_path / "data" / "matakota.db").exists()


def test_nothing_outlives_a_parent_that_is_killed(tmp_path: Path, clip_cache: Path) -> None:
    with Simulator({"plaza": plaza(clip_cache)}) as simulator:
        camera = {"plaza": simulator.url("plaza")}
        write_city(tmp_path, camera, scene=None, fps="1", model="motion")
        with Living(tmp_path) as living:
            wait_for(lambda: living.cameras()["plaza"]["state"] == "live", "the camera is live")
            before = living.processes()
            assert len(before) >= 6, before
            assert living.process is not None
            os.kill(living.process.pid, signal.SIGKILL)
            living.process.wait()
            wait_for(lambda: not living.processes(), "all of them are gone")


@pytest.mark.long
def test_rtsp_and_file_see_the_same_crossings(tmp_path: Path, clip_cache: Path) -> None:
    done = one_pass(tmp_path, clip_cache)
    print(done)
    for direction, count in done.file.items():
        assert abs(done.rtsp[direction] - count) <= 1
