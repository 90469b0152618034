"""Alerts that somebody looks for with words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, and_, func, or_, true

from api.store.tables import WHY, alerts

_SEARCHED: Final = (
    alerts.c.id,
    alerts.c.place,
    alerts.c.rule,
    alerts.c.camera,
    alerts.c.kind,
    # as it is shown where it has no name of its own
    func.replace(alerts.c.kind, "_", " "),
    alerts.c.note,
    WHY,
    alerts.c.assigned_to,
    alerts.c.acknowledged_by,
    alerts.c.resolved_by,
    alerts.c.opened_by,
)


@dataclass(frozen=True, slots=True)
class Word:
    """One word that an alert has to have somewhere: in what is stored of it, or in the name that
    its reader knows its kind or camera by; of these the store knows the ids alone."""

    text: str
    kinds: frozenset[str] = frozenset()
    cameras: frozenset[str] = frozenset()


def having(words: Iterable[Word]) -> ColumnElement[bool]:
    """The alerts that have every one of these words, in capitals or not."""
    return and_(true(), *map(_having, words))


def _having(word: Word) -> ColumnElement[bool]:
    # '%' and '_' stand for themselves
    ways = [column.icontains(word.text, autoescape=True) for column in _SEARCHED]
    if word.kinds:
        ways.append(alerts.c.kind.in_(sorted(word.kinds)))
    if word.cameras:
        ways.append(alerts.c.camera.in_(sorted(word.cameras)))
    return or_(*ways)
