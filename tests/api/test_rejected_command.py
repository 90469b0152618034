"""``matakota rejected``: dead letters are seen, stored after all exactly once, or forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from api.cli import run
from api.store import Store, Wanted
from streams.messages import SYSTEM_CAMERA, encode
from tests.api.served import alert, counted, sqlite_url

Rejected = Callable[..., tuple[int, str, str]]
GOOD = encode(alert("late"))
NEWER = GOOD.replace('"schema_version":2', '"schema_version":9')


@pytest.fixture
def rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Rejected]:
    """The command in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("MATAKOTA_DATA", str(tmp_path))
    monkeypatch.delenv("MATAKOTA_DATABASE_URL", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["rejected", *arguments])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path)) as opened:
        yield opened


def state(store: Store) -> str:
    """That of the alert about dead letters: the newest, if several were opened."""
    page = store.alerts.find(only=None, kind="dead_letter", limit=10)
    return page.alerts[0].state if page.alerts else "never"


def test_without_any(rejected: Rejected) -> None:
    assert rejected("list") == (0, "id  put aside  why  message\n", "")
    assert rejected("list", "--json") == (0, "", "")
    assert rejected("replay", "--all") == (0, "0 stored, 0 left\n", "")


def test_listed_in_full_and_for_a_terminal(rejected: Rejected, store: Store) -> None:
    store.reject("1-0", "a reason\x1b[31m", "{" + "x" * 500)
    code, out, _ = rejected("list")
    assert code == 0
    assert "a reason?[31m" in out
    assert "\x1b" not in out
    (line,) = rejected("list", "--json")[1].splitlines()
    assert json.loads(line)["body"] == "{" + "x" * 500


def test_replayed_once(rejected: Rejected, store: Store) -> None:
    """An alert and counts come into the store, what still fits no schema stays."""
    late = encode(counted(0, {("gate", "in", "car"): 2}))
    for entry, body in enumerate((GOOD, late, "no message")):
        store.reject(f"{entry}-0", "the schema of that day", body)
    assert state(store) == "open"
    code, out, err = rejected("replay", "--all")
    assert code == 1
    assert out.splitlines()[-1] == "2 stored, 1 left"
    assert "3 still cannot be stored: the message does not fit schema" in err
    found = store.alerts.get("late", only=None)
    assert found is not None
    assert store.counts.passages("plaza")
    assert state(store) == "open"
    # what is stored is no dead letter any more, so that it cannot be stored again
    assert rejected("replay", "1")[0] == 2
    again = store.alerts.get("late", only=None)
    assert again == found
    assert rejected("drop", "3") == (0, "1 dropped, 0 left\n", "")
    assert state(store) == "closed"
    actions = [
        (entry.action, entry.object)
        for entry in store.audit.find(Wanted(action="rejected"), limit=9).entries
    ]
    assert actions == [
        ("rejected.dropped", "3"), ("rejected.replayed", "2"), ("rejected.replayed", "1"),
    ]  # fmt: skip


def test_an_older_statement_changes_nothing(rejected: Rejected, store: Store) -> None:
    store.record([alert("late", 5, place="gate")])
    store.reject("1-0", "why", GOOD)
    assert rejected("replay", "1")[0] == 0
    found = store.alerts.get("late", only=None)
    assert found is not None
    assert (found.version, found.place) == (5, "gate")


def test_a_newer_schema_waits_for_its_version(rejected: Rejected, store: Store) -> None:
    store.reject("1-0", "why", NEWER)
    code, out, err = rejected("replay", "--all")
    assert (code, out) == (1, "0 stored, 1 left\n")
    assert "install the newer version" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("replay",), "say which messages: give their ids, or --all, and not both"),
        (("drop", "1", "--all"), "say which messages"),
        (("drop", "1", "7", "9"), "no message with the id 7, 9 was put aside"),
    ],
)
def test_what_is_refused(
    rejected: Rejected, store: Store, arguments: tuple[str, ...], said: str
) -> None:
    store.reject("1-0", "why", GOOD)
    code, out, err = rejected(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert store.rejected.count() == 1


def test_the_alert_is_about_the_program(store: Store) -> None:
    store.reject("1-0", "why", GOOD)
    (found,) = store.alerts.find(only=None, kind="dead_letter", limit=10).alerts
    assert (found.camera, found.severity, found.id) == (SYSTEM_CAMERA, "high", "dead-letters")
    # who sees only some cameras does not see it
    assert not store.alerts.find(only=frozenset({"plaza"}), limit=10).alerts
