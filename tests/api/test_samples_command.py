"""``matakota samples`` from the outside."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from api.cli import samples as command
from streams import samples
from tests.api.command import Ran, matakota


def call(folder: Path, *arguments: str) -> Ran:
    """The command with a mirror that holds a file of the road clip's name, but not that clip."""
    mirror = folder / "mirror"
    mirror.mkdir(exist_ok=True)
    (mirror / "road_8toward.mp4").write_bytes(b"another clip")
    variables = {"MATAKOTA_SAMPLES": str(mirror), "COLUMNS": "200"}
    return matakota("samples", *arguments, folder=folder, variables=variables)


def test_list_shows_every_clip_its_licence_and_its_place(tmp_path: Path) -> None:
    ran = call(tmp_path, "list")
    assert (ran.code, ran.err) == (0, "")
    text = "".join(ran.out.decode().split())
    rows = {line.split()[0]: line for line in ran.out.decode().splitlines() if line[0] != " "}
    assert set(rows) == {"name", *samples.load_samples()}
    for name, clip in samples.load_samples().items():
        assert clip.licence.split()[0] in rows[name]
        assert f"{clip.size / 1e6:.1f}" in rows[name]
    assert "not here" in rows["carpark"]
    # a long path goes on in the next line; nothing of it is left out
    assert "not here" not in rows["plaza"] + rows["road"]
    assert "…" not in text


def test_path_prints_where_the_parts_lie(tmp_path: Path) -> None:
    for part, name in (
        ("clip", "clips/plaza.mp4"),
        ("scene", "scenes/plaza.yaml"),
        ("expect", "expected/plaza.yaml"),
    ):
        ran = call(tmp_path, "path", "plaza", "--part", part)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.decode() == f"{samples.folder() / name}\n"
        assert (samples.folder() / name).is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("path", "plazza"), "there is no sample 'plazza': choose among plaza, road, carpark"),
        (("path", "carpark"), "is not on this machine: run 'matakota samples pull carpark', or"),
        (("path", "road"), "road_8toward.mp4 is not sample 'road' as stated: expected sha256"),
        (("path", "plaza", "--part", "music"), "'plaza' has no 'music': ask for clip, scene or"),
        (("pull", "plazza"), "there is no sample 'plazza'"),
        (("pull", "plaza", "plazza"), "there is no sample 'plazza'"),
        (("pull", "road"), "road_8toward.mp4 is not sample 'road' as stated: expected sha256"),
    ],
)
def test_what_is_not_there_is_said(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    ran = call(tmp_path, *arguments)
    assert (ran.code, ran.out) == (2, b"")
    (sentence,) = ran.said
    assert sentence.startswith("matakota: ")
    assert words in sentence


def test_pull_takes_what_is_here_already(tmp_path: Path) -> None:
    ran = call(tmp_path, "pull", "plaza")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.decode() == f"plaza: verified, at {samples.folder() / 'clips/plaza.mp4'}\n"


def test_a_mirror_serves_all_commands(shared: Path, tmp_path: Path) -> None:
    mirror = {"MATAKOTA_SAMPLES": str(shared / "clips")}
    clip = shared / "clips" / "house_fire.mp4"
    pulled = matakota("samples", "pull", "fire", folder=tmp_path, variables=mirror)
    assert (pulled.code, pulled.out.decode()) == (0, f"fire: verified, at {clip}\n")
    path = matakota("samples", "path", "fire", folder=tmp_path, variables=mirror)
    assert (path.code, path.out.decode()) == (0, f"{clip}\n")
    assert not (tmp_path / ".cache").exists()


def test_pull_fetches_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"the street" * 500
    street = samples.Sample(
        name="street", title="a street", file="street.mp4", licence="CC0-1.0", source="a test",
        address="https://clips.example/street.mp4", size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=content))
    client = httpx.Client
    monkeypatch.setattr(
        "models.pull.httpx.Client", lambda **options: client(transport=transport, **options)
    )
    monkeypatch.setattr(samples, "load_samples", lambda: {"street": street})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("MATAKOTA_SAMPLES", raising=False)
    result = CliRunner().invoke(command.app, ["pull"])
    place = tmp_path / "matakota" / "samples" / "street.mp4"
    assert (result.exit_code, result.output) == (0, f"street: verified, at {place}\n")
    assert place.read_bytes() == content
