"""``matakota demo`` as people call it: what it refuses, what it says, and that nothing stays."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api.cli import demo
from api.cli.demo import Seen, shortcomings
from streams.samples import Places
from tests.api.command import environment, matakota, python
from tests.waiting import wait_for
from vision.errors import ConfigError

GUARD_S = 100
LINK = re.compile(r"^Open (http://127\.0\.0\.1:(\d+)/\S+)$", re.MULTILINE)
CAMERAS = ("plaza", "plaza-east", "road")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "65536"], "Invalid value for '--port'"),
        (["--for", "0"], "Invalid value for '--for'"),
        (["--for", "nan"], "Invalid value for '--for'"),
        (["plaza.mp4"], "unexpected extra argument"),
    ],
)
def test_wrong_use_is_one_sentence(options: list[str], words: str, tmp_path: Path) -> None:
    ran = matakota("demo", *options, folder=tmp_path)
    assert (ran.code, ran.out, len(ran.said)) == (2, b"", 1)
    assert words in ran.said[0]


@contextmanager
def taken() -> Iterator[int]:
    """A port at which somebody listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with taken() as port:
        ran = matakota("demo", "--port", str(port), folder=tmp_path)
    assert (ran.code, ran.out) == (2, b"")
    assert ran.said == [f"matakota: --port {port} is taken or not allowed: choose another port"]


def test_without_a_wish_the_next_free_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with taken() as port:
        monkeypatch.setattr(demo, "PORT", port)
        found = demo._free_port(None)
        assert port < found < port + demo.PORTS
        monkeypatch.setattr(demo, "PORTS", 1)
        with pytest.raises(ConfigError, match=f"ports {port} to {port} are all taken"):
            demo._free_port(None)
    assert demo._free_port(port) == port


def seen(camera: str = "plaza", **changes: object) -> Seen:
    fields: dict[str, object] = {
        "camera": camera, "state": "live", "message": "", "frames": 100, "detections": 50,
        "crossings": 5, "alerts": 2,
    }  # fmt: skip
    return Seen(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "sentences"),
    [
        ([seen(), seen("road", alerts=0)], []),
        (
            [seen(), seen("road", frames=0, detections=0, state="down", message="Gone.")],
            ["camera road is down and brought no frames (Gone): see the log above"],
        ),
        (
            [seen("road", detections=0, crossings=0)],
            ["camera road found nothing in 100 frames: run it for longer"],
        ),
        (
            [seen(crossings=0), seen("road")],
            [
                (
                    "camera plaza counted nobody who crossed a line among 50 detections: run it "
                    "for longer"
                )
            ],
        ),
        (
            [seen(alerts=0), seen("road", alerts=0)],
            ["no alert of any camera was stored: run it for longer"],
        ),
    ],
)
def test_a_stage_that_saw_nothing_is_named(rows: list[Seen], sentences: list[str]) -> None:
    assert shortcomings(rows) == sentences


def test_no_browser_where_no_window_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert not demo._has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert demo._has_display()


def test_the_link_is_no_argument_of_the_browser(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    link = "http://127.0.0.1:8080/enter?link=ml_0_1"
    demo._open_browser(link, tmp_path)
    (page,) = tmp_path.iterdir()
    assert opened == [page.as_uri()]
    assert link in page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600


def test_the_real_road_is_shown_where_it_is_at_hand(shared: Path, tmp_path: Path) -> None:
    real, rendered = (
        demo._cameras(Places(mirror, tmp_path))[-1] for mirror in (shared / "clips", None)
    )
    assert (real.id, rendered.id) == ("road", "road")
    assert real.clip == shared / "clips" / "road_8toward.mp4"
    assert rendered.clip is None
    assert "synthetic" in rendered.name


def test_clips_are_kept_elsewhere_where_the_home_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert not demo._writable(file / "clips")
    assert demo._writable(tmp_path / "new" / "clips")


def test_a_wrong_clip_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "road_8toward.mp4").write_bytes(b"something else")
    assert demo._cameras(Places(tmp_path, tmp_path))[-1].clip is None


# --- the whole of it


