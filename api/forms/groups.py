"""Groups of cameras, which people and keys are given; for administrators."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from fastapi import APIRouter, Request, Response

from api.forms.page import go, show, texts_of
from api.forms.refusals import REFUSALS, missing, said
from api.forms.sent import Fields, Sent, cameras_of, name_of, number
from api.services import Served, Services
from api.sessions import actor_of
from api.store import Group, User

router = APIRouter(include_in_schema=False)


class Camera(NamedTuple):
    """One to choose: ``name`` is its id where it is not configured."""

    id: str
    name: str


def cameras_there(served: Services, more: Iterable[str] = ()) -> list[Camera]:
    """The cameras that are configured or were reported, and ``more`` by id. Raises StoreError."""
    names = {camera: camera for camera in more}
    names |= {each.report.camera: each.report.name for each in served.store.cameras.all()}
    names |= {each.id: each.name for each in served.store.configuration.cameras()}
    return [Camera(camera, names[camera]) for camera in sorted(names)]


class Holders(NamedTuple):
    """The people and the names of the machine keys that have a group."""

    people: list[User]
    keys: list[str]


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a form about a group holds, also where it cannot be taken."""

    name: str = ""
    cameras: frozenset[str] = frozenset()
    others: str = ""

    @classmethod
    def sent(cls, fields: Fields) -> _Wish:
        return cls(fields.text("name"), frozenset(fields.all("cameras")), fields.text("others"))

    def chosen(self, there: Iterable[Camera]) -> frozenset[str]:
        """The cameras of the group. Raises WrongError."""
        return cameras_of(self.cameras, self.others, (camera.id for camera in there))


@router.get("/groups")
def groups(request: Request, served: Served) -> Response:
    return _list(request, served, _Wish())


@router.post("/groups")
def add(request: Request, served: Served, sent: Sent) -> Response:
    wish = _Wish.sent(sent)
    try:
        cameras = wish.chosen(cameras_there(served))
        made = served.store.groups.add(name_of(wish.name), cameras, actor_of(request))
    except REFUSALS as error:
        return _list(request, served, wish, said(texts_of(request), error))
    served.keys.forget()
    return go(f"/groups/{made.id}?saved=1")


@router.get("/groups/{group}")
def group(request: Request, served: Served, group: str) -> Response:
    found = _find(served, group)
    if found is None:
        return missing(request)
    return _group(request, served, found, _Wish(found.name, found.cameras))


@router.post("/groups/{group}")
def change(request: Request, served: Served, group: str, sent: Sent) -> Response:
    found = _find(served, group)
    if found is None:
        return missing(request)
    wish = _Wish.sent(sent)
    try:
        cameras = wish.chosen(cameras_there(served, found.cameras))
        served.store.groups.change(found.id, name_of(wish.name), cameras, actor_of(request))
    except REFUSALS as error:
        return _group(request, served, found, wish, said(texts_of(request), error))
    served.keys.forget()
    return go(f"/groups/{found.id}?saved=1")


@router.post("/groups/{group}/{change}")
def do(request: Request, served: Served, group: str, change: str, sent: Sent) -> Response:
    found = _find(served, group)
    if found is None or change != "remove":
        return missing(request)
    try:
        sent.confirm()
        served.store.groups.remove(found.id, actor_of(request))
    except REFUSALS as error:
        wish = _Wish(found.name, found.cameras)
        return _group(request, served, found, wish, said(texts_of(request), error))
    served.keys.forget()
    return go("/groups")


def _find(served: Services, group: str) -> Group | None:
    wanted = number(group)
    return None if wanted is None else served.store.groups.get(wanted)


def _holders(served: Services, found: Iterable[Group]) -> dict[int, Holders]:
    """Who has each of these groups, keys that are revoked left out."""
    users = served.store.people.all()
    keys = [key for key in served.store.keys.all() if key.kind == "key" and not key.revoked_at]
    # a key's groups are told by their names, no two of which are the same
    granted = {key.name: served.store.keys.granted(key.id)[1] for key in keys}
    return {
        group.id: Holders(
            [user for user in users if group.id in user.groups],
            [name for name, groups in granted.items() if group.name in groups],
        )
        for group in found
    }


def _list(request: Request, served: Services, wish: _Wish, problem: str = "") -> Response:
    found = served.store.groups.all()
    values = {
        "groups": found,
        "holders": _holders(served, found),
        "cameras": cameras_there(served),
        "wish": wish,
    }
    return show(request, "groups.html", values, status=422 if problem else 200, problem=problem)


def _group(
    request: Request, served: Services, group: Group, wish: _Wish, problem: str = ""
) -> Response:
    values = {
        "group": group,
        "holders": _holders(served, [group])[group.id],
        "cameras": cameras_there(served, group.cameras),
        "wish": wish,
        "saved": "saved" in request.query_params and not problem,
    }
    return show(request, "group.html", values, status=422 if problem else 200, problem=problem)
