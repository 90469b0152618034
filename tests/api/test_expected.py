"""Every shared clip shows what its file in ``samples/expected`` says, as judged by ``analyse``.

The plaza, the road and the table are looked at in ``test_counts.py``, where their counts are.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.command import matakota, read_records
from tests.needs import REPO

ELSEWHERE = {"plaza", "road", "table"}
CLIPS = {
    "carpark": ("carpark_topdown.mp4",),
    "tud_campus": ("TUD-Campus.mp4",),
    "tud_stadtmitte": ("TUD-Stadtmitte.mp4",),
    "fire": ("house_fire.mp4", "--fps", "10"),
    "exposure_jump": ("exposure_jump.avi",),
}
FALLS = (
    "Subject_1_ADL_10", "Subject_1_Fall_15", "Subject_2_ADL_23", "Subject_2_Fall_13",
    "Subject_3_ADL_19", "Subject_3_Fall_16", "Subject_3_Fall_20", "Subject_4_Fall_03",
)  # fmt: skip
RUNS = [
    *((name, *clip) for name, clip in CLIPS.items()),
    *(("falls", f"falls/{name}.mp4", "--fps", "10") for name in FALLS),
]


def test_every_expectation_is_looked_at() -> None:
    there = {path.stem for path in (REPO / "samples/expected").iterdir()}
    assert there == ELSEWHERE | {name for name, *_ in RUNS}


@pytest.mark.long
@pytest.mark.parametrize(("run"), RUNS, ids=lambda run: run[1])
def test_a_clip_shows_what_is_expected(run: tuple[str, ...], shared: Path, tmp_path: Path) -> None:
    name, clip, *options = run
    out = tmp_path / "out.jsonl"
    ran = matakota(
        "analyse", shared / "clips" / clip,
        "--scene", f"samples/scenes/{name}.yaml", "--expect", f"samples/expected/{name}.yaml",
        "--out", out, *options, folder=REPO,
    )  # fmt: skip
    assert (ran.code, ran.out) == (0, b""), ran.err
    assert "as expected" in ran.err
    assert read_records(out.read_bytes())[-1]["analysed"] > 0
