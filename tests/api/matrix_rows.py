"""The rows that the access matrix has to have: each way in there is, by what is served, by the
table of paths, by the forms of the pages and by the API's own description."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from api.access import RULES, find_rule
from tests.needs import REPO

TEMPLATES: Final = REPO / "api" / "forms" / "templates"


class Row(NamedTuple):
    """One way in, and of which camera something is asked there; "-" for none or all."""

    kind: str
    method: str
    path: str
    object: str


def _ways(routes: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """Kind, method and path of everything that is served or that the table of paths names."""
    covered = set()
    forms = list(_forms())
    for kind, method, path in routes:
        found = [(kind, method, path)]
        if kind == "mount":
            rest = "rest" if path.endswith("_ws") else "file"
            found = [("http", each, f"{path}/{{{rest}:path}}") for each in ("GET", "POST")]
            found += [("websocket", "GET", f"{path}/{{rest:path}}")] if rest == "rest" else []
        elif path.endswith("/{change}"):
            # one row for each change that a page offers, and one for what is none
            before = path.removesuffix("{change}")
            found += [("http", method, form) for form in forms if _begins(form, before)]
        for way in found:
            covered.add(find_rule(way[0], way[1], example(way[2])).rule)
            yield way
    for rule in RULES:
        if rule not in covered:
            yield rule.kind, rule.method, rule.path
    served = {path for _, method, path in routes if method == "POST"}
    for form in forms:
        if form not in served:
            yield "http", "POST", form


def _begins(form: str, before: str) -> bool:
    return form.startswith(before) and "/" not in form[len(before) :] and "{" not in form[-2:]


def _forms() -> Iterator[str]:
    """Where the forms of pages are sent to, with the names that the table of paths has."""
    named = {
        "user.id": "{user}", "group.id": "{group}", "key.id": "{key}",
        "row.silence.id": "{silence}", "row.name": "{channel}", "piece.id": "{piece}",
    }  # fmt: skip
    for file in sorted(TEMPLATES.glob("*.html")):
        text = file.read_text(encoding="utf-8")
        for form in re.findall(r"<form[^>]*method=\"post\"[^>]*>", text):
            (action,) = re.findall(r'action="((?:{{.*?}}|{%.*?%}|[^"])*)"', form)
            path = re.sub(r"{%.*?%}", "", action)
            path = re.sub(
                r"{{ *([\w.]+)(?: *\| *\w+)? *}}", lambda found: named.get(found[1], "?"), path
            )
            # what asks for a password sends it to the link that opened it
            yield "/enter" if path == "?" else path


def example(path: str) -> str:
    """A path of those that it stands for."""
    return re.sub(r"{\w+(?::\w+)?}", "x", path)


def rows(routes: Iterable[tuple[str, str, str]], described: Mapping[str, Any]) -> list[Row]:
    """Every row, for these routes (kind, method and path) and this description."""
    found = set()
    for kind, method, path in _ways(routes):
        operation = described["paths"].get(path, {}).get(method.lower(), {})
        for named in _objects(path, operation, described):
            found.add(Row(kind, method, path, named))
    return sorted(found)


def _objects(
    path: str, operation: Mapping[str, Any], described: Mapping[str, Any]
) -> tuple[str, ...]:
    """Of whose camera a way in is asked, by its path or its description."""
    if any(name in path for name in ("{camera}", "{alert_id}", "{silence}", "{piece}")):
        return "own", "foreign"
    named = {each["name"]: each.get("required", False) for each in operation.get("parameters", ())}
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    body = described["components"]["schemas"].get(name, {})
    named |= {each: each in body.get("required", ()) for each in body.get("properties", ())}
    if "match" in named:
        # what is sent names the cameras that are meant
        return "own", "foreign"
    if "camera" not in named:
        return ("-",)
    return ("own", "foreign") if named["camera"] else ("-", "own", "foreign")
