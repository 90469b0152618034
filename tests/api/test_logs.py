"""What is hidden in the log stays hidden, however often something is added."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from api.cli import logs


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_secrets_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logging.INFO)
    # loggers that were made before hide them too
    log = structlog.get_logger()
    log.info("before", of="first second third")
    logs.hide(["first"])
    logs.hide(["second"])
    logs.hide([])
    log.info("after", of="first second third", address="rtsp://me:pw@host/a")
    before, after = capsys.readouterr().err.splitlines()
    assert "first second third" in before
    assert "*** *** third" in after
    assert "me:pw" not in after
