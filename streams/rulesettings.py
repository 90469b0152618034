"""The settings of an incident kind, as they are read from YAML and as JSON Schema.

Both come from the kind's frozen ``Settings`` dataclass, so a new kind needs nothing here. A field
is bool, int, float, str, a Literal of texts, a tuple of these, or one of these or None; its help
is ``field(metadata={"help": "..."})``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union

from streams.yamlfile import Item, did_you_mean, listed, quoted
from vision.rules.base import Rule
from vision.types import JsonValue

RULE_FIELDS = (
    "name",
    "kind",
    "zone",
    "line",
    "classes",
    "severity",
    "cooldown_s",
    "schedule",
    "enabled",
)
"""Fields that every rule has; no setting may carry one of these names."""

_READERS: Mapping[type, str] = types.MappingProxyType(
    {bool: "flag", int: "integer", float: "number", str: "text"}
)
_JSON_TYPES: Mapping[type, str] = types.MappingProxyType(
    {bool: "boolean", int: "integer", float: "number", str: "string"}
)


def setting_types(kind: type[Rule]) -> dict[str, Any]:
    """Name to type of the kind's settings, in their order. Raises TypeError where a setting has
    the name of a field that every rule has."""
    hints = typing.get_type_hints(kind.Settings)
    names = [field.name for field in dataclasses.fields(kind.Settings) if field.init]
    for name in names:
        if name in RULE_FIELDS:
            raise TypeError(f"{kind.kind}.Settings.{name} has the name of a field of every rule")
    return {name: hints[name] for name in names}


def read_setting(hint: Any, item: Item) -> object:
    """The value of one setting of type ``hint``; ``item`` fails where it does not fit."""
    if hint in _READERS:
        value: object = getattr(item, _READERS[hint])()
        return value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        if (text := item.text()) not in arguments:
            hint = did_you_mean(text, arguments) or f"; write one of {listed(arguments)}"
            item.fail(f"unknown value {quoted(text)}{hint}")
        return text
    if origin is tuple and arguments[-1] is Ellipsis:
        return tuple(read_setting(arguments[0], entry) for entry in item.items())
    if origin is tuple:
        entries = item.items()
        if len(entries) != len(arguments):
            item.fail(f"expected {len(arguments)} values, found {len(entries)}; write that many")
        return tuple(map(read_setting, arguments, entries))
    return None if item.is_null else read_setting(_without_none(hint), item)


def settings_schema(kind: type[Rule]) -> dict[str, JsonValue]:
    """JSON Schema of each setting, by name: type, default and description."""
    defaults = kind.Settings()
    help_of = {
        field.name: field.metadata.get("help") for field in dataclasses.fields(kind.Settings)
    }
    found: dict[str, JsonValue] = {}
    for name, hint in setting_types(kind).items():
        schema = _type_schema(hint)
        if help_of[name]:
            schema["description"] = str(help_of[name])
        schema["default"] = _json_value(getattr(defaults, name))
        found[name] = schema
    return found


def _type_schema(hint: Any) -> dict[str, JsonValue]:
    if hint in _JSON_TYPES:
        return {"type": _JSON_TYPES[hint]}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _type_schema(arguments[0])}
    if origin is tuple:
        each: list[JsonValue] = [_type_schema(argument) for argument in arguments]
        return {"type": "array", "prefixItems": each, "items": False, "minItems": len(each)}
    return {"anyOf": [_type_schema(_without_none(hint)), {"type": "null"}]}


def _without_none(hint: Any) -> Any:
    """T of ``T | None``; every other type that comes here has no form in a scene file."""
    union = typing.get_origin(hint) in (Union, types.UnionType)
    others = [argument for argument in typing.get_args(hint) if argument is not type(None)]
    if not union or len(others) != 1:
        raise TypeError(f"a setting of type {hint} has no form in a scene file")
    return others[0]


def _json_value(value: Any) -> JsonValue:
    if isinstance(value, tuple):
        return [_json_value(entry) for entry in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a default {value!r} has no form in a JSON Schema")
