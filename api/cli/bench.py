"""``matakota bench``: what the program costs on this machine, beside its floor and its peers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import typer

from api.cli import bench_cameras, bench_peers, bench_pipeline, bench_store, bench_tracker
from api.cli.analyse import frame_rate
from api.cli.bench_subjects import BENCHED, Asked
from api.cli.options import SourceFpsOption
from streams.config import DEFAULT_MODEL
from streams.evaluation import cost, machine, overhead
from streams.output import AtomicText
from vision.errors import MatakotaError

STORE_ROUNDS = 200
STORE_CAMERAS = 468
SERVES: Final[Mapping[str, tuple[str, ...]]] = {
    "--clip": ("", "--peers", "--cameras"),
    "--scene": ("", "--files", "--peers", "--cameras"),
    "--model": ("", "--files", "--peers", "--cameras"),
    "--fps": ("", "--files", "--peers", "--cameras"),
    "--source-fps": ("", "--files", "--peers"),
    "--input": ("", "--files", "--peers"),
    "--long-side": ("", "--files", "--peers"),
    "--gate": ("", "--files", "--peers", "--cameras"),
    "--rounds": ("", "--files", "--peers", "--tracker", "--store"),
    "--seconds": ("--cameras",),
    "--folder": ("--store",),
}
"""The modes that each option changes; the one without a name is a frame beside its floor."""


def bench(
    more: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="More clips for --files.", show_default=False),
    ] = None,
    tracker: Annotated[
        bool,
        typer.Option("--tracker", help="The tracker, beside those of roboflow and ultralytics."),
    ] = False,
    store: Annotated[
        bool,
        typer.Option("--store", help="The database, filled with a year of made-up counts."),
    ] = False,
    peers: Annotated[
        bool,
        typer.Option("--peers", help="Whole programs of peers, on the same clip and weights."),
    ] = False,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--files", metavar="FILE...", show_default=False,
            help="Recorded video: how much faster than real time, on one core.",
        ),
    ] = None,
    cameras: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, show_default=False,
            help="How many simulated cameras, up to so many, a worker carries in real time. With "
            f"--store: so many cameras are in the store, {STORE_CAMERAS} by default.",
        ),
    ] = None,
    clip: Annotated[
        Path | None,
        typer.Option(help="The clip; the packaged plaza by default.", show_default=False),
    ] = None,
    scene: Annotated[
        Path | None,
        typer.Option(
            help="Lines, zones and rules, YAML; one line in the middle of a clip of your own by "
            "default.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help=f"A name from 'matakota models list', or an ONNX file; {BENCHED} by default, "
            f"{DEFAULT_MODEL} with --cameras. May be repeated with --files.",
            show_default=False,
        ),
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option(
            help="Frames to analyse per second; all by default, 5 with --files and --cameras."
        ),
    ] = None,
    source_fps: SourceFpsOption = None,
    input_size: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="HxW", help="The model's input, height x width, such as 256x416.",
        ),
    ] = None,
    long_side: Annotated[
        int | None,
        typer.Option(
            min=32, max=4096, help="Its longer side; the other one follows the picture's shape.",
        ),
    ] = None,
    gate: Annotated[
        bool | None,
        typer.Option(
            "--gate/--no-gate", show_default=False,
            help="Whether the model is asked only where the picture shows something new; without, "
            "or with --files both, and with --cameras as live.",
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, show_default=False,
            help=f"Rounds, of which the median counts: {overhead.ROUNDS} of a clip beside its "
            f"floor, 1 of --files and --peers, {cost.ROUNDS} of a tracker, {STORE_ROUNDS} of a "
            "question to the store.",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=5, max=3600, show_default=False,
            help=f"For how long --cameras measures; {bench_cameras.SECONDS:g} by default.",
        ),
    ] = None,
    weeks: Annotated[
        int, typer.Option(min=1, max=520, help="So many weeks of each are in the store.")
    ] = 52,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", exists=True, file_okay=False,
            help="Where the store is filled, some GB that are removed afterwards; the system's "
            "folder for such files by default.",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures as JSON.")
    ] = None,
) -> None:  # fmt: skip
    """Measure what the program costs on this machine, in CPU time: by default what an analysed
    frame costs, stage by stage, beside the floor of decode and inference alone. It judges nothing:
    the exit code is 0."""
    clips = [*(files or ()), *(more or ())]
    if more and not files:
        raise MatakotaError(f"what is {more[0]} for? Name clips with --files, or one with --clip")
    modes = [
        name
        for name, asked_for in (
            ("--tracker", tracker), ("--store", store), ("--files", clips), ("--peers", peers),
            ("--cameras", cameras is not None and not store),
        )
        if asked_for
    ]  # fmt: skip
    given = {
        "--clip": clip, "--scene": scene, "--model": model, "--fps": fps,
        "--source-fps": source_fps, "--input": input_size, "--long-side": long_side, "--gate": gate,
        "--rounds": rounds, "--seconds": seconds, "--folder": folder,
    }  # fmt: skip
    _refuse_ignored([name for name, value in given.items() if value is not None], modes)
    models = model or [BENCHED]
    if len(models) > 1 and not clips:
        raise MatakotaError("--model may be repeated with --files only: name one")
    rate = frame_rate("--fps", fps)
    asked = Asked(
        clip, scene, rate, frame_rate("--source-fps", source_fps), input_size, long_side, gate
    )
    figures: dict[str, object] = {}
    with ExitStack() as stack:
        out = None
        if json_file is not None:
            out = stack.enter_context(AtomicText(json_file, option="--json"))
        here, versions = machine.machine(), machine.versions()
        if tracker:
            figures |= bench_tracker.measure(rounds)
        if store:
            number = cameras or STORE_CAMERAS
            figures["store"] = bench_store.measure(number, weeks, rounds or STORE_ROUNDS, folder)
        if clips:
            files_fps = rate or frame_rate("--fps", str(bench_pipeline.FILES_FPS))
            figures["files"] = bench_pipeline.measure_files(
                clips, Asked(None, scene, files_fps, asked.source_fps, input_size, long_side, gate),
                models, rounds,
            )  # fmt: skip
        if peers:
            figures["peers"] = bench_peers.measure(asked, models[0], rounds)
        if cameras is not None and not store:
            figures["cameras"] = bench_cameras.measure(
                asked, model[0] if model else DEFAULT_MODEL, cameras, seconds
            )
        if not figures:
            figures = bench_pipeline.measure(asked, models[0], rounds)
        typer.echo(_in_words(here, versions))
        about = {"machine": here, "versions": versions, "seed": cost.SEED}
        if out is not None:
            out.write(json.dumps({**figures, **about}, indent=1) + "\n")
            out.commit()


def _refuse_ignored(given: Sequence[str], modes: Sequence[str]) -> None:
    """Refuse an option that changes nothing of what is measured."""
    for option in given:
        if not set(SERVES[option]) & set(modes or [""]):
            what = " and ".join(modes) or "a frame beside its floor"
            raise MatakotaError(f"{option} changes nothing about {what}: leave it out")


def _in_words(here: machine.Machine, versions: Mapping[str, str]) -> str:
    """On what it was measured, in two lines."""
    flags = ", ".join(here["flags"]) or "none that matters"
    return (
        f"{here['cpu']}, {here['cores']} cores ({flags}), load {here['load']:g}, {here['system']}\n"
        f"{', '.join(f'{name} {version}' for name, version in versions.items())}; seed {cost.SEED}"
    )
