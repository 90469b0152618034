"""Where sample clips lie, how they come here, and whether the manifest tells the truth."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pydantic import ValidationError

from models.errors import PullError, WrongHash
from streams import samples
from streams.expectations import load_expectations
from streams.files import inspect_clip
from streams.samples import Places, Sample
from streams.scenefile import load_scene
from tests.needs import REPO
from vision.errors import SampleError
from vision.scene_check import check_scene

CONTENT = b"a clip" * 1000
FIELDS = {
    "name": "street", "title": "a street", "file": "street.mp4", "licence": "CC0-1.0",
    "address": "https://clips.example/street.mp4", "source": "made by a test",
    "sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT),
}  # fmt: skip
STREET = Sample.model_validate(FIELDS)
CLIPS = samples.load_samples()
COUNTED = yaml.safe_load((REPO / "samples/counts.yaml").read_text("utf-8"))
WATCHED = yaml.safe_load((REPO / "samples/incidents.yaml").read_text("utf-8"))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "mirror").mkdir()
    return Places(tmp_path / "mirror", tmp_path / "cache")


def put(folder: Path | None, content: bytes = CONTENT) -> Path:
    assert folder is not None
    folder.mkdir(exist_ok=True)
    path = folder / STREET.file
    path.write_bytes(content)
    return path


def fetched(
    places: Places, handler: Callable[[httpx.Request], httpx.Response], sample: Sample = STREET
) -> Path:
    with httpx.Client(transport=httpx.MockTransport(handler)) as client:
        return samples.pull(sample, places, client)


def offline(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"{request.url} was asked for")


def serve(content: bytes) -> Callable[[httpx.Request], httpx.Response]:
    return lambda request: httpx.Response(200, content=content)


@pytest.mark.parametrize(
    ("variables", "mirror", "cache"),
    [
        ({}, None, "~/.cache"),
        ({"MATAKOTA_SAMPLES": "", "XDG_CACHE_HOME": ""}, None, "~/.cache"),
        ({"MATAKOTA_SAMPLES": "clips"}, "clips", "~/.cache"),
        ({"MATAKOTA_SAMPLES": "~/clips", "XDG_CACHE_HOME": "here"}, "~/clips", "~/.cache"),
        ({"MATAKOTA_SAMPLES": "/a/b", "XDG_CACHE_HOME": "/var/cache"}, "/a/b", "/var/cache"),
    ],
)
def test_places_come_from_the_environment(
    variables: dict[str, str], mirror: str | None, cache: str
) -> None:
    places = Places.of(variables)
    assert places.mirror == (None if mirror is None else Path(mirror).expanduser())
    assert places.cache == Path(cache).expanduser() / "matakota" / "samples"


def test_a_clip_is_looked_for_in_the_mirror_and_then_in_the_cache(places: Places) -> None:
    assert samples.find(STREET, places) is None
    cached = put(places.cache)
    assert samples.find(STREET, places) == samples.verified(STREET, places) == cached
    mirrored = put(places.mirror)
    assert samples.find(STREET, places) == samples.verified(STREET, places) == mirrored
    assert samples.find(STREET, Places(None, places.cache)) == cached


def test_a_clip_that_ships_needs_no_place(places: Places) -> None:
    plaza = samples.known("plaza")
    path = samples.folder() / "clips/plaza.mp4"
    assert samples.find(plaza, places) == samples.verified(plaza, places) == path
    assert fetched(places, offline, plaza) == path


def test_a_missing_clip_is_said_with_what_to_do(places: Places) -> None:
    words = r"'matakota samples pull street', or name a folder that holds street\.mp4 in MATAKOTA"
    with pytest.raises(SampleError, match=words):
        samples.verified(STREET, places)


@pytest.mark.parametrize("where", ["mirror", "cache"])
def test_another_file_of_that_name_is_refused(where: str, places: Places) -> None:
    path = put(getattr(places, where), CONTENT[:-1] + b"!")
    for act in (lambda: samples.verified(STREET, places), lambda: fetched(places, offline)):
        with pytest.raises(SampleError) as caught:
            act()
        assert re.match(
            rf"{re.escape(str(path))} is not sample 'street' as stated: expected sha256 "
            rf"{STREET.sha256}, found [0-9a-f]{{64}}; remove the file",
            str(caught.value),
        )


def test_pull_fetches_into_the_cache_once(places: Places) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, content=CONTENT)

    path = fetched(places, handler)
    assert path == places.cache / "street.mp4"
    assert path.read_bytes() == CONTENT
    assert fetched(places, handler) == path
    assert asked == ["https://clips.example/street.mp4"]
    assert [file.name for file in places.cache.iterdir()] == ["street.mp4"]


def test_a_mirror_saves_the_fetching(places: Places) -> None:
    mirrored = put(places.mirror)
    assert fetched(places, offline) == mirrored
    assert not places.cache.exists()


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (CONTENT[:-1] + b"!", WrongHash, "is not sample 'street' as stated: expected sha256"),
        (CONTENT + b"!", PullError, "more than the stated 6000 bytes"),
        (b"", WrongHash, "in 0 bytes; nothing was kept"),
    ],
)
def test_other_bytes_are_not_kept(
    content: bytes, error: type[Exception], words: str, places: Places
) -> None:
    with pytest.raises(error, match=words):
        fetched(places, serve(content))
    assert list(places.cache.iterdir()) == []


def test_a_file_that_is_gone_is_said(places: Places) -> None:
    with pytest.raises(PullError, match=r"clips\.example/street\.mp4 answers with HTTP status 404"):
        fetched(places, lambda request: httpx.Response(404))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(SampleError, match=r"there is no sample 'plazza': choose among plaza, road"):
        samples.known("plazza")


@pytest.mark.parametrize(
    "changes",
    [
        {"address": None},
        {"file": "clips/street.mp4"},
        {"file": "../street.mp4"},
        {"file": "/street.mp4"},
        {"file": "street.exe"},
        {"address": "http://clips.example/street.mp4"},
        {"sha256": "0" * 63},
        {"size": 0},
        {"colour": "grey"},
    ],
)
def test_a_wrong_entry_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate({**FIELDS, **changes})


def test_the_manifest_names_every_file_that_ships() -> None:
    clips = {f"clips/{path.name}" for path in (REPO / "samples/clips").iterdir()}
    assert {clip.file for clip in CLIPS.values() if clip.shipped} == clips
    for kind, named in (
        # the rendered road needs no clip, and the demo shows the plaza twice
        (
            "scenes",
            {clip.scene for clip in CLIPS.values()}
            | {"scenes/synthetic.yaml", "scenes/plaza_east.yaml"}
            | {entry["scene"] for entry in COUNTED["clips"] if "scene" in entry}
            | {entry["scene"] for entry in WATCHED["clips"] if "scene" in entry},
        ),
        # clips that are published nowhere are looked for on this machine only
        (
            "expected",
            {clip.expect for clip in CLIPS.values()}
            | {"expected/exposure_jump.yaml", "expected/falls.yaml"},
        ),
    ):
        there = {f"{kind}/{path.name}" for path in (REPO / "samples" / kind).iterdir()}
        assert named - {None} == there


@pytest.mark.parametrize("name", [name for name, clip in CLIPS.items() if clip.shipped])
def test_a_shipped_clip_is_as_stated(name: str) -> None:
    content = (samples.folder() / CLIPS[name].file).read_bytes()
    assert len(content) == CLIPS[name].size
    assert hashlib.sha256(content).hexdigest() == CLIPS[name].sha256


@pytest.mark.parametrize("name", [name for name, clip in CLIPS.items() if not clip.shipped])
def test_a_shared_copy_is_as_stated(name: str, shared: Path) -> None:
    path = samples.verified(CLIPS[name], Places(shared / "clips", shared / "none"))
    assert path.stat().st_size == CLIPS[name].size


def test_plaza_is_what_the_readme_says() -> None:
    info = inspect_clip(samples.folder() / "clips/plaza.mp4")
    assert (info.frames, info.rate, info.width, info.height) == (795, 7, 768, 576)
    assert info.codec == "h264"


@pytest.mark.parametrize("name", [name for name, clip in CLIPS.items() if clip.scene])
def test_scenes_and_expectations_load(name: str) -> None:
    clip = CLIPS[name]
    assert clip.scene is not None
    scene = load_scene(samples.folder() / clip.scene)
    assert check_scene(scene) == []
    assert clip.expect is not None
    expected = load_expectations(samples.folder() / clip.expect, scene)
    assert len(expected.counts) + len(expected.events) >= 2 or expected.only


@pytest.mark.parametrize("name", ["synthetic", "plaza_east"])
def test_scenes_of_no_clip_load(name: str) -> None:
    scene = load_scene(samples.folder() / f"scenes/{name}.yaml")
    assert check_scene(scene) == []
    assert scene.lines


@pytest.mark.parametrize("name", CLIPS)
def test_every_clip_has_a_licence_and_a_source(name: str) -> None:
    clip = CLIPS[name]
    readme = (samples.folder() / "README.md").read_text("utf-8")
    assert f"`{name}`" in readme
    assert f"**{name}" in readme
    assert all(word in readme for word in re.findall(r"[a-z][\w-]+\.(?:mp4|avi)", clip.source))
    known = {"Apache-2.0 AND BSD-3-Clause", "MIT", "CC-BY-4.0", "Apache-2.0", "CC0-1.0"}
    assert clip.licence in known
    # those whose terms ask for more than a notice stay where they are published
    assert not clip.shipped or clip.licence == "Apache-2.0 AND BSD-3-Clause"
