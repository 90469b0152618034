"""Which alerts a silence is about, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.alerting.settings import Matcher
from api.i18n import Texts
from api.kinds import SEVERITIES, kind_name

SHOWN: Final = 12
"""So many cameras, kinds or rules of one silence are written out."""


def about(_: Texts, match: Matcher, names: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """What a silence is about: a word for each field that names something, and what it names;
    ``names`` are those of cameras by id."""
    parts = (
        (_("cameras"), [names.get(camera, camera) for camera in match.cameras]),
        (_("sites"), list(match.sites)),
        (_("incidents"), [kind_name(kind, _) for kind in match.kinds]),
        (_("severities"), [_(SEVERITIES[severity]) for severity in match.severities]),
        (_("rules"), list(match.rules)),
        (_("places"), list(match.places)),
    )
    found = [(word, _cut(_, named)) for word, named in parts if named]
    if not (match.cameras or match.sites):
        found.insert(0, (_("cameras"), [_("every camera")]))
    return found


def _cut(_: Texts, named: list[str]) -> list[str]:
    more = len(named) - SHOWN
    return [*named[:SHOWN], _("%(n)d more") % {"n": more}] if more > 0 else named
