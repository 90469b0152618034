"""The commands of docs/api.md are run as they stand; what they print has the documented fields."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from api.alerts import AlertIn
from api.store import Store
from streams.config import CameraConfig, City
from tests.api.served import TESTER, api, counted, report, sqlite_url
from tests.needs import REPO, need

DOCS = (REPO / "docs" / "api.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(match[1], match[2]) for match in BLOCK.finditer(DOCS)]
SINCE_WHEN = {"at", "stored", "updated", "created", "age_seconds"}
"""Differs from run to run."""

CITY = City(
    "Makassar",
    (),
    None,
    (
        CameraConfig(
            "plaza", "Plaza", "synthetic", None, "motion", None, None,
            {
                "frame_size": [640, 360],
                "lines": [{
                    "name": "gate", "points": [[320, 20], [320, 340]],
                    "forward": "in", "backward": "out",
                }],
            },
        ),
    ),
)  # fmt: skip


def documented() -> list[tuple[str, Any]]:
    """Commands of curl, each with the JSON that follows it, or None."""
    found: list[tuple[str, Any]] = []
    for kind, text in BLOCKS:
        if kind == "sh" and "curl" in text:
            commands = re.split(r"\n(?=curl )", text.strip())
            found += [(command, None) for command in commands]
        elif kind == "json":
            found[-1] = found[-1][0], json.loads(text)
    return found


def alike(shown: Any, got: Any) -> bool:
    """Whether an answer is the documented one, but for the times of the run; of a list, whether
    what is shown is among what came."""
    if isinstance(shown, dict) and isinstance(got, dict):
        return set(shown) == set(got) and all(
            name in SINCE_WHEN or alike(value, got[name]) for name, value in shown.items()
        )
    if isinstance(shown, list) and isinstance(got, list):
        return all(any(alike(one, other) for other in got) for one in shown)
    return bool(shown == got)


def test_the_commands_print_what_is_documented(tmp_path: Path) -> None:
    need(shutil.which("curl"), "curl")
    commands = documented()
    assert len(commands) >= 11
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as served:
        store.record([
            counted(0, {("gate", "in", "car"): 2}, observed_s=30.0),
            counted(60, {("gate", "in", "car"): 3}),
        ])  # fmt: skip
        store.cameras.save(report(1_769_817_600.0, "plaza", stream="main"))
        store.configuration.apply(CITY, TESTER)
        variables = {"KEY": served.key, "API": str(served.client.base_url).rstrip("/")}
        for command, shown in commands:
            stream = "/stream" in command
            done = subprocess.run(
                ["bash", "-c", command.replace("-N", "-N --max-time 2") if stream else command],
                env=variables | {"PATH": "/usr/bin:/bin:/usr/local/bin"},
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            if stream:
                # 28: the time that it was given is over
                assert done.returncode == 28
                assert re.search(r"^id: 3\nevent: alert\ndata: \{", done.stdout, re.MULTILINE)
                continue
            assert done.returncode == 0, (command, done.stderr)
            answer = json.loads(done.stdout)
            if shown is None:
                assert "detail" not in answer, command
            else:
                assert alike(shown, answer), (command, answer)


def test_every_field_and_path_is_documented(tmp_path: Path) -> None:
    for name in AlertIn.model_fields:
        assert re.search(rf"^\| .*`{name}`", DOCS, re.MULTILINE), name
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as served:
        schema = served.door.inner.openapi()  # type: ignore[attr-defined]
    for path, operations in schema["paths"].items():
        named = path.replace("{alert_id}", "gate-7-0001").replace("{camera}", "plaza")
        assert named in DOCS, path
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                name = parameter["name"]
                said = DOCS.replace("Last-Event-ID", "last-event-id")
                assert name in said or name == "alert_id", name


@pytest.mark.parametrize("name", ["decisions/0009-positions.md", "cameras.md"])
def test_links_lead_somewhere(name: str) -> None:
    assert f"({name})" in DOCS
    assert (REPO / "docs" / name).is_file()
