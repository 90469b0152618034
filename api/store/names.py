"""Names of people and groups: which may be given, and which are taken for the same."""

from __future__ import annotations

import unicodedata
from typing import Final

from api.store.refusals import BadNameError
from streams.messages import MAX_NAME_CHARS

MAX_CHARS: Final = 63
"""Of what somebody or something is called."""
MAX_WRITTEN: Final = 4 * MAX_CHARS
"""No name has more, however its letters are made; of longer ones the rest is not looked at, since
putting their accents in order may take very long."""


def checked_name(name: str) -> str:
    """The name as it is kept, NFC. Raises BadNameError for one that is empty or too long, begins or
    ends with a blank, or holds what cannot be seen."""
    if len(name) > MAX_WRITTEN:
        raise BadNameError(f"{_shown(name)} is no name: use 1 to {MAX_CHARS} characters")
    kept = unicodedata.normalize("NFC", name)
    # folding makes some letters several
    if not 0 < len(kept) <= MAX_CHARS or len(folded(kept)) > MAX_NAME_CHARS:
        raise BadNameError(f"{_shown(name)} is no name: use 1 to {MAX_CHARS} characters")
    if kept != kept.strip() or not kept.isprintable():
        raise BadNameError(
            f"{_shown(name)} is no name: use letters, digits and signs that can be seen, and no "
            "blank at its beginning or end"
        )
    return kept


def folded(name: str) -> str:
    """What two names have in common that people take for the same: case, width, and how an accent
    or a blank is written say nothing."""
    written = unicodedata.normalize("NFKC", name[:MAX_WRITTEN])
    plain = unicodedata.normalize("NFKC", written.casefold())
    return " ".join(plain.split())


def _shown(name: str) -> str:
    return ascii(name if len(name) <= MAX_CHARS else f"{name[:MAX_CHARS]}…")
