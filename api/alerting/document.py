"""The settings of who is told of what in a YAML file, read and written (``docs/alerting.md``)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from api.alerting.secrets import ChannelSecret, load_secrets
from api.alerting.settings import MAX_WORDS_CHARS, Alerting, Channel, Matcher
from streams.citydocument import yaml_of
from streams.schedulefile import read_schedule
from streams.yamlfile import Item, did_you_mean, listed, quoted, read_yaml
from vision.errors import ConfigError
from vision.types import JsonValue

MAX_CHANNELS: Final = 100
"""Each has a thread of its own while it is served."""
MAX_ENTRIES: Final = 2000
"""Routes, sites, inhibitions or pieces of advice: far more than anyone writes."""
_NAMED: Final = ("channels", "routes", "sites", "inhibitions")
_MATCHERS: Final = {
    "routes": ("match",),
    "inhibitions": ("source", "target"),
    "advice": ("match",),
}
Place: TypeAlias = tuple[str | int, ...]
"""Where in the settings, by names of fields and places in lists."""


def load_alerting(path: Path) -> Alerting:
    """The settings in a YAML file, checked, and that the file of secrets has what its channels
    need. Raises ConfigError: one line with file, line, field and the next step. The path in
    ``secrets`` is relative to the file's folder."""
    top = read_yaml(path, ConfigError)
    document = _document(top)
    if "secrets" in document:
        folder = Path(os.path.abspath(path.parent))
        document["secrets"] = str(folder / top.mapping()["secrets"].path())
    try:
        settings = Alerting.model_validate(document)
    except ValidationError as error:
        _fail(top, error)
    for place, problem in problems(settings):
        _at(top, place).fail(problem)
    for i, route in enumerate(settings.routes):
        if route.schedule is not None:
            read_schedule(_at(top, ("routes", i, "schedule")))
    secrets = {} if settings.secrets is None else load_secrets(Path(settings.secrets))
    for i, channel in enumerate(settings.channels):
        missing = lacking(channel, secrets)
        if missing is not None:
            _at(top, ("channels", i)).fail(missing)
    return settings


def problems(settings: Alerting) -> Iterator[tuple[Place, str]]:
    """What is wrong with settings whose fields are right each by itself, and where."""
    for section in ("channels", *_MATCHERS, "sites"):
        most = MAX_CHANNELS if section == "channels" else MAX_ENTRIES
        if len(getattr(settings, section)) > most:
            yield (section, most), f"there are at most {most} {section}; remove the others"
    for section in _NAMED:
        yield from _twice(section, [entry.name for entry in getattr(settings, section)])
    for i, channel in enumerate(settings.channels):
        if channel.url is not None and (problem := _address_problem(channel.url)):
            yield ("channels", i, "url"), problem
    yield from _cameras_in_two_sites(settings)
    names = [channel.name for channel in settings.channels]
    for place, name in _channels_named(settings):
        if name not in names:
            hint = did_you_mean(name, names) or "; add it to 'channels'"
            yield place, f"there is no channel {quoted(name)}{hint}"
    if settings.alarm is not None and not any(
        channel.enabled for channel in settings.channels if channel.name == settings.alarm
    ):
        yield ("alarm",), f"the channel {quoted(settings.alarm)} is switched off; enable it"
    sites = [site.name for site in settings.sites]
    for place, matcher in _matchers(settings):
        for i, name in enumerate(matcher.sites):
            if name not in sites:
                hint = did_you_mean(name, sites) or "; add it to 'sites'"
                yield (*place, "sites", i), f"there is no site {quoted(name)}{hint}"
    for i, inhibition in enumerate(settings.inhibitions):
        if not inhibition.source.kinds:
            yield (
                ("inhibitions", i, "source"),
                "it names no kind; add 'kinds: [camera_down]', say, since only these are watched",
            )


def lacking(channel: Channel, secrets: Mapping[str, ChannelSecret]) -> str | None:
    """What the file of secrets lacks for a channel, and what to do about it."""
    secret = secrets.get(channel.name, ChannelSecret())
    name = quoted(channel.name)
    if channel.kind == "apprise" and secret.url is None:
        return f"{name} has no 'url' in the file of secrets; add it there under this name"
    if channel.kind == "webhook" and secret.secret is None:
        return f"{name} has no 'secret' in the file of secrets; add it there under this name"
    return None


