"""``matakota alerts suggest``: asks the worker over the bus, and prints what it found."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

import api.cli.replaying as module
from api.cli import run
from api.store import Store
from streams.bus import RedisBus, RedisControl
from streams.commands import NotTried, Suggest, Suggested, TriedValue, decode_command
from streams.messages import encode
from tests.api.answering import answering
from tests.api.served import TESTER, alert, report, sqlite_url
from tests.waiting import PATIENCE_S

Command = Callable[..., tuple[int, str, str]]
GOOD = TriedValue(setting="dwell_s", value=65, true_kept=1, false_gone=1, later_s=5)
FOUND = Suggested(
    ok=True, kind="loitering", now={"dwell_s": 60}, true_alarms=1, false_alarms=1,
    tried=(GOOD,), best=GOOD, not_tried=(NotTried(alert="a", true_alarm=True, why="quiet"),),
)  # fmt: skip


@pytest.fixture
def command(
    tmp_path: Path, valkey: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """The command in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("MATAKOTA_DATA", str(tmp_path))
    monkeypatch.setenv("MATAKOTA_DATABASE_URL", sqlite_url(tmp_path))
    monkeypatch.setenv("MATAKOTA_REDIS_URL", valkey)
    monkeypatch.setattr(module, "MORE_S", 1.0)
    now = time.time() - 3600
    with Store.open(sqlite_url(tmp_path)) as store:
        store.cameras.save(report(now, "plaza"))
        for name in ("true", "false"):
            store.record([alert(name, rule="fence", start_ts=now, raised_ts=now)])
            store.cases.resolve(name, name, "", TESTER, edit=0, only=None)  # type: ignore[arg-type]

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["alerts", "suggest", *arguments])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


@pytest.fixture
def bus(valkey: str) -> Iterator[RedisControl]:
    """A worker ``w`` is heard that has the camera."""
    reports, control = RedisBus(valkey), RedisControl(valkey)
    reports.report("w", encode(report(time.time(), "plaza")), ttl_s=PATIENCE_S)
    yield control
    reports.close()
    control.close()


def test_it_says_what_was_found(command: Command, bus: RedisControl) -> None:
    with answering(bus, encode(FOUND)) as asked:
        code, out, err = command("plaza", "fence")
    assert (code, err) == (0, "")
    first, *_, last = out.splitlines()
    assert first.startswith("Set dwell_s to 65 instead of 60: 1 of 1 false alarms")
    assert "only 2 alerts could be tried" in out
    assert "does not tell of: 1 alerts" in out
    assert last.split("  ")[0:1] == ["dwell_s"]
    assert last.endswith("suggested")
    wanted = decode_command(asked[0])
    assert isinstance(wanted, Suggest)
    assert {each.alert: each.true_alarm for each in wanted.closings} == {
        "true": True, "false": False,
    }  # fmt: skip


def test_as_the_api_gives_it(command: Command, bus: RedisControl) -> None:
    with answering(bus, encode(FOUND)):
        code, out, _ = command("plaza", "fence", "--json")
    found = json.loads(out)
    assert (code, found["best"]["value"], found["camera"]) == (0, 65, "plaza")
    assert {"from", "to", "said", "tried", "not_tried", "left_out"} <= set(found)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (Suggested(ok=True, why_none="costs"), "loses a true one as well"),
        (Suggested(ok=False, refused="rule", message="no rule 'a\x1b'"), "no rule 'a?'"),
    ],
)
def test_where_nothing_is_suggested(
    command: Command, bus: RedisControl, found: Suggested, sentence: str
) -> None:
    with answering(bus, encode(found)):
        code, out, _ = command("plaza", "fence")
    assert code == 1
    assert sentence in out


def test_a_worker_that_is_busy(command: Command, bus: RedisControl) -> None:
    with answering(bus, encode(Suggested(ok=False, refused="busy", message="try again"))):
        assert command("plaza", "fence") == (1, "", "matakota: try again\n")


def test_what_needs_no_worker_asks_none(command: Command) -> None:
    code, out, _ = command("plaza", "else")
    assert (code, out) == (1, "There is no false alarm on which a threshold could be tried.\n")


@pytest.mark.parametrize("wrong", [("--days", "0"), ("--timeout", "601")])
def test_it_refuses_what_is_wrong(command: Command, wrong: tuple[str, str]) -> None:
    code, out, said = command("plaza", "fence", *wrong)
    assert (code, out) == (2, "")
    assert wrong[0] in said
