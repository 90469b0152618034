"""``matakota alerting``: who is told of what, from and to a file."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from api.alerting.document import load_alerting
from api.cli import run
from api.store import Store
from tests.api.served import DAY, report, sqlite_url

Alerting = Callable[..., tuple[int, str, str]]
SIGNING = "whsec_" + base64.b64encode(b"not a secret of anybody!").decode()
FILE = """
secrets: secrets.yaml
channels:
  - {name: desk, kind: webhook, url: "https://desk.example/alerts"}
  - {name: spare, kind: apprise}
routes:
  - {name: all, channels: [desk], match: {cameras: [plaza, gate]}}
sites:
  - {name: port, cameras: [gate, quay]}
"""


@pytest.fixture
def alerting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Alerting]:
    """The command in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("MATAKOTA_DATA", str(tmp_path))
    monkeypatch.delenv("MATAKOTA_DATABASE_URL", raising=False)

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(["alerting", *map(str, arguments)])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "alerting.yaml"
    path.write_text(FILE)
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text(f"desk: {{secret: '{SIGNING}'}}\nspare: {{url: 'json://fake@localhost/'}}\n")
    secrets.chmod(0o600)
    return path


def number(tmp_path: Path) -> int:
    with Store.open(sqlite_url(tmp_path)) as store:
        return store.alerting.current().number


def test_checked_applied_and_shown(alerting: Alerting, file: Path, tmp_path: Path) -> None:
    contents = "2 channels, 1 route, 1 site, 0 inhibitions, 0 advice"
    assert alerting("check", file) == (0, f"{file}: {contents}\n", "")
    assert not (tmp_path / "matakota.db").exists()
    code, out, _ = alerting("apply", "--dry-run", file)
    assert (code, out.splitlines()) == (
        0,
        [
            "nothing is stored; this would be", f"alerting settings 1: {contents}",
            "changed: secrets, channels, sites, routes",
        ],
    )  # fmt: skip
    assert number(tmp_path) == 0
    assert alerting("apply", file)[:2] == (0, "\n".join(out.splitlines()[1:]) + "\n")
    assert number(tmp_path) == 1
    code, shown, said = alerting("show")
    assert (code, said) == (0, "")
    assert SIGNING not in shown
    again = tmp_path / "elsewhere.yaml"
    again.write_text(shown)
    assert load_alerting(again) == load_alerting(file)
    assert alerting("apply", again)[:2] == (0, "alerting settings 1: nothing changed\n")


def test_what_reaches_nobody_is_said(alerting: Alerting, file: Path, tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path)) as store:
        store.cameras.save(report(DAY, "plaza", "gate"))
    _, _, said = alerting("apply", file)
    assert said.count("there is no such camera yet") == 1
    assert "camera=quay" in said
    assert "no route leads to this channel" in said
    assert "channel=spare" in said
    file.write_text("{}")
    assert "there is no route, so nobody is told of anything" in alerting("apply", file)[2]


def test_what_is_refused(alerting: Alerting, file: Path, tmp_path: Path) -> None:
    assert alerting("show") == (
        2, "",
        "matakota: nobody said yet who is told of what: run 'matakota alerting apply FILE'\n",
    )  # fmt: skip
    (tmp_path / "secrets.yaml").chmod(0o644)
    for command in ("apply", "check"):
        code, out, said = alerting(command, file)
        assert (code, out) == (2, "")
        assert "others on this machine may read the secrets" in said
        assert SIGNING not in said
    assert number(tmp_path) == 0
