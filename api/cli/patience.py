"""What a process does that is to live while the database does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from api.store import Store
from api.trouble import Trouble
from vision.errors import StoreGoneError


@contextmanager
def opened_patiently(url: str) -> Iterator[Store]:
    """The store at ``url``, as soon as it answers. Raises StoreError for one that never will."""
    trouble = Trouble("the database is waited for", "the database answers", threading.Event())
    while True:
        try:
            store = Store.open(url)
            break
        except StoreGoneError as error:
            trouble.wait(error)
    trouble.end()
    with store:
        yield store
