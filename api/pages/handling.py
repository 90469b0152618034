"""What people do about alerts in the operations room: each act goes to the store with the ``edit``
that its person saw, so that whoever comes second is told, and overwrites nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, TypeVar

from nicegui import ui
from nicegui.events import GenericEventArguments
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from api.access import ROLES, Caller, Permission, Role
from api.alerting.advise import advice_for
from api.board import View
from api.forms.words import ACTIONS
from api.i18n import N_, Texts
from api.kinds import INCIDENTS
from api.lifecycle import (
    MAX_NOTE_CHARS,
    ConflictError,
    IntoItselfError,
    IntoMergedError,
    NotResolvedError,
    Outcome,
    ResolvedError,
)
from api.pages.evidence import evidence_of, want_copy
from api.pages.guard import guarded
from api.pages.opened import Panel, nearby, shown_choices, shown_detail
from api.services import Services
from api.store import Actor, StoredAlert
from api.store.cases import MAX_BULK, AssigneeError, ByHand, NoTargetError
from streams.messages import NO_NUL
from vision.errors import HandlingError, StoreError
from vision.types import Severity

OTHERS: Final = 30
"""So many alerts are offered to merge one into."""
GONE: Final = N_("There is no such alert.")
NO_CAMERA: Final = N_("There is no such camera.")
UNREAD: Final = N_("This cannot be taken: shorten the note, and send it again.")
CONFLICT: Final = N_(
    "%(name)s was first (%(what)s), so nothing of yours was kept: look at the alert as it is now."
)
CHANGED: Final = N_("The alert has changed, so nothing of yours was kept: look at it as it is now.")
_REFUSED: Final[Mapping[type[HandlingError], str]] = {
    ResolvedError: N_("This alert is resolved: open it again first."),
    NotResolvedError: N_("This alert is open already."),
    IntoItselfError: N_("An alert cannot be merged into itself: choose another one."),
    IntoMergedError: N_("That alert is itself part of another one: choose that one."),
    NoTargetError: N_("There is no such alert to merge into: correct its id."),
    AssigneeError: N_("They cannot handle alerts of this camera: choose somebody else."),
}
_REFUSED_ELSE: Final = N_("This cannot be done with this alert: look at it as it is now.")
_P: Final = Permission
_Id: TypeAlias = Annotated[str, Field(max_length=200, pattern=NO_NUL)]
_Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
_Note: TypeAlias = Annotated[str, Field(max_length=MAX_NOTE_CHARS, pattern=NO_NUL)]


class _Sent(BaseModel):
    """What a browser sends; it may be anybody's."""

    model_config = ConfigDict(extra="forbid", strict=True)

    act: ClassVar[str]

    edit: Annotated[int, Field(ge=0, lt=1 << 31)]


class _Assign(_Sent):
    act: ClassVar[str] = "assign"

    id: _Id
    to: _Name


class _Resolve(_Sent):
    act: ClassVar[str] = "resolve"

    id: _Id
    outcome: Outcome
    note: _Note


class _Reopen(_Sent):
    act: ClassVar[str] = "reopen"

    id: _Id
    note: _Note


class _Merge(_Sent):
    act: ClassVar[str] = "merge"

    id: _Id
    into: _Id


class _Open(_Sent):
    act: ClassVar[str] = "open"

    camera: _Name
    kind: Literal[INCIDENTS]  # type: ignore[valid-type]
    severity: Severity
    note: _Note


_S = TypeVar("_S", bound=_Sent)
_IDS: Final = TypeAdapter(Annotated[list[_Id], Field(min_length=1, max_length=MAX_BULK)])


