"""``matakota evaluate incidents``: what is reported on clips against what truly happens there."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.markup import escape
from rich.table import Table

from api.cli.analyse import DEFAULT_MODEL, refuse_overwriting
from api.cli.evaluate_counts import read_rate, show_comparison, with_gate
from api.cli.options import GateOption
from api.cli.tables import print_table
from models.zoo import cache_folder, resolve
from streams import samples
from streams.detector import Detectors
from streams.evaluation.baseline import compare, read_baseline, written
from streams.evaluation.clips import Rate, rate_name
from streams.evaluation.films import Expected, Film, load_films
from streams.evaluation.findings import FilmRun, Finding, Score, Scores, baseline_of, report
from streams.evaluation.incidents import CAMERA_ONLY, FilmEvaluation
from streams.expectations import EVERYTHING
from streams.output import AtomicText
from vision.errors import ExpectationError, OutputError

log = structlog.get_logger()


def incidents(
    manifest: Annotated[Path, typer.Argument(help="The clips and what happens on them, YAML.")],
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Look through these films only, as '*, pan'; may be repeated."
        ),
    ] = None,
    fps: Annotated[
        list[str] | None,
        typer.Option(help="Frames to analyse a second, or 'full'; may be repeated."),
    ] = None,
    gate: GateOption = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write all of it as JSON.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="Committed figures, whose errors may not rise.")
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Write what was found into the baseline.")
    ] = False,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out clips that are not on this machine.")
    ] = False,
) -> None:
    """Report on clips and compare with the truth; exit code 1 where it is not met."""
    if renew and baseline is None:
        raise OutputError("--renew needs to know the file: name it with --baseline")
    outputs = {"--baseline": baseline, "--json": json_file}
    refuse_overwriting(outputs, [manifest])
    known = read_baseline(baseline, "incidents") if baseline is not None and not renew else None
    rates: Sequence[Rate | None] = list(dict.fromkeys(map(read_rate, fps or []))) or [None]
    listed = load_films(
        manifest,
        samples.Places.of(os.environ),
        default_model=DEFAULT_MODEL,
        skip_missing=skip_missing,
    )
    films = with_gate(_picked(listed.films, only or ["*"]), gate)
    refuse_overwriting(outputs, listed.files)
    cache = cache_folder(os.environ)
    evaluation = FilmEvaluation(films, rates, Detectors(lambda name: resolve(name, cache=cache)))
    with ExitStack() as stack:
        out = kept = None
        if json_file is not None:
            out = stack.enter_context(AtomicText(json_file, option="--json"))
        if baseline is not None and renew:
            before = read_baseline(baseline, "incidents") if baseline.exists() else {}
            kept = stack.enter_context(AtomicText(baseline, option="--baseline"))
        results = list(evaluation.runs(lambda name: log.info("looking through", film=name)))
        runs = [run for _, each in results for run in each]
        for rate, each in results:
            _show(rate, each)
        if listed.skipped:
            typer.echo(f"\nleft out, not on this machine: {', '.join(listed.skipped)}")
        record = report(results, listed.skipped)
        compared = None
        if known is not None:
            found = baseline_of(runs)
            # what nobody asked for is not missing
            asked = {name: known[name] for name in found if name in known} if only else known
            compared = compare(found, asked, part="kind")
            record["baseline"] = compared.record()
            show_comparison(compared)
        if out is not None:
            out.write(json.dumps(record, ensure_ascii=False, indent=1) + "\n")
            out.commit()
        if kept is not None:
            kept.write(written({**before, **baseline_of(runs)}))
            kept.commit()
    met = all(run.met for run in runs)
    if not met or (compared is not None and compared.worse):
        raise typer.Exit(1)


def _picked(films: Sequence[Film], only: Sequence[str]) -> list[Film]:
    """The films that some of the patterns name; each pattern names one at least."""
    for pattern in only:
        if not any(fnmatchcase(film.name, pattern) for film in films):
            raise ExpectationError(
                f"--only '{pattern}' names no film: choose among "
                f"{'; '.join(film.name for film in films)}"
            )
    return [film for film in films if any(fnmatchcase(film.name, pattern) for pattern in only)]


def _show(rate: Rate | None, runs: Sequence[FilmRun]) -> None:
    """The findings at one rate, film by film, and the scores."""
    typer.echo(f"\nframe rate {'as listed' if rate is None else rate_name(rate)}")
    table = _table("film", "watch", "fps", "kind", "expected")
    for column in ("start", "raised", "delay", "end", "verdict"):
        table.add_column(column, justify="right", no_wrap=True)
    for run in runs:
        who = tuple(map(escape, (run.film, run.watch, run.rate)))
        for finding in run.findings:
            table.add_row(*who, *_cells(finding))
        if not run.findings:
            table.add_row(*who, "-", "nothing", "-", "-", "-", "-", "as expected")
    print_table(table)
    scores = Scores.of(runs)
    table = _table("kind")
    for column in (
        "expected", "detected", "late", "missed", "false", "rate", "precision", "median delay",
        "worst", "ended in time", "false per hour",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    for kind, score in (*scores.by_kind.items(), ("total", scores.total)):
        table.add_row(kind, *_figures(score))
    print_table(table)
    footage_s, unwatched_s = sum(r.footage_s for r in runs), sum(r.unwatched_s for r in runs)
    alone = sum(run.watch == CAMERA_ONLY for run in runs)
    typer.echo(
        f"{len(runs)} films, {footage_s / 3600:.2f} hours, of which {unwatched_s:.0f} s with a "
        f"picture that is not trusted; {alone} of them {CAMERA_ONLY}, without a detector"
    )


def _cells(finding: Finding) -> tuple[str, ...]:
    """Kind, what was expected, start, raised, delay, end and verdict."""
    event, said = finding.event, {None: "", True: "", False: ", end wrong"}
    expected = "nothing" if finding.expected is None else _wanted(finding.expected)
    if event is None:
        return finding.kind, escape(expected), "-", "-", "-", "-", finding.verdict.upper()
    verdict = (
        finding.verdict
        if finding.verdict in ("detected", "optional")
        else (finding.verdict.upper())
    )
    return (
        finding.kind,
        escape(expected),
        f"{event.start_ts:.1f}",
        f"{event.raised_ts:.1f}",
        "-" if finding.delay_s is None else f"{finding.delay_s:+.1f}",
        "open" if event.end_ts is None else f"{event.end_ts:.1f}",
        verdict + said[finding.ended],
    )


def _wanted(expected: Expected) -> str:
    """Where and when an event should begin, and end."""
    event = expected.event
    due = "" if expected.due_s is None else f"at {expected.due_s:g}"
    start = due if event.start_s == EVERYTHING else _span(event.start_s)
    end = [] if event.end_s is None else [f"to {_span(event.end_s)}"]
    return " ".join([*([event.place] if event.place else []), start, *end])


def _span(window: tuple[float, float]) -> str:
    return f"{window[0]:g}-{window[1]:g}"


def _figures(score: Score) -> tuple[str, ...]:
    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f} s"

    def percent(share: float | None) -> str:
        return "-" if share is None else f"{100 * share:.1f} %"

    return (
        *map(str, (score.expected, score.detected, score.late, score.missed, score.false)),
        percent(score.detection_rate),
        percent(score.precision),
        seconds(score.median_s),
        seconds(score.worst_s),
        f"{score.ended} of {score.ends}",
        f"{score.false_per_hour:.1f}",
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
