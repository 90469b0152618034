"""What every test of what is sent needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.delivery.receiver import MADE


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """What a test's senders keep open is closed after it."""
    yield
    while MADE:
        MADE.pop().close()
