"""A small YAML file that a person wrote: every value knows its line, every error is one sentence.

PyYAML's safe loader composes the nodes; nothing is constructed from them but text, numbers,
true/false and lists. Aliases, tags, duplicate keys, deep nesting and large files are refused, so
that a file costs what its size says. Numbers are plain decimals: YAML 1.1 reads ``010`` as 8 and
``22:00`` as 1320, and a line drawn there would be nobody's intention.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NoReturn

import yaml

from vision.errors import MatakotaError
from vision.types import JsonValue

MAX_BYTES = 1 << 20
MAX_DEPTH = 16
MAX_TEXT_CHARS = 80
MAX_PATH_CHARS = 1000
MAX_PLAIN_CHARS = 8192
"""The longest text that a field of any file has: how a view looks."""
SHOWN_CHARS = 60
LISTED_NAMES = 16

_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*|(?=\.[0-9]))(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")
_NULL = "tag:yaml.org,2002:null"
_STR = "tag:yaml.org,2002:str"
_FLAGS = {"true": True, "false": False}
_NAMED = re.compile(r" '[^']{2,}'")
"""What PyYAML repeats of a file beyond single characters."""


@dataclass(frozen=True, slots=True)
class Item:
    """One value of a file: ``field`` is its path (``lines[0].points``), ``key_line`` the line of
    its key, or of itself in a list. ``error`` is what its readers raise. Messages repeat nothing
    of what is ``hidden``, nor of what is in it."""

    label: str
    error: type[MatakotaError]
    node: yaml.Node
    field: str
    key_line: int
    hidden: bool = False

    @property
    def line(self) -> int:
        """The line on which the value starts, from 1."""
        return int(self.node.start_mark.line) + 1

    def fail(self, problem: str, *, line: int | None = None) -> NoReturn:
        """Raise ``error`` with file, line, field and the problem, in one line of text."""
        at = self.line if line is None else line
        field, said = f"{self.field}: " if self.field else "", one_line(problem)
        error = self.error(f"{self.label}:{at}: {field}{said}")
        error.field, error.problem = self.field, said
        raise error

    @property
    def in_file(self) -> bool:
        """Whether it has a line, or is of a document that no file holds."""
        return self.node.start_mark is not _NOWHERE

    @property
    def is_null(self) -> bool:
        return self._plain and self.node.tag == _NULL

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, yaml.MappingNode)

    @property
    def _plain(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode) and self.node.style is None

    @property
    def shown(self) -> str:
        """The value as a message names it."""
        if isinstance(self.node, yaml.MappingNode):
            return "a mapping"
        if isinstance(self.node, yaml.SequenceNode):
            return "a list"
        if self.is_null:
            return "an empty value"
        if self.hidden:
            return "plain text"
        return quoted(self.node.value) if not self._plain else shortened(self.node.value)

    def mapping(self) -> dict[str, Item]:
        """Key to value, in file order. Fails for another type, a key that is no text or a key
        that was there before."""
        if not isinstance(self.node, yaml.MappingNode):
            self.fail(
                f"expected a mapping of fields, found {self.shown}; write 'field: value' lines"
            )
        found: dict[str, Item] = {}
        for key, value in self.node.value:
            line = int(key.start_mark.line) + 1
            if not isinstance(key, yaml.ScalarNode):
                self.fail("a field's name is a list or a mapping; write a plain name", line=line)
            name = key.value
            if name in found:
                before = found[name].key_line
                self.fail(
                    f"field {quoted(name)} was given in line {before} already; remove one of them",
                    line=line,
                )
            path = f"{self.field}.{shortened(name)}" if self.field else shortened(name)
            found[name] = Item(self.label, self.error, value, path, line, self.hidden)
        return found

    def refuse_unknown(self, fields: Mapping[str, Item], known: Collection[str]) -> None:
        """Fail for the first of ``fields`` that is not ``known``, with the nearest known name."""
        for name, item in fields.items():
            if name not in known:
                hint = did_you_mean(name, known) or f"; known are {listed(known)}"
                shown = "" if self.hidden else f" {quoted(name)}"
                self.fail(f"unknown field{shown}{hint}", line=item.key_line)

    def required(self, fields: Mapping[str, Item], name: str, example: str) -> Item:
        """The field of that name; fails with an example of it where it is missing."""
        if name not in fields:
            self.fail(f"field '{name}' is missing; add '{name}: {example}'")
        return fields[name]

    def items(self) -> list[Item]:
        """The entries of a list, each with its own line."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.fail(f"expected a list, found {self.shown}; write '[a, b]' or one '- ' line each")
        return [
            replace(self, node=node, field=f"{self.field}[{i}]", key_line=node.start_mark.line + 1)
            for i, node in enumerate(self.node.value)
        ]

    def path(self) -> str:
        """A path: printable text of 1 to ``MAX_PATH_CHARS`` characters."""
        return self.text(MAX_PATH_CHARS)

    def text(self, max_chars: int = MAX_TEXT_CHARS) -> str:
        """Printable text of 1 to ``max_chars`` characters without blanks at its ends."""
        if not isinstance(self.node, yaml.ScalarNode) or self.is_null:
            self.fail(f"expected text, found {self.shown}; write a word or a quoted text")
        value: str = self.node.value
        if self._plain and (self.node.tag != _STR or looks_otherwise(value)):
            self.fail(f"YAML does not read {self.shown} as text; put it in quotes")
        if not value or value != value.strip() or not value.isprintable():
            self.fail(
                f"{quoted(value)} is empty, starts or ends with a blank or holds a control "
                "character; write visible text"
            )
        if len(value) > max_chars:
            self.fail(f"{self.shown} has {len(value)} characters; use at most {max_chars}")
        return value

    def secret(self) -> str:
        """The text of a plain or quoted value as it stands, of any length, unchecked; no message
        shows it."""
        if not isinstance(self.node, yaml.ScalarNode) or self.is_null:
            self.fail("expected text; write it in quotes")
        return str(self.node.value)

    def number(self) -> float:
        """A finite decimal number, written without quotes."""
        written = self.node.value if isinstance(self.node, yaml.ScalarNode) else ""
        decimal = _DECIMAL.fullmatch(written) is not None
        if decimal and not self._plain:
            self.fail(f"{self.shown} is text; write the number without quotes")
        value = float(written) if decimal else math.nan
        if not math.isfinite(value):
            self.fail(f"{self.shown} is not a finite number; write a decimal such as 20 or 0.5")
        return value

    def integer(self) -> int:
        """A whole number, written without quotes."""
        value = self.number()
        if not value.is_integer():
            self.fail(f"expected a whole number, found {self.shown}; leave the fraction out")
        return int(value)

    def plain(self) -> JsonValue:
        """The value and all that is in it, as JSON has it; ``item_of`` makes an item of it again
        that reads the same."""
        if isinstance(self.node, yaml.MappingNode):
            return {name: item.plain() for name, item in self.mapping().items()}
        if isinstance(self.node, yaml.SequenceNode):
            return [item.plain() for item in self.items()]
        written: str = self.node.value
        if self.is_null:
            return None
        if self._plain and written.lower() in _FLAGS:
            return _FLAGS[written.lower()]
        if self._plain and _DECIMAL.fullmatch(written):
            value = self.number()
            return int(value) if value.is_integer() and written.lstrip("+-").isdigit() else value
        return self.text(MAX_PLAIN_CHARS)

    def flag(self) -> bool:
        """``true`` or ``false``, written without quotes."""
        value = _FLAGS.get(self.node.value.lower()) if self._plain else None
        if value is None:
            self.fail(f"expected true or false, found {self.shown}; write one of them unquoted")
        return value


