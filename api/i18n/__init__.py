"""What pages say, in Bahasa Indonesia and English. English texts stand where they are used, marked
with ``_``; the others are in gettext catalogues beside this file, which ``make texts`` renews."""

from __future__ import annotations

import gettext
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

Language: TypeAlias = Literal["id", "en"]
LANGUAGES: Final[Mapping[Language, str]] = {"id": "Bahasa Indonesia", "en": "English"}
"""Each by its own name; the first one is spoken to whoever asks for none of them."""
FIRST: Final[Language] = "id"
DOMAIN: Final = "matakota"
FOLDER: Final = Path(__file__).parent
_RANGE: Final = re.compile(r"\s*([A-Za-z]{2,8})(?:-[\w-]*)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")

MAX_RANGE: Final = 64
MAX_ACCEPTED: Final = 16_384
"""So much of what a browser prefers is looked at, of one language and of all: the pattern takes
long for what is endless."""


def N_(text: str) -> str:  # noqa: N802
    """Marks a text that is translated later, where it is shown."""
    return text


class Texts:
    """Texts in one language: ``_ = texts("id")``, then ``_("One text")``. Values are put in with
    ``%``: ``_("%(n)d cameras") % {"n": 3}``."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._catalogue = gettext.translation(DOMAIN, FOLDER, [language], fallback=language == "en")

    def __call__(self, text: str) -> str:
        return self._catalogue.gettext(text) if text else ""

    def plural(self, one: str, many: str, n: int) -> str:
        """The text for ``n`` of something."""
        return self._catalogue.ngettext(one, many, n)


@lru_cache(maxsize=len(LANGUAGES))
def texts(language: Language) -> Texts:
    """The texts in a language."""
    return Texts(language)


def chosen(person: str | None, browser: str | None, accepts: str) -> Language:
    """The language for a page: what the person chose, else what was chosen in this browser, else
    the one that the browser prefers (an ``Accept-Language`` header), else the first."""
    for wish in (person, browser):
        if wish in LANGUAGES:
            return cast("Language", wish)
    wishes: dict[Language, float] = {}
    for part in accepts[:MAX_ACCEPTED].split(","):
        match = _RANGE.fullmatch(part) if len(part) <= MAX_RANGE else None
        # "in" is what Bahasa Indonesia was called until 1989, and still is by some browsers
        name = "" if match is None else match[1].lower().replace("in", "id")
        if match is not None and name in LANGUAGES:
            wishes.setdefault(cast("Language", name), float(match[2] or 1))
    best = max(wishes.values(), default=0)
    return next((name for name, q in wishes.items() if q == best > 0), FIRST)
