"""People: who there is, what they may, and their way in; for administrators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from api.access import Role
from api.forms.once import show_password_link
from api.forms.page import go, show, texts_of
from api.forms.refusals import REFUSALS, missing, said
from api.forms.sent import Fields, Sent, WrongError, name_of, number, visible
from api.forms.words import ROLES, ROLES_SAID
from api.i18n import N_
from api.services import Asking, Served, Services
from api.sessions import actor_of
from api.store import MAX_EXTERNAL_CHARS, Rights, User

NO_ROLE: Final = N_("The role is missing: choose one.")
NO_WAY_IN: Final = N_(
    "Nothing would let this person in: make a link for a password, or write the name at the "
    "sign-in service."
)

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a form about a user holds, also where it cannot be taken."""

    name: str = ""
    role: str = Role.VIEWER.value
    every_camera: bool = False
    groups: frozenset[int] = frozenset()
    external: str = ""
    disabled: bool = False
    link: bool = True

    @classmethod
    def sent(cls, fields: Fields, name: str | None = None) -> _Wish:
        return cls(
            name=fields.text("name") if name is None else name,
            role=fields.text("role"),
            every_camera=fields.has("every_camera"),
            groups=fields.numbers("groups"),
            external=fields.text("external"),
            disabled=fields.has("disabled"),
            link=fields.has("link"),
        )

    @classmethod
    def of(cls, user: User) -> _Wish:
        return cls(
            user.name, user.role.value, user.every_camera, user.groups, user.external or "",
            user.disabled_at is not None,
        )  # fmt: skip

    def rights(self) -> Rights:
        """What the store is asked for. Raises WrongError."""
        if self.role not in set(Role):
            raise WrongError(NO_ROLE)
        return Rights(
            Role(self.role), self.every_camera, self.groups,
            visible(self.external, MAX_EXTERNAL_CHARS) if self.external else None, self.disabled,
        )  # fmt: skip


@router.get("/people")
def people(request: Request, served: Served) -> Response:
    return _list(request, served, _Wish())


@router.post("/people")
def add(request: Request, served: Served, sent: Sent) -> Response:
    wish = _Wish.sent(sent)
    try:
        rights = wish.rights()
        if not wish.link and rights.external is None:
            raise WrongError(NO_WAY_IN)
        user = served.store.people.add(name_of(wish.name), rights, actor_of(request))
        if wish.link:
            return show_password_link(request, served, user)
    except REFUSALS as error:
        return _list(request, served, wish, said(texts_of(request), error))
    return go(f"/people/{user.id}?saved=1")


@router.get("/people/{user}")
def person(request: Request, served: Served, user: str) -> Response:
    found = _find(served, user)
    return missing(request) if found is None else _person(request, served, found, _Wish.of(found))


@router.post("/people/{user}")
def change(request: Request, served: Served, asking: Asking, user: str, sent: Sent) -> Response:
    found = _find(served, user)
    if found is None:
        return missing(request)
    wish = _Wish.sent(sent, found.name)
    try:
        changed = served.store.people.change(found.id, wish.rights(), actor_of(request))
    except REFUSALS as error:
        return _person(request, served, found, wish, said(texts_of(request), error))
    served.keys.forget()
    if changed.id == asking.user and changed.role is not Role.ADMINISTRATOR:
        # these pages are theirs no more
        return go("/account")
    return go(f"/people/{found.id}?saved=1")


@router.post("/people/{user}/{change}")
def do(request: Request, served: Served, user: str, change: str, sent: Sent) -> Response:
    found = _find(served, user)
    if found is None or change not in {"link", "no-totp", "end-sessions", "remove"}:
        return missing(request)
    by = actor_of(request)
    back = f"/people/{found.id}?saved=1"
    try:
        if change == "link":
            return show_password_link(request, served, found)
        if change == "no-totp":
            served.store.people.clear_totp(found.id, by)
        if change == "end-sessions":
            served.store.people.end_sessions(found.id, by)
        if change == "remove":
            sent.confirm()
            served.store.people.remove(found.id, by)
            back = "/people"
    except REFUSALS as error:
        problem = said(texts_of(request), error)
        return _person(request, served, found, _Wish.of(found), problem)
    served.keys.forget()
    return go(back)


def _find(served: Services, user: str) -> User | None:
    wanted = number(user)
    return None if wanted is None else served.store.people.get(wanted)


def _list(request: Request, served: Services, wish: _Wish, problem: str = "") -> Response:
    values = {
        "users": served.store.people.all(),
        "seen": _seen(served),
        "wish": wish,
        **_choices(request, served),
    }
    return show(request, "people.html", values, status=422 if problem else 200, problem=problem)


def _person(
    request: Request, served: Services, user: User, wish: _Wish, problem: str = ""
) -> Response:
    values = {
        "user": user,
        "sessions": served.store.keys.sessions(user.id),
        "wish": wish,
        "saved": "saved" in request.query_params and not problem,
        **_choices(request, served),
    }
    return show(request, "person.html", values, status=422 if problem else 200, problem=problem)


def _choices(request: Request, served: Services) -> Mapping[str, Any]:
    _ = texts_of(request)
    return {
        "roles": {role.value: _(name) for role, name in ROLES.items()},
        "roles_said": {role.value: _(said) for role, said in ROLES_SAID.items()},
        "groups": {group.id: group for group in served.store.groups.all()},
    }


def _seen(served: Services) -> dict[int, float]:
    """When each user's sessions were last used, as far as they are kept, UTC seconds."""
    seen: dict[int, float] = {}
    for key in served.store.keys.all():
        if key.kind == "session" and key.user is not None:
            used = key.created_at if key.last_used_at is None else key.last_used_at
            seen[key.user] = max(used, seen.get(key.user, 0.0))
    return seen
