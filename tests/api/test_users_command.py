"""``matakota users``: people, their way in, and how they are kept out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from api.access import Role
from api.auth import read_token
from api.cli import run
from api.store import NewSession, Store, User, Wanted
from tests.api.served import TESTER, add_user, sqlite_url

Users = Callable[..., tuple[int, str, str]]
LINK = re.compile(r"(https?://.+)/enter\?link=(ml_[0-9a-f]{8}_[0-9a-f]{64})\n")


@pytest.fixture
def users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Users]:
    """The command in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("MATAKOTA_DATA", str(tmp_path))
    monkeypatch.delenv("MATAKOTA_DATABASE_URL", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["users", *arguments])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """What the command reads and writes."""
    with Store.open(sqlite_url(tmp_path)) as opened:
        yield opened


def the(store: Store, name: str) -> User:
    found = store.people.named(name)
    assert found is not None
    return found


def choose(store: Store, said: str, session: str) -> bool:
    """Whether a printed link lets its user choose a password."""
    found = LINK.fullmatch(said)
    assert found
    token = read_token("link", found[2])
    assert token is not None
    begun = NewSession(session, "hash", 60)
    return store.people.choose_password(token.id, token.hash, "a hash", begun) is not None


@pytest.mark.parametrize(
    ("options", "rights"),
    [
        (["--role", "administrator"], (Role.ADMINISTRATOR, True, set(), None)),
        (
            ["--role", "operator", "--group", "NORTH", "--group", "south"],
            (Role.OPERATOR, False, {"North", "South"}, None),
        ),
        (
            ["--role", "viewer", "--every-camera", "--external", "ana@city.example"],
            (Role.VIEWER, True, set(), "ana@city.example"),
        ),
        (["--role", "analyst"], (Role.ANALYST, False, set(), None)),
    ],
)
def test_a_user_is_added_with_a_link(
    users: Users, store: Store, options: list[str], rights: tuple[object, ...]
) -> None:
    groups = {store.groups.add(name, (), TESTER).id: name for name in ("North", "South")}
    code, out, said = users("add", "Ana B", *options)
    assert (code, said) == (0, "")
    ana = the(store, "ana b")
    named = {groups[group] for group in ana.groups}
    assert (ana.role, ana.every_camera, named, ana.external) == rights
    assert (ana.name, ana.password) == ("Ana B", None)
    (key,) = store.keys.all()
    assert (key.kind, key.user) == ("password", ana.id)
    assert (key.expires_at or 0) - key.created_at == 86_400
    assert choose(store, out, "s1")
    assert not choose(store, out, "s2")
    assert the(store, "Ana B").password == "a hash"
    made = [e for e in store.audit.each(Wanted(object="Ana B")) if e.actor_kind == "command"]
    assert [e.action for e in made] == ["user.added", "link.password"]


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ([], "http://127.0.0.1:8080"),
        (["--port", "9000"], "http://127.0.0.1:9000"),
        (["--host", "::1"], "http://[::1]:8080"),
        (["--base", "https://city.example/"], "https://city.example"),
        (["--base", "https://10.0.0.7:8443"], "https://10.0.0.7:8443"),
    ],
)
def test_a_link_leads_to_where_the_server_is(
    users: Users, store: Store, options: list[str], start: str
) -> None:
    add_user(store, "ana")
    code, out, said = users("link", "ANA", *options)
    assert (code, said) == (0, "")
    found = LINK.fullmatch(out)
    assert found
    assert found[1] == start
    again = users("link", "ana")[1]
    assert not choose(store, out, "s1"), "the one before works no more"
    assert choose(store, again, "s2")


def test_they_are_listed(users: Users, store: Store) -> None:
    assert users("list")[1].splitlines() == [
        "name  role  cameras  signs in by  code  created  disabled"
    ]
    ana = add_user(store, "ana")
    store.people.change_password(ana, "a hash", TESTER, session="")
    store.people.set_totp(ana, "secret", (), TESTER)
    add_user(store, "Ben C", Role.VIEWER, cameras=["a"])
    users("add", "cam", "--role", "analyst", "--external", "c@city.example")
    users("disable", "cam")
    code, out, said = users("list")
    assert (code, said) == (0, "")
    rows = [re.split(r"  +", line) for line in out.splitlines()[1:]]
    assert [row[:5] for row in rows] == [
        ["ana", "administrator", "every camera", "password", "yes"],
        ["Ben C", "viewer", "of Ben C", "-", "-"],
        ["cam", "analyst", "-", "sign-in service as c@city.example", "-"],
    ]
    assert [row[6] == "-" for row in rows] == [True, True, False]
    assert "hash" not in out
    assert "secret" not in out


def test_kept_out_and_let_in_again(users: Users, store: Store) -> None:
    ana = add_user(store, "ana", Role.OPERATOR, cameras=["a"])
    before = the(store, "ana")
    store.keys.begin(ana, NewSession("s1", "hash", 60), "test")
    assert users("disable", "Ana") == (0, "ana is disabled\n", "")
    assert the(store, "ana").disabled_at is not None
    assert store.keys.sessions(ana) == []
    code, out, said = users("link", "ana")
    assert (code, out) == (2, "")
    assert "the user ana is disabled: 'matakota users enable' ends that" in said
    assert users("enable", "ana") == (0, "ana may come in\n", "")
    assert the(store, "ana") == before, "with all that they had"


def test_a_lost_phone(users: Users, store: Store) -> None:
    ana = add_user(store, "ana")
    store.people.set_totp(ana, "secret", ["r1"], TESTER)
    assert users("no-totp", "ana") == (0, "ana is asked for no code any more\n", "")
    assert the(store, "ana").totp_secret is None
    assert store.people.recovery_left(ana) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["add", "ANA", "--role", "viewer"], "there is a user ANA already: choose another name"),
        (["add", " x", "--role", "viewer"], "' x' is no name: use letters"),
        (["add", "x" * 64, "--role", "viewer"], "is no name: use 1 to 63 characters"),
        (["add", "x", "--role", "king"], "Invalid value for '--role'"),
        (["add", "x", "--role", "viewer", "--group", "none"], "there is no group 'none'"),
        (["add", "x", "--role", "viewer", "--external", "a@b"], "another user is called a@b"),
        (["add", "x", "--role", "viewer", "--base", "city.example"], "is no address of a server"),
        (["add", "x", "--role", "viewer", "--base", "https://a/b"], "without a path"),
        (["add", "x", "--role", "viewer", "--base", "https://u:p@a"], "is no address of a server"),
        (["disable", "ana"], "this is the only administrator who can sign in"),
        (["disable", "nobody"], "there is no user 'nobody': 'matakota users list' shows them"),
        (["enable", "nobody"], "there is no user 'nobody'"),
        (["link", "a\nb"], r"there is no user 'a\nb'"),
        (["no-totp", "nobody"], "there is no user 'nobody'"),
    ],
)
def test_what_is_refused(users: Users, store: Store, arguments: list[str], sentence: str) -> None:
    users("add", "ana", "--role", "administrator", "--external", "a@b")
    before = store.people.all()
    code, out, said = users(*arguments)
    assert (code, out) == (2, "")
    assert sentence in said
    assert said.count("\n") == 1
    assert store.people.all() == before
