"""What an analysed frame costs, stage by stage, beside its floor (``matakota bench``), and how
quickly recorded video is analysed (``--files``)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import typer
from rich.table import Table

from api.cli.analyse import progress_bar
from api.cli.bench_subjects import Asked, Found, found, in_words, verified
from api.cli.tables import print_table
from streams.evaluation import overhead
from streams.evaluation.overhead import Bench, Overhead
from streams.evaluation.recorded import Recorded, recorded
from streams.evaluation.work import PROMISED_MS, around_ms

PROMISED_RATIO: Final = "at most 1.07 with INT8 at 416, 1.03 with float at 640"
PROMISED_TIMES: Final = 20
FILES_FPS: Final = 5


def measure(asked: Asked, model: str, rounds: int | None) -> dict[str, object]:
    """The pipeline beside its floor; the figures."""
    what = found(replace(asked, gate=bool(asked.gate)), model)
    bench = Bench(what.subject, verified)
    number = rounds or overhead.ROUNDS
    # a thread that draws would spend CPU time within the laps
    with progress_bar(auto_refresh=False) as progress:
        task = progress.add_task(what.clip, total=number)
        result = bench.overhead(
            number, lambda done: progress.update(task, completed=done, refresh=True)
        )
    _show(result, what, model, gate=bool(asked.gate))
    crowds = {n: around_ms(n, number) for n in PROMISED_MS}
    _show_crowds(crowds)
    last = result.rounds[-1]
    return {
        "overhead_ratio": round(result.ratio, 4),
        "clip": what.clip,
        "scene": what.scene,
        "model": model,
        "input": list(result.input_size),
        "fps": None if asked.fps is None else float(asked.fps),
        "gate": bool(asked.gate),
        "frames": last.analysed,
        "inferences": last.inferences,
        "floor_inferences": last.floor_inferences,
        "objects_per_frame": round(result.objects, 2),
        "counts": last.counts,
        "stages_ms": _rounded(result.stages_ms),
        "other_ms": _rounded(result.others_ms),
        "total_ms": round(sum(result.stages_ms.values()), 4),
        "floor_ms": _rounded(result.floor_ms),
        "around_ms": round(result.around_ms, 4),
        "rounds": [
            {
                "ratio": round(each.ratio, 4),
                "pipeline_s": round(each.total, 3),
                "floor_s": round(sum(each.floor.values()), 3),
            }
            for each in result.rounds
        ],
        "crowded_ms": {str(n): _rounded(stages) for n, stages in crowds.items()},
        "promised_around_ms": {str(n): limit for n, limit in PROMISED_MS.items()},
    }


def measure_files(
    files: Sequence[Path], asked: Asked, models: Sequence[str], rounds: int | None
) -> list[dict[str, object]]:
    """Each file with each model, with and without the gate where nobody said which; the
    figures."""
    gates = (False, True) if asked.gate is None else (asked.gate,)
    rows: list[tuple[Found, str, bool, list[Recorded]]] = []
    for path in files:
        for model in models:
            for gate in gates:
                what = found(replace(asked, clip=path, gate=gate), model)
                passes = [recorded(what.subject, verified) for _ in range(rounds or 1)]
                rows.append((what, model, gate, passes))
    _show_files(rows, asked)
    return [
        {
            "clip": what.clip,
            "size": list(what.size),
            "model": model,
            "gate": gate,
            "input": list(passes[-1].input_size),
            "fps": None if asked.fps is None else float(asked.fps),
            "real_time": round(_times(passes), 2),
            "video_s": round(passes[-1].video_s, 2),
            "cpu_s": round(statistics.median(each.cpu_s for each in passes), 3),
            "frames": passes[-1].analysed,
            "inferences": passes[-1].inferences,
            "objects_per_frame": round(passes[-1].objects / max(1, passes[-1].analysed), 2),
            "counts": passes[-1].counts,
        }
        for what, model, gate, passes in rows
    ]


def _times(passes: Sequence[Recorded]) -> float:
    return statistics.median(each.times for each in passes)


def _rounded(stages: dict[str, float]) -> dict[str, float]:
    return {stage: round(ms, 4) for stage, ms in stages.items()}


def _show(result: Overhead, what: Found, model: str, *, gate: bool) -> None:
    height, width = result.input_size
    last, stages = result.rounds[-1], result.stages_ms
    total = sum(stages.values())
    table = _table(
        f"{what.clip}, {what.scene}; {model} at {height}x{width}, gate {'on' if gate else 'off'}; "
        f"{len(result.rounds)} x {last.analysed} frames, {last.inferences} inferences",
        ("stage", "CPU ms a frame", "floor", "share"),
    )
    for stage, ms in stages.items():
        floor = result.floor_ms.get(stage)
        below = "" if floor is None else f"{floor:.3f}"
        table.add_row(stage, f"{ms:.3f}", below, f"{100 * ms / total:.1f} %")
    floor_total = sum(result.floor_ms.values())
    table.add_row("all", f"{total:.3f}", f"{floor_total:.3f}", "100 %")
    print_table(table)
    ratios = [each.ratio for each in result.rounds]
    typer.echo(
        f"\nover the floor: {result.ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f}); promised: "
        f"{PROMISED_RATIO}\nall but decode and inference: {result.around_ms:.2f} ms, with "
        f"{result.objects:.1f} objects in the picture\ncounted: {in_words(last.counts)}\n"
    )


def _show_crowds(crowds: dict[int, dict[str, float]]) -> None:
    names = [name for name in crowds[next(iter(crowds))] if name not in ("decode", "inference")]
    table = _table(
        "with made-up objects, CPU ms a frame", ("objects", *names, "all", "promised: at most")
    )
    for number, stages in crowds.items():
        parts = [stages[name] for name in names]
        cells = [f"{ms:.3f}" for ms in (*parts, sum(parts))]
        table.add_row(str(number), *cells, f"{PROMISED_MS[number]:g}")
    print_table(table)
    typer.echo("")


def _show_files(rows: Sequence[tuple[Found, str, bool, list[Recorded]]], asked: Asked) -> None:
    rate = "every frame" if asked.fps is None else f"{float(asked.fps):g} frames a second"
    table = _table(
        f"recorded video, {rate}; promised: {PROMISED_TIMES} x with YOLOX-nano INT8 or the gate",
        ("clip", "model", "gate", "input", "x real time", "frames", "inferences", "counted"),
    )
    for what, model, gate, passes in rows:
        height, width = passes[-1].input_size
        table.add_row(
            f"{what.clip} {what.size[0]}x{what.size[1]}",
            Path(model).name,
            "on" if gate else "off",
            f"{height}x{width}",
            f"{_times(passes):.1f}",
            str(passes[-1].analysed),
            str(passes[-1].inferences),
            in_words(passes[-1].counts),
        )
    print_table(table)


def _table(title: str, columns: Sequence[str]) -> Table:
    """A table whose title stands in one line, however narrow the table is."""
    typer.echo(title)
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        words = number == 0 or column in ("model", "counted")
        table.add_column(column, justify="left" if words else "right", overflow="fold")
    return table
