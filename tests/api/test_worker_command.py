"""``matakota worker`` and ``matakota cameras check`` as people call them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.bus import RedisBus, RedisControl
from streams.health import Code, State
from streams.reports import CameraReport, decode_report
from streams.simulator import Login, Recording, Simulator, load_recording
from streams.spool import Spool
from tests.api.command import environment, matakota, python
from tests.streams.apis import KEY, stub_api
from tests.streams.simulator.clients import SIZE, small_clip
from tests.streams.statements import alert, counts
from tests.streams.workers import camera, city, drawn, publish, write_logins
from tests.waiting import PATIENCE_S, wait_for

FITS = f"{{frame_size: [{SIZE[0]}, {SIZE[1]}]}}"
PASSWORD = "Sulawesi-2026"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("clips")
    return load_recording(small_clip(folder / "small.mp4"), folder / "cache")


@contextmanager
def working(folder: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """The running command with the data in ``folder/data``; its log is ``folder/log``."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [*python(), "worker", "--data", "data", *arguments],
            cwd=folder,
            env=environment(folder, **variables),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        with process:
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()


@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (["--name", "a b"], {}, "--name a b is no name"),
        (["--name", ""], {}, "--name  is no name"),
        ([], {}, "no Redis is named"),
        ([], {"MATAKOTA_REDIS_URL": "http://127.0.0.1/"}, "redis"),
        (["--config", "city.yaml"], {}, "No such option: --config"),
        (["--keep-tracks-h", "745"], {}, "--keep-tracks-h"),
        ([], {"MATAKOTA_KEEP_TRACKS_H": "for ever"}, "tracks are kept for 0 to 744 hours"),
        ([], {"MATAKOTA_API_KEY": KEY}, "set MATAKOTA_API_URL too"),
        ([], {"MATAKOTA_API_URL": "https://room.example"}, "matakota keys create NAME --worker"),
        (
            [],
            {"MATAKOTA_API_URL": "http://room.example", "MATAKOTA_API_KEY": KEY},
            "could be read on its way",
        ),
    ],
)
def test_mistakes_are_one_sentence(
    tmp_path: Path, arguments: list[str], variables: Mapping[str, str], sentence: str
) -> None:
    ran = matakota("worker", "--data", "data", *arguments, folder=tmp_path, variables=variables)
    assert ran.code == 2
    said = [line for line in ran.said if "[info" not in line]
    assert len(said) == 1
    assert sentence in said[0]
    assert KEY not in said[0]


def test_a_worker_follows_and_keeps_its_configuration(
    tmp_path: Path, valkey: str, recording: Recording
) -> None:
    write_logins(tmp_path / "logins.yaml", gate=PASSWORD)
    bus, control = RedisBus(valkey), RedisControl(valkey)
    options = ["--name", "north", "--credentials", "logins.yaml"]

    def reported(name: str) -> CameraReport | None:
        reports = [decode_report(body) for body in bus.reports()]
        found = [c for r in reports if r.worker == "north" for c in r.cameras if c.camera == name]
        return found[0] if found and found[0].state is State.LIVE else None

    with Simulator({"a": recording}, login=Login("operator", PASSWORD)) as simulator:
        gate = camera("gate", simulator.url("a"), login="gate", worker="north")
        with working(tmp_path, *options, MATAKOTA_REDIS_URL=valkey) as process:
            publish(control, city(gate, drawn(camera("road"), 5), camera("x", worker="x")), 1)
            for name in ("gate", "road"):
                wait_for(lambda name=name: reported(name), f"{name} is live")
            line = Path(f"/proc/{process.pid}/cmdline")
            if line.exists():
                assert PASSWORD.encode() not in line.read_bytes()
            kept = tmp_path / "data" / "configuration-north.json"
            wait_for(kept.exists, "kept")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 143
        for report in bus.reports():
            assert PASSWORD not in report
    # nobody at that address, and no city: it runs all the same
    before = (tmp_path / "log").read_text(encoding="utf-8")
    nobody = f"unix://{tmp_path}/none.sock"
    with working(tmp_path, "--name", "north", MATAKOTA_REDIS_URL=nobody) as process:
        wait_for(
            lambda: (
                "camera is live" in _since(tmp_path, before)
                or "configuration is followed" in _since(tmp_path, before)
            ),
            "it runs from what it kept",
        )
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 143
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert "Traceback" not in text
    assert PASSWORD not in text
    bus.close()
    control.close()


