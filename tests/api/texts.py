"""The catalogues of what pages say, made anew from the code: ``python -m tests.api.texts``, or
``make texts``. Translations that are there stay; a text that is new has none until somebody writes
it into the ``.po`` file and runs this again."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from api.i18n import DOMAIN, FOLDER
from streams.health import SENTENCES
from tests.needs import REPO
from vision.replay import BOXES, PICTURE, STAGES
from vision.rules.registry import kinds

TRANSLATED: Final = ("id",)
"""Every language but that of the code."""
KEYWORDS: Final = {"_": None, "N_": None, "plural": (1, 2)}
HEADERS: Final = (
    ("Project-Id-Version", "matakota"),
    ("MIME-Version", "1.0"),
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Transfer-Encoding", "8bit"),
)
COMMENT: Final = "# What pages say. Made anew by 'make texts', which keeps what is translated."
WIDTH: Final = 100


class Text(NamedTuple):
    """What stands in the code, in one form or, where it counts something, in two."""

    id: str | tuple[str, str]
    place: str


class Timeless(Catalog):
    """A catalogue that says nothing of when or where it was made."""

    def _headers(self) -> list[tuple[str, str]]:
        language = ("Language", str(self.locale_identifier))
        return [*HEADERS, language, ("Plural-Forms", self.plural_forms)]

    def _ignored(self, headers: object) -> None:
        """Those of a file are not its own."""

    mime_headers = property(_headers, _ignored)


def said(root: Path = REPO) -> Iterator[Text]:
    """Every text of the pages and of what they show."""
    options = {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
    for file in sorted((root / "api").rglob("*")):
        method = {".py": "python", ".html": "jinja2.ext:babel_extract"}.get(file.suffix)
        if method is None or file.parent == FOLDER:
            continue
        found = extract_from_file(method, file, KEYWORDS, (), options, strip_comment_tags=False)
        for _line, message, _comments, _context in found:
            name = file.relative_to(root).as_posix()
            if message:
                yield Text(message if isinstance(message, str) else (message[0], message[1]), name)
    for sentence in SENTENCES.values():
        yield Text(sentence, "streams/health.py")
    for kind in kinds().values():
        for setting in dataclasses.fields(kind.Settings):
            yield Text(setting.metadata["help"], "vision/rules")
    for why in (PICTURE, BOXES, *STAGES.values()):
        yield Text(why, "vision/replay.py")


def po_file(language: str) -> Path:
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def read(language: str) -> Catalog:
    """The catalogue as it is kept."""
    path = po_file(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language, ignore_obsolete=True, abort_invalid=True)


def _empty(language: str) -> Timeless:
    return Timeless(locale=language, fuzzy=False, header_comment=COMMENT)


def renewed(language: str) -> Catalog:
    """The catalogue as it has to be: what the code says, with what is translated already."""
    known, catalogue = read(language), _empty(language)
    for text in said():
        old = known.get(text.id if isinstance(text.id, str) else text.id[0])
        same = old is not None and old.id == text.id
        string = old.string if old is not None and same else ""
        flags = old.flags - {"python-format"} if old is not None and same else ()
        catalogue.add(text.id, string, locations=[(text.place, 0)], flags=flags)
    return catalogue


def po_of(catalogue: Catalog) -> bytes:
    written = BytesIO()
    write_po(written, catalogue, width=WIDTH, sort_output=True, include_lineno=False)
    return written.getvalue()


def mo_of(catalogue: Catalog) -> bytes:
    written = BytesIO()
    write_mo(written, catalogue)
    return written.getvalue()


def main() -> None:
    for language in TRANSLATED:
        catalogue = renewed(language)
        path = po_file(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(po_of(catalogue))
        path.with_suffix(".mo").write_bytes(mo_of(catalogue))
        left = [each for each in catalogue if each.id and not each.string]
        print(f"{path.relative_to(REPO)}: {len(catalogue)} texts, {len(left)} not translated")
        for each in left:
            print(f"  {each.id!r}", file=sys.stderr)


if __name__ == "__main__":
    main()
