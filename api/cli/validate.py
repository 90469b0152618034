"""``matakota validate``: pieces of recordings for people to count in, and what came of it."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer

from api.cli.options import DataOption, time_of
from api.cli.stored import cameras_of
from api.cli.survey import times_of
from api.cli.tables import print_rows
from api.pieces import FOLDER, KEEP_DAYS, path_of, remove, sweep
from api.spreadsheet import plain
from api.store import Actor, Store
from api.store.validations import NewPiece, Validation
from api.times import local
from streams import keeper
from streams.evidenceboxes import kept_sights
from streams.files import inspect_clip
from streams.keeper import Reading
from streams.pieces import (
    SECONDS,
    Drawn,
    Film,
    Made,
    by_time,
    countable,
    cut,
    drawn_in,
    film_of,
    known_parts,
)
from streams.scenefile import scene_of
from streams.settings import Settings
from streams.survey import read
from vision.bins import Interval
from vision.errors import ClipError, ConfigError
from vision.kept import Kept
from vision.masking import Masking
from vision.scene import Scene
from vision.validation import drawn as chosen

DAY_S: Final = 86_400.0
BESIDE_S: Final = 5.0
"""Who is in a piece may have been followed from so long before it."""
MAX_HIDDEN: Final = 0.1
"""Of a piece more of which is hidden whole, nobody can count what passes."""
HEAD: Final = ("piece", "camera", "line", "from (WITA)", "minutes", "counted", "by", "video")
SUMS: Final = ("camera", "line", "class", "pieces", "machine", "by hand", "error", "95 %", "factor")

app = typer.Typer(no_args_is_help=True)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Recording:
    """What pieces are made of: the ``films`` of a ``camera``, what the ``model`` counted in them
    by the minute, the scene of each revision, and the tracks of a time (UTC seconds)."""

    camera: str
    model: str
    films: Sequence[Film]
    intervals: Sequence[Interval]
    scenes: Callable[[int], Scene | None]
    tracks: Callable[[float, float], Iterable[Kept]]


@app.command()
def prepare(
    recordings: Annotated[
        list[Path], typer.Argument(help="What was recorded of the camera.", metavar="VIDEO...")
    ],
    survey: Annotated[
        Path | None,
        typer.Option(help="The folder of the survey of these videos.", metavar="FOLDER"),
    ] = None,
    camera: Annotated[str | None, typer.Option(help="The live camera's id.", metavar="ID")] = None,
    start: Annotated[
        list[str] | None,
        typer.Option(
            help="When a video begins, ISO 8601, with its offset from UTC, repeated for each in "
            "their order; or 'names+08:00' for the times in their names."
        ),
    ] = None,
    line: Annotated[
        list[str] | None, typer.Option(help="Only this line; may be repeated.", metavar="NAME")
    ] = None,
    pieces: Annotated[int, typer.Option(help="How many of each line.", min=1, max=500)] = 6,
    seconds: Annotated[
        int, typer.Option(help="How long each is; whole minutes.", min=60, max=900)
    ] = SECONDS,
    seed: Annotated[int, typer.Option(help="Another one draws other pieces.")] = 1,
    keep_days: Annotated[
        float, typer.Option(help="How long their videos are kept.", min=0.01, max=3650)
    ] = KEEP_DAYS,
    tracks: Annotated[
        Path | None,
        typer.Option(help="Where a worker kept tracks; in the data folder by default."),
    ] = None,
    data: DataOption = None,
) -> None:
    """Draw pieces of recordings, mask them, and have people count them on the page /validation.
    They are of a survey, or of a live camera: then what it counted and who was where must still be
    there of that time."""
    if seconds % 60:
        raise typer.BadParameter("--seconds must be whole minutes")
    if (survey is None) == (camera is None or not start):
        raise typer.BadParameter("give --survey FOLDER, or --camera and --start")
    settings = Settings.read(os.environ, data)
    with Store.open(settings.database_url) as store:
        if survey is not None:
            recording = _surveyed(survey, recordings)
        else:
            (name,) = cameras_of(store, [camera or ""])
            folder = tracks or settings.data / keeper.FOLDER
            recording = _lived(store, name, _films(recordings, start or ()), folder)
            log.warning(
                "heads are hidden where people were at the times that --start tells: if it is "
                "wrong by a second, they are not; look at a piece before others count it"
            )
        now = time.time()
        made = prepared(
            recording, line or (), store, settings.data / FOLDER,
            pieces=pieces, seconds=seconds, seed=seed, keep_until=now + keep_days * DAY_S,
        )  # fmt: skip
        sweep(store, settings.data / FOLDER, now)
    typer.echo(f"{made} pieces wait on the page /validation")
    if not made:
        raise typer.Exit(1)


def _lived(store: Store, camera: str, films: Sequence[Film], folder: Path) -> Recording:
    """What a live camera counted in these films, and the tracks that a worker kept in a folder."""
    return Recording(
        camera=camera,
        model=_model(store, camera),
        films=films,
        intervals=store.counts.intervals(
            camera,
            from_ts=math.floor(films[0].start_ts),
            to_ts=math.ceil(films[-1].end_ts),
            seconds=60,
        ),
        scenes=lambda revision: _scene(store, camera, revision),
        tracks=lambda from_ts, to_ts: Reading(folder, camera, from_ts, to_ts),
    )


def _surveyed(folder: Path, paths: Sequence[Path]) -> Recording:
    """What was counted in a survey. Raises SurveyError, and ConfigError for videos that it is not
    of."""
    of = read(folder)
    films = []
    for path in paths:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            why = (error.strerror or "error").lower()
            raise ClipError(f"{path} cannot be read ({why}): check the path") from None
        known = next((each for each in of.files if each.sha256 == digest), None)
        if known is None:
            raise ConfigError(
                f"{path} is none of the videos of the survey {folder}, which are "
                f"{', '.join(ascii(each.name) for each in of.files)}: name some of these"
            )
        films.append(Film(path, known.start_ts, known.duration_s))
    return Recording(
        camera=of.camera, model=of.model, films=films, intervals=of.intervals,
        scenes=lambda _: of.scene, tracks=of.pictures,
    )  # fmt: skip


def prepared(
    recording: Recording,
    lines: Sequence[str],
    store: Store,
    folder: Path,
    *,
    pieces: int,
    seconds: int,
    seed: int,
    keep_until: float,
) -> int:
    """Draw ``pieces`` of each of these ``lines``, or of all, write their videos to ``folder`` and
    keep them; how many there are now. The same ``seed`` draws the same ones, so that what was
    interrupted goes on. Raises ConfigError where a line is unknown."""
    there = dict.fromkeys(name for each in recording.intervals for name in each.lines)
    for name in lines:
        if name not in there:
            raise ConfigError(
                f"nothing was counted at {name[:40]!a} in that time: name a line that was watched "
                f"then, of {', '.join(map(ascii, there)) or 'which there is none'}"
            )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    known: dict[float, Made | None] = {}
    made = 0
    for name in lines or there:
        whole = {
            each.start_ts: (each, line)
            for each in countable(recording.intervals, name, recording.films, seconds)
            if (line := drawn_in(recording.scenes(each.revision), name)) is not None
        }
        if not whole:
            log.warning("no piece of this line was watched whole, in one recording", line=name)
            continue
        found = {from_ts: each for from_ts, each in whole.items() if each[1].shown}
        if not found:
            log.warning(
                "where this line ends, people are cut off by the border of the scene's region, and "
                "would have to be hidden: let 'region' reach further, above all below the line",
                line=name,
            )
            continue
        for from_ts in chosen([*found], pieces, seed):
            if from_ts not in known:
                known[from_ts] = _written(recording, from_ts, seconds, folder)
            video = known[from_ts]
            if video is not None:
                interval, line = found[from_ts]
                piece = _piece(recording, interval, line, video, keep_until)
                store.validations.add(piece, Actor.command())
                made += 1
    return made


@app.command("list")
def list_pieces(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data: DataOption = None,
) -> None:
    """Show the pieces there are, and how right each line is counted."""
    with Store.open(Settings.read(os.environ, data).database_url) as store:
        listed, found = store.validations.listed(only=None), store.validations.all(only=None)
    if as_json:
        typer.echo(json.dumps([_said(each) for each in found], indent=2, ensure_ascii=False))
        return
    rows = [
        (
            str(each.piece.id), plain(each.piece.made.camera), plain(each.piece.made.line),
            _clock(each.piece.made.from_ts), str(each.piece.made.seconds // 60),
            "-" if each.newest is None else _clock(each.newest.counted_at),
            "-" if each.newest is None else plain(each.newest.counted_by),
            "kept" if each.piece.removed_at is None else "removed",
        )
        for each in listed
    ]  # fmt: skip
    print_rows(HEAD, rows)
    if found:
        typer.echo("")
        print_rows(SUMS, [row for each in found for row in _sums(each)])


@app.command("remove")
def remove_pieces(
    pieces: Annotated[list[int], typer.Argument(help="Their numbers.", metavar="PIECE...")],
    data: DataOption = None,
) -> None:
    """Remove the videos of pieces at once; what was counted in them stays."""
    settings = Settings.read(os.environ, data)
    with Store.open(settings.database_url) as store:
        for piece in pieces:
            if store.validations.get(piece, only=None) is None:
                raise ConfigError(f"there is no piece {piece}: see 'matakota validate list'")
        remove(store, settings.data / FOLDER, pieces, Actor.command(), now=time.time())


def _films(paths: Sequence[Path], start: Sequence[str]) -> list[Film]:
    """Raises ClipError, SurveyError, and ConfigError where the start of one is not told, or two
    overlap."""
    starts = times_of(paths, start, lambda text: time_of("--start", text) or 0.0)
    if len(starts) != len(paths):
        raise ConfigError(
            f"--start was given once for {len(paths)} videos, and a gap between two of them would "
            "show people unmasked: give it for each, in their order, or 'names+08:00' for the "
            "times in their names"
        )
    of = zip(paths, starts, strict=True)
    return by_time(Film(path, ts, inspect_clip(path).duration_s) for path, ts in of)


def _written(recording: Recording, from_ts: float, seconds: int, folder: Path) -> Made | None:
    """The masked video of a piece, None where too much of it would be hidden. Raises ClipError."""
    film = film_of(recording.films, from_ts, seconds)
    if film is None:
        raise ClipError(f"no recording holds the piece from {_clock(from_ts)} on: name it too")
    begin_ts, end_ts = from_ts - BESIDE_S, from_ts + seconds + BESIDE_S
    revisions = dict.fromkeys(
        each.revision
        for each in recording.intervals
        if each.start_ts < end_ts and each.start_ts + each.seconds > begin_ts
    )
    scenes = [scene for each in revisions if (scene := recording.scenes(each)) is not None]
    seen = kept_sights(recording.tracks(begin_ts, end_ts), known_parts(scenes))
    to = folder / f"new-{os.getpid()}.mp4"
    made = cut(film, from_ts, seconds, Masking(seen), to)
    if made.hidden > MAX_HIDDEN * made.pictures:
        to.unlink()
        log.warning(
            "a piece is left out, since nobody knows who was in it: let the scene look for "
            "persons, and prepare pieces while tracks are kept",
            begins=_clock(from_ts), hidden=f"{made.hidden / made.pictures:.0%}",
        )  # fmt: skip
        return None
    to.chmod(0o600)
    os.replace(to, path_of(folder, made.sha256))
    log.info("a piece is cut and masked", begins=_clock(from_ts), mb=round(made.size / 1e6, 1))
    return made


def _piece(
    recording: Recording, of: Interval, drawn: Drawn, video: Made, keep_until: float
) -> NewPiece:
    film = film_of(recording.films, of.start_ts, of.seconds)
    line = drawn.line
    machine = {(way, cls): n for (name, way, cls), n in of.counts.items() if name == line.name}
    return NewPiece(
        camera=recording.camera,
        line=line.name,
        from_ts=of.start_ts,
        seconds=of.seconds,
        revision=of.revision,
        model=recording.model,
        source="" if film is None else film.path.name,
        points=drawn.points,
        directions=(line.forward, line.backward),
        classes=tuple(dict.fromkeys((*of.classes, *(cls for _, cls in machine)))),
        machine=machine,
        observed_s=of.observed_of(line.name),
        width=video.width,
        height=video.height,
        size=video.size,
        sha256=video.sha256,
        keep_until=keep_until,
    )


def _scene(store: Store, camera: str, revision: int) -> Scene | None:
    kept = store.scenes.get(camera, revision)
    return None if kept is None else scene_of(kept.document, f"scene {revision} of {camera}")


def _model(store: Store, camera: str) -> str:
    city = store.configuration.current()
    configured = () if city is None else city.cameras
    model = next((each.model for each in configured if each.id == camera), None) or "default"
    # a file of one's own is told by its name: where it lies concerns nobody
    return Path(model).name


def _sums(of: Validation) -> Iterator[tuple[str, ...]]:
    for each in of.accuracies:
        errors, factor = each.errors, each.factor
        yield (
            plain(of.camera), plain(of.line), plain(each.class_name) or "all", str(each.pieces),
            str(each.machine), str(each.true),
            "-" if each.error is None else f"{each.error:+.1%}",
            "too few" if errors is None else f"{errors[0]:+.1%} to {errors[1]:+.1%}",
            "-" if factor is None else f"{factor:.3f}",
        )  # fmt: skip


def _said(of: Validation) -> Mapping[str, object]:
    return {
        "camera": of.camera,
        "line": of.line,
        "model": of.model,
        "pieces": of.pieces,
        "seconds": of.seconds,
        "left_out": of.left_out,
        "classes": [
            {
                "class": each.class_name or None,
                "machine": each.machine,
                "true": each.true,
                "error": each.error,
                "interval": each.errors,
                "factor": each.factor,
            }
            for each in of.accuracies
        ],
    }


def _clock(ts: float) -> str:
    return f"{local(ts):%Y-%m-%d %H:%M:%S}"
