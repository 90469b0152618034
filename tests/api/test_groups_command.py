"""``matakota groups``: cameras that are given together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from api.cli import run
from api.store import Store
from tests.api.served import DAY, report, sqlite_url

Groups = Callable[..., tuple[int, str, str]]


@pytest.fixture
def groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Groups]:
    """The command in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("MATAKOTA_DATA", str(tmp_path))
    monkeypatch.delenv("MATAKOTA_DATABASE_URL", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["groups", *arguments])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


def test_added_listed_and_removed(groups: Groups, tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path)) as store:
        store.cameras.save(report(DAY, "plaza", "road"))
    added = groups("add", "The Harbour", "--camera", "road", "--camera", "plaza")
    assert added == (0, "group The Harbour has 2 cameras\n", "")
    code, out, said = groups("add", "north", "--camera", "new")
    assert (code, out) == (0, "group north has 1 camera\n")
    assert "there is no such camera yet" in said
    assert groups("add", "empty")[1] == "group empty has 0 cameras\n"
    assert groups("list")[1].splitlines() == [
        "name         cameras",
        "empty        -",
        "north        new",
        "The Harbour  plaza, road",
    ]
    assert groups("remove", "the harbour") == (0, "group The Harbour is removed\n", "")
    with Store.open(sqlite_url(tmp_path)) as store:
        assert [group.name for group in store.groups.all()] == ["empty", "north"]


def test_what_is_refused(groups: Groups) -> None:
    groups("add", "north")
    for arguments, sentence in {
        ("add", "NORTH"): "there is a group NORTH already: choose another name",
        ("add", ""): "'' is no name: use 1 to 63 characters",
        ("add", "a\tb"): r"'a\tb' is no name",
        ("add", "x", "--camera", "x" * 121): "is no id: 'matakota config show' shows",
        ("add", "x", "--camera", "a\0b"): "is no id",
        ("remove", "south"): "there is no group 'south': 'matakota groups list' shows them",
        ("add",): "Missing argument",
    }.items():
        code, out, said = groups(*arguments)
        assert (code, out) == (2, ""), arguments
        assert sentence in said
        assert said.count("\n") == 1
    assert groups("list")[1].splitlines()[1:] == ["north  -"]
