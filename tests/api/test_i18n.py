"""What pages say: the catalogues are what the code says, whole and well formed; the language that
a person is spoken to in; and no text that is in no catalogue."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest
from babel.messages.catalog import Message
from jinja2 import Environment, nodes

from api.i18n import DOMAIN, FIRST, FOLDER, LANGUAGES, N_, Language, Texts, chosen, texts
from tests.api.texts import TRANSLATED, mo_of, po_file, po_of, read, renewed
from tests.needs import REPO

UPDATE = "run 'make texts', and translate what is new"
_PLACEHOLDER: Final = re.compile(r"%(?:\(\w+\))?[#0 +-]*[\d.]*[a-zA-Z%]")
_WORDS: Final = re.compile(r"[A-Za-zÀ-ÿ]{2,}")
_NAMES: Final = re.compile(r"""[!=]==\s*(["'])[^"']*\1|(?<=\w)\([^()]*\)""")
"""What a script compares with, or gives to something that it calls."""
_SENTENCE: Final = re.compile(r"[A-Za-z]{2,}[,.:;]? [A-Za-z(]{1,}")
SHOWN: Final = {"placeholder", "title", "aria-label", "alt"}
"""Attributes whose values people read or hear."""
AS_THEY_ARE: Final = {
    # the name of the product, and what is called so in every language
    "Matakota", "OpenID Connect", "OpenID",
}  # fmt: skip
AS_WRITTEN: Final = {"forward", "backward", "ID/government, 2026-12-31"}
"""Shown where a field is empty: what a scene has there, which is the same in every language."""
CODE: Final = sorted([*(REPO / "api/forms").glob("*.py"), *(REPO / "api/pages").glob("*.py")])
TEMPLATES: Final = sorted((REPO / "api/forms/templates").glob("*.html"))
SCRIPTS: Final = sorted((REPO / "api/pages").rglob("*.js"))
NOT_FOR_PEOPLE: Final = frozenset({
    # headers, names of tasks, and names of what the style sheet knows
    "text/css; charset=utf-8", "text/javascript; charset=utf-8", "public, max-age=",
    "private, no-store", "room: board", "room: alerts",
    "mk-room mk-sorry",
    # a browser that fetches ahead shows it to nobody
    "this link is used by opening it, not by fetching it ahead: open it in a browser",
})  # fmt: skip
"""Strings of the code that look like sentences."""
IN_MARKUP: Final = frozenset({"width", "language_action"})
"""Blocks of templates that are parts of attributes."""


def forms(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [*value]


def messages(language: str) -> list[Message]:
    return [message for message in read(language) if message.id]


def label(path: Path) -> str:
    return path.relative_to(REPO).as_posix()


# --- the catalogues


def test_every_language_but_that_of_the_code_has_a_catalogue() -> None:
    assert {*TRANSLATED, "en"} == set(LANGUAGES)
    assert {path.parent.parent.name for path in FOLDER.rglob("*.po")} == set(TRANSLATED)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_is_what_the_code_says(language: str) -> None:
    fresh = renewed(language)
    kept = {str(message.id) for message in messages(language)}
    said = {str(message.id) for message in fresh if message.id}
    assert said - kept == set(), f"new: {UPDATE}"
    assert kept - said == set(), f"gone: {UPDATE}"
    assert po_file(language).read_bytes() == po_of(fresh), UPDATE
    assert po_file(language).with_suffix(".mo").read_bytes() == mo_of(fresh), UPDATE


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated(language: str) -> None:
    left = [message.id for message in messages(language) if not all(forms(message.string))]
    assert not left, UPDATE
    assert not [message.id for message in messages(language) if message.fuzzy]


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_hold_the_same_values(language: str) -> None:
    wrong = []
    for message in messages(language):
        wanted = sorted(_PLACEHOLDER.findall(forms(message.id)[-1]))
        wrong += [
            (message.id, string)
            for string in forms(message.string)
            if string and sorted(_PLACEHOLDER.findall(string)) != wanted
        ]
    assert not wrong


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_begin_and_end_alike(language: str) -> None:
    """Spaces, full stops and capital letters at the ends are meant."""
    wrong = []
    for message in messages(language):
        for old, new in zip(forms(message.id)[-1:], forms(message.string), strict=False):
            if not new:
                continue
            ends = old[-1] in ".:…?" or new[-1] in ".:…?"
            # an abbreviation is written in capital letters wherever it stands
            letters = old[0].isalpha() and new[0].isalpha() and not new[:2].isupper()
            begins = letters and old[0].isupper() != new[0].isupper()
            if begins or (ends and old[-1] != new[-1]) or new != new.strip():
                wrong.append((old, new))
    assert not wrong


def test_a_text_in_each_language() -> None:
    said = {m.id: m.string for m in messages("id") if isinstance(m.id, str)}
    one = next(text for text, other in said.items() if other != text)
    assert texts("en")(one) == one
    assert texts("id")(one) == said[one]
    assert texts("id")("") == ""
    assert texts("id")("no such text") == "no such text"
    assert texts("id") is texts("id")
    assert N_("as it is") == "as it is"
    plural = texts("en").plural
    assert [plural("%(n)d camera", "%(n)d cameras", n) for n in (1, 2)] == [
        "%(n)d camera", "%(n)d cameras",
    ]  # fmt: skip


def test_a_language_without_its_catalogue_is_an_error() -> None:
    # rather than pages in the wrong language that nobody notices
    with pytest.raises(FileNotFoundError):
        Texts("xx")  # type: ignore[arg-type]
    assert (FOLDER / "id" / "LC_MESSAGES" / f"{DOMAIN}.mo").is_file()


@pytest.mark.parametrize(
    ("person", "browser", "accepts", "wanted"),
    [
        ("id", "en", "en", "id"),
        ("en", None, "id", "en"),
        (None, "en", "id", "en"),
        (None, "id", "en", "id"),
        ("xx", "yy", "en", "en"),
        ("", "", "", FIRST),
        (None, None, "", FIRST),
        (None, None, "en", "en"),
        (None, None, "en-GB,en;q=0.9", "en"),
        (None, None, "EN-us", "en"),
        (None, None, "id-ID", "id"),
        (None, None, "in-ID, en;q=0.9", "id"),
        (None, None, "IN", "id"),
        (None, None, "de, fr", FIRST),
        (None, None, "de, en;q=0.1", "en"),
        (None, None, "en;q=0.5, id;q=0.6", "id"),
        (None, None, "id;q=0.5, en;q=0.6", "en"),
        (None, None, "id, en", "id"),
        (None, None, "en, id", "en"),
        (None, None, "en;q=0", FIRST),
        (None, None, "id;q=0, en;q=0", FIRST),
        (None, None, "id;q=0, en;q=0.001", "en"),
        # the first one of a language counts
        (None, None, "en;q=0.2, id;q=0.5, en;q=1", "id"),
        (None, None, "*", FIRST),
        (None, None, "*, en;q=0.5", "en"),
        (None, None, " en ; q=0.9 ,, ;q=1", "en"),
        (None, None, "fin, min, english", FIRST),
        (None, None, "en;q=2", FIRST),
        (None, None, "en;q=-1", FIRST),
        (None, None, "en;q=nan", FIRST),
        (None, None, "en;q=1.0000", FIRST),
        (None, None, "en\r\nx: y", FIRST),
        (None, None, "ｅｎ", FIRST),
        (None, None, "en_GB", FIRST),
        (None, None, "," * 10_000 + "en", "en"),
        (None, None, "a" * 10_000, FIRST),
        (None, None, "e" * 8 + "-" * 10_000 + "!", FIRST),
    ],
)
def test_the_language_of_a_page(
    person: str | None, browser: str | None, accepts: str, wanted: Language
) -> None:
    assert chosen(person, browser, accepts) == wanted


# --- nothing is said outside


class _Markup(HTMLParser):
    """What people would read of some HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in {"style", "script"}
        for name, value in attrs:
            button = tag == "input" and name == "value" and dict(attrs).get("type") == "submit"
            if value and (name in SHOWN or button):
                self.found.append(value)
            if value and name[:1] == ":" and (name[1:] in SHOWN):
                # an expression: what is written out in it
                self.found += re.findall(r"'([^']*)'", _NAMES.sub("", value))

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"style", "script"}

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found.append(data)


def read_by_people(markup: str) -> list[str]:
    """The words in some HTML that are not called so everywhere."""
    parser = _Markup()
    parser.feed(markup)
    parser.close()
    found = [each for each in parser.found if each not in AS_WRITTEN]
    plain = [re.sub("|".join(map(re.escape, AS_THEY_ARE)), "", each) for each in found]
    return [each.strip() for each in plain if _WORDS.search(each)]


def literals(node: nodes.Node) -> Iterator[str]:
    """Words in an expression of a template that are said as they are."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    # what is called translates, or is given names
    if isinstance(node, nodes.Call | nodes.Compare | nodes.Getitem | nodes.Filter | nodes.Test):
        return
    for child in node.iter_child_nodes():
        yield from literals(child)


def in_template(text: str) -> list[str]:
    tree = Environment(autoescape=True).parse(text)
    markup, found = "", list[str]()
    quiet = {
        id(output)
        for block in tree.find_all(nodes.Block)
        if block.name in IN_MARKUP
        for output in block.find_all(nodes.Output)
    }
    for node in tree.find_all(nodes.Output):
        if id(node) in quiet:
            continue
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                markup += part.data
                continue
            spoken = [each for each in literals(part) if _WORDS.search(each)]
            # an attribute of the markup is no word for people
            found += [
                each for each in spoken if not re.search(r"[=<>-]|^(checked|selected)$", each)
            ]
    return found + read_by_people(markup)


@pytest.mark.parametrize("path", TEMPLATES, ids=label)
def test_a_template_says_nothing_outside_the_catalogue(path: Path) -> None:
    assert in_template(path.read_text(encoding="utf-8")) == []


def in_code(text: str) -> list[str]:
    """Sentences in Python that are not marked, and would be shown."""
    tree = ast.parse(text)
    quiet: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            quiet |= {each for each in node.body if isinstance(each, ast.Expr)
                      and isinstance(each.value, ast.Constant)}  # fmt: skip
            quiet |= {each for one, each in zip(node.body, node.body[1:], strict=False)
                      if isinstance(one, ast.Assign | ast.AnnAssign)
                      and isinstance(each, ast.Expr)}  # fmt: skip
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in {"_", "N_"} or re.search(r"\.plural$|^log\.|said$|Error$", called):
                quiet |= {*node.args}
    found: list[str] = []
    _collect(tree, quiet, found)
    return [each for each in found if each not in NOT_FOR_PEOPLE]


def _collect(node: ast.AST, quiet: set[ast.AST], found: list[str]) -> None:
    if node in quiet:
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        plain = re.sub(r"<[^<>]*>?|[\w-]+=\"|\{[^}]*}", "\n", node.value)
        if _SENTENCE.search(plain):
            found.append(node.value)
    for child in ast.iter_child_nodes(node):
        _collect(child, quiet, found)


@pytest.mark.parametrize("path", CODE, ids=label)
def test_code_says_nothing_outside_the_catalogue(path: Path) -> None:
    assert in_code(path.read_text(encoding="utf-8")) == []


def test_what_is_let_pass_is_still_there() -> None:
    said = "".join(path.read_text(encoding="utf-8") for path in [*CODE, *SCRIPTS])
    assert not [each for each in NOT_FOR_PEOPLE | AS_WRITTEN if each not in said]


def in_script(text: str) -> list[str]:
    """What a component of the room says by itself."""
    found: list[str] = []
    for markup in re.findall(r"template: `(.*?)`", text, re.DOTALL):
        inner = re.findall(r"{{(.*?)}}", markup, re.DOTALL)
        spoken = "\n".join(_NAMES.sub("", each) for each in inner)
        found += [word for word in re.findall(r"""["'`]([^"'`]*)["'`]""", spoken)
                  if _WORDS.search(word)]  # fmt: skip
        found += read_by_people(re.sub(r"{{.*?}}", "", markup, flags=re.DOTALL))
    rest = re.sub(r"template: `.*?`", "", text, flags=re.DOTALL)
    rest = re.sub(r"^\s*//.*$", "", rest, flags=re.MULTILINE)
    strings = re.findall(r'"([^"\n]*)"|`([^`\n]*)`', rest)
    plain = [re.sub(r"\$\{[^}]*}", "", first or second) for first, second in strings]
    # in capital letters alone are paths of pictures
    return found + [each for each in plain if _SENTENCE.search(each) and not each.isupper()]


@pytest.mark.parametrize("path", SCRIPTS, ids=label)
def test_a_script_says_nothing_outside_the_catalogue(path: Path) -> None:
    assert in_script(path.read_text(encoding="utf-8")) == []


def test_what_is_said_outside_is_found() -> None:
    assert in_template('<p>{{ _("Said") }}</p><p title="Not said">x</p>') == ["Not said"]
    assert in_template("<b>Plain words</b>{# not this #}{% if a %}{% endif %}") == ["Plain words"]
    assert in_template('{{ "Yes" if a else "No" }}') == ["Yes", "No"]
    assert in_template('<a{% if a %} aria-current="page"{% endif %}>{{ name }}</a>') == []
    assert in_code('"""Some words."""\nx = _("Some words")\ny = "Some words"') == ["Some words"]
    assert in_code('def f():\n    """Some words."""\n    return f"<b>Some {x} words here</b>"') == [
        " words here</b>"
    ]
    assert in_script('template: `<p>{{ said.words }} Words</p>`, a = "Some words"') == [
        "Words", "Some words",
    ]  # fmt: skip
    assert in_script("template: `<p>{{ a === 'b' ? 'Some words' : said('names') }}</p>`") == [
        "Some words"
    ]
    assert in_script("template: `<p :title=\"'Live picture of ' + x\">`") == ["Live picture of"]
