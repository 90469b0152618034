"""People sign in: over a real connection."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest

from api.access import Role
from api.auth import read_token
from api.forms.signing import next_path, own_path
from api.login import code_hashes, new_codes, new_secret
from api.sessions import DEVICE_S, SESSION_S
from api.store import People, Rights
from tests.api.forms.pages import Browser, Page, record, went_to
from tests.api.forms.signing import Signing, cookie, sign, who
from tests.api.logins import PASSWORD
from tests.api.served import TESTER, Api, wait_until
from vision.errors import StoreError

FORM_TOKEN = re.compile(r"[0-9a-f]{64}")


# --- passwords


def test_somebody_signs_in(signing: Signing, fresh: Browser) -> None:
    signing.add("room1")
    page = fresh.open("/login")
    assert FORM_TOKEN.fullmatch(*page.form("/login").values("token"))
    assert "script" not in page.tags
    answer = sign(fresh, "Room1").answer
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["cache-control"] == "no-store"
    port = fresh.client.base_url.port
    cookies = {
        name: (value, sorted(rest.lower().split("; ")))
        for name, value, rest in (
            re.fullmatch(r"([^=]+)=([^;]+); (.*)", each).groups()  # type: ignore[union-attr]
            for each in answer.headers.get_list("set-cookie")
        )
    }
    session, kept = cookies[f"matakota_{port}"]
    assert read_token("session", session) is not None
    assert kept == ["httponly", f"max-age={SESSION_S:.0f}", "path=/", "samesite=lax"]
    device, kept = cookies[f"matakota_{port}_device"]
    assert read_token("device", device) is not None
    assert f"max-age={DEVICE_S:.0f}" in kept
    assert "httponly" in kept
    assert "room1" in (who(fresh) or "")
    again = fresh.client.get("/login")
    assert (again.status_code, again.headers["location"]) == (303, "/")
    (entry,) = record(signing.city, "login.password")
    assert (entry.actor, entry.object, entry.address) == ("room1", "room1", "127.0.0.1")


def test_whatever_is_wrong_looks_alike(signing: Signing, fresh: Browser) -> None:
    signing.add("room1")
    out = signing.add("out")
    signing.city.store.people.change(out, Rights(Role.VIEWER, disabled=True), TESTER)
    coded = signing.add("coded")
    signing.city.store.people.set_totp(coded, new_secret(), [], TESTER)
    said = set()
    for name, password, code in (
        ("room1", "wrong", ""), ("nobody", PASSWORD, ""), ("out", PASSWORD, ""),
        ("coded", PASSWORD, ""), ("coded", PASSWORD, "123456"), ("coded", "wrong", "123456"),
        ("coded", PASSWORD, "AAAA-AAAA-AAAA-AAAA"),
    ):  # fmt: skip
        page = sign(fresh, name, password, code=code)
        assert page.status == 403
        assert page.form("/login").values("name") == [name]
        assert PASSWORD not in page.answer.text
        assert cookie(fresh) is None
        assert cookie(fresh, "device") is None
        said.add(re.sub(r"value=\"[^\"]*\"", "", page.answer.text))
    assert len(said) == 1


def test_a_code_and_a_recovery_code(signing: Signing, fresh: Browser) -> None:
    user, secret, codes = signing.add("room1"), new_secret(), new_codes()
    signing.city.store.people.set_totp(user, secret, code_hashes(codes), TESTER)
    assert sign(fresh, "room1", code=pyotp.TOTP(secret).now()).status == 303
    with signing.browser() as other:
        assert sign(other, "room1", code=codes[0]).status == 303
    with signing.browser() as other:
        assert sign(other, "room1", code=codes[0]).status == 403
    ways = [each.action for each in record(signing.city, "login") if each.actor == "room1"]
    assert ways == ["login.recovery", "login.totp"]


def test_a_form_needs_its_token_and_our_origin(signing: Signing, fresh: Browser) -> None:
    signing.add("room1")
    page = fresh.open("/login")
    right = {
        "name": "room1",
        "password": PASSWORD,
        "token": page.form("/login").values("token")[0],
    }
    for changes, headers in (
        ({"token": "0" * 64}, {}),
        ({"token": ""}, {}),
        ({}, {"origin": "http://evil.example"}),
        ({}, {"origin": "null"}),
        ({}, {"sec-fetch-site": "cross-site"}),
    ):
        answer = fresh.client.post("/login", data=right | changes, headers=headers)
        assert answer.status_code == 403
        assert cookie(fresh) is None
    with signing.browser() as other:
        answer = other.client.post("/login", data=right)
        assert answer.status_code == 403, "it is of another browser"
    assert signing.looked_at("room1") == 0
    assert fresh.client.post("/login", data=right).status_code == 303


def test_with_each_sign_in_the_session_is_another_one(signing: Signing, fresh: Browser) -> None:
    signing.add("room1")
    page = fresh.open("/login")
    assert sign(fresh, "room1").status == 303
    first = cookie(fresh)
    # the page was open in a second window
    assert fresh.send(page, "/login", name="room1", password=PASSWORD).status == 303
    second = cookie(fresh)
    assert first != second
    old = {"cookie": f"matakota_{fresh.client.base_url.port}={first}"}
    with signing.browser() as other:
        assert other.client.get("/account", headers=old).status_code == 303
    assert who(fresh)
    assert len([k for k in signing.city.store.keys.all() if k.kind == "device"]) == 1


def test_a_session_that_somebody_set_before_is_not_used(signing: Signing, fresh: Browser) -> None:
    signing.add("room1")
    forged = f"ms_{'0' * 8}_{'0' * 64}"
    fresh.client.cookies.set(f"matakota_{fresh.client.base_url.port}", forged, "127.0.0.1")
    assert sign(fresh, "room1").status == 303
    assert forged not in fresh.client.cookies.values()


# --- where one goes then


@pytest.mark.parametrize(
    ("wanted", "went"),
    [
        ("/people", "/people"), ("/people/7", "/people/7"), ("/room/", "/room/"),
        ("/audit?actor=room1&page=2", "/audit?actor=room1&page=2"), ("/", "/"), ("", "/"),
        ("//evil.example", "/"), ("///evil.example", "/"), ("https://evil.example/", "/"),
        ("/\\evil.example", "/"), ("\\\\evil.example", "/"), ("evil.example", "/"),
        ("/people\r\nX: y", "/"), ("/people?x\r\nX: y", "/people?x%0D%0AX%3A%20y"),
        ("javascript:alert(1)", "/"), ("/none", "/"), ("/login", "/"), ("/leave", "/"),
        ("/enter", "/"), ("/enter?link=ml_x", "/"), ("/oidc/start", "/"),
        ("/people/a\nb", "/people/a%0Ab"),
        ("/door/forms.css", "/"), ("/people" + "x" * 2000, "/"), ("/people/..", "/people/.."),
    ],
)  # fmt: skip
def test_where_one_goes_then_is_a_place_of_ours(wanted: str, went: str) -> None:
    assert next_path(wanted) == went


@pytest.mark.parametrize(
    ("wanted", "went"),
    [
        ("/login?next=/people", "/login?next=%2Fpeople"), ("/login", "/login"),
        ("/enter?link=ml_x", "/"), ("//evil.example", "/"), ("/leave", "/"), ("", "/"),
        ("/audit?actor=a&action=b", "/audit?actor=a&action=b"),
    ],
)  # fmt: skip
def test_where_one_goes_back_to_is_a_place_of_ours(wanted: str, went: str) -> None:
    assert own_path(wanted) == went


def test_whoever_was_sent_to_sign_in_gets_where_they_wanted(
    signing: Signing, fresh: Browser
) -> None:
    signing.add("room1", Role.ADMINISTRATOR)
    page = fresh.open(went_to(fresh.open("/people")))
    assert page.form("/login").values("next") == ["/people"]
    wrong = fresh.send(page, "/login", name="room1", password="wrong")
    assert wrong.form("/login").values("next") == ["/people"]
    language = fresh.open(went_to(fresh.send(page, "/language", language="id")))
    assert language.form("/login").values("next") == ["/people"]
    assert went_to(fresh.send(wrong, "/login", name="room1", password=PASSWORD)) == "/people"


@pytest.mark.parametrize(
    "query", ["a=1&" * 100, "next=/people&next=/keys", "next", "%ff=%ff&next=%"]
)
def test_an_address_with_anything_in_it_shows_the_form(fresh: Browser, query: str) -> None:
    page = fresh.open(f"/login?{query}")
    assert page.status == 200
    assert page.form("/login").values("next") == ["/"]


def test_a_store_that_is_gone_is_said_on_a_page_to_people_and_in_json_to_programs(
    city: Api, fresh: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_people: object) -> bool:
        raise StoreError("the database does not answer: try again")

    monkeypatch.setattr(People, "has_administrator", gone)
    page = fresh.open("/login")
    assert page.status == 503
    assert page.answer.headers["content-type"].startswith("text/html")
    assert page.answer.headers["retry-after"]
    assert "the database does not answer" in page.text
    assert "Not let in" not in page.text
    answer = city.client.get("/login", headers={"accept": "application/json"})
    assert (answer.status_code, list(answer.json())) == (503, ["detail"])


def test_nobody_is_sent_elsewhere(signing: Signing, fresh: Browser) -> None:
    signing.add("room1")
    page = fresh.open("/login", next="//evil.example/")
    assert page.form("/login").values("next") == ["/"]
    answer = fresh.send(page, "/login", name="room1", password=PASSWORD, next="//evil.example/")
    assert went_to(answer) == "/"


# --- how often one may try


def test_a_thousand_tries_a_minute_lock_nobody_else_out(signing: Signing, fresh: Browser) -> None:
    for name in ("room1", "petugas", "jaga"):
        signing.add(name)
    with signing.browser() as own:
        assert sign(own, "room1").status == 303
        before = signing.looked_at("room1")
        page = fresh.open("/login")

        def attack(n: int) -> int:
            return fresh.send(page, "/login", name="room1", password=f"guess {n}").status

        with ThreadPoolExecutor(4) as pool:
            tries = [pool.submit(attack, n) for n in range(1000)]
            wait_until(lambda: sum(each.done() for each in tries) > 100, 60)
            for name in ("petugas", "jaga"):
                with signing.browser() as other:
                    assert sign(other, name).status == 303, "while it goes on"
            statuses = [each.result() for each in tries]
        reached = signing.looked_at("room1") - before
        assert 1 <= reached == statuses.count(403) <= 10
        assert statuses.count(429) == 1000 - reached
        assert len(record(signing.city, "login.failed")) <= 2
        # its own person comes in with the browser that came in before
        token = own.open("/account").form("/leave").values("token")
        assert own.client.post("/leave", data={"token": token}).status_code == 303
        assert sign(own, "room1").status == 303
    with signing.browser() as other:
        refused = sign(other, "room1")
        assert refused.status == 429
        wait_s = int(refused.answer.headers["retry-after"])
        assert 1 <= wait_s <= 60
        assert f"wait {wait_s} seconds" in refused.problem
        indonesian = {"accept-language": "id"}
        page = Page(other.client.get("/login", headers=indonesian))
        assert 'lang="id"' in page.answer.text


def test_colours_are_chosen_for_a_browser(fresh: Browser) -> None:
    page = fresh.open("/login")
    assert 'data-theme="system"' in page.answer.text
    sent = fresh.send(page, "/theme", theme="light")
    assert went_to(sent) == "/login"
    assert "httponly" in sent.answer.headers["set-cookie"].lower()
    page = fresh.open("/login")
    assert 'data-theme="light"' in page.answer.text
    # nothing that is none of them is kept
    assert "set-cookie" not in fresh.send(page, "/theme", theme="<b>").answer.headers
    assert went_to(fresh.send(page, "/theme", theme="dark", back="//elsewhere.test")) == "/"
    assert 'data-theme="dark"' in fresh.open("/login").answer.text
