"""What is searched for in the operations room: what a browser may ask, and what is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api.access import ROLES, Caller, Role
from api.i18n import texts
from api.pages.filters import MAX_WORDS, Sought, Wish
from api.store import Store
from tests.api.served import DAY, alert, sqlite_url

NAMES = {"plaza": "Anjungan Losari", "road": "Jalan Penghibur"}


def caller(*cameras: str) -> Caller:
    return Caller("s", "room1", "session", ROLES[Role.VIEWER], frozenset(cameras) or None)


def sought(language: Any = "id", **wish: Any) -> Sought:
    return Sought.of(Wish.model_validate(wish), NAMES, texts(language))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path)) as opened:
        opened.record([
            alert("a", kind="crowd", start_ts=DAY),
            alert("b", kind="intrusion", camera="road", start_ts=DAY + 60, severity="low"),
            alert("c", kind="crowd", camera="road", start_ts=DAY + 120, severity="critical"),
        ])  # fmt: skip
        yield opened


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        ({}, "cba"),
        # as they are called to who looks
        ({"text": "kerumunan"}, "ca"),
        ({"text": "crowd", "language": "en"}, "ca"),
        ({"text": "LOSARI"}, "a"),
        ({"text": " penghibur   kerumunan "}, "c"),
        ({"text": "anjungan penghibur"}, ""),
        ({"severities": ["low", "critical"]}, "cb"),
        ({"camera": "road", "kind": "crowd"}, "c"),
        # 2026-01-31T00:00:00Z is eight in the morning
        ({"from_time": "2026-01-31T08:01"}, "cb"),
        ({"to_time": "2026-01-31T08:01"}, "a"),
        ({"from_time": "2026-01-31T08:01", "to_time": "2026-01-31T08:02"}, "b"),
        ({"show": "open", "severities": ["low"]}, "b"),
        ({"show": "new", "text": "losari"}, "a"),
        ({"show": "mine"}, ""),
    ],
)
def test_what_is_wished_for_is_found(store: Store, wish: dict[str, Any], names: str) -> None:
    found = sought(**wish).newest(store.alerts, caller(), None, 9)
    assert "".join(each.id for each in found.alerts) == names


def test_only_own_cameras_are_searched(store: Store) -> None:
    assert sought(text="penghibur").newest(store.alerts, caller("plaza"), None, 9).alerts == []
    assert sought(camera="road").among(store.alerts, caller("plaza"), ["a", "b", "c"]) == []


def test_which_of_some_fit_is_told_whatever_was_done_about_them(store: Store) -> None:
    wish = sought(text="kerumunan", show="mine")
    assert wish.among(store.alerts, caller(), ["a", "b", "none"]) == ["a"]
    assert wish.among(store.alerts, caller(), []) == []


def test_fitting_ones_are_told_all_however_large_they_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.store.alerts.MAX_PAGE_BYTES", 1)
    assert sought(text="kerumunan").among(store.alerts, caller(), ["a", "b", "c"]) == ["c", "a"]


def test_what_was_done_narrows_nothing() -> None:
    assert not sought(show="mine").narrows
    assert not sought(text="  ").narrows
    for wish in ({"text": "a"}, {"severities": ["low"]}, {"camera": "c"}, {"kind": "k"}):
        assert sought(**wish).narrows
    assert sought(from_time="1970-01-01T08:00").narrows
    assert len(sought(text="a " * 99).fits["words"]) == MAX_WORDS


@pytest.mark.parametrize(
    "wish",
    [
        "new", None, [], {"number": -1}, {"number": "1"}, {"show": "others"}, {"text": 7},
        {"text": "\x00"}, {"text": "\ud800"}, {"text": "a" * 201}, {"severities": ["worst"]},
        {"severities": ["low"] * 5}, {"from_time": "yesterday"}, {"to_time": 7},
        {"from_time": "9999-99-99T00:00"}, {"camera": "\x00"}, {"more": 1},
    ],
)  # fmt: skip
def test_whatever_else_is_sent_is_refused(wish: object) -> None:
    with pytest.raises(ValidationError):
        Wish.model_validate(wish)