def test_alerts_reach_the_api_while_there_is_no_redis(tmp_path: Path) -> None:
    nobody = f"unix://{tmp_path}/none.sock"
    with Spool(tmp_path / "data" / "spool-north.db") as spool:
        spool.put([alert(1), alert(2), counts()])
    with stub_api() as api:
        variables = {"MATAKOTA_API_URL": api.url, "MATAKOTA_API_KEY": KEY}
        with working(
            tmp_path, "--name", "north", MATAKOTA_REDIS_URL=nobody, **variables
        ) as process:
            wait_for(lambda: len(api.stored) == 2, "both are posted")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 143
        assert api.headers[0]["Authorization"] == f"Bearer {KEY}"
        assert {entry["kind"] for entry in api.sent} == {"intrusion"}
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert KEY not in text
    assert "alerts are posted to the API" in text
    with Spool(tmp_path / "data" / "spool-north.db") as spool:
        kept = [message.key for message in spool.unsent(10)]
    assert kept[0] == counts().key
    assert all(key.startswith("alert:canary:north:") for key in kept[1:])


def test_without_an_api_it_is_said_once_that_alerts_wait(tmp_path: Path) -> None:
    nobody = f"unix://{tmp_path}/none.sock"
    with working(tmp_path, "--name", "north", MATAKOTA_REDIS_URL=nobody) as process:
        wait_for(lambda: "worker runs" in _since(tmp_path, ""), "it runs")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 143
    assert _since(tmp_path, "").count("MATAKOTA_API_URL names no API") == 1
    assert _since(tmp_path, "").count("alerts have no pictures and clips") == 1


def _since(folder: Path, before: str) -> str:
    return (folder / "log").read_text(encoding="utf-8")[len(before) :]


def test_cameras_are_checked_one_by_one(tmp_path: Path, recording: Recording) -> None:
    write_logins(tmp_path / "logins.yaml", gate=PASSWORD, other="nothing")
    login, subs = Login("operator", PASSWORD), {"a": recording}
    with Simulator({"a": recording}, login=login, subs=subs, limit=9) as simulator:
        url, two = simulator.url("a"), simulator.main_url("a")
        (tmp_path / "city.yaml").write_text(
            "networks: [127.0.0.0/8]\n"
            "credentials: logins.yaml\n"
            "cameras:\n"
            f"  - {{id: good, source: '{url}', login: gate}}\n"
            f"  - {{id: fits, source: '{url}', login: gate, scene: "
            f"{{frame_size: [{2 * SIZE[0]}, {2 * SIZE[1]}]}}}}\n"
            f"  - {{id: drawn, source: '{url}', login: gate, scene: {{frame_size: [64, 64]}}}}\n"
            f"  - {{id: login, source: '{url}', login: other}}\n"
            f"  - {{id: path, source: '{url}-none', login: gate}}\n"
            f"  - {{id: two, source: '{two}', login: gate, scene: {FITS}}}\n"
            f"  - {{id: one, source: '{two}', login: gate, substream: off, scene: {FITS}}}\n"
            f"  - {{id: none, source: '{two}', login: gate, substream: /b, scene: {FITS}}}\n"
            "  - {id: away, source: 'rtsp://10.0.0.1/a'}\n"
            "  - {id: road, source: synthetic}\n",
            encoding="utf-8",
        )
        ran = matakota("cameras", "check", "-c", "city.yaml", folder=tmp_path)
    lines = dict(line.split(": ", 1) for line in ran.out.decode().splitlines())
    assert ran.code == 1
    shown = f"{url} shows {SIZE[0]}x{SIZE[1]}"
    assert lines["good"] == f"ok: {shown}; it has no scene, so nothing is counted or alarmed"
    assert lines["fits"] == f"ok: {shown}"
    both = f"ok: {two} shows {SIZE[0]}x{SIZE[1]}"
    assert lines["two"] == f"{both}; its sub-stream shows {SIZE[0]}x{SIZE[1]}"
    assert lines["one"] == both
    assert lines["none"] == f"{both}; its sub-stream does not work (not_found)"
    assert lines["drawn"].startswith(f"FAILED: {shown}; the scene is drawn on a picture of 64x64")
    for name, code in (
        ("login", Code.UNAUTHORIZED),
        ("path", Code.NOT_FOUND),
        ("away", Code.ADDRESS_REFUSED),
    ):
        assert lines[name].startswith(f"FAILED: {code}: ")
    assert lines["road"] == "ok: synthetic, no real camera"
    assert PASSWORD not in ran.out.decode() + ran.err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cameras: []", "there is no camera"),
        ("cameras: [{id: a, source: synthetic, scene: {lins: []}}]", "unknown field 'lins'"),
        ("cameras: [{id: a, source: synthetic, login: gate}]", "there is no login 'gate'"),
    ],
)
def test_a_city_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "city.yaml").write_text(text, encoding="utf-8")
    ran = matakota("cameras", "check", "-c", "city.yaml", folder=tmp_path)
    assert (ran.code, ran.out) == (2, b"")
    (said,) = ran.said
    assert sentence in said
