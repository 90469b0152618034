"""Why a form is not taken, in the words of the person who sent it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import Request, Response

from api.forms.page import show
from api.forms.sent import ODD_NAME, WrongError
from api.i18n import N_, Texts
from api.store import (
    MAX_NAME_CHARS,
    BadNameError,
    DisabledError,
    GoneError,
    KeyGrantError,
    LastAdministratorError,
    NameTakenError,
    RefusedError,
    UnstorableError,
)
from vision.errors import StoreError

REFUSALS: Final = (WrongError, RefusedError, UnstorableError)
"""What is said beside the form; any other error is the application's to answer."""
_TAKEN: Final[Mapping[str, str]] = {
    "user": N_("Somebody is called “%(name)s” already: choose another name."),
    "group": N_("There is a group “%(name)s” already: choose another name."),
    "key": N_("There is a key “%(name)s” already: choose another name, or revoke that one."),
    "sign-in": N_(
        "Somebody else is called “%(name)s” at the sign-in service already: write another name."
    ),
}
_GONE: Final[Mapping[str, str]] = {
    "user": N_("There is no such person any more: somebody else has removed them meanwhile."),
    "group": N_("There is no such group any more: somebody else has removed it meanwhile."),
    "key": N_("There is no such key any more: somebody else has revoked it meanwhile."),
}
_DISABLED: Final = N_("“%(name)s” is disabled: enable them first.")
_LAST: Final = N_(
    "This is the only administrator who can sign in: make somebody else an administrator first, "
    "who has chosen a password."
)
_GRANT: Final = N_("Such a key would be good for nothing: say what it may, and for which cameras.")
_UNSTORABLE: Final = N_("The database does not take this: use shorter or other texts.")


def said(_: Texts, error: WrongError | StoreError) -> str:
    """The sentence about ``error``."""
    match error:
        case WrongError():
            return error.said(_)
        case NameTakenError():
            return _(_TAKEN[error.thing]) % {"name": error.name}
        case GoneError():
            return _(_GONE[error.thing])
        case DisabledError():
            return _(_DISABLED) % {"name": error.name}
        case BadNameError():
            return _(ODD_NAME) % {"most": MAX_NAME_CHARS}
        case LastAdministratorError():
            return _(_LAST)
        case KeyGrantError():
            return _(_GRANT)
        case _:
            return _(_UNSTORABLE)


def missing(request: Request) -> Response:
    """What is asked for is not there, or not any more."""
    return show(request, "missing.html", {}, status=404)