def item_of(value: JsonValue, label: str, error: type[MatakotaError]) -> Item:
    """The item of a value that no file holds, such as one that ``plain`` gave."""
    return Item(label, error, _node(value), "", 1)


def read_yaml(
    path: Path, error: type[MatakotaError], *, max_bytes: int = MAX_BYTES, hidden: bool = False
) -> Item:
    """The top value of a YAML file, ``hidden`` where its text is nobody else's business. Raises
    ``error`` where the file is missing, too large, no UTF-8 text, no YAML, empty, or uses aliases,
    tags or deep nesting."""
    label = one_line(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise error(f"{label}: there is no such file; check the path") from None
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise error(f"{label}: the file cannot be read ({one_line(str(why))}); check it") from None
    if len(data) > max_bytes:
        raise error(f"{label}: the file is larger than {max_bytes} bytes; is this the right file?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise error(f"{label}:{line}: the file is not UTF-8 text; save it as UTF-8") from None
    node = _compose(text, label, error, hidden=hidden)
    if node is None:
        raise error(f"{label}:1: the file is empty; write its fields, one 'field: value' a line")
    return Item(label, error, node, "", 1, hidden)


def looks_otherwise(text: str) -> bool:
    """Whether a text that YAML has as one is read here as a number or a flag unless it is in
    quotes, such as ``1e3``."""
    return _DECIMAL.fullmatch(text) is not None or text.lower() in _FLAGS


def one_line(text: str) -> str:
    """Text without line breaks and control characters."""
    if text.isprintable():
        return text
    joined = " ".join(text.split())
    return joined if joined.isprintable() else ascii(joined)[1:-1]


def shortened(text: str) -> str:
    """The start of a text that may be long, in one line."""
    flat = one_line(text[: SHOWN_CHARS + 1])
    return flat if len(text) <= SHOWN_CHARS else flat[:SHOWN_CHARS] + "…"


def quoted(text: str) -> str:
    """The start of a text, in quotes."""
    return f"'{shortened(text)}'"


def listed(names: Collection[str]) -> str:
    """Names for a message, the first ``LISTED_NAMES`` of them."""
    rest = ["…"] if len(names) > LISTED_NAMES else []
    return ", ".join([*map(shortened, islice(names, LISTED_NAMES)), *rest])


def did_you_mean(name: str, known: Collection[str]) -> str:
    """``, did you mean 'x'?`` with the nearest known name, or nothing where none is near."""
    near = difflib.get_close_matches(name[:MAX_TEXT_CHARS], known, n=1)
    return f", did you mean {quoted(near[0])}?" if near else ""


_NOWHERE = yaml.Mark("", 0, 0, 0, "", 0)


def _node(value: JsonValue) -> yaml.Node:
    def scalar(kind: str, text: str, style: str | None = None) -> yaml.Node:
        return yaml.ScalarNode(f"tag:yaml.org,2002:{kind}", text, _NOWHERE, _NOWHERE, style)

    if isinstance(value, dict):
        pairs = [(scalar("str", name, '"'), _node(entry)) for name, entry in value.items()]
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, _NOWHERE, _NOWHERE)
    if isinstance(value, list):
        nodes = [_node(entry) for entry in value]
        return yaml.SequenceNode("tag:yaml.org,2002:seq", nodes, _NOWHERE, _NOWHERE)
    if isinstance(value, bool):
        return scalar("bool", str(value).lower())
    if isinstance(value, int | float):
        return scalar("float", repr(value))
    if value is None:
        return scalar("null", "")
    return scalar("str", value, '"')


class _RefusedError(Exception):
    """Valid YAML that these files do not use."""


class _Composer(yaml.SafeLoader):
    """The safe loader, up to its nodes, without anchors, tags and deep nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1 if event.start_mark else 1
        if getattr(event, "anchor", None) is not None:
            raise _RefusedError(
                f"{line}: anchors and aliases (&name, *name) are not used here; write the value out"
            )
        if getattr(event, "tag", None) is not None:
            raise _RefusedError(f"{line}: tags (!name) are not used here; remove it")
        if self.depth >= MAX_DEPTH:
            raise _RefusedError(f"{line}: values nest deeper than {MAX_DEPTH}; remove brackets")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(
    text: str, label: str, error: type[MatakotaError], *, hidden: bool
) -> yaml.Node | None:
    try:
        loader = _Composer(text)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        raise error(f"{label}:{line}: the file holds control characters; save it as text") from None
    except yaml.composer.ComposerError as problem:
        # With anchors refused, a second document is all that the composer itself objects to.
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise error(f"{label}:{line}: a second document starts here; remove it") from None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = mark.line + 1 if mark else 1
        what = one_line(problem.problem or problem.context or "it cannot be read")
        if hidden:
            what = _NAMED.sub("", what)
        raise error(
            f"{label}:{line}: not valid YAML, {what}; check brackets, quotes and indentation"
        ) from None
    except _RefusedError as problem:
        raise error(f"{label}:{problem}") from None
    except (ValueError, OverflowError):
        # PyYAML lets chr() and int() raise for absurd escapes and version numbers.
        raise error(
            f"{label}:1: not valid YAML, an escape or a version is out of range; correct it"
        ) from None