class Handling:
    """Does what the person of one page does about alerts. ``mark`` tells the list which one is
    opened, ``miss`` which one is not, though it was asked for."""

    def __init__(
        self,
        served: Services,
        opened: Caller,
        actor: Actor,
        said: Texts,
        look: Callable[[], Awaitable[View]],
        mark: Callable[[str | None], None],
        miss: Callable[[str], None],
    ) -> None:
        self._served = served
        self._opened = opened
        self._actor = actor
        self._said = said
        self._look = look
        self._mark = mark
        self._miss = miss
        # the one that was asked for last; what was asked for before it is not shown any more
        self._asked: str | None = None
        self._shown: str | None = None
        self._camera = ""
        self._panel = Panel(opened, said)

    def listen(self, listed: ui.element) -> None:
        """Take what is done in the list and in the opened alert."""
        served, opened, panel = self._served, self._opened, self._panel
        handle = _P.ALERTS_HANDLE
        for where in (listed, panel):
            where.on("acknowledge", guarded(served, opened, handle, self._acknowledge))
        listed.on("look", guarded(served, opened, _P.ALERTS_READ, self._open_one))
        listed.on("compose", guarded(served, opened, handle, self._compose))
        panel.on("glance", guarded(served, opened, _P.ALERTS_READ, self._glance))
        panel.on("mask", guarded(served, opened, _P.EVIDENCE_SEE, self._mask))
        panel.on("close", guarded(served, opened, _P.ALERTS_READ, self._close))
        panel.on("assign", guarded(served, opened, handle, self._assign))
        panel.on("resolve", guarded(served, opened, handle, self._resolve))
        panel.on("reopen", guarded(served, opened, handle, self._reopen))
        panel.on("merge", guarded(served, opened, handle, self._merge))
        panel.on("open", guarded(served, opened, handle, self._by_hand))

    # --- what is shown

    async def changed(self, alerts: Sequence[StoredAlert], now: Caller) -> None:
        """Show the opened alert as it is now, if it is one of these."""
        if any(alert.id == self._shown for alert in alerts):
            await self._renew(now)

    async def limit(self, now: Caller) -> None:
        """Show no alert of a camera that is not to be seen any more, and no such camera beside
        another one."""
        if self._shown is not None and now.sees(self._camera):
            await self._renew(now)
        elif self._shown is not None:
            self._shown = None
            self._panel.shut()
            self._mark(None)

    async def _open_one(self, event: GenericEventArguments, now: Caller) -> None:
        if not isinstance(event.args, str):
            return
        self._asked = event.args
        try:
            detail = await self._detail(event.args, now)
        except StoreError as error:
            ui.notify(str(error), type="negative")
            self._miss(event.args)
            return
        if detail is None:
            ui.notify(self._said(GONE), type="negative")
            self._miss(event.args)
            return
        if self._asked != event.args:
            return
        self._shown, self._camera = event.args, detail["alert"]["camera"]
        self._panel.show(detail)
        self._mark(event.args)

    async def _renew(self, now: Caller) -> None:
        shown = self._shown
        if shown is None:
            return
        try:
            detail = await self._detail(shown, now)
        except StoreError:
            # the next change brings it
            return
        if detail is not None and shown == self._shown:
            self._panel.renew(detail)

    async def _glance(self, _event: GenericEventArguments, now: Caller) -> None:
        await self._renew(now)

    async def _mask(self, event: GenericEventArguments, now: Caller) -> None:
        why = await want_copy(self._served, event.args, now)
        if why:
            ui.notify(self._said(why), type="negative")
        await self._renew(now)

    async def _close(self, _event: GenericEventArguments, _now: Caller) -> None:
        self._shown = self._asked = None
        self._mark(None)

    async def _compose(self, _event: GenericEventArguments, now: Caller) -> None:
        view = await self._look()
        names = {t.camera.id: t.camera.name for t in view.tiles if now.sees(t.camera.id)}
        self._shown = self._asked = None
        self._mark(None)
        self._panel.compose(shown_choices(names, self._said))

    async def _detail(self, alert_id: str, now: Caller) -> dict[str, Any] | None:
        """All of an alert; None where whoever looks sees no such one. Raises StoreError."""
        view = await self._look()
        return await run_in_threadpool(self._read, alert_id, now, view)

    def _read(self, alert_id: str, now: Caller, view: View) -> dict[str, Any] | None:
        store, only = self._served.store, now.cameras
        names = {tile.camera.id: tile.camera.name for tile in view.tiles}
        alert = store.alerts.get(alert_id, only=only)
        if alert is None:
            return None
        settings = store.alerting.current().settings
        handles = now.may(_P.ALERTS_HANDLE)
        cameras = {alert.camera}
        for site in settings.sites:
            if alert.camera in site.cameras:
                cameras |= {camera for camera in site.cameras if now.sees(camera)}
        others: list[StoredAlert] = []
        if handles:
            near = store.alerts.find(only=frozenset(cameras), merged=False, limit=OTHERS + 1)
            others = [each for each in near.alerts if each.id != alert_id]
        shown = shown_detail(
            alert,
            names,
            self._said,
            history=store.cases.history(alert_id, only=only) or (),
            advice=advice_for(settings, alert),
            people=_people(self._served, alert.camera, now.name) if handles else (),
            others=others,
        )
        shown |= evidence_of(self._served, alert, now, self._said)
        beside = nearby(alert.camera, view.of(now), settings.sites, now, self._said)
        return shown | {"near": beside}

    # --- what is done

    async def _acknowledge(self, event: GenericEventArguments, now: Caller) -> None:
        ids = [event.args] if isinstance(event.args, str) else event.args
        try:
            wanted = _IDS.validate_python(ids, strict=True)
        except ValidationError:
            return
        acknowledge = self._served.store.cases.acknowledge
        # whoever writes something in the panel goes on with it
        panel = self._panel if event.sender is self._panel else None
        try:
            done = await run_in_threadpool(acknowledge, wanted, self._by(now), only=now.cameras)
        except StoreError as error:
            ui.notify(str(error), type="negative")
            if panel is not None:
                panel.refused(wanted[0], "acknowledge", str(error))
            return
        if done.unknown:
            ui.notify(self._said(GONE), type="negative")
        self._served.bell.ring()
        if panel is not None:
            await self._renew(now)
            panel.done(wanted[0], "acknowledge")

    async def _assign(self, event: GenericEventArguments, now: Caller) -> None:
        def act(sent: _Assign, by: Actor, now: Caller) -> StoredAlert | None:
            assign = self._served.store.cases.assign
            return assign(sent.id, sent.to, by, edit=sent.edit, only=now.cameras)

        await self._act(_Assign, act, event, now)

    async def _resolve(self, event: GenericEventArguments, now: Caller) -> None:
        def act(sent: _Resolve, by: Actor, now: Caller) -> StoredAlert | None:
            resolve, note = self._served.store.cases.resolve, sent.note.strip()
            return resolve(sent.id, sent.outcome, note, by, edit=sent.edit, only=now.cameras)

        await self._act(_Resolve, act, event, now)

    async def _reopen(self, event: GenericEventArguments, now: Caller) -> None:
        def act(sent: _Reopen, by: Actor, now: Caller) -> StoredAlert | None:
            reopen = self._served.store.cases.reopen
            return reopen(sent.id, sent.note.strip(), by, edit=sent.edit, only=now.cameras)

        await self._act(_Reopen, act, event, now)

    async def _merge(self, event: GenericEventArguments, now: Caller) -> None:
        def act(sent: _Merge, by: Actor, now: Caller) -> StoredAlert | None:
            merge = self._served.store.cases.merge
            return merge(sent.id, sent.into, by, edit=sent.edit, only=now.cameras)

        await self._act(_Merge, act, event, now)

    async def _by_hand(self, event: GenericEventArguments, now: Caller) -> None:
        def act(sent: _Open, by: Actor, now: Caller) -> StoredAlert | None:
            seen = ByHand(sent.kind, sent.camera, sent.severity, note=sent.note.strip())
            return self._served.store.cases.open(seen, by, only=now.cameras)

        await self._act(_Open, act, event, now, gone=NO_CAMERA)

    async def _act(
        self,
        shape: type[_S],
        act: Callable[[_S, Actor, Caller], StoredAlert | None],
        event: GenericEventArguments,
        now: Caller,
        gone: str = GONE,
    ) -> None:
        """Do something, and say in the form why where it is not done."""
        _ = self._said
        of = event.args.get("id") if isinstance(event.args, dict) else None
        try:
            sent = shape.model_validate(event.args)
        except ValidationError:
            self._panel.refused(of, shape.act, _(UNREAD))
            return
        try:
            found = await run_in_threadpool(act, sent, self._by(now), now)
        except (StoreError, HandlingError) as error:
            self._panel.refused(of, shape.act, refused(error, _))
            # what it stands against is to be seen
            await self._renew(now)
            return
        if found is None:
            self._panel.refused(of, shape.act, _(gone))
            return
        # it comes back as a change, here and on every other page
        self._served.bell.ring()
        await self._renew(now)
        self._panel.done(of, shape.act)

    def _by(self, now: Caller) -> Actor:
        return replace(self._actor, name=now.name)


def refused(error: StoreError | HandlingError, _: Texts) -> str:
    """Why something is not done, in the words of whoever wanted it."""
    match error:
        case ConflictError():
            if error.last is None:
                return _(CHANGED)
            what = _(ACTIONS.get(error.last.action, error.last.action))
            return _(CONFLICT) % {"name": error.last.by, "what": what}
        case HandlingError():
            return _(_REFUSED.get(type(error), _REFUSED_ELSE))
        case StoreError():
            return str(error)


def _people(served: Services, camera: str, me: str) -> list[str]:
    """Whoever may handle alerts of a camera, ``me`` first. Raises StoreError."""
    groups = {group.id for group in served.store.groups.all() if camera in group.cameras}
    names = [
        user.name
        for user in served.store.people.all()
        if user.disabled_at is None
        and _P.ALERTS_HANDLE in ROLES[user.role]
        and (user.every_camera or user.role is Role.ADMINISTRATOR or groups & user.groups)
    ]
    return sorted(names, key=lambda name: name != me)
