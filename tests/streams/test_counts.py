"""What a live camera counted, over the runs of its worker and the revisions of its scene."""

from __future__ import annotations

from pathlib import Path

from streams.counts import CameraCounts
from streams.messages import CountsMessage, decode
from streams.recorder import Recorder
from streams.spool import Spool
from tests.streams.stage import SCENE, START_TS
from vision.types import Crossing


def begin(counts: CameraCounts, revision: int) -> None:
    """Count by a scene of this revision, 0 for none."""
    scene = SCENE if revision else None
    counts.begin(scene, ("person",), revision, synthetic=False)


def count(counts: CameraCounts, ts: float) -> None:
    counts.update(ts, [Crossing("a", "gate", "in", "person", 1, ts, 10, 20)])


def test_a_minute_that_was_settled_goes_on_when_its_scene_is_back(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool.db") as spool:
        killed = CameraCounts("a", Recorder(spool))
        begin(killed, 1)
        count(killed, START_TS)
        counts = CameraCounts("a", Recorder(spool), spool.kept_bins()["a"])
        begin(counts, 0)
        begin(counts, 1)
        count(counts, START_TS + 9)
        counts.end()
        said = [decode(each.body) for each in spool.unsent(10)]
    assert all(isinstance(each, CountsMessage) and each.start_ts == START_TS for each in said)
    # the second one, which the store keeps, holds both
    assert [(each.version, each.counts[0].count) for each in said] == [(1, 1), (2, 2)]
