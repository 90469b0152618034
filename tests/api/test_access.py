"""The table of paths and what roles and scopes give, as they are: each change is seen here."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.access import (
    ROLES,
    RULES,
    SCOPES,
    WORKER_SCOPES,
    Caller,
    Found,
    Permission,
    Role,
    Rule,
    Table,
    find_rule,
    permitted,
)

P = Permission
FILLED = {rule: re.sub(r"{\w+(:path)?}", "x", rule.path) for rule in RULES}


def rule_of(method: str, path: str, kind: str = "http") -> Rule:
    (found,) = (r for r in RULES if (r.method, r.path, r.kind) == (method, path, kind))
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.method} {rule.path}")
def test_each_row_is_found(rule: Rule) -> None:
    found = find_rule(rule.kind, rule.method, FILLED[rule])
    assert found.rule == rule
    assert found.camera == ("x" if "{camera}" in rule.path else None)
    other = "websocket" if rule.kind == "http" else "http"
    assert find_rule(other, rule.method, FILLED[rule]).rule is None
    if rule.method == "GET":
        assert find_rule(rule.kind, "HEAD", FILLED[rule]).rule == rule
    named, takes_all = "{" in rule.path.rpartition("/")[2], rule.path.endswith(":path}")
    for odd in ("/", "x/", "\n", "\0", "?x", "#x", ";x", "%2f", " "):
        again = find_rule(rule.kind, rule.method, FILLED[rule] + odd).rule
        if takes_all or (named and "/" not in odd):
            assert again == rule, odd
        else:
            assert again != rule, odd
    for before in ("/", "x", "", " ", "//"):
        path = FILLED[rule]
        wrong = before + (path if before else path[1:])
        assert find_rule(rule.kind, rule.method, wrong) == Found(None)


def test_what_is_open_to_everybody() -> None:
    assert {(rule.method, rule.path) for rule in RULES if rule.needs is None} == {
        ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/door/{file}"), ("GET", "/login"),
        ("POST", "/login"), ("POST", "/language"), ("POST", "/theme"), ("GET", "/oidc/start"),
        ("GET", "/oidc/back"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "row"),
    [
        ("GET", "/api/v1/alerts/stream", "/api/v1/alerts/stream"),
        ("GET", "/api/v1/alerts/streams", "/api/v1/alerts/{alert_id}"),
        ("GET", "/room/", "/room/"),
        ("GET", "/room/_nicegui/3/a/b.js", "/room/_nicegui/{file:path}"),
        ("GET", "/audit", "/audit"),
        ("GET", "/api/v1/audit.csv", "/api/v1/audit.csv"),
        ("POST", "/people/1/password", "/people/{user}/{change}"),
        ("POST", "/people/1", "/people/{user}"),
    ],
)
def test_of_two_rows_the_written_one_is_meant(method: str, path: str, row: str) -> None:
    found = find_rule("http", method, path).rule
    assert found is not None
    assert found.path == row


@pytest.mark.parametrize(
    ("method", "path", "other"),
    [
        ("POST", "/healthz", True),
        ("get", "/healthz", True),
        ("", "/healthz", True),
        ("DELETE", "/people/1", True),
        ("GET", "/people/1/password", True),
        ("GET", "/people/1/password/x", False),
        ("POST", "/room/_nicegui_ws/socket.io/", False),
        ("GET", "/room/_nicegui_ws/socket.io/", False),
        ("GET", "", False),
        ("GET", "*", False),
        ("GET", "healthz", False),
        ("GET", "http://healthz/healthz", False),
        ("GET", "/api/v1/cameras//live", False),
    ],
)
def test_what_is_in_no_row(method: str, path: str, other: bool) -> None:
    assert find_rule("http", method, path) == Found(None, other_methods=other)


def test_no_two_rows_mean_the_same_path() -> None:
    """But for what is written out, which goes first, and needs the same."""

    def meets(one: Rule, two: Rule) -> bool:
        parts = one.path.split("/"), two.path.split("/")
        ends = [n for ps in parts for n, part in enumerate(ps) if ":path}" in part]
        if ends and min(map(len, parts)) > min(ends):
            parts = parts[0][: min(ends)], parts[1][: min(ends)]
        return len(parts[0]) == len(parts[1]) and all(
            "{" in a + b or a == b for a, b in zip(*parts, strict=True)
        )

    met = []
    for one, two in combinations(RULES, 2):
        if (one.kind, one.method) == (two.kind, two.method) and meets(one, two):
            met.append((one.path, two.path))
            assert ("{" in one.path) != ("{" in two.path), met
            assert one.needs == two.needs, met
    one_alert = "/api/v1/alerts/{alert_id}"
    assert met == [(f"/api/v1/alerts/{word}", one_alert) for word in ("stream", "export", "schema")]
    assert len(set(RULES)) == len(RULES)


@given(st.text(), st.sampled_from(["GET", "HEAD", "POST"]), st.sampled_from(["http", "websocket"]))
def test_the_shortcut_finds_what_a_look_at_each_row_finds(
    text: str, method: str, kind: str
) -> None:
    for path in (text, f"/{text}", f"/people/{text}", f"/api/v1/cameras/{text}/live"):
        rows = []
        for rule in RULES:
            shape = re.escape(rule.path)
            shape = re.sub(r"\\{\w+:path\\}", r"[\\s\\S]+", shape)
            shape = re.sub(r"\\{\w+\\}", "[^/]+", shape)
            if rule.kind == kind and re.fullmatch(shape, path):
                rows.append(rule)
        wanted = "GET" if method == "HEAD" else method
        right = sorted((r for r in rows if r.method == wanted), key=lambda r: "{" in r.path)
        found = find_rule(kind, method, path)
        assert found.rule == next(iter(right), None)
        assert found.other_methods == (not right and bool(rows))


def test_a_table_tells_paths_apart_by_their_first_part() -> None:
    with pytest.raises(ValueError, match="the first part"):
        Table([Rule("GET", "/{any}/x", None)])


def test_what_each_role_may() -> None:
    everybody = {P.KNOWN, P.ENTER, P.PERSON, P.CAMERAS_READ, P.COUNTS_READ}
    watching = everybody | {P.ALERTS_READ, P.PICTURES_SEE, P.EVIDENCE_SEE}
    assert dict(ROLES) == {
        Role.VIEWER: watching,
        Role.OPERATOR: watching | {P.ALERTS_HANDLE},
        Role.ANALYST: everybody | {P.COUNTS_VALIDATE},
        Role.ADMINISTRATOR: set(P) - {P.EVIDENCE_MASK},
    }


def test_what_scopes_give() -> None:
    for role in Role:
        assert permitted("key", role, ()) == {P.KNOWN}, "a key has no role"
        assert permitted("session", role, [*SCOPES]) == ROLES[role], "a person has no scopes"
        assert permitted("device", role, [*SCOPES]) == frozenset()
        for kind in ("link", "setup", "password"):
            assert permitted(kind, role, [*SCOPES]) == {P.ENTER}
    assert permitted("key", None, SCOPES) == {*SCOPES, P.KNOWN}
    assert permitted("key", None, ["alerts:read", "people:manage", "person", "enter", "x"]) == {
        P.ALERTS_READ, P.KNOWN,
    }  # fmt: skip
    assert permitted("session", None, ()) == permitted("session", "root", ()) == frozenset()
    assert {P.ALERTS_STATE, P.EVIDENCE_MASK} == WORKER_SCOPES
    assert permitted("key", None, WORKER_SCOPES) == {*WORKER_SCOPES, P.KNOWN}
    assert set(SCOPES).isdisjoint({P.ENTER, P.PERSON, P.PEOPLE_MANAGE, P.KNOWN})
    assert set(SCOPES).isdisjoint({P.EVIDENCE_ORIGINAL, P.EVIDENCE_MANAGE, P.EVIDENCE_MASK})
    assert P.COUNTS_VALIDATE not in SCOPES


def test_cameras() -> None:
    caller = Caller("i", "n", "key", frozenset({P.ALERTS_READ}), frozenset({"plaza"}))
    assert caller.sees("plaza")
    assert not caller.sees("gate")
    assert not caller.sees("")
    assert caller.may(P.ALERTS_READ)
    assert not caller.may(P.PICTURES_SEE)
    assert Caller("i", "n", "key", frozenset(), None).sees("any")
    assert not Caller("i", "n", "key", frozenset(), frozenset()).sees("any")
