"""The city's configuration: what it means, and one sentence with file, line and field for each
mistake."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from streams.address import DEFAULT_NETWORKS
from streams.config import City, load_city, load_credentials
from streams.scenefile import scene_of
from tests.needs import REPO
from tests.streams.test_presets import HOME
from vision.errors import ConfigError, SceneError

CANARY = "canary-not-a-real-password"


def write(folder: Path, text: str, name: str = "city.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def city(folder: Path, text: str) -> City:
    return load_city(write(folder, text))


def test_a_whole_city(tmp_path: Path) -> None:
    write(tmp_path, f"harbour: {{user: operator, password: '{CANARY}'}}\n", "logins.yaml")
    (tmp_path / "scenes").mkdir()
    write(tmp_path / "scenes", "frame_size: [64, 48]\nlines: []\n", "gate.yaml")
    found = city(
        tmp_path,
        """
name: Makassar
model: yolox_nano
fps: 8
substream: off
networks: [10.20.0.0/16, 127.0.0.0/8]
credentials: logins.yaml
cameras:
  - id: harbour-1
    name: Harbour gate
    source: rtsp://10.20.0.5:8554/live/main?channel=1
    substream: auto
    login: harbour
    scene: scenes/gate.yaml
    fps: all
    worker: north
    position: [-5.1128, 119.4127]
  - id: square
    source: "rtsps://[fd00::5]/"
    model: other
    fps: 2.5
    substream: /live/small?channel=1
    scene: {frame_size: [640, 360], stretch: true}
  - {id: demo, source: synthetic}
