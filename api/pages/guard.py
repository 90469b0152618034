"""What a page's person does, let through one guard: an event comes over a socket that was opened
long before, and by whoever writes to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from nicegui.events import GenericEventArguments

from api.access import Caller, Permission
from api.auth import ASK, CALLER, NOT_YOURS
from api.door import refusal
from api.services import Services


def for_people(request: Request) -> Response | None:
    """What is answered to keys instead of a page, whatever they may: pages are for people."""
    caller: Caller = request.scope[CALLER]
    if caller.may(Permission.PERSON):
        return None
    status, body, headers = refusal(request.scope[ASK], NOT_YOURS, caller)
    return Response(body, status, headers)


def guarded(
    served: Services,
    caller: Caller,
    permission: Permission,
    handler: Callable[[GenericEventArguments, Caller], Awaitable[None]],
) -> Callable[[GenericEventArguments], Awaitable[None]]:
    """A handler that runs only where who opened the page has this permission now. It gets them
    with the rights of now, to check what the event names."""

    async def run(event: GenericEventArguments) -> None:
        now = await served.keys.renewed(caller)
        if now is not None and now.may(permission):
            await handler(event, now)

    return run
