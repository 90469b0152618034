"""What all tests of reports put back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command that runs in this process logs to where its test looks, which is closed then."""
    yield
    structlog.reset_defaults()
