"""Scores of tracks whose scores are known by hand, and against TrackEval on files of its own."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import numpy as np
import pytest

from streams.evaluation.mot import Rows, Sequence, format_rows
from streams.evaluation.scores import Scores, score
from vision.errors import MatakotaError
from vision.types import Detections

pytest.importorskip("trackeval", reason="needs the dependency group 'measure'")


def row(identity: int, frames: range, left: float = 0.0) -> Rows:
    """One object that stands still; rows at different ``left`` do not touch."""
    boxes = [np.array([left, 0.0, left + 50.0, 100.0]) for _ in frames]
    return Rows.of(list(frames), [identity] * len(frames), boxes)


def join(*parts: Rows) -> Rows:
    columns = zip(*((p.frame, p.id, p.xyxy, p.counted) for p in parts), strict=True)
    return Rows(*(np.concatenate(column) for column in columns))


def uncounted(rows: Rows) -> Rows:
    return Rows(rows.frame, rows.id, rows.xyxy, np.zeros(len(rows), np.bool_))


def sequence(truth: Rows, name: str = "one", length: int = 10) -> Sequence:
    return Sequence(name, 10.0, (640, 480), (Detections.empty(),) * length, truth)


ALL = range(1, 11)
ONE = row(1, ALL)
NOTHING = Rows.of([], [], [])


@pytest.mark.parametrize(
    ("truth", "result", "expected"),
    [
        # the same boxes under other numbers: everything is right
        (
            join(ONE, row(2, ALL, 200)),
            join(row(7, ALL, 200), row(3, ALL)),
            (100, 100, 100, 100, 100, 0),
        ),
        # one object, another identity from frame 6 on: each of the 10 hits shares 5 of 10 boxes
        # with its truth, so AssA 50 and HOTA √(1 · 0.5); one of ten boxes is a switch; IDF1 can
        # give the truth one identity only, 5 of 10 boxes
        (ONE, join(row(1, range(1, 6)), row(2, range(6, 11))), (70.711, 100, 50, 90, 50, 1)),
        # two frames missed: 8 of 10 found, shared 8 of 10; IDF1 is 2·8 / (10 + 8)
        (ONE, row(1, range(1, 9)), (80, 80, 80, 80, 88.889, 0)),
        # a false track of five boxes: 10 of 15, all of it rightly associated; 1 - 5/10; 20 / 25
        (ONE, join(ONE, row(9, range(1, 6), 300)), (81.650, 66.667, 100, 50, 80, 0)),
        # two that swap their identities in the middle: two switches in 20 boxes; each hit shares
        # 5 boxes of 10 + 10 - 5
        (
            join(ONE, row(2, ALL, 200)),
            join(
                row(1, range(1, 6)), row(2, range(1, 6), 200),
                row(2, range(6, 11)), row(1, range(6, 11), 200),
            ),
            (57.735, 100, 33.333, 90, 50, 2),
        ),
        # who is not counted is not missed
        (join(ONE, uncounted(row(2, ALL, 200))), ONE, (100, 100, 100, 100, 100, 0)),
        # nothing found
        (ONE, NOTHING, (0, 0, 0, 0, 0, 0)),
    ],
)  # fmt: skip
def test_scores_known_by_hand(truth: Rows, result: Rows, expected: tuple[float, ...]) -> None:
    scored = score([sequence(truth)], {"it": [result]})["it"]
    got = scored.combined
    assert (
        got.hota, got.det_a, got.ass_a, got.mota, got.idf1, got.id_switches
    ) == pytest.approx(expected, abs=1e-3)  # fmt: skip
    assert scored.sequences == {"one": got}


def test_sequences_are_combined_by_their_boxes() -> None:
    """A perfect sequence of 30 boxes and one of 10 of which 5 are found: 35 of 40 found."""
    long, short = row(1, range(1, 31)), ONE
    sequences = [sequence(long, "long", 30), sequence(short, "a/b, short")]
    results = {"it": [long, row(1, range(1, 6))], "nothing": [NOTHING, NOTHING]}
    scored = score(sequences, results)
    it = scored["it"]
    assert it.sequences["long"].hota == pytest.approx(100)
    assert it.sequences["a/b, short"].det_a == pytest.approx(50)
    assert it.combined.det_a == pytest.approx(100 * 35 / 40)
    assert it.combined.mota == pytest.approx(100 * 35 / 40)
    assert scored["nothing"].combined.hota == 0


def test_trackeval_is_kept_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    score([sequence(ONE)], {"it": [ONE]})
    assert capfd.readouterr() == ("", "")


def test_a_missing_trackeval_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackeval", None)
    with pytest.raises(MatakotaError, match="trackeval is not installed: run 'make setup'"):
        score([sequence(ONE)], {"it": [ONE]})


def noisy(seed: int) -> tuple[Rows, Rows]:
    """A truth of five walkers, one of them not counted, and a poor tracker's result."""
    random = np.random.default_rng(seed)
    truth, result = [], []
    for who in range(5):
        frames = range(1 + who, 30)
        boxes = [
            np.array([x := 100 * who + 2 * f, 50.0, x + 40.0, 150.0], np.float64) for f in frames
        ]
        of = Rows.of(list(frames), [who] * len(frames), boxes)
        truth.append(uncounted(of) if who == 4 else of)
        seen = random.random(len(frames)) > 0.2
        moved = of.xyxy + random.normal(0, 5, of.xyxy.shape)
        identity = np.where(of.frame > 15 + who, who + 10, who).astype(np.int32)
        result.append(Rows(of.frame[seen], identity[seen], moved[seen], of.counted[seen]))
    return join(*truth), join(*result)


