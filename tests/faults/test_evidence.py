"""Evidence finds no place at the API: alerts come all the same, and it is said why till it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.simulator import Simulator, load_recording
from tests.disks import enlarge, fill_up, small_disk
from tests.faults.bucket import bucket
from tests.faults.cities import write_city
from tests.faults.living import Living, free_port
from tests.faults.test_incidents import SCENE, standing_clip
from tests.waiting import wait_for

KIND = "loitering"
PLACE = "MATAKOTA_EVIDENCE_URL"
BOTH = {"snapshot", "clip"}

pytestmark = pytest.mark.long


@pytest.fixture
def simulator(tmp_path: Path, clip_cache: Path) -> Iterator[Simulator]:
    """A camera before which somebody stands too long, once it is started."""
    scene = tmp_path / "corner.yaml"
    scene.write_text(SCENE, encoding="utf-8")
    clip = standing_clip(tmp_path / "standing.mp4")
    with Simulator({"plaza": load_recording(clip, clip_cache)}) as made:
        write_city(tmp_path, {"plaza": made.url("plaza")}, scene=scene)
        made.stop_camera("plaza")
        yield made


def test_a_full_disk_and_then_a_free_one(tmp_path: Path, simulator: Simulator) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        with Living(tmp_path, **{PLACE: str(disk / "kept")}) as living:
            ballast = fill_up(disk)
            alert = told_without(living, simulator)
            ballast.unlink()
            enlarge(disk, "1g")
            comes_later(living, alert)
        assert list((disk / "kept").rglob("*.original"))


def test_a_file_in_place_of_the_folder(tmp_path: Path, simulator: Simulator) -> None:
    kept = tmp_path / "kept"
    with Living(tmp_path, **{PLACE: str(kept)}) as living:
        aside = kept.rename(tmp_path / "aside")
        kept.write_text("this is a file")
        alert = told_without(living, simulator)
        kept.unlink()
        aside.rename(kept)
        comes_later(living, alert)
    assert list(kept.rglob("*.original"))


def test_a_bucket_that_is_away_and_comes(tmp_path: Path, simulator: Simulator) -> None:
    pytest.importorskip("s3fs", reason="needs s3fs")
    port = free_port()
    away = {
        PLACE: "s3://evidence/city",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "not-a-key",
        "AWS_SECRET_ACCESS_KEY": "not-a-real-secret",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with Living(tmp_path, **away) as living:
        alert = told_without(living, simulator)
        with bucket(port) as kept:
            comes_later(living, alert)
            assert any(name.endswith(".original") for name in kept)
        assert "not-a-real-secret" not in living.log.read_text(encoding="utf-8")


def told_without(living: Living, simulator: Simulator) -> str:
    """The alert comes, none of its evidence does, and it is said why."""
    simulator.start_camera("plaza")
    (alert,) = wait_for(lambda: living.alerts(kind=KIND), "the alert")
    name = str(alert["id"])

    def missing() -> bool:
        found = items(living, name)
        assert all(item["state"] == "missing" and item["why"] for item in found.values())
        return found.keys() == BOTH

    wait_for(missing, "it is said why")
    return name


def comes_later(living: Living, alert: str) -> None:
    def stored() -> bool:
        found = items(living, alert)
        return found.keys() == BOTH and {item["state"] for item in found.values()} == {"stored"}

    wait_for(stored, "it is stored")


def items(living: Living, alert: str) -> dict[str, dict[str, Any]]:
    """By their form."""
    listed = living.get(f"/api/v1/alerts/{alert}/evidence")["items"]
    return {item["form"]: item for item in listed}
