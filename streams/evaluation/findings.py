"""How well incidents are reported: what the pipeline states about films against what is true.

Each true event is matched with at most one stated event of its kind, rule and place that began
when it should, and was not raised before the rule's dwell was over: as many as can be, then those
that ended when they should, then those with the least delay. A second statement about the same
thing is a false one. Detected is what was also raised in time. The detection rate is the detected
over the expected, the precision the matched over the stated; delay is the time from when an event
was due to when it was raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, TypeAlias

import numpy as np
from scipy.optimize import linear_sum_assignment

from streams.analysis import DECIMALS, Record
from streams.evaluation.baseline import Baseline, Lines, Passages
from streams.evaluation.clips import Rate, rate_name
from streams.evaluation.films import Expected
from streams.expectations import EVERYTHING
from vision.types import Event, JsonValue

WITHIN_S = 5.0
"""Seconds after it was due in which an event counts as detected, unless its window says."""
SLACK_S = 0.1
"""A rule may fire so much before its dwell is over: times are rounded to pictures."""
MOST_S = 1e4
"""All longer delays are alike."""
FOUND_WORTH = 1e7
"""A match outweighs any delay, and any wrong end."""
FALSE = "false alerts"
SHARE_DECIMALS = 4

Verdict: TypeAlias = Literal["detected", "late", "missed", "false", "optional"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One expected event and what was stated of it, or a stated event that nobody expected.
    ``delay_s`` is from when it was due to when it was raised; ``ended`` says whether it ended in
    time, None where nothing is said of that."""

    verdict: Verdict
    kind: str
    expected: Expected | None
    event: Event | None
    delay_s: float | None = None
    ended: bool | None = None


@dataclass(frozen=True, slots=True)
class FilmRun:
    """One film, looked through once. ``watch`` is what looked: a model's name, or that only the
    camera's own rules did. ``footage_s`` is its length, ``unwatched_s`` for how long of it its
    picture was not trusted."""

    film: str
    watch: str
    rate: str
    analysed: int
    footage_s: float
    unwatched_s: float
    findings: tuple[Finding, ...]

    @property
    def name(self) -> str:
        """What tells it from other runs, such as ``plaza, pan, nanodet_g, 5 fps``."""
        return f"{self.film}, {self.watch}, {self.rate} fps"

    @property
    def met(self) -> bool:
        """Was all that was expected reported in time, and nothing else, and did it end so?"""
        good = ("detected", "optional")
        return all(f.verdict in good and f.ended is not False for f in self.findings)


@dataclass(frozen=True, slots=True)
class Score:
    """Sums over some runs. ``delays`` are those of all that was matched, late or not;
    ``ended`` of ``ends`` ended in time."""

    expected: int
    detected: int
    late: int
    missed: int
    false: int
    ended: int
    ends: int
    footage_s: float
    delays: tuple[float, ...]

    @property
    def detection_rate(self) -> float | None:
        """A share; None where nothing was expected."""
        return self.detected / self.expected if self.expected else None

    @property
    def precision(self) -> float | None:
        """A share; None where nothing was stated."""
        matched = self.detected + self.late
        return matched / (matched + self.false) if matched + self.false else None

    @property
    def false_per_hour(self) -> float:
        """False alerts per hour of footage."""
        return 3600 * self.false / self.footage_s if self.footage_s else 0.0

    @property
    def median_s(self) -> float | None:
        return median(self.delays) if self.delays else None

    @property
    def worst_s(self) -> float | None:
        return max(self.delays, default=None)

    @classmethod
    def of(cls, findings: Iterable[Finding], footage_s: float) -> Score:
        """The sums over ``findings`` about ``footage_s`` seconds."""
        known = list(findings)
        count = {verdict: sum(f.verdict == verdict for f in known) for verdict in _COUNTED}
        return cls(
            expected=count["detected"] + count["late"] + count["missed"],
            detected=count["detected"],
            late=count["late"],
            missed=count["missed"],
            false=count["false"],
            ended=sum(f.ended is True for f in known),
            ends=sum(f.ended is not None for f in known),
            footage_s=footage_s,
            delays=tuple(f.delay_s for f in known if f.delay_s is not None),
        )


