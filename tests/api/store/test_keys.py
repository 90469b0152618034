"""Keys, links and sessions: what opens the door, how often and for how long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.access import SCOPES, WORKER_SCOPES, Permission, Role
from api.store import (
    Actor,
    DisabledError,
    GoneError,
    Grant,
    KeyGrantError,
    NameTakenError,
    NewSession,
    Store,
    Wanted,
)
from tests.api.served import DAY, TESTER, add_key, add_user
from vision.errors import StoreError

LASTS_S = 100.0
READER = Grant(scopes=("counts:read",), every_camera=True)


@pytest.fixture
def now() -> list[float]:
    return [DAY]


@pytest.fixture
def timed(url: str, now: list[float]) -> Iterator[Store]:
    """A store whose clock a test sets, with one user."""
    with Store.open(url, clock=lambda: now[0]) as opened:
        add_user(opened, "ana")
        yield opened


def ana(store: Store) -> int:
    user = store.people.named("ana")
    assert user is not None
    return user.id


def add(store: Store, key_id: str, name: str) -> None:
    store.keys.add(key_id, name, "hash", READER, TESTER)


def add_link(store: Store, link_id: str = "link", lasts_s: float = 10) -> None:
    store.keys.add_link(link_id, "hash", lasts_s=lasts_s, by=TESTER, user=ana(store))


def session(number: int = 0, **more: str) -> NewSession:
    return NewSession(f"s{number}", "session", LASTS_S, **more)


def redeem(store: Store, link_hash: str = "hash", number: int = 0, link_id: str = "link") -> bool:
    begun = store.keys.redeem(link_id, link_hash, session(number))
    assert begun is None or begun == store.keys.get(f"s{number}")
    return begun is not None


def actions(store: Store) -> list[str]:
    return [entry.action for entry in store.audit.each(Wanted())]


# --- machine keys


def test_a_key_is_kept_without_its_secret(store: Store) -> None:
    text = add_key(store, "control-room")
    (key,) = store.keys.all()
    secret = text.rpartition("_")[2]
    assert (key.name, key.revoked_at, key.last_used_at) == ("control-room", None, None)
    assert secret not in f"{key.hash}{key!r}"
    assert key.hash not in repr(key)
    assert store.keys.get(key.id) == key
    assert store.keys.get("none") is None


def test_what_a_key_is_given_is_what_it_may(store: Store) -> None:
    north = store.groups.add("north", ["a", "b"], TESTER)
    cases: dict[str, tuple[Grant, set[Permission], set[str] | None]] = {
        "reader": (
            Grant(("counts:read", "alerts:read"), cameras=("x",), groups=(north.id,)),
            {Permission.COUNTS_READ, Permission.ALERTS_READ},
            {"a", "b", "x"},
        ),
        "worker": (Grant(worker=True, cameras=("y", "y")), {*WORKER_SCOPES}, {"y"}),
        "all": (Grant(tuple(SCOPES), every_camera=True), set(SCOPES), None),
        "blind": (Grant(("audit:read",)), {Permission.AUDIT_READ}, set()),
    }
    for name, (grant, permissions, cameras) in cases.items():
        store.keys.add(name, name, "hash", grant, TESTER)
        holder = store.keys.holder(name)
        assert holder is not None
        assert holder.caller.permissions == permissions | {Permission.KNOWN}, name
        assert holder.caller.cameras == cameras, name
        assert holder.is_live(DAY)
    assert store.keys.granted("reader") == (["x"], ["north"])
    store.groups.change(north.id, "north", ["b", "c"], TESTER)
    assert cameras_of(store, "reader") == {"b", "c", "x"}
    store.groups.remove(north.id, TESTER)
    assert cameras_of(store, "reader") == {"x"}
    assert store.keys.holder("none") is None
    created = [entry.after for entry in store.audit.each(Wanted(action="key.created"))]
    assert created[0] == {
        "worker": False, "scopes": ["alerts:read", "counts:read"], "every_camera": False,
        "cameras": ["x"], "groups": ["north"],
    }  # fmt: skip


def cameras_of(store: Store, key_id: str) -> frozenset[str] | None:
    holder = store.keys.holder(key_id)
    assert holder is not None
    return holder.caller.cameras


@pytest.mark.parametrize(
    ("grant", "error", "said"),
    [
        (Grant(), KeyGrantError, "needs a scope, or has to be a worker's"),
        (Grant(("counts:read", "fly")), KeyGrantError, "^fly is no scope: use alerts:read"),
        (Grant(("people:manage",)), KeyGrantError, "people:manage is no scope"),
        (Grant(("counts:read",), worker=True), KeyGrantError, "has its scopes already"),
        (Grant(("counts:read",), groups=(7,)), GoneError, "no such group any more"),
    ],
)
def test_what_no_key_is_given(
    store: Store, grant: Grant, error: type[StoreError], said: str
) -> None:
    with pytest.raises(error, match=said):
        store.keys.add("key", "room", "hash", grant, TESTER)
    assert store.keys.all() == []
    assert actions(store) == []


def test_one_key_in_use_per_name(store: Store) -> None:
    add_key(store, "one")
    with pytest.raises(NameTakenError, match="a key one already"):
        add_key(store, "one")
    assert store.keys.revoke("one", TESTER).name == "one"
    add_key(store, "one")
    assert len(store.keys.all()) == 2


def test_of_many_with_one_name_one_is_made(url: str) -> None:
    together = threading.Barrier(8)

    def make(one: Store, number: int) -> bool:
        together.wait(30)
        try:
            add(one, f"key{number}", "room")
        except NameTakenError:
            return False
        return True

    with Store.open(url) as first, Store.open(url) as second, ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda n: make((first, second)[n % 2], n), range(8))) == 1


def test_revoked_by_name_or_id_once(store: Store) -> None:
    add_key(store, "one")
    add_key(store, "two")
    first, second = store.keys.all()
    store.keys.revoke(first.id, TESTER)
    store.keys.revoke("two", TESTER)
    assert all(key.revoked_at for key in store.keys.all())
    for gone in (first.id, "two", "three"):
        with pytest.raises(GoneError, match=f"no key {gone} is in use"):
            store.keys.revoke(gone, TESTER)
    store.keys.used(second.id)
    assert store.keys.all()[1].last_used_at is not None
    assert actions(store) == ["key.created"] * 2 + ["key.ended"] * 2


def test_a_name_that_is_another_keys_id(store: Store) -> None:
    add(store, "aaaaaaaa", "one")
    add(store, "bbbbbbbb", "aaaaaaaa")
    assert store.keys.revoke("aaaaaaaa", TESTER).name == "one", "the id is meant"
    with pytest.raises(StoreError, match=r"revoked already, and the name of another: .*bbbbbbbb"):
        store.keys.revoke("aaaaaaaa", TESTER)
    assert store.keys.revoke("bbbbbbbb", TESTER).name == "aaaaaaaa"
    with pytest.raises(GoneError, match="no key aaaaaaaa is in use"):
        store.keys.revoke("aaaaaaaa", TESTER)


# --- links and sessions


def test_a_link_becomes_a_session_once(timed: Store, now: list[float]) -> None:
    add_link(timed)
    assert not redeem(timed, "other")
    assert not redeem(timed, link_id="none")
    now[0] += 9
    assert redeem(timed, number=1)
    assert not redeem(timed, number=2)
    assert not redeem(timed, "session", number=2, link_id="s1"), "a session is no link"
    link, begun = timed.keys.all()
    assert (link.kind, link.revoked_at, link.expires_at) == ("link", DAY + 9, DAY + 10)
    assert (begun.kind, begun.name, begun.user) == ("session", "ana", ana(timed))
    assert (begun.revoked_at, begun.expires_at) == (None, DAY + 9 + LASTS_S)
    assert actions(timed)[1:] == ["link.link", "login.link"]


def test_a_link_that_is_over_becomes_nothing(timed: Store, now: list[float]) -> None:
    add_link(timed)
    add_link(timed, "ended")
    timed.keys.revoke("ended", TESTER)
    assert not redeem(timed, link_id="ended")
    now[0] += 10
    assert not redeem(timed)
    add(timed, "key", "room")
    assert not redeem(timed, link_id="key")
    assert {key.kind for key in timed.keys.all()} == {"link", "key"}


def test_a_link_of_another_kind_opens_no_session(timed: Store) -> None:
    for kind, user in (("password", ana(timed)), ("setup", None)):
        timed.keys.add_link(kind, "hash", lasts_s=10, by=TESTER, kind=kind, user=user)  # type: ignore[arg-type]
        assert not redeem(timed, link_id=kind)
        key = timed.keys.get(kind)
        assert key is not None
        assert key.revoked_at is None, "and is not used up"


def test_of_two_links_for_a_password_the_older_one_is_over(timed: Store) -> None:
    for number in (1, 2):
        timed.keys.add_link(
            f"p{number}", "hash", lasts_s=10, by=TESTER, kind="password", user=ana(timed)
        )
    add_link(timed)
    assert {key.id for key in timed.keys.all() if key.is_live(DAY)} == {"p2", "link"}


def test_nobody_gets_a_link_who_may_not_come_in(timed: Store) -> None:
    with pytest.raises(GoneError, match="no such user any more"):
        timed.keys.add_link("link", "hash", lasts_s=10, by=TESTER, user=99)
    ben = add_user(timed, "ben")
    timed.people.set_disabled(ben, TESTER, disabled=True)
    with pytest.raises(DisabledError, match="ben is disabled"):
        timed.keys.add_link("link", "hash", lasts_s=10, by=TESTER, user=ben)
    assert timed.keys.all() == []


def test_what_is_not_stored_uses_no_link(timed: Store) -> None:
    add_link(timed)
    add(timed, "s1", "room")
    with pytest.raises(StoreError):
        redeem(timed, number=1)
    assert redeem(timed, number=2)


def test_of_many_redeemers_one_wins(timed: Store) -> None:
    for attempt in range(5):
        link_id, many = f"link{attempt}", 6
        add_link(timed, link_id)
        together = threading.Barrier(many)

        def ask(number: int, link_id: str = link_id, gate: threading.Barrier = together) -> bool:
            gate.wait(30)
            return redeem(timed, "hash", number, link_id)

        with ThreadPoolExecutor(many) as pool:
            numbers = range(attempt * many, attempt * many + many)
            assert sum(pool.map(ask, numbers)) == 1


def test_sessions_are_not_found_by_their_name(timed: Store) -> None:
    add_link(timed)
    assert redeem(timed)
    with pytest.raises(GoneError, match="no key ana is in use"):
        timed.keys.revoke("ana", TESTER)
    # and keep no key from having it
    add(timed, "key", "ana")
    assert timed.keys.revoke("ana", TESTER).id == "key"
    assert timed.keys.revoke("s0", TESTER).kind == "session"
    with pytest.raises(GoneError, match="no key s0 is in use"):
        timed.keys.revoke("s0", TESTER)


def test_a_session_begins_for_whoever_proved_who_they_are(timed: Store) -> None:
    user = ana(timed)
    begun = timed.keys.begin(user, session(1, address="10.0.0.9", agent="B\0rowser\n"), "oidc")
    assert begun is not None
    assert (begun.name, begun.address, begun.agent) == ("ana", "10.0.0.9", "Browser")
    assert timed.keys.sessions(user) == [begun]
    (entry,) = timed.audit.each(Wanted(action="login"))
    assert (entry.action, entry.actor, entry.address, entry.object) == (
        "login.oidc", "ana", "10.0.0.9", "ana",
    )  # fmt: skip
    timed.people.change_password(user, "hash-1", TESTER, session="s1")
    assert timed.keys.begin(user, session(2), "password", password="hash-1") is not None
    timed.people.change_password(user, "hash-2", TESTER, session="s1")
    # who was let in by the old one while it was changed
    assert timed.keys.begin(user, session(3), "password", password="hash-1") is None
    assert timed.keys.begin(99, session(4), "oidc") is None
    ben = add_user(timed, "ben")
    timed.people.set_disabled(ben, TESTER, disabled=True)
    assert timed.keys.begin(ben, session(5), "oidc") is None


def test_whoever_says_too_much_of_themselves_is_cut_short(timed: Store) -> None:
    begun = timed.keys.begin(ana(timed), session(1, address="9" * 300, agent="x" * 300), "oidc")
    assert begun is not None
    assert (begun.address, begun.agent) == ("9" * 64, "x" * 200)
    timed.audit.add(Actor("nobody", "\0" * 9, None, "z" * 99), "a", "user", "n\0" + "x" * 300)
    entry = list(timed.audit.each(Wanted()))[-1]
    assert (entry.actor, entry.address, entry.object) == ("", "z" * 64, "n" + "x" * 118)


@pytest.mark.parametrize("kind", ["session", "link", "password", "device"])
def test_whoever_is_disabled_is_out(timed: Store, kind: str) -> None:
    ben = add_user(timed, "ben", Role.VIEWER)
    make: dict[str, Callable[[], object]] = {
        "session": lambda: timed.keys.begin(ben, NewSession("x", "hash", 50), "oidc"),
        "device": lambda: timed.keys.add_device("x", "hash", ben, lasts_s=50),
    }
    default = lambda: timed.keys.add_link(  # noqa: E731
        "x",
        "hash",
        lasts_s=50,
        by=TESTER,
        kind=kind,
        user=ben,  # type: ignore[arg-type]
    )
    make.get(kind, default)()
    holder = timed.keys.holder("x")
    assert holder is not None
    assert holder.is_live(DAY)
    timed.people.set_disabled(ben, TESTER, disabled=True)
    timed.people.set_disabled(ben, TESTER, disabled=False)
    holder = timed.keys.holder("x")
    assert holder is not None
    assert not holder.is_live(DAY), "for good"


def test_what_expired_is_not_in_use(timed: Store, now: list[float]) -> None:
    add_link(timed)
    link = timed.keys.get("link")
    assert link is not None
    assert link.is_live(DAY + 9.9)
    assert not link.is_live(DAY + 10)
    now[0] += 10
    with pytest.raises(GoneError, match="no key link is in use"):
        timed.keys.revoke("link", TESTER)


def test_ending_again_changes_nothing(timed: Store, now: list[float]) -> None:
    add(timed, "key", "room")
    for _ in range(2):
        timed.keys.end("key", TESTER)
        timed.keys.end("none", TESTER)
        now[0] += 5
    (key,) = timed.keys.all()
    assert key.revoked_at == DAY
    assert actions(timed).count("key.ended") == 1


def test_what_is_over_for_a_week_is_forgotten(timed: Store, now: list[float]) -> None:
    def ids() -> set[str]:
        return {key.id for key in timed.keys.all()}

    add(timed, "key", "room")
    timed.keys.revoke("room", TESTER)
    add_link(timed)
    assert redeem(timed)
    now[0] += 10 + 7 * 86_400
    add_link(timed, "l2")
    assert ids() == {"key", "link", "s0", "l2"}
    now[0] += 1
    add_link(timed, "l3", 1e9)
    assert ids() == {"key", "s0", "l2", "l3"}
    now[0] += LASTS_S
    assert redeem(timed, number=1, link_id="l3")
    assert ids() == {"key", "l2", "l3", "s1"}


def test_what_a_person_has_ends_under_their_name(timed: Store) -> None:
    add_link(timed)
    assert redeem(timed)
    timed.keys.add_link("set", "hash", lasts_s=10, by=TESTER, kind="setup")
    timed.keys.end("s0", Actor("user", "ana", "1", "10.0.0.9"))
    timed.keys.end("set", TESTER)
    ended = [e for e in timed.audit.each(Wanted()) if e.action.endswith(".ended")]
    assert [(e.action, e.object_kind, e.object, e.after) for e in ended] == [
        ("session.ended", "user", "ana", {"id": "s0"}),
        ("link.ended", "user", "", {"id": "set"}),
    ]
