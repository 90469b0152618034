"""What all rules about the picture itself keep to: when they fire, and when it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.vision.rules.scenarios import Spoilt, film, last_words, offsets, play, rule
from vision.types import FaultKind

Times = Sequence[tuple[float, float]]

CASES = [
    pytest.param([(2, 8)], {}, [(2, 3, 8)], id="once"),
    pytest.param([(2, 2.8)], {}, [], id="too short"),
    pytest.param([(2, 8)], {"after_s": 4.0}, [(2, 6, 8)], id="later"),
    pytest.param([(2, 4), (4.3, 8)], {}, [(2, 3, 8)], id="gone for a moment"),
    pytest.param([(2, 4), (6, 8)], {}, [(2, 3, 4), (6, 7, 8)], id="twice"),
    pytest.param([(2, 4), (6, 8)], {"release_s": 5.0}, [(2, 3, 8)], id="one for long"),
]


def when(kind: FaultKind) -> Callable[..., None]:
    """The test of the times of ``camera_<kind>``."""

    @pytest.mark.parametrize(("times", "settings", "events"), CASES)
    def test(
        times: Times, settings: dict[str, float], events: list[tuple[float, float, float]]
    ) -> None:
        spoilt = [Spoilt(kind, *span) for span in times]
        watcher = rule(f"camera_{kind}", settings, classes=())
        stated = play(watcher, film((), spoilt=spoilt, until=20))
        assert [offsets(event) for event in last_words(stated)] == events
        other: FaultKind = "dark" if kind != "dark" else "moved"
        assert play(watcher, film((), spoilt=[Spoilt(other, 2, 8)], until=20)) == []
        for event in stated:
            assert (event.place, event.severity, event.track_ids) == ("", "high", ())
            assert event.score == 0.75

    return test