_COUNTED: tuple[Verdict, ...] = ("detected", "late", "missed", "false")


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of all runs of one frame rate: together, and by incident kind."""

    total: Score
    by_kind: dict[str, Score]

    @classmethod
    def of(cls, runs: Sequence[FilmRun]) -> Scores:
        """The scores of ``runs``, one of each film."""
        footage_s = sum(run.footage_s for run in runs)
        found = [finding for run in runs for finding in run.findings]
        named = sorted({finding.kind for finding in found})
        return cls(
            Score.of(found, footage_s),
            {kind: Score.of([f for f in found if f.kind == kind], footage_s) for kind in named},
        )


def judged(
    expected: Sequence[Expected], events: Sequence[Event], patience_s: Mapping[str, float]
) -> tuple[Finding, ...]:
    """What became of all that was ``expected``, and then the ``events`` that were not, whose
    times are seconds since the first frame. What is optional counts only where nothing that is
    needed fits."""
    found: list[Finding] = []
    left = list(events)
    for optional in (False, True):
        wanted = [one for one in expected if one.optional == optional]
        pairs = _matched(wanted, left, patience_s)
        for i, one in enumerate(wanted):
            if i in pairs:
                found.append(_finding(one, left[pairs[i]], patience_s))
            elif not optional:
                found.append(Finding("missed", str(one.event.kind), one, None))
        left = [event for j, event in enumerate(left) if j not in pairs.values()]
    return (*found, *(Finding("false", event.kind, None, event) for event in left))


def _matched(
    wanted: Sequence[Expected], events: Sequence[Event], patience_s: Mapping[str, float]
) -> dict[int, int]:
    """Index of the expected to index of the stated event, as many as there can be."""
    worth = np.zeros((len(wanted), len(events)))
    for i, one in enumerate(wanted):
        for j, event in enumerate(events):
            patient_ts = one.event.start_s[0] + patience_s.get(event.rule, 0.0) - SLACK_S
            if one.event.begins(event, 0.0) and event.raised_ts >= patient_ts:
                apart_s = min(abs(_delay_s(one, event, patience_s)), MOST_S)
                wrong_end = one.event.ends(event, 0.0) is False
                worth[i, j] = FOUND_WORTH - apart_s - 2 * MOST_S * wrong_end
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return {int(i): int(j) for i, j in zip(rows, columns, strict=True) if worth[i, j] > 0}


def _finding(one: Expected, event: Event, patience_s: Mapping[str, float]) -> Finding:
    delay_s = round(_delay_s(one, event, patience_s), DECIMALS)
    windowed = one.event.raised_s != EVERYTHING
    low, high = one.event.raised_s
    in_time = low <= round(event.raised_ts, DECIMALS) <= high if windowed else delay_s <= WITHIN_S
    ended = one.event.ends(event, 0.0)
    if one.optional:
        return Finding("optional", event.kind, one, event)
    return Finding("detected" if in_time else "late", event.kind, one, event, delay_s, ended)


def _delay_s(one: Expected, event: Event, patience_s: Mapping[str, float]) -> float:
    due_s = one.due_s
    if due_s is None:
        due_s = sum(one.event.start_s) / 2 + patience_s.get(event.rule, 0.0)
    return event.raised_ts - due_s


def baseline_of(runs: Iterable[FilmRun]) -> Baseline:
    """What ``runs`` came to, as the committed file has it."""
    return {run.name: _lines(run) for run in runs}


def _lines(run: FilmRun) -> Lines:
    score = Score.of(run.findings, run.footage_s)
    lines: Lines = {FALSE: {"stated": Passages(truth=0, counted=score.false)}}
    for kind in sorted({f.kind for f in run.findings if f.expected and not f.expected.optional}):
        of_kind = Score.of([f for f in run.findings if f.kind == kind], run.footage_s)
        lines[kind] = {"detected": Passages(truth=of_kind.expected, counted=of_kind.detected)}
    return lines


def report(results: Sequence[tuple[Rate | None, list[FilmRun]]], skipped: Sequence[str]) -> Record:
    """Everything that is known, as the JSON file has it (``docs/evaluation.md``)."""
    return {
        "skipped": list(skipped),
        "settings": [
            {
                "fps": None if rate is None else rate_name(rate),
                "runs": [_run_record(run) for run in runs],
                "total": _score_record((scores := Scores.of(runs)).total),
                "kinds": {kind: _score_record(score) for kind, score in scores.by_kind.items()},
            }
            for rate, runs in results
        ],
    }


def _run_record(run: FilmRun) -> Record:
    return {
        "film": run.film,
        "watch": run.watch,
        "fps": run.rate,
        "analysed": run.analysed,
        "footage_s": round(run.footage_s, DECIMALS),
        "unwatched_s": round(run.unwatched_s, DECIMALS),
        "findings": [_finding_record(finding) for finding in run.findings],
    }


def _finding_record(finding: Finding) -> JsonValue:
    event = finding.event

    def rounded(ts: float | None) -> float | None:
        return None if ts is None else round(ts, DECIMALS)

    return {
        "verdict": finding.verdict,
        "kind": finding.kind,
        "expected": None if finding.expected is None else str(finding.expected.event),
        "rule": None if event is None else event.rule,
        "start_s": None if event is None else rounded(event.start_ts),
        "raised_s": None if event is None else rounded(event.raised_ts),
        "end_s": None if event is None else rounded(event.end_ts),
        "delay_s": finding.delay_s,
        "ended": finding.ended,
    }


def _score_record(score: Score) -> JsonValue:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, SHARE_DECIMALS)

    return {
        "expected": score.expected,
        "detected": score.detected,
        "late": score.late,
        "missed": score.missed,
        "false": score.false,
        "detection_rate": rounded(score.detection_rate),
        "precision": rounded(score.precision),
        "median_delay_s": rounded(score.median_s),
        "worst_delay_s": rounded(score.worst_s),
        "ended": score.ended,
        "ends": score.ends,
        "footage_s": rounded(score.footage_s),
        "false_per_hour": rounded(score.false_per_hour),
    }