def test_our_scores_are_those_of_trackevals_own_evaluation(tmp_path: Path) -> None:
    """The same tracks in the folders that TrackEval asks for, through its own Evaluator."""
    pairs = {"first": noisy(1), "second": noisy(2)}
    for name, (truth, result) in pairs.items():
        folder = tmp_path / "gt/MOT15-train" / name
        (folder / "gt").mkdir(parents=True)
        (folder / "gt/gt.txt").write_text(format_rows(truth))
        (folder / "seqinfo.ini").write_text("[Sequence]\nseqLength=30\n")
        results = tmp_path / "trackers/MOT15-train/ours/data"
        results.mkdir(parents=True, exist_ok=True)
        (results / f"{name}.txt").write_text(format_rows(result))
    (tmp_path / "gt/seqmaps").mkdir()
    (tmp_path / "gt/seqmaps/MOT15-train.txt").write_text("name\nfirst\nsecond\n")

    import trackeval

    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = trackeval.Evaluator(
            trackeval.Evaluator.get_default_eval_config()
            | {"PLOT_CURVES": False, "OUTPUT_SUMMARY": False, "OUTPUT_DETAILED": False}
        )
        places = {"GT_FOLDER": tmp_path / "gt", "TRACKERS_FOLDER": tmp_path / "trackers"}
        dataset = trackeval.datasets.MotChallenge2DBox(
            {key: str(place) for key, place in places.items()} | {"BENCHMARK": "MOT15"}
        )
        metrics = [
            trackeval.metrics.HOTA(), trackeval.metrics.CLEAR(), trackeval.metrics.Identity(),
        ]  # fmt: skip
        told, _ = evaluator.evaluate([dataset], metrics)
    theirs = told["MotChallenge2DBox"]["ours"]

    ours = score(
        [sequence(truth, name, 30) for name, (truth, _) in pairs.items()],
        {"it": [result for _, result in pairs.values()]},
    )["it"]
    assert 0 < ours.combined.hota < 100
    assert ours.combined.id_switches > 0
    for got, name in [(ours.combined, "COMBINED_SEQ"), *((ours.sequences[n], n) for n in pairs)]:
        of = theirs[name]["pedestrian"]
        assert got == Scores(
            hota=pytest.approx(100 * of["HOTA"]["HOTA"].mean()),
            det_a=pytest.approx(100 * of["HOTA"]["DetA"].mean()),
            ass_a=pytest.approx(100 * of["HOTA"]["AssA"].mean()),
            mota=pytest.approx(100 * of["CLEAR"]["MOTA"]),
            idf1=pytest.approx(100 * of["Identity"]["IDF1"]),
            id_switches=of["CLEAR"]["IDSW"],
        )
