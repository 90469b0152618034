"""The served pages over a store alone, without cameras: a process of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, Page

from api.access import Kind
from api.links import new_link
from api.store import Store
from tests.api.command import environment
from tests.api.served import add_session, add_user, sqlite_url
from tests.nursery import nursery

MODULE = "tests.api.every_route"


@dataclass
class Site:
    """Where the pages are served, and the store behind them."""

    port: int
    store: Store

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def link(self, user: int | None, kind: Kind = "link") -> str:
        """A new one-time link for a user, or for nobody yet."""
        return new_link(self.store, self.address, user, kind=kind)

    def enter(self, context: BrowserContext, name: str = "administrator") -> Page:
        """The room's page, opened by the link of an administrator, who is added at first use."""
        known = self.store.people.named(name)
        user = add_user(self.store, name) if known is None else known.id
        page = context.new_page()
        page.goto(self.link(user))
        page.wait_for_selector(".mk-wall")
        return page

    def let_in(self, context: BrowserContext, user: int) -> None:
        """Give a browser a session of a user's."""
        session = add_session(self.store, user)
        name = f"matakota_{self.port}"
        context.add_cookies([{"name": name, "value": session, "url": self.address}])


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Site]:
    """A site in a folder; ``arguments`` are those of ``MODULE`` after it."""
    said, says = os.pipe()
    ends, waits = os.pipe()
    with ExitStack() as stack:
        out = stack.enter_context(os.fdopen(said, encoding="ascii"))
        stack.callback(os.close, waits)
        try:
            process = nursery(MODULE).start(
                f"{MODULE}:main", [str(folder), *arguments],
                folder=folder, variables=environment(folder), files=(ends, says, 2),
            )  # fmt: skip
        finally:
            os.close(ends)
            os.close(says)
        stack.callback(process.kill)
        port = json.loads(out.readline())["port"]
        yield Site(port, stack.enter_context(Store.open(sqlite_url(folder))))