""",
    )
    gate, square, demo = found.cameras
    assert found.name == "Makassar"
    assert found.networks == (ip_network("10.20.0.0/16"), ip_network("127.0.0.0/8"))
    assert str(gate.source) == "rtsp://10.20.0.5:8554/live/main?channel=1"
    assert (gate.login, gate.worker) == ("harbour", "north")
    assert (gate.name, gate.fps, gate.model) == ("Harbour gate", None, "yolox_nano")
    assert gate.scene == {"frame_size": [64, 48], "lines": []}
    assert square.scene == {"frame_size": [640, 360], "stretch": True}
    assert str(square.source) == "rtsps://[fd00::5]:322/"
    assert (gate.position, square.position) == ((-5.1128, 119.4127), None)
    assert (square.name, square.fps, square.model) == ("square", 2.5, "other")
    assert (demo.synthetic, demo.fps, demo.scene, demo.login) == (True, 8.0, None, None)
    streams = [camera.substream for camera in found.cameras]
    assert streams == ["auto", "/live/small?channel=1", "off"]
    assert {camera.revision for camera in found.cameras} == {0}
    assert found.credentials == tmp_path / "logins.yaml"
    assert CANARY not in repr(found)
    login = load_credentials(found.credentials)["harbour"]
    assert (login.user, login.password) == ("operator", CANARY)
    assert CANARY not in f"{login} {login!r}"


def test_what_a_short_city_means(tmp_path: Path) -> None:
    found = city(tmp_path, "cameras: [{id: a, source: rtsp://10.0.0.1/}]")
    assert found.name == "city"
    assert (found.credentials, found.cameras[0].worker) == (None, None)
    assert found.networks == DEFAULT_NETWORKS
    assert found.cameras[0].model == "nanodet_g"
    assert (found.cameras[0].fps, found.cameras[0].substream) == (5.0, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("cameras: []", "there is no camera"),
        ("name: x", "field 'cameras' is missing"),
        ("camera: []\ncameras: []", "unknown field 'camera', did you mean 'cameras'?"),
        ("cameras: [{source: synthetic}]", "field 'id' is missing"),
        ("cameras: [{id: a}]", "field 'source' is missing"),
        ("cameras: [{id: a/b, source: synthetic}]", "'a/b' is no id"),
        ("cameras: [{id: ../x, source: synthetic}]", "is no id"),
        ("cameras: [{id: matakota, source: synthetic}]", "'matakota' is the program itself"),
        (
            "cameras:\n- {id: a, source: synthetic}\n- {id: a, source: synthetic}",
            ":3: cameras[1]: a camera with id 'a' is in line 2 already",
        ),
        ("cameras: [{id: a, source: 'http://10.0.0.1/'}]", "neither rtsp:// nor rtsps://"),
        ("cameras: [{id: a, source: 'file:///etc/passwd'}]", "neither rtsp:// nor rtsps://"),
        ("cameras: [{id: a, source: /dev/video0}]", "neither rtsp:// nor rtsps://"),
        ("cameras: [{id: a, source: rtsp:///x}]", "needs a host"),
        ("cameras: [{id: a, source: 'rtsp://10.0.0.1:0/'}]", "a port from 1"),
        ("cameras: [{id: a, source: 'rtsp://10.0.0.1:99999/'}]", "port up to 65535"),
        ("cameras: [{id: a, source: 'rtsp://10.0.0.1/a b'}]", "percent-encode"),
        ("cameras: [{id: a, source: 7}]", "neither rtsp:// nor rtsps://"),
        ("cameras: [{id: a, source: [x]}]", "expected text"),
        ("cameras: [{id: a, source: synthetic, login: gate}]", "there is no login 'gate'"),
        ("cameras: [{id: a, source: synthetic, fps: 0}]", "is no frame rate"),
        ("cameras: [{id: a, source: synthetic, fps: 0.5}]", "write a number from 1 to 60"),
        ("cameras: [{id: a, source: synthetic, fps: 61}]", "is no frame rate"),
        ("cameras: [{id: a, source: synthetic, fps: fast}]", "is not a finite number"),
        (
            "cameras: [{id: a, source: synthetic, position: [119.4, -5.1]}]",
            "cameras[0].position[0]: 119.4 is no latitude; write one from -90 to 90 degrees",
        ),
        ("cameras: [{id: a, source: synthetic, position: [-5, 180.1]}]", "180.1 is no longitude"),
        ("cameras: [{id: a, source: synthetic, position: [-5]}]", "found 1 values; write latitude"),
        ("cameras: [{id: a, source: synthetic, position: -5.1}]", "expected a list, found -5.1"),
        ("cameras: [{id: a, source: synthetic, position: [x, 1]}]", "is not a finite number"),
        ("cameras: [{id: a, source: synthetic, substream: on}]", "begins with one '/'"),
        ("cameras: [{id: a, source: synthetic, substream: rtsp://10.0.0.1/x}]", "or write auto"),
        ("cameras: [{id: a, source: synthetic, substream: //10.0.0.1/x}]", "with one '/'"),
        ("cameras: [{id: a, source: synthetic, substream: '/a b'}]", "percent-encode"),
        ("substream: [x]\ncameras: []", "expected text"),
        ("cameras: [{id: a, source: synthetic, sceen: x}]", "did you mean 'scene'?"),
        ("cameras: [{id: a, source: synthetic, worker: a b}]", "'a b' is no name"),
        ("cameras: [{id: a, source: synthetic, worker: 7}]", "put it in quotes"),
        ("cameras: [{id: a, source: synthetic, revision: 7}]", "unknown field 'revision'"),
        ("networks: [10.0.0.1/8]\ncameras: []", "cameras"),
        (
            "networks: [10.0.0.1/8]\ncameras: [{id: a, source: synthetic}]",
            "networks[0]: 10.0.0.1/8 is no network",
        ),
        ("credentials: none.yaml\ncameras: []", "none.yaml: there is no such file"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        city(tmp_path, text)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message


def test_a_login_in_an_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    text = f"cameras: [{{id: a, source: 'rtsp://operator:{CANARY}@10.0.0.1/'}}]"
    with pytest.raises(ConfigError, match="move it to the credentials file") as caught:
        city(tmp_path, text)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_logins_that_others_may_read_are_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, f"a: {{user: u, password: {CANARY}}}", "logins.yaml")
    path.chmod(mode)
    with pytest.raises(ConfigError, match=r"chmod 600") as caught:
        load_credentials(path)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: {user: u}", "field 'password' is missing"),
        (f"a: {{password: {CANARY}}}", "field 'user' is missing"),
        (f"a: {{user: 'u:v', password: {CANARY}}}", "no ':'"),
        (f"a: {{user: '', password: {CANARY}}}", "1 to 255 characters"),
        ("a: {user: u, password: ''}", "a password has 1 to 255 characters"),
        (f"a: {{user: u, password: [{CANARY}]}}", "expected text"),
        (f"a: {{user: u, password: {CANARY}, pasword: x}}", "unknown field, did you mean"),
        (f"a: {CANARY}", "a: expected a mapping of fields, found plain text"),
        (f"a:\n  user:u\n  password:{CANARY}", "a: expected a mapping of fields, found plain text"),
        (CANARY, "expected a mapping of fields, found plain text"),
        (f"a: {{user: u, {CANARY}}}", "unknown field; known are user, password"),
        (f"a:\n  user: u\n  password: !{CANARY}!x", "found undefined tag handle;"),
        (f"a: {{user: u, password: '{'x' * 300}'}}", "a password has 1 to 255 characters"),
    ],
)
def test_mistakes_in_logins(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_credentials(write(tmp_path, text, "logins.yaml"))
    assert said in str(caught.value)
    assert CANARY not in str(caught.value)


def test_paths_may_be_long_and_are_from_the_citys_folder(tmp_path: Path) -> None:
    deep = "/".join(["folder"] * 100)
    (tmp_path / deep).mkdir(parents=True)
    write(tmp_path / deep, "frame_size: [64, 48]", "a.yaml")
    found = city(
        tmp_path,
        f"model: {deep}/own.onnx\ncameras: [{{id: a, source: synthetic, scene: {deep}/a.yaml}}]",
    )
    assert found.cameras[0].scene == {"frame_size": [64, 48]}
    assert found.cameras[0].model == str(tmp_path / deep / "own.onnx")


@pytest.mark.parametrize(
    ("scene", "kind", "said"),
    [
        ("nowhere.yaml", SceneError, "nowhere.yaml: there is no such file"),
        ("bad.yaml", SceneError, "bad.yaml:1: frame_size: expected a list"),
        ("blind.yaml", SceneError, "blind.yaml:1: field 'frame_size' is missing"),
        ("{frame_size: 5}", ConfigError, "city.yaml:1: cameras[0].scene.frame_size: expected a"),
        ("{lines: []}", ConfigError, "cameras[0].scene: field 'frame_size' is missing"),
        ("{}", ConfigError, "cameras[0].scene: field 'frame_size' is missing"),
        ("[]", ConfigError, "cameras[0].scene: expected text, found a list"),
    ],
)
def test_a_scene_is_checked_where_it_is_written(
    tmp_path: Path, scene: str, kind: type[Exception], said: str
) -> None:
    write(tmp_path, "frame_size: 5", "bad.yaml")
    write(tmp_path, "lines: []", "blind.yaml")
    with pytest.raises(kind) as caught:
        city(tmp_path, f"cameras: [{{id: a, source: synthetic, scene: {scene}}}]")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stem", ["x" * 81, "tab\tin it", " ", "\udcff"])
def test_a_file_whose_name_no_city_has(tmp_path: Path, stem: str) -> None:
    path = write(tmp_path, "cameras: [{id: a, source: synthetic}]", f"{stem}.yaml")
    assert load_city(path).name == "city"


def test_a_scene_may_say_how_its_view_looks(tmp_path: Path) -> None:
    scene = f"{{frame_size: [640, 360], view: {HOME}}}"
    found = city(tmp_path, f"cameras: [{{id: a, source: synthetic, scene: {scene}}}]")
    assert found.cameras[0].scene == {"frame_size": [640, 360], "view": HOME}


def test_a_city_may_be_larger_than_a_scene(tmp_path: Path) -> None:
    text = "cameras:\n" + "".join(
        f"  - {{id: c{n}, source: synthetic, name: '{'n' * 80}'}} #{'.' * 900}\n"
        for n in range(1200)
    )
    assert len(city(tmp_path, text).cameras) == 1200


def test_a_number_as_password_is_text(tmp_path: Path) -> None:
    found = load_credentials(write(tmp_path, "a: {user: 007, password: 0123}", "logins.yaml"))
    assert (found["a"].user, found["a"].password) == ("007", "0123")


def test_the_city_that_comes_along_is_one() -> None:
    found = load_city(REPO / "samples" / "city.yaml")
    assert [camera.id for camera in found.cameras] == ["plaza", "rendered"]
    for camera in found.cameras:
        assert camera.scene is not None
        assert scene_of(dict(camera.scene), camera.id).lines
