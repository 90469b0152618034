"""A line of the acceptance run's table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "short", "not run"]


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the table."""

    promised: str
    measured: str
    verdict: Verdict


def judge(promised: str, measured: str, kept: bool) -> Result:
    return Result(promised, measured, "ok" if kept else "short")
