"""Which day of which place somebody wants to see, as it stands in a page's address."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, urlencode

from streams.config import WITA
from streams.messages import MAX_NAME_CHARS

YESTERDAY, WEEK = "yesterday", "week"
AGAINST: Final = {YESTERDAY: 1, WEEK: 7}
"""How many days before the day that another one is set beside it."""
FIRST_DAY: Final = date(1970, 1, 9)
"""A week after the times that are stored begin."""
MAX_QUERY_CHARS: Final = 4000


@dataclass(frozen=True, slots=True)
class Asked:
    """A line or movement of a camera, in one direction or all of them (""), or a junction, on a
    ``day``; beside it the day that ``against`` names, or the camera's ``other`` line."""

    day: date
    camera: str = ""
    junction: str = ""
    line: str = ""
    direction: str = ""
    against: str = ""
    other: str = ""
    dated: bool = True
    """Whether the day was asked for."""

    @property
    def start_ts(self) -> int:
        return midnight_of(self.day)

    @property
    def shift_s(self) -> int:
        """How much earlier the other day began; 0 for none."""
        before = AGAINST.get(self.against, 0)
        return self.start_ts - midnight_of(self.day - timedelta(days=before))

    def values(self) -> dict[str, str]:
        """By name, "" for what is not asked for."""
        named = (each.name for each in fields(self) if each.name != "dated")
        return {name: str(getattr(self, name)) for name in named}

    def address(self) -> str:
        """What reads as the same, behind a page's path."""
        return "?" + urlencode({name: value for name, value in self.values().items() if value})


def asked_of(query: str, today: date) -> Asked:
    """What an address asks for, with or without its ``?``; what makes no sense is left out, and a
    day that is still to come is ``today``."""
    try:
        read = parse_qs(query.removeprefix("?")[:MAX_QUERY_CHARS], max_num_fields=20)
    except ValueError:
        read = {}
    # no name holds it, and not every database can be asked for it
    said = {name: values[0].replace("\0", "")[:MAX_NAME_CHARS] for name, values in read.items()}
    try:
        day: date | None = date.fromisoformat(said.get("day", ""))
    except ValueError:
        day = None
    against = said.get("against", "")
    return Asked(
        day=today if day is None else max(min(day, today), FIRST_DAY),
        dated=day is not None,
        camera=said.get("camera", ""),
        junction="" if said.get("camera") else said.get("junction", ""),
        line=said.get("line", ""),
        direction=said.get("direction", ""),
        against=against if against in AGAINST else "",
        other="" if against in AGAINST else said.get("other", ""),
    )


def midnight_of(day: date) -> int:
    """When a day of the city begins, UTC seconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=WITA).timestamp())
