"""``matakota config``: a file becomes the configuration whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from api.cli import run
from api.cli.config import SHOWN, what_changed
from api.store import Actor, Applied, Store
from tests.api.served import sqlite_url
from tests.needs import REPO

Config = Callable[..., tuple[int, str, str]]

SCENE = """\
frame_size: [768, 576]
classes: [person]
lines:
  - {name: gate, points: [[384, 60], [384, 500]]}
"""
CITY = """\
name: Makassar
cameras:
  - {id: plaza, source: "rtsp://10.0.0.5/live", scene: plaza.yaml}
  - {id: port, source: "rtsp://10.0.0.6/live"}
"""


@pytest.fixture
def config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Config]:
    """The command in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("MATAKOTA_DATA", str(tmp_path))
    monkeypatch.delenv("MATAKOTA_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    write(tmp_path, SCENE, "plaza.yaml")
    write(tmp_path, CITY)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["config", *arguments])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


def write(folder: Path, text: str, name: str = "city.yaml") -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_what_changes_is_said(config: Config, tmp_path: Path) -> None:
    assert config("apply", "city.yaml") == (
        0,
        "configuration 1: 2 cameras\nadded 2: plaza, port\nplaza: scene revision 1\n",
        "",
    )
    assert config("apply", "city.yaml") == (
        0, "configuration 1: nothing changed, 2 cameras\n", "",
    )  # fmt: skip
    write(tmp_path, SCENE.replace("384", "390"), "plaza.yaml")
    write(tmp_path, CITY.replace("id: port", "id: harbour"))
    assert config("apply", "city.yaml") == (
        0,
        (
            "configuration 2: 2 cameras\nadded 1: harbour\nchanged 1: plaza\nremoved 1: port\n"
            "plaza: scene revision 2\n"
        ),
        "",
    )
    write(tmp_path, CITY.replace("id: port", "id: harbour").replace("Makassar", "Gowa"))
    assert config("apply", "city.yaml")[1] == (
        "configuration 3: 2 cameras\n"
        "changed: the city's name, networks or credentials, or its cameras' order\n"
    )


def test_what_is_shown_is_applied_to_the_same(config: Config, tmp_path: Path) -> None:
    config("apply", "city.yaml")
    code, shown, said = config("show")
    assert (code, said) == (0, "")
    assert shown.startswith("name: Makassar\ncameras:\n- id: plaza\n  source: rtsp://10.0.0.5:554/")
    (tmp_path / "plaza.yaml").unlink()
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", shown, "again.yaml")
    assert config("apply", "other/again.yaml")[1] == (
        "configuration 1: nothing changed, 2 cameras\n"
    )
    assert config("show")[1] == shown


def test_the_cities_that_come_along_are_shown_and_applied(config: Config, tmp_path: Path) -> None:
    assert config("apply", str(REPO / "samples" / "city.yaml"))[0] == 0
    write(tmp_path, config("show")[1], "again.yaml")
    assert "nothing changed" in config("apply", "again.yaml")[1]


