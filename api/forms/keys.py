"""Machine keys: made, shown once, revoked; for administrators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response

from api.access import SCOPES
from api.auth import new_token
from api.forms.groups import cameras_there
from api.forms.once import show_once
from api.forms.page import go, show, texts_of
from api.forms.refusals import REFUSALS, missing, said
from api.forms.sent import Fields, Sent, WrongError, cameras_of, key_name
from api.forms.words import SCOPES as SCOPES_SAID
from api.i18n import N_
from api.services import Served, Services
from api.sessions import actor_of
from api.store import Grant

WORKER: Final = "worker"
INTEGRATION: Final = "integration"
NO_KIND: Final = N_("Say what the key is for: a worker or an integration.")
NO_SCOPES: Final = N_("An integration needs something that it may do: tick at least one.")
NO_CAMERAS: Final = N_("The key would be for no camera: tick a group, a camera, or every camera.")

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the form about a key holds, also where it cannot be taken."""

    name: str = ""
    kind: str = WORKER
    scopes: frozenset[str] = frozenset()
    every_camera: bool = False
    groups: frozenset[int] = frozenset()
    cameras: frozenset[str] = frozenset()
    others: str = ""

    @classmethod
    def sent(cls, fields: Fields) -> _Wish:
        return cls(
            fields.text("name"), fields.text("kind"), frozenset(fields.all("scopes")),
            fields.has("every_camera"), fields.numbers("groups"),
            frozenset(fields.all("cameras")), fields.text("others"),
        )  # fmt: skip

    def grant(self, served: Services) -> Grant:
        """What the key is to be given. Raises WrongError, StoreError."""
        if self.kind not in {WORKER, INTEGRATION}:
            raise WrongError(NO_KIND)
        scopes = tuple(scope for scope in SCOPES if scope in self.scopes)
        if self.kind == INTEGRATION and not scopes:
            raise WrongError(NO_SCOPES)
        there = (camera.id for camera in cameras_there(served))
        cameras = cameras_of(self.cameras, self.others, there)
        if not (self.every_camera or self.groups or cameras):
            raise WrongError(NO_CAMERAS)
        return Grant(
            scopes=() if self.kind == WORKER else scopes,
            worker=self.kind == WORKER,
            every_camera=self.every_camera,
            cameras=() if self.every_camera else tuple(sorted(cameras)),
            groups=() if self.every_camera else tuple(sorted(self.groups)),
        )


@router.get("/keys")
def keys(request: Request, served: Served) -> Response:
    return _list(request, served, _Wish())


@router.post("/keys")
def add(request: Request, served: Served, sent: Sent) -> Response:
    _ = texts_of(request)
    wish = _Wish.sent(sent)
    token = new_token()
    try:
        name = key_name(wish.name)
        grant = wish.grant(served)
        served.store.keys.add(token.id, name, token.hash, grant, actor_of(request))
    except REFUSALS as error:
        return _list(request, served, wish, said(_, error))
    served.keys.forget()
    title = _("Machine key %(name)s") % {"name": name}
    explained = _(
        "Copy this key now to where %(name)s keeps it. It is not shown again: only a fingerprint "
        "of it is kept here."
    ) % {"name": name}
    return show_once(request, title, explained, token.reveal(), ("/keys", _("Machine keys")))


@router.post("/keys/{key}/{change}")
def do(request: Request, served: Served, key: str, change: str) -> Response:
    found = served.store.keys.get(key) if change == "revoke" else None
    if found is None or found.kind != "key":
        return missing(request)
    served.store.keys.end(found.id, actor_of(request))
    served.keys.forget()
    return go("/keys")


def _list(request: Request, served: Services, wish: _Wish, problem: str = "") -> Response:
    _ = texts_of(request)
    found = [key for key in reversed(served.store.keys.all()) if key.kind == "key"]
    values = {
        "live": [key for key in found if key.revoked_at is None],
        "revoked": [key for key in found if key.revoked_at is not None],
        "granted": {key.id: served.store.keys.granted(key.id) for key in found},
        "scopes": {scope.value: _(SCOPES_SAID[scope]) for scope in SCOPES},
        "groups": served.store.groups.all(),
        "cameras": cameras_there(served),
        "wish": wish,
    }
    return show(request, "keys.html", values, status=422 if problem else 200, problem=problem)
