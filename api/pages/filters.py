"""Which alerts somebody wants to see in the operations room."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.access import Caller
from api.forms.sent import WrongError, time_of
from api.i18n import Texts
from api.kinds import KINDS, kind_name
from api.lifecycle import Status
from api.store import Alerts
from api.store.alerts import Page
from api.store.search import Word
from streams.messages import NO_NUL
from vision.types import Severity

ALL: Final = "all"
OPEN: Final = "open"
NEW: Final = "new"
MINE: Final = "mine"
FILTERS: Final = (ALL, OPEN, NEW, MINE)
MAX_SEARCH_CHARS: Final = 200
MAX_WORDS: Final = 8
"""So many of them are looked for: each is looked for everywhere."""
_TO_DO: Final[tuple[Status, ...]] = ("new", "acknowledged", "assigned")
_Short: TypeAlias = Annotated[str, Field(max_length=MAX_SEARCH_CHARS, pattern=NO_NUL)]


def _read_time(text: object) -> float | None:
    """UTC seconds of a moment as the city's clocks show it, and as browsers write it."""
    if not isinstance(text, str):
        raise ValueError("a time is a text")
    try:
        return time_of(text)
    except WrongError as error:
        raise ValueError(error.text) from None


_Time: TypeAlias = Annotated[float | None, BeforeValidator(_read_time)]


class Wish(BaseModel):
    """What a browser asks for; it may be anybody's. The answer has its ``number``."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    number: Annotated[int, Field(ge=0, lt=1 << 53)] = 0
    show: Literal["all", "open", "new", "mine"] = "all"
    severities: Annotated[list[Severity], Field(max_length=4)] = Field(default_factory=list)
    camera: _Short = ""
    kind: _Short = ""
    from_time: _Time = None
    to_time: _Time = None
    text: _Short = ""


@dataclass(frozen=True, slots=True)
class Sought:
    """A wish as its alerts are found: ``fits`` is what they are, whatever was done about them."""

    wish: Wish
    fits: Mapping[str, Any]

    @classmethod
    def of(cls, wish: Wish, names: Mapping[str, str], _: Texts) -> Sought:
        """``names`` are those of the cameras by id, which are looked for as well; and kinds by
        what they are called."""
        kinds = {kind: kind_name(kind, _).casefold() for kind in KINDS}
        known = {camera: name.casefold() for camera, name in names.items()}
        words = tuple(
            Word(word, _having(word.casefold(), kinds), _having(word.casefold(), known))
            for word in wish.text.split()[:MAX_WORDS]
        )
        fits = {
            "severities": wish.severities or None,
            "camera": wish.camera or None,
            "kind": wish.kind or None,
            "from_ts": wish.from_time,
            "to_ts": wish.to_time,
            "words": words,
        }
        return cls(wish, fits)

    @property
    def narrows(self) -> bool:
        """Whether there are alerts that do not fit."""
        return any(value not in (None, ()) for value in self.fits.values())

    def newest(
        self, alerts: Alerts, caller: Caller, before: tuple[float, str] | None, limit: int
    ) -> Page:
        """Those of the caller's cameras that are wished for, newest first, older than ``before``.
        Raises StoreError."""
        more: dict[str, Any] = {"before": before, "limit": limit}
        match self.wish.show:
            case "new":
                return self._find(alerts, caller, status="new", **more)
            case "mine":
                mine = caller.name
                return self._find(alerts, caller, status="assigned", assigned_to=mine, **more)
            case "all":
                return self._find(alerts, caller, **more)
            case "open":
                pages = [self._find(alerts, caller, status=each, **more) for each in _TO_DO]
                return _together(pages, limit)

    def among(self, alerts: Alerts, caller: Caller, ids: Collection[str]) -> list[str]:
        """Those of these alerts that fit, whatever was done about them. Raises StoreError."""
        found: list[str] = []
        before: tuple[float, str] | None = None
        while True:
            page = self._find(alerts, caller, among_ids=ids, before=before, limit=len(ids))
            found += [alert.id for alert in page.alerts]
            if not page.more:
                return found
            before = page.alerts[-1].start_ts, page.alerts[-1].id

    def _find(self, alerts: Alerts, caller: Caller, **more: Any) -> Page:
        return alerts.find(only=caller.cameras, **self.fits, **more)


def _having(word: str, names: Mapping[str, str]) -> frozenset[str]:
    return frozenset(each for each, name in names.items() if word in name)


def _together(pages: list[Page], limit: int) -> Page:
    """The newest of what each page begins with."""
    # below the end of a page that has more there are gaps
    ends = [(page.alerts[-1].start_ts, page.alerts[-1].id) for page in pages if page.more]
    found = [
        alert
        for page in pages
        for alert in page.alerts
        if (alert.start_ts, alert.id) >= max(ends, default=(0.0, ""))
    ]
    found.sort(key=lambda alert: (alert.start_ts, alert.id), reverse=True)
    return Page(found[:limit], more=len(found) > limit or any(page.more for page in pages))
