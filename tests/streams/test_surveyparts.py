"""Who is under way where parts and files of a survey meet: hand-made tracks, counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streams.survey import CHUNKS, Chunk, Manifest, SurveyFile, finish, put
from streams.surveying import count
from streams.trackblocks import encode
from tests.vision.rules.scenarios import SIZE, T0, Walker, film
from tests.vision.test_kept import kept
from tests.vision.test_movements import JUNCTION, MIDDLE, ZONES, E, N, S
from vision.bins import Interval
from vision.scene import Line, Scene
from vision.types import Tracked

SCENE = Scene(
    SIZE,
    lines=(Line("stop", np.array([[320.0, 0.0], [320.0, 359.0]])),),
    zones=ZONES,
    movements=(JUNCTION,),
)
# one minute ends after 60 s, and with it a part
WAITS = Walker(((30, *N), (35, *S), (78, *S), (85, *E), (86, *E)))
HIDDEN = Walker(((50, *N), (55, *MIDDLE), (84, *MIDDLE), (90, *E), (91, *E)), ((58, 82),))
QUEUES = Walker(((50, 200, 180), (57, 322, 180), (80, 322, 180), (85, 500, 180)))
"""Over the line, but by less than would tell; the rest of it after the light has changed."""
GOES = Walker(((50, *N), (59, *MIDDLE), (61, *MIDDLE), (70, *E), (71, *E)))


def manifest(*begun: float, seconds: float) -> Manifest:
    """Files of so many ``seconds``, in parts of a minute."""
    return Manifest(
        program="1",
        camera="gate",
        files=tuple(
            SurveyFile(name="a", sha256="a", size=1, start_ts=T0 + at, duration_s=seconds, frames=1)
            for at in begun
        ),
        scene_sha256="",
        model="motion",
        model_sha256="",
        providers=(),
        fps=None,
        source_fps=None,
        picture_size=SIZE,
        frame_size=SIZE,
        looked_for=("person",),
        groups={},
        seen=None,
        chunk_s=60,
    )


def surveyed(folder: Path, planned: Manifest, *walkers: Walker) -> list[Interval]:
    """What all parts come to, each of which sees the walkers from its own beginning on."""
    (folder / CHUNKS).mkdir()
    chunks = [chunk for number in range(len(planned.files)) for chunk in planned.chunks(number)]
    for chunk in chunks:
        put(folder / chunk.tracks, encode(kept(_steps(planned, chunk, walkers))))
    return finish(folder, [count(folder, chunk, planned, SCENE) for chunk in chunks])


def _steps(planned: Manifest, chunk: Chunk, walkers: Sequence[Walker]) -> list[Tracked]:
    until_ts = min(chunk.until_ts, planned.files[chunk.number].end_ts)
    before = -1.0, chunk.lead_ts - T0 - 0.01
    seen = [replace(walker, hidden=(before, *walker.hidden)) for walker in walkers]
    steps = film(seen, fps=5, until=until_ts - T0)
    return [step for step in steps if chunk.lead_ts <= step.ts < until_ts]


def totals(intervals: Sequence[Interval], of: str) -> dict[tuple[float, str], int]:
    found = Counter[tuple[float, str]]()
    for each in intervals:
        for (line, direction, _), number in each.counts.items():
            if line == of:
                found[each.start_ts - T0, direction] += number
    return dict(found)


@pytest.mark.parametrize("walker", [WAITS, HIDDEN], ids=["waits in an exit", "is hidden"])
def test_who_is_under_way_where_a_part_begins_makes_one_trip(
    walker: Walker, tmp_path: Path
) -> None:
    found = surveyed(tmp_path, manifest(0, seconds=180), walker)
    assert totals(found, JUNCTION.name) == {(60, "north → east"): 1}
    assert [(each.observed_s, each.frames) for each in found] == [(60, 300)] * 3


def test_who_waits_on_a_line_where_a_part_begins_has_passed_before(tmp_path: Path) -> None:
    found = surveyed(tmp_path, manifest(0, seconds=120), QUEUES)
    assert list(totals(found, "stop").values()) == [1]
    assert [at for at, _ in totals(found, "stop")] == [0]
    assert [(each.observed_s, each.frames, each.version) for each in found] == [(60, 300, 1)] * 2


@pytest.mark.parametrize(
    ("begins", "trips"),
    [
        (60, {(60, "unknown → east"): 1}),
        (61.5, {(60, "unknown → east"): 1}),
        # nobody knows what became of them in between
        (90, {(0, "north → unknown"): 1}),
    ],
)
def test_who_is_under_way_where_a_file_ends_makes_one_trip(
    begins: float, trips: dict[tuple[float, str], int], tmp_path: Path
) -> None:
    found = surveyed(tmp_path, manifest(0, begins, seconds=60), GOES)
    assert totals(found, JUNCTION.name) == trips
