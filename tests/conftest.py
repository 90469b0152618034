"""Fixtures and profiles that every test folder shares."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.needs import REPO, in_ci

# A busy machine is slow, not wrong: no deadline anywhere, and the same examples in every CI run.
settings.register_profile("home", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if in_ci() else "home")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ``../shared`` beside the checkout: clips with ground truth, models.

    Not everything in it may be handed on, so a checkout without it is complete and skips.
    """
    folder = REPO.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs a folder ../shared with clips and models beside the checkout")
    return folder
