"""People: their names, their rights, and how they prove who they are."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.access import Role
from api.store import (
    Actor,
    BadNameError,
    GoneError,
    LastAdministratorError,
    NameTakenError,
    NewSession,
    Rights,
    Store,
    User,
    Wanted,
)
from tests.api.served import TESTER, add_key, add_user, sqlite_url

SESSION = NewSession("session", "hash", 100.0, "10.0.0.9", "Browser")
ADMINISTRATOR = Rights(Role.ADMINISTRATOR, every_camera=True)
VIEWER = Rights(Role.VIEWER)
CAMERAS = tuple("abcd")


def user(store: Store, number: int) -> User:
    found = store.people.get(number)
    assert found is not None
    return found


def with_password(store: Store, name: str) -> int:
    """An administrator who can sign in."""
    number = add_user(store, name)
    store.people.change_password(number, "a hash", TESTER, session="")
    return number


def recorded(store: Store, action: str) -> list[tuple[object, object]]:
    return [(entry.before, entry.after) for entry in store.audit.each(Wanted(action=action))]


# --- rights


def test_a_user_is_as_they_were_added(store: Store) -> None:
    group = store.groups.add("north", CAMERAS, TESTER)
    rights = Rights(Role.OPERATOR, groups=frozenset({group.id}), external="ana@city.example")
    ana = store.people.add("Ana", rights, TESTER)
    assert store.people.all() == [ana] == [store.people.get(ana.id)]
    assert (ana.name, ana.role, ana.every_camera, ana.groups) == (
        "Ana", Role.OPERATOR, False, {group.id},
    )  # fmt: skip
    assert (ana.password, ana.totp_secret, ana.external) == (None, None, "ana@city.example")
    assert "hash" not in repr(replace(ana, password="hash", totp_secret="hash"))
    said = {
        "role": "operator", "every_camera": False, "groups": ["north"],
        "external": "ana@city.example", "disabled": False,
    }  # fmt: skip
    assert recorded(store, "user.added") == [(None, said)]
    store.people.change(ana.id, Rights(Role.VIEWER, every_camera=True), TESTER)
    different = ("role", "every_camera", "groups", "external")
    assert recorded(store, "user.changed") == [
        (
            {name: said[name] for name in different},
            {"role": "viewer", "every_camera": True, "groups": [], "external": None},
        )
    ]
    store.people.change(ana.id, Rights(Role.VIEWER, every_camera=True), TESTER)
    assert len(recorded(store, "user.changed")) == 1, "what changes nothing is no change"
    store.people.remove(ana.id, TESTER)
    assert store.people.all() == []
    assert len(recorded(store, "user.removed")) == 1


def test_what_is_gone_is_said(store: Store) -> None:
    for change in (
        lambda: store.people.change(9, VIEWER, TESTER),
        lambda: store.people.remove(9, TESTER),
        lambda: store.people.set_disabled(9, TESTER, disabled=True),
        lambda: store.people.change_password(9, "hash", TESTER, session=""),
        lambda: store.people.end_sessions(9, TESTER),
        lambda: store.people.set_totp(9, "secret", (), TESTER),
        lambda: store.people.clear_totp(9, TESTER),
    ):
        with pytest.raises(GoneError, match="there is no such user any more"):
            change()
    for change_group in (
        lambda: store.groups.change(9, "north", (), TESTER),
        lambda: store.groups.remove(9, TESTER),
        lambda: store.people.add("ana", Rights(Role.VIEWER, groups=frozenset({9})), TESTER),
    ):
        with pytest.raises(GoneError, match="there is no such group any more"):
            change_group()
    assert list(store.audit.each(Wanted())) == []
    assert store.people.all() == []


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(st.frozensets(st.sampled_from(CAMERAS)), max_size=4),
    people=st.lists(
        st.tuples(
            st.sampled_from(list(Role)), st.booleans(), st.frozensets(st.integers(0, 3), max_size=3)
        ),
        max_size=3,
    ),
    changed=st.lists(st.tuples(st.integers(0, 3), st.frozensets(st.sampled_from(CAMERAS)))),
)
def test_whoever_has_groups_sees_their_cameras(
    groups: list[frozenset[str]],
    people: list[tuple[Role, bool, frozenset[int]]],
    changed: list[tuple[int, frozenset[str]]],
) -> None:
    with TemporaryDirectory() as folder, Store.open(sqlite_url(Path(folder))) as store:
        numbers = [store.groups.add(f"g{n}", g, TESTER).id for n, g in enumerate(groups)]
        model = dict(enumerate(groups))
        for n, (role, every, of) in enumerate(people):
            own = frozenset(numbers[g] for g in of if g < len(numbers))
            made = store.people.add(f"u{n}", Rights(role, every, own), TESTER)
            store.keys.begin(made.id, NewSession(f"s{n}", "hash", 100), "test")
        for g, cameras in changed:
            if g in model and not cameras:
                store.groups.remove(numbers[g], TESTER)
                del model[g]
            elif g in model:
                store.groups.change(numbers[g], f"g{g}", cameras, TESTER)
                model[g] = cameras
        for n, (role, every, of) in enumerate(people):
            holder = store.keys.holder(f"s{n}")
            assert holder is not None
            seen = frozenset[str]().union(*(model[g] for g in of if g in model))
            all_of_them = every or role is Role.ADMINISTRATOR
            for camera in (*CAMERAS, "other"):
                assert holder.caller.sees(camera) == (all_of_them or camera in seen)
            assert holder.caller.role is role


# --- the last administrator


@pytest.mark.parametrize(
    "change",
    [
        lambda store, n: store.people.change(n, VIEWER, TESTER),
        lambda store, n: store.people.change(n, replace(ADMINISTRATOR, disabled=True), TESTER),
        lambda store, n: store.people.set_disabled(n, TESTER, disabled=True),
        lambda store, n: store.people.remove(n, TESTER),
    ],
)
def test_one_administrator_stays(store: Store, change: Callable[[Store, int], object]) -> None:
    first = with_password(store, "ana")
    add_user(store, "cam", Role.OPERATOR)
    before = store.people.all()
    with pytest.raises(LastAdministratorError, match="the only administrator who can sign in"):
        change(store, first)
    add_user(store, "ben")
    with pytest.raises(LastAdministratorError):
        change(store, first)  # the other one could not sign in
    assert store.people.all()[0] == before[0]
    second = with_password(store, "dea")
    change(store, first)
    assert store.people.has_administrator()
    with pytest.raises(LastAdministratorError):
        change(store, second)


def test_two_who_demote_each_other(url: str) -> None:
    with Store.open(url) as one, Store.open(url) as other, ThreadPoolExecutor(2) as pool:
        for attempt in range(8):
            pair = [with_password(one, f"a{attempt}"), with_password(one, f"b{attempt}")]
            for old in one.people.all():
                if old.id not in pair and old.role is Role.ADMINISTRATOR:
                    one.people.change(old.id, VIEWER, TESTER)

            def demote(n: int, pair: list[int] = pair) -> bool:
                try:
                    (one, other)[n].people.change(pair[n], VIEWER, TESTER)
                except LastAdministratorError:
                    return False
                return True

            assert sum(pool.map(demote, (0, 1))) == 1
            assert one.people.has_administrator()


def test_the_first_administrator_is_made_once(url: str) -> None:
    with Store.open(url) as one, Store.open(url) as other, ThreadPoolExecutor(6) as pool:
        for n in range(6):
            one.keys.add_link(f"l{n}", "hash", lasts_s=100, by=TESTER, kind="setup")

        def set_up(n: int) -> bool:
            session = NewSession(f"s{n}", "hash", 100)
            store = (one, other)[n % 2]
            return store.people.set_up(f"l{n}", "hash", f"ana {n}", "a hash", session) is not None

        assert not one.people.has_administrator()
        assert sum(pool.map(set_up, range(6))) == 1
        (made,) = one.people.all()
        assert (made.role, made.every_camera, made.password) == (Role.ADMINISTRATOR, True, "a hash")
        assert {e.action for e in one.audit.each(Wanted(actor=made.name))} == {
            "user.added", "login.setup",
        }  # fmt: skip


def test_a_set_up_that_is_refused_uses_no_link(store: Store) -> None:
    store.keys.add_link("link", "hash", lasts_s=100, by=TESTER, kind="setup")
    with pytest.raises(BadNameError):
        store.people.set_up("link", "hash", " ", "a hash", SESSION)
    assert store.people.set_up("link", "wrong", "ana", "a hash", SESSION) is None
    assert store.people.set_up("link", "hash", "ana", "a hash", SESSION) is not None


# --- passwords, codes, and signing in elsewhere


def test_a_password_is_chosen_by_a_link_once(store: Store) -> None:
    ana = add_user(store, "ana", Role.VIEWER)
    old = store.keys.begin(ana, NewSession("old", "hash", 100), "test")
    assert old is not None
    store.keys.add_link("link", "hash", lasts_s=100, by=TESTER, kind="password", user=ana)
    assert store.people.choose_password("link", "wrong", "new hash", SESSION) is None
    begun = store.people.choose_password("link", "hash", "new hash", SESSION)
    assert begun is not None
    assert [key.id for key in store.keys.sessions(ana)] == ["session"], "the others are over"
    assert user(store, ana).password == "new hash"
    again = NewSession("again", "hash", 100)
    assert store.people.choose_password("link", "hash", "other", again) is None
    assert "new hash" not in repr(list(store.audit.each(Wanted())))
    assert [e.action for e in store.audit.each(Wanted(actor="ana"))] == [
        "login.test", "password.set", "login.link",
    ]  # fmt: skip


def test_a_new_password_ends_every_other_session(store: Store) -> None:
    ana = add_user(store, "ana")
    for name in ("here", "there"):
        store.keys.begin(ana, NewSession(name, "hash", 100), "test")
    store.keys.add_device("device", "hash", ana, lasts_s=100)
    store.people.change_password(ana, "a hash", TESTER, session="here")
    assert {key.id for key in store.keys.all() if key.revoked_at is None} == {"here"}
    store.people.refresh_password(ana, "no hash", "stronger")
    assert user(store, ana).password == "a hash"
    store.people.refresh_password(ana, "a hash", "stronger")
    assert user(store, ana).password == "stronger"


@pytest.mark.parametrize(
    ("meanwhile", "changed"),
    [
        (lambda store, ana: None, True),
        (lambda store, ana: store.people.change_password(ana, "x", TESTER, session="here"), False),
        (lambda store, ana: store.keys.end("here", TESTER), False),
        (lambda store, ana: store.people.end_sessions(ana, TESTER), False),
        (lambda store, ana: store.people.refresh_password(ana, "old", "stronger"), False),
    ],
)
def test_a_password_is_not_changed_by_whom_a_change_has_put_out(
    store: Store, meanwhile: Callable[[Store, int], object], changed: bool
) -> None:
    """Whoever has proved the old one may have lost it before the new one is kept."""
    ana = add_user(store, "ana")
    store.people.change_password(ana, "old", TESTER, session="")
    store.keys.begin(ana, NewSession("here", "hash", 100), "test")
    meanwhile(store, ana)
    before = user(store, ana).password
    done = store.people.change_password(ana, "new", TESTER, session="here", before="old")
    assert done == changed
    assert user(store, ana).password == ("new" if changed else before)


def test_sessions_are_ended_but_for_one(store: Store) -> None:
    ana, ben = add_user(store, "ana"), add_user(store, "ben")
    for name, whose in (("here", ana), ("there", ana), ("bens", ben)):
        store.keys.begin(whose, NewSession(name, "hash", 100), "test")
    store.people.end_sessions(ana, TESTER, but="here")
    assert {key.id for key in store.keys.all() if key.revoked_at is None} == {"here", "bens"}


def test_a_code_is_good_once(store: Store) -> None:
    ana = add_user(store, "ana")
    store.people.set_totp(ana, "secret", ["r1", "r2", "r2"], TESTER, step=5)
    assert user(store, ana).totp_secret == "secret"
    assert [store.people.use_step(ana, step) for step in (5, 6, 6, 5, 7)] == [
        False, True, False, False, True,
    ]  # fmt: skip
    assert store.people.recovery_left(ana) == 2
    assert [store.people.use_recovery(ana, code) for code in ("r1", "r1", "r3")] == [
        True, False, False,
    ]  # fmt: skip
    assert store.people.recovery_left(ana) == 1
    for _ in range(2):
        # nothing is done the second time, and so nothing is on record
        store.people.clear_totp(ana, TESTER)
    assert (user(store, ana).totp_secret, store.people.recovery_left(ana)) == (None, 0)
    assert [e.action for e in store.audit.each(Wanted(action="totp"))] == [
        "totp.set", "totp.cleared",
    ]  # fmt: skip


def test_of_many_with_one_code_one_comes_in(url: str) -> None:
    with Store.open(url) as one, Store.open(url) as other, ThreadPoolExecutor(6) as pool:
        ana = add_user(one, "ana")
        one.people.set_totp(ana, "secret", ["r1"], TESTER)
        stores = [one, other] * 3
        assert sum(pool.map(lambda store: store.people.use_step(ana, 9), stores)) == 1
        assert sum(pool.map(lambda store: store.people.use_recovery(ana, "r1"), stores)) == 1


def test_a_person_of_the_sign_in_service_is_bound_for_ever(store: Store) -> None:
    somebody = Actor("nobody", "")
    ana = store.people.add("ana", replace(VIEWER, external="ana@city.example"), TESTER)
    assert store.people.bind("ben@city.example", "issuer", "1", somebody) is None
    bound = store.people.bind("ana@city.example", "issuer", "1", somebody)
    assert bound is not None
    assert (bound.id, bound.issuer, bound.subject) == (ana.id, "issuer", "1")
    assert store.people.bind("ana@city.example", "issuer", "2", somebody) is None
    assert store.people.known_as("issuer", "1") == bound
    assert store.people.known_as("other", "1") is None
    with pytest.raises(NameTakenError, match=r"another user is called ana@city\.example"):
        store.people.add("ben", replace(VIEWER, external="ana@city.example"), TESTER)
    for bad in ("x" * 201, "a\0b"):
        with pytest.raises(BadNameError, match="the name at the sign-in service"):
            store.people.add("ben", replace(VIEWER, external=bad), TESTER)
    for nothing in ("one", "two"):
        assert store.people.add(nothing, replace(VIEWER, external=""), TESTER).external is None
    store.keys.begin(ana.id, SESSION, "oidc")
    store.people.change(ana.id, replace(VIEWER, external="a@city.example"), TESTER)
    assert store.people.known_as("issuer", "1") is None
    assert store.keys.sessions(ana.id) == [], "who came in as the one before is out"


def test_what_a_user_had_goes_with_them(store: Store) -> None:
    add_user(store, "admin")
    ana = add_user(store, "ana", Role.VIEWER, cameras=["a"])
    store.keys.begin(ana, SESSION, "test")
    store.people.set_totp(ana, "secret", ["r1"], TESTER)
    add_key(store, "ana")
    store.people.remove(ana, TESTER)
    assert store.keys.get("session") is None
    assert [key.kind for key in store.keys.all()] == ["key"]
    with store._database.read() as connection:
        for table in ("user_groups", "recovery_codes"):
            assert not connection.exec_driver_sql(f"SELECT * FROM {table}").all()  # noqa: S608
    assert {e.object for e in store.audit.each(Wanted(object="ana"))} == {"ana"}, "but not this"


def test_no_number_is_given_twice(store: Store) -> None:
    """A page that is still open would give somebody else's rights, and a group other cameras."""
    add_user(store, "boss")
    ana = add_user(store, "ana", Role.VIEWER)
    store.people.remove(ana, TESTER)
    assert add_user(store, "ben", Role.VIEWER) > ana
    harbour = store.groups.add("harbour", ["plaza"], TESTER).id
    store.groups.remove(harbour, TESTER)
    assert store.groups.add("police", ["gate"], TESTER).id > harbour


def test_a_language_is_kept(store: Store) -> None:
    ana = add_user(store, "ana")
    store.people.set_language(ana, "id")
    store.keys.begin(ana, SESSION, "test")
    holder = store.keys.holder("session")
    assert holder is not None
    assert holder.caller.language == user(store, ana).language == "id"
