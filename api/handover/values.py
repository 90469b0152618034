"""A report as values: what the page shows, and the PDF is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from api.i18n import N_, Language
from api.learning import Span
from vision.types import Severity

SIGNED: Final = (N_("Handed over by"), N_("Taken over by"))
SIGNED_WITH: Final = (N_("Name"), N_("Time"), N_("Signature"))


class Cell(NamedTuple):
    """What stands in a table: ``more`` below it in small letters, ``severity`` as a shape before
    it; ``alert`` is the id of the one that it leads to."""

    text: str
    more: str = ""
    severity: Severity | None = None
    alert: str = ""


class Column(NamedTuple):
    """``share`` is how much of the width it takes, beside those of the others."""

    name: str
    share: float
    number: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A table: ``empty`` is said where it has no rows, ``after`` stands below it."""

    id: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    empty: str = ""
    before: Sequence[str] = ()
    after: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """``facts`` are what it is about, by a word each; ``span`` its time; ``made`` says when and by
    whom."""

    title: str
    made: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    span: Span
    language: Language
