"""The acceptance run can fail: what falls short is called so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import __main__ as acceptance
from tests.acceptance.__main__ import Result, Run, counted, expected, main, needing, refusal_of
from tests.acceptance.counting import judged
from tests.acceptance.incidents import judged_incidents
from tests.api.command import Ran

SUMMARY = (
    b'{"type": "summary", "analysed": 10, '
    b'"counts": {"gate": {"in": {"car": 6, "bus": 1}, "out": {}}}}\n'
)


def ended(code: int, err: str = "", written: bytes = SUMMARY, out: bytes = b"") -> Run:
    return Run(Ran(code, out, err), written, 1.0, 2.0)


@pytest.mark.parametrize(
    ("truth", "tolerance", "verdict"),
    [
        ((7, 0), (0, 0), "ok"),
        ((8, 0), (1, 0), "ok"),
        ((8, 0), (0, 0), "short"),
        ((7, 1), (0, 0), "short"),
        ((0, 7), (3, 3), "short"),
    ],
)
def test_counts_are_held_against_the_truth(
    truth: tuple[int, int], tolerance: tuple[int, int], verdict: str
) -> None:
    result = counted("cars", ended(0), "gate", truth, tolerance)
    assert (result.measured, result.verdict) == ("7 and 0", verdict)


def test_a_run_without_result_is_short() -> None:
    failed = ended(2, "matakota: there is no clip\n", b"")
    assert counted("cars", failed, "gate", (7, 0), (9, 9)).verdict == "short"
    assert expected("cars", failed).measured == "matakota: there is no clip"
    assert expected("cars", ended(0)).verdict == "short", "it never said that it compared"
    assert expected("cars", ended(0, "10:00:00 [info] as expected")).verdict == "ok"
    assert "not known" in acceptance.cost(failed)
    assert "100.0 s of wall clock and 200.0 s of CPU" in acceptance.cost(ended(0))


@pytest.mark.parametrize(
    ("done", "left", "verdict"),
    [
        (ended(2, "matakota: no\n", b""), [], "ok"),
        (ended(2, "10:00:00 [warning] careful\nmatakota: no\n", b""), [], "ok"),
        (ended(1, "matakota: no\n", b""), [], "short"),
        (ended(2, "Traceback\nmatakota: no\n", b""), [], "short"),
        (ended(2, "no\n", b""), [], "short"),
        (ended(2, "", b""), [], "short"),
        (ended(2, "matakota: no\n", b"", b"half"), [], "short"),
        (ended(2, "matakota: no\n", b""), [".film.mp4.part-1"], "short"),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_nothing(
    done: Run, left: list[str], verdict: str
) -> None:
    assert refusal_of("bad", done, left).verdict == verdict


def measured(*, plaza: int = 19, road: int = 8, five: int = 8, worse: list[str]) -> dict[str, Any]:
    """What ``evaluate counts`` writes, of two clips at two frame rates."""

    def clip(name: str, truth: int, counted: int) -> dict[str, Any]:
        row = {"line": "gate", "truth": truth, "counted": counted, "error": counted - truth}
        return {"clip": name, "model": "nanodet_g", "rows": [row]}

    return {
        "settings": [
            {"fps": "10", "runs": [clip("plaza", 19, plaza), clip("road", 8, road)]},
            {"fps": "5", "runs": [clip("plaza", 19, plaza), clip("road", 8, five)]},
        ],
        "baseline": {"worse": worse, "better": []},
    }


@pytest.mark.parametrize(
    ("record", "verdicts"),
    [
        (measured(worse=[]), ["ok", "ok", "not run", "ok", "ok"]),
        (measured(plaza=17, worse=[]), ["ok", "ok", "not run", "ok", "ok"]),
        (measured(plaza=22, worse=[]), ["short", "ok", "not run", "ok", "ok"]),
        (measured(five=7, worse=[]), ["ok", "short", "not run", "ok", "ok"]),
        (measured(five=6, worse=[]), ["ok", "short", "not run", "short", "ok"]),
        (measured(worse=["road is off"]), ["ok", "ok", "not run", "ok", "short"]),
    ],
)
def test_counts_at_several_frame_rates(record: dict[str, Any], verdicts: list[str]) -> None:
    results = list(judged("NanoDet-g", record))
    assert [result.verdict for result in results] == verdicts
    assert results[0].promised == "plaza, nanodet_g, at 10 and 5 fps: 19 within 2"


def seen(
    detected: int = 20, false: int = 0, *, found: str = "detected", ended: bool = True,
    untouched: tuple[str, ...] = (), worse: tuple[str, ...] = (),
) -> dict[str, Any]:  # fmt: skip
    """What ``evaluate incidents`` writes, of a clip as it is and panned."""

    def finding(verdict: str) -> dict[str, Any]:
        wanted = None if verdict == "false" else "event 'camera_moved'"
        return {
            "verdict": verdict, "kind": "camera_moved", "expected": wanted, "raised_s": 21.0,
            "delay_s": 1.0, "ended": ended if wanted else None,
        }  # fmt: skip

    total = {
        "expected": 20, "detected": detected, "late": 0, "missed": 20 - detected, "false": false,
        "detection_rate": detected / 20, "precision": detected / (detected + false),
        "worst_delay_s": 1.0, "footage_s": 3600.0,
    }  # fmt: skip
    runs = [
        {"film": "plaza", "watch": "camera only", "findings": [finding(v) for v in untouched]},
        {"film": "plaza, pan", "watch": "camera only", "findings": [finding(found)]},
    ]
    return {
        "settings": [{"total": total, "runs": runs}],
        "baseline": {"worse": list(worse), "better": []},
    }


@pytest.mark.parametrize(
    ("record", "short"),
    [
        (seen(), []),
        (seen(19, 2), []),
        (seen(18), [0]),
        (seen(20, 3), [1]),
        (seen(found="missed", ended=False), [2, 3]),
        (seen(found="late"), [2]),
        (seen(ended=False), [3]),
        (seen(untouched=("false",)), [4]),
        (seen(worse=("plaza is off",)), [5]),
    ],
)
def test_incidents_are_held_against_the_promises(record: dict[str, Any], short: list[int]) -> None:
    verdicts = [result.verdict for result in judged_incidents(record)]
    assert verdicts == ["short" if place in short else "ok" for place in range(6)]


def test_what_cannot_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "SHARED", tmp_path)
    missing = needing("road", "clips/road.mp4")
    assert missing is not None
    assert missing.verdict == "not run"
    assert "../shared/clips/road.mp4" in missing.measured
    (tmp_path / "there").touch()
    assert needing("road", "there") is None


@pytest.mark.parametrize(("verdict", "code"), [("ok", 0), ("not run", 0), ("short", 1)])
def test_the_exit_code_tells(verdict: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    result = Result("a promise", "what came", verdict)  # type: ignore[arg-type]
    monkeypatch.setattr(acceptance, "plaza", lambda folder: ([result], ended(0)))
    for part in (
        "counting",
        "shared_clips",
        "stays",
        "incidents",
        "refused",
        "live",
        "rights",
        "rooms",
    ):
        monkeypatch.setattr(acceptance, part, lambda *_: [])
    shown: list[str] = []
    assert main(shown.append) == code
    assert f"{verdict}" in shown[0]
    assert "a promise" in shown[0]
    assert "onnxruntime" in shown[-1]
