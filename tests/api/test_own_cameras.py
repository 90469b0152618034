"""Callers who have some cameras only, over a real socket: others do not exist for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.access import Role
from api.store import Store, Wanted
from streams.address import parse_address
from streams.config import CameraConfig, City
from tests.api.served import (
    DAY,
    TESTER,
    Api,
    add_key,
    add_user,
    alert,
    api,
    counted,
    person,
    report,
    sqlite_url,
    wait_until,
)

V1 = "/api/v1"
GUARD_S = 20
NEW = {"id": "new", "camera": "plaza", "kind": "intrusion", "start": "2026-01-31T07:00:00Z"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Api]:
    """Two cameras, ``plaza`` and ``road``, each with an alert and counts."""
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as running:
        store.record([
            alert("mine", camera="plaza"), alert("other", camera="road"),
            counted(camera="plaza"), counted(camera="road"),
        ])  # fmt: skip
        store.cameras.save(report(DAY, "plaza", "road"))
        yield running


@contextmanager
def keyed(served: Api, name: str, **grant: Any) -> Iterator[httpx.Client]:
    """A program that has a key for ``plaza``, unless told otherwise."""
    key = add_key(served.store, name, **({"cameras": ["plaza"]} | grant))
    headers = {"x-api-key": key}
    with httpx.Client(base_url=served.client.base_url, headers=headers, timeout=30) as client:
        yield client


def post(client: httpx.Client, **more: Any) -> httpx.Response:
    return client.post(f"{V1}/alerts", content=json.dumps(NEW | more))


@pytest.mark.parametrize("method", ["GET /other", "POST /other/acknowledge"])
def test_a_foreign_alert_is_as_one_that_is_not(served: Api, method: str) -> None:
    verb, path = method.split(" ")
    with keyed(served, "k") as client:
        foreign = client.request(verb, f"{V1}/alerts{path}")
        none = client.request(verb, f"{V1}/alerts{path.replace('other', 'never')}")
        assert foreign.status_code == none.status_code == 404
        assert foreign.json()["detail"] == none.json()["detail"].replace("never", "other")
        assert (
            client.request(verb, f"{V1}/alerts{path.replace('other', 'mine')}").status_code == 200
        )
    assert served.client.get(f"{V1}/alerts/other").json()["acknowledged"] is None


def test_lists_hold_own_alerts_alone_and_pages_miss_none(served: Api) -> None:
    served.store.record([
        alert(f"a{n}", camera="road" if n % 3 else "plaza", start_ts=DAY + n, raised_ts=DAY + n)
        for n in range(40)
    ])  # fmt: skip
    own = [*(f"a{n}" for n in range(39, 0, -3)), "mine", "a0"]
    with keyed(served, "k") as client:
        found: list[str] = []
        params: dict[str, Any] = {"limit": 4}
        while True:
            page = client.get(f"{V1}/alerts", params=params).json()
            assert {each["camera"] for each in page["alerts"]} == {"plaza"}
            found += [each["id"] for each in page["alerts"]]
            if page["next"] is None:
                break
            params["cursor"] = page["next"]
        assert found == own
        nothing = {"alerts": [], "next": None}
        for camera in ("road", "nowhere"):
            answer = client.get(f"{V1}/alerts", params={"camera": camera})
            assert (answer.status_code, answer.json()) == (200, nothing)
    with keyed(served, "nobody", cameras=[]) as client:
        assert client.get(f"{V1}/alerts").json() == nothing


def test_counts_of_a_foreign_camera_are_as_of_none(served: Api) -> None:
    with keyed(served, "k") as client:
        foreign, none = (
            client.get(f"{V1}/counts", params={"camera": camera}) for camera in ("road", "none")
        )
        assert foreign.status_code == none.status_code == 404
        assert foreign.json()["detail"] == none.json()["detail"].replace("none", "road")
        assert client.get(f"{V1}/counts", params={"camera": "plaza"}).json()["counts"]


def test_cameras_are_the_own_ones(served: Api) -> None:
    far = CameraConfig(
        "far", "Far", source=parse_address("rtsp://10.0.0.5/x"), login=None, model="motion",
        fps=None, worker="host-of-the-worker", scene=None,
    )  # fmt: skip
    served.store.configuration.apply(City("Makassar", (), None, (far,)), TESTER)
    served.store.cameras.save(report(DAY + 1, "plaza", "road"))
    with keyed(served, "k", cameras=["plaza", "far", "none"], scopes=["cameras:read"]) as client:
        answer = client.get(f"{V1}/cameras")
        cameras = answer.json()["cameras"]
        assert [(camera["id"], camera["worker"]) for camera in cameras] == [
            ("far", None), ("plaza", None),
        ]  # fmt: skip
        assert "host-of-the-worker" not in answer.text
        assert cameras[0]["message"].startswith("no worker has this camera: ")
    with keyed(served, "system", cameras=["plaza", "far"]) as client:
        cameras = client.get(f"{V1}/cameras").json()["cameras"]
        assert [camera["worker"] for camera in cameras] == ["host-of-the-worker", "w"]


# --- stating


def test_a_worker_states_alerts_of_its_cameras_alone(served: Api) -> None:
    with keyed(served, "worker", worker=True) as client:
        made = post(client)
        assert (made.status_code, made.json()["camera"]) == (201, "plaza")
        assert post(client).status_code == 200
        foreign, none = (post(client, id="x", camera=camera) for camera in ("road", "none"))
        assert foreign.status_code == none.status_code == 404
        assert foreign.json()["detail"] == none.json()["detail"].replace("none", "road")
        # and nothing else
        assert client.get(f"{V1}/alerts").status_code == 403
    assert served.store.alerts.get("x", only=None) is None


@pytest.mark.parametrize("version", [1, 99])
def test_an_id_of_another_camera_is_neither_changed_nor_read(served: Api, version: int) -> None:
    before = served.client.get(f"{V1}/alerts/other").json()
    with keyed(served, "worker", worker=True) as client:
        for body in ({"camera": "plaza"}, {"camera": "road"}):
            answer = post(client, id="other", version=version, **body)
            assert answer.status_code == (422 if body["camera"] == "plaza" else 404)
            assert list(answer.json()) == ["detail"]
            assert "road" not in answer.text.replace("no camera 'road'", "")
    assert served.client.get(f"{V1}/alerts/other").json() == before
    # whoever has both may say that it was the other one
    with keyed(served, "both", cameras=["plaza", "road"]) as client:
        answer = post(client, id="other", version=99)
        assert (answer.status_code, answer.json()["camera"]) == (200, "plaza")


# --- taking note


def test_who_took_note_is_named_and_recorded(served: Api) -> None:
    user = add_user(served.store, "Operator One", Role.OPERATOR, cameras=["plaza"])
    with person(served, user) as client:
        answer = client.post(f"{V1}/alerts/mine/acknowledge")
        assert (answer.status_code, answer.json()["acknowledged_by"]) == (200, "Operator One")
        assert client.post(f"{V1}/alerts/other/acknowledge").status_code == 404
    assert served.client.post(f"{V1}/alerts/mine/acknowledge").json() == answer.json()
    assert served.client.post(f"{V1}/alerts/other/acknowledge").json()["acknowledged_by"] == "tests"
    newest = served.store.audit.find(Wanted(action="alert.acknowledged"), limit=9).entries
    assert [(e.object, e.actor_kind, e.actor, e.actor_id) for e in newest] == [
        ("other", "key", "tests", newest[0].actor_id), ("mine", "user", "Operator One", str(user)),
    ]  # fmt: skip
    assert newest[1].address == "127.0.0.1"


@pytest.mark.parametrize(
    ("role", "reads", "acknowledges", "counts", "system"),
    [
        (Role.VIEWER, 200, 403, 200, 403),
        (Role.OPERATOR, 200, 200, 200, 403),
        (Role.ANALYST, 403, 403, 200, 403),
        (Role.ADMINISTRATOR, 200, 200, 200, 200),
    ],
)
def test_roles(
    served: Api, role: Role, reads: int, acknowledges: int, counts: int, system: int
) -> None:
    user = add_user(served.store, "somebody", role, cameras=["plaza"])
    with person(served, user) as client:
        for path in ("", "/mine"):
            assert client.get(f"{V1}/alerts{path}").status_code == reads
        assert client.post(f"{V1}/alerts/mine/acknowledge").status_code == acknowledges
        assert client.get(f"{V1}/counts", params={"camera": "plaza"}).status_code == counts
        assert client.get(f"{V1}/workers").status_code == system


def test_a_group_that_shrinks_takes_its_cameras_along(served: Api) -> None:
    user = add_user(served.store, "viewer", Role.VIEWER, cameras=["plaza", "road"])
    (group,) = served.store.groups.all()
    with person(served, user) as client:
        assert len(client.get(f"{V1}/alerts").json()["alerts"]) == 2
        served.store.groups.change(group.id, group.name, ["plaza"], TESTER)

        def listed() -> list[str]:
            return [each["id"] for each in client.get(f"{V1}/alerts").json()["alerts"]]

        wait_until(lambda: listed() == ["mine"], GUARD_S)
        assert client.get(f"{V1}/alerts/other").status_code == 404
        assert [c["id"] for c in client.get(f"{V1}/cameras").json()["cameras"]] == ["plaza"]
