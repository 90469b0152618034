"""How tests wait: for something to become true, for a long time, without asserting how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 100.0
"""Ten times the longest time that is promised for anything that a test waits for."""


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    """What ``condition`` gives once it is true; a failure says ``what`` did not happen."""
    end_s = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end_s, f"did not happen within {seconds:g} s: {what}"
        time.sleep(0.02)
    return found
