"""Why the store refuses a change of people, groups and keys: each a class of its own, so that a
page can say it in its language. The messages are for the command line."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from vision.errors import StoreError

Thing: TypeAlias = Literal["user", "group", "key", "sign-in"]
"""What has a name: ``sign-in`` is how a user is called at the sign-in service."""

_ADVICE: Final = {
    "user": "'matakota users list' shows them",
    "group": "'matakota groups list' shows them",
    "key": "'matakota keys list' shows those that are in use",
}


class RefusedError(StoreError):
    """The store works, and does not do what it was asked."""


class BadNameError(RefusedError):
    """A name that nobody could read or write again."""


class NameTakenError(RefusedError):
    """Another ``thing`` has this ``name``."""

    def __init__(self, thing: Thing, name: str) -> None:
        self.thing = thing
        self.name = name
        whose = "another user is called" if thing == "sign-in" else f"there is a {thing}"
        where = " at the sign-in service" if thing == "sign-in" else ""
        done = ", or revoke that one" if thing == "key" else ""
        super().__init__(f"{whose} {name}{where} already: choose another name{done}")


class GoneError(RefusedError):
    """There is no such ``thing``, or not any more."""

    def __init__(self, thing: Literal["user", "group", "key"], name: str = "") -> None:
        self.thing = thing
        if thing == "key":
            said = f"no key {name} is in use"
        else:
            said = f"there is no {thing} {name}" if name else f"there is no such {thing} any more"
        super().__init__(f"{said}: {_ADVICE[thing]}")


class DisabledError(RefusedError):
    """A user who may not come in is to be given a way in."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the user {name} is disabled: 'matakota users enable' ends that")


class LastAdministratorError(RefusedError):
    """Nobody would be left who can administer."""

    def __init__(self) -> None:
        super().__init__(
            "this is the only administrator who can sign in: make somebody else an administrator "
            "first, who has chosen a password"
        )


class KeyGrantError(RefusedError):
    """What a machine key is to be given makes no sense."""
