"""``matakota link``: an address that lets somebody in once."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import structlog

from api.cli import run
from api.store import Store, Wanted
from tests.api.command import environment, python
from tests.api.served import TESTER, add_user, api, sqlite_url, wait_until
from tests.api.test_serve_command import ADDRESS as SERVING
from tests.api.test_serve_command import GUARD_S, NOBODY, serve

Link = Callable[..., tuple[int, str, str]]
ADDRESS = re.compile(r"(https?://.+)/enter\?link=ml_([0-9a-f]{8})_([0-9a-f]{64})\n")


@pytest.fixture
def link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Link]:
    """The command in this process: exit code, standard output, standard error."""
    monkeypatch.delenv("MATAKOTA_DATABASE_URL", raising=False)
    monkeypatch.setenv("MATAKOTA_DATA", str(tmp_path))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["link", *arguments])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        ([], "http://127.0.0.1:8080"),
        (["--port", "9000"], "http://127.0.0.1:9000"),
        (["--host", "room.city.example", "--port", "80"], "http://room.city.example:80"),
        (["--host", "::1"], "http://[::1]:8080"),
        (["--base", "https://room.city.example"], "https://room.city.example"),
    ],
)
def test_an_address_and_nothing_else(
    link: Link, tmp_path: Path, arguments: list[str], start: str
) -> None:
    code, address, said = link(*arguments)
    assert (code, said) == (0, "")
    found = ADDRESS.fullmatch(address)
    assert found
    assert found[1] == start
    for file in tmp_path.iterdir():
        assert found[3].encode() not in file.read_bytes(), "only its hash is kept"
    with Store.open(sqlite_url(tmp_path)) as store:
        (kept,) = store.keys.all()
    assert (kept.id, kept.kind, kept.user) == (found[2], "setup", None), "there is nobody yet"


def test_a_link_is_for_somebody(link: Link, tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path)) as store:
        ana = add_user(store, "Ana B")
        code, address, said = link("ana b")
        assert (code, said) == (0, "")
        assert ADDRESS.fullmatch(address)
        (kept,) = store.keys.all()
        assert (kept.kind, kept.user) == ("link", ana)
        assert (kept.expires_at or 0) - kept.created_at == 3600
        (entry,) = store.audit.each(Wanted(action="link"))
        assert (entry.actor_kind, entry.action, entry.object) == ("command", "link.link", "Ana B")
        code, out, said = link()
        assert (code, out) == (2, "")
        assert said == (
            "matakota: there is an administrator already: name a user whom the link is to let in; "
            "'matakota users list' shows them\n"
        )
        add_user(store, "ben")
        store.people.set_disabled(ana, TESTER, disabled=True)
        assert "the user Ana B is disabled" in link("Ana B")[2]


def test_a_server_that_runs_knows_it_at_once(link: Link, tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as served:
        add_user(store, "ana")
        base = served.client.base_url
        address = link("ana", "--port", str(base.port))[1].strip()
        with httpx.Client() as browser:
            assert browser.get(address).status_code == 303
            me = browser.get(base.join("/api/v1/me")).json()
            assert (me["name"], me["kind"]) == ("ana", "session")


def test_the_data_folder_may_be_named(link: Link, tmp_path: Path) -> None:
    assert link("--data", str(tmp_path / "other"))[0] == 0
    assert (tmp_path / "other" / "matakota.db").is_file()
    assert not (tmp_path / "matakota.db").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "0"], "Invalid value for '--port'"),
        (["--port", "70000"], "Invalid value for '--port'"),
        (["--data", "/dev/null"], "the data folder /dev/null cannot be used"),
        (["nobody"], "there is no user 'nobody': 'matakota users list' shows them"),
        (["--base", "city.example"], "--base 'city.example' is no address of a server"),
        (["ana", "more"], "unexpected extra argument"),
    ],
)
def test_what_is_refused(link: Link, arguments: list[str], sentence: str) -> None:
    code, out, said = link(*arguments)
    assert (code, out) == (2, "")
    assert sentence in said
    assert said.count("\n") == 1


def test_a_server_that_a_person_starts_prints_one(tmp_path: Path) -> None:
    with serve(tmp_path, NOBODY) as server:
        assert server.process.stdout is not None
        word, _, address = server.process.stdout.readline().decode().rpartition(": h")
        assert word == "set up"
        found = ADDRESS.fullmatch(f"h{address}")
        assert found
        assert found[1] == server.address
        with httpx.Client(timeout=GUARD_S) as browser:
            for _ in range(2):
                assert browser.get(found[0].strip()).status_code == 200, "it asks who they are"
            assert browser.get(f"{server.address}/").status_code == 401
        assert server.end() == 143
        assert server.process.stdout.read() == b"", "and nothing else"
    assert len(found[3]) == 64
    assert found[3] not in server.log.read_text()


def test_one_that_is_supervised_prints_none(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*python(), "--supervised-by", str(os.getpid()), "serve", "--port", "0"],
            cwd=tmp_path,
            env=environment(tmp_path, MATAKOTA_DATA=str(tmp_path), MATAKOTA_REDIS_URL=NOBODY),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    try:
        wait_until(lambda: SERVING.search(log.read_text()), GUARD_S)
        process.terminate()
        out, _ = process.communicate(timeout=GUARD_S)
    finally:
        process.kill()
        process.communicate()
    assert out == b""
    with Store.open(sqlite_url(tmp_path)) as store:
        assert store.keys.all() == []