@dataclass
class Demo:
    process: subprocess.Popen[bytes]
    out: Path
    err: Path
    folder: Path

    @property
    def link(self) -> str:
        """The link that it printed, once it did."""

        def printed() -> re.Match[str] | None:
            assert self.process.poll() is None, self.err.read_text()
            return LINK.search(self.out.read_text())

        return str(wait_for(printed, "a link", GUARD_S)[1])

    def processes(self) -> list[int]:
        """Those that work in its folder: Valkey, which names itself anew, the API and the
        worker."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes() + os.fsencode(
                    (process / "cwd").readlink()
                )
            except OSError:
                continue
            if os.fsencode(self.folder) in words:
                found.append(int(process.name))
        return found


@contextmanager
def running(folder: Path, *options: str, first: str = "") -> Iterator[Demo]:
    """The demo with all its temporary folders in ``folder``, on a port of its own."""
    temporary = folder / "t"
    temporary.mkdir()
    out, err = folder / "out", folder / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [*python(f"import api.cli.demo as demo; demo.PORT = 18080\n{first}"),
             "demo", "--no-browser", *options],
            cwd=folder,
            # the user's own database and Redis must be left alone
            env=environment(
                folder, TMPDIR=str(temporary), MATAKOTA_DATABASE_URL="sqlite:////nowhere/own.db",
                MATAKOTA_REDIS_URL="redis://127.0.0.1:1/0",
            ),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )  # fmt: skip
    started = Demo(process, out, err, temporary)
    try:
        yield started
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        wait_for(lambda: not started.processes(), "an end of its processes", GUARD_S)


@pytest.mark.long
def test_it_opens_by_its_link_once_and_ends_with_nothing_left(tmp_path: Path) -> None:
    with running(tmp_path) as shown:
        link = shown.link
        assert len(shown.processes()) >= 3
        said = shown.out.read_text()
        assert "This link works once, within an hour, and opens the pages as administrator" in said
        assert "nothing else is open" in said
        base = link.partition("/enter")[0]
        with httpx.Client(base_url=base) as client:
            for path in ("/", "/room/", "/docs", "/openapi.json", "/api/v1/cameras", "/people"):
                assert client.get(path).status_code == 401
            assert client.get(link).status_code == 303
            me = client.get("/api/v1/me").json()
            assert (me["name"], me["role"], me["cameras"]) == ("demo", "administrator", None)
            for path in ("/room/", "/people"):
                assert client.get(path).status_code == 200
        with httpx.Client(base_url=base) as client:
            assert client.get(link).status_code == 401
        shown.process.send_signal(signal.SIGTERM)
        assert shown.process.wait(GUARD_S) == 143, shown.err.read_text()
        assert shown.processes() == []
        assert list(shown.folder.iterdir()) == []
    assert "Traceback" not in shown.err.read_text()


@pytest.mark.long
def test_no_process_outlives_a_kill(tmp_path: Path) -> None:
    with running(tmp_path) as shown:
        assert shown.link
        assert len(shown.processes()) >= 3
        shown.process.kill()
        shown.process.wait()
        wait_for(lambda: not shown.processes(), "an end of its processes", GUARD_S)


@pytest.mark.long
def test_every_stage_sees_something(tmp_path: Path) -> None:
    with running(tmp_path, "--for", "45") as shown:
        assert shown.process.wait(3 * GUARD_S) == 0, shown.err.read_text()
        assert shown.processes() == []
    rows = [line.split() for line in shown.out.read_text().splitlines()]
    numbers = {row[0]: list(map(int, row[1:])) for row in rows if row[0] in CAMERAS}
    assert tuple(numbers) == CAMERAS
    assert all(number > 0 for row in numbers.values() for number in row[:3])
    assert numbers["plaza"][3] > 0
    assert numbers["plaza-east"][3] > 0


@pytest.mark.long
def test_a_camera_that_is_dead_is_named(tmp_path: Path) -> None:
    dead = """
from streams.simulator import Simulator
known = Simulator.url
Simulator.url = lambda self, name: known(self, name, 'fault=404' if name == 'plaza' else '')
demo.START_S = 20
"""
    with running(tmp_path, "--for", "2", first=dead) as shown:
        assert shown.process.wait(2 * GUARD_S) == 1, shown.err.read_text()
    said = [line for line in shown.err.read_text().splitlines() if line.startswith("matakota: ")]
    assert any("camera plaza is down and brought no frames (" in line for line in said)
    assert not any("camera plaza-east is" in line or "camera road is" in line for line in said)
