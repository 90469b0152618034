"""A city as JSON and as YAML: what comes back is what was put in."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.address import DEFAULT_NETWORKS, RtspAddress
from streams.citydocument import CityDocument, city_yaml, decode_city, encode_city
from streams.config import CameraConfig, City, load_city
from streams.scenefile import load_scene, scene_of
from streams.yamlfile import read_yaml
from tests.needs import REPO
from vision.errors import ConfigError, SceneError

SCENES = sorted((REPO / "samples" / "scenes").glob("*.yaml"))
NAME = (
    st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), min_size=1)
    .map(str.strip)
    .filter(lambda text: 0 < len(text) <= 80)
)
ID = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
X, Y = (
    st.integers(0, high) | st.floats(0, high, allow_nan=False).map(lambda x: round(x, 6))
    for high in (640, 360)
)


@st.composite
def scenes(draw: st.DrawFn) -> dict[str, object]:
    """A scene of one line and one zone with names, numbers and settings of every shape."""
    ways = draw(st.lists(NAME, min_size=2, max_size=2, unique=True))
    line = {"name": draw(NAME), "points": [[0, draw(Y)], [640, draw(Y)]]}
    return {
        "frame_size": [640, 360],
        "stretch": draw(st.booleans()),
        "gate": draw(st.booleans()),
        "lines": [line | dict(zip(("forward", "backward"), ways, strict=True))],
        "zones": [{"name": "z", "polygon": [[draw(X), 0], [draw(X), 360], [-0.0, 180.5]]}],
        "rules": [
            {
                "kind": "line_crossing",
                "line": line["name"],
                "name": draw(NAME),
                "classes": draw(st.lists(NAME, min_size=1, max_size=3, unique=True)),
            }
        ],
    }


def readable(scene: dict[str, object]) -> bool:
    try:
        scene_of(json.loads(json.dumps(scene)), "drawn")
    except SceneError:
        return False
    return True


ADDRESS = st.builds(
    RtspAddress,
    secure=st.booleans(),
    host=st.sampled_from(["10.0.0.5", "fd00::5", "camera-1.example"]),
    port=st.integers(1, 65535),
    path=st.from_regex(r"/[a-z0-9/_.%=-]{0,20}(\?[a-z=&]{1,9})?", fullmatch=True),
)
DEGREES = st.integers(-90, 90).map(float) | st.floats(-90, 90).map(lambda x: x + 0.0)
CAMERA = st.builds(
    CameraConfig,
    id=ID,
    name=NAME,
    source=ADDRESS | st.just("synthetic"),
    login=st.none() | st.sampled_from(["all", "0123", "yes", "Müller: x"]),
    model=st.sampled_from(["nanodet_g", "motion", "7", "/models/own model.onnx"]),
    fps=st.none() | st.integers(1, 60).map(float) | st.floats(1, 60),
    worker=st.none() | ID,
    position=st.none() | st.tuples(DEGREES, DEGREES),
    substream=st.none() | st.sampled_from(["auto", "off", "/stream2", "/live?channel=1&sub=yes"]),
    scene=st.none() | scenes().filter(readable),
)
CITY = st.builds(
    City,
    name=NAME,
    networks=st.just(DEFAULT_NETWORKS)
    | st.lists(st.integers(0, 255).map(lambda n: ip_network(f"10.{n}.0.0/16"))).map(tuple),
    credentials=st.none(),
    cameras=st.lists(CAMERA, min_size=1, max_size=4, unique_by=lambda c: c.id).map(tuple),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(city=CITY, number=st.integers(0, 2**31 - 1))
def test_json_gives_the_same_city(city: City, number: int) -> None:
    document = CityDocument.of(city, number)
    assert decode_city(encode_city(document)) == document
    assert decode_city(encode_city(document)).city() == city


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(city=CITY, logins=st.booleans())
def test_yaml_gives_the_same_city(
    city: City, logins: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("city")
    if logins:
        path = folder / "logins.yaml"
        path.touch(0o600)
        used = {camera.login or "unused" for camera in city.cameras}
        login = {"user": "u", "password": "not-real"}
        path.write_text(yaml.safe_dump({name: dict(login) for name in used}), "utf-8")
        city = replace(city, credentials=path)
    else:
        city = replace(city, cameras=tuple(replace(c, login=None) for c in city.cameras))
    (folder / "shown.yaml").write_text(city_yaml(city), encoding="utf-8")
    got = load_city(folder / "shown.yaml")
    assert got == city
    # 1 and 1.0 are equal, and yet two documents
    assert encode_city(CityDocument.of(got, 1)) == encode_city(CityDocument.of(city, 1))


def test_what_is_shown_leaves_out_what_is_as_by_default(tmp_path: Path) -> None:
    city = City(
        "Makassar",
        DEFAULT_NETWORKS,
        None,
        (CameraConfig("a", "a", "synthetic", None, "nanodet_g", 5.0, None, None, 7),),
    )
    assert city_yaml(city) == "name: Makassar\ncameras:\n- id: a\n  source: synthetic\n"


def test_points_are_written_in_one_line() -> None:
    text = city_yaml(load_city(REPO / "samples" / "city.yaml"))
    assert "      points: [[560, 0], [560, 575]]\n" in text
    assert "  fps: 7\n" in text


@pytest.mark.parametrize("path", SCENES, ids=lambda path: path.stem)
def test_a_scene_of_a_document_is_that_of_its_file(path: Path) -> None:
    file = load_scene(path)
    scene = scene_of(read_yaml(path, SceneError).plain(), "camera plaza: scene")
    assert repr(scene) == repr(file)
    assert (scene.frame_size, scene.classes, scene.stretch, scene.gate) == (
        file.frame_size, file.classes, file.stretch, file.gate,
    )  # fmt: skip
    assert [rule.settings for rule in scene.rules] == [rule.settings for rule in file.rules]
    for one, other in zip(scene.lines, file.lines, strict=True):
        assert (one.points == other.points).all()
        assert (one.name, one.forward, one.backward) == (other.name, other.forward, other.backward)


def test_a_bad_scene_of_a_document_names_its_camera() -> None:
    with pytest.raises(SceneError) as caught:
        scene_of({"frame_size": [640]}, "camera plaza: scene")
    assert str(caught.value).startswith("camera plaza: scene:1: frame_size: found 1 values")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"number": -1, "name": "x", "networks": [], "credentials": null, "cameras": []}',
        '{"number": 1, "name": "x", "networks": [], "credentials": null, "cameras": [{}]}',
        '{"number": 1, "name": "x", "networks": [], "credentials": null, "cameras": [], "new": 1}',
        "\ud800",
        "[" * 100_000,
    ],
)
def test_a_body_that_is_no_configuration(body: str) -> None:
    with pytest.raises(ConfigError, match="of another version") as caught:
        decode_city(body)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("position", [[-91, 0], [0, 181], [0], "here"])
def test_a_position_that_is_nowhere(position: object) -> None:
    document = CityDocument.of(
        City("x", (), None, (CameraConfig("a", "a", "synthetic", None, "m", None, None, None),)), 1
    )
    said = document.model_dump(mode="json")
    said["cameras"][0]["position"] = position
    with pytest.raises(ConfigError, match="of another version"):
        decode_city(json.dumps(said))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": "http://10.0.0.1/"}, "neither rtsp://"),
        ({"source": "rtsp://user:canary@10.0.0.1/"}, "holds a login"),
        ({"networks": ["10.0.0.1/8"]}, "has host bits set"),
        ({"networks": ["somewhere"]}, "does not appear to be"),
    ],
)
def test_a_configuration_that_no_city_gave(change: dict[str, object], said: str) -> None:
    camera = {
        "id": "a", "name": "a", "source": "synthetic", "login": None, "model": "m", "fps": None,
        "worker": None, "scene": None, "revision": 0,
    }  # fmt: skip
    city = {"number": 1, "name": "x", "networks": [], "credentials": None}
    for name, value in change.items():
        (city if name in city else camera)[name] = value
    document = decode_city(json.dumps(city | {"cameras": [camera]}))
    with pytest.raises(ConfigError, match="cannot be used") as caught:
        document.city()
    assert said in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_whole_city_is_read_again(tmp_path: Path) -> None:
    scene = read_yaml(REPO / "samples" / "scenes" / "plaza.yaml", SceneError).plain()
    assert isinstance(scene, dict)
    address = RtspAddress(secure=False, host="10.0.0.5", port=554, path="/")
    city = City(
        "large",
        DEFAULT_NETWORKS,
        None,
        tuple(
            CameraConfig(f"c{n}", f"Camera {n}", address, None, "nanodet_g", 5.0, None, scene)
            for n in range(468)
        ),
    )
    path = tmp_path / "large.yaml"
    path.write_text(city_yaml(city), encoding="utf-8")
    began_s = time.monotonic()
    assert load_city(path) == city
    print(f"{path.stat().st_size} bytes read in {time.monotonic() - began_s:.1f} s")
