"""``matakota alerts precision``: how often rules were right, as a table and as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from api.cli import run
from api.store import Store
from api.store import precision as counting
from tests.api.served import TESTER, alert, sqlite_url

Command = Callable[..., tuple[int, str, str]]
DAY_S = 86_400


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """The command in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("MATAKOTA_DATABASE_URL", sqlite_url(tmp_path))
    now = time.time()
    with Store.open(sqlite_url(tmp_path)) as store:
        for name, camera, age_days in (("a", "plaza", 1), ("b", "plaza", 2), ("c", "gate", 9)):
            raised = now - age_days * DAY_S
            store.record([
                alert(name, camera=camera, rule="x\x1b[2J", start_ts=raised, raised_ts=raised)
            ])  # fmt: skip
        store.cases.resolve("a", "true", "", TESTER, edit=0, only=None)
        store.cases.resolve("b", "false", "", TESTER, edit=0, only=None)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["alerts", "precision", *arguments])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


def test_it_prints_a_table(command: Command) -> None:
    code, out, said = command()
    assert (code, said) == (0, "")
    head, *rows = [line.split("  ") for line in out.splitlines()]
    assert [word.strip() for word in head if word] == [
        "camera", "kind", "rule", "alerts", "true", "false", "not judged", "precision",
        "95 % within",
    ]  # fmt: skip
    assert [[word.strip() for word in row if word] for row in rows] == [
        ["plaza", "intrusion", "x?[2J", "2", "1", "1", "0", "50%", "9% to 91%"],
        ["gate", "intrusion", "x?[2J", "1", "0", "0", "1", "-", "-"],
    ]


def test_it_looks_back_as_far_as_it_is_told(command: Command) -> None:
    assert "gate" not in command("--days", "8")[1]
    assert "gate" in command("--days", "10")[1]
    code, out, _said = command("--camera", "gate")
    assert (code, "plaza" in out, "gate" in out) == (0, False, True)


def test_it_gives_what_the_api_gives(command: Command) -> None:
    code, out, _said = command("--json", "--days", "3", "--camera", "plaza")
    assert code == 0
    found = json.loads(out)
    assert set(found) == {"from", "to", "rows", "left_out"}
    (row,) = found["rows"]
    assert (row["alerts"], row["precision"], row["high"]) == (2, 0.5, 0.9055)


def test_it_says_what_is_left_out(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_ROWS", 1)
    assert command()[1].endswith("and 1 more, of fewer alerts: name a --camera\n")


@pytest.mark.parametrize("wrong", [("--days", "0"), ("--days", "367"), ("--camera", "")])
def test_it_refuses_what_is_wrong(command: Command, wrong: tuple[str, str]) -> None:
    code, out, said = command(*wrong)
    assert (code, out) == (2, "")
    assert wrong[0] in said
