"""``matakota survey``: hours of recorded files, counted by the minute; it survives being killed."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from api.cli.analyse import CPU, DEFAULT_MODEL, frame_rate, start_time
from api.cli.options import FpsOption, ModelOption, ProviderOption, SceneOption, SourceFpsOption
from models.zoo import cache_folder, resolve
from streams.config import MOTION
from streams.detector import Detectors
from streams.messages import MAX_NAME_CHARS
from streams.scenefile import load_scene
from streams.survey import CHUNK_MIN, Manifest, begin, held
from streams.surveycrew import look_through
from streams.surveyfiles import recordings, time_in_name
from streams.surveying import Job
from vision.bins import SECONDS, Interval
from vision.detect import Finder
from vision.errors import DetectorError, SceneError, SurveyError
from vision.region import RegionFinder
from vision.scene import Scene
from vision.scene_check import check_scene

NAMES = "names"
MAX_CHUNK_MIN = 120
MAX_JOBS = 256

log = structlog.get_logger()

OutFolder = Annotated[Path, typer.Option(help="The folder for what comes out.", metavar="FOLDER")]


def survey(
    files: Annotated[list[Path], typer.Argument(help="The recorded videos.", metavar="FILES...")],
    scene: SceneOption,
    start: Annotated[
        list[str],
        typer.Option(
            help="When the first file was begun, ISO 8601 with its offset from UTC, the others "
            "following it; or repeated for each file; or 'names+08:00' for the times in the "
            "files' names."
        ),
    ],
    out: OutFolder,
    jobs: Annotated[
        int, typer.Option(min=1, max=MAX_JOBS, help="Files that are looked at at a time.")
    ] = os.cpu_count() or 1,
    camera: Annotated[
        str | None, typer.Option(help="The camera's name; that of --out by default.")
    ] = None,
    fps: FpsOption = None,
    source_fps: SourceFpsOption = None,
    model: ModelOption = DEFAULT_MODEL,
    provider: ProviderOption = None,
    chunk: Annotated[
        int,
        typer.Option(
            min=1, max=MAX_CHUNK_MIN, help="What is lost in a file when it is interrupted, minutes."
        ),
    ] = CHUNK_MIN,
    broken_as_gaps: Annotated[
        bool,
        typer.Option(
            "--broken-as-gaps",
            help="What follows a place that cannot be decoded, or was cut off, is a gap.",
        ),
    ] = False,
) -> None:
    """Count hours of recorded files by the minute. Run it again where it was interrupted."""
    rate, source_rate = frame_rate("--fps", fps), frame_rate("--source-fps", source_fps)
    times, providers = times_of(files, start), provider or [CPU]
    name = out.resolve().name if camera is None else camera
    if not 1 <= len(name) <= MAX_NAME_CHARS or not name.isprintable():
        raise SurveyError(
            f"a camera's name has 1 to {MAX_NAME_CHARS} characters that can be printed: give one "
            "by --camera"
        )
    cache = cache_folder(os.environ)
    with held(out):
        found = recordings(files, times, source_rate, _reading, whole=not broken_as_gaps)
        size = found[0].info.width, found[0].info.height
        drawn, finder = _drawn(scene, size, cache, model, providers)
        if len(found) > 1 and jobs > 1 and drawn.view is None:
            log.warning(
                "files are looked at one after another, since the scene does not state the view: "
                "write the line 'view' that 'matakota scene view' prints into it",
                scene=str(scene),
            )
        verified = None if MOTION in (model, drawn.detector) else resolve(model, cache=cache)
        manifest = Manifest(
            program=program(),
            camera=name,
            files=tuple(each.file for each in found),
            scene_sha256=_sha256(scene.read_bytes()),
            model=MOTION if verified is None else verified.entry.name,
            model_sha256="" if verified is None else _sha256(verified.content),
            providers=tuple(providers),
            fps=None if rate is None else str(rate),
            source_fps=None if source_rate is None else str(source_rate),
            picture_size=size,
            frame_size=drawn.frame_size,
            looked_for=drawn.classes or finder.wanted,
            groups=dict(zip(finder.classes, finder.group_of.tolist(), strict=True)),
            seen=finder.box_in(drawn.frame_size) if isinstance(finder, RegionFinder) else None,
            chunk_s=SECONDS * chunk,
        )
        begin(out, manifest, scene.read_bytes())
        work = [
            Job(
                folder=out,
                number=number,
                path=each.path.resolve(),
                model=model,
                cache=cache,
                gaps=broken_as_gaps,
            )
            for number, each in enumerate(found)
        ]
        with progress_bar() as progress:
            task = progress.add_task(manifest.camera, total=manifest.seconds)
            intervals = look_through(
                work, jobs, lambda far: progress.update(task, completed=far.total_s)
            )
    say_done(out, intervals)


def _reading(path: Path) -> None:
    log.info("reading", file=path.name)


def times_of(
    files: Sequence[Path], start: Sequence[str], read: Callable[[str], float] = start_time
) -> list[float]:
    """When the files were begun, or the first one of them, by ``--start``; ``read`` gives the UTC
    seconds of an ISO time."""
    if len(start) == 1 and start[0].startswith(NAMES):
        offset = start[0].removeprefix(NAMES)
        moved_s = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
        moved_s -= read(f"2000-01-01T00:00:00{offset}")
        zone = timezone(timedelta(seconds=moved_s))
        return [time_in_name(path, zone) for path in files]
    if len(start) not in (1, len(files)):
        raise SurveyError(
            f"--start was given {len(start)} times for {len(files)} files: give it once, or for "
            "each file"
        )
    return [read(each) for each in start]


def _drawn(
    path: Path, size: tuple[int, int], cache: Path, model: str, providers: Sequence[str]
) -> tuple[Scene, Finder]:
    """What is drawn in a scene file, for pictures of ``size``, and what looks for objects."""
    drawn = load_scene(path, default_frame_size=size)
    for warning in check_scene(drawn):
        log.warning(warning, scene=str(path))
    detectors = Detectors(lambda name: resolve(name, cache=cache), providers)
    try:
        drawn.scale_from(size)
        return drawn, detectors.get(model, size, drawn)[0]
    except (SceneError, DetectorError) as error:
        raise type(error)(f"{path}: {error}") from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def program() -> str:
    """The version of this program, which decides what comes out."""
    try:
        return version("matakota")
    except PackageNotFoundError:
        return "from a checkout"


def progress_bar() -> Progress:
    """Of seconds of a recording, with the time that is left."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def say_done(out: Path, intervals: Sequence[Interval]) -> None:
    """Tell what it all came to."""
    totals = Counter[str]()
    for each in intervals:
        for (line, direction, _), count in each.counts.items():
            totals[f"{line} {direction}"] += count
    watched_h = sum(each.observed_s for each in intervals) / 3600
    blind_h = sum(each.blind_s for each in intervals) / 3600
    log.info(
        "done",
        folder=str(out),
        watched_h=round(watched_h, 2),
        blind_h=round(blind_h, 2),
        counts=dict(sorted(totals.items())),
    )
