"""The own account: password, second factor, sessions, each changed by whoever proves to own it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pyotp
import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from api.access import Role
from api.store import User
from tests.api.forms.pages import Browser, Page, browser, record, went_to
from tests.api.served import TESTER, Api, add_session, add_user

OLD = "not a real password"
NEW = "another fake one, longer"
CHEAP = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),))


@dataclass
class Own:
    """A person's browser, and who they are."""

    city: Api
    number: int
    browser: Browser

    @property
    def user(self) -> User:
        found = self.city.store.people.get(self.number)
        assert found is not None
        return found

    def send(self, action: str, **changes: str) -> Page:
        """A form of the page as it is now."""
        return self.browser.send(self.browser.open("/account"), action, **changes)

    def signs_in(self, password: str, code: str = "") -> bool:
        """Whether somebody with a new browser comes in like this."""
        with httpx.Client(
            base_url=self.city.client.base_url,
            headers={"origin": str(self.city.client.base_url).rstrip("/"), "accept": "text/html"},
        ) as client:
            form = Page(client.get("/login")).form("/login")
            sent = dict(form.fields) | {"name": "Jaga", "password": password, "code": code}
            return client.post("/login", data=sent).status_code == 303


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a password is kept as is a matter of the login; here it would be most of the time."""
    monkeypatch.setattr(PasswordHash, "recommended", lambda: CHEAP)


@pytest.fixture
def own(city: Api, boss: int) -> Iterator[Own]:
    """Of a viewer with a password."""
    jaga = add_user(city.store, "Jaga", Role.VIEWER, cameras=["plaza"])
    kept = PasswordHash.recommended().hash(OLD)
    city.store.people.change_password(jaga, kept, TESTER, session="")
    with browser(city, jaga) as opened:
        yield Own(city, jaga, opened)


def set_up(own: Own) -> tuple[str, list[str]]:
    """Switch the second factor on: its secret and the recovery codes."""
    page = own.send("/account/new-factor", password=OLD)
    secret = page.ids["secret"]
    codes = own.browser.send(page, "/account/factor", code=pyotp.TOTP(secret).now())
    assert codes.status == 200
    return secret, codes.ids["codes-list"].split()


def test_the_page_says_who_one_is_and_what_one_sees(own: Own) -> None:
    page = own.browser.open("/account")
    assert "Name Jaga Role Viewer" in page.text
    assert "Cameras plaza Camera groups of Jaga" in page.text


def test_a_password_is_changed_by_whoever_has_the_one_before(own: Own) -> None:
    with browser(own.city, own.number) as elsewhere:
        sent = own.send("/account/password", password=OLD, new=NEW, again=NEW)
        assert went_to(sent) == "/account?saved=password"
        assert elsewhere.open("/account").status == 303
    assert "changed" in own.browser.open("/account", saved="password").text
    assert (own.signs_in(OLD), own.signs_in(NEW)) == (False, True)
    (entry,) = [entry for entry in record(own.city, "password.set") if entry.actor == "Jaga"]
    assert (entry.object, entry.before, entry.after) == ("Jaga", None, None)


def test_who_lost_the_password_meanwhile_changes_it_no_more(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner chooses another one while a thief's is made into a hash."""
    login = own.city.door.inner.state.services.login  # type: ignore[attr-defined]
    hashed = type(login).hashed
    owners = PasswordHash.recommended().hash("what the owner chose")

    async def slowly(self: Any, password: str) -> str:
        own.city.store.people.change_password(own.number, owners, TESTER, session="")
        return str(await hashed(self, password))

    monkeypatch.setattr(type(login), "hashed", slowly)
    own.send("/account/password", password=OLD, new=NEW, again=NEW)
    monkeypatch.undo()
    assert own.user.password == owners
    assert own.browser.open("/account").status == 303


