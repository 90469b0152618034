"""What a form sent: its fields, and why they are not taken."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from api.auth import ASK, NAME
from api.door import carries_form
from api.i18n import N_, Texts
from api.store import MAX_NAME_CHARS, BadNameError, checked_name
from api.times import END_TS, EPOCH
from streams.config import WITA

MAX_ASKED: Final = 50
"""So many values may come in an address."""
NO_NAME: Final = N_("The name is missing: write one of at most %(most)d characters.")
LONG_NAME: Final = N_("This name is too long: use at most %(most)d characters.")
ODD_NAME: Final = N_(
    "This cannot be a name: use at most %(most)d letters, digits and signs that can be seen."
)
NO_KEY_NAME: Final = N_(
    "“%(name)s” cannot be a key's name: use at most %(most)d letters without accents, digits, "
    "“.”, “_” and “-”, beginning with a letter or a digit."
)
NO_CAMERA_ID: Final = N_(
    "“%(name)s” cannot be a camera's id: use at most %(most)d letters without accents, digits, "
    "“.”, “_” and “-”, beginning with a letter or a digit."
)
WRONG_TIME: Final = N_(
    "“%(time)s” is no time: write it as 2026-01-31T07:00, as the city's clocks show it."
)
MAX_TIME_CHARS: Final = 160
NOT_CONFIRMED: Final = N_("Nothing was changed: tick the box that confirms it, and send it again.")


class WrongError(Exception):
    """What was sent cannot be taken; ``text`` says why and is translated where it is shown."""

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text)
        self.text = text
        self.values = values

    def said(self, _: Texts) -> str:
        """The sentence in a person's language."""
        return _(self.text) % self.values if self.values else _(self.text)


class Fields:
    """The fields of a form by name, as often as each was sent."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple(pairs)

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]

    def text(self, name: str) -> str:
        """What the first field of this name holds, without the space around it."""
        return next(iter(self.all(name)), "").strip()

    def secret(self, name: str) -> str:
        """The same as it was typed: a password may begin with a space."""
        return next(iter(self.all(name)), "")

    def has(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self.text(name))

    def numbers(self, name: str) -> frozenset[int]:
        """The numbers that fields of this name hold; what is none is left out."""
        found = (number(value) for value in self.all(name))
        return frozenset(each for each in found if each is not None)

    def confirm(self) -> None:
        """Raise WrongError where the box is not ticked that confirms what cannot be undone."""
        if not self.has("confirm"):
            raise WrongError(NOT_CONFIRMED)


def asked(query: bytes) -> dict[str, str]:
    """The values in an address; what is there twice is not there, and of too many none."""
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_ASKED)
    except ValueError:
        return {}
    names = [name for name, _ in pairs]
    return {name: value for name, value in pairs if names.count(name) == 1}


async def _fields(request: Request) -> Fields:
    # of no other kind does the door look for a token
    if not carries_form(request.scope[ASK]):
        return Fields()
    # the door has bounded it
    body = await request.body()
    return Fields(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


Sent = Annotated[Fields, Depends(_fields)]
"""What a form sent, for a route."""


def number(text: str) -> int | None:
    """The number of a row, as it stands in an address."""
    is_one = text.isascii() and text.isdecimal() and len(text) <= 18
    return int(text) if is_one else None


def time_of(text: str) -> float | None:
    """UTC seconds of what a field for a local time holds, None where that is nothing. Raises
    WrongError."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WrongError(WRONG_TIME, time=text[:MAX_TIME_CHARS]) from None
    ts = (moment.replace(tzinfo=moment.tzinfo or WITA) - EPOCH).total_seconds()
    if not 0 <= ts < END_TS:
        raise WrongError(WRONG_TIME, time=text[:MAX_TIME_CHARS])
    return ts


def name_of(text: str) -> str:
    """The name of a person or a group as it is kept. Raises WrongError."""
    if not text:
        raise WrongError(NO_NAME, most=MAX_NAME_CHARS)
    try:
        return checked_name(text)
    except BadNameError:
        raise WrongError(ODD_NAME, most=MAX_NAME_CHARS) from None


def visible(text: str, most: int) -> str:
    """A text of at most ``most`` characters, all of which can be seen. Raises WrongError."""
    if len(text) > most:
        raise WrongError(LONG_NAME, most=most)
    if not text.isprintable():
        raise WrongError(ODD_NAME, most=most)
    return text


def key_name(text: str) -> str:
    """The name of a machine key. Raises WrongError."""
    if not text:
        raise WrongError(NO_NAME, most=MAX_NAME_CHARS)
    if NAME.fullmatch(text) is None:
        raise WrongError(NO_KEY_NAME, name=text[:MAX_NAME_CHARS], most=MAX_NAME_CHARS)
    return text


def cameras_of(ticked: Iterable[str], typed: str, known: Iterable[str]) -> frozenset[str]:
    """Ids of cameras: of those that were ``ticked`` and those that were ``typed``, apart by commas
    or spaces. One that is not ``known`` has to look like one. Raises WrongError."""
    there = set(known)
    wanted = {*ticked, *typed.replace(",", " ").replace(";", " ").split()}
    for camera in sorted(wanted - there):
        if NAME.fullmatch(camera) is None:
            raise WrongError(NO_CAMERA_ID, name=camera[:MAX_NAME_CHARS], most=MAX_NAME_CHARS)
    return frozenset(wanted)
