"""Kinds are found by looking into their folder; one that cannot be had is fatal."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.needs import REPO
from vision.rules import registry
from vision.rules.base import Rule

A_RULE = """
from dataclasses import dataclass
from vision.rules.base import Rule

@dataclass(frozen=True)
class Settings:
    pass

class Bonfire(Rule):
    kind = "bonfire"
    place = "zone"
    classes = ("person",)
    Settings = Settings

    def update(self, tracked, scene):
        return []

    def explain(self, tracked, scene):
        return []
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of kinds that is looked at instead of ``vision.rules``."""
    name = "a_package_of_kinds"
    package = types.ModuleType(name)
    package.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, name, package)
    monkeypatch.setattr(registry, "package", package)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    importlib.invalidate_caches()
    yield tmp_path
    for loaded in [module for module in sys.modules if module.startswith(f"{name}.")]:
        del sys.modules[loaded]


def look() -> Mapping[str, type[Rule]]:
    """``kinds()`` without its memory."""
    return registry.kinds.__wrapped__()


def test_a_new_file_is_a_new_kind(elsewhere: Path) -> None:
    assert look() == {}
    (elsewhere / "bonfire.py").write_text(A_RULE)
    (elsewhere / "base.py").write_text("raise RuntimeError('no kind')")
    (elsewhere / "level.py").write_text("raise RuntimeError('no kind')")
    (elsewhere / "registry.py").write_text("raise RuntimeError('no kind')")
    assert list(look()) == ["bonfire"]
    assert look()["bonfire"].kind == "bonfire"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import a_library_that_nobody_has", ModuleNotFoundError),
        ("1 / 0", ZeroDivisionError),
        ("class Bonfire(:", SyntaxError),
        ("", ImportError),
        ("from vision.rules.intrusion import Intrusion", ImportError),
        (A_RULE.replace('"bonfire"', '"campfire"'), ImportError),
        (A_RULE + "\nclass Second(Bonfire):\n    kind = 'second'\n", ImportError),
    ],
    ids=["import", "crash", "syntax", "nothing", "borrowed", "misnamed", "two"],
)
def test_a_kind_that_cannot_be_had_is_fatal(
    text: str, error: type[Exception], elsewhere: Path
) -> None:
    (elsewhere / "aaa.py").write_text(A_RULE.replace('"bonfire"', '"aaa"'))
    (elsewhere / "bonfire.py").write_text(text)
    with pytest.raises(error) as caught:
        look()
    if error is ImportError:
        assert str(caught.value).endswith("must define exactly one Rule, of kind 'bonfire'")


def test_kinds_are_the_files_of_the_folder() -> None:
    files = {path.stem for path in (REPO / "vision" / "rules").glob("*.py")}
    assert set(registry.kinds()) == files - {"__init__", "base", "level", "registry", "stopping"}
    assert {"intrusion", "line_crossing", "loitering"} <= set(registry.kinds())