@pytest.mark.parametrize(
    ("password", "new", "again", "said"),
    [
        ("wrong", NEW, NEW, "not your password"),
        ("", NEW, NEW, "not your password"),
        (OLD, NEW, NEW + "x", "differ"),
        (OLD, "short", "short", "too short"),
        (OLD, "password1234", "password1234", "first that are guessed"),
        (OLD, "jagajagajaga1", "jagajagajaga1", "repeats few|first that are guessed"),
    ],
)
def test_a_password_that_cannot_be_taken_is_explained(
    own: Own, password: str, new: str, again: str, said: str
) -> None:
    before = own.user.password
    page = own.send("/account/password", password=password, new=new, again=again)
    assert page.status == 422
    assert any(each in page.problem for each in said.split("|"))
    assert own.user.password == before
    assert not any(each and each in page.answer.text for each in {new, again} - {"short"})


def test_who_guesses_the_password_in_an_open_session_has_to_wait(own: Own) -> None:
    page = own.browser.open("/account")
    problems = [
        own.browser.send(page, "/account/password", password=f"guess {n}", new=NEW, again=NEW)
        for n in range(8)
    ]
    assert "Too many tries" in problems[-1].problem
    # also with the right one
    right = own.browser.send(page, "/account/password", password=OLD, new=NEW, again=NEW)
    assert "Too many tries" in right.problem
    # which keeps the person from nothing else
    assert own.signs_in(OLD)


def test_without_a_password_none_is_asked_for(city: Api, boss: int, office: Browser) -> None:
    page = office.open("/account")
    assert "no password yet" in page.text
    actions = {form.action for form in page.forms}
    assert "/account/password" not in actions
    page.forms[0].action = "/account/password"
    refused = office.send(page, "/account/password", password="", new=NEW, again=NEW)
    assert refused.status == 422
    found = city.store.people.get(boss)
    assert found is not None
    assert found.password is None


def test_a_second_factor_is_on_after_a_code_of_it_has_come(own: Own) -> None:
    page = own.send("/account/new-factor", password=OLD)
    assert page.answer.headers["cache-control"] == "no-store"
    secret = page.ids["secret"]
    assert own.user.totp_secret is None
    wrong = own.browser.send(page, "/account/factor", code="000000")
    assert (wrong.status, wrong.ids["secret"]) == (422, secret)
    assert "not the code" in wrong.problem
    assert own.user.totp_secret is None
    done = own.browser.send(wrong, "/account/factor", code=pyotp.TOTP(secret).now())
    assert done.status == 200
    codes = done.ids["codes-list"].split()
    assert len(set(codes)) == len(codes) == 10
    assert own.user.totp_secret == secret
    account = own.browser.open("/account")
    assert not any(each in account.answer.text for each in (secret, *codes))
    assert "Recovery codes left: 10." in account.text
    assert own.signs_in(OLD) is False
    assert own.signs_in(OLD, codes[0])
    (entry,) = record(own.city, "totp.set")
    assert (entry.actor, entry.object) == ("Jaga", "Jaga")
    assert secret not in str(entry)


def test_whoever_finds_a_browser_open_sets_up_no_second_factor(own: Own) -> None:
    for given in ({}, {"password": ""}, {"password": NEW}):
        page = own.send("/account/new-factor", **given)
        assert (page.status, page.ids.get("secret")) == (422, None)
        assert page.problem


def test_the_page_of_the_codes_makes_no_others_when_it_is_loaded_again(own: Own) -> None:
    page = own.send("/account/new-factor", password=OLD)
    code = pyotp.TOTP(page.ids["secret"]).now()
    assert own.browser.send(page, "/account/factor", code=code).status == 200
    again = own.browser.send(page, "/account/factor", code=code)
    assert again.status == 422
    assert "on already" in again.problem
    assert len(record(own.city, "totp.set")) == 1
    page.forms[0].action = "/account/new-factor"
    assert "on already" in own.browser.send(page, "/account/new-factor").problem


