"""Guards of the code, found in it one by one, and the code without one of them."""

from __future__ import annotations

import ast
import gc
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from tests.architecture.source import functions
from tests.needs import REPO

LEFT_OUT: Final = (
    # nothing of these answers a request
    "api/cli/", "api/delivery/", "api/i18n/", "api/store/migrations/",
    # how people prove who they are, which is tried out in tests of its own
    "api/login.py", "api/oidc/", "api/sessions.py", "api/forms/account.py",
    "api/forms/once.py",
    # which of two keys of one name is meant
    "api/store/keys.py",
)  # fmt: skip
DECIDING: Final = {
    "api/auth.py": "",
    "api/door.py": "Door._",
    "api/known.py": "KnownKeys.renewed",
}
"""Where each early return of a function, whose name begins so, is a refusal."""
DECIDES: Final = {
    "may", "sees", "is_live", "compare_digest", "within", "_is_camera", "_is_own", "_is_loopback",
}  # fmt: skip
"""Functions that say whether something is allowed."""
LIMITS: Final = {"among", "_whole", "read_one"}
"""Functions that take the cameras of whoever asks."""
HARMLESS: Final = {"ALLOWED", "True"}
SAME: Final = "\n\nasync def _same(caller):\n    return caller\n"


@dataclass(frozen=True)
class Mutant:
    """One guard less: in which file, the how manieth there, and what it is called."""

    path: str
    number: int
    name: str


def _parsed(path: Path) -> ast.Module:
    """A file's tree. Python 3.11 miscounts its depth now and then where garbage is collected
    meanwhile (SystemError: AST constructor recursion depth mismatch)."""
    text = path.read_text(encoding="utf-8")
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        gc.enable()


def _text(path: str, numbers: Sequence[int]) -> str:
    """A file without these of its guards."""
    whole = _parsed(REPO / path)
    sites, tree = list(_sites(path, whole)), cast("ast.AST", whole)
    for number in numbers:
        _inside, old, _what, new = sites[number]
        tree = _Replace(old, new).visit(tree)
    text = ast.unparse(ast.fix_missing_locations(tree))
    return text + (SAME if "_same(" in text else "")


def without(folder: Path, *guards: Mutant) -> Path:
    """Put the code without these guards into a folder from which it can be run."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPO / "api", folder / "api", ignore=ignored)
    for path in {guard.path for guard in guards}:
        mine = [guard.number for guard in guards if guard.path == path]
        (folder / path).write_text(_text(path, mine), encoding="utf-8")
    return folder


def _true() -> ast.expr:
    return ast.Constant(value=True)


def _without(node: ast.AST) -> Iterator[tuple[ast.AST, str, ast.AST]]:
    """What to replace, what it is called, and by what."""
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        last = called.rpartition(".")[2]
        if last in DECIDES:
            yield node, ast.unparse(node), _true()
        if last == "_own_form":
            yield node, ast.unparse(node), ast.Name(id="ALLOWED")
        if last == "renewed":
            yield node, ast.unparse(node), ast.Call(ast.Name(id="_same"), node.args, [])
        if last in LIMITS and node.args and not isinstance(node.args[-1], ast.Constant):
            # the cameras of whoever asks are its last argument
            every = [*node.args[:-1], ast.Constant(value=None)]
            yield node, ast.unparse(node), ast.Call(node.func, every, [])
        for keyword in node.keywords:
            told = not isinstance(keyword.value, ast.Constant)
            if keyword.arg == "only" and told:
                yield keyword.value, f"{called}(only=…)", ast.Constant(value=None)


def _refusals(path: str, inside: str, node: ast.AST) -> Iterator[tuple[ast.AST, str, ast.AST]]:
    """An ``if`` that ends a decision, and what is never so then."""
    decides = path in DECIDING and inside.startswith(DECIDING[path])
    if not decides or not isinstance(node, ast.If) or len(node.body) != 1:
        return
    (end,) = node.body
    if isinstance(end, ast.Return) and ast.unparse(end).removeprefix("return ") not in HARMLESS:
        yield node.test, f"if {ast.unparse(node.test)}", ast.Constant(value=False)


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else super().visit(node)


def mutants() -> Iterator[Mutant]:
    """The code without each of its guards, one at a time."""
    for file in sorted((REPO / "api").rglob("*.py")):
        path = file.relative_to(REPO).as_posix()
        if path.startswith(LEFT_OUT):
            continue
        seen: Counter[str] = Counter()
        sites = _sites(path, _parsed(file))
        for number, (inside, _old, what, _new) in enumerate(sites):
            name = f"{path}: {inside}: {what}"
            seen[name] += 1
            again = f" ({seen[name]})" if seen[name] > 1 else ""
            yield Mutant(path, number, name + again)


def _sites(path: str, tree: ast.Module) -> Iterator[tuple[str, ast.AST, str, ast.AST]]:
    for inside, node in functions(tree):
        for old, what, new in (*_without(node), *_refusals(path, inside, node)):
            yield inside, old, what, new
