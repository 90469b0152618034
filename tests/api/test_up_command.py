"""``matakota up``: with a file or with what is stored; a link once it answers."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import structlog

from api.access import WORKER_SCOPES
from api.cli import run, up
from api.cli.listening import Way, checked_way
from api.cli.up import System, running
from api.store import Store
from api.watching import NOTIFIER, WATCHDOG
from streams.config import load_city
from streams.settings import API_KEY_VARIABLE, API_VARIABLE, Settings
from streams.supervisor import Command
from tests.api.certificates import make, trusting
from tests.api.command import environment, python
from tests.api.served import TESTER, add_key, add_user, sqlite_url
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
        store.configuration.apply(load_city(folder / "city.yaml"), TESTER)
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
        running(settings, Way("127.0.0.1", taken.getsockname()[1])),
    ):
        pytest.fail("it is taken")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - a text
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("localhost", "localhost"),
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_where_it_is_reached(tmp_path: Path, host: str, reached: str, tls: bool) -> None:
    files = make(tmp_path) if tls else ()
    system = System(Settings.read({}, tmp_path), Way(host, 1, *files), options=())
    assert system.base == f"http{'s' if tls else ''}://{reached}:1"
    assert not system.answers()


def test_the_api_is_told_how_it_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    way = checked_way(
        "127.0.0.1", 8443, Path("tls.crt"), Path("tls.key"), ["10.0.0.7", "10.1.0.0/29"]
    )
    assert way.options == [
        "--host", "127.0.0.1", "--port", "8443", "--tls-cert", str(tmp_path / "tls.crt"),
        "--tls-key", str(tmp_path / "tls.key"), "--trusted-proxy", "10.0.0.7",
        "--trusted-proxy", "10.1.0.0/29",
    ]  # fmt: skip
    assert way.proxies
    assert Way("::1", 1).options == ["--host", "::1", "--port", "1"]
    assert not Way("::1", 1).proxies


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """What ``up`` says when it runs, and its process."""
    log = folder / "up.log"
    with (folder / "out").open("wb") as out, log.open("wb") as err:
        process = subprocess.Popen(
            [*python(), "up", *options],
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
        yield (folder / "out").read_text(encoding="utf-8"), process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    assert "Traceback" not in log.read_text(encoding="utf-8")


def test_it_runs_what_is_stored_and_says_where(folder: Path) -> None:
    """While nobody is an administrator, by a link that makes the first one."""
    with Store.open(sqlite_url(folder)) as store:
        store.configuration.apply(load_city(folder / "city.yaml"), TESTER)
        key = add_key(store)
        port = free_port()
        with served(folder, "--port", str(port)) as (said, process):
            base = f"http://127.0.0.1:{port}"
            assert re.fullmatch(rf"set up: {base}/enter\?link=ml_\w+\n", said), said
            with httpx.Client(base_url=base, timeout=20) as client:
                assert client.get("/api/v1/cameras").status_code == 401
                page = client.get(said.removeprefix("set up: ").strip())
                assert page.status_code == 200
                assert "<form" in page.text
                client.headers["x-api-key"] = key
                wait_for(
                    lambda: client.get("/api/v1/cameras").json()["cameras"][0]["state"] == "live",
                    "the camera is live",
                )
            # all five of them, and what a worker states goes the whole way
            wait_for(
                lambda: store.canaries.beats().keys() == {NOTIFIER, WATCHDOG}, "both of them beat"
            )
            wait_for(lambda: store.canaries.last(), "a canary arrives")
            children = pids(folder)
            assert set(children) == {"Valkey", "API", "worker", "notifier", "watchdog"}
            assert all(Path(f"/proc/{pid}").exists() for pid in children.values())
            process.send_signal(signal.SIGTERM)
            assert process.wait(100) == 143
            wait_for(
                lambda: not any(Path(f"/proc/{pid}").exists() for pid in children.values()),
                "all of them are gone",
            )
        assert (folder / "out").read_text(encoding="utf-8") == said
        # its worker's key is nowhere in what it wrote
        (live,) = [k for k in store.keys.all() if k.worker and k.revoked_at is None]
        assert f"mk_{live.id}" not in (folder / "up.log").read_text(encoding="utf-8")


def test_the_worker_alone_has_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one at each start, the one before it opens nothing any more; the address may be named,
    since a certificate is for a name."""
    for name, value in {API_VARIABLE: "https://elsewhere.example", API_KEY_VARIABLE: "x"}.items():
        monkeypatch.setenv(name, value)
    given: list[dict[str, str | None]] = []

    def noted(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Command:
        given.append(
            {"of": name} | {key: environment.get(key) for key in (API_VARIABLE, API_KEY_VARIABLE)}
        )
        return Command(name, arguments, environment)

    monkeypatch.setattr(up, "Command", noted)
    monkeypatch.setattr(System, "start", lambda _: None)
    settings = Settings(tmp_path, sqlite_url(tmp_path), None)
    way = Way("127.0.0.1", free_port())
    with Store.open(sqlite_url(tmp_path)) as store:
        for _ in range(2):
            with running(settings, way):
                pass
        keys = store.keys.all()
        assert [key.revoked_at is None for key in keys] == [False, True]
        assert {key.name for key in keys} == {f"worker of {socket.gethostname()}"}
        holder = store.keys.holder(keys[-1].id)
        assert holder is not None
        assert holder.caller.permissions >= WORKER_SCOPES
        assert holder.caller.cameras is None
        named = replace(settings, api_url="https://room.example", api_key="mk_named")
        with running(named, way):
            pass
        assert len(store.keys.all()) == 2, "a key that is named is used"
    workers = [each for each in given if each["of"] == "worker"]
    assert [each[API_VARIABLE] for each in workers] == [way.base, way.base, "https://room.example"]
    assert [str(each[API_KEY_VARIABLE])[:3] for each in workers] == ["mk_"] * 3
    assert workers[0][API_KEY_VARIABLE] != workers[1][API_KEY_VARIABLE]
    for each in given:
        if each["of"] != "worker":
            assert each[API_KEY_VARIABLE] is None
            assert each[API_VARIABLE] is None


def pids(folder: Path) -> dict[str, int]:
    """The processes that were started, by what they are."""
    log = (folder / "up.log").read_text(encoding="utf-8")
    return {name: int(pid) for pid, name in re.findall(r"started +pid=(\d+) process=(\w+)", log)}


def test_it_runs_over_https_for_an_administrator(folder: Path) -> None:
    certificate, key = make(folder)
    with Store.open(sqlite_url(folder)) as store:
        store.configuration.apply(load_city(folder / "city.yaml"), TESTER)
        add_user(store)
    port = free_port()
    options = ["--tls-cert", certificate.name, "--tls-key", key.name]
    with served(folder, "--port", str(port), *options) as (said, process):
        assert said == f"open https://127.0.0.1:{port}/\n"
        trust = trusting(certificate)
        answer = httpx.get(said.removeprefix("open ").strip() + "healthz", verify=trust)
        assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(100) == 143
