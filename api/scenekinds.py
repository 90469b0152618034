"""What can be drawn, over HTTP: the shape of scenes, and what a rule of each kind can be told."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeAlias

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.forms.page import language_of
from api.i18n import N_, Language, Texts, texts
from api.kinds import kind_name
from api.services import problems
from streams.rulesettings import setting_types
from streams.sceneschema import scene_schema
from vision.replay import why_not
from vision.rules.base import Rule
from vision.rules.registry import kinds
from vision.scene import RuleConfig
from vision.types import Severity

SettingType: TypeAlias = Literal["int", "float", "bool", "str", "list", "choice"]
UNITS: Final[Mapping[str, str]] = {
    "_per_m2": N_("per m²"),
    "_kmh": N_("km/h"),
    "_px": N_("px"),
    "_deg": N_("°"),
    "_heights": N_("heights"),
    "_m": N_("m"),
    "_s": N_("s"),
}
"""What the end of a setting's name says about its number."""
_TYPES: Final[Mapping[Any, SettingType]] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
}
PARTS: Final = ("_share", "_score")
"""What ends so is a part of 1, as far as its kind says so."""
MOST_FLOOR: Final = 100
"""No setting needs more than this."""

router = APIRouter(tags=["cameras"])


class SettingOut(BaseModel):
    """One setting of a kind."""

    name: str
    type: SettingType
    default: JsonValue
    optional: Annotated[bool, Field(description="Whether null, or leaving it out, says something.")]
    unit: Annotated[str, Field(description="Of its number; may be empty.")]
    minimum: Annotated[float | None, Field(description="None is lower.")]
    maximum: Annotated[float | None, Field(description="None is higher.")]
    choices: Annotated[list[str] | None, Field(description="One of these, where it is a choice.")]
    explained: Annotated[str, Field(description="One sentence.")]


class KindOut(BaseModel):
    """One kind of incident."""

    kind: str
    name: str
    place: Annotated[Literal["zone", "line", "camera"], Field(description="What it is drawn on.")]
    severity: Annotated[Severity, Field(description="Of its alerts, unless a rule says otherwise.")]
    cooldown_s: Annotated[float, Field(description="The same so soon after is the same incident.")]
    classes: Annotated[list[str], Field(description="What it looks at where a rule names none.")]
    stages: Annotated[list[str], Field(description="What it needs to see beside tracks.")]
    replayable: Annotated[bool, Field(description="Whether it can be tried on kept tracks.")]
    settings: list[SettingOut]


class KindsOut(BaseModel):
    """Every kind of incident that a rule can be of."""

    language: Language
    kinds: list[KindOut]


class KindsQuery(BaseModel):
    """In which language."""

    model_config = ConfigDict(extra="forbid")

    lang: Annotated[Language | None, Field(description="Else the caller's own.")] = None


@router.get("/scene/schema", summary="Read the shape of scenes", responses=problems())
def read_schema() -> dict[str, JsonValue]:
    """The JSON Schema (2020-12) of a scene. What it lets pass may still be wrong: check it."""
    return scene_schema()


@router.get("/scene/kinds", summary="List kinds of rules", responses=problems(422))
def list_kinds(request: Request, query: Annotated[KindsQuery, Query()]) -> KindsOut:
    """Each kind of incident, what it can be told and what that means, by name."""
    return _kinds(query.lang or language_of(request))


@cache
def _kinds(language: Language) -> KindsOut:
    _ = texts(language)
    found = [_kind(kind, _) for kind in kinds().values()]
    return KindsOut(language=language, kinds=sorted(found, key=lambda each: each.name.casefold()))


def _kind(kind: type[Rule], _: Texts) -> KindOut:
    tried = RuleConfig(kind.kind, kind.kind, "", kind.classes, kind.Settings())
    return KindOut(
        kind=kind.kind,
        name=kind_name(kind.kind, _),
        place=kind.place,
        severity=kind.severity,
        cooldown_s=kind.cooldown_s,
        classes=list(kind.classes),
        stages=list(kind.stages),
        replayable=why_not(tried) is None,
        settings=list(_settings(kind, _)),
    )


def _settings(kind: type[Rule], _: Texts) -> Iterator[SettingOut]:
    defaults = kind.Settings()
    helps = {field.name: field.metadata.get("help", "") for field in dataclasses.fields(defaults)}
    for name, hint in setting_types(kind).items():
        arguments = typing.get_args(hint)
        optional = types.NoneType in arguments
        plain = next((each for each in arguments if each is not types.NoneType), hint)
        plain = plain if optional else hint
        choice = typing.get_origin(plain) is Literal
        what: SettingType = "choice" if choice else _TYPES.get(plain, "list")
        number = what in {"int", "float"}
        unit = next((unit for end, unit in UNITS.items() if name.endswith(end)), "")
        default = getattr(defaults, name)
        yield SettingOut(
            name=name,
            type=what,
            default=list(default) if isinstance(default, tuple) else default,
            optional=optional,
            unit=_(unit) if number else "",
            minimum=_floor(kind, name, what) if number else None,
            maximum=1.0 if name.endswith(PARTS) and not _takes(kind, name, 1.01) else None,
            choices=list(typing.get_args(plain)) if choice else None,
            explained=_(helps[name]),
        )


def _floor(kind: type[Rule], name: str, what: SettingType) -> float | None:
    """The lowest number that the kind takes, by asking it; None where it takes those below 0,
    too. What has to be over 0 has no lowest number, and says 0."""
    lowest = next((n for n in range(-1, MOST_FLOOR + 1) if _takes(kind, name, n)), -1)
    if lowest < 0:
        return None
    return float(lowest) if what == "int" else 0.0


def _takes(kind: type[Rule], name: str, value: float) -> bool:
    try:
        kind.Settings(**{name: value})
    except ValueError:
        return False
    return True
