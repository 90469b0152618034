"""Names of people and groups: which may be given, and which are taken for the same."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.access import Role
from api.store import BadNameError, NameTakenError, Rights, Store, checked_name
from tests.api.served import TESTER

VIEWER = Rights(Role.VIEWER)


@pytest.mark.parametrize("name", ["a", "Ana", "Ruang Kendali 2", "ᨔᨗᨈᨗ", "Jum’at (gate 2)", "x" * 63])
def test_names_as_people_have_them(store: Store, name: str) -> None:
    assert store.people.add(name, VIEWER, TESTER).name == name
    assert store.groups.add(name, (), TESTER).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "x" * 64,
        " a",
        "a ",
        "a\tb",
        "a\nb",
        "a\0b",
        "a\u200bb",
        "\u202egnp",
        "\ud800",
        "\ufdfa" * 7,
    ],
)
def test_names_that_nobody_could_read(store: Store, name: str) -> None:
    for add in (
        lambda: store.people.add(name, VIEWER, TESTER),
        lambda: store.groups.add(name, (), TESTER),
    ):
        with pytest.raises(BadNameError, match="is no name: use") as raised:
            add()
        assert str(raised.value).isprintable()
    assert store.people.named(name) is None
    assert store.groups.named(name) is None
    assert store.people.all() == []


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("Ana", "aNA"),
        ("Jose\u0301", "Jos\u00e9"),
        ("STRASSE", "stra\u00dfe"),
        ("a b", "A  B"),
        ("\uff21na", "ana"),
    ],
)
def test_names_that_are_taken_for_each_other(store: Store, name: str, same: str) -> None:
    number = store.people.add(name, VIEWER, TESTER).id
    group = store.groups.add(name, (), TESTER).id
    for taken in (name, same):
        with pytest.raises(NameTakenError, match="there is a user") as raised:
            store.people.add(taken, VIEWER, TESTER)
        assert (raised.value.thing, raised.value.name) == ("user", checked_name(taken))
        with pytest.raises(NameTakenError, match="there is a group"):
            store.groups.add(taken, (), TESTER)
        assert store.people.named(taken) == store.people.get(number)
        assert store.groups.named(taken) == store.groups.get(group)


@given(st.text(max_size=70))
@example("\u0390" * 63)
def test_a_name_that_is_taken_is_kept_as_it_is(text: str) -> None:
    try:
        name = checked_name(text)
    except BadNameError:
        return
    assert checked_name(name) == name
    assert name.isprintable()
    assert 0 < len(name) <= 63
    assert name == name.strip()
