"""Every incident kind in this folder, found by looking: a new file is a new kind."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType

import vision.rules as package
from vision.rules.base import Rule
from vision.scene import RuleConfig, Scene

_NOT_KINDS = {"base", "level", "registry", "stopping"}


@cache
def kinds() -> MappingProxyType[str, type[Rule]]:
    """Kind to rule class, by name. A module that does not import, or holds no rule of its own
    name, is an error here and now: a rule that is silently missing is an alert that never comes."""
    found: dict[str, type[Rule]] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        if info.name in _NOT_KINDS:
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        rules = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, Rule)
            and value.__module__ == module.__name__
        ]
        if len(rules) != 1 or rules[0].kind != info.name:
            raise ImportError(
                f"{module.__name__} must define exactly one Rule, of kind '{info.name}'"
            )
        found[info.name] = rules[0]
    return MappingProxyType(found)


def camera_rules(scene: Scene) -> tuple[RuleConfig, ...]:
    """The rules about the camera itself: those of ``scene``, and the others with their defaults.
    Every camera watches itself unless its scene says otherwise."""
    drawn = tuple(rule for rule in scene.rules if kinds()[rule.kind].place == "camera")
    named = {rule.kind for rule in drawn}
    return drawn + tuple(
        RuleConfig(name, name, "", (), kind.Settings())
        for name, kind in kinds().items()
        if kind.place == "camera" and name not in named
    )


def place_rules(scene: Scene) -> tuple[RuleConfig, ...]:
    """The rules of ``scene`` that watch a zone or a line."""
    return tuple(rule for rule in scene.rules if kinds()[rule.kind].place != "camera")
