"""``matakota rtsp``: clips played as RTSP cameras, for demonstrations and tests."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import structlog
import typer

from api.cli.analyse import frame_rate
from models.zoo import user_cache
from streams.config import load_credentials
from streams.simulator import Login, Recording, Simulator, load_recording
from streams.yamlfile import quoted
from vision.errors import ConfigError, MatakotaError

MAX_CAMERAS = 1000
NAME_CHARS = 48
LOOPBACK = ("127.0.0.1", "::1", "localhost")

log = structlog.get_logger()


def rtsp(
    clips: Annotated[list[Path], typer.Argument(help="Recorded videos.", metavar="CLIP...")],
    once: Annotated[
        bool, typer.Option("--once", help="One pass a camera, to its first client, then the end.")
    ] = False,
    cameras: Annotated[
        int | None,
        typer.Option(help="So many cameras, cam1, cam2 …, that share the clips."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at, 0 for any.")] = 8554,
    substream: Annotated[
        str | None,
        typer.Option(help="The size of a sub-stream that each of them has too, as 640x360."),
    ] = None,
    source_fps: Annotated[
        str | None, typer.Option(help="The clips' true frame rate, where their headers are wrong.")
    ] = None,
    credentials: Annotated[
        Path | None, typer.Option(help="A credentials file, for cameras that want a login.")
    ] = None,
    login: Annotated[
        str | None, typer.Option(help="Which login of the credentials file they want.")
    ] = None,
) -> None:
    """Play clips as RTSP cameras until Ctrl-C: one address a line, once they can be opened."""
    if not 0 <= port <= 65_535:
        raise MatakotaError(f"--port {port} is no port: write 1 to 65535, or 0 for any free one")
    if cameras is not None and not 1 <= cameras <= MAX_CAMERAS:
        raise MatakotaError(f"--cameras {cameras} is out of range: write 1 to {MAX_CAMERAS}")
    wanted = _login(credentials, login)
    rate = frame_rate("--source-fps", source_fps)
    cache = user_cache(os.environ) / "clips"
    size = _size(substream, once=once)
    recordings = {clip: load_recording(clip, cache, source_fps=rate) for clip in clips}
    smaller = {
        clip: load_recording(clip, cache, source_fps=rate, size=size)
        for clip in (clips if size else ())
    }
    plan = _plan(clips, cameras, recordings)
    if wanted is None and host not in LOOPBACK:
        log.warning("anybody in the network can watch: give --credentials and --login", host=host)
    with Simulator(
        {name: recordings[clip] for name, (clip, _) in plan.items()},
        host=host,
        port=port,
        login=wanted,
        once=once,
        offsets_s={name: offset_s for name, (_, offset_s) in plan.items()},
        subs={name: smaller[clip] for name, (clip, _) in plan.items() if clip in smaller},
    ) as simulator:
        for name, (clip, _) in plan.items():
            shown = recordings[clip]
            log.info(
                "a camera is ready", camera=name, clip=str(clip), width=shown.width,
                height=shown.height, fps=round(shown.rate, 3), login=wanted is not None,
            )  # fmt: skip
            typer.echo(simulator.main_url(name) if size else simulator.url(name))
        simulator.wait()
    log.info("every camera has played its clip")


def _size(text: str | None, *, once: bool) -> tuple[int, int] | None:
    """The size that is asked for a sub-stream; video has even sides."""
    if text is None:
        return None
    if once:
        raise MatakotaError("--substream and --once: a camera plays one pass of one stream")
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text, re.ASCII)
    if match is None or int(match[1]) % 2 or int(match[2]) % 2:
        raise MatakotaError(f"--substream {quoted(text)} is no size: write it as 640x360, even")
    return int(match[1]), int(match[2])


def _plan(
    clips: list[Path], cameras: int | None, recordings: dict[Path, Recording]
) -> dict[str, tuple[Path, float]]:
    """By camera its clip and where in it the camera begins, seconds: cameras that share a clip
    show different parts of it."""
    count = cameras or len(clips)
    plan: dict[str, tuple[Path, float]] = {}
    for number in range(count):
        clip = clips[number % len(clips)]
        name = f"cam{number + 1}" if cameras else _name(clip, plan)
        sharing = -(-(count - number % len(clips)) // len(clips))
        recording = recordings[clip]
        length_s = len(recording.units) / recording.rate
        plan[name] = (clip, length_s * (number // len(clips)) / sharing)
    return plan


def _name(clip: Path, taken: dict[str, tuple[Path, float]]) -> str:
    """A camera's name after its clip, with a number where several are called the same."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", os.fsencode(clip.stem).decode(errors="replace"))
    stem = stem.strip("-._")[:NAME_CHARS] or "camera"
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name


def _login(path: Path | None, name: str | None) -> Login | None:
    if path is None and name is None:
        return None
    if path is None or name is None:
        raise MatakotaError("--credentials and --login belong together: give both or none")
    found = load_credentials(path).get(name)
    if found is None:
        raise ConfigError(f"{path}: there is no login {quoted(name)}; add it or name another one")
    return Login(found.user, found.password)
