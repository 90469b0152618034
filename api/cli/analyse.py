"""``matakota analyse``: one clip, one scene; crossings, events and counts out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.cli.options import (
    EPOCH,
    ClipArgument,
    FpsOption,
    GateOption,
    ModelOption,
    ProviderOption,
    SceneOption,
    SourceFpsOption,
    StartOption,
)
from models.zoo import cache_folder, resolve
from streams.analysis import Summary, json_line
from streams.analysis import analyse as analyse_clip
from streams.detector import Detectors
from streams.expectations import load_expectations
from streams.files import ClipSource
from streams.output import AtomicText
from streams.scenefile import load_scene
from streams.trackfile import TrackFile
from streams.video import VideoWriter
from vision.draw import draw
from vision.errors import DetectorError, MatakotaError, OutputError, SceneError
from vision.pipeline import Pipeline, Step
from vision.scene import Scene
from vision.scene_check import check_scene
from vision.types import Event, Frame, Image

DEFAULT_MODEL = "nanodet_g"
MAX_FPS = 1000
CPU = "CPUExecutionProvider"
_RATE = re.compile(r"\d{1,9}(\.\d{1,9})?|\d{1,9}/\d{1,9}", re.ASCII)
"""No exponents: 1e999999999 would keep the machine busy for hours."""

log = structlog.get_logger()


def analyse(
    clip: ClipArgument,
    scene: SceneOption,
    model: ModelOption = DEFAULT_MODEL,
    provider: ProviderOption = None,
    gate: GateOption = None,
    fps: FpsOption = None,
    source_fps: SourceFpsOption = None,
    start: StartOption = EPOCH,
    out: Annotated[
        Path | None, typer.Option(help="Where the JSON lines go; standard output by default.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="Where to write the annotated video (.mp4, .mkv).")
    ] = None,
    tracks: Annotated[
        Path | None, typer.Option(help="Where to write every track's boxes (.csv).")
    ] = None,
    expect: Annotated[
        Path | None, typer.Option(help="What the clip must show, YAML; exit code 1 if it does not.")
    ] = None,
) -> None:
    """Analyse a clip faster than real time: crossings, events and counts as JSON lines."""
    refuse_overwriting(
        {"--out": out, "--video": video, "--tracks": tracks}, [clip, scene, expect, Path(model)]
    )
    source = opened(clip, fps=fps, source_fps=source_fps, start=start)
    start_ts, size = start_time(start), (source.info.width, source.info.height)
    drawn = drawn_on(source, scene)
    drawn = drawn if gate is None else replace(drawn, gate=gate)
    expected = load_expectations(expect, drawn) if expect is not None else None
    pipeline = pipeline_for(source, drawn, scene, model=model, providers=provider or [CPU])

    with ExitStack() as stack:
        lines = stack.enter_context(AtomicText(out))
        artist, film = Artist(drawn, pipeline), None
        if video is not None:
            rate = min(frame_rate("--fps", fps) or source.info.rate, source.info.rate)
            film = stack.enter_context(VideoWriter(video, size=size, rate=rate))
        table, boxes = None, None
        if tracks is not None:
            table = stack.enter_context(AtomicText(tracks, option="--tracks"))
            boxes = TrackFile(table.write, start_ts)
        progress = stack.enter_context(progress_bar())
        task = progress.add_task(clip.name, total=source.info.frames)

        def seen(frame: Frame, step: Step, events: Sequence[Event]) -> None:
            progress.update(task, completed=frame.index + 1)
            if boxes is not None:
                boxes.update(step.tracked)
            if film is not None:
                film.write(artist.picture(frame, step, events), frame.ts - start_ts)

        summary = analyse_clip(
            source,
            pipeline,
            start_ts=start_ts,
            write=lambda record: lines.write(json_line(record)),
            seen=seen,
        )
        progress.update(task, completed=source.info.frames)
        progress.stop()
        # what can fail for want of space comes before the first result appears
        if film is not None:
            film.finish()
        if boxes is not None:
            boxes.finish()
        lines.commit()
        if table is not None:
            table.commit()
        if film is not None:
            film.commit()
    log.info(
        "done", clip=str(clip), frames=summary.frames, analysed=summary.analysed, **_totals(summary)
    )
    if expected is not None:
        differences = expected.differences(summary, start_ts)
        for difference in differences:
            typer.echo(f"{expect}: {difference}", err=True)
        if differences:
            raise typer.Exit(1)
        log.info("as expected", expect=str(expect))


def opened(clip: Path, *, fps: str | None, source_fps: str | None, start: str) -> ClipSource:
    """The clip as its options say; raises MatakotaError for one that cannot be read so."""
    start_ts = start_time(start)
    source = ClipSource(
        clip,
        camera_id=os.fsencode(clip.stem).decode(errors="replace"),
        source_fps=frame_rate("--source-fps", source_fps),
        fps=frame_rate("--fps", fps),
        start_ts=start_ts,
    )
    _check_calendar(start_ts, source.info.duration_s)
    return source


def drawn_on(source: ClipSource, path: Path) -> Scene:
    """The scene in a file, for the pictures of ``source``; says what in it cannot work."""
    drawn = load_scene(path, default_frame_size=(source.info.width, source.info.height))
    for warning in check_scene(drawn):
        log.warning(warning, scene=str(path))
    return drawn


def pipeline_for(
    source: ClipSource, drawn: Scene, path: Path, *, model: str, providers: Sequence[str]
) -> Pipeline:
    """The pipeline of the scene ``drawn``, which is in the file ``path``, for ``source``."""
    size = (source.info.width, source.info.height)
    cache = cache_folder(os.environ)
    detectors = Detectors(lambda name: resolve(name, cache=cache), providers)
    try:
        drawn.scale_from(size)
        return detectors.pipeline(model, size, drawn)
    except (SceneError, DetectorError) as error:
        raise type(error)(f"{path}: {error}") from None


class Artist:
    """Draws what ``analyse --video`` shows of each frame."""

    def __init__(self, scene: Scene, pipeline: Pipeline) -> None:
        self._scene = scene
        self._pipeline = pipeline

    def picture(self, frame: Frame, step: Step, events: Sequence[Event]) -> Image:
        totals = {
            line: {direction: sum(classes.values()) for direction, classes in by.items()}
            for line, by in self._pipeline.counts.items()
        }
        clock = datetime.fromtimestamp(frame.ts, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return draw(
            frame.image, step.tracked, self._scene, counts=totals, events=events, clock=clock
        )


def refuse_overwriting(outputs: Mapping[str, Path | None], inputs: Sequence[Path | None]) -> None:
    """Raise OutputError where one of ``outputs``, by option, is also read or written twice."""
    taken = {path.resolve() for path in inputs if path is not None}
    for option, path in outputs.items():
        if path is None:
            continue
        if path.resolve() in taken:
            raise OutputError(
                f"{option} {path} would overwrite a file that this run reads or writes already: "
                "choose another name"
            )
        taken.add(path.resolve())


def progress_bar(*, auto_refresh: bool = True) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        auto_refresh=auto_refresh,
    )


def _totals(summary: Summary) -> dict[str, object]:
    counted = {
        f"{line} {direction}": sum(classes.values())
        for line, by in summary.counts.items()
        for direction, classes in by.items()
    }
    return {"events": len(summary.events), "counts": counted}


def frame_rate(option: str, text: str | None) -> Fraction | None:
    """A frame rate such as 12, 29.97 or 30000/1001, None for none; raises MatakotaError."""
    if text is None:
        return None
    try:
        rate = Fraction(text if _RATE.fullmatch(text) else 0)
    except ZeroDivisionError:
        rate = Fraction(0)
    if not 0 < rate <= MAX_FPS:
        raise MatakotaError(
            f"{option} {text} is no frame rate: write frames a second above 0 and up to {MAX_FPS}, "
            "such as 12 or 29.97"
        )
    return rate


def start_time(text: str) -> float:
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise MatakotaError(
            f"--start {text} is no time: write ISO 8601 with its offset, such as "
            "2026-01-31T07:00+08:00"
        ) from None
    if start.tzinfo is None:
        log.warning("--start names no offset from UTC, so it is read as UTC", start=text)
        start = start.replace(tzinfo=UTC)
    return start.timestamp()


def _check_calendar(start_ts: float, duration_s: float) -> None:
    """Raise MatakotaError where the clip begins before the year 1 or ends after the year 9999."""
    try:
        for ts in (start_ts, start_ts + duration_s):
            datetime.fromtimestamp(ts, UTC)
    except (ValueError, OverflowError, OSError):
        raise MatakotaError(
            "the clip would begin before the year 1 or end after the year 9999: correct --start "
            "or --source-fps"
        ) from None
