"""Python files as the architecture checks see them: path, text, tree, imports, dotted names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.needs import REPO

SHIPPED = ("vision", "streams", "models", "api", "samples")


@dataclass(frozen=True)
class Source:
    """One file; ``path`` is relative to the repository."""

    path: PurePosixPath
    text: str
    tree: ast.Module
    names: dict[str, str]

    @property
    def shipped(self) -> bool:
        return self.path.parts[0] in SHIPPED

    def within(self, *places: str) -> bool:
        """Whether the file is one of ``places`` or lies in one that ends with a slash."""
        path = str(self.path)
        return any(path.startswith(p) if p.endswith("/") else path == p for p in places)

    def dotted(self, node: ast.AST) -> str:
        """``time.time`` for ``t.time`` after ``import time as t``; "" for what is no plain name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        parts.append(self.names.get(node.id, node.id))
        return ".".join(reversed(parts))


def parse(path: str, text: str) -> Source:
    tree = ast.parse(text, path)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                names[alias.asname or root] = alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return Source(PurePosixPath(path), text, tree, names)


def sources(root: Path = REPO) -> Iterator[Source]:
    """Every Python file of the shipped packages and of the tests."""
    for top in (*SHIPPED, "tests"):
        for file in sorted((root / top).rglob("*.py")):
            if "__pycache__" not in file.parts:
                path = file.relative_to(root).as_posix()
                yield parse(path, file.read_text(encoding="utf-8"))


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything imported, wherever it stands, also by
    ``importlib.import_module`` with a literal; ``from a import b`` gives ``a.b``."""
    package = source.path.parent.parts
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"
        elif (
            isinstance(node, ast.Call)
            and source.dotted(node.func) in {"importlib.import_module", "__import__"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.lineno, str(node.args[0].value)


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported: all but the bodies of functions, and what
    runs only as a script."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
        defaults = [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]
        for part in (*decorators, *defaults):
            yield from at_import(part)
        return
    if isinstance(node, ast.If) and "__name__" in {
        part.id for part in ast.walk(node.test) if isinstance(part, ast.Name)
    }:
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from at_import(child)


def functions(node: ast.AST, inside: tuple[str, ...] = ()) -> Iterator[tuple[str, ast.AST]]:
    """Every node with the qualified name of the function or class around it."""
    for child in ast.iter_child_nodes(node):
        yield ".".join(inside), child
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        yield from functions(child, (*inside, child.name) if named else inside)
