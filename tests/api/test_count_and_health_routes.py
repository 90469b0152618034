"""Counts, cameras, health and the description as a client sees them, over a real socket."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.health import NO_INGEST, NO_WORKER
from api.ingest import Heard
from api.store import Store, counts
from tests.api.served import CLASSES, DAY, Api, api, counted, report, sqlite_url
from vision.errors import BusError, StoreError

V1 = "/api/v1"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as running:
        yield running


def test_counts(served: Api) -> None:
    served.store.record([
        counted(0, {("gate", "in", "car"): 2}, observed_s=30.0),
        counted(300, {("gate", "in", "car"): 3}),
    ])  # fmt: skip

    def rows(**params: Any) -> list[dict[str, Any]]:
        response = served.client.get(f"{V1}/counts", params={"camera": "plaza"} | params)
        assert response.status_code == 200, response.text
        return [
            row
            for row in response.json()["counts"]
            if (row["direction"], row["class"]) == ("in", "car")
        ]

    span = {"from": "2026-01-31T00:00:00Z", "to": "2026-01-31T00:30:00Z"}
    full = {
        "camera": "plaza", "line": "gate", "direction": "in", "class": "car",
        "start": "2026-01-31T00:00:00.000Z", "seconds": 900, "count": 5, "observed_seconds": 90.0,
        "revision": 1, "synthetic": False, "late": 0,
    }  # fmt: skip
    gap = full | {
        "start": "2026-01-31T00:15:00.000Z", "count": None, "observed_seconds": 0, "revision": None,
    }  # fmt: skip
    assert rows(**span) == [full, gap]
    assert rows(**span, line="gate", interval="15m") == [full, gap]
    five = rows(**span, interval="5m")
    assert [row["count"] for row in five] == [2, 3, None, None, None, None]
    assert [row["count"] for row in rows(**span, interval="1h")] == [5]
    # whole intervals: the times are widened to their borders
    inside = {"from": "2026-01-31T00:04:59Z", "to": "2026-01-31T00:05:01Z"}
    assert [row["count"] for row in rows(**inside, interval="5m")] == [2, 3]
    assert {row["count"] for row in rows()} == {None}, "the last day by default"
    assert len(rows()) in {96, 97}


def test_counts_say_who_came_late_and_which_way_trips_went(served: Api) -> None:
    ways = ("north → south", "north → unknown", "unknown → south", "unknown → unknown")
    served.store.record([
        counted(
            0,
            {("gate", "in", "car"): 2, ("junction", "north → south", "bus"): 4},
            lines={"gate": ("in", "out"), "junction": ways},
            late=({"line": "gate", "direction": "in", "count": 3},),
        )
    ])  # fmt: skip
    span = {"from": "2026-01-31T00:00:00Z", "to": "2026-01-31T00:15:00Z"}

    def rows(**more: str) -> dict[tuple[str, str, str], tuple[int, int]]:
        query = {"camera": "plaza"} | span | more
        answer = served.client.get(f"{V1}/counts", params=query).json()
        return {
            (row["line"], row["direction"], row["class"]): (row["count"], row["late"])
            for row in answer["counts"]
        }

    found = rows()
    assert len(found) == (2 + 4) * 2
    assert {key: value for key, value in found.items() if any(value)} == {
        ("gate", "in", "car"): (2, 3),
        ("gate", "in", "bus"): (0, 3),
        ("junction", "north → south", "bus"): (4, 0),
    }
    assert set(rows(line="junction")) == {("junction", way, c) for way in ways for c in CLASSES}


def test_counts_are_bounded_before_they_are_built(
    served: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = {f"l{n}": ("in", "out") for n in range(30)}
    served.store.record([counted(60 * n, lines=lines) for n in range(3)])
    built: list[object] = []
    row = counts.CountRow
    monkeypatch.setattr(
        counts,
        "CountRow",
        lambda *a, **k: built.append(None) or row(*a, **k),  # type: ignore[func-returns-value]
    )

    def ask(**more: Any) -> Any:
        days = {"from": "2026-01-31T00:00:00Z", "to": "2026-02-01T12:00:00Z", "interval": "1m"}
        return served.client.get(f"{V1}/counts", params={"camera": "plaza"} | days | more)

    refused = ask()
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith(f"these would be {2160 * 120} counts, and at most ")
    assert "ask for a shorter time" in refused.json()["detail"]
    assert not built
    assert len(ask(line="l1").json()["counts"]) == 2160 * 4
    assert len(ask(interval="15m").json()["counts"]) == 144 * 120
    # a scene that is gone counts, too: the latest has one line
    served.store.record([counted(600, lines={"gate": ("in", "out")})])
    monkeypatch.setattr(counts, "MAX_ROWS", 2157 * 4 + 3 * 120 - 1)
    assert ask().status_code == 422
    monkeypatch.setattr(counts, "MAX_ROWS", 2157 * 4 + 3 * 120)
    assert len(ask().json()["counts"]) == 2157 * 4 + 3 * 120


def test_a_camera_without_lines_has_no_counts(served: Api) -> None:
    served.store.cameras.save(report(DAY, "bare"))
    response = served.client.get(f"{V1}/counts", params={"camera": "bare"})
    assert (response.status_code, response.json()) == (200, {"counts": []})


def test_cameras(tmp_path: Path) -> None:
    now = [time.time()]
    with Store.open(sqlite_url(tmp_path), clock=lambda: now[0]) as store, api(store) as served:
        store.cameras.save(report(DAY, "up"))
        store.cameras.save(
            report(DAY, "down", worker="other", state="down", code="stalled", message="no pictures")
        )
        now[0] -= 100
        store.cameras.save(report(DAY, "lost", worker="third", code="corrupt", message="damaged"))
        cameras = served.client.get(f"{V1}/cameras").json()["cameras"]
    down, lost, up = cameras
    age = up.pop("age_seconds")
    assert 0 <= age < 15
    assert up == {
        "id": "up", "name": "Up", "source": "rtsp", "state": "live", "code": None, "message": "",
        "since": "2026-01-31T00:00:00.000Z", "last_frame": "2026-01-31T00:00:00.000Z",
        "width": 640, "height": 360, "analysed": 10, "dropped": 1, "connects": 1, "revision": 1,
        "position": None, "stream": None,
        "detections": 0, "crossings": 0, "worker": "w",
    }  # fmt: skip
    assert (down["state"], down["code"], down["message"]) == ("down", "stalled", "no pictures")
    assert (lost["state"], lost["code"]) == ("unknown", None)
    assert "its worker has not been heard for 10" in lost["message"]


def test_health(served: Api) -> None:
    served.client.headers.pop("authorization")

    def ready() -> tuple[int, dict[str, Any]]:
        response = served.client.get("/readyz")
        return response.status_code, response.json()

    well = {
        "ready": True, "store": "ok", "bus": "ok", "ingest": "ok", "workers": "ok",
        "delivery": "ok",
        "evidence": "ok",
    }  # fmt: skip
    assert served.client.get("/healthz").json() == {"status": "alive"}
    assert ready() == (200, well)
    served.ingest.problem = BusError("Redis does not answer")
    assert ready() == (503, well | {"ready": False, "bus": "Redis does not answer"})
    served.ingest.problem = StoreError("the disk is full")
    assert ready() == (503, well | {"ready": False, "ingest": "the disk is full"})
    served.ingest.problem = None
    served.ingest.running = False
    assert ready() == (503, well | {"ready": False, "ingest": NO_INGEST})
    served.ingest.running = True
    now_s = time.monotonic()
    served.ingest.workers = (
        Heard(report(worker="a", problem="the spool is full"), now_s),
        Heard(report(worker="b"), now_s),
    )
    assert ready() == (503, well | {"ready": False, "workers": "a: the spool is full"})
    served.ingest.workers = (Heard(report(), -math.inf),)
    assert ready() == (503, well | {"ready": False, "workers": NO_WORKER})
    served.ingest.workers = (Heard(report(), now_s),)
    served.ingest.newer = "messages from w are of a newer version"
    assert ready() == (503, well | {"ready": False, "ingest": served.ingest.newer})
    served.ingest.newer = None
    assert ready() == (200, well)
    assert served.client.get("/healthz").status_code == 200


def test_one_of_two_workers_is_gone(tmp_path: Path) -> None:
    now = [DAY]
    with Store.open(sqlite_url(tmp_path), clock=lambda: now[0]) as store, api(store) as served:

        def workers() -> str:
            return str(served.client.get("/readyz").json()["workers"])

        store.cameras.save(report(DAY, "a", worker="one"))
        store.cameras.save(report(DAY, "b", worker="two"))
        served.ingest.workers = (Heard(report(worker="one"), time.monotonic()),)
        assert workers() == "ok"
        now[0] += 14
        assert workers() == "ok", "reports come every few seconds"
        now[0] += 26
        store.cameras.save(report(DAY + 40, "a", worker="one"))
        assert workers().startswith("two has not been heard for 40 s: ")
        assert served.client.get("/readyz").status_code == 503
        # another one takes the cameras over
        store.cameras.save(report(DAY + 42, "a", "b", worker="one"))
        assert workers() == "ok"


def test_readiness_tells_who_was_there_and_is_not_heard(tmp_path: Path) -> None:
    now = [DAY]
    with Store.open(sqlite_url(tmp_path), clock=lambda: now[0]) as store, api(store) as served:

        def delivery() -> str:
            return str(served.client.get("/readyz").json()["delivery"])

        assert delivery() == "ok", "neither has to be there"
        store.canaries.beat("notifier")
        store.canaries.beat("watchdog")
        now[0] += 59
        assert delivery() == "ok"
        now[0] += 2
        store.canaries.beat("watchdog")
        assert delivery().startswith("the notifier has not been heard for 61 s, so nobody is told")
        assert served.client.get("/readyz").status_code == 503
        store.canaries.beat("notifier")
        now[0] += 61
        store.canaries.beat("notifier")
        assert delivery().startswith("the watchdog has not been heard for 61 s")
        store.canaries.beat("watchdog")
        assert served.client.get("/readyz").status_code == 200


def test_readiness_says_that_the_store_is_gone(
    served: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise StoreError("the database is gone: look for it")

    monkeypatch.setattr(served.store, "check", gone)
    response = served.client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["store"] == "the database is gone: look for it"


def test_the_description(served: Api) -> None:
    schema = served.client.get("/openapi.json").json()
    assert set(schema["paths"]) == {
        f"{V1}/alerts", f"{V1}/alerts/stream", f"{V1}/alerts/export", f"{V1}/alerts/schema",
        f"{V1}/alerts/acknowledge", f"{V1}/alerts/by-hand", f"{V1}/alerts/{{alert_id}}",
        f"{V1}/alerts/{{alert_id}}/acknowledge", f"{V1}/alerts/{{alert_id}}/advice",
        f"{V1}/alerts/{{alert_id}}/assign", f"{V1}/alerts/{{alert_id}}/history",
        f"{V1}/alerts/{{alert_id}}/merge", f"{V1}/alerts/{{alert_id}}/reopen",
        f"{V1}/alerts/{{alert_id}}/resolve", f"{V1}/alerts/{{alert_id}}/hold",
        f"{V1}/alerts/{{alert_id}}/release", f"{V1}/alerts/{{alert_id}}/evidence",
        f"{V1}/alerts/{{alert_id}}/evidence/{{form}}",
        f"{V1}/alerts/{{alert_id}}/evidence/{{form}}/copy",
        f"{V1}/alerts/{{alert_id}}/evidence/{{form}}/material",
        f"{V1}/alerts/{{alert_id}}/evidence/{{form}}/missing",
        f"{V1}/alerts/{{alert_id}}/evidence/{{form}}/original",
        f"{V1}/evidence", f"{V1}/evidence/delete", f"{V1}/silences",
        f"{V1}/silences/{{silence}}/end", f"{V1}/channels", f"{V1}/channels/{{channel}}/test",
        f"{V1}/deliveries", f"{V1}/chain", f"{V1}/counts", f"{V1}/counts/export",
        f"{V1}/cameras",
        f"{V1}/cameras/{{camera}}/scene", f"{V1}/cameras/{{camera}}/scene/check",
        f"{V1}/cameras/{{camera}}/scenes", f"{V1}/cameras/{{camera}}/replay",
        f"{V1}/cameras/{{camera}}/view", f"{V1}/scene/kinds", f"{V1}/scene/schema",
        f"{V1}/cameras/{{camera}}/snapshot",
        f"{V1}/cameras/{{camera}}/live", f"{V1}/cameras/try", f"{V1}/workers", f"{V1}/me",
        f"{V1}/audit", f"{V1}/audit.csv", f"{V1}/precision", f"{V1}/precision.csv",
        f"{V1}/suggestion", f"{V1}/handover.pdf",
        "/healthz", "/readyz",
    }  # fmt: skip
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            if path.startswith(V1):
                assert {"401", "403", "503"} <= set(operation["responses"])
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    body = schema["paths"][f"{V1}/alerts"]["post"]["requestBody"]["content"]["application/json"]
    name = body["schema"]["$ref"].removeprefix("#/components/schemas/")
    schemas = schema["components"]["schemas"]
    assert schemas[name]["required"] == ["id", "camera", "kind", "start"]
    for wanted in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schema)):
        assert wanted in schemas
    assert "$defs" not in json.dumps(schema)
