"""Runs a notebook: its cells one after the other in one Python, as a kernel does, in this folder.
``python notebook.py FILE`` prints what became of some names, as JSON."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any


def run(path: Path) -> dict[str, Any]:
    """What the names in it stand for afterwards; ``shown`` is what the last line of each cell
    gives, where it gives anything."""
    names: dict[str, Any] = {"shown": []}
    for n, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]), f"{path.name}, cell {n}")
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"{path.name}, cell {n}", "exec"), names)  # noqa: S102
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {n}", "eval"), names)  # noqa: S307
            names["shown"].append(value)
    return names


if __name__ == "__main__":
    found = run(Path(sys.argv[1]))
    axes = found["figure"].axes[0]
    hatched = [patch for patch in axes.patches if patch.get_hatch() == "///"]
    found["figure"].savefig("day.png")
    said = {"total": found["total"], "gaps": len(found["gaps"]), "partly": len(found["partly"])}
    said |= {"hatched": len(hatched), "peak": found["peak"], "shown": len(found["shown"])}
    print(json.dumps(said))
