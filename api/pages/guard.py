"""What a page's person does, let through one guard: an event comes over a socket that was opened
long before, and by whoever writes to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui.events import GenericEventArguments

from api.access import Caller, Permission
from api.services import Services


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
