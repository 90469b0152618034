"""Whole programs of peers beside ours, on the same clip, line and weights: ``--peers``."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import typer
from rich.table import Table

from api.cli.bench_subjects import Asked, Found, found, verified
from api.cli.tables import print_table
from models.manifest import ModelEntry, load_manifest
from streams.evaluation import wholes
from streams.evaluation.overhead import Bench
from streams.evaluation.stages import Measured
from vision.errors import MatakotaError

PROMISED = {
    "ultralytics ObjectCounter": 5,
    "ultralytics ObjectCounter, one thread": 3,
}
"""So many times less than theirs ours takes at least, without a gate."""
OURS: Final = "matakota"
OURS_INT8: Final = "matakota, INT8"
TIMES: Final = {OURS: "times", OURS_INT8: "times_int8"}
"""Where it is said how many times more than each of ours a peer takes."""


def measure(asked: Asked, model: str, rounds: int | None) -> dict[str, object]:
    """Ours and each peer in turn, as many times as there are rounds; the figures."""
    if asked.fps is not None:
        raise MatakotaError("--peers runs every frame, as the peers do: leave --fps out")
    if asked.gate:
        raise MatakotaError("--peers runs without the gate, as the peers do: leave --gate out")
    own, quantised = same_weights(model)
    what = found(replace(asked, gate=False), own)
    bench = Bench(what.subject, verified)
    ours: dict[str, tuple[Bench, list[wholes.Answer]]] = {OURS: (bench, [])}
    if quantised is not None:
        ours[OURS_INT8] = (Bench(replace(what.subject, model=quantised), verified), [])
    theirs: dict[str, list[wholes.Answer] | str] = {}
    with tempfile.TemporaryDirectory() as folder:
        ask = _asking(what, bench, Path(folder))
        for _ in range(rounds or 1):
            for each, passes in ours.values():
                passes.append(_answer(each.measured()))
            for name in wholes.WHOLES:
                before = theirs.setdefault(name, [])
                if isinstance(before, str):
                    continue
                try:
                    before.append(ask(name))
                except MatakotaError as error:
                    theirs[name] = f"not run: {error}"
    rows: dict[str, dict[str, object]] = {
        name: _row(passes, {}, 0) for name, (_, passes) in ours.items()
    }
    own_ms = {name: _ms(passes) for name, (_, passes) in ours.items()}
    frames = ours[OURS][1][-1].frames
    for name, answers in theirs.items():
        rows[name] = {"why": answers} if isinstance(answers, str) else _row(answers, own_ms, frames)
    _show(rows, what, own)
    return {
        "clip": what.clip,
        "scene": what.scene,
        "model": own,
        "model_int8": quantised,
        "input": list(bench.input_size),
        "programs": rows,
        "promised_times": PROMISED,
    }


def same_weights(model: str) -> tuple[str, str | None]:
    """The float model and the INT8 one of the same weights as ``model``, as far as the manifest
    knows them."""
    pairs = {
        name: entry.quantised.source
        for name, entry in load_manifest().items()
        if isinstance(entry, ModelEntry) and entry.quantised is not None
    }
    if model in pairs:
        return pairs[model], model
    return model, next((name for name, source in pairs.items() if source == model), None)


def _asking(what: Found, bench: Bench, folder: Path) -> Callable[[str], wholes.Answer]:
    """What runs the peer of a name on the subject's clip, line and classes."""
    subject = what.subject
    if not subject.scene.lines:
        raise MatakotaError("--peers counts at a line: name a scene that has one with --scene")
    verified_model = verified(subject.model)
    entry = verified_model.entry
    if not isinstance(entry, ModelEntry) or entry.layout != "yolov8":
        raise MatakotaError(
            f"--peers needs a model that Ultralytics reads, of layout yolov8: {subject.model} is "
            "none"
        )
    file = folder / "model.onnx"
    file.write_bytes(verified_model.content)
    start, end = subject.scene.lines[0].points[0], subject.scene.lines[0].points[-1]
    sx, sy = (own / of for own, of in zip(what.size, subject.scene.frame_size, strict=True))
    order = wholes.Order(
        model=str(file),
        clip=str(subject.clip.resolve()),
        line=((start[0] * sx, start[1] * sy), (end[0] * sx, end[1] * sy)),
        classes=tuple(map(entry.classes.index, bench.pipeline().wanted)),
        names=entry.classes,
        long_side=max(bench.input_size),
        rate=float(bench.source.info.rate),
        one_thread=False,
    )

    def ask(name: str) -> wholes.Answer:
        kind, one_thread = wholes.WHOLES[name]
        return wholes.run(kind, replace(order, one_thread=one_thread))

    return ask


def _answer(measured: Measured) -> wholes.Answer:
    """One pass of ours, and how many passed the first line in its two directions."""
    for _ in measured.steps():
        pass
    frames = len(measured.analysed)
    by = next(iter(measured.pipeline.counts.values()), {})
    first, second = (sum(classes.values()) for classes in by.values())
    return wholes.Answer(1000 * measured.watch.total / frames, frames, (first, second), 1)


def _ms(answers: Sequence[wholes.Answer]) -> float:
    return statistics.median(each.ms for each in answers)


def _row(
    answers: Sequence[wholes.Answer], own_ms: Mapping[str, float], frames: int
) -> dict[str, object]:
    """What a program took, and so many times each of ours; it should have seen as many ``frames``
    as ours, 0 for ours."""
    last = answers[-1]
    row: dict[str, object] = {
        "ms": round(_ms(answers), 3),
        **{TIMES[name]: round(_ms(answers) / ms, 2) for name, ms in own_ms.items()},
        "frames": last.frames,
        "counts": list(last.counts),
        "threads": last.threads,
    }
    if frames and last.frames != frames:
        row["problem"] = f"it saw {last.frames} frames, ours {frames}"
    return row


def _show(rows: dict[str, dict[str, object]], what: Found, model: str) -> None:
    line = what.subject.scene.lines[0].name
    typer.echo(f"{what.clip}, {model}, every frame, no gate; counted at '{line}', both directions")
    table = Table(box=None, pad_edge=False)
    columns = (
        "program", "CPU ms a frame", "x ours", "x ours, INT8", "promised", "counted", "cores",
    )  # fmt: skip
    for column in columns:
        table.add_column(column, justify="left" if column == "program" else "right")
    table.add_column("", overflow="fold")
    for name, row in rows.items():
        if "why" in row:
            table.add_row(name, *[""] * (len(columns) - 1), str(row["why"]))
            continue
        promised = PROMISED.get(name)
        table.add_row(
            name,
            f"{row['ms']:.1f}",
            *(f"{row[times]:.1f}" if times in row else "" for times in TIMES.values()),
            f"{promised} or more" if promised else "",
            " and ".join(map(str, row["counts"])) if isinstance(row["counts"], list) else "",
            str(row["threads"]),
            str(row.get("problem", "")),
        )
    print_table(table)
