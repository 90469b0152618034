"""What anybody may send to the open forms, and how much of it is looked at."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterator

import pytest

from api import door
from api.auth import form_token
from api.door import MAX_FIELDS, MAX_FORM_BYTES
from api.login import MAX_CHARS, normal
from api.store import BadNameError, checked_name
from api.store.names import folded
from tests.api.forms.pages import Browser
from tests.api.forms.signing import Signing, cookie
from tests.api.logins import PASSWORD

FORM = "application/x-www-form-urlencoded"
ACCENTS = "a" + "\u0301\u0316" * 15_000
"""Accents that have to be put in order, which takes seconds."""
ENDLESS = ACCENTS * 8
GUARD_S = 10.0
"""What is not bounded takes minutes."""


def headed(browser: Browser, path: str, body: bytes | Iterator[bytes]) -> int:
    """The status of a form whose token comes in a header."""
    browser.open("/login")
    headers = {"content-type": FORM, "x-csrf-token": form_token(cookie(browser, "form") or "")}
    return browser.client.post(path, content=body, headers=headers).status_code


@pytest.mark.parametrize("path", ["/login", "/language"])
@pytest.mark.parametrize(
    ("body", "taken"),
    [
        (b"a=" + b"x" * (MAX_FORM_BYTES - 2), True),
        (b"a=" + b"x" * (MAX_FORM_BYTES - 1), False),
        (b"&" * (MAX_FIELDS - 1), True),
        (b"&" * MAX_FIELDS, False),
    ],
)
def test_a_form_with_its_token_in_a_header_has_an_end(
    signing: Signing, fresh: Browser, path: str, body: bytes, taken: bool
) -> None:
    status = headed(fresh, path, body)
    assert status == (413 if not taken else {"/login": 403, "/language": 303}[path])


def test_a_form_with_its_token_in_a_header_is_not_waited_for(
    signing: Signing, fresh: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "FORM_S", 0.2)

    def slowly() -> Iterator[bytes]:
        yield b"name="
        time.sleep(1.0)
        yield b"room1"

    assert headed(fresh, "/login", slowly()) == 413


def test_an_address_with_many_values_is_a_sign_in_page(fresh: Browser) -> None:
    page = fresh.open("/login?" + "a&" * 100 + "next=/people")
    assert page.status == 200
    assert page.form("/login").values("next") == ["/"]


def test_what_is_too_long_takes_no_time() -> None:
    began = time.perf_counter()
    assert len(folded(ENDLESS)) < len(ENDLESS)
    with pytest.raises(BadNameError):
        checked_name(ENDLESS)
    assert len(normal(ENDLESS)) > MAX_CHARS
    assert time.perf_counter() - began < GUARD_S


@pytest.mark.parametrize("letter", ["\u01d6", "\u1f82", "\ud55c"])
def test_what_is_long_only_as_it_is_written_is_taken(letter: str) -> None:
    """Letters that a keyboard makes of several."""
    written = unicodedata.normalize("NFD", letter)
    assert normal(written * MAX_CHARS) == unicodedata.normalize("NFKC", letter * MAX_CHARS)
    assert checked_name(written * 20) == letter * 20


@pytest.mark.parametrize("field", ["name", "password"])
def test_nobody_waits_for_accents(signing: Signing, fresh: Browser, field: str) -> None:
    signing.add("room1")
    given = {"name": "room1", "password": PASSWORD, field: ACCENTS}
    body = "&".join(f"{name}={value}" for name, value in given.items())
    began = time.perf_counter()
    for _ in range(15):
        assert headed(fresh, "/login", body.encode()) in {403, 429}
    assert time.perf_counter() - began < GUARD_S
