"""``matakota up``: with a file or with what is stored; a link once it answers."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import structlog

from api.cli import run, up
from api.cli.up import System, running
from api.store import Store
from streams.config import load_city
from streams.settings import Settings
from tests.api.command import environment, python
from tests.api.served import sqlite_url
from tests.faults.living import free_port
from tests.waiting import wait_for
from vision.errors import ServiceError

Up = Callable[..., tuple[int, str, str]]
CITY = "name: Makassar\ncameras: [{id: a, source: synthetic, model: motion, scene: a.yaml}]\n"
SCENE = """\
frame_size: [640, 360]
classes: [moving]
lines: [{name: road, points: [[120, 230], [520, 230]]}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "city.yaml").write_text(CITY, encoding="utf-8")
    (tmp_path / "a.yaml").write_text(SCENE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def called(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Up]:
    """The command in this process, where it ends before it starts others."""
    for name in ("MATAKOTA_DATABASE_URL", "MATAKOTA_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MATAKOTA_DATA", str(folder))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(up, "running", lambda *_, **__: pytest.fail("nothing is to be started"))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["up", *arguments])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


def test_without_a_file_and_a_configuration(called: Up) -> None:
    assert called() == (
        2,
        "",
        (
            "matakota: there is no configuration yet: run 'matakota config apply CITY', or name a "
            "city's file with -c\n"
        ),
    )


@pytest.mark.parametrize(
    ("city", "said"),
    [
        ("", "the file is empty"),
        (CITY.replace("a.yaml", "b.yaml"), "b.yaml: there is no such file"),
        (CITY.replace("motion", "nanodet_g"), "camera a: the model nanodet_g does not know"),
    ],
)
def test_a_wrong_file_is_said_and_not_stored(
    called: Up, folder: Path, city: str, said: str
) -> None:
    with Store.open(sqlite_url(folder)) as store:
        store.configuration.apply(load_city(folder / "city.yaml"))
    (folder / "city.yaml").write_text(city, encoding="utf-8")
    code, out, err = called("-c", "city.yaml")
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    with Store.open(sqlite_url(folder)) as store:
        assert store.configuration.number() == 1


def test_a_taken_port_starts_nothing(tmp_path: Path) -> None:
    settings = Settings.read({}, tmp_path)
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ServiceError, match=r"cannot listen at 127\.0\.0\.1 port"),
        running(settings, host="127.0.0.1", port=taken.getsockname()[1]),
    ):
        pytest.fail("it is taken")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - a text
        ("::", "::1"),
        ("::1", "::1"),
        ("localhost", "localhost"),
    ],
)
def test_where_it_is_reached(tmp_path: Path, host: str, reached: str) -> None:
    system = System(Settings.read({}, tmp_path), host=host, port=1, options=())
    assert (system.host, system.port) == (reached, 1)
    assert not system.answers()


def test_it_runs_what_is_stored_and_prints_a_link_that_opens(folder: Path) -> None:
    with Store.open(sqlite_url(folder)) as store:
        store.configuration.apply(load_city(folder / "city.yaml"))
    port = free_port()
    log = folder / "up.log"
    with (folder / "out").open("wb") as out, log.open("wb") as err:
        process = subprocess.Popen(
            [*python(), "up", "--port", str(port)],
            cwd=folder,
            env=environment(folder, MATAKOTA_DATA=str(folder)),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    try:
        wait_for(
            lambda: (folder / "out").read_text() or process.poll() is not None, "it says something"
        )
        said = (folder / "out").read_text(encoding="utf-8")
        match = re.fullmatch(rf"open (http://127\.0\.0\.1:{port}/enter\?link=ml_\w+)\n", said)
        assert match, said + log.read_text(encoding="utf-8")
        with httpx.Client(timeout=20) as client:
            assert client.get(f"http://127.0.0.1:{port}/api/v1/cameras").status_code == 401
            assert client.get(match[1]).status_code == 303
            wait_for(
                lambda: (
                    client.get(f"http://127.0.0.1:{port}/api/v1/cameras").json()["cameras"][0][
                        "state"
                    ]
                    == "live"
                ),
                "the camera is live",
            )
        process.send_signal(signal.SIGTERM)
        assert process.wait(100) == 143
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    assert "Traceback" not in log.read_text(encoding="utf-8")
    assert (folder / "out").read_text(encoding="utf-8") == said
