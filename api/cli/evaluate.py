"""``matakota evaluate``: how good tracks, counts and incidents are against what is true."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from api.cli.evaluate_counts import counts
from api.cli.evaluate_incidents import incidents
from api.cli.evaluate_oracle import oracle
from api.cli.tables import print_table
from streams.evaluation import mot, peers, scores
from streams.output import AtomicText
from vision.errors import MatakotaError, OutputError

app = typer.Typer(no_args_is_help=True)

OURS = "matakota"
LIVE = "matakota, live"
"""How the live view is called in the table; the file has it in a place of its own."""


app.command()(counts)
app.command()(incidents)
app.command()(oracle)


@app.command()
def tracking(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="A folder of sequences in the MOT layout, or one sequence."
        ),
    ],
    with_peers: Annotated[
        bool,
        typer.Option("--peers", help="Also roboflow's trackers, on the same detections."),
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the scores as JSON.")
    ] = None,
    low: Annotated[
        float, typer.Option(help="From this score on, a box continues a track.")
    ] = mot.SETTINGS.low,
    match: Annotated[
        float, typer.Option(help="From this score on, it is preferred.")
    ] = mot.SETTINGS.match,
    birth: Annotated[
        float, typer.Option(help="From this score on, a box begins a track.")
    ] = mot.SETTINGS.birth,
) -> None:
    """Track the detections of labelled sequences and score the tracks: HOTA, MOTA, IDF1."""
    if not low <= match <= birth:
        raise MatakotaError(
            f"--low {low:g}, --match {match:g} and --birth {birth:g} do not rise: choose each no "
            "lower than the one before"
        )
    settings = replace(mot.SETTINGS, low=low, match=match, birth=birth)
    sequences = mot.read_sequences(folder)
    with ExitStack() as stack:
        out = None
        if json_file is not None:
            _keep_inputs(json_file, folder)
            out = stack.enter_context(AtomicText(json_file, option="--json"))
        results: dict[str, list[mot.Rows]] = {}
        if with_peers:
            results = {name: [peers.track(name, one) for one in sequences] for name in peers.PEERS}
        views = [mot.track(one, settings) for one in sequences]
        ours = {OURS: [one.recorded for one in views], LIVE: [one.live for one in views]}
        scored = scores.score(sequences, ours | results)
        _show(scored)
        if out is not None:
            out.write(json.dumps(_as_json(scored), indent=1) + "\n")
            out.commit()


def _keep_inputs(json_file: Path, folder: Path) -> None:
    inside = json_file.resolve().is_relative_to(folder.resolve())
    if inside and json_file.name in {"seqinfo.ini", "det.txt", "gt.txt"}:
        raise OutputError(f"--json {json_file} would overwrite a file of a sequence: name another")


def _show(scored: Mapping[str, scores.Scored]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("sequence", overflow="fold")
    table.add_column("tracker", no_wrap=True)
    for name in ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "switches"):
        table.add_column(name, justify="right", no_wrap=True)
    for sequence in next(iter(scored.values())).sequences:
        for tracker, one in scored.items():
            table.add_row(sequence, tracker, *_cells(one.sequences[sequence]))
    table.add_section()
    for tracker, one in scored.items():
        table.add_row("combined", tracker, *_cells(one.combined))
    print_table(table)
    rivals = {name: one.combined.hota for name, one in scored.items() if name in peers.PEERS}
    if rivals:
        best = max(rivals, key=lambda name: rivals[name])
        margin = scored[OURS].combined.hota - rivals[best]
        side = "above" if margin >= 0 else "below"
        typer.echo(
            f"\nHOTA is {abs(margin):.1f} {side} the best peer's ({best}, {rivals[best]:.1f})"
        )


def _cells(one: scores.Scores) -> list[str]:
    percent = (one.hota, one.det_a, one.ass_a, one.mota, one.idf1)
    return [*(f"{value:.1f}" for value in percent), str(one.id_switches)]


def _as_json(scored: Mapping[str, scores.Scored]) -> dict[str, Any]:
    """``combined`` and ``sequences`` by tracker, and our live view apart in the same shape."""
    finished = {name: one for name, one in scored.items() if name != LIVE}
    return _shape(finished) | {"live": _shape({OURS: scored[LIVE]})}


def _shape(scored: Mapping[str, scores.Scored]) -> dict[str, Any]:
    names = next(iter(scored.values())).sequences
    return {
        "combined": {tracker: one.combined.as_json() for tracker, one in scored.items()},
        "sequences": {
            name: {tracker: one.sequences[name].as_json() for tracker, one in scored.items()}
            for name in names
        },
    }
