"""The wheel holds all that it needs, overwrites nobody, and works where it is put."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from email.parser import Parser
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.source import SHIPPED
from tests.needs import REPO

PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = {"onnx", "opencv-python", "pandas", "polars", "pyarrow", "torch", "ultralytics"}
BESIDE_CODE = ("pyproject.toml", "README.md", "LICENSE", "NOTICE")

LIST_SAMPLES = """
import importlib.resources, json
def walk(folder, at=""):
    for entry in folder.iterdir():
        yield from walk(entry, f"{at}{entry.name}/") if entry.is_dir() else [at + entry.name]
import samples, vision
print(json.dumps([vision.__file__, sorted(walk(importlib.resources.files("samples")))]))
"""


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    result = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without the network from a copy of what ships."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in BESIDE_CODE:
        shutil.copy(REPO / name, source)
    for package in SHIPPED:
        shutil.copytree(
            REPO / package, source / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    offline = ("--no-index", "--no-deps", "--no-build-isolation")
    pip("wheel", *offline, "--wheel-dir", folder, source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def target(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel and nothing else."""
    folder = tmp_path_factory.mktemp("target")
    pip("install", "--no-index", "--no-deps", "--target", folder, wheel)
    return folder


def shipped_files() -> set[str]:
    """Every file of ours that the wheel must hold."""
    return {
        file.relative_to(REPO).as_posix()
        for package in SHIPPED
        for file in (REPO / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and "cache" not in file.parts
    }


def test_the_wheel_holds_every_file_and_no_other(names: list[str]) -> None:
    ours = {name for name in names if ".dist-info/" not in name}
    assert ours == shipped_files()


@pytest.mark.parametrize(
    "pattern",
    [
        r"models/manifest\.yaml",
        r"models/weights/.+\.onnx",
        r"samples/clips/.+\.mp4",
        r"samples/scenes/.+\.ya?ml",
        r"(vision|streams|models|api)/py\.typed",
        r"matakota-[^/]+\.dist-info/licenses/LICENSE",
        r"matakota-[^/]+\.dist-info/licenses/NOTICE",
        r"matakota-[^/]+\.dist-info/licenses/models/weights/NOTICE\.md",
    ],
)
def test_the_wheel_holds(names: list[str], pattern: str) -> None:
    assert any(re.fullmatch(pattern, name) for name in names), names


def test_the_wheel_asks_for_nothing_heavy(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    wanted = map(Requirement, metadata.get_all("Requires-Dist", []))
    runtime = {canonicalize_name(r.name) for r in wanted if "extra" not in str(r.marker or "")}
    assert "opencv-python-headless" in runtime
    assert not runtime & HEAVY
    assert metadata["License-Expression"] == "Apache-2.0"


def clashes(ours: Iterable[str], theirs: Iterable[str]) -> set[str]:
    """Files of theirs that ours would overwrite, or that lie in a top-level package of ours."""
    ours = set(ours)
    tops = {path.partition("/")[0] for path in ours if "/" in path}
    return {path for path in theirs if path in ours or path.partition("/")[0] in tops}


def installed(but: str) -> dict[str, list[str]]:
    """The files of every installed distribution but one."""
    return {
        dist.metadata["Name"]: [file.as_posix() for file in dist.files or []]
        for dist in distributions()
        if canonicalize_name(dist.metadata["Name"]) != but
    }


def test_installing_overwrites_no_other_distribution(names: list[str]) -> None:
    others = installed(but="matakota")
    assert others
    found = {name: clash for name, files in others.items() if (clash := clashes(names, files))}
    assert not found


def test_a_clash_is_seen() -> None:
    ours = ["api/__init__.py", "matakota.py"]
    theirs = ["api/__init__.py", "api/other.py", "matakota.py", "apis/__init__.py"]
    assert clashes(ours, theirs) == {"api/__init__.py", "api/other.py", "matakota.py"}


def test_one_distribution_provides_cv2() -> None:
    providers = [
        name
        for name, files in installed(but="matakota").items()
        if any(file.startswith("cv2/") for file in files)
    ]
    assert providers == ["opencv-python-headless"]


def run_in(target: Path, *arguments: str) -> str:
    """Run Python from elsewhere, with the installed wheel before all else on its path."""
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=target.parent,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_installed_wheel_lists_its_samples(target: Path) -> None:
    where, listed = json.loads(run_in(target, "-c", LIST_SAMPLES))
    assert Path(where).is_relative_to(target)
    files = {f"samples/{name}" for name in listed if "__pycache__" not in name}
    assert files == {name for name in shipped_files() if name.startswith("samples/")}


def test_the_installed_command_answers(target: Path) -> None:
    call = "import sys; sys.argv = ['matakota', '--help']; from api.cli import main; main()"
    said = run_in(target, "-c", call)
    assert "matakota" in said


def locked() -> dict[str, str]:
    """Name and version of every package in the lock; each must carry a hash."""
    text = (REPO / "requirements.lock").read_text(encoding="utf-8")
    body = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    pins: dict[str, str] = {}
    for entry in re.split(r"(?<!\\)\n", body):
        if entry.strip():
            assert "--hash=sha256:" in entry, f"no hash: {entry[:60]}"
            name, _, version = entry.split()[0].partition("==")
            pins[canonicalize_name(name)] = version
    return pins


def test_the_lock_has_all_that_the_project_asks_for() -> None:
    pins = locked()
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    asked = [
        *project["dependencies"],
        *(line for name in ("build", "test", "bench") for line in extras[name]),
        *PROJECT["dependency-groups"]["measure"],
        *PROJECT["build-system"]["requires"],
    ]
    for requirement in map(Requirement, asked):
        version = pins.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not locked: run make lock"
        assert version in requirement.specifier, f"{requirement} but locked {version}"


def test_the_lock_names_no_index_and_no_second_cv2() -> None:
    text = (REPO / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert not {"opencv-python", "opencv-contrib-python", "torch", "torchvision"} & set(locked())
