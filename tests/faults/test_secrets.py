"""A camera's password is nowhere but in its file and in the process that uses it."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from streams.simulator import Simulator
from streams.simulator.wire import Login
from tests.faults.cities import plaza, write_city
from tests.faults.living import Living
from tests.waiting import wait_for

USER = "operator"
CANARY = "canary:not/a@real password#1"
WRONG = "canary-wrong-and-not-real"


def shapes(secret: str) -> set[bytes]:
    """The ways in which it could be written somewhere."""
    pair = f"{USER}:{secret}"
    return {
        secret.encode(),
        quote(secret, safe="").encode(),
        quote(secret).encode(),
        base64.b64encode(pair.encode()),
    }


def test_a_canary_is_nowhere(tmp_path: Path, clip_cache: Path) -> None:
    recording = plaza(clip_cache)
    with Simulator({"right": recording}, login=Login(USER, CANARY)) as simulator:
        write_city(
            tmp_path,
            {"right": simulator.url("right")},
            fps="2",
            login=(USER, CANARY),
        )
        logins = tmp_path / "logins.yaml"
        logins.write_text(
            logins.read_text(encoding="utf-8") + f"no: {{user: {USER}, password: {WRONG}}}\n",
            encoding="utf-8",
        )
        city = tmp_path / "city.yaml"
        city.write_text(
            city.read_text(encoding="utf-8")
            + f"  - {{id: wrong, source: '{simulator.url('right')}', login: 'no'}}\n"
            + f"  - {{id: lost, source: '{simulator.url('right')}?fault=garbage', login: all}}\n",
            encoding="utf-8",
        )
        with Living(tmp_path, log_level="debug") as living:
            wait_for(
                lambda: (
                    {c["id"]: c["state"] for c in living.cameras().values()}
                    == {"right": "live", "wrong": "down", "lost": "down"}
                ),
                "one is live, two are not",
            )
            wait_for(lambda: len(living.alerts(kind="camera_down")) == 2, "two outages")
            assert living.cameras()["wrong"]["code"] == "unauthorized"
            places: dict[str, bytes] = {}
            for pid, line in living.processes().items():
                places[f"command line of {pid}"] = line.encode()
                with suppress(OSError):
                    places[f"environment of {pid}"] = Path(f"/proc/{pid}/environ").read_bytes()
            for path in ("alerts", "cameras", "cameras/right/scene", "workers"):
                places[path] = str(living.get(f"/api/v1/{path}")).encode()
            places["openapi"] = str(living.get("/openapi.json")).encode()
            places["readyz"] = str(living.get("/readyz")).encode()
            checked = living.run("cameras", "check", "-c", "city.yaml")
            assert checked.returncode == 1
            assert "right: ok" in checked.stdout
            places["cameras check"] = (checked.stdout + checked.stderr).encode()
            shown = living.run("config", "show")
            assert "login: all" in shown.stdout
            places["config show"] = (shown.stdout + shown.stderr).encode()
            living.terminate()
    places["log"] = living.log.read_bytes()
    assert b"alert spooled" in places["log"]
    for file in (tmp_path / "data").rglob("*"):
        if file.is_file():
            places[str(file)] = file.read_bytes()
    for path in (tmp_path / "data" / "matakota.db", living.spool):
        with closing(sqlite3.connect(path)) as database:
            places[f"dump of {path.name}"] = "\n".join(database.iterdump()).encode()
    assert len(places) > 15
    for secret in (CANARY, WRONG):
        for shape in shapes(secret):
            hits = [place for place, content in places.items() if shape in content]
            assert hits == [], shape
