"""What a test needs from outside the checkout: at home its absence skips, in CI it fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import pytest

Found = TypeVar("Found")

REPO = Path(__file__).resolve().parents[1]


def in_ci() -> bool:
    """Whether continuous integration runs this, by the variable ``CI``."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def need(found: Found | None, what: str) -> Found:
    """``found``, a browser or a service that CI must have; None skips at home and fails in CI."""
    if found is None:
        if in_ci():
            pytest.fail(f"CI must have {what}")
        pytest.skip(f"needs {what}")
    return found
