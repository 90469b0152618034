"""What was counted before, as a committed file: errors may only become fewer.

The file has, of every run and part of it (a line, a kind of incident), what there truly was and
what was counted. Errors are compared part by part, as the sum of the absolute errors: two misses
traded for one are an improvement, a miss at one line traded for one at another is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, NonNegativeInt, TypeAdapter, ValidationError

from streams.analysis import Record
from streams.evaluation.counts import Row, Run
from vision.errors import ExpectationError


class Passages(BaseModel):
    """What there truly was, as what passed in one direction, of one class or all, and what was
    counted of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    truth: NonNegativeInt
    counted: NonNegativeInt


Lines: TypeAlias = dict[str, dict[str, Passages]]
Baseline: TypeAlias = dict[str, Lines]
"""The run's name, the part (a line's name, say), then what of it, such as direction and class
in one."""

_FILE = TypeAdapter(Baseline)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Sentences about what is ``worse`` and ``better`` than the baseline, the names of runs that
    are ``new`` to it, and of those in it that were not run."""

    worse: tuple[str, ...]
    better: tuple[str, ...]
    new: tuple[str, ...]
    not_run: tuple[str, ...]

    def record(self) -> Record:
        """All of it as the JSON file has it."""
        return {name: list(said) for name, said in asdict(self).items()}


def baseline_of(runs: Iterable[Run]) -> Baseline:
    """What ``runs`` came to, as the file has it."""
    return {run.name: _lines(run.rows) for run in runs}


def read_baseline(path: Path, of: str = "counts") -> Baseline:
    """The committed figures ``of`` what is in it. Raises ExpectationError where the file is
    missing or none of ours."""
    try:
        return _FILE.validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ExpectationError(
            f"there is no baseline {path}: check the path, or write one with --renew"
        ) from None
    except OSError as error:
        raise ExpectationError(f"{path} cannot be read ({error.strerror}): check it") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        where = f" at {place}" if place else ""
        raise ExpectationError(
            f"{path} is no baseline of {of} ({first['msg']}{where}): write it with --renew"
        ) from None


def written(baseline: Baseline) -> str:
    """The text of the file: one order and one layout, so that a change shows as what it is."""
    plain = _FILE.dump_python(baseline)
    return json.dumps(plain, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def compare(
    found: Mapping[str, Lines], baseline: Mapping[str, Lines], part: str = "line"
) -> Comparison:
    """What has become of the runs that are in ``baseline``; ``part`` is what their parts are
    called. Raises ExpectationError where none is: nothing was compared then."""
    if not found.keys() & baseline.keys():
        raise ExpectationError(
            f"the baseline has none of these runs ({'; '.join(found)}): compare with another, or "
            "add them with --renew"
        )
    worse: list[str] = []
    better: list[str] = []
    for name in found.keys() & baseline.keys():
        for line in sorted(found[name].keys() | baseline[name].keys()):
            now, before = found[name].get(line, {}), baseline[name].get(line, {})
            at = f"{name}: {part} '{line}'"
            if _truth(now) != _truth(before):
                worse.append(f"{at} has another truth than in the baseline; renew it with --renew")
            elif _off(now) > _off(before):
                worse.append(f"{at} is off by {_off(now)}, and by {_off(before)} in the baseline")
            elif _off(now) < _off(before):
                better.append(
                    f"{at} is off by {_off(now)}, and by {_off(before)} in the baseline; renew it "
                    "with --renew"
                )
    return Comparison(
        worse=tuple(sorted(worse)),
        better=tuple(sorted(better)),
        new=tuple(name for name in found if name not in baseline),
        not_run=tuple(name for name in baseline if name not in found),
    )


def _lines(rows: Iterable[Row]) -> Lines:
    lines: Lines = {}
    for row in rows:
        passages = Passages(truth=row.truth, counted=row.counted)
        lines.setdefault(row.line, {})[f"{row.direction}, {row.what}"] = passages
    return lines


def _truth(line: Mapping[str, Passages]) -> dict[str, int]:
    return {name: passages.truth for name, passages in line.items()}


def _off(line: Mapping[str, Passages]) -> int:
    return sum(abs(passages.counted - passages.truth) for passages in line.values())
