"""Cameras that go and come back, and cameras that do everything wrong, in the whole system."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from streams.simulator import Simulator
from tests.faults.cities import plaza, write_city
from tests.faults.living import Living
from tests.faults.scenarios import Restarts, restarting
from tests.waiting import wait_for


class Listener:
    """Counts who connects to a loopback port that nobody may be led to."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        # a shutdown wakes the thread that waits in accept
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def check(done: Restarts) -> None:
    print(done)
    assert done.outages == done.rounds
    assert done.restarts == 0
    # the share is a figure of the acceptance run: here other tests take the cores
    assert done.share > 0.5


def test_a_camera_that_is_restarted_comes_back_alone(tmp_path: Path, clip_cache: Path) -> None:
    check(restarting(tmp_path, clip_cache, rounds=2, scene=None, model="motion"))


@pytest.mark.long
def test_a_camera_that_is_restarted_again_and_again(tmp_path: Path, clip_cache: Path) -> None:
    check(restarting(tmp_path, clip_cache, rounds=8))


EXPECTED = {
    "stall": "stalled",
    "close": "disconnected",
    "401": "unauthorized",
    "404": "not_found",
    "453": "server_error",
    "500": "server_error",
    "redirect": "redirected",
    "redirect-loop": "redirected",
    "garbage": "not_rtsp",
    "silent": "stalled",
    "clock": "clock_skew",
    "resolution": "resolution_changed",
}


def test_each_fault_is_a_code_and_a_sentence(tmp_path: Path, clip_cache: Path) -> None:
    listener = Listener()
    try:
        with Simulator({"plaza": plaza(clip_cache)}) as simulator:
            cameras = {}
            for fault in EXPECTED:
                to = f"&to=rtsp://127.0.0.1:{listener.port}/x" if fault == "redirect" else ""
                after = "&after=2" if fault in {"stall", "close", "resolution"} else ""
                cameras[f"c-{fault}"] = simulator.url("plaza", f"fault={fault}{after}{to}")
            write_city(tmp_path, cameras, scene=None, fps="2", model="motion")
            with Living(tmp_path) as living:
                seen: dict[str, set[str]] = {fault: set() for fault in EXPECTED}

                def all_said() -> bool:
                    for name, camera in living.cameras().items():
                        if camera["code"]:
                            assert camera["message"], name
                            seen[name.removeprefix("c-")].add(camera["code"])
                    return all(EXPECTED[fault] in codes for fault, codes in seen.items())

                try:
                    wait_for(all_said, "every fault's code")
                except AssertionError as error:
                    raise AssertionError(f"{error}: {seen}") from None
                assert "is started again" not in living.log.read_text(encoding="utf-8")
        assert listener.connections == 0
    finally:
        listener.close()
