"""The house rules hold over the whole tree."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.checks import CHECKS, HOMES, OUTERMOST_LOOPS, Check
from tests.architecture.source import SHIPPED, Source, functions, imports, sources
from tests.needs import REPO

# Run in a fresh interpreter: outside packages first, then ours under an audit of what they do.
AUDIT = """
import contextlib, importlib, json, sys
sys.path.insert(0, sys.argv[1])
outside, ours, done = json.loads(sys.argv[2]), json.loads(sys.argv[3]), []
for name in outside:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
DATA = (".onnx", ".npz", ".pt", ".mp4", ".avi", ".yaml", ".yml", ".db", ".sqlite")
def hook(event, args):
    if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen",
                 "os.system", "os.posix_spawn", "os.fork", "os.putenv", "sqlite3.connect"}:
        done.append(f"{event} {args!r}")
    elif event == "open" and str(args[0]).endswith(DATA):
        done.append(f"opens {args[0]}")
sys.addaudithook(hook)
for name in ours:
    before = len(done)
    importlib.import_module(name)
    done[before:] = [f"{name}: {what}" for what in done[before:]]
print(json.dumps(done))
"""


@cache
def whole_tree() -> tuple[Source, ...]:
    """Every file, read once for all checks."""
    return tuple(sources())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_tree_keeps(check: Check) -> None:
    found = [finding for source in whole_tree() for finding in check(source)]
    assert not found, "\n".join(found)


def test_the_tree_was_looked_at() -> None:
    paths = {str(source.path) for source in whole_tree()}
    assert {"vision/types.py", "vision/rules/base.py", "tests/conftest.py"} <= paths


def test_every_outermost_loop_that_may_catch_everything_exists() -> None:
    known = {
        f"{source.path}::{'.'.join(filter(None, (inside, node.name)))}"
        for source in whole_tree()
        for inside, node in functions(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert known >= OUTERMOST_LOOPS


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(tool), "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_import_directions_hold() -> None:
    result = lint_imports(REPO)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("path", "line", "contract"),
    [
        ("vision/wrong.py", "import models", "api stands on streams"),
        ("models/wrong.py", "import vision", "api stands on streams"),
        ("streams/wrong.py", "import api", "api stands on streams"),
        ("api/wrong.py", "import models", "api outside its command line never imports models"),
        ("api/wrong.py", "import cv2", "api outside its command line never touches pictures"),
        ("vision/rules/wrong.py", "import socket", "vision does no input or output"),
        ("streams/wrong.py", "import onnxruntime", "onnxruntime lives in models"),
        ("models/wrong.py", "import ultralytics", "ultralytics lives in models.export"),
        ("api/cli/wrong.py", "import av", "PyAV lives in streams"),
        ("streams/wrong.py", "import redis", "redis lives in streams.bus"),
        ("api/wrong.py", "import sqlalchemy", "SQLAlchemy and Alembic live in api.store"),
    ],
)
def test_the_import_directions_can_break(
    tmp_path: Path, path: str, line: str, contract: str
) -> None:
    shutil.copy(REPO / "pyproject.toml", tmp_path)
    for package in ("vision", "vision/rules", "streams", "models", "api", "api/cli"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    clean = lint_imports(tmp_path)
    assert clean.returncode == 0, clean.stdout + clean.stderr

    (tmp_path / path).write_text(line, encoding="utf-8")
    broken = [row for row in lint_imports(tmp_path).stdout.splitlines() if row.endswith("BROKEN")]
    assert len(broken) == 1
    assert broken[0].startswith(contract)


def audit(root: Path, outside: list[str], ours: list[str]) -> list[str]:
    """What the modules ``ours`` did while they were imported."""
    result = subprocess.run(
        [sys.executable, "-c", AUDIT, str(root), json.dumps(outside), json.dumps(ours)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found: list[str] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_nothing_connects_or_loads_at_import() -> None:
    shipped = [source for source in whole_tree() if source.shipped]
    ours = [
        ".".join(source.path.with_suffix("").parts).removesuffix(".__init__")
        for source in shipped
        if source.path.stem != "__main__"
    ]
    outside = {
        name
        for source in shipped
        for _, name in imports(source)
        if name and name.partition(".")[0] not in {*SHIPPED, "ultralytics", "__future__"}
    }
    parents = {name.rpartition(".")[0] for name in outside} - {""}
    assert audit(REPO, sorted(outside | parents | set(HOMES) - {"ultralytics"}), ours) == []


@pytest.mark.parametrize(
    "line",
    [
        "import socket; socket.socket().connect_ex(('127.0.0.1', 9))",
        "import subprocess; subprocess.run(['true'])",
        "import pathlib; pathlib.Path(__file__).with_name('a.onnx').read_bytes()",
        "import sqlite3; sqlite3.connect(':memory:')",
    ],
)
def test_the_audit_sees_what_an_import_does(tmp_path: Path, line: str) -> None:
    (tmp_path / "wrong.py").write_text(line, encoding="utf-8")
    (tmp_path / "a.onnx").touch()
    (found,) = audit(tmp_path, [], ["wrong"])
    assert found.startswith("wrong: ")
