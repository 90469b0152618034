"""What the access matrix says of what is open already: it ends, or leaves out what is taken away,
when a right does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from api.access import Role
from api.store import Rights
from tests.api.matrix import Running
from tests.api.matrix_contents import acknowledged, state, urgent
from tests.api.matrix_open import Heard, Page, events, motion, room, wall
from tests.api.matrix_world import OWN
from tests.api.served import TESTER, wait_until

SETTLED_S = 4.0
"""Longer than anything that is known of somebody is kept."""
REST_S = 1.5
"""Longer than anything that was stored takes to come, to whoever gets it."""
END_S = 50.0
SHOWN, SHUT, DROPPED = (f'\\"{method}\\"' for method in ("show", "shut", "drop"))
"""What a page hears when an alert is opened on it, when it is shut, and when a camera goes."""


@dataclass
class Opened:
    """What somebody has open, and how much of each had come when something was taken away."""

    page: Page
    heard: dict[str, Heard]
    had: dict[str, int]

    def mark(self) -> None:
        self.had = {what: len(heard.text()) for what, heard in self.heard.items()}

    def since(self, what: str) -> str:
        return self.heard[what].text()[self.had.get(what, 0) :]


def opened(running: Running, caller: str, stack: ExitStack) -> Opened:
    """Everything that stays open, of somebody who sees the own camera."""
    page = stack.enter_context(room(running, caller))
    return Opened(
        page,
        {
            "stream": stack.enter_context(events(running, caller)),
            "page": page.heard,
            "screen": stack.enter_context(room(running, caller, "/room/wall")).heard,
            "list": stack.enter_context(room(running, caller, "/room/cameras")).heard,
            "editor": stack.enter_context(room(running, caller, f"/room/cameras/{OWN}")).heard,
            "traffic": stack.enter_context(room(running, caller, "/room/traffic")).heard,
            "pictures": stack.enter_context(motion(running, caller)),
            "wall": stack.enter_context(wall(running, caller)),
        },
        {},
    )


def endings(running: Running) -> Iterator[str]:
    """A group that shrinks, a role that is changed, a session that is ended, all at once: what is
    open of each person then."""
    world = running.world
    group = world.store.groups.get(world.group)
    assert group is not None
    rights = Rights(Role.OPERATOR, groups=frozenset({group.id}))
    second = world.store.people.add(f"late {time.monotonic_ns()}", rights, TESTER).id
    world.users["second"] = second
    callers = ("viewer", "operator", "administrator")
    for caller in (*callers, "second"):
        world.again(caller)
    session = world.held["administrator"]["cookie"].partition("=ms_")[2][:8]
    with ExitStack() as stack:
        each = {caller: opened(running, caller, stack) for caller in callers}
        page = stack.enter_context(room(running, "second"))
        own, other = urgent(running, OWN), state(running, OWN)
        for caller in callers:
            yield from _has(caller, each[caller], own)
        each["viewer"].page.emit("look", own)
        if not each["viewer"].heard["page"].wait(SHOWN):
            yield "the viewer cannot open an own alert"
        page.heard.wait(own)
        page.emit("acknowledge", own)
        wait_until(lambda: acknowledged(running, own) is not None, END_S)
        demoted = Rights(Role.ANALYST, groups=rights.groups)
        try:
            world.store.people.change(world.users["operator"], demoted, TESTER)
            world.store.groups.change(group.id, group.name, [], TESTER)
            world.store.keys.end(session, TESTER)
            world.again("administrator")
            # whose pictures, alerts and what goes with them are no part of the new role
            yield from _ends("a role", each["operator"], ("stream", "pictures", "wall"))
            yield from _ends("a session", each["administrator"], tuple(each["operator"].heard))
            yield from _ends("a camera", each["viewer"], ("pictures",))
            if not each["viewer"].heard["page"].wait(SHUT, END_S):
                yield "an alert of a camera that the viewer lost stays open"
            ended = "location.reload"
            for what, word in (("list", DROPPED), ("editor", ended), ("traffic", ended)):
                if not each["viewer"].heard[what].wait(word, END_S):
                    yield f"the {what} of who lost a camera goes on"
            time.sleep(SETTLED_S)
            page.emit("acknowledge", other)
            yield from _silent(running, each["viewer"])
            if acknowledged(running, other) is not None:
                yield "a page acknowledged an alert of a camera that its person lost"
        finally:
            world.store.people.change(world.users["operator"], rights, TESTER)
            world.store.groups.change(group.id, group.name, group.cameras, TESTER)
    for caller in callers:
        world.again(caller)


def _has(caller: str, each: Opened, own: str) -> Iterator[str]:
    wanted = {
        "stream": own,
        "page": own,
        "screen": own,
        "pictures": "image/jpeg",
        "wall": f"picture of {OWN}",
    }
    for what, word in wanted.items():
        if not each.heard[what].wait(word):
            yield f"the {what} of {caller} does not come"


def _ends(right: str, each: Opened, what: tuple[str, ...]) -> Iterator[str]:
    for name in what:
        if not each.heard[name].ended.wait(END_S):
            yield f"the {name} of who lost {right} goes on"


def _silent(running: Running, each: Opened) -> Iterator[str]:
    """Nothing comes of the camera that was taken away, when others have it."""
    each.mark()
    late = urgent(running, OWN)
    with events(running, "administrator", 0) as other:
        other.wait(late)
    time.sleep(REST_S)
    for what in ("stream", "page", "screen"):
        if late in each.since(what):
            yield f"the {what} of who lost a camera goes on"
    if f"picture of {OWN}" in each.since("wall"):
        yield "the wall of who lost a camera goes on"


CHECKS = (endings,)
