"""``matakota evidence``: verified, listed, held, released and deleted on the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from api.cli import run
from api.evidence.room import EvidenceRoom
from api.store import Store, Wanted
from tests.api.evidence.kept import packed
from tests.api.served import DAY, alert, sqlite_url

Evidence = Callable[..., tuple[int, str, str]]
DAY_OF = ("--camera", "plaza", "--from", "2026-01-31T00:00:00Z", "--to", "2026-02-01T00:00:00Z")


@pytest.fixture
def evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Evidence]:
    """The command in this process, of a room with two items: exit code, standard output and
    error."""
    monkeypatch.setenv("MATAKOTA_DATA", str(tmp_path))
    monkeypatch.delenv("MATAKOTA_DATABASE_URL", raising=False)
    for name in ("URL", "HEADS", "KEEP_DAYS", "MAX_GB"):
        monkeypatch.delenv(f"MATAKOTA_EVIDENCE_{name}", raising=False)
    monkeypatch.setattr("api.evidence.room.RESERVE_BYTES", 0)
    monkeypatch.setattr("api.evidence.verifying.HEADS_WAIT_S", 0.0)
    with Store.open(sqlite_url(tmp_path)) as store:
        room = EvidenceRoom.open(store, tmp_path, {})
        store.record([alert("a"), alert("b")])
        for name in "ab":
            head, body = packed(name, "clip", [b"clip of " + name.encode(), b"boxes"])
            room.take(head, [body])

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["evidence", *arguments])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


def test_all_is_well(evidence: Evidence) -> None:
    said = "2 items, 4 files and 3 entries of the chain: all is as it was stored\n"
    assert evidence("verify") == (0, said, "")
    code, out, _ = evidence("verify", "--json")
    assert (code, json.loads(out)) == (
        0, {"ok": True, "items": 2, "files": 4, "entries": 3, "findings": []},
    )  # fmt: skip


def test_what_is_wrong_is_named(evidence: Evidence, tmp_path: Path) -> None:
    files = [*(tmp_path / "evidence").rglob("*.original")]
    (path,) = (file for file in files if file.read_bytes() == b"clip of a")
    path.write_bytes(b"clip of x")
    code, out, _ = evidence("verify")
    first, last = out.splitlines()
    assert code == 1
    assert first.startswith("clip of alert a: the file 2026-01-31/")
    assert "of its original was changed: restore it from a backup" in first
    assert last.endswith("not all is as it was stored")
    code, out, _ = evidence("verify", "--json")
    (finding,) = json.loads(out)["findings"]
    assert (code, finding["alert"], finding["form"], finding["bad"]) == (1, "a", "clip", True)


def test_listed(evidence: Evidence) -> None:
    code, out, _ = evidence("list")
    assert code == 0
    assert [line.split()[:3] for line in out.splitlines()[1:]] == [
        ["a", "clip", "plaza"], ["b", "clip", "plaza"],
    ]  # fmt: skip
    found = json.loads(evidence("list", *DAY_OF, "--json")[1])
    assert [item["from"] for item in found] == ["2026-01-31T00:00:00.000Z"] * 2
    assert evidence("list", "--camera", "gate")[1].count("\n") == 1


def test_deleted_but_for_what_is_held(evidence: Evidence, tmp_path: Path) -> None:
    why = ("--reason", "whose face it is")
    assert evidence("hold", "a", *why) == (0, "alert a is held\n", "")
    assert evidence("hold", "a", *why) == (0, "alert a was held already\n", "")
    said = "1 deleted, 1 spared because they are held\n"
    code, out, _ = evidence("delete", *DAY_OF, *why, "--yes")
    assert (code, out) == (0, said)
    assert evidence("release", "a", *why) == (0, "alert a is held no more\n", "")
    assert evidence("release", "a", *why) == (0, "alert a was not held\n", "")
    assert evidence("verify")[0] == 0
    with Store.open(sqlite_url(tmp_path)) as store:
        done = store.audit.find(Wanted(action="evidence"), limit=9).entries
    assert [(entry.action, entry.object, entry.actor_kind) for entry in done] == [
        ("evidence.released", "a", "command"), ("evidence.deleted", "b", "command"),
        ("evidence.held", "a", "command"),
    ]  # fmt: skip


def test_asks_before_it_deletes(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def confirm(text: str, abort: bool) -> None:
        asked.append(text)
        raise KeyboardInterrupt

    monkeypatch.setattr("typer.confirm", confirm)
    assert evidence("delete", *DAY_OF, "--reason", "x")[0] == 130
    assert asked == ["2 items of plaza show that time. Delete them?"]
    assert len(json.loads(evidence("list", "--json")[1])) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("delete", *DAY_OF, "--yes"), "--reason"),
        (("delete", *DAY_OF, "--yes", "--reason", " "), "write why"),
        (("delete", *DAY_OF[:4], "--to", "2026-01-30T00:00:00Z", "--reason", "x"), "before --to"),
        (("list", "--from", "yesterday"), "--from: write a time as"),
        (("hold", "none", "--reason", "x"), "there is no alert 'none'"),
    ],
)
def test_what_is_refused(evidence: Evidence, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = evidence(*arguments)
    assert code in {1, 2}
    assert out == ""
    assert said in err
    assert evidence("list", "--json")[1].count('"alert"') == 2


def test_settings_that_make_no_sense(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATAKOTA_EVIDENCE_MAX_GB", "lots")
    code, _, err = evidence("list")
    assert code == 2
    assert "MATAKOTA_EVIDENCE_MAX_GB is 'lots'" in err


def test_times_are_of_what_is_shown(evidence: Evidence) -> None:
    late = ("--from", "2026-01-31T00:00:10Z", "--to", "2026-01-31T00:01:00Z")
    assert evidence("list", *late)[1].count("\n") == 1
    assert DAY == 1_769_817_600.0
