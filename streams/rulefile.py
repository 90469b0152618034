"""Reads one rule of a scene file: what every rule has, and the settings of its kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn, cast

from streams.rulesettings import RULE_FIELDS, read_setting, setting_types
from streams.schedulefile import read_schedule
from streams.yamlfile import Item, did_you_mean, listed, quoted
from vision.rules.base import Rule
from vision.scene import RuleConfig, Scene
from vision.types import Severity


def read_rule(item: Item, scene: Scene, kinds: Mapping[str, type[Rule]]) -> tuple[Item, RuleConfig]:
    fields = item.mapping()
    if "kind" not in fields:
        every = {name for kind in kinds.values() for name in setting_types(kind)}
        item.refuse_unknown(fields, (*RULE_FIELDS, *sorted(every)))
    kind_item = item.required(fields, "kind", next(iter(kinds), "<kind>"))
    kind_name = kind_item.text()
    if kind_name not in kinds:
        hint = did_you_mean(kind_name, kinds) or "; write one of these"
        kind_item.fail(f"unknown kind {quoted(kind_name)} (kinds are {listed(kinds)}){hint}")
    kind = kinds[kind_name]
    types = setting_types(kind)
    item.refuse_unknown(fields, (*RULE_FIELDS, *types))
    place = _place(item, fields, kind, scene)
    name = (
        fields["name"].text()
        if "name" in fields
        else f"{kind_name}@{place}"
        if place
        else kind_name
    )
    classes = _rule_classes(fields, kind, scene)
    values = {key: read_setting(types[key], fields[key]) for key in types if key in fields}
    try:
        settings = kind.Settings(**values)
    except ValueError as problem:
        fail_rule(item, name, problem)
    return item, RuleConfig(
        name,
        kind_name,
        place,
        classes,
        settings,
        severity=(
            cast("Severity", read_setting(Severity, fields["severity"]))
            if "severity" in fields
            else None
        ),
        cooldown_s=_cooldown(fields["cooldown_s"]) if "cooldown_s" in fields else None,
        schedule=read_schedule(fields["schedule"]) if "schedule" in fields else None,
        enabled=fields["enabled"].flag() if "enabled" in fields else True,
    )


def _cooldown(item: Item) -> float:
    if (seconds := item.number()) < 0:
        item.fail(f"{item.shown} is below 0; write seconds from 0 on")
    return seconds


def _place(item: Item, fields: Mapping[str, Item], kind: type[Rule], scene: Scene) -> str:
    """The zone or line that a rule watches, "" for the camera as a whole; fails where its kind
    needs the other, or none is drawn under that name."""
    if kind.place == "camera":
        for name, value in fields.items():
            if name in ("zone", "line", "classes"):
                value.fail(
                    f"kind '{kind.kind}' watches the camera as a whole; remove this field",
                    line=value.key_line,
                )
        return ""
    wanted, other = kind.place, "line" if kind.place == "zone" else "zone"
    drawn = [place.name for place in (scene.zones if wanted == "zone" else scene.lines)]
    example = f"'{wanted}: {drawn[0] if drawn else 'name'}'"
    if other in fields:
        extra = " as well" if wanted in fields else ""
        verb = "remove this field" if extra else f"write {example} instead"
        fields[other].fail(
            f"kind '{kind.kind}' watches a {wanted}, but a {other} is given{extra}; {verb}",
            line=fields[other].key_line,
        )
    if wanted not in fields:
        item.fail(f"kind '{kind.kind}' watches a {wanted}, but none is given; add {example}")
    name = fields[wanted].text()
    if name not in drawn:
        no_place(fields[wanted], wanted, name, drawn)
    return name


def _rule_classes(fields: Mapping[str, Item], kind: type[Rule], scene: Scene) -> tuple[str, ...]:
    """The classes that a rule looks at: its own, or its kind's that the scene uses; none where it
    watches the camera as a whole."""
    if kind.place == "camera":
        return ()
    if "classes" not in fields:
        if not (kind.classes and scene.classes):
            return kind.classes or scene.classes
        return tuple(name for name in kind.classes if name in scene.classes)
    classes = read_classes(fields["classes"])
    for name, entry in zip(classes, fields["classes"].items(), strict=True):
        if scene.classes and name not in scene.classes:
            entry.fail(
                f"class {quoted(name)} is not among the scene's classes ({listed(scene.classes)}); "
                "add it there or remove it here"
            )
    return classes


def fail_rule(item: Item, name: str, problem: ValueError) -> NoReturn:
    """Blame the setting that the message names, otherwise the rule."""
    text = str(problem)
    settings = {key: value for key, value in item.mapping().items() if key not in RULE_FIELDS}
    blamed = next(
        (value for key, value in settings.items() if re.search(rf"\b{re.escape(key)}\b", text)),
        item,
    )
    blamed.fail(f"rule {quoted(name)}: {text}")


def read_classes(item: Item) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for entry in item.items():
        if (name := entry.text()) in found:
            entry.fail(f"class {quoted(name)} is listed twice; remove one of them")
        found[name] = None
    if not found:
        item.fail("the list is empty; name a class or leave the field out")
    return tuple(found)


def no_place(item: Item, what: str, name: str, drawn: list[str]) -> NoReturn:
    hint = did_you_mean(name, drawn) or f"; draw it under '{what}s'"
    others = f" ({what}s are {listed(drawn)})" if drawn else ""
    item.fail(f"there is no {what} {quoted(name)}{others}{hint}")
