"""How tests wait: for something to become true, for a long time, without asserting how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 100.0
"""Ten times the longest time that is promised for anything that a test waits for."""
SHORTEST_S, LONGEST_S = 0.02, 0.25
"""Between two looks."""


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    """What ``condition`` gives once it is true; a failure says ``what`` did not happen."""
    end_s, pause_s = time.monotonic() + seconds, SHORTEST_S
    while not (found := condition()):
        assert time.monotonic() < end_s, f"did not happen within {seconds:g} s: {what}"
        time.sleep(pause_s)
        # what is asked here is often asked of a process that is to do the work meanwhile
        pause_s = min(LONGEST_S, 1.3 * pause_s)
    return found
