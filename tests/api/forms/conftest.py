"""A served application, and the browser of its administrator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.access import Role
from api.store import Store
from tests.api.forms.pages import Browser, browser
from tests.api.forms.signing import Signing
from tests.api.served import Api, add_user, api, sqlite_url


@pytest.fixture
def city(tmp_path: Path) -> Iterator[Api]:
    """An application without people."""
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as running:
        yield running


@pytest.fixture
def boss(city: Api) -> int:
    """The number of its only administrator."""
    return add_user(city.store, "Boss", Role.ADMINISTRATOR)


@pytest.fixture
def office(city: Api, boss: int) -> Iterator[Browser]:
    """The administrator's browser."""
    with browser(city, boss) as opened:
        yield opened


@pytest.fixture
def signing(city: Api) -> Signing:
    return Signing(city)


@pytest.fixture
def fresh(signing: Signing) -> Iterator[Browser]:
    """A browser that nobody has come in with."""
    with signing.browser() as opened:
        yield opened
