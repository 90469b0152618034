"""Pictures that repeat themselves: coders that pause, and cameras that hang."""

from __future__ import annotations

import numpy as np

from tests.vision.test_quality import STREET, Seen, faults
from vision.quality import ViewMonitor
from vision.types import Frame


def test_a_coder_that_leaves_out_still_scenes_gets_more_time() -> None:
    """Pictures that repeat for longer and longer, and go on by themselves."""
    rng, monitor, t = np.random.default_rng(0), ViewMonitor(), 0.0
    seen: list[Seen] = []
    for pause in (0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 2.0, 2.0, 3.2, 5.6, 5.6, 30.0):
        image = np.clip(STREET + rng.normal(0, 4, STREET.shape), 0, 255).astype(np.uint8)
        for _ in range(round(pause * 5)):
            seen.append(Seen(t, monitor.update(Frame("c", len(seen), t, image))))
            t += 0.2
    ((kind, noticed, _),) = faults(seen)
    assert kind == "frozen"
    assert t - 30 + 9 < noticed < t - 30 + 12


def test_a_camera_that_was_away_for_a_moment_still_has_its_time() -> None:
    rng, monitor, t = np.random.default_rng(0), ViewMonitor(), 0.0
    seen: list[Seen] = []
    away_s = 4.0
    for pause in (*[0.2] * 20, 6.0, *[0.2] * 10, away_s, *[0.2] * 10, 5.0, 0.2, 0.2):
        if pause == away_s:
            t += away_s
            continue
        image = np.clip(STREET + rng.normal(0, 4, STREET.shape), 0, 255).astype(np.uint8)
        for _ in range(round(pause * 5)):
            seen.append(Seen(t, monitor.update(Frame("c", len(seen), t, image))))
            t += 0.2
    ((kind, noticed, _),) = faults(seen)
    assert kind == "frozen"
    assert noticed < 10, "the first pause, and not the shorter one after the gap"