def alerting_yaml(settings: Alerting) -> str:
    """The settings as a file that ``load_alerting`` reads to the same; what is as by default is
    left out."""
    document = settings.model_dump(mode="json", exclude_defaults=True)
    return yaml_of({name: _shortened(value) for name, value in document.items()})


def _document(top: Item) -> dict[str, Any]:
    """The file's values, as the settings are validated from."""
    return {
        name: [_advice(entry) for entry in item.items()] if name == "advice" else item.plain()
        for name, item in top.mapping().items()
    }


def _advice(item: Item) -> JsonValue:
    """A piece of advice; its text may have several lines, which other texts may not."""
    fields = item.mapping()
    return {name: _words(it) if name == "text" else it.plain() for name, it in fields.items()}


def _words(item: Item) -> str:
    text = item.secret().strip()
    if not text or len(text) > MAX_WORDS_CHARS:
        item.fail(f"it has {len(text)} characters; write 1 to {MAX_WORDS_CHARS} of them")
    if not all(line.isprintable() for line in text.split("\n")):
        item.fail("it holds a control character; write visible text")
    return text


def _at(top: Item, place: Sequence[str | int]) -> Item:
    """The value at a place, or the nearest one around it that is there."""
    found = top
    for step in place:
        if isinstance(step, int):
            entries = found.items()
            if step >= len(entries):
                break
            found = entries[step]
        elif not found.is_mapping or step not in (fields := found.mapping()):
            break
        else:
            found = fields[step]
    return found


def _fail(top: Item, error: ValidationError) -> Any:
    """Fail with the first thing that pydantic says, at its place."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = first["loc"]
    item = _at(top, place)
    if first["type"] == "extra_forbidden":
        known = _fields(place[:-1])
        name = str(place[-1])
        hint = did_you_mean(name, known) or f"; known are {listed(known)}"
        line = item.key_line
        _at(top, place[:-1]).fail(f"unknown field {quoted(name)}{hint}", line=line)
    if first["type"] == "missing":
        item.fail(f"field '{place[-1]}' is missing; add it")
    said = str(first["msg"]).removeprefix("Value error, ")
    item.fail(f"{item.shown} does not fit, {said[:1].lower()}{said[1:]}; correct it")


def _fields(place: Sequence[str | int]) -> tuple[str, ...]:
    """The fields of what the settings have at a place."""
    model: type[BaseModel] = Alerting
    for step in place:
        if isinstance(step, str):
            model = _model(model.model_fields[step].annotation) or model
    return tuple(model.model_fields)


def _model(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as ``tuple[Route, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model(each))), None)


def _twice(section: str, names: Sequence[str]) -> Iterator[tuple[Place, str]]:
    for i, name in enumerate(names):
        if name in names[:i]:
            yield (
                (section, i),
                f"another one is called {quoted(name)} too; give this one another 'name'",
            )


def _address_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "it is no address; write one such as https://desk.example/alerts"
    if not known or not url.isprintable() or " " in url:
        return "it is no address; write one such as https://desk.example/alerts"
    if "@" in parts.netloc or parts.fragment:
        return "an address has no login and no '#' in it; write it without"
    return None


def _cameras_in_two_sites(settings: Alerting) -> Iterator[tuple[Place, str]]:
    sites: dict[str, str] = {}
    for i, site in enumerate(settings.sites):
        for j, camera in enumerate(site.cameras):
            if camera in sites:
                yield (
                    ("sites", i, "cameras", j),
                    f"{quoted(camera)} is in site {quoted(sites[camera])} too; remove it from one",
                )
            sites[camera] = site.name


def _channels_named(settings: Alerting) -> Iterator[tuple[Place, str]]:
    for i, route in enumerate(settings.routes):
        for j, name in enumerate(route.channels):
            yield ("routes", i, "channels", j), name
        for j, escalation in enumerate(route.escalate):
            for k, name in enumerate(escalation.channels):
                yield ("routes", i, "escalate", j, "channels", k), name
    if settings.alarm is not None:
        yield ("alarm",), settings.alarm


def _matchers(settings: Alerting) -> Iterator[tuple[Place, Matcher]]:
    for section, fields in _MATCHERS.items():
        for i, entry in enumerate(getattr(settings, section)):
            for name in fields:
                yield (section, i, name), getattr(entry, name)


def _shortened(value: Any) -> Any:
    """Numbers as people write them."""
    if isinstance(value, dict):
        return {name: _shortened(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_shortened(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
