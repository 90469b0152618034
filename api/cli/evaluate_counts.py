"""``matakota evaluate counts``: what is counted on clips against what truly passed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Annotated, TypeVar

import structlog
import typer
from rich.markup import escape
from rich.table import Table

from api.cli.analyse import DEFAULT_MODEL, frame_rate, refuse_overwriting
from api.cli.options import GateOption
from api.cli.tables import print_table
from models.zoo import cache_folder, resolve
from streams import samples
from streams.detector import Detectors
from streams.evaluation.baseline import Comparison, baseline_of, compare, read_baseline, written
from streams.evaluation.clips import FULL, ONNX, Rate
from streams.evaluation.counts import (
    Agreement,
    Evaluation,
    Run,
    Score,
    Scores,
    Setting,
    model_name,
    report,
)
from streams.evaluation.films import Film
from streams.evaluation.manifest import ListedClip, load_manifest
from streams.output import AtomicText
from vision.errors import MatakotaError, OutputError

Listed = TypeVar("Listed", ListedClip, Film)

log = structlog.get_logger()


def counts(
    manifest: Annotated[Path, typer.Argument(help="The clips and their truth, YAML.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="Instead of the manifest's models; may be repeated, each is measured."),
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
        Path | None, typer.Option(help="Committed counts, whose errors may not rise.")
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Write what was counted into the baseline.")
    ] = False,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out clips that are not on this machine.")
    ] = False,
) -> None:
    """Count on clips and compare with the truth; exit code 1 where it is not met."""
    if renew and baseline is None:
        raise OutputError("--renew needs to know the file: name it with --baseline")
    outputs = {"--baseline": baseline, "--json": json_file}
    refuse_overwriting(outputs, [manifest])
    known = read_baseline(baseline) if baseline is not None and not renew else None
    models: Sequence[str | None] = _models(model or []) or [None]
    rates: Sequence[Rate | None] = list(dict.fromkeys(map(read_rate, fps or []))) or [None]
    settings = [Setting(*pair) for pair in product(models, rates)]
    listed = load_manifest(
        manifest,
        samples.Places.of(os.environ),
        default_model=DEFAULT_MODEL,
        skip_missing=skip_missing,
    )
    weights = [Path(name) for name in model or [] if name.endswith(ONNX)]
    refuse_overwriting(outputs, [*listed.files, *weights])
    cache = cache_folder(os.environ)
    detectors = Detectors(lambda name: resolve(name, cache=cache))
    evaluation = Evaluation(with_gate(listed.clips, gate), settings, detectors)
    with ExitStack() as stack:
        out = kept = None
        if json_file is not None:
            out = stack.enter_context(AtomicText(json_file, option="--json"))
        if baseline is not None and renew:
            before = read_baseline(baseline) if baseline.exists() else {}
            kept = stack.enter_context(AtomicText(baseline, option="--baseline"))
        results = list(evaluation.runs(lambda name: log.info("counting", clip=name)))
        runs = [run for _, each in results for run in each]
        for setting, each in results:
            _show(setting, each)
        _show_agreement(Agreement.of(runs))
        if listed.skipped:
            typer.echo(f"\nleft out, not on this machine: {', '.join(listed.skipped)}")
        record = report(results, listed.skipped)
        compared = None if known is None else compare(baseline_of(runs), known)
        if compared is not None:
            record["baseline"] = compared.record()
            show_comparison(compared)
        if out is not None:
            out.write(json.dumps(record, ensure_ascii=False, indent=1) + "\n")
            out.commit()
        if kept is not None:
            kept.write(written({**before, **baseline_of(runs)}))
            kept.commit()
    if not all(row.within for run in runs for row in run.rows) or (compared and compared.worse):
        raise typer.Exit(1)


def with_gate(listed: Sequence[Listed], gate: bool | None) -> list[Listed]:
    """What is ``listed``, each with its scene's ``gate`` as ``--gate`` says."""
    if gate is None:
        return list(listed)
    return [replace(each, scene=replace(each.scene, gate=gate)) for each in listed]


def _models(wanted: Sequence[str]) -> list[str]:
    """Each once. Results go by their names, so two files of one name are refused."""
    by_name: dict[str, str] = {}
    for model in wanted:
        before = by_name.setdefault(model_name(model), model)
        if before != model:
            raise MatakotaError(
                f"--model {before} and {model} have the same name in the results: rename one"
            )
    return list(by_name.values())


def read_rate(text: str) -> Rate:
    """A value of ``--fps``: frames a second, or ``full``. Raises MatakotaError."""
    return FULL if text == FULL else frame_rate("--fps", text) or FULL


def _show(setting: Setting, runs: Sequence[Run]) -> None:
    """The rows of one setting, and its scores."""
    typer.echo(f"\n{setting}")
    table = _table("clip", "model", "fps", "line", "direction", "class")
    for column in ("truth", "counted", "error", "tolerance", "within", "late"):
        table.add_column(column, justify="right", no_wrap=True)
    for run in runs:
        for row in run.rows:
            table.add_row(
                *map(escape, (run.clip, run.model, run.rate, row.line, row.direction, row.what)),
                *map(str, (row.truth, row.counted)),
                f"{row.error:+d}" if row.error else "0",
                str(row.tolerance),
                "yes" if row.within else "NO",
                str(row.late),
            )
    print_table(table)
    scores = Scores.of(runs)
    table = _table("score", "of")
    for column in ("truth", "counted", "absolute error", "WAPE"):
        table.add_column(column, justify="right", no_wrap=True)
    for kind, name, score in _scores(scores):
        table.add_row(
            kind,
            escape(name),
            *map(str, (score.truth, score.counted, score.absolute_error)),
            _percent(score.wape),
        )
    print_table(table)
    typer.echo(
        f"direction error: {_percent(scores.direction_error)} ({scores.swapped} of "
        f"{scores.both_ways} on lines with a truth both ways)"
    )
    for run in runs:
        typer.echo(
            f"{run.name}: {run.cpu_s_per_1000_frames:.1f} s of CPU per 1000 frames "
            f"({run.analysed} of {run.frames} analysed)"
        )


def _scores(scores: Scores) -> Iterator[tuple[str, str, Score]]:
    for kind, named in (
        ("line", scores.by_line), ("direction", scores.by_direction), ("class", scores.by_class),
    ):  # fmt: skip
        yield from ((kind, name, score) for name, score in named.items())
    yield "truth 0", "rows where nothing passed", scores.zero_truth
    yield "total", "all rows", scores.total


def _show_agreement(found: Sequence[Agreement]) -> None:
    if not found:
        return
    typer.echo("\nagreement of the frame rates")
    table = _table("clip", "model", "line", "fps")
    table.add_column("agree within", justify="right", no_wrap=True)
    for one in found:
        rates = ", ".join(one.rates)
        table.add_row(*map(escape, (one.clip, one.model, one.line, rates)), str(one.within))
    print_table(table)


def show_comparison(compared: Comparison) -> None:
    """What has become worse and better since the baseline."""
    typer.echo("\nagainst the baseline")
    for word, said in (("worse", compared.worse), ("better", compared.better)):
        for sentence in said:
            typer.echo(f"{word}: {sentence}")
    if compared.new:
        typer.echo(f"not in it yet, add with --renew: {'; '.join(compared.new)}")
    if compared.not_run:
        typer.echo(f"in it, but not run: {'; '.join(compared.not_run)}")
    if not compared.worse and not compared.better:
        typer.echo("nothing is worse, nothing is better")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
