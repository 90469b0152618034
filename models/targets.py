"""Where a model that was made may be written."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from models.fields import NAME


def refusal(out: Path, written: Sequence[Path], *, overwrite: bool) -> str | None:
    """Why a model cannot be ``out``, with all that is ``written`` for it, in one sentence; None
    where it can. What is there stays, unless it is to be replaced."""
    if out.suffix != ".onnx" or not re.fullmatch(NAME, out.stem):
        return (
            f"{out.name} is no name of a model: name a file with --out that ends in .onnx, of at "
            "most 64 letters, digits, '_', '.' and '-' before it"
        )
    if not out.parent.is_dir():
        return f"{out} cannot be written: there is no folder {out.parent}; create it"
    if not os.access(out.parent, os.W_OK | os.X_OK):
        return f"{out} cannot be written: you may not write into {out.parent}; choose another --out"
    for path in written:
        if path.is_dir():
            return f"{path} is a folder: name another --out"
        if path.exists() and not overwrite:
            return f"{path} is there already: name another --out, or add --overwrite"
    return None
