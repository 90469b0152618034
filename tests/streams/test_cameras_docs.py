"""docs/cameras.md says what is true of codes and networks."""

from __future__ import annotations

import re
from pathlib import Path

from streams.address import DEFAULT_NETWORKS
from streams.config import load_city
from streams.health import SENTENCES
from streams.rtsp.substream import SCHEMES, sub_path
from tests.needs import REPO

TEXT = (REPO / "docs" / "cameras.md").read_text(encoding="utf-8")


def test_every_code_is_in_the_table_with_its_sentence() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    for code, sentence in SENTENCES.items():
        assert f"| `{code.value}` | {sentence[0].upper()}{sentence[1:]}. |" in rows


def test_the_default_networks_are_named() -> None:
    for network in DEFAULT_NETWORKS:
        assert f"`{network}`" in TEXT


def test_the_sub_streams_are_where_it_says() -> None:
    rows = re.findall(r"^\| [^|]+ \| ([^|]*`/[^|]*) \| ([^|]*`/[^|]*) \|$", TEXT, re.MULTILINE)
    assert len(rows) == len({scheme.maker.split(",")[0].split()[0] for scheme in SCHEMES}) - 1
    for mains, subs in rows:
        named = re.findall(r"`(/[^`]+)`", subs)
        for main in re.findall(r"`(/[^`]+)`", mains):
            assert sub_path(main, 16 / 9) in named, main


def test_the_city_that_is_shown_is_one(tmp_path: Path) -> None:
    city, logins, _ = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "harbour-1.yaml").write_text("frame_size: [640, 360]", "utf-8")
    (tmp_path / "logins.yaml").touch(0o600)
    (tmp_path / "logins.yaml").write_text(logins, "utf-8")
    (tmp_path / "city.yaml").write_text(city, "utf-8")
    found = load_city(tmp_path / "city.yaml")
    assert [camera.id for camera in found.cameras] == ["harbour-1", "square", "demo"]
    gate, _, demo = found.cameras
    assert (gate.login, gate.worker, demo.model) == ("harbour", "harbour", "motion")
    assert demo.scene is not None
    assert [camera.substream for camera in found.cameras] == [None, "/stream-small", None]