def test_nobody_is_made_to_confirm_a_secret_that_was_not_shown_to_them(own: Own) -> None:
    page = own.send("/account/new-factor", password=OLD)
    other = pyotp.random_base32()
    code = pyotp.TOTP(other).now()
    refused = own.browser.send(page, "/account/factor", secret=other, code=code)
    assert (refused.status, own.user.totp_secret) == (422, None)
    # nor one that was shown in another session
    with browser(own.city, own.number) as elsewhere:
        theirs = elsewhere.send(elsewhere.open("/account"), "/account/new-factor", password=OLD)
        fields = dict(theirs.form("/account/factor").fields)
        code = pyotp.TOTP(fields["secret"]).now()
        taken = {name: fields[name] for name in ("secret", "seal")}
        refused = own.browser.send(page, "/account/factor", code=code, **taken)
    assert (refused.status, own.user.totp_secret) == (422, None)
    assert "too old" in refused.problem


@pytest.mark.parametrize("proof", ["password", "recovery", "code"])
def test_the_second_factor_is_taken_off_by_whoever_proves_it(own: Own, proof: str) -> None:
    secret, codes = set_up(own)
    wrong = own.send("/account/no-factor", proof="wrong")
    assert wrong.status == 422
    assert "Neither" in wrong.problem
    assert own.user.totp_secret == secret
    given = {
        "password": OLD,
        "recovery": codes[3],
        # that of now was used to switch it on
        "code": pyotp.TOTP(secret).at(_now(own) + 30),
    }
    sent = own.send("/account/no-factor", proof=given[proof])
    assert went_to(sent) == "/account?saved=no-factor"
    assert own.user.totp_secret is None
    assert own.city.store.people.recovery_left(own.number) == 0
    (entry,) = record(own.city, "totp.cleared")
    assert (entry.actor, entry.object) == ("Jaga", "Jaga")


def _now(own: Own) -> int:
    return int(own.city.store.keys.now())


def test_sessions_are_shown_and_ended(own: Own) -> None:
    with browser(own.city, own.number) as elsewhere:
        page = own.browser.open("/account")
        assert page.text.count("this one") == 1
        (form,) = [form for form in page.forms if form.action == "/account/end-session"]
        assert form.values("session") == [elsewhere.id]
        sent = own.browser.send(page, "/account/end-session")
        assert went_to(sent) == "/account?saved=session"
        assert elsewhere.open("/account").status == 303
        again = own.browser.send(page, "/account/end-session")
        assert (again.status, "no such session" in again.problem) == (422, True)
    (entry,) = record(own.city, "session.ended")
    assert (entry.actor, entry.object) == ("Jaga", "Jaga")


def test_all_other_sessions_are_ended_at_once(own: Own) -> None:
    with browser(own.city, own.number) as one, browser(own.city, own.number) as two:
        assert went_to(own.send("/account/end-others")) == "/account?saved=others"
        assert [each.open("/account").status for each in (one, two)] == [303, 303]
    assert own.browser.open("/account").status == 200
    assert len(record(own.city, "sessions.ended")) == 1


def test_nobody_ends_the_session_of_somebody_else(own: Own, boss: int) -> None:
    add_session(own.city.store, own.number)
    with browser(own.city, boss) as theirs:
        refused = own.send("/account/end-session", session=theirs.id)
        assert refused.status == 422
        assert theirs.open("/people").status == 200


def test_the_language_that_is_chosen_is_kept(own: Own) -> None:
    page = own.browser.open("/account")
    header, chosen = (form for form in page.forms if form.action == "/language")
    assert chosen.values("language") == ["en"]
    assert header.values("back") == chosen.values("back") == ["/account"]
    page.forms.remove(header)
    assert went_to(own.browser.send(page, "/language", language="id")) == "/account"
    assert own.user.language == "id"
    with browser(own.city, own.number) as elsewhere:
        assert '<html lang="id"' in elsewhere.open("/account").answer.text


@pytest.mark.parametrize("change", ["crown", "PASSWORD", "end-sessions"])
def test_an_unknown_change_is_not_there(own: Own, change: str) -> None:
    page = own.browser.open("/account")
    page.forms[0].action = f"/account/{change}"
    assert own.browser.send(page, f"/account/{change}").status == 404
