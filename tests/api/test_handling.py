"""What people do about alerts, as their programs and pages ask for it over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.access import Role
from api.alerting.settings import Advice, Alerting, Matcher, Telephone
from api.lifecycle import MAX_NOTE_CHARS
from api.store import Store
from api.store.alerting import StoredAlerting
from tests.api.served import DAY, Api, add_key, add_user, alert, api, person, report, sqlite_url

V1 = "/api/v1"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as running:
        store.cameras.save(report(DAY, "plaza", "road"))
        store.record([alert("a"), alert("b"), alert("other", camera="road")])
        yield running


def operator(served: Api, name: str, *cameras: str) -> Any:
    user = add_user(served.store, name, Role.OPERATOR, cameras=cameras or None)
    return person(served, user)


def do(client: httpx.Client, what: str, alert_id: str = "a", **body: Any) -> httpx.Response:
    return client.post(f"{V1}/alerts/{alert_id}/{what}", json=body)


def detail(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    (said,) = response.json().values()
    assert isinstance(said, str)
    assert "\n" not in said
    return said


def read(served: Api, alert_id: str = "a") -> Any:
    return served.client.get(f"{V1}/alerts/{alert_id}").json()


def test_of_two_operators_the_second_hears_who_was_first(served: Api) -> None:
    with operator(served, "room1", "plaza") as first, operator(served, "jaga", "plaza") as second:
        seen = [client.get(f"{V1}/alerts/a").json()["edit"] for client in (first, second)]
        done = do(first, "resolve", outcome="false", note="a drill", edit=seen[0])
        assert done.status_code == 200
        answer = done.json()
        assert (answer["status"], answer["outcome"], answer["edit"]) == ("resolved", "false", 1)
        for what, body in (
            ("resolve", {"outcome": "true", "note": "real"}), ("assign", {"to": "jaga"}),
            ("reopen", {}), ("merge", {"into": "b"}),
        ):  # fmt: skip
            said = detail(do(second, what, **body, edit=seen[1]), 409)
            assert said.startswith("room1 resolved it, and the alert is at edit 1, not 0")
        assert read(served) == answer, "nothing is overwritten"
        # whoever looked again knows what they do
        assert do(second, "reopen", note="it was none", edit=1).json()["status"] == "acknowledged"


def test_what_cannot_follow_is_refused(served: Api) -> None:
    assert do(served.client, "merge", "b", into="a", edit=0).status_code == 200
    assert "re-open it first" in detail(do(served.client, "merge", "b", into="a", edit=1), 409)
    assert "not resolved" in detail(do(served.client, "reopen", edit=0), 409)
    assert "into itself" in detail(do(served.client, "merge", into="a", edit=0), 409)
    assert "itself merged" in detail(do(served.client, "merge", into="b", edit=0), 409)
    assert "in 'into'" in detail(do(served.client, "merge", into="none", edit=0), 404)
    assert "name a user" in detail(do(served.client, "assign", to="nobody", edit=0), 422)
    assert read(served)["edit"] == 0


def test_a_life_and_its_history(served: Api) -> None:
    with operator(served, "room1", "plaza") as client:
        assert do(client, "acknowledge").json()["edit"] == 1
        assigned = do(client, "assign", to="room1", edit=1).json()
        assert (assigned["status"], assigned["assigned_to"]) == ("assigned", "room1")
        resolved = do(client, "resolve", outcome="true", edit=2).json()
        assert (resolved["resolved_by"], resolved["note"]) == ("room1", None)
        assert resolved["resolved"].endswith("Z")
        done = client.get(f"{V1}/alerts/a/history").json()["done"]
        listed = client.get(f"{V1}/alerts", params={"status": "resolved"}).json()["alerts"]
        assert listed == [resolved]
        mine = {"assigned_to": "room1", "merged": "false"}
        assert client.get(f"{V1}/alerts", params=mine).json()["alerts"] == [resolved]
    assert [(each["by"], each["by_kind"], each["action"]) for each in done] == [
        ("room1", "user", f"alert.{what}") for what in ("acknowledged", "assigned", "resolved")
    ]
    assert done[1]["before"] == {"status": "acknowledged", "assigned_to": None}
    assert done[1]["after"]["assigned_to"] == "room1"
    assert done[1]["at"].endswith("Z")
    assert "address" not in done[0]


def test_many_are_acknowledged_at_once(served: Api) -> None:
    do(served.client, "acknowledge", "b")
    with operator(served, "room1", "plaza") as client:
        ids = ["b", "a", "other", "none"]
        answer = client.post(f"{V1}/alerts/acknowledge", json={"ids": ids})
    assert (answer.status_code, answer.json()) == (
        200, {"acknowledged": ["a"], "already": ["b"], "unknown": ["other", "none"]},
    )  # fmt: skip
    assert (read(served)["acknowledged_by"], read(served, "b")["acknowledged_by"]) == (
        "room1", "tests",
    )  # fmt: skip
    assert read(served, "other")["acknowledged"] is None


def test_opened_by_hand(served: Api) -> None:
    body = {"camera": "plaza", "kind": "smoke_fire", "severity": "critical", "note": "at the gate",
            "start": "2026-01-31T07:00:00+08:00", "place": "gate"}  # fmt: skip
    with operator(served, "room1", "plaza") as client:
        opened = client.post(f"{V1}/alerts/by-hand", json=body)
        assert opened.status_code == 201
        found = opened.json()
        assert client.get(f"{V1}/alerts/{found['id']}").json() == found
        assert (found["opened_by"], found["rule"], found["state"]) == ("room1", "by hand", "open")
        assert (found["start"], found["details"]) == (
            "2026-01-30T23:00:00.000Z", {"why": "at the gate"},
        )  # fmt: skip
        over = do(client, "resolve", found["id"], outcome="true", edit=0).json()
        assert (over["state"], over["version"]) == ("closed", 2)
        unseen = client.post(f"{V1}/alerts/by-hand", json=body | {"camera": "road"})
        absent = client.post(f"{V1}/alerts/by-hand", json=body | {"camera": "nowhere"})
        assert detail(unseen, 404).replace("road", "nowhere") == detail(absent, 404)
        late = client.post(f"{V1}/alerts/by-hand", json=body | {"start": "2999-01-01T00:00:00Z"})
        assert "later than now" in detail(late, 422)
        canary = client.post(f"{V1}/alerts/by-hand", json=body | {"kind": "canary"})
        assert "name another kind" in detail(canary, 422)


BODIES: dict[str, dict[str, Any]] = {
    "assign": {"to": "room1", "edit": 0},
    "resolve": {"outcome": "true", "edit": 0},
    "reopen": {"edit": 0},
    "merge": {"into": "a", "edit": 0},
}


@pytest.mark.parametrize("what", [*BODIES, "history", "advice"])
def test_a_foreign_alert_is_as_one_that_is_none(served: Api, what: str) -> None:
    with operator(served, "room1", "plaza") as client:
        said = []
        for name in ("other", "none", "%00", "x" * 300):
            method = "POST" if what in BODIES else "GET"
            answer = client.request(method, f"{V1}/alerts/{name}/{what}", json=BODIES.get(what))
            said.append(detail(answer, 404))
        assert said[0].replace("other", "none") == said[1]
        assert said[1].startswith("there is no alert 'none': ")
    assert read(served, "other")["edit"] == 0


@pytest.mark.parametrize("what", [*BODIES, "acknowledge"])
def test_who_may_only_read_changes_nothing(served: Api, what: str) -> None:
    user = add_user(served.store, "viewer", Role.VIEWER)
    with person(served, user) as client:
        assert do(client, what, **BODIES.get(what, {})).status_code == 403
        assert client.get(f"{V1}/alerts/a/history").json() == {"done": []}
    key = add_key(served.store, "worker", worker=True)
    headers = {"authorization": f"Bearer {key}"}
    assert served.client.post(f"{V1}/alerts/a/{what}", headers=headers).status_code == 403
    assert read(served)["edit"] == 0


WRONG: list[tuple[str, Any, str]] = [
    ("a/assign", {"edit": 0}, "to: this is missing"),
    ("a/assign", {"to": "", "edit": 0}, "to: "),
    ("a/assign", {"to": "room1"}, "edit: this is missing"),
    ("a/assign", {"to": "room1", "edit": "0"}, "edit: "),
    ("a/assign", {"to": "room1", "edit": -1}, "edit: "),
    ("a/assign", {"to": "room1", "edit": 2**31}, "edit: "),
    ("a/assign", {"to": "room1", "edit": 0, "force": True}, "force: this is unknown"),
    ("a/resolve", {"edit": 0}, "outcome: this is missing"),
    ("a/resolve", {"outcome": True, "edit": 0}, "outcome: "),
    ("a/resolve", {"outcome": "maybe", "edit": 0}, "outcome: "),
    ("a/resolve", {"outcome": "true", "edit": 0, "note": "\0"}, "note: "),
    ("a/resolve", {"outcome": "true", "edit": 0, "note": "x" * (MAX_NOTE_CHARS + 1)}, "note: "),
    ("a/reopen", {"note": None, "edit": 0}, "note: "),
    ("a/merge", {"into": "a b", "edit": 0}, "into: "),
    ("a/merge", [], "object"),
    ("acknowledge", {"ids": []}, "ids: "),
    ("acknowledge", {"ids": ["a"] * 501}, "ids: "),
    ("acknowledge", {"ids": ["../a"]}, "ids.0: "),
    ("acknowledge", {}, "ids: this is missing"),
    ("by-hand", {"kind": "crowd"}, "camera: this is missing"),
    ("by-hand", {"camera": "plaza", "kind": "crowd", "severity": "fatal"}, "severity: "),
    ("by-hand", {"camera": "plaza", "kind": "crowd", "start": "today"}, "start: write"),
    ("by-hand", {"camera": "plaza", "kind": "crowd", "id": "mine"}, "id: this is unknown"),
]


def test_wrong_bodies(served: Api) -> None:
    for path, body, said in WRONG:
        answer = served.client.post(f"{V1}/alerts/{path}", json=body)
        assert said in detail(answer, 422), (path, body)
    for path in {row[0] for row in WRONG}:
        for content in (b"", b"{", b"\xff", b"[" * 60_000):
            detail(served.client.post(f"{V1}/alerts/{path}", content=content), 422)
        large = json.dumps({"note": "x" * 65_536}).encode()
        answer = served.client.post(f"{V1}/alerts/{path}", content=large)
        assert "at most 65536 bytes" in detail(answer, 413)
    assert served.store.alerts.position() == 3


def test_the_stream_hears_of_each_act(served: Api) -> None:
    position = served.store.alerts.position()
    do(served.client, "resolve", outcome="true", edit=0)
    do(served.client, "reopen", edit=1)
    with served.client.stream(
        "GET", f"{V1}/alerts/stream", params={"last_event_id": position}
    ) as stream:
        data = next(line for line in stream.iter_lines() if line.startswith("data: "))
    assert json.loads(data.removeprefix("data: ")) == read(served)
    assert read(served)["edit"] == 2


def test_advice(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Alerting(
        advice=(
            Advice(
                match=Matcher(kinds=("intrusion",)),
                text="Send a patrol.",
                telephones=(Telephone(name="post 3", number="+62 000 000"),),
            ),
        )
    )
    current = StoredAlerting(1, written)
    monkeypatch.setattr(served.store.alerting, "current", lambda: current)
    assert served.client.get(f"{V1}/alerts/a/advice").json() == {
        "text": "Send a patrol.",
        "telephones": [{"name": "post 3", "number": "+62 000 000"}],
    }
    served.store.record([alert("c", kind="crowd")])
    nothing = served.client.get(f"{V1}/alerts/c/advice")
    assert (nothing.status_code, nothing.json()) == (200, {"text": "", "telephones": []})
