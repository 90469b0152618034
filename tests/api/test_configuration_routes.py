"""The configuration as a client sees it: scenes by revision, and cameras that nobody has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.ingest import Heard
from api.store import Store
from streams.address import parse_address
from streams.config import CameraConfig, City
from streams.scenefile import scene_of
from tests.api.served import DAY, TESTER, Api, api, report, sqlite_url
from vision.types import JsonValue

V1 = "/api/v1"
ADDRESS = parse_address("rtsp://10.0.0.5/canary-of-the-address")


def scene(x: float) -> dict[str, JsonValue]:
    return {
        "frame_size": [640, 360],
        "lines": [{"name": "gäte", "points": [[x, 0], [x, 359.5]]}],
    }


def city(*cameras: tuple[str, Any], **more: Any) -> City:
    return City(
        "Makassar",
        (),
        None,
        tuple(
            CameraConfig(
                name, name.title(), **({"source": ADDRESS} | more), login=None, model="motion",
                fps=None, worker="north" if name == "far" else None, scene=drawn,
            )
            for name, drawn in cameras
        ),
    )  # fmt: skip


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path), clock=lambda: DAY) as store, api(store) as it:
        yield it


def test_a_scene_by_revision(served: Api) -> None:
    for x in (1, 2.5):
        served.store.configuration.apply(city(("plaza", scene(x)), ("bare", None)), TESTER)
    first = {
        "camera": "plaza", "revision": 1, "created": "2026-01-31T00:00:00.000Z", "by": "tests",
        "note": None, "scene": scene(1),
    }  # fmt: skip
    path = f"{V1}/cameras/plaza/scene"
    second = served.client.get(path).json()
    assert second == first | {"revision": 2, "scene": scene(2.5)}
    assert served.client.get(path, params={"revision": 2}).json() == second
    assert served.client.get(path, params={"revision": 1}).json() == first
    # it can be drawn as it is
    assert scene_of(second["scene"], "answer").lines[0].name == "gäte"


@pytest.mark.parametrize(
    ("camera", "query", "status"),
    [
        ("nobody", {}, 404),
        ("nobody", {"revision": 1}, 404),
        ("bare", {}, 404),
        ("plaza", {"revision": 2}, 404),
        ("plaza", {"revision": 0}, 422),
        ("plaza", {"revision": -1}, 422),
        ("plaza", {"revision": 1 << 31}, 422),
        ("plaza", {"revision": "x"}, 422),
        ("plaza", {"revision": ""}, 422),
        ("%00", {}, 422),
        ("x" * 121, {}, 422),
        ("%27%20OR%201=1", {}, 404),
        ("%F0%9F%90%99", {}, 404),
    ],
)
def test_scenes_that_are_not(served: Api, camera: str, query: Any, status: int) -> None:
    served.store.configuration.apply(city(("plaza", scene(1)), ("bare", None)), TESTER)
    answer = served.client.get(f"{V1}/cameras/{camera}/scene", params=query)
    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}


def test_a_camera_that_no_worker_reports(served: Api) -> None:
    served.store.configuration.apply(city(("far", scene(1)), ("zoo", None), ("live", None)), TESTER)
    served.store.cameras.save(report(DAY, "live", "of-the-worker"))
    cameras = served.client.get(f"{V1}/cameras").json()["cameras"]
    assert [camera["id"] for camera in cameras] == ["far", "live", "of-the-worker", "zoo"]
    far, live, _, zoo = cameras
    message = far.pop("message")
    assert far == {
        "id": "far", "name": "Far", "source": "rtsp", "state": "unknown", "code": None,
        "since": None, "last_frame": None, "width": None, "height": None, "analysed": 0,
        "dropped": 0, "connects": 0, "detections": 0, "crossings": 0, "revision": 1,
        "position": None, "stream": None, "worker": "north", "age_seconds": None,
    }  # fmt: skip
    assert message == (
        "no worker has this camera: start the one that is to have it, 'matakota worker --name "
        "north'"
    )
    assert zoo["worker"] is None
    assert zoo["message"].startswith("no worker has this camera: ")
    assert live["worker"] == "w"
    assert "canary" not in str(cameras)
    # it has no counts yet, and is no unknown camera either
    counts = served.client.get(f"{V1}/counts", params={"camera": "far"})
    assert (counts.status_code, counts.json()) == (200, {"counts": []})
    assert served.client.get(f"{V1}/counts", params={"camera": "no"}).status_code == 404


def test_a_rendered_camera_is_no_real_one(served: Api) -> None:
    served.store.configuration.apply(city(("a", None), source="synthetic"), TESTER)
    assert served.client.get(f"{V1}/cameras").json()["cameras"][0]["source"] == "synthetic"


def test_which_configuration_workers_follow(served: Api) -> None:
    assert served.client.get(f"{V1}/workers").json()["configuration"] == 0
    served.store.configuration.apply(city(("a", None)), TESTER)
    said = report(worker="north").model_copy(update={"configuration": 7})
    served.ingest.workers = (Heard(said, time.monotonic()),)
    answer = served.client.get(f"{V1}/workers").json()
    assert answer["configuration"] == 1
    assert [(w["name"], w["configuration"]) for w in answer["workers"]] == [("north", 7)]
