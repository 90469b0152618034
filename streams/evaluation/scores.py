"""How good tracks are against the truth, by TrackEval: the one home of that package.

HOTA (Luiten et al. 2021) is the mean over its nineteen thresholds of overlap; MOTA and the
switches of identity (Bernardin and Stiefelhagen 2008) and IDF1 (Ristani et al. 2016) ask for an
IoU of 0.5. Truth that is not counted is left out as for the benchmark MOT15.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence as Listed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.evaluation.mot import Rows, Sequence, format_rows
from vision.errors import MatakotaError

_CLASS = "pedestrian"


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one tracker on one sequence or on all: percent, and how often an identity changed."""

    hota: float
    det_a: float
    ass_a: float
    mota: float
    idf1: float
    id_switches: int

    def as_json(self) -> dict[str, float]:
        """The scores by the names that papers use."""
        return {
            "HOTA": round(self.hota, 3),
            "DetA": round(self.det_a, 3),
            "AssA": round(self.ass_a, 3),
            "MOTA": round(self.mota, 3),
            "IDF1": round(self.idf1, 3),
            "IDSW": self.id_switches,
        }


@dataclass(frozen=True, slots=True)
class Scored:
    """One tracker's scores: TrackEval's combination of all sequences, and each by its name."""

    combined: Scores
    sequences: Mapping[str, Scores]


def score(sequences: Listed[Sequence], results: Mapping[str, Listed[Rows]]) -> dict[str, Scored]:
    """Score each tracker's ``results``, one for each of ``sequences`` in their order.

    Raises MatakotaError where trackeval is not installed.
    """
    # It prints while it is imported and while it works.
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as place:
        trackeval = _trackeval()
        folder = Path(place)
        # Numbers instead of names, which may hold what its files cannot.
        trackers = {str(k): name for k, name in enumerate(results)}
        for number, name in trackers.items():
            _write(folder / "results" / number / "data", results[name])
        _write(folder / "truth", [one.truth for one in sequences])
        dataset = trackeval.datasets.MotChallenge2DBox(
            {
                "GT_FOLDER": str(folder / "truth"),
                "GT_LOC_FORMAT": "{gt_folder}/{seq}.txt",
                "TRACKERS_FOLDER": str(folder / "results"),
                "TRACKERS_TO_EVAL": list(trackers),
                "BENCHMARK": "MOT15",
                "SEQ_INFO": {str(k): one.length for k, one in enumerate(sequences)},
                "SKIP_SPLIT_FOL": True,
                "PRINT_CONFIG": False,
            }
        )
        names = [one.name for one in sequences]
        return {
            name: _score(trackeval, dataset, number, names) for number, name in trackers.items()
        }


def _score(trackeval: Any, dataset: Any, tracker: str, names: Listed[str]) -> Scored:
    quiet = {"PRINT_CONFIG": False}
    metrics = [
        trackeval.metrics.HOTA(),
        trackeval.metrics.CLEAR(quiet),
        trackeval.metrics.Identity(quiet),
    ]
    of_sequence: list[dict[str, Any]] = []
    for k in range(len(names)):
        data = dataset.get_preprocessed_seq_data(dataset.get_raw_seq_data(tracker, str(k)), _CLASS)
        of_sequence.append({m.get_name(): m.eval_sequence(data) for m in metrics})
    combined = {
        m.get_name(): m.combine_sequences(
            {str(k): one[m.get_name()] for k, one in enumerate(of_sequence)}
        )
        for m in metrics
    }
    each = {name: _read(one) for name, one in zip(names, of_sequence, strict=True)}
    return Scored(_read(combined), each)


def _read(result: Mapping[str, Any]) -> Scores:
    hota, clear = result["HOTA"], result["CLEAR"]
    return Scores(
        hota=100 * float(hota["HOTA"].mean()),
        det_a=100 * float(hota["DetA"].mean()),
        ass_a=100 * float(hota["AssA"].mean()),
        mota=100 * float(clear["MOTA"]),
        idf1=100 * float(result["Identity"]["IDF1"]),
        id_switches=int(clear["IDSW"]),
    )


def _write(folder: Path, results: Listed[Rows]) -> None:
    folder.mkdir(parents=True)
    for k, rows in enumerate(results):
        (folder / f"{k}.txt").write_text(format_rows(rows), encoding="utf-8")


def _trackeval() -> Any:
    try:
        import trackeval
    except ImportError as error:
        raise MatakotaError(
            "trackeval is not installed: run 'make setup', or 'pip install --no-deps trackeval'"
        ) from error
    return trackeval
