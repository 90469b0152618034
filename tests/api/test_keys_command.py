"""``matakota keys``: made once, shown never again, ended by name or id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from api.cli import run
from api.store import NewSession, Store, Wanted
from tests.api.served import TESTER, add_user, sqlite_url

Keys = Callable[..., tuple[int, str, str]]
READER = ("--scope", "counts:read", "--every-camera")


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


def columns(listed: str) -> list[list[str]]:
    return [re.split(r"  +", line) for line in listed.splitlines()]


def test_made_listed_and_ended(keys: Keys, tmp_path: Path) -> None:
    code, key, said = keys("create", "room", *READER)
    assert (code, said) == (0, "")
    assert re.fullmatch(r"mk_[0-9a-f]{8}_[0-9a-f]{64}\n", key), "the key and nothing else"
    key_id, secret = key.strip().split("_")[1:]
    code, listed, said = keys("list")
    assert (code, said) == (0, "")
    head, line = columns(listed)
    assert head == [
        "id", "kind", "name", "scopes", "cameras", "created", "last used", "expires", "revoked",
    ]  # fmt: skip
    assert line[:5] == [key_id, "key", "room", "counts:read", "every camera"]
    assert line[6:] == ["-", "-", "-"], "not used, never expires, not revoked"
    assert secret not in listed
    for file in (tmp_path / "data").iterdir():
        assert secret.encode() not in file.read_bytes()
    assert keys("revoke", key_id) == (0, f"room ({key_id}) is revoked\n", "")
    assert not keys("list")[1].splitlines()[1].endswith("-")


def test_what_each_is_for_is_shown(keys: Keys, tmp_path: Path) -> None:
    keys("list")
    with Store.open(sqlite_url(tmp_path / "data")) as store:
        store.groups.add("The Harbour", ["b"], TESTER)
    code, _, said = keys("create", "w", "--worker", "--camera", "a", "--group", "the harbour")
    assert code == 0
    assert "there is no such camera yet" in said
    assert "camera=a" in said
    made = ["--scope", "alerts:read", "--scope", "alerts:handle", "--camera", "a", "--camera", "a"]
    assert keys("create", "desk", *made)[0] == 0
    rows = columns(keys("list")[1])
    assert [row[2:5] for row in rows[1:]] == [
        ["w", "worker", "a, group The Harbour"],
        ["desk", "alerts:handle,alerts:read", "a"],
    ]
    with Store.open(sqlite_url(tmp_path / "data")) as store:
        for key, seen in zip(store.keys.all(), ({"a", "b"}, {"a"}), strict=True):
            holder = store.keys.holder(key.id)
            assert holder is not None
            assert holder.caller.cameras == seen
        entries = store.audit.find(Wanted(action="key.created"), limit=9).entries
    assert {(entry.actor_kind, entry.actor) for entry in entries} == {("command", "command line")}


def test_sessions_and_links_are_listed_and_ended_too(keys: Keys, tmp_path: Path) -> None:
    keys("list")
    with Store.open(sqlite_url(tmp_path / "data")) as store:
        ana = add_user(store, "Ana B")
        for link in ("aaaaaaaa", "bbbbbbbb"):
            store.keys.add_link(link, "h", lasts_s=60, by=TESTER, user=ana)
        store.keys.add_link("dddddddd", "h", lasts_s=60, by=TESTER, kind="setup")
        store.keys.add_device("eeeeeeee", "h", ana, lasts_s=60)
        assert store.keys.redeem("aaaaaaaa", "h", NewSession("cccccccc", "h", 60))
    rows = columns(keys("list")[1])[1:]
    assert {(row[0], row[1], row[2]) for row in rows} == {
        ("aaaaaaaa", "link", "Ana B"),
        ("bbbbbbbb", "link", "Ana B"),
        ("cccccccc", "session", "Ana B"),
        ("dddddddd", "set-up link", "-"),
    }
    assert all(row[7] != "-" for row in rows), "all expire"
    assert {row[0]: row[8] == "-" for row in rows} == {
        "aaaaaaaa": False, "bbbbbbbb": True, "cccccccc": True, "dddddddd": True,
    }  # fmt: skip
    for each in ("cccccccc", "bbbbbbbb"):
        assert keys("revoke", each) == (0, f"Ana B ({each}) is revoked\n", "")
    assert keys("revoke", "dddddddd")[1] == "the set-up link (dddddddd) is revoked\n"
    assert keys("revoke", "Ana B")[0] == 2
    assert not [line for line in keys("list")[1].splitlines() if line.endswith("-")]


def test_data_are_their_owners_alone(keys: Keys, tmp_path: Path) -> None:
    keys("list")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data" / "matakota.db").stat().st_mode & 0o777 == 0o600


def test_what_is_refused(keys: Keys) -> None:
    assert keys("create", "room", *READER)[0] == 0
    cases = {
        ("create", "room", *READER): "there is a key room already",
        ("revoke", "nobody"): "no key nobody is in use: 'matakota keys list' shows",
        ("create", "", *READER): "'' is no name",
        ("create", "a b", *READER): "'a b' is no name",
        ("create", *READER, "--", "-x"): "'-x' is no name",
        ("create", "../x", *READER): "'../x' is no name",
        ("create", "x" * 64, *READER): "is no name",
        ("create", "é", *READER): "is no name",
        ("create", "a\nb", *READER): "is no name",
        ("create",): "Missing argument",
        ("create", "x"): "say what the key is for: add --scope",
        ("create", "x", "--every-camera"): "say what the key is for: add --scope",
        ("create", "x", "--worker", *READER): "or --worker, and not both",
        ("create", "x", "--worker"): "say for which cameras the key is: add --camera or --group",
        ("create", "x", *READER, "--camera", "a"): "or --every-camera, and not both",
        ("create", "x", "--scope", "fly", "--every-camera"): "fly is no scope: use alerts:read",
        ("create", "x", "--scope", "people:manage", "--every-camera"): "people:manage is no scope",
        ("create", "x", "--worker", "--group", "none"): "there is no group 'none': 'matakota gr",
        ("create", "x", "--worker", "--camera", ""): "--camera '' is no id",
    }
    for arguments, sentence in cases.items():
        code, out, said = keys(*arguments)
        assert (code, out) == (2, ""), arguments
        assert sentence in said
        assert said.count("\n") == 1
    assert len(keys("list")[1].splitlines()) == 2


def test_a_database_that_cannot_be_opened(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATAKOTA_DATABASE_URL", "postgresql://u:geheim@127.0.0.1:1/db")
    code, out, said = keys("create", "room", *READER)
    assert (code, out) == (2, "")
    assert "geheim" not in said
    assert said.count("\n") == 1