def test_a_dry_run_stores_nothing(config: Config) -> None:
    code, out, said = config("apply", "city.yaml", "--dry-run")
    assert (code, said) == (0, "")
    assert out.startswith("nothing is stored; this would be\nconfiguration 1: 2 cameras\nadded 2")
    code, out, said = config("show")
    assert (code, out) == (2, "")
    assert said == (
        "matakota: there is no configuration yet: run 'matakota config apply CITY', or name a "
        "city's file with -c\n"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"city.yaml": ""}, "city.yaml:1: the file is empty"),
        ({"city.yaml": "cameras: []"}, "there is no camera"),
        ({"city.yaml": "nonsense"}, "expected a mapping of fields"),
        ({"city.yaml": CITY + "  - {id: plaza, source: synthetic}\n"}, "is in line 3 already"),
        ({"city.yaml": CITY.replace("rtsp:", "file:")}, "neither rtsp:// nor rtsps://"),
        ({"city.yaml": CITY.replace("plaza.yaml", "nowhere.yaml")}, "there is no such file"),
        ({"plaza.yaml": SCENE.replace("384", "999")}, "lies outside the picture of 768x576"),
        (
            {"plaza.yaml": SCENE.replace("person", "unicorn")},
            "camera plaza: the model does not know the class 'unicorn'",
        ),
        (
            {
                "plaza.yaml": SCENE
                + "rules: [{kind: line_crossing, line: gate, name: r, classes: [person]}]\n",
                "city.yaml": CITY.replace("plaza.yaml", "plaza.yaml, model: motion"),
            },
            "camera plaza: ",
        ),
        (
            {"city.yaml": CITY.replace("plaza.yaml", "plaza.yaml, model: nanodet_x")},
            "camera plaza: ",
        ),
        (
            {"city.yaml": CITY.replace("plaza.yaml", "plaza.yaml, model: own.onnx")},
            "camera plaza: ",
        ),
        ({"city.yaml": "credentials: logins.yaml\n" + CITY}, "logins.yaml: there is no such file"),
    ],
)
def test_what_workers_could_not_run_is_not_stored(
    config: Config, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    config("apply", "city.yaml")
    shown = config("show")
    for name, text in change.items():
        write(tmp_path, text, name)
    for arguments in (["city.yaml"], ["--dry-run", "city.yaml"]):
        code, out, err = config("apply", *arguments)
        assert (code, out) == (2, "")
        assert said in err
        assert err.startswith("matakota: ")
        assert err.count("\n") == 1
    assert config("show") == shown


def test_a_password_is_stored_nowhere(config: Config, tmp_path: Path) -> None:
    (tmp_path / "logins.yaml").touch(0o600)
    write(tmp_path, "all: {user: operator, password: canary-not-real}\n", "logins.yaml")
    write(tmp_path, "credentials: logins.yaml\n" + CITY.replace('live"', 'live", login: all'))
    assert config("apply", "city.yaml")[0] == 0
    code, shown, _ = config("show")
    assert code == 0
    assert f"credentials: {tmp_path}/logins.yaml\n" in shown
    assert "login: all\n" in shown
    assert "canary" not in shown
    for file in tmp_path.glob("matakota.db*"):
        assert b"canary" not in file.read_bytes()
    # whoever reads it again needs the file
    write(tmp_path, shown, "again.yaml")
    assert "nothing changed" in config("apply", "again.yaml")[1]
    (tmp_path / "logins.yaml").chmod(0o644)
    code, _, said = config("apply", "again.yaml")
    assert code == 2
    assert "chmod 600" in said


def test_what_is_odd_about_a_scene_is_a_warning(config: Config, tmp_path: Path) -> None:
    write(tmp_path, SCENE.replace("384", "2"), "plaza.yaml")
    code, out, said = config("apply", "city.yaml")
    assert (code, out[:15]) == (0, "configuration 1")
    assert "line 'gate' runs along the left edge" in said
    assert "camera=plaza" in said


def test_a_database_that_is_gone(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATAKOTA_DATABASE_URL", f"sqlite:///{tmp_path}/none/m.db")
    for arguments in (["apply", "city.yaml"], ["show"]):
        code, out, said = config(*arguments)
        assert (code, out) == (2, "")
        assert "cannot be opened" in said


def test_what_was_drawn_over_is_said(config: Config, tmp_path: Path) -> None:
    config("apply", "city.yaml")
    write(tmp_path, SCENE.replace("gate", "door"), "plaza.yaml")
    assert "in force any more" not in config("apply", "city.yaml")[1]
    with Store.open(sqlite_url(tmp_path)) as store:
        before = store.scenes.get("plaza")
        assert before is not None
        drawn = before.document | {"classes": ["car"]}
        store.scenes.draw("plaza", drawn, Actor("user", "kendali"), base=2)
    said = config("apply", "city.yaml")[1]
    assert "not in force any more is what was drawn on plaza (kendali)" in said
    assert "in force any more" not in config("apply", "city.yaml")[1]


def test_many_cameras_are_a_few_lines() -> None:
    names = tuple(f"c{n}" for n in range(468))
    applied = Applied(1, 468, True, names, (), (), dict.fromkeys(names, 1))
    lines = what_changed(applied)
    assert len(lines) == 3 + SHOWN
    assert lines[1].startswith("added 468: c0, c1, ")
    assert lines[-1] == f"and {468 - SHOWN} more scenes"


def test_the_store_is_asked_last(config: Config, tmp_path: Path) -> None:
    write(tmp_path, "cameras: []")
    assert config("apply", "city.yaml")[0] == 2
    assert not (tmp_path / "matakota.db").exists()
    write(tmp_path, CITY)
    assert config("apply", "city.yaml")[0] == 0
    with Store.open(sqlite_url(tmp_path)) as store:
        assert store.configuration.number() == 1
