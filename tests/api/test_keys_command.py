"""``matakota keys``: made once, shown never again, ended by name or id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from api.cli import run
from api.store import Store

Keys = Callable[..., tuple[int, str, str]]


@pytest.fixture
def keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Keys]:
    """The command in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("MATAKOTA_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MATAKOTA_DATABASE_URL", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["keys", *arguments])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


def test_made_listed_and_ended(keys: Keys, tmp_path: Path) -> None:
    code, key, said = keys("create", "room")
    assert (code, said) == (0, "")
    assert re.fullmatch(r"mk_[0-9a-f]{8}_[0-9a-f]{64}\n", key), "the key and nothing else"
    key_id, secret = key.strip().split("_")[1:]
    code, listed, said = keys("list")
    assert (code, said) == (0, "")
    head, line = listed.splitlines()
    assert head.split() == ["id", "kind", "name", "created", "last", "used", "expires", "revoked"]
    assert line.split()[:3] == [key_id, "key", "room"]
    assert line.split()[4:] == ["-", "-", "-"], "not used, never expires, not revoked"
    assert secret not in listed
    for file in (tmp_path / "data").iterdir():
        assert secret.encode() not in file.read_bytes()
    assert keys("revoke", key_id) == (0, f"room ({key_id}) is revoked\n", "")
    assert not keys("list")[1].splitlines()[1].endswith("-")


def test_sessions_and_links_are_listed_and_ended_too(keys: Keys, tmp_path: Path) -> None:
    keys("list")
    with Store.open(f"sqlite:///{tmp_path / 'data' / 'matakota.db'}") as store:
        store.keys.add_link("aaaaaaaa", "administrator", "h", lasts_s=60)
        store.keys.add_link("bbbbbbbb", "administrator", "h", lasts_s=60)
        assert store.keys.redeem("aaaaaaaa", "h", "cccccccc", "h", lasts_s=60)
    rows = [line.split() for line in keys("list")[1].splitlines()[1:]]
    assert {(row[0], row[1], row[2]) for row in rows} == {
        ("aaaaaaaa", "link", "administrator"),
        ("bbbbbbbb", "link", "administrator"),
        ("cccccccc", "session", "administrator"),
    }
    assert all(row[5] != "-" for row in rows), "all expire"
    assert {row[0]: row[6] == "-" for row in rows} == {
        "aaaaaaaa": False, "bbbbbbbb": True, "cccccccc": True,
    }  # fmt: skip
    for each in ("cccccccc", "bbbbbbbb"):
        assert keys("revoke", each) == (0, f"administrator ({each}) is revoked\n", "")
    assert keys("revoke", "administrator")[0] == 2
    assert not [line for line in keys("list")[1].splitlines() if line.endswith("-")]


def test_data_are_their_owners_alone(keys: Keys, tmp_path: Path) -> None:
    keys("list")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data" / "matakota.db").stat().st_mode & 0o777 == 0o600


def test_what_is_refused(keys: Keys) -> None:
    assert keys("create", "room")[0] == 0
    cases = {
        ("create", "room"): "there is a key room already",
        ("revoke", "nobody"): "no key nobody is in use: 'matakota keys list' shows",
        ("create", ""): "'' is no name",
        ("create", "a b"): "'a b' is no name",
        ("create", "--", "-x"): "'-x' is no name",
        ("create", "../x"): "'../x' is no name",
        ("create", "x" * 64): "is no name",
        ("create", "é"): "is no name",
        ("create", "a\nb"): "is no name",
        ("create",): "Missing argument",
    }
    for arguments, sentence in cases.items():
        code, out, said = keys(*arguments)
        assert (code, out) == (2, ""), arguments
        assert sentence in said
        assert said.count("\n") == 1
    assert len(keys("list")[1].splitlines()) == 2


def test_a_database_that_cannot_be_opened(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATAKOTA_DATABASE_URL", "postgresql://u:geheim@127.0.0.1:1/db")
    code, out, said = keys("create", "room")
    assert (code, out) == (2, "")
    assert "geheim" not in said
    assert said.count("\n") == 1
